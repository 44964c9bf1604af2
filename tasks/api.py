"""The typed Python API: open Quaestor once, then run, stream, resume and replay tasks.

    async with quaestor_api.open(Settings(...)) as quaestor:
        outcome = await quaestor.run("...", attachments=[Path("prices.xlsx")])

The command line is a user of this page and of nothing below it.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import platform
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import get_args

from agents.coder import PROMPTS as AGENT_PROMPTS
from agents.human import Human
from orchestrator import events as ev
from orchestrator.attempt import (
    About,
    changed_prompts,
    elapsed_before,
    is_over,
    run_attempt,
)
from orchestrator.errors import Divergence, EndOfRecording, UsageError
from orchestrator.journal import Journal, Record
from orchestrator.limits import Limits
from orchestrator.loop import Orchestrator
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.gate import OPEN, Gate
from orchestrator.prompt_files import LEAD_PROMPTS, prompt_hashes, read_own
from orchestrator.recorder import Recorder, Watch
from orchestrator.settings import Settings
from orchestrator.work import Consent, Desk
from tasks.alerts import alerting
from tasks.model_pool import ModelPool
from tasks.readiness import UNBOXED, browser_protection
from tasks.team import Team, default_home, fill_workspace, open_team, warm_box
from tasks.warnings import SCRIPTED

MAX_ATTACHMENT_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Replay:
    """What an offline replay found. `divergence` names the first difference, if any."""

    run: str
    digest: str
    recorded_digest: str
    divergence: str | None

    @property
    def same(self) -> bool:
        """Whether the replay reproduced the recorded run."""
        return self.divergence is None and self.digest == self.recorded_digest


@dataclass(frozen=True, slots=True)
class Quaestor:
    """An open journal with the settings for new runs. `desk` answers questions, if anybody
    does; `watch` sees every event; `enlist` may put other agents into a team that was composed
    from the settings."""

    settings: Settings
    journal: Journal
    desk: Desk | None = None
    watch: Watch | None = None
    notice: Callable[[str], None] = lambda _text: None
    started: Callable[[Orchestrator], None] = lambda _orchestrator: None
    pool: ModelPool | None = None
    enlist: Callable[[Team], Team] = lambda team: team

    async def run(
        self,
        task: str,
        attachments: Sequence[Path] = (),
        *,
        after: str | None = None,
        run: str | None = None,
    ) -> ev.Outcome:
        """Work on a new task to its outcome, under the id of an empty `run` if one was made for
        it. Raises UsageError and NotReady before anything is spent; every other end is an
        Outcome."""
        if not task.strip():
            raise UsageError("the task is empty", fix='quaestor run "What ...?"')
        if self.settings.strategy == "classic" and "ledger" in self.settings.without:
            raise UsageError(
                "--classic decides by its ledger in every round and cannot do without it",
                fix="leave out --without ledger, or --classic",
            )
        attached = [self._attach(path) for path in attachments]
        _check_names(attached)
        earlier = self._earlier(after) if after else None
        prompts = read_own(self.settings.prompts, LEAD_PROMPTS, AGENT_PROMPTS)
        run = run or self.journal.create()
        async with self._team(self.settings, run, has_human=self.desk is not None) as team:
            received = ev.TaskReceived(
                task=task,
                attachments=tuple(attached),
                roster=team.roster(),
                limits=self.settings.limits,
                settings=self.settings.recorded(),
                window=team.lead.profile.window,
                earlier=earlier,
                strategy=self.settings.strategy,
                prompts=prompts,
                without=tuple(
                    part for part in get_args(ev.Switch) if part in self.settings.without
                ),
            )
            return await self._attempt(run, received, team, self.settings)

    async def resume(
        self, run: str, *, limits: Limits | None = None, trust: bool = False
    ) -> ev.Outcome:
        """Go on with a run from its last finished step. Raises UsageError for a run that is
        over, JournalDamaged for a journal that does not add up."""
        records = self.journal.verify(run)
        ended = is_over(records)
        if ended is not None and not ended.resumable:
            return ended.outcome
        received = received_task(run, records)
        settings = self._recorded_settings(received, limits)
        async with self._team(settings, run, has_human=_has_human(received)) as team:
            return await self._attempt(run, received, team, settings, trust=trust)

    async def replay(self, run: str) -> Replay:
        """Run the loop again from the journal alone, offline, and compare the run digest."""
        records = self.journal.verify(run)
        received = received_task(run, records)
        settings = self._recorded_settings(received, None)
        recorder = Recorder(self.journal, run, None, records, watch=self.watch)
        divergence = None
        async with open_team(
            settings,
            run=run,
            blobs=self.journal.blobs,
            person_present=_has_human(received),
            offline=True,
        ) as team:
            team = self.enlist(team)
            fill_workspace(team, received)
            try:
                await self._orchestrator(recorder, team, settings, lambda: 0.0).run(received)
            except EndOfRecording:
                pass  # the run was stopped here; everything before it was compared
            except Divergence as error:
                divergence = error.message
        return Replay(run, recorder.digest(), recorder.recorded_digest(), divergence)

    async def stream(
        self, task: str, attachments: Sequence[Path] = ()
    ) -> AsyncIterator[ev.Event | ev.Outcome]:
        """The events of a new run as they are recorded; the last item is the Outcome."""
        queue: asyncio.Queue[ev.Event | ev.Outcome] = asyncio.Queue()

        def watch(_key: str, event: ev.Event, _seq: int) -> None:
            queue.put_nowait(event)

        watching = replace(self, watch=watch, started=lambda _orchestrator: None)
        running = asyncio.ensure_future(watching.run(task, attachments))
        running.add_done_callback(
            lambda _done: queue.put_nowait(ev.Outcome(run="", outcome="failed"))
        )
        try:
            while not running.done() or not queue.empty():
                item = await queue.get()
                if not isinstance(item, ev.Outcome):
                    yield item
            yield running.result()
        finally:
            running.cancel()

    @asynccontextmanager
    async def _team(self, settings: Settings, run: str, *, has_human: bool) -> AsyncIterator[Team]:
        async with open_team(
            settings,
            run=run,
            blobs=self.journal.blobs,
            person_present=has_human,
            notice=self.notice,
            pool=self.pool,
        ) as team:
            yield self.enlist(team)

    async def _attempt(
        self,
        run: str,
        received: ev.TaskReceived,
        team: Team,
        settings: Settings,
        *,
        trust: bool = False,
    ) -> ev.Outcome:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        epoch = self.journal.claim(run, owner)
        records = self.journal.read(run)
        fill_workspace(team, received)
        warm_box(team)
        before, began = elapsed_before(records), time.monotonic()
        async with alerting(settings.notify, run, self.watch, os.environ) as watch:
            recorder = Recorder(self.journal, run, epoch, records, trust_history=trust, watch=watch)
            orchestrator = self._orchestrator(
                recorder, team, settings, lambda: before + time.monotonic() - began
            )
            self.started(orchestrator)
            about = _about(owner, settings, await browser_protection(settings), received.prompts)
            about = replace(about, measured=lambda: team.workspace.measured)
            if changed := changed_prompts(records, about):
                self.notice(
                    f"prompts have changed since this run was at work: {', '.join(changed)}. If it "
                    "diverges, use the version that made it, or resume with --trust-history"
                )
            return await run_attempt(orchestrator, received, about)

    def _orchestrator(
        self, recorder: Recorder, team: Team, settings: Settings, elapsed_s: Callable[[], float]
    ) -> Orchestrator:
        return Orchestrator(
            recorder=recorder,
            lead=team.lead,
            model=team.model,
            team=team.agents,
            limits=settings.limits,
            elapsed_s=elapsed_s,
            consent=Consent(settings.approvals, settings.on_question, self.desk),
            require_evidence=settings.require_evidence,
        )

    def _recorded_settings(self, received: ev.TaskReceived, limits: Limits | None) -> Settings:
        """What the run was started with; only this machine's places and the limits are of now."""
        here = self.settings
        recorded = {**received.settings, "home": here.home, "journal_url": here.journal_url}
        settings = Settings.model_validate({**recorded, "out": here.out})
        return settings.model_copy(update={"limits": limits or received.limits})

    def _attach(self, path: Path) -> ev.Attachment:
        try:
            if not path.is_file():
                raise UsageError(
                    f"the attachment {path} is not a file", fix="give the path of an existing file"
                )
            if path.stat().st_size > MAX_ATTACHMENT_BYTES:
                raise UsageError(
                    f"the attachment {path} is larger than {MAX_ATTACHMENT_BYTES >> 20} MiB",
                    fix="attach an extract of it",
                )
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"the attachment {path} cannot be read: {error.strerror}") from error
        return ev.Attachment(
            name=path.name,
            sha256=self.journal.blobs.put(content),
            size=len(content),
            media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        )

    def _earlier(self, run: str) -> ev.Earlier:
        from tasks.history import state_of

        records = self.journal.verify(run)
        received, ended, state = received_task(run, records), is_over(records), state_of(records)
        return ev.Earlier(
            run=run,
            task=received.task,
            answer=ended.outcome.answer if ended else None,
            facts=state.ledger.facts,
            evidence=tuple(state.evidence.values()),
            artifacts=ended.outcome.artifacts if ended else (),
        )


