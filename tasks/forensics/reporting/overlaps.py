"""What cases of a batch share: the same device, card, paid account, or address behind two subjects.

Pure. A value that many cases hold joins nobody: it is a network or a shop, and is listed apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from orchestrator.models.llm import Frozen
from tasks.forensics.playbook import Period, Playbook, query_of

MarkKind = Literal["device", "card", "payout", "ip"]
KINDS: tuple[MarkKind, ...] = ("device", "card", "payout", "ip")
COMPARED: dict[MarkKind, MarkKind] = {
    "device": "device",
    "card": "card",
    "payout": "card",
    "ip": "ip",
}
"""A card that pays in one case and is paid in another is the same account."""
MANY = 5
MARKS_A_CASE = 5_000


class Mark(Frozen):
    """A value that belongs to the subject of a case, and the role that it plays there."""

    kind: MarkKind
    role: str
    value: str


class CaseMarks(Frozen):
    """The marks of one case."""

    case_id: str
    subject: str
    marks: tuple[Mark, ...]


class Overlap(Frozen):
    """A value in several cases. `joins` is whether it says anything: what many hold does not, and
    two cases about one subject share what is its own."""

    kind: MarkKind
    value: str
    cases: tuple[str, ...]
    roles: tuple[str, ...]
    joins: bool
    why_not: str = ""


def mark_queries(
    playbook: Playbook, roles: Mapping[str, str], subject: str, period: Period | None
) -> dict[str, str]:
    """For each role that holds marks of the subject, the query that lists them. Roles without a way
    to the subject are left out."""
    queries = {}
    for role in sorted(roles):
        relation, _, name = role.partition(".")
        if name not in KINDS or relation not in playbook.roles:
            continue
        way = _way(relation)
        if way is None or any(needed not in roles for needed in way[1]):
            continue
        sql = (
            f"SELECT DISTINCT r.{name} AS mark FROM {relation} r {way[0]} "  # noqa: S608 - our own names
            f"AND r.{name} IS NOT NULL ORDER BY 1 LIMIT {MARKS_A_CASE}"
        )
        queries[role] = query_of(sql, (role, *way[1]), roles, subject, period)
    return queries


def _way(relation: str) -> tuple[str, tuple[str, ...]] | None:
    """How rows of a relation belong to the subject."""
    through = "JOIN conversion c ON c.{0} = r.{1} WHERE c.partner = $subject"
    ways: dict[str, tuple[str, tuple[str, ...]]] = {
        "click": ("WHERE r.partner = $subject", ("click.partner",)),
        "login": ("WHERE r.partner = $subject", ("login.partner",)),
        "partner": ("WHERE r.id = $subject", ("partner.id",)),
        "signup": (
            through.format("user", "user"),
            ("signup.user", "conversion.user", "conversion.partner"),
        ),
        "payment": (
            through.format("payment", "id"),
            ("payment.id", "conversion.payment", "conversion.partner"),
        ),
    }
    return ways.get(relation)


def overlaps(cases: Iterable[CaseMarks]) -> tuple[Overlap, ...]:
    """Every value that two cases or more share; those that join come first."""
    held: dict[tuple[MarkKind, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    subjects: dict[str, str] = {}
    for case in cases:
        subjects[case.case_id] = case.subject
        for mark in case.marks:
            if mark.value.strip():
                held[COMPARED[mark.kind], mark.value][case.case_id].add(mark.role)
    found = [
        _overlap(kind, value, by_case, subjects)
        for (kind, value), by_case in held.items()
        if len(by_case) > 1
    ]
    return tuple(sorted(found, key=lambda o: (not o.joins, -len(o.cases), o.kind, o.value)))


def _overlap(
    kind: MarkKind, value: str, by_case: Mapping[str, set[str]], subjects: Mapping[str, str]
) -> Overlap:
    cases = tuple(sorted(by_case))
    why_not = ""
    if len(cases) > MANY:
        why_not = f"{len(cases)} cases hold it, as they do a network that many use"
    elif len({subjects[name] for name in cases}) == 1:
        why_not = "these cases are about the same subject"
    roles = tuple(sorted({role for names in by_case.values() for role in names}))
    return Overlap(
        kind=kind, value=value, cases=cases, roles=roles, joins=not why_not, why_not=why_not
    )
