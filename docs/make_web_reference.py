"""Writes the table of the browser's tools into `docs/web.md`, from the tools' own signatures:
`python docs/make_web_reference.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agents.toolkit import Tool, tools_of_class  # noqa: E402 - the path is set above
from agents.web_surfer.surfer import WebSurfer  # noqa: E402 - the path is set above
from orchestrator.agent import Observation  # noqa: E402 - the path is set above

PAGE = Path(__file__).parent / "web.md"
BEGIN, END = "<!-- tools -->\n", "<!-- /tools -->"


def table() -> str:
    """A row per tool, in the order in which a model is told of them."""
    rows = [_row(tool) for tool in tools_of_class(WebSurfer, _call_nothing).values()]
    return "\n".join(
        ["| tool | arguments | what it does | class |", "|---|---|---|---|", *rows, ""]
    )


def with_table(page: str) -> str:
    """The page with the table of now in it."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


def _row(tool: Tool) -> str:
    schema = tool.spec.parameters
    needed = schema.get("required", [])
    arguments = [
        _argument(name, given, schema, needed=name in needed)
        for name, given in schema.get("properties", {}).items()
    ]
    said = " ".join(tool.spec.description.split())
    kind = f"{tool.marks.risk}, direct" if tool.marks.direct else tool.marks.risk
    return f"| `{tool.name}` | {', '.join(arguments) or 'none'} | {said} | {kind} |"


def _argument(name: str, given: dict[str, Any], schema: dict[str, Any], *, needed: bool) -> str:
    kind = _kind(given, schema)
    if needed:
        return f"`{name}`: {kind}"
    return f"`{name}`: {kind} = `{json.dumps(given.get('default'))}`"


def _kind(given: dict[str, Any], schema: dict[str, Any]) -> str:
    if "enum" in given:
        return " or ".join(json.dumps(choice) for choice in given["enum"])
    if "anyOf" in given:
        kinds = [_kind(choice, schema) for choice in given["anyOf"] if choice.get("type") != "null"]
        return " or ".join(kinds)
    if "$ref" in given:
        return _kind(schema["$defs"][given["$ref"].rsplit("/", 1)[-1]], schema)
    if given.get("type") == "array":
        return f"list of {_kind(given['items'], schema)}"
    if given.get("type") == "object":
        fields = (f"{name}: {_kind(one, schema)}" for name, one in given["properties"].items())
        return "{" + ", ".join(fields) + "}"
    return str(given["type"])


async def _call_nothing(name: str, arguments: dict[str, Any]) -> Observation:
    raise AssertionError(f"{name} is not called here")


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