@asynccontextmanager
async def open(
    settings: Settings | None = None,
    *,
    desk: Desk | None = None,
    watch: Watch | None = None,
    notice: Callable[[str], None] = lambda _text: None,
    started: Callable[[Orchestrator], None] = lambda _orchestrator: None,
    gate_of: Callable[[Endpoint], Gate] = lambda _endpoint: OPEN,
) -> AsyncIterator[Quaestor]:
    """Open the journal in the settings' home (QUAESTOR_HOME when it is not set). Requests to an
    endpoint wait at the gate that `gate_of` gives for it."""
    settings = settings or Settings()
    if settings.home == Path():
        settings = settings.model_copy(update={"home": default_home(os.environ)})
    journal = Journal.open(settings.home, url=settings.journal_url)
    pool = ModelPool(settings.home, journal.blobs.get, os.environ, gate_of)
    try:
        yield Quaestor(settings, journal, desk, watch, notice, started, pool)
    finally:
        await pool.close()
        journal.close()


def received_task(run: str, records: Sequence[Record]) -> ev.TaskReceived:
    """The task that a run was given. Raises UsageError when it never got that far."""
    for record in records:
        if record.kind == "TaskReceived":
            if record.body is None:
                raise UsageError(f"the content of run {run} was purged")
            return ev.TaskReceived.model_validate(record.body)
    raise UsageError(f"run {run} was stopped before it began; start the task again")


