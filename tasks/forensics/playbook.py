"""The playbook: mechanisms with their signals and innocent twins, as tests that plain code can run.

An examiner says which columns play which role; the query, its thresholds and the reading of its
result are the playbook's. A case may bring a playbook of its own.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from orchestrator.canonical import sha256_bytes
from orchestrator.errors import ToolFailed, UsageError
from orchestrator.models.llm import Frozen
from tasks.forensics.intake import Column, Intake, Table
from tasks.forensics.rules import holds, names_in

SHIPPED = Path(__file__).with_name("playbook.toml")
MAX_BYTES = 1 << 20
Part = Literal["signal", "twin", "shared"]
Period = tuple[datetime, datetime]
MARKS: Mapping[str, range] = {
    "unique": range(1),
    "repeats": range(1),
    "filled": range(1),
    "many": range(1),
    "subject": range(1),
    "says": range(1, 40),
    "like": range(1, 5),
    "joins": range(1, 6),
    "finds": range(1, 6),
    "apart": range(1, 6),
}
"""What a column has to show to play a role, with how many words follow."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z]+$")]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a column shows by its values: `unique`, or that it `joins` the column of another role
    (`of`). With `rather` it is no condition: a column without it plays the role only where none
    has it."""

    verb: str
    of: tuple[str, ...] = ()
    rather: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What plays a role: values that look so, and show these marks."""

    looks: tuple[str, ...]
    marks: tuple[Mark, ...] = ()


def wanted_of(text: str) -> Wanted:
    """The meaning of `id; finds click.id; rather filled`. Raises ValueError."""
    looks, *clauses = (part.strip() for part in text.split(";"))
    return Wanted(tuple(looks.split()), tuple(_mark(clause) for clause in clauses if clause))


def _mark(clause: str) -> Mark:
    rather = clause.startswith("rather ")
    verb, *of = clause.removeprefix("rather ").split()
    if verb not in MARKS or len(of) not in MARKS[verb]:
        raise ValueError(f"a role may not ask for {clause!r}; it may ask for {', '.join(MARKS)}")
    return Mark(verb, tuple(of), rather)


class Test(Frozen):
    """A query with two rules over its figures: `rule` speaks for the mechanism (of a twin: rules
    the twin out), `against` speaks against it (of a twin: the twin explains what was seen). Neither
    holds: undecided. `base` is how much there has to be for them to mean anything. `needs` are the
    roles without which it cannot be run, `says` the sentence that its figures make."""

    __test__ = False
    id: Name
    asks: str
    needs: tuple[RoleName, ...]
    extra: tuple[RoleName, ...] = ()
    sql: str
    base: str = ""
    rule: str
    against: str = ""
    says: str

    @model_validator(mode="after")
    def _rules_are_such(self) -> Test:
        for rule in filter(None, (self.base, self.rule, self.against)):
            names_in(rule)
        return self

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that the query reads."""
        return (*self.needs, *self.extra)

    def outcome(self, figures: Mapping[str, Any]) -> bool | None:
        """What its figures say of the mechanism: for it, against it, or neither. Rules that both
        hold decide nothing."""
        if self.base and not holds(self.base, figures):
            return None
        for_it = holds(self.rule, figures)
        against_it = holds(self.against, figures) if self.against else None
        if for_it and not against_it:
            return True
        return False if against_it and for_it is False else None


class Mechanism(Frozen):
    """A way to cheat, what would show it, and what else would look the same."""

    id: Name
    title: str
    signal: tuple[Test, ...] = Field(min_length=1)
    twin: tuple[Test, ...] = Field(min_length=1)
    affected: str = ""
    affected_needs: tuple[RoleName, ...] = ()

    def tests(self) -> Iterator[tuple[str, Part, Test]]:
        """Each test with its full name and its part."""
        for test in self.signal:
            yield f"{self.id}/{test.id}", "signal", test
        for test in self.twin:
            yield f"{self.id}/{test.id}", "twin", test


class Common(Frozen):
    """What any finding needs."""

    peers: int = Field(ge=1)
    exhibits: int = Field(ge=2)


class Playbook(Frozen):
    """A playbook, with the sha256 of the file that it was read from. `sense` are tests of a
    reading: where one speaks against it, the columns cannot play these roles together."""

    version: str
    common: Common
    roles: dict[str, dict[str, str]]
    sense: tuple[Test, ...] = ()
    shared: tuple[Test, ...]
    mechanism: tuple[Mechanism, ...] = Field(min_length=1)
    sha256: str = ""

    @model_validator(mode="after")
    def _roles_are_such(self) -> Playbook:
        dict(self.wanted())
        return self

    def wanted(self) -> Iterator[tuple[str, Wanted]]:
        """Every role with what plays it."""
        for relation, named in self.roles.items():
            for name, text in named.items():
                if name != "about":
                    yield f"{relation}.{name}", wanted_of(text)

    def decides_as(self, other: Playbook) -> bool:
        """Whether it says the same as another one, but for its comments."""
        return self.model_copy(update={"sha256": other.sha256}) == other

    def tests(self) -> dict[str, tuple[Part, Test]]:
        """Every test by its full name."""
        found: dict[str, tuple[Part, Test]] = {test.id: ("shared", test) for test in self.shared}
        for mechanism in self.mechanism:
            found |= {name: (part, test) for name, part, test in mechanism.tests()}
        return found


def load_playbook(file: Path | None) -> Playbook:
    """A case's own playbook, or the shipped one. Raises UsageError."""
    place = file or SHIPPED
    try:
        content = place.read_bytes()
        if len(content) > MAX_BYTES:
            raise UsageError(f"the playbook {place} holds more than {MAX_BYTES} bytes")
        read = tomllib.loads(content.decode("utf-8"))
        playbook = Playbook.model_validate_json(json.dumps(read))
    except (OSError, ValueError) as error:
        said = error.errors()[0] if isinstance(error, ValidationError) else error
        raise UsageError(f"the playbook {place} cannot be used: {str(said)[:400]}") from error
    return playbook.model_copy(update={"sha256": sha256_bytes(content)})


