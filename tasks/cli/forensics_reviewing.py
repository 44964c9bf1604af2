"""What `quaestor forensics review`, `share` and `calibrate` do."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from orchestrator.canonical import canonical
from orchestrator.errors import UsageError
from tasks.cli.exits import ANSWERED
from tasks.cli.forensics_running import results_of
from tasks.cli.streams import Streams, clean
from tasks.forensics.batch_file import read_batch
from tasks.forensics.batch_results import CALIBRATION, write_batch_page
from tasks.forensics.calibration import (
    blind_sample,
    judged_in,
    lines_of,
    measured,
    read_labels,
)
from tasks.forensics.erasing import refuse_erased
from tasks.forensics.folder import Folder
from tasks.forensics.manifest import Case
from tasks.forensics.redaction import Redactor, key_in
from tasks.forensics.reporting.batch_page import write_files
from tasks.forensics.reporting.pages import rendered
from tasks.forensics.reviewing import Act, Review, Verb, resting_claims
from tasks.forensics.verdict import Word
from tasks.forensics.versions import Versions

VERBS = tuple(verb for verb in get_args(Verb) if verb != "renew")
MAX_LABEL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """A batch with its results folder."""

    manifest: Path
    out: Path | None

    def results(self) -> Path:
        """Where its results are."""
        return results_of(read_batch(self.manifest), self.out)

    def cases(self) -> list[str]:
        """Its cases that have a report, in the order of the manifest."""
        results = self.results()
        known = [case.case_id for case in read_batch(self.manifest).cases]
        return [name for name in known if (results / "cases" / name / "report.json").is_file()]

    def versions(self, case_id: str) -> Versions:
        """A case's report and review. Raises UsageError for one that has none."""
        refuse_erased(Folder(self.results() / "cases" / case_id))
        if case_id not in self.cases():
            said = ", ".join(self.cases()) or "no case yet"
            raise UsageError(f"{case_id!r} has no report to review; there is one of {said}")
        return Versions(self.results() / "cases" / case_id)

    def case(self, case_id: str) -> Case:
        """A case of the manifest, as it is written there now."""
        return next(case for case in read_batch(self.manifest).cases if case.case_id == case_id)

    def write_page(self) -> None:
        """Bring the page of the batch up to date."""
        batch = read_batch(self.manifest)
        write_batch_page(batch.file.stem, batch.cases, self.results())


@dataclass(frozen=True, slots=True)
class Done:
    """What a reviewer does."""

    verb: str
    claim: str
    by: str | None
    note: str
    word: str | None


def review_case(place: Place, case_id: str, done: Done | None, streams: Streams) -> int:
    """Do something in a review, or say where it stands. Raises UsageError."""
    versions = place.versions(case_id)
    if done is None:
        _show(versions, streams)
        return ANSWERED
    review = versions.act(_act(done))
    place.write_page()
    streams.out.line(f"{case_id}: version {review.version}, {review.state}")
    return ANSWERED


def _act(done: Done) -> Act:
    if done.verb not in VERBS:
        raise UsageError(f"{done.verb!r} is nothing that a reviewer does", fix=" | ".join(VERBS))
    if done.word is not None and done.word not in get_args(Word):
        raise UsageError(f"{done.word!r} is no verdict", fix=" | ".join(get_args(Word)))
    fields = {"verb": done.verb, "by": done.by or getpass.getuser(), "claim": done.claim}
    try:
        return Act.model_validate({**fields, "note": done.note, "word": done.word})
    except ValidationError as error:
        said = error.errors()[0]
        raise UsageError(f"{said['loc'][0]}: {said['msg']}") from error


def _show(versions: Versions, streams: Streams) -> None:
    """Where a review stands, what is to be read, and what a new version changed."""
    review, report = versions.review(), versions.report()
    out = streams.out
    out.line(f"{report.case_id}: version {review.version}, {review.state}")
    for problem in versions.problems():
        out.line(clean(f"  WRONG: {problem}"))
    for name, marked in sorted(review.marks.items()):
        out.line(clean(f"  {name}: {marked.mark} by {marked.by}. {marked.note}".rstrip()))
    unread = _unread(review, resting_claims(report))
    if unread:
        out.line(f"  not accepted yet, and the verdict rests on them: {', '.join(unread)}")
    for change in versions.changes():
        said = f"  changed: {change.what}: {change.before or 'nothing'} -> {change.after or 'gone'}"
        out.line(clean(said[:400]))
    if review.head:
        out.line(f"  head of the review: {review.head}")


def _unread(review: Review, claims: tuple[str, ...]) -> list[str]:
    return [name for name in claims if name not in review.marks]


def sample_cases(place: Place, share: float, seed: int, streams: Streams) -> int:
    """Name the cases that a person should judge without seeing the verdict. Raises UsageError."""
    drawn = blind_sample(place.cases(), share / 100, seed)
    for name in drawn:
        streams.out.line(name)
    streams.err.line(
        f"{len(drawn)} cases, seed {seed}; judge each blind before you open its report: "
        f"quaestor forensics review {place.manifest} CASE judge --word WORD"
    )
    return ANSWERED


def share_case(place: Place, case_id: str, target: Path, names: list[str], streams: Streams) -> int:
    """Write a report without personal data and secrets. Raises UsageError."""
    versions = place.versions(case_id)
    report, case = versions.report(), place.case(case_id)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty", fix="name a new folder")
    redactor = Redactor(key_in(place.results()), names=(*case.redaction.names, *names))
    write_files(rendered(redactor.report(report)), target)
    streams.out.line(f"{target}: {len(redactor.known)} values replaced")
    streams.err.line(
        "note: what has a form was found, and what --name gave; people's names in free text were "
        "not. Read it before you hand it on. Evidence and bundle are never redacted."
    )
    return ANSWERED


def calibrate_batch(labels: Path, place: Place, second: Path | None, streams: Streams) -> int:
    """Measure verdicts against labels, and keep it for the page of the batch. Raises UsageError."""
    try:
        with labels.open("rb") as file:
            content = file.read(MAX_LABEL_BYTES)
    except OSError as error:
        raise UsageError(f"{labels} cannot be read: {error.strerror}") from error
    results = place.results()
    other = judged_in(second) if second is not None else ()
    found = measured(read_labels(content, labels.name), judged_in(results), other)
    text = f"{canonical(found.model_dump(mode='json'))}\n"
    write_files({CALIBRATION: text.encode()}, results)
    place.write_page()
    for line in lines_of(found):
        streams.out.line(clean(line))
    return ANSWERED