def _has_human(received: ev.TaskReceived) -> bool:
    """A run keeps the roster that it began with, wherever it goes on."""
    return any(member.name == Human.name for member in received.roster)


def _about(owner: str, settings: Settings, browser: str, own: Mapping[str, str]) -> About:
    return About(
        owner=owner,
        versions={"quaestor": metadata.version("quaestor"), "python": platform.python_version()},
        prompts=prompt_hashes(LEAD_PROMPTS, AGENT_PROMPTS, own=own),
        protections={"sandbox": settings.sandbox.launcher, "browser": browser},
        warnings=_warnings(settings, browser),
    )


def _warnings(settings: Settings, browser: str) -> tuple[str, ...]:
    found = []
    if settings.sandbox.launcher == "unsafe-local":
        found.append("code ran on this machine without isolation (--sandbox unsafe-local)")
    if browser == "none":
        found.append(UNBOXED.replace("runs", "ran"))
    if settings.approvals == "allow-all":
        found.append("irreversible acts were allowed without asking (--approvals allow-all)")
    if settings.demo:
        found.append(SCRIPTED)
    return tuple(found)


def _check_names(attached: Sequence[ev.Attachment]) -> None:
    names = [item.name for item in attached]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"two attachments have the same name: {', '.join(twice)}", fix="rename one of them"
        )
