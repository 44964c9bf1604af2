"""Hides personal data from the model that works on a case, and puts it back into what it asks.

Everything that a model is shown passes `text` or `value`, before it is cut and escaped; whatever it
writes comes back through `restored`, so that code works on what is really there. What stands for
what is kept here alone; a run that goes on learns it again from the case and from the records that
its observations carry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.toolkit import Tool, ToolFunction
from orchestrator.agent import Observation
from orchestrator.errors import ToolFailed, UsageError
from tasks.forensics.intake import Intake
from tasks.forensics.manifest import Case
from tasks.forensics.redaction import ALL, KEY_FILE, PSEUDONYM, Redactor, key_in

PSEUDONYMS = "pseudonyms"
"""The record of what an observation's pseudonyms stand for."""
CUTS = (120, 2_000)
"""The lab cuts texts to these lengths; what is torn there has no form any more."""
CUT_MARK = "..."
CUT_ERROR = 400
TORN = re.compile(r"""[^\s&?;=,"'<>|/:]*[\d\s()./+-]*\Z""")
SQL_TEXT = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
ESCAPED = re.compile(
    r"\\\[((?:[a-z]+|private(?:\\?-)key)(?:\\? |\\s)[a-z]{10}(?:\\?-[a-z]{4})?)\\\]"
)
"""A pseudonym as a regular expression writes it."""
SQL_ARGUMENTS = frozenset({"query", "where"})
EXCERPT = re.compile(r"\s*LINE \d+: .*\Z", re.DOTALL)
"""What a database's error repeats of a query, cut where it likes."""


@dataclass(frozen=True, slots=True)
class Mask:
    """What stands between a case and its models; without a redactor, nothing."""

    redactor: Redactor | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is hidden."""
        return self.redactor is not None

    def text(self, text: str) -> str:
        """A text as a model may see it."""
        return text if self.redactor is None else self.redactor.text(_untorn(text))

    def value(self, value: Any, *, names: bool = True) -> Any:
        """A JSON value as a model may see it; `names` is whether its keys are evidence too."""
        if self.redactor is None:
            return value
        if isinstance(value, dict):
            return {
                self.text(key) if names else key: self.value(item, names=names)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item, names=names) for item in value]
        return self.text(value) if isinstance(value, str) else self.redactor.cell(value)

    def intake(self, intake: Intake) -> Intake:
        """What was found in a case, as a model may see it."""
        if self.redactor is None:
            return intake
        return Intake.model_validate(self.value(intake.model_dump(mode="json"), names=False))

    def learn(self, known: Mapping[str, str]) -> None:
        """Take over what pseudonyms of a recorded observation stand for."""
        if self.redactor is not None:
            self.redactor.known.update(known)

    def restored(self, value: Any, argument: str = "") -> Any:
        """An argument with what its pseudonyms stand for. Raises ToolFailed for one that was never
        shown."""
        if isinstance(value, str):
            return self._restored_text(value, argument)
        if isinstance(value, BaseModel):
            return type(value).model_validate(self.restored(value.model_dump()))
        if isinstance(value, dict):
            return {self.restored(k): self.restored(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.restored(item) for item in value]
        return value

    def over(self, tools: Mapping[str, Tool]) -> dict[str, Tool]:
        """The tools as a model uses them that sees nothing personal."""
        if self.redactor is None:
            return dict(tools)
        return {
            name: replace(tool, function=self._hiding(tool.function))
            for name, tool in tools.items()
        }

    def _hiding(self, function: ToolFunction) -> ToolFunction:
        async def run(**arguments: Any) -> Observation:
            given = {name: self.restored(value, name) for name, value in arguments.items()}
            try:
                return self._hidden(await function(**given))
            except ToolFailed as error:
                said = EXCERPT.sub("", error.message)
                said = TORN.sub("", said) if len(said) >= CUT_ERROR else said
                return self._hidden(Observation(text=said, failed=True))

        return run

    def _hidden(self, observation: Observation) -> Observation:
        text, locator = self.text(observation.text), self.text(observation.locator)
        known = self.redactor.known if self.redactor else {}
        named = {match[0] for match in PSEUDONYM.finditer(f"{text} {locator}")}
        record = {name: known[name] for name in sorted(named) if name in known}
        records = [*(observation.snapshot or {}).get("forensics", ()), [PSEUDONYMS, record]]
        changes = {"text": text, "locator": locator, "snapshot": {"forensics": records}}
        return observation.model_copy(update=changes)

    def _restored_text(self, text: str, argument: str) -> str:
        if argument in SQL_ARGUMENTS:
            return SQL_TEXT.sub(self._restored_literal, text)
        if argument == "pattern":
            text = ESCAPED.sub(lambda found: f"[{_bare(found[1])}]", text)
            return PSEUDONYM.sub(lambda found: re.escape(self._spelling(found[0])), text)
        return PSEUDONYM.sub(lambda found: self._spelling(found[0]), text)

    def _restored_literal(self, found: re.Match[str]) -> str:
        """A text or a name in SQL, what is put in quoted as it is around it."""
        quote = found[0][0]
        quoted = partial(_doubled, quote=quote) if quote != "$" else str
        inner = ESCAPED.sub(
            lambda name: quoted(re.escape(self._spelling(f"[{_bare(name[1])}]"))), found[0]
        )
        return PSEUDONYM.sub(lambda name: quoted(self._spelling(name[0])), inner)

    def _spelling(self, name: str) -> str:
        known = self.redactor.known if self.redactor else {}
        if name in known:
            return known[name]
        alike = [other for other in known if other.startswith(f"{name[:-1]}-")]
        if len(alike) == 1:
            return known[alike[0]]
        several = f"; it is written in several ways: {', '.join(sorted(alike)[:9])}"
        raise ToolFailed(
            f"{name} stands for nothing that you were shown{several if alike else ''}. Write "
            "pseudonyms exactly as they were shown, and in SQL inside quotes"
        )


def mask_of(case: Case, results: Path, *, is_begun: bool) -> Mask:
    """What a case asks for, with the key of its batch. Raises UsageError when the key with which
    its run has begun is gone."""
    asked = case.redaction
    if not asked.model_input:
        return Mask()
    if is_begun and not (results / KEY_FILE).exists():
        raise UsageError(
            f"the key {results / KEY_FILE} is gone, and without it the pseudonyms that this case "
            "was worked on with cannot be made again",
            fix="put it back; or remove the case's folder, and the case begins anew",
        )
    kinds = tuple(kind for kind in ALL if kind != "ip" or asked.addresses)
    return Mask(Redactor(key_in(results), kinds=kinds, names=asked.names, is_exact=True))


def _untorn(text: str) -> str:
    """A text without its end where that was cut off in the middle of something."""
    whole = text.removesuffix(CUT_MARK)
    if len(whole) not in CUTS:
        return text
    return TORN.sub("", whole) + CUT_MARK


def _doubled(text: str, *, quote: str) -> str:
    return text.replace(quote, quote * 2)


def _bare(name: str) -> str:
    return name.replace("\\s", " ").replace("\\", "")
