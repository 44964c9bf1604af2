"""The live view of a terminal: lines scroll, a footer of a few lines below says where it is.

Repainted four times a second at most, no alternate screen; steps aside while a person types.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.limits import Limits
from orchestrator.policy import progress
from orchestrator.state import State
from tasks.cli.ending import count_text, money_text, time_text
from tasks.cli.progress import Steps

HERTZ = 4
MAX_STEPS = 3


@dataclass(frozen=True, slots=True)
class View:
    """What the footer looks at."""

    state: State
    limits: Limits
    seconds: float


@dataclass(slots=True)
class Footer:
    """A Rich Live over what `look` returns; None while there is nothing to see."""

    file: TextIO
    steps: Steps
    look: Callable[[], View | None]
    _console: Console = field(init=False)
    _live: Live | None = None
    _held: int = 0

    def __post_init__(self) -> None:
        self._console = Console(file=self.file, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        """A line that scrolls away above the footer."""
        with suppress(OSError):  # a terminal that was closed must not end the run
            self._console.print(Text(text), soft_wrap=True)

    async def repaint(self) -> None:
        """Show the footer until cancelled."""
        try:
            while True:
                if not self._held:
                    self._show()
                await asyncio.sleep(1 / HERTZ)
        except OSError:
            self._live = None
        finally:
            self._hide()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room while a person types."""
        self._held += 1
        self._hide()
        try:
            yield
        finally:
            self._held -= 1

    def _show(self) -> None:
        if self._live is None:  # a Live that was stopped would erase lines that are not its own
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                get_renderable=self._render,
            )
            self._live.start()
        self._live.refresh()

    def _hide(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):
                live.stop()

    def _render(self) -> Text:
        view = self.look()
        lines = footer_lines(view, self.steps) if view else []
        return Text("\n".join(lines), style="dim", no_wrap=True, overflow="ellipsis")


def footer_lines(view: View, steps: Steps) -> list[str]:
    """At most six lines: the plan, what is going on, what is spent."""
    running = list(steps.running.values())
    lines = [_position(view)]
    lines += [f"  {step.text()} {step.seconds:.0f} s" for step in running[:MAX_STEPS]]
    if len(running) > MAX_STEPS:
        lines.append(f"  and {len(running) - MAX_STEPS} more")
    return [*lines, _spending(view)]


def _position(view: View) -> str:
    state, limits = view.state, view.limits
    plan, still_open = state.ledger.plan, state.ledger.open_steps
    found = len(state.ledger.fact("found"))
    to_find = len(state.ledger.fact("to_look_up")) + len(state.ledger.fact("to_derive"))
    verdict = progress(state)
    parts = [
        f"round {len(state.turns)}" + (f" of at most {limits.rounds}" if limits.rounds else ""),
        f"plan {len(plan) - len(still_open)}/{len(plan)}" if plan else "",
        f"facts {found} found, {to_find} open" if found or to_find else "",
        f"stalls {verdict.stalls}/{limits.stalls}" if verdict and verdict.stalls else "",
    ]
    return " | ".join(part for part in parts if part)


def _spending(view: View) -> str:
    spent, limits = view.state.spent, view.limits
    tokens = count_text(spent.prompt_tokens + spent.completion_tokens)
    money = money_text(spent.usd_micros)
    parts = [
        f"{spent.calls}" + (f"/{limits.calls}" if limits.calls else "") + " calls",
        tokens + (f"/{count_text(limits.tokens)}" if limits.tokens else "") + " tokens",
        money + (f" of {money_text(limits.usd_micros)}" if limits.usd_micros else ""),
        time_text(view.seconds) + (f" of {time_text(limits.time_s)}" if limits.time_s else ""),
        "Ctrl-C pauses",
    ]
    return " | ".join(parts)
