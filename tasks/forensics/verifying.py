"""Verifies a case offline, without key or model: evidence, journal, claims, verdict and report.

Everything is made again from the evidence and the journal, and compared byte by byte. Works on a
case's folder and on a bundle of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.canonical import sha256_of
from orchestrator.errors import JournalDamaged, SandboxFailed, ToolFailed, UsageError
from sandbox.base import SandboxSettings
from tasks.forensics.concluding import Conclusion
from tasks.forensics.erasing import Tombstone, left_behind, refuse_erased, tombstone_of
from tasks.forensics.folder import LEFT_OUT, Folder, json_of
from tasks.forensics.running import concluded, files_of
from tasks.forensics.versions import Versions

STAMP = (1980, 1, 1, 0, 0, 0)
MAX_MEMBERS = 50_000
MAX_BYTES = 32 << 30
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: nothing wrong when `problems` is empty. `erased` says when and by whom the
    content was erased; nothing of it could be checked."""

    case_id: str
    problems: tuple[str, ...]
    head: str = ""
    verified: int = 0
    erased: str = ""


async def verify(place: Path, box: SandboxSettings) -> Verification:
    """Verify a case's folder or bundle. Raises UsageError for what is neither, NotReady without a
    box: nothing is ever parsed outside one."""
    async with _opened(place) as folder:
        stone = tombstone_of(folder)
        if stone is not None:
            return _of_erased(stone, folder)
        problems = [*_evidence(folder), *_blobs(folder), *Versions(folder.path).problems()]
        try:
            head = folder.records()[-1].hash
            problems += _bound(folder)
            if problems:
                return Verification(place.stem, tuple(problems), head)
            conclusion = await concluded(folder, box)
        except (JournalDamaged, UsageError, ToolFailed, SandboxFailed, IndexError) as error:
            return Verification(place.stem, (*problems, f"{error}"))
        problems += _remade(folder, conclusion)
        material = conclusion.material
        verified = sum(item.is_verified for item in material.docket.checked)
        return Verification(material.case.case_id, tuple(problems), head, verified)


def _of_erased(stone: Tombstone, folder: Folder) -> Verification:
    """A tombstone holds hashes; whoever has a copy can compare it with them."""
    problems = [f"{name} is still there; purge the case again" for name in left_behind(folder)]
    if not stone.is_finished:
        problems.append("the erasure was broken off; purge the case again")
    said = (
        f"its content was erased on {stone.at} by {stone.by}; the tombstone keeps the hashes of "
        f"{len(stone.exhibits)} exhibits and {len(stone.files)} files"
    )
    return Verification(stone.case_id, tuple(problems), stone.head, erased=said)


def write_bundle(folder: Folder, target: Path) -> int:
    """Pack a case so that equal cases make equal bundles; the number of files."""
    refuse_erased(folder)
    names = sorted(
        path.relative_to(folder.path).as_posix()
        for path in folder.path.rglob("*")
        if path.is_file() and path.name not in LEFT_OUT
    )
    if "report.json" not in names:
        raise UsageError(f"{folder.path} holds no report yet", fix="quaestor forensics run BATCH")
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name in names:
                info = zipfile.ZipInfo(name, STAMP)
                info.external_attr = 0o444 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                with (folder.path / name).open("rb") as source, bundle.open(info, "w") as out:
                    while piece := source.read(PIECE):
                        out.write(piece)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error
    return len(names)


@asynccontextmanager
async def _opened(place: Path) -> AsyncIterator[Folder]:
    if await asyncio.to_thread(place.is_dir):
        yield Folder(place)
        return
    with tempfile.TemporaryDirectory(prefix="quaestor-verify-") as temporary:
        target = Path(temporary, place.stem)
        try:
            await asyncio.to_thread(_unpack, place, target)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UsageError(f"{place} is no bundle of a case: {error}") from error
        yield Folder(target)


def _unpack(bundle: Path, target: Path) -> None:
    """Names and sizes in a bundle are a stranger's."""
    target.mkdir()
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_MEMBERS or sum(e.file_size for e in entries) > MAX_BYTES:
            raise ValueError("it holds more than a bundle may")
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or entry.is_dir():
                raise ValueError(f"its member {entry.filename!r} leads out of it")
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, place.open("wb") as out:
                while piece := source.read(PIECE):
                    out.write(piece)
            place.chmod(0o444)
    (target / "evidence").chmod(0o755)


def _evidence(folder: Folder) -> list[str]:
    custody = folder.custody()
    problems = []
    for exhibit in custody.exhibits:
        copy = folder.evidence / exhibit.id
        found = _hash(copy) if copy.is_file() else "missing"
        if found != exhibit.sha256:
            problems.append(f"evidence {exhibit.id} ({exhibit.path}) is not what was taken in")
    known = {exhibit.id for exhibit in custody.exhibits}
    there = {path.name for path in folder.evidence.iterdir()} if folder.evidence.is_dir() else set()
    return [*problems, *(f"evidence {name} was never taken in" for name in sorted(there - known))]


def _blobs(folder: Folder) -> list[str]:
    stored = folder.path / "blobs"
    places = sorted(stored.iterdir()) if stored.is_dir() else []
    return [f"blob {path.name[:12]} was altered" for path in places if _hash(path) != path.name]


def _bound(folder: Folder) -> list[str]:
    """Manifest, custody, intake and playbook are the ones that the run's first event names."""
    first = next((r for r in folder.records() if r.kind == "TaskReceived"), None)
    task = str(first.body["task"]) if first is not None and first.body else ""
    hashes = {
        "manifest": sha256_of(folder.case().model_dump(mode="json")),
        "custody": sha256_of(folder.custody().model_dump(mode="json")),
        "intake": sha256_of(folder.intake().model_dump(mode="json")),
        "playbook": folder.playbook().sha256,
    }
    return [
        f"{name} is not the one that the run was given"
        for name, value in hashes.items()
        if f"{name} sha256 {value}" not in task
    ]


def _remade(folder: Folder, conclusion: Conclusion) -> list[str]:
    """Every file of the report is what evidence and journal make of it."""
    material = conclusion.material
    values = {
        "intake.json": material.docket.intake,
        "custody.json": material.custody,
        "manifest.json": material.case,
    }
    made = {name: json_of(value) for name, value in values.items()} | files_of(conclusion)
    problems = []
    for name, content in made.items():
        there = folder.path / name
        if not there.is_file():
            problems.append(f"{name} is missing")
        elif there.read_bytes() != content:
            problems.append(f"{name} is not what evidence and journal make of it")
    return problems


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
