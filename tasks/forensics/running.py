"""Works on one case: custody, intake, team, conclusion, report.

A case that was begun under a run goes on with it; under another run it begins anew, and what was
found before is set aside as a version. Whatever is wrong with a case becomes its state.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import events as ev
from orchestrator.agent import Agent
from orchestrator.blobs import storage_refused
from orchestrator.canonical import sha256_of
from orchestrator.errors import (
    JournalError,
    ModelFault,
    SandboxFailed,
    ToolFailed,
    UsageError,
)
from orchestrator.limits import MICROS, Limits
from orchestrator.models.llm import LLM
from orchestrator.settings import Settings
from sandbox.base import SandboxSettings
from tasks.api import Quaestor, Replay
from tasks.forensics.batch_file import Batch
from tasks.forensics.board import Board
from tasks.forensics.concluding import Conclusion, conclude, told_by
from tasks.forensics.custody import Custody, changed_since, take
from tasks.forensics.erasing import hold_also
from tasks.forensics.folder import CaseState, Folder, State, json_of
from tasks.forensics.lab import Lab, open_lab
from tasks.forensics.looking import Looker, with_hosts
from tasks.forensics.manifest import Case
from tasks.forensics.masking import mask_of
from tasks.forensics.playbook import SHIPPED, load_playbook
from tasks.forensics.reporting.batch_page import write_files
from tasks.forensics.reporting.pages import annex_json, rendered
from tasks.forensics.showing import task_text
from tasks.forensics.team import Examiner, Skeptic, Writer
from tasks.forensics.versions import Versions
from tasks.team import Team, box_settings

STATES: dict[str, CaseState] = {
    "answered": "done",
    "gave_up": "done",
    "partial": "partial",
    "needs_human": "needs_human",
    "cancelled": "partial",
    "failed": "failed",
}
"""A team that gave up has still made claims; what is missing is in the verdict."""


@dataclass(frozen=True, slots=True)
class Work:
    """What all cases of a batch share. `model` plays every part when it is given; `notice` is told
    what a person should know."""

    quaestor: Quaestor
    batch: Batch
    out: Path
    model: LLM | None = None
    notice: Callable[[str], None] = lambda _text: None

    def folder(self, case: Case) -> Folder:
        """Where the case's files are."""
        return Folder(self.out / "cases" / case.case_id)


async def work_on(work: Work, case: Case, run: str = "") -> State:
    """The state of a case after its work, under `run` or a new run. Raises NotReady when there is
    no box to be had."""
    folder = work.folder(case)
    run = run or work.quaestor.journal.create()
    try:
        return await _worked(work, case, folder, run)
    except OSError as error:
        if error.errno is None:  # a TimeoutError, which is no matter of the disk
            raise
        return _failed(folder, case, run, storage_refused(folder.path, error).message)
    except (UsageError, ToolFailed, SandboxFailed, ModelFault, JournalError) as error:
        return _failed(folder, case, run, error.message)


def _failed(folder: Folder, case: Case, run: str, reason: str) -> State:
    state = State(case_id=case.case_id, state="failed", run=run, reason=reason)
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.write("state.json", state)
    return state


async def _worked(work: Work, case: Case, folder: Folder, run: str) -> State:
    custody = await asyncio.to_thread(_begin, work, case, folder, run)
    begun = folder.case()
    box = box_settings(work.quaestor.settings, f"case-{case.case_id}")
    async with open_lab(box, custody, folder.evidence, begun.subject) as lab:
        folder.write("intake.json", lab.intake)
        settings = settings_of(work.quaestor.settings, case, scripted=work.model is not None)
        outcome = await _investigate(work, settings, folder, lab, run)
    changed = tuple(
        f"{text}; the copy was examined" for text in changed_since(custody, work.batch.root)
    )
    for text in changed:
        work.notice(f"{case.case_id}: {text}")
    return await finish(work.quaestor, folder, run, outcome, notes=changed)


def _begin(work: Work, case: Case, folder: Folder, run: str) -> Custody:
    """Take the evidence in, unless that was done for this run. What was reviewed before stays."""
    known = folder.state()
    if known is not None and known.run == run and (folder.path / "custody.json").exists():
        return folder.custody()
    Versions(folder.path).set_aside()
    folder.clear()
    hold_also(folder, work.quaestor.journal, run)
    folder.write("state.json", State(case_id=case.case_id, state="begun", run=run))
    bounds = work.quaestor.settings.forensics
    custody = take(case, work.batch.root, folder.evidence, bounds)
    playbook = work.batch.root / case.playbook if case.playbook else SHIPPED
    load_playbook(playbook)
    shutil.copyfile(playbook, folder.path / "playbook.toml")
    folder.write("manifest.json", case)
    folder.write("custody.json", custody)
    return custody


