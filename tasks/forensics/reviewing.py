"""What people say of a report: states, marks on claims, a blind word, and what is frozen. Pure.

A review is a chain of records; its state is what follows from them. Every act names the report by
its hash, so that nobody approves what they have not seen, and a new version begins a new review
without taking anything of the old one away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from orchestrator.canonical import canonical, sha256_bytes, sha256_of
from orchestrator.errors import JournalDamaged, UsageError
from orchestrator.models.llm import Frozen
from tasks.forensics.reporting.content import CaseReport
from tasks.forensics.reporting.pages import report_json
from tasks.forensics.verdict import Word

ReviewState = Literal[
    "draft", "pending_review", "in_review", "approved", "changes_requested", "rejected"
]
Verb = Literal[
    "renew", "submit", "start", "judge", "accept", "dispute", "approve", "request", "reject"
]
Mark = Literal["accept", "dispute"]
ALLOWED: Mapping[Verb, tuple[tuple[ReviewState, ...], ReviewState | None]] = {
    "submit": (("draft", "changes_requested"), "pending_review"),
    "start": (("pending_review",), "in_review"),
    "judge": (("pending_review", "in_review"), None),
    "accept": (("in_review",), None),
    "dispute": (("in_review",), None),
    "approve": (("in_review",), "approved"),
    "request": (("in_review",), "changes_requested"),
    "reject": (("in_review",), "rejected"),
}
"""In which states an act may be done, and the state after it; None leaves it as it is."""
Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
MAX_BYTES = 16 << 20


class Act(Frozen):
    """What somebody does. `claim` is for marks, `word` for a judgement made blind."""

    verb: Verb
    by: Person
    claim: str = ""
    note: str = Field(default="", max_length=4_000)
    word: Word | None = None


class Record(Frozen):
    """An act in the chain. `at` is RFC 3339 in UTC; `hash` is over everything else."""

    seq: int
    at: str
    act: Act
    version: int
    report_sha256: str
    prev: str
    hash: str = ""

    def digest(self) -> str:
        """The hash that it has to have."""
        return sha256_of(self.model_dump(mode="json", exclude={"hash"}))


class Marked(Frozen):
    """What a reviewer says of a claim."""

    mark: Mark
    by: str
    note: str = ""


class Review(Frozen):
    """Where the review of a report stands. `version` is 0 before there is a report."""

    version: int = 0
    state: ReviewState = "draft"
    report_sha256: str = ""
    marks: dict[str, Marked] = Field(default_factory=dict)
    judged: dict[str, Word] = Field(default_factory=dict)
    approved_by: str = ""
    seq: int = 0
    head: str = ""
    seen_by: frozenset[str] = frozenset()

    @property
    def is_frozen(self) -> bool:
        """Whether the report may not change."""
        return self.state == "approved"


def review_of(records: Iterable[Record]) -> Review:
    """The review that the records make. Raises JournalDamaged that names the first bad one."""
    review = Review()
    for record in records:
        broken = (record.seq, record.prev) != (review.seq + 1, review.head)
        if broken or record.hash != record.digest():
            raise JournalDamaged(f"record {record.seq} of the review was altered, or one is gone")
        review = _after(review, record)
    return review


def _after(review: Review, record: Record) -> Review:
    act = record.act
    if act.verb == "renew":
        return Review(
            version=record.version,
            report_sha256=record.report_sha256,
            seq=record.seq,
            head=record.hash,
        )
    changes: dict[str, object] = {"seq": record.seq, "head": record.hash}
    after = ALLOWED[act.verb][1]
    if after is not None:
        changes["state"] = after
    match act.verb:
        case "accept" | "dispute":
            marked = Marked(mark=act.verb, by=act.by, note=act.note)
            changes["marks"] = {**review.marks, act.claim: marked}
        case "judge" if act.word is not None:
            changes["judged"] = {**review.judged, act.by: act.word}
        case "approve":
            changes["approved_by"] = act.by
    if act.verb not in ("judge", "submit"):
        changes["seen_by"] = review.seen_by | {act.by}
    return review.model_copy(update=changes)


def next_record(records: Sequence[Record], act: Act, report: CaseReport, at: str) -> Record:
    """The record of an act on this report. Raises UsageError that says why it may not be done."""
    review, digest = review_of(records), report_sha256(report)
    refused = _refusal(review, act, report, digest)
    if refused:
        raise UsageError(refused)
    version = review.version + 1 if act.verb == "renew" else review.version
    record = Record(
        seq=review.seq + 1,
        at=at,
        act=act,
        version=version,
        report_sha256=digest,
        prev=review.head,
    )
    return record.model_copy(update={"hash": record.digest()})


def _refusal(review: Review, act: Act, report: CaseReport, digest: str) -> str:
    if act.verb == "renew":
        same = digest == review.report_sha256
        return "the report is the one that is being reviewed" if same else ""
    if review.version == 0:
        return "there is no version to review yet"
    if digest != review.report_sha256:
        return f"the report is not version {review.version}, which is under review"
    allowed, _ = ALLOWED[act.verb]
    if review.state not in allowed:
        return f"a review that is {review.state} cannot be changed by {act.verb!r}"
    match act.verb:
        case "accept" | "dispute":
            return _mark_refusal(act, report)
        case "judge":
            return _judge_refusal(review, act)
        case "approve":
            return _approve_refusal(review, report)
        case "request" | "reject" if not act.note.strip():
            return f"say why: {act.verb!r} needs a note"
    return ""


def _mark_refusal(act: Act, report: CaseReport) -> str:
    known = {name for claim in report.claims for name in (claim.id, *claim.also)}
    if act.claim not in known:
        return f"there is no verified claim {act.claim!r} in the report"
    if act.verb == "dispute" and not act.note.strip():
        return "say why: a dispute needs a note"
    return ""


def _judge_refusal(review: Review, act: Act) -> str:
    if act.word is None:
        return "a judgement needs a word, one of those of a verdict"
    if act.by in review.seen_by or act.by in review.judged:
        return f"{act.by} has seen the verdict or judged already; a judgement has to be blind"
    return ""


def _approve_refusal(review: Review, report: CaseReport) -> str:
    """Nothing is approved over a dispute, or with a claim unread that the verdict rests on."""
    disputed = sorted(name for name, marked in review.marks.items() if marked.mark == "dispute")
    if disputed:
        return f"claims are disputed: {', '.join(disputed)}"
    unread = [name for name in resting_claims(report) if name not in review.marks]
    if unread:
        return f"the verdict rests on claims that nobody has accepted: {', '.join(unread)}"
    return ""


def resting_claims(report: CaseReport) -> tuple[str, ...]:
    """Claims behind every mechanism that is not left open without a signal."""
    heads = {name: claim.id for claim in report.claims for name in (claim.id, *claim.also)}
    named = (
        name
        for finding in report.verdict.findings
        if finding.standing not in ("untested", "undecided")
        for name in (*finding.claims, *(c for twin in finding.twins for c in twin.claims))
    )
    return tuple(dict.fromkeys(heads[name] for name in named if name in heads))


def report_sha256(report: CaseReport) -> str:
    """What an approval freezes: the bytes of report.json."""
    return sha256_bytes(report_json(report))


def read_records(content: bytes) -> tuple[Record, ...]:
    """Records from the lines of a file. Raises JournalDamaged."""
    if len(content) > MAX_BYTES:
        raise JournalDamaged(f"the review holds more than {MAX_BYTES} bytes")
    try:
        return tuple(Record.model_validate(json.loads(line)) for line in content.splitlines())
    except (ValueError, ValidationError) as error:
        said = str(error).splitlines()[0]
        raise JournalDamaged(f"the review cannot be read: {said}") from error


def written(records: Iterable[Record]) -> bytes:
    """Records as lines."""
    return "".join(f"{canonical(r.model_dump(mode='json'))}\n" for r in records).encode()


class Change(Frozen):
    """What is another thing in a new version."""

    what: str
    before: str
    after: str


def difference(old: CaseReport, new: CaseReport) -> tuple[Change, ...]:
    """What a new version says otherwise: verdict, mechanisms, claims, amounts, exhibits. Claims are
    told apart by what they say and cite; their ids differ from run to run."""
    before, after = _facts(old), _facts(new)
    return tuple(
        Change(what=what, before=before.get(what, ""), after=after.get(what, ""))
        for what in dict.fromkeys([*before, *after])
        if before.get(what, "") != after.get(what, "")
    )


def _facts(report: CaseReport) -> dict[str, str]:
    verdict = report.verdict
    facts: dict[str, str] = {"verdict": verdict.word, "confidence": verdict.confidence}
    facts |= {f"mechanism {f.mechanism}": f.standing for f in verdict.findings}
    facts |= {f"affected {a.mechanism}": f"{a.count} records {a.amount}" for a in report.affected}
    facts |= {f"exhibit {e.path}": e.sha256 for e in report.exhibits}
    facts |= {f"playbook {report.playbook_version}": report.playbook_sha256}
    for claim in (*report.claims, *report.annex):
        name = f"claim {claim.test or claim.text or claim.id}"
        facts[name] = f"{facts[name]}; {claim.text}" if name in facts else claim.text
        facts[f"state of {name}"] = claim.state
    return facts
