"""Teams over frauds and decoys of the project's own making: an honest one comes to the right
verdict, an accuser gets nobody innocent accused, a whitewasher nobody cleared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from forensics_teams import (
    ACCUSERS,
    HONEST,
    LIAR,
    LIES,
    TRUTHS,
    WHITEWASHERS,
    Bench,
    Team,
    bench,
)
from forensics_world import DECOYS, FORMS, FRAUDS, world_of
from sampling import SOAK

from tasks.forensics.concluding import Conclusion
from tasks.forensics.playbook import load_playbook
from tasks.forensics.running import files_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ACCUSING = ("allegation_supported", "partly_supported")
TRIED = list(FORMS) if SOAK else ["JSON lines, no names, milliseconds"]
DOUBTFUL = "a clock that fits as well"
BLIND = (
    "SQLite, no names, zoned, more",
    "no request log",
    "no devices",
    "clicks in two tables",
    "few partners",
    DOUBTFUL,
)
"""Forms that leave some tests without evidence, or all of it in one exhibit: nobody need be found
there."""
SEEDS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
TESTS = set(load_playbook(None).tests()) | {one.id for one in load_playbook(None).mechanism}


@dataclass
class Table:
    """A programme in one form, and what became of those who were looked into."""

    form: str
    bench: Bench
    chance: random.Random
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)

    def some(self, names: Sequence[str]) -> list[str]:
        return self.chance.sample(list(names), len(names) if SOAK else 1)

    async def verdict(self, name: str, team: Team, subject: str) -> Conclusion:
        conclusion = await self.bench.worked(team, subject)
        verdict = conclusion.material.verdict
        self.outcomes.append((name, subject, verdict.word))
        if verdict.word == "inconclusive":
            assert verdict.missing
            assert {text.partition(":")[0] for text in verdict.missing} <= TESTS
        return conclusion


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRIED)
async def table(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Table]:
    form = str(request.param)
    seed = SEEDS[list(FORMS).index(form)]
    root = tmp_path_factory.mktemp("world")
    async with bench(world_of(seed), FORMS[form], root) as opened:
        made = Table(form, opened, random.Random(seed))
        yield made
    for name, subject, word in made.outcomes:
        print(f"{form} (seed {seed}) | {subject} | {name} | {word}")


async def test_an_honest_team_finds_each_way_to_cheat(table: Table) -> None:
    for subject in table.some(list(FRAUDS)):
        verdict = (await table.verdict("honest", HONEST, subject)).material.verdict
        assert verdict.word != "not_supported", subject
        if table.form not in BLIND:
            assert verdict.word in ACCUSING, (subject, verdict.missing)
        if (table.form, subject) == (DOUBTFUL, "F-HIJACK-1"):
            assert verdict.word == "inconclusive"
            assert "click.time could as well be" in " ".join(verdict.missing)
        if table.form not in BLIND:
            found = [f.mechanism for f in verdict.findings if f.standing == "supported"]
            assert FRAUDS[subject] in found


async def test_an_honest_team_accuses_nobody_who_only_looks_so(table: Table) -> None:
    for subject in table.some(DECOYS):
        verdict = (await table.verdict("honest", HONEST, subject)).material.verdict
        assert verdict.word not in ACCUSING, subject


async def test_an_accuser_gets_nobody_innocent_accused(table: Table) -> None:
    for name in table.some(list(ACCUSERS)):
        subject = table.chance.choice(DECOYS)
        concluded = await table.verdict(name, ACCUSERS[name], subject)
        assert concluded.material.verdict.word not in ACCUSING, (name, subject)
        await asyncio.to_thread(files_of, concluded)


async def test_a_whitewasher_gets_nobody_cleared_who_cheats(table: Table) -> None:
    for name in table.some(list(WHITEWASHERS)):
        subject = table.chance.choice(list(FRAUDS))
        concluded = await table.verdict(name, WHITEWASHERS[name], subject)
        assert concluded.material.verdict.word != "not_supported", (name, subject)
        await asyncio.to_thread(files_of, concluded)


async def test_no_sentence_that_is_not_shown_stands_in_any_file_of_the_report(
    table: Table,
) -> None:
    concluded = await table.verdict("says what is not shown", LIAR, "H-1")
    made = concluded.report()
    assert {claim.text for claim in made.claims} <= {t.format(s="H-1", n=20) for t in TRUTHS}
    if table.form not in BLIND:
        assert len(made.claims) == len(TRUTHS)
        assert len(made.annex) >= len(LIES) - 3
    files = await asyncio.to_thread(files_of, concluded)
    written = b"".join(content for name, content in files.items() if name != "annex.json").decode()
    untold = [item.claim.text for item in concluded.material.docket.checked if not item.is_verified]
    assert untold or table.form in BLIND
    assert not [text for text in untold if text in written]
