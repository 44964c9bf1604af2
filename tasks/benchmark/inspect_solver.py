"""Quaestor as a solver of Inspect's, and our scoring rules as its scorers: `quaestor[inspect]`.

    inspect eval task.py --solver tasks/quaestor -S model=gpt-4o --model none/none
    inspect score log.eval --scorer tasks/rule -S name=gaia/2023

The one module that imports `inspect_ai`; nothing but Inspect imports it. A sample's limit in time
cancels its run like Ctrl-C, so that its browser and boxes end with it. Inspect's own sandbox and
model are not used: what a run does is bounded by our settings, and its spend is told in the store.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from inspect_ai.log import transcript
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from orchestrator import events as ev
from orchestrator.errors import UsageError
from orchestrator.settings import Settings
from tasks import api
from tasks.benchmark.inspect_log import LEDGER, SHOWN
from tasks.benchmark.scorers.registry import PURE
from tasks.config_file import Given
from tasks.configuration import Place, limits_given, resolve
from tasks.readiness import ready_settings
from tasks.team import default_home

FLAG = "the solver's argument"
ATTACHMENTS = "attachments"
"""The name in a sample's metadata under which paths of files stand that the run is handed."""


@solver
def quaestor(
    model: str | None = None,
    base_url: str | None = None,
    limit: str = "",
    web: bool = True,
    sandbox: str | None = None,
    config: str | None = None,
    home: str | None = None,
) -> Solver:
    """Hand each sample to Quaestor. Arguments are as the command line's; what is not given comes
    from the environment and the configuration files. Raises UsageError and NotReady."""
    values: dict[str, Any] = {
        "models.name": model,
        "models.base_url": base_url,
        "web.enabled": None if web else False,
        "sandbox.launcher": sandbox,
        "on_question": "deny",
    }
    given = [Given(key, value, FLAG) for key, value in values.items() if value is not None]
    place = Place(
        environ=os.environ,
        folder=Path.cwd(),
        home=Path(home).expanduser() if home else default_home(os.environ),
        config=Path(config) if config else None,
    )
    settings = resolve([*given, *limits_given(limit, FLAG)], place).settings

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        outcome = await _run(settings, state)
        answer = outcome.answer or ""
        state.output = ModelOutput.from_content(model=_model(outcome), content=answer)
        state.messages.append(ChatMessageAssistant(content=answer, source="generate"))
        state.store.set("quaestor", outcome.model_dump(mode="json", exclude={"evidence"}))
        state.completed = True
        return state

    return solve


@scorer(metrics=[mean(), stderr()])
def rule(name: str = "gaia/2023") -> Scorer:
    """One of our scoring rules by its name. What it cannot judge is said, never taken for wrong."""
    if name not in PURE:
        raise UsageError(f"there is no rule {name!r} here", fix=f"one of {', '.join(PURE)}")

    async def score(state: TaskState, target: Target) -> Score:
        answer = state.output.completion or None
        found = PURE[name](answer, target.text)
        about = {"kind": found.kind, "rule": name, **found.detail}
        return Score(value=found.score, answer=answer, explanation=found.why, metadata=about)

    return score


async def _run(settings: Settings, state: TaskState) -> ev.Outcome:
    """One run in this process; its events become cards of the sample's transcript."""

    def watch(key: str, event: ev.Event, new: int) -> None:
        if new and event.kind in SHOWN:
            source = f"{LEDGER}/{event.kind}" if event.kind == "LeadReplied" else event.kind
            transcript().info({"key": key, **ev.body_of(event)}, source=source)

    task = "\n\n".join(
        message.text for message in state.messages if isinstance(message, ChatMessageUser)
    )
    kept, _ = await ready_settings(settings, task)
    files = [Path(name) for name in (state.metadata or {}).get(ATTACHMENTS, ())]
    async with api.open(kept, watch=watch) as opened:
        return await _until_cancelled(opened, task, files)


async def _until_cancelled(opened: api.Quaestor, task: str, files: list[Path]) -> ev.Outcome:
    """A run that is cancelled still writes its end; the sample is cancelled all the same."""
    running = asyncio.ensure_future(opened.run(task, files))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise


def _model(outcome: ev.Outcome) -> str:
    return "+".join(outcome.models) or "quaestor"
