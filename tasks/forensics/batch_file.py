"""Reads a batch's manifest from a file and names every fault in it by line and field.

Knows JSON lines and YAML. Opens no evidence; only looks whether paths stay inside the batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from orchestrator.errors import UsageError
from tasks.forensics.manifest import Case

MAX_BYTES = 32 << 20
MAX_CASES = 100_000
SHOWN = 200
DEFAULTED = frozenset(Case.model_fields) - {"case_id", "evidence"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where. `field` may be empty."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "the file"
        return f"{where}{f', field {self.field}' if self.field else ''}: {self.message}"


@dataclass(frozen=True, slots=True)
class Batch:
    """The cases of a manifest, in its order, and the folder that their paths are relative to."""

    file: Path
    root: Path
    cases: tuple[Case, ...]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A case as it is written: its line, and the lines of its fields where they are known."""

    line: int
    body: Any
    lines: Mapping[str, int]


def load_batch(file: Path, *, skip_invalid: bool = False) -> Batch:
    """Every case of a manifest. Raises UsageError that names all faults, unless the faulty cases
    are to be skipped and at least one is sound."""
    batch = read_batch(file)
    if batch.faults and not (skip_invalid and batch.cases):
        listed = [f"{file.name} {fault}" for fault in batch.faults[:SHOWN]]
        if len(batch.faults) > SHOWN:
            listed.append(f"... and {len(batch.faults) - SHOWN} more")
        raise UsageError(
            f"{len(batch.faults)} faults in {file}; nothing was started\n" + "\n".join(listed),
            fix="mend these lines, or leave the faulty cases out with --skip-invalid",
        )
    return batch


def read_batch(file: Path) -> Batch:
    """The sound cases and every fault. Raises UsageError for a file that cannot be read at all."""
    text = _text(file)
    faults: list[Fault] = []
    reads = _yaml_entries if file.suffix.lower() in (".yaml", ".yml") else _json_entries
    entries = list(reads(text, faults))
    root = file.resolve().parent
    cases: list[tuple[_Entry, Case]] = []
    for entry in entries[:MAX_CASES]:
        case = _case(entry, root, faults)
        if case is not None:
            cases.append((entry, case))
    if len(entries) > MAX_CASES:
        faults.append(Fault(entries[MAX_CASES].line, "", f"more than {MAX_CASES} cases"))
    sound = _unique(cases, faults)
    if not entries and not faults:
        faults.append(Fault(0, "", "it holds no case"))
    faults.sort(key=lambda fault: fault.line)
    return Batch(file, root, tuple(sound), tuple(faults))


def _text(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UsageError(f"{file} holds {size} bytes, more than {MAX_BYTES}")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"the manifest {file} cannot be read: {error.strerror}",
            fix="quaestor forensics init FOLDER writes one",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 (byte {error.start})") from error


def _json_entries(text: str, faults: list[Fault]) -> Iterator[_Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            body = json.loads(line, object_pairs_hook=_once_each, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(number, "", f"it is no JSON object on one line ({error})"))
            continue
        yield _Entry(number, body, {})


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _yaml_entries(text: str, faults: list[Fault]) -> Iterator[_Entry]:
    try:
        _refuse_references(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        whole = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        faults.append(Fault(mark.line + 1 if mark else 0, "", f"it is no YAML ({error})"[:400]))
        return
    except (RecursionError, ValueError) as error:
        faults.append(Fault(0, "", str(error)))
        return
    if not isinstance(whole, dict) or not isinstance(whole.get("cases"), list):
        faults.append(Fault(1, "cases", "YAML needs `cases:` with a list"))
        return
    strange = sorted(set(map(str, whole)) - {"cases", "defaults"})
    faults += [Fault(1, name, "only `defaults` and `cases` are known here") for name in strange]
    defaults = whole.get("defaults") or {}
    if not isinstance(defaults, dict) or not set(defaults) <= DEFAULTED:
        faults.append(Fault(1, "defaults", f"may hold {', '.join(sorted(DEFAULTED))}"))
        defaults = {}
    for node, body in zip(_sequence(tree, "cases"), whole["cases"], strict=True):
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in _pairs(node)}
        merged = {**defaults, **body} if isinstance(body, dict) else body
        yield _Entry(node.start_mark.line + 1, _plain(merged), lines)


def _refuse_references(text: str) -> None:
    """An alias can stand for a million others."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise ValueError(f"line {line}: aliases (*name) are not allowed")


def _sequence(tree: Any, name: str) -> list[Any]:
    return next(value.value for key, value in tree.value if key.value == name)


def _pairs(node: Any) -> list[Any]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _plain(value: Any) -> Any:
    """YAML reads times as times; the manifest reads them as text, as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    moment = getattr(value, "isoformat", None)
    return moment() if moment is not None else value


def _case(entry: _Entry, root: Path, faults: list[Fault]) -> Case | None:
    if not isinstance(entry.body, dict):
        faults.append(Fault(entry.line, "", "a case is an object with case_id, question, evidence"))
        return None
    try:
        # As JSON, where strict still reads a list as several and a text as a time.
        case = Case.model_validate_json(json.dumps(entry.body))
    except ValidationError as error:
        faults += [_fault(entry, problem) for problem in error.errors()]
        return None
    leaving = [_leaving(entry, name, path, root) for name, path in _paths(case)]
    found = [fault for fault in leaving if fault is not None]
    faults += found
    return None if found else case


def _fault(entry: _Entry, problem: Any) -> Fault:
    field = ".".join(str(part) for part in problem["loc"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        said = "is not known here"
    top = str(problem["loc"][0]) if problem["loc"] else ""
    return Fault(entry.lines.get(top, entry.line), field, said)


def _paths(case: Case) -> Iterator[tuple[str, str]]:
    yield from (("evidence", path) for path in case.evidence)
    yield from (("references", path) for path in case.references)
    if case.playbook is not None:
        yield "playbook", case.playbook


def _leaving(entry: _Entry, name: str, path: str, root: Path) -> Fault | None:
    """A link on the way may lead out of the batch's folder."""
    try:
        inside = (root / path).resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        inside = False
    if inside:
        return None
    line = entry.lines.get(name, entry.line)
    return Fault(line, name, f"{path!r} leads out of the manifest's folder by a link")


def _unique(cases: list[tuple[_Entry, Case]], faults: list[Fault]) -> list[Case]:
    """The cases whose id, in whatever letters, is theirs alone."""
    first: dict[str, _Entry] = {}
    sound = []
    for entry, case in cases:
        known = first.setdefault(case.case_id.lower(), entry)
        if known is entry:
            sound.append(case)
            continue
        message = f"{case.case_id!r} is already the id of the case on line {known.line}"
        faults.append(Fault(entry.lines.get("case_id", entry.line), "case_id", message))
    return sound
