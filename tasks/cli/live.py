"""Carries one attempt at the terminal: watchers, signals, the person's desk, and the ending."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from orchestrator import events as ev
from orchestrator.agent import Answer, Question
from orchestrator.loop import Orchestrator
from orchestrator.settings import Settings
from orchestrator.work import Desk
from tasks import api
from tasks.cli.bugs import log_bugs
from tasks.cli.desk import ask
from tasks.cli.ending import refusal_record
from tasks.cli.exits import INTERRUPTED
from tasks.cli.footer import Footer, View
from tasks.cli.given import Show
from tasks.cli.keyboard import Keyboard
from tasks.cli.opening import short_id, user_name
from tasks.cli.pausing import Pausing
from tasks.cli.progress import JsonLines, Lines, Say, Steps, Watcher
from tasks.cli.signals import Interrupts
from tasks.cli.streams import Streams, clean
from tasks.cli.telling import first_line, tell


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is to be carried: the settings in force and the call that does it. `run` is set when
    the run is there already; `only_plan` stops before the first plan is acted on."""

    settings: Settings
    work: Callable[[api.Quaestor], Awaitable[ev.Outcome]]
    run: str | None = None
    only_plan: bool = False


@dataclass(slots=True)
class Live:
    """One attempt, as seen from the terminal."""

    attempt: Attempt
    streams: Streams
    show: Show
    steps: Steps = field(default_factory=Steps)
    watchers: list[Watcher] = field(default_factory=list)
    say: Say = lambda _text: None
    keyboard: Keyboard | None = None
    orchestrator: Orchestrator | None = None
    pausing: Pausing | None = None
    interrupts: Interrupts = field(init=False)

    def __post_init__(self) -> None:
        self.interrupts = Interrupts(self.pause, self.last_words)

    @property
    def is_attended(self) -> bool:
        """Whether a person sits at a terminal and can be asked."""
        stdin_is_terminal = sys.stdin is not None and sys.stdin.isatty()
        return stdin_is_terminal and self.streams.err.is_terminal and not self.show.json

    def watch(self, key: str, event: ev.Event, seq: int) -> None:
        """Show an event to every watcher."""
        for watcher in self.watchers:
            watcher.event(key, event, seq)
        if self.attempt.only_plan and isinstance(event, ev.LeadReplied):
            self._hold_plan(event)
        if self.pausing is not None and seq and isinstance(event, ev.StepIntended):
            self.pausing.held(key)

    def view(self) -> View | None:
        """What the footer shows."""
        if self.orchestrator is None:
            return None
        seconds = self.orchestrator.elapsed_s()
        return View(self.orchestrator.state, self.orchestrator.limits, seconds)

    def started(self, orchestrator: Orchestrator) -> None:
        """The run exists: say what it is and what binds it."""
        self.orchestrator = orchestrator
        gc.freeze()  # what is loaded by now stays; the collector need not visit it again
        run = orchestrator.recorder.run
        if self.show.json:
            self.streams.records.start(run)
        name = short_id(orchestrator.recorder.journal, run)
        self.say(first_line(name, self.attempt.settings, orchestrator.limits))
        if self.keyboard is not None:
            self.pausing = Pausing(
                orchestrator,
                self.keyboard,
                self.say,
                self.steps,
                lambda: self.interrupts.stop_now(INTERRUPTED),
            )

    def _hold_plan(self, replied: ev.LeadReplied) -> None:
        """Begin no step any more, unless the reply is the answer already."""
        if self.orchestrator is not None and not replied.reply.request_satisfied:
            self.orchestrator.going.clear()
            self.interrupts.cancel_work()

    def pause(self) -> bool:
        """Pause, if somebody is there who can let it go on."""
        return self.pausing is not None and self.pausing.begin()

    def last_words(self, code: int) -> None:
        """What is said when a clean stop takes too long."""
        message = "left at once; the journal holds everything that was finished"
        self.streams.err.line(message)
        if self.show.json:
            run = self.streams.records.run
            self.streams.records.end(refusal_record(run, message, f"quaestor resume {run}", code))

    def desk(self) -> Desk | None:
        """Who answers questions: the person at the terminal, if there is one."""
        keyboard = self.keyboard
        if keyboard is None:
            return None

        async def answer(question_id: str, question: Question) -> Answer:
            return await ask(keyboard, self.say, user_name(), question_id, question)

        return answer


async def carry(attempt: Attempt, streams: Streams, show: Show) -> int:
    """Carry an attempt to its outcome and tell it; the exit code."""
    live = Live(attempt, streams, show)
    bugs = log_bugs(attempt.settings.home, verbose=show.verbose)
    async with _watching(live), _opened(live) as quaestor:
        outcome = await _outcome(live, quaestor)
        name = short_id(quaestor.journal, outcome.run) if outcome.run else ""
    return tell(live, outcome, name, bugs)


@asynccontextmanager
async def _opened(live: Live) -> AsyncIterator[api.Quaestor]:
    async with api.open(
        live.attempt.settings,
        desk=live.desk(),
        watch=live.watch,
        notice=lambda text: live.say(clean(text)),
        started=live.started,
    ) as quaestor:
        yield quaestor


async def _outcome(live: Live, quaestor: api.Quaestor) -> ev.Outcome:
    """The outcome; a stop before the run began is one too."""
    work = asyncio.ensure_future(live.attempt.work(quaestor))
    live.interrupts.install(asyncio.get_running_loop(), work)
    try:
        return await work
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        run = live.attempt.run or ""
        return ev.Outcome(run=run, outcome="cancelled", reason="stopped before it began")


@asynccontextmanager
async def _watching(live: Live) -> AsyncIterator[None]:
    """Set up the watchers that fit the streams and flags, and take them down."""
    ticking = _choose_watchers(live)
    try:
        yield
    finally:
        if live.pausing is not None:
            await live.pausing.close()
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


def _choose_watchers(live: Live) -> asyncio.Task[None]:
    """Lines, and below them a footer where the terminal can show one; quiet shows nothing."""
    err, show = live.streams.err, live.show
    lines = Lines((lambda _text: None) if show.quiet else err.line, live.steps)
    live.watchers = [lines, *([JsonLines(live.streams.records)] if show.json else [])]
    live.say = lines.say
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    if show.quiet or show.plain or dumb or not err.is_terminal:
        if live.is_attended:
            live.keyboard = Keyboard(sys.stdin.fileno(), nullcontext)
        return asyncio.ensure_future(lines.heartbeat())
    footer = Footer(err.file, live.steps, live.view)
    lines.say = live.say = footer.say
    if live.is_attended:
        live.keyboard = Keyboard(sys.stdin.fileno(), footer.aside)
    return asyncio.ensure_future(footer.repaint())
