"""The playbook over evidence: each fraud is found by its mechanism, no innocent twin is accused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace

import pytest
import pytest_asyncio
from forensics_world import DECOYS, FRAUDS, Form, shaped, world_of, write
from sampling import sampled
from sandbox_bench import settings

from orchestrator.agent import Assignment
from tasks.forensics.alternatives import read_again
from tasks.forensics.board import Board
from tasks.forensics.checking_claims import check_claims
from tasks.forensics.custody import take
from tasks.forensics.deciding import Docket
from tasks.forensics.desk import Desk
from tasks.forensics.lab import Lab, open_lab
from tasks.forensics.manifest import Case
from tasks.forensics.playbook import load_playbook
from tasks.forensics.scripted_roles import read_exhibits, roles_of
from tasks.forensics.showing import exhibits_text
from tasks.forensics.verdict import verdict_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
PLAYBOOK = load_playbook(None)
ACCUSING = ("allegation_supported", "partly_supported")
TRIED_FRAUDS = sampled(list(FRAUDS), 2)
TRIED_DECOYS = sampled(DECOYS, 2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The whole programme in one lab."""
    root = tmp_path_factory.mktemp("world")
    write(shaped(world_of(), Form()), root / "files")
    custody = take(case_about("H-0"), root, root / "kept")
    async with open_lab(settings("docker"), custody, root / "kept", "H-0") as opened:
        yield opened


def case_about(subject: str) -> Case:
    return Case(case_id="world", question="q", evidence=("files",), subject=subject)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dockets(lab: Lab) -> dict[str, Docket]:
    """For each subject every test, by an Examiner who reads the profile, and a review of all."""
    return {subject: await docket_on(lab, subject) for subject in (*TRIED_FRAUDS, *TRIED_DECOYS)}


async def docket_on(lab: Lab, subject: str) -> Docket:
    board = Board(case_about(subject), lab.intake, PLAYBOOK)
    assignment = Assignment(id="a", path="round/1/1.Examiner", agent="Examiner", instruction="")
    desk = Desk(lab, board, assignment)
    await desk.roles(roles_of(read_exhibits(exhibits_text(lab.intake))))
    await desk.tests([])
    claims = [noted.claim for noted in board.claims()]
    read = await read_again(await check_claims(claims, lab), PLAYBOOK, lab, subject, None)
    return Docket(
        checked=read.checked,
        reviewed=frozenset(claim.id for claim in claims),
        playbook=PLAYBOOK,
        intake=lab.intake,
        subject=subject,
        doubts=read.doubts,
    )


def only(docket: Docket, names: Collection[str]) -> Docket:
    """What somebody is left with who ran these tests alone."""
    return replace(docket, checked=[i for i in docket.checked if i.claim.test in names])


@pytest.mark.parametrize("subject", TRIED_FRAUDS)
async def test_each_way_to_cheat_is_found_and_named(
    dockets: dict[str, Docket], subject: str
) -> None:
    verdict = verdict_of(dockets[subject])
    assert FRAUDS[subject] in [f.mechanism for f in verdict.findings if f.standing == "supported"]
    assert verdict.word in ACCUSING


@pytest.mark.parametrize("subject", TRIED_DECOYS)
async def test_nobody_who_only_looks_so_is_accused(
    dockets: dict[str, Docket], subject: str
) -> None:
    assert verdict_of(dockets[subject]).word not in ACCUSING


@pytest.mark.parametrize("subject", TRIED_FRAUDS)
async def test_who_tests_only_what_suits_clears_nobody(
    dockets: dict[str, Docket], subject: str
) -> None:
    own = FRAUDS[subject]
    suiting = [name for name in PLAYBOOK.tests() if not name.startswith(own)]
    verdict = verdict_of(only(dockets[subject], suiting))
    assert verdict.word != "not_supported"
    assert any(text.startswith(own) for text in verdict.missing)


@pytest.mark.parametrize("subject", TRIED_DECOYS)
async def test_who_tests_only_signals_accuses_nobody(
    dockets: dict[str, Docket], subject: str
) -> None:
    signals = [name for name, (part, _) in PLAYBOOK.tests().items() if part != "twin"]
    assert verdict_of(only(dockets[subject], signals)).word not in ACCUSING