def checked_roles(roles: Mapping[str, str], playbook: Playbook, intake: Intake) -> dict[str, str]:
    """Roles with columns that may play them. Raises ToolFailed that names every column that may
    not, and why."""
    columns = places_of(intake)
    wanted = dict(playbook.wanted())
    wrong: list[str] = []
    tables: dict[str, str] = {}
    for role, place in sorted(roles.items()):
        problem = _problem(role, place, wanted.get(role), columns, tables)
        if problem:
            wrong.append(f"{role} = {place}: {problem}")
    if wrong:
        raise ToolFailed("; ".join(wrong[:20]))
    return dict(sorted(roles.items()))


def places_of(intake: Intake) -> dict[str, tuple[Table, Column]]:
    """Every column by its place (TABLE.COLUMN); one of times also by that of its times in UTC."""
    return {
        f"{table.name}.{name}": (table, column)
        for _, table in intake.tables()
        for column in table.columns
        for name in (column.name, column.utc)
        if name
    }


def looks_of(place: str, column: Column) -> str:
    """What the values of a place look like, as a role says it."""
    is_time = bool(column.utc) and place.endswith(f".{column.utc}")
    return "time" if is_time else column.looks.replace(" ", "-")


def _problem(
    role: str,
    place: str,
    wanted: Wanted | None,
    columns: Mapping[str, tuple[Table, Column]],
    tables: dict[str, str],
) -> str:
    relation = role.partition(".")[0]
    if wanted is None:
        return "there is no such role"
    found = columns.get(place)
    if found is None:
        return "there is no such column"
    table, column = found
    if tables.setdefault(relation, table.name) != table.name:
        return f"the roles of {relation} have to be in one table; others are in {tables[relation]}"
    looks = looks_of(place, column)
    if wanted.looks == ("time",) and (looks != "time" or place.endswith(f".{column.name}")):
        return "it needs a column of times in UTC (NAME_utc)"
    if looks not in wanted.looks and looks != "empty":
        return f"it looks like {looks}, and this role is played by {' or '.join(wanted.looks)}"
    return ""


def query_of(
    sql: str,
    needed: tuple[str, ...],
    roles: Mapping[str, str],
    subject: str,
    period: Period | None = None,
) -> str:
    """The query of a test over the columns that play its roles. Raises ToolFailed that names the
    roles that nobody plays."""
    missing = [role for role in needed if role not in roles]
    if missing:
        raise ToolFailed(f"nothing plays the role of {', '.join(missing)}")
    relations = sorted({role.partition(".")[0] for role in needed})
    parts = [_relation(relation, roles, period) for relation in relations]
    body = sql.strip().replace("$subject", _literal(subject))
    if body.upper().startswith("WITH "):
        return f"WITH {', '.join(parts)}, {body[5:]}"
    return f"WITH {', '.join(parts)} {body}"


def _relation(relation: str, roles: Mapping[str, str], period: Period | None) -> str:
    own = {
        role.partition(".")[2]: place
        for role, place in roles.items()
        if role.partition(".")[0] == relation
    }
    table = min(own.values()).partition(".")[0]
    columns = [
        f"{_quoted(place.partition('.')[2])} AS {name}" for name, place in sorted(own.items())
    ]
    where = ""
    if relation == "conversion" and period is not None and "time" in own:
        start, end = (moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") for moment in period)
        column = _quoted(own["time"].partition(".")[2])
        where = f" WHERE {column} >= '{start}' AND {column} < '{end}'"
    return f"{relation} AS (SELECT {', '.join(columns)} FROM {table}{where})"  # noqa: S608 - quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def sentence(test: Test, figures: Mapping[str, Any], subject: str) -> str:
    """What the figures of a test say."""
    return re.sub(
        r"\{(\w+)\}",
        lambda found: subject if found[1] == "subject" else str(figures.get(found[1], "?")),
        test.says,
    )
