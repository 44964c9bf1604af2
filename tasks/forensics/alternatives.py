"""Reads the tests of a team again with every other column that could play their roles as well.

No team chooses its way around it: which columns can play a role is found out anew, in the lab of
the conclusion. A claim over a column that cannot is taken out, with the reason. A test that comes
out otherwise over columns that fit alike is in doubt, and decides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import ToolFailed
from tasks.forensics.casting import Cast, cast_of
from tasks.forensics.claims import Checked
from tasks.forensics.lab import Lab
from tasks.forensics.playbook import Period, Playbook, Test, query_of

MOST = 24
"""So many readings of one test are tried; what can be read in more ways is in doubt."""
DATED = "conversion.time"
Roles = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Readings:
    """The claims, those over wrong columns no longer verified, and by test what is in doubt."""

    checked: tuple[Checked, ...]
    doubts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of the lab about one subject."""

    lab: Lab
    subject: str
    period: Period | None

    def sql(self, test: Test, roles: Roles) -> str:
        """The query of a test over these columns, or "" where a role is not filled."""
        try:
            return query_of(test.sql, test.roles, roles, self.subject, self.period)
        except ToolFailed:
            return ""

    async def ask(self, queries: Iterable[str]) -> None:
        """Have the lab know the answers."""
        await self.lab.ask_all([sql for sql in queries if sql])

    def outcome(self, test: Test, roles: Roles) -> bool | None:
        """What a test comes to, once the lab knows the answer."""
        found = self.lab.known.get(self.sql(test, roles), "")
        if isinstance(found, str) or len(found["rows"]) != 1:
            return test.outcome({})
        return test.outcome(dict(zip(found["columns"], found["rows"][0], strict=True)))


async def read_again(
    checked: Sequence[Checked],
    playbook: Playbook,
    lab: Lab,
    subject: str,
    period: Period | None,
) -> Readings:
    """The claims after a look at their columns."""
    cast = cast_of(playbook, lab.intake)
    questions = Questions(lab, subject, period)
    tests = {name: test for name, (_, test) in playbook.tests().items()}
    mine = [item for item in checked if item.is_verified and item.claim.test in tests]
    wrong: dict[str, str] = {}
    readings: dict[str, list[dict[str, str]]] = {}
    for item in mine:
        roles, test = dict(item.claim.roles), tests[item.claim.test]
        readings[item.claim.id] = list(_readings(test, roles, cast, period))
        wrong[item.claim.id] = miscast(test, roles, cast, period)
    fit = [item for item in mine if not wrong[item.claim.id]]
    await questions.ask(
        questions.sql(test, roles)
        for item in fit
        for roles in (dict(item.claim.roles), *readings[item.claim.id])
        for test in (tests[item.claim.test], *playbook.sense)
    )
    doubts: dict[str, str] = {}
    for item in fit:
        roles, test = dict(item.claim.roles), tests[item.claim.test]
        wrong[item.claim.id] = _senseless(test, roles, playbook, questions)
        others = [
            other
            for other in readings[item.claim.id]
            if not _senseless(test, other, playbook, questions)
        ]
        doubt = _doubt(test, roles, others, questions)
        if doubt and not wrong[item.claim.id]:
            doubts[item.claim.test] = doubt
    return Readings(tuple(_taken_out(item, wrong) for item in checked), doubts)


def _taken_out(item: Checked, wrong: Mapping[str, str]) -> Checked:
    why = wrong.get(item.claim.id, "")
    return item.model_copy(update={"state": "unsupported", "why": why}) if why else item


def used_roles(test: Test, period: Period | None) -> tuple[str, ...]:
    """The roles that a test rests on; where the case has a period, its sales need a time."""
    of_sales = any(role.startswith("conversion.") for role in test.roles)
    dated = (DATED,) if period is not None and of_sales and DATED not in test.roles else ()
    return (*test.roles, *dated)


def miscast(test: Test, roles: Roles, cast: Cast, period: Period | None) -> str:
    """Why a test over these columns counts for nothing, or ""."""
    used = used_roles(test, period)
    lacking = [role for role in used if role not in roles]
    if lacking:
        return f"nothing plays the role of {', '.join(lacking)}"
    said = [
        f"{role} cannot be {roles[role]}: {why}"
        for role in used
        if (why := cast.problem(role, roles[role]))
    ]
    return "; ".join(said) or _apart(used, roles, cast)


def _apart(used: Sequence[str], roles: Roles, cast: Cast) -> str:
    for one, other in cast.pairs(used):
        if cast.apart(one, other, roles):
            return f"{one} = {roles[one]} and {other} = {roles[other]} share no values"
    return ""


def _readings(
    test: Test, roles: Roles, cast: Cast, period: Period | None
) -> Iterator[dict[str, str]]:
    """Every other set of columns that could play the roles of a test, up to a few too many."""
    used = used_roles(test, period)
    relations = list(dict.fromkeys(role.partition(".")[0] for role in used))
    by_relation = [_in_one_table(relation, used, cast) for relation in relations]
    found = 0
    for parts in itertools.product(*by_relation):
        chosen = {role: place for part in parts for role, place in part.items()}
        tables = {place.partition(".")[0] for place in chosen.values()}
        same = all(roles.get(role) == place for role, place in chosen.items())
        if same or len(tables) < len(relations) or _apart(used, chosen, cast):
            continue
        yield {**roles, **chosen}
        found += 1
        if found > MOST:
            return


def _in_one_table(relation: str, used: Sequence[str], cast: Cast) -> list[dict[str, str]]:
    """The ways to fill the roles of a relation from one table, each column once."""
    own = [role for role in used if role.startswith(f"{relation}.")]
    tables = dict.fromkeys(place.partition(".")[0] for place in cast.places[own[0]])
    ways: list[dict[str, str]] = []
    for table in tables:
        choices = [
            [place for place in cast.places[role] if place.startswith(f"{table}.")] for role in own
        ]
        for places in itertools.islice(itertools.product(*choices), MOST + 1):
            if len(set(places)) == len(places):
                ways.append(dict(zip(own, places, strict=True)))
    return ways


def _senseless(test: Test, roles: Roles, playbook: Playbook, questions: Questions) -> str:
    """Why these columns cannot be what they are said to be: their times are in no order."""
    clocks = {role for role in used_roles(test, questions.period) if role.endswith(".time")}
    for sense in playbook.sense:
        if clocks & set(sense.roles) and questions.outcome(sense, roles) is False:
            named = ", ".join(f"{role} = {roles[role]}" for role in sense.roles if role in clocks)
            return f"{named} cannot be: {sense.asks} No"
    return ""


def _doubt(test: Test, roles: Roles, others: Sequence[Roles], questions: Questions) -> str:
    if len(others) > MOST:
        return f"its roles can be played in more than {MOST} ways"
    own = questions.outcome(test, roles)
    words = {True: "the other way", False: "the other way", None: "undecided"}
    told = []
    for other in others:
        outcome = questions.outcome(test, other)
        if outcome is not own:
            changed = [
                f"{role} could as well be {place}"
                for role, place in sorted(other.items())
                if roles.get(role) != place
            ]
            told.append((len(changed), f"{'; '.join(changed)}: it then comes out {words[outcome]}"))
    return min(told)[1] if told else ""
