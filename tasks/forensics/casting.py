"""Finds out which columns of the evidence can play which role, by what their values show. Pure.

An eye of its own: it knows the playbook's marks and the intake, and nothing of what a team says. A
column is dropped when a mark that it must have is missing, when its table belongs to another
relation, or when another column fits better. What is left over is all that a reading may choose
from; where that is more than one, the choice is open, and no test may depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.forensics.intake import Column, Intake, Table
from tasks.forensics.playbook import Mark, Playbook, Wanted, looks_of, places_of

FINDS = 0.5
"""The share of its values that a column has to find where it points to."""
REPEATS = 1.2
COUNTED = 2_000_000
"""Up to so many rows distinct values are counted; beyond, they are estimated."""


@dataclass(slots=True)
class Cast:
    """For each role the places that can play it, and why others cannot. `shares` says of two
    places which part of the first one's values the second one holds."""

    places: dict[str, list[str]]
    shares: Mapping[tuple[str, str], float]
    wanted: Mapping[str, Wanted]
    why: dict[tuple[str, str], str] = field(default_factory=dict)

    def problem(self, role: str, place: str) -> str:
        """Why a place cannot play a role, or ""."""
        if place in self.places.get(role, ()):
            return ""
        return self.why.get((role, place), "its values are not of that kind")

    def pairs(self, used: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Roles among these of which one has to share values with the other, or rather does."""
        for role in used:
            for mark in self.wanted[role].marks:
                if mark.verb in ("joins", "finds"):
                    yield from ((role, other) for other in mark.of if other in used)

    def apart(self, one: str, other: str, roles: Mapping[str, str]) -> bool:
        """Whether two roles that can be joined are played by places that cannot."""
        pairs = ((a, b) for a in self.places.get(one, ()) for b in self.places.get(other, ()))
        return (roles[one], roles[other]) not in self.shares and any(
            pair in self.shares for pair in pairs
        )

    def drop(self, role: str, place: str, why: str) -> None:
        """Take a place out of a role."""
        self.places[role].remove(place)
        self.why[role, place] = why

    def size(self) -> int:
        """How many choices are left in all."""
        return sum(map(len, self.places.values()))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the marks are read from."""

    columns: Mapping[str, tuple[Table, Column]]
    shares: Mapping[tuple[str, str], float]
    subject: frozenset[str]
    unsure: frozenset[str]


def cast_of(playbook: Playbook, intake: Intake) -> Cast:
    """The cast of a case."""
    evidence = _evidence(intake)
    wanted = dict(playbook.wanted())
    cast = Cast({role: [] for role in wanted}, evidence.shares, wanted)
    for role, asked in wanted.items():
        for place, (_, column) in evidence.columns.items():
            if _looks_so(place, column, asked, evidence):
                cast.places[role].append(place)
    _settle(cast, wanted, evidence)
    while _rather(cast, wanted, evidence):
        _settle(cast, wanted, evidence)
    return cast


def _evidence(intake: Intake) -> Evidence:
    shares: dict[tuple[str, str], float] = {}
    for link in intake.links:
        one, other = (f"{t}.{c}" for t, c in zip(link.tables, link.columns, strict=True))
        shares[one, other] = link.shared / max(1, link.from_distinct)
        shares[other, one] = link.shared / max(1, link.to_distinct)
    own = {f"{place.table}.{place.column}" for place in intake.subject}
    return Evidence(
        columns=places_of(intake),
        shares=shares,
        subject=frozenset(own | {other for one, other in shares if one in own}),
        unsure=intake.unsure_clocks(),
    )


def _looks_so(place: str, column: Column, asked: Wanted, evidence: Evidence) -> bool:
    looks = looks_of(place, column)
    if "time" in asked.looks:
        return looks == "time" and place.endswith(f".{column.utc}") and place not in evidence.unsure
    return looks in asked.looks


def _settle(cast: Cast, wanted: Mapping[str, Wanted], evidence: Evidence) -> None:
    """Until nothing changes any more; choices only ever become fewer."""
    left = -1
    while left != cast.size():
        left = cast.size()
        _musts(cast, wanted, evidence)
        _tables(cast, wanted)


def _musts(cast: Cast, wanted: Mapping[str, Wanted], evidence: Evidence) -> None:
    for role, asked in wanted.items():
        for mark in (mark for mark in asked.marks if not mark.rather):
            for place in list(cast.places[role]):
                if not _shows(place, mark, cast, evidence):
                    cast.drop(role, place, _failing(mark))


def _failing(mark: Mark) -> str:
    said = {
        "unique": "its values are not all different",
        "repeats": "each of its values stands there once",
        "filled": "it has rows without a value",
        "many": "too few of its values differ",
        "subject": "it does not hold the subject and others like it",
        "says": "none of its frequent values is a word of that kind",
        "like": f"it does not look like {' or '.join(mark.of)}",
        "joins": f"it shares no values with what can be {' or '.join(mark.of)}",
        "finds": f"fewer than half of its values are found in what can be {' or '.join(mark.of)}",
        "apart": f"it shares values with what can be {' or '.join(mark.of)}",
    }
    return said[mark.verb]


def _shows(place: str, mark: Mark, cast: Cast, evidence: Evidence) -> bool:
    table, column = evidence.columns[place]
    match mark.verb:
        case "says":
            values = [str(value).lower() for value, _ in column.top]
            return any(word in value for value in values for word in mark.of)
        case "like":
            return looks_of(place, column) in mark.of
        case "subject":
            return place in evidence.subject and column.distinct > 1
        case "joins" | "finds" | "apart":
            least = FINDS if mark.verb == "finds" else 0.0
            found = any(
                evidence.shares.get((place, other), -1.0) >= least
                for role in mark.of
                for other in cast.places.get(role, ())
            )
            return found is not (mark.verb == "apart")
    return _counts(mark.verb, table, column)


def _counts(verb: str, table: Table, column: Column) -> bool:
    filled = table.rows - column.missing
    match verb:
        case "unique":
            least = table.rows if table.rows <= COUNTED else 0.97 * table.rows
            return column.distinct >= least
        case "repeats":
            return filled >= REPEATS * column.distinct
        case "filled":
            return not column.missing
    return 2 * column.distinct >= filled


def _by_table(cast: Cast, relation: str) -> dict[str, dict[str, list[str]]]:
    """For each table what can play the roles of a relation in it."""
    found: dict[str, dict[str, list[str]]] = {}
    for role, places in cast.places.items():
        if role.startswith(f"{relation}."):
            for place in places:
                found.setdefault(place.partition(".")[0], {}).setdefault(role, []).append(place)
    return found


def _relations(cast: Cast) -> list[str]:
    return list(dict.fromkeys(role.partition(".")[0] for role in cast.places))


def _tables(cast: Cast, wanted: Mapping[str, Wanted]) -> None:
    """A table is left to a relation when no other one fills more of its roles, and it fits no
    other relation better."""
    _alone(cast)
    for relation in _relations(cast):
        tables = _by_table(cast, relation)
        for name, roles in tables.items():
            fuller = next((t for t, others in tables.items() if set(others) > set(roles)), "")
            if fuller:
                _drop_table(cast, roles, f"{fuller} fits {relation} better than {name}")
    strength: dict[str, dict[str, int]] = {}
    for relation in _relations(cast):
        for name, roles in _by_table(cast, relation).items():
            strength.setdefault(name, {})[relation] = sum(
                any(not mark.rather for mark in wanted[role].marks) for role in roles
            )
    for name, by_relation in strength.items():
        best = max(by_relation, key=lambda relation: by_relation[relation])
        for relation, marks in by_relation.items():
            if marks < by_relation[best]:
                _drop_table(cast, _by_table(cast, relation)[name], f"{name} is rather {best}")


def _drop_table(cast: Cast, roles: Mapping[str, list[str]], why: str) -> None:
    for role, places in roles.items():
        for place in places:
            cast.drop(role, place, why)


def _alone(cast: Cast) -> None:
    """What alone can play a role in its table plays no other one there."""
    for relation in _relations(cast):
        for roles in _by_table(cast, relation).values():
            for role, places in roles.items():
                if len(places) == 1:
                    _leave_to(cast, role, places[0], roles)


def _leave_to(cast: Cast, role: str, place: str, roles: Mapping[str, list[str]]) -> None:
    for other, places in roles.items():
        if other != role and place in places and len(places) > 1 and place in cast.places[other]:
            cast.drop(other, place, f"it is {role}")


def _rather(cast: Cast, wanted: Mapping[str, Wanted], evidence: Evidence) -> bool:
    """Of places in one table keep those that show more of what is wanted; whether any went."""
    left = cast.size()
    for role, asked in wanted.items():
        marks = [mark for mark in asked.marks if mark.rather]
        shown = {
            place: frozenset(m for m in marks if _shows(place, m, cast, evidence))
            for place in cast.places[role]
        }
        for place, better in _outdone(shown):
            cast.drop(role, place, f"{better} fits better")
    return left != cast.size()


def _outdone(shown: Mapping[str, frozenset[Mark]]) -> Iterator[tuple[str, str]]:
    for place, marks in shown.items():
        table = f"{place.partition('.')[0]}."
        better = next((o for o, m in shown.items() if o.startswith(table) and m > marks), "")
        if better:
            yield place, better
