"""Says what JSON is wanted in few words: a lean schema, a type, or the arguments of a function.

All are made from the one schema that a reply or a call is checked against later. Knows JSON
schema and nothing of models; what strict decoding wants is in `strict_schema.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from orchestrator.models.llm import JsonSchema

REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')
MANY = ("anyOf", "oneOf", "allOf")


def lean(schema: JsonSchema) -> JsonSchema:
    """The same schema without titles and class docstrings; each named part stands where it is
    used, and what may be left out is not said to be nullable as well."""
    defs = schema.get("$defs", {})
    named = {name: node for name, node in defs.items() if name in _reachable(node, defs)}
    plain = {name: node for name, node in defs.items() if name not in named}
    made: JsonSchema = _lean(schema, plain)
    if named:  # a type that holds itself cannot be written out
        made["$defs"] = {name: _lean(node, {}) for name, node in defs.items()}
    return made


def as_type(schema: JsonSchema) -> str:
    """A schema as a type in the manner of TypeScript, one line for each property of its root."""
    root = lean(schema)
    named = [f"type {name} = {_type(node)}" for name, node in root.get("$defs", {}).items()]
    if "$ref" in root:
        return "\n".join([*named, _type(root)])
    return "\n".join([*named, "{", *(f"  {line}" for line in _members(root)), "}"])


def as_arguments(schema: JsonSchema) -> str:
    """The properties of a schema on one line, as the arguments of a function are written."""
    return ", ".join(_members(lean(schema)))


def _reachable(node: Any, defs: dict[str, Any]) -> set[str]:
    """The names of every part that a schema refers to, also by way of others."""
    found: set[str] = set()
    ahead = set(REFERENCE.findall(json.dumps(node)))
    while ahead:
        found |= ahead
        ahead = {
            name
            for known in ahead
            for name in REFERENCE.findall(json.dumps(defs.get(known)))
            if name not in found
        }
    return found


def _lean(node: Any, defs: dict[str, Any]) -> Any:
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if name in defs:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**_lean(defs[name], defs), **beside}
    left_out = ("title", "$defs", "description" if "properties" in node else "")
    made = {key: value for key, value in node.items() if key not in left_out}
    if "properties" in node:
        required = node.get("required", ())
        made["properties"] = {
            key: _lean(sub if key in required else _said_once(sub), defs)
            for key, sub in node["properties"].items()
        }
    if "items" in node:
        made["items"] = _lean(node["items"], defs)
    return {**made, **{key: [_lean(one, defs) for one in node[key]] for key in MANY if key in node}}


def _said_once(node: Any) -> Any:
    """A property that may be left out, and is null then, without the null."""
    if not isinstance(node, dict) or node.get("default", "") is not None:
        return node
    made = {key: value for key, value in node.items() if key != "default"}
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return made
    del made["anyOf"]
    return {**made, **options[0]} if len(options) == 1 else {**made, "anyOf": options}


def _members(node: JsonSchema) -> Iterable[str]:
    required = node.get("required", ())
    for name, sub in node.get("properties", {}).items():
        default = sub.get("default") if isinstance(sub, dict) else None
        told = f" = {json.dumps(default, ensure_ascii=False)}" if default else ""
        yield f"{name}{'' if name in required else '?'}: {_type(sub)}{told}"


def _type(node: Any) -> str:
    if not isinstance(node, dict):
        return "any"
    if "$ref" in node:
        return str(node["$ref"]).rpartition("/")[2]
    options = next((node[key] for key in MANY if key in node), None)
    if options:
        return " | ".join(dict.fromkeys(_type(option) for option in options))
    choices = node["enum"] if "enum" in node else [node["const"]] if "const" in node else None
    if choices:
        return " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    if node.get("properties"):
        return f"{{{', '.join(_members(node))}}}"
    if node.get("type") == "array":
        item = _type(node.get("items"))
        return f"({item})[]" if " | " in item and not item.startswith("{") else f"{item}[]"
    kind = node.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)
