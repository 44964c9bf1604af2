"""The folder of a case: what lies where, and the export of its run that verifies offline.

    manifest.json  custody.json  intake.json  playbook.toml  evidence/  journal.jsonl  blobs/
    report.md  report.html  report.json  findings.csv  claims.csv  affected_records.csv
    timeline.csv  annex.json  marks.json  state.json

Everything but `state.json` and `hold.json` is part of a bundle. Of a case that was erased there is
`tombstone.json` and `state.json`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.blobs import Blobs
from orchestrator.canonical import canonical
from orchestrator.errors import JournalDamaged, UsageError
from orchestrator.journal import Record, verify_chain
from orchestrator.models.llm import Frozen
from tasks.forensics.custody import Custody
from tasks.forensics.intake import Intake
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import Playbook, load_playbook
from tasks.forensics.reporting.batch_page import write_files
from tasks.forensics.reporting.overlaps import CaseMarks
from tasks.storage import named_blobs

CaseState = Literal["begun", "running", "done", "partial", "failed", "needs_human", "purged"]
M = TypeVar("M", bound=BaseModel)
LEFT_OUT = ("state.json", "hold.json", "tombstone.json")
STAYS = ("versions", "review.jsonl", "hold.json")


class State(Frozen):
    """Where the work on a case stands. `run` is its run in the journal."""

    case_id: str
    state: CaseState
    run: str = ""
    reason: str = ""
    verdict: str = ""
    verified: int = 0
    claims: int = 0
    head: str = ""
    usd_micros: int | None = None
    tokens: int = 0
    seconds: float = 0.0


def json_of(value: BaseModel) -> bytes:
    """A value as its file in the folder."""
    return f"{canonical(value.model_dump(mode='json'))}\n".encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one case."""

    path: Path

    @property
    def evidence(self) -> Path:
        """The copies in custody."""
        return self.path / "evidence"

    def case(self) -> Case:
        """The case as it was when the work began. Raises UsageError."""
        return self._read("manifest.json", Case)

    def custody(self) -> Custody:
        """What was taken in."""
        return self._read("custody.json", Custody)

    def intake(self) -> Intake:
        """What plain code found."""
        return self._read("intake.json", Intake)

    def marks(self) -> CaseMarks:
        """What marks the subject of the case."""
        return self._read("marks.json", CaseMarks)

    def playbook(self) -> Playbook:
        """The playbook that the case was worked on with."""
        return load_playbook(self.path / "playbook.toml")

    def state(self) -> State | None:
        """Where the work stands; None before it began."""
        return self._read("state.json", State) if (self.path / "state.json").exists() else None

    def clear(self) -> None:
        """Take away everything but earlier versions and their review."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for entry in self.path.iterdir():
            if entry.name in STAYS:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def write(self, name: str, value: BaseModel) -> None:
        """Write a value as canonical JSON, whole or not at all."""
        write_files({name: json_of(value)}, self.path)

    def write_journal(self, records: Sequence[Record], blobs: Blobs) -> None:
        """Write a run with the bytes that it names."""
        lines = [canonical(asdict(record)) for record in records]
        text = "".join(f"{line}\n" for line in lines)
        (self.path / "journal.jsonl").write_text(text, encoding="utf-8")
        target = self.path / "blobs"
        target.mkdir(exist_ok=True)
        for name in sorted(named_blobs(lines, blobs)):
            (target / name).write_bytes(blobs.get(name))

    def records(self) -> list[Record]:
        """The exported run, its chain checked. Raises JournalDamaged."""
        try:
            lines = (self.path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
            records = [Record(**json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise JournalDamaged(f"journal.jsonl cannot be read: {error}") from error
        verify_chain(records)
        return records

    def _read(self, name: str, model: type[M]) -> M:
        try:
            return model.model_validate_json((self.path / name).read_bytes())
        except (OSError, ValidationError) as error:
            said = str(error).splitlines()[0]
            raise UsageError(f"{self.path / name} cannot be used: {said}") from error
