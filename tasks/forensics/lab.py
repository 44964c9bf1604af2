"""The lab: a fresh box with a case's evidence bound read-only, and our program that answers in it.

No network, no keys, no code of a model: queries and patterns only. What it answers is checked
against the custody's hashes, and otherwise believed in its shape only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import SandboxFailed, ToolFailed
from sandbox.base import Box, Sandbox, SandboxSettings
from tasks.forensics.custody import Custody
from tasks.forensics.intake import Intake

INTAKE_S = 1_800.0
ANSWER_S = 150.0
AT_ONCE = 50
MEMORY = 2 << 30
MAX_INTAKE = 64 << 20
INTAKE_FILE = "work/intake.json"


@dataclass(frozen=True, slots=True)
class Lab:
    """A box in which the case was taken in. `intake` is what was found; `known` is what queries
    gave, as the same one over the same evidence gives the same. A replay has no box: all that was
    asked is recorded."""

    box: Box | None
    intake: Intake
    known: dict[str, dict[str, Any] | str] = field(default_factory=dict)

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises ToolFailed with what is wrong with it."""
        return await _answer(self._open, request, ANSWER_S)

    async def ask_all(self, queries: Sequence[str]) -> list[dict[str, Any] | str]:
        """The result of each query, or why it could not be had, in their order."""
        new = [query for query in dict.fromkeys(queries) if query not in self.known]
        for start in range(0, len(new), AT_ONCE):
            asked = new[start : start + AT_ONCE]
            answer = await self.ask({"op": "many", "queries": asked})
            for query, item in zip(asked, answer["results"], strict=True):
                self.known[query] = item["value"] if "value" in item else str(item["refused"])
        return [self.known[query] for query in queries]

    @property
    def image(self) -> str:
        """What the program ran in, by content."""
        return self._open.image

    @property
    def _open(self) -> Box:
        if self.box is None:
            raise SandboxFailed("nothing can be asked of a lab without a box")
        return self.box


@asynccontextmanager
async def open_lab(
    settings: SandboxSettings, custody: Custody, evidence: Path, subject: str | None
) -> AsyncIterator[Lab]:
    """A lab over evidence in custody, closed with everything in it at the end. Raises NotReady,
    SandboxFailed, and ToolFailed when the copies are not what the custody says."""
    own = replace(settings, inputs=evidence, memory_bytes=MEMORY)
    async with Sandbox.open(own) as box:
        yield Lab(box, await _taken_in(box, custody, subject))


async def _taken_in(box: Box, custody: Custody, subject: str | None) -> Intake:
    exhibits = [
        {"id": item.id, "path": item.path, "zone": item.zone, "zone_by": item.zone_by}
        for item in custody.exhibits
    ]
    request = {"op": "prepare", "exhibits": exhibits, "subject": subject, "seconds": INTAKE_S - 60}
    await _answer(box, request, INTAKE_S)
    content = await box.get(INTAKE_FILE)
    if len(content) > MAX_INTAKE:
        raise SandboxFailed(f"the intake holds {len(content)} bytes, more than {MAX_INTAKE}")
    try:
        intake = Intake.model_validate_json(content)
    except ValidationError as error:
        raise SandboxFailed(f"the intake cannot be understood: {str(error)[:400]}") from error
    _check_hashes(intake, custody)
    return intake


def _check_hashes(intake: Intake, custody: Custody) -> None:
    """The box has read the bytes that were taken in, and no others."""
    seen = {exhibit.id: exhibit.sha256 for exhibit in intake.exhibits}
    wrong = [item.id for item in custody.exhibits if seen.get(item.id) != item.sha256]
    if wrong:
        raise ToolFailed(
            f"the evidence in custody is not what was taken in: {', '.join(wrong[:20])}"
        )


async def _answer(box: Box, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    text = await box.examine(json.dumps(request), timeout_s=seconds, key=str(request["op"]))
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SandboxFailed(f"the lab gave no usable answer to {request['op']}") from error
    if "refused" in found:
        raise ToolFailed(str(found["refused"]))
    value = found.get("value")
    if not isinstance(value, dict):
        raise SandboxFailed(f"the lab gave no usable answer to {request['op']}")
    return value