async def _investigate(
    work: Work, settings: Settings, folder: Folder, lab: Lab, run: str
) -> ev.Outcome:
    """The team's run, begun or gone on with."""
    case, playbook = folder.case(), folder.playbook()
    is_begun = _has_begun(work.quaestor, run)
    mask = mask_of(case, work.out, is_begun=is_begun)
    board = Board(case, lab.intake, playbook, mask)
    hashes = {
        "manifest": sha256_of(case.model_dump(mode="json")),
        "custody": sha256_of(folder.custody().model_dump(mode="json")),
        "intake": sha256_of(lab.intake.model_dump(mode="json")),
        "playbook": playbook.sha256,
    }
    # Also when the run goes on: what its pseudonyms stand for is found out again here.
    task = mask.text(task_text(case, board.shown, playbook, hashes))
    folder.write("state.json", State(case_id=case.case_id, state="running", run=run))
    quaestor = replace(
        work.quaestor,
        settings=settings,
        enlist=lambda team: enlisted(team, lab, board, work.model),
    )
    if is_begun:
        return await quaestor.resume(run, limits=settings.limits)
    return await quaestor.run(task, run=run)


async def replay(quaestor: Quaestor, folder: Folder, results: Path) -> Replay:
    """Run the loop of a case again from the journal alone, without model and box. Raises
    UsageError."""
    state = folder.state()
    if state is None or not _has_begun(quaestor, state.run):
        raise UsageError(f"{folder.path} holds no run that was begun under this home")
    case, intake = folder.case(), folder.intake()
    board = Board(case, intake, folder.playbook(), mask_of(case, results, is_begun=True))
    offline = replace(quaestor, enlist=lambda team: enlisted(team, Lab(None, intake), board, None))
    return await offline.replay(state.run)


def _has_begun(quaestor: Quaestor, run: str) -> bool:
    """Whether a run got as far as its task; one that was killed before is begun anew."""
    return bool(quaestor.journal.read_kinds(("TaskReceived",), [run]))


def settings_of(settings: Settings, case: Case, *, scripted: bool) -> Settings:
    """The settings of a case's run: its budget, nobody at a terminal, no agent of ours but those
    that work on cases."""
    budget = case.budget
    given = {
        "rounds": budget.rounds,
        "tokens": budget.tokens,
        "usd_micros": int(budget.usd * MICROS) if budget.usd is not None else None,
        "time_s": budget.minutes * 60 if budget.minutes is not None else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    limits = Limits.model_validate({**settings.limits.model_dump(), **changes})
    own = with_hosts(settings, case)
    without = tuple({*own.without, "verify", "filesurfer", "coder"})
    return own.model_copy(
        update={
            "limits": limits,
            "approvals": "deny-risky",
            "on_question": "deny",
            "without": tuple(sorted(without)),
            "require_evidence": False,
            "demo": scripted,
        }
    )


def enlisted(team: Team, lab: Lab, board: Board, model: LLM | None) -> Team:
    """The team that works on cases, in place of the one for open-ended tasks."""
    surfer = team.agents.get("WebSurfer")
    looking = (Looker(surfer, board),) if surfer is not None else ()
    agents: tuple[Agent, ...] = (Examiner(lab, board), Skeptic(lab, board), Writer(board), *looking)
    named = {agent.name: agent for agent in agents}
    if model is None:
        return replace(team, agents=named)
    return replace(team, agents=named, lead=model, model=model)


async def finish(
    quaestor: Quaestor, folder: Folder, run: str, outcome: ev.Outcome, *, notes: Sequence[str] = ()
) -> State:
    """Conclude from the sealed evidence in a fresh lab, and write everything down. `notes` are told
    with the state."""
    records = quaestor.journal.verify(run)
    versions = Versions(folder.path)
    versions.set_aside()
    folder.write_journal(records, quaestor.journal.blobs)
    box = box_settings(quaestor.settings, f"verify-{run}")
    conclusion = await concluded(folder, box)
    write_files(files_of(conclusion), folder.path)
    versions.renew(f"run {run}")
    docket, verdict = conclusion.material.docket, conclusion.material.verdict
    told = State(
        case_id=conclusion.material.case.case_id,
        state="needs_human" if verdict.word == "needs_human" else STATES[outcome.outcome],
        run=run,
        reason="; ".join(filter(None, (outcome.reason, *notes))),
        verdict=verdict.word,
        verified=sum(item.is_verified for item in docket.checked),
        claims=len(docket.checked),
        head=conclusion.material.run.head,
        usd_micros=outcome.spent.usd_micros,
        tokens=outcome.spent.prompt_tokens + outcome.spent.completion_tokens,
        seconds=outcome.seconds,
    )
    folder.write("state.json", told)
    return told


async def concluded(folder: Folder, box: SandboxSettings) -> Conclusion:
    """The conclusion of a case from its folder alone."""
    case, custody = folder.case(), folder.custody()
    told = told_by(folder.records())
    async with open_lab(box, custody, folder.evidence, case.subject) as lab:
        return await conclude(case, custody, folder.playbook(), told, lab)


def files_of(conclusion: Conclusion) -> dict[str, bytes]:
    """Every file that follows from a conclusion."""
    return {
        **rendered(conclusion.report()),
        "annex.json": annex_json(conclusion.material),
        "marks.json": json_of(conclusion.marks),
    }
