"""What `quaestor bench score` does: pairs in, one record per line out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from orchestrator.errors import UsageError
from tasks.benchmark.pairs import BadLine, Pair, read_pairs
from tasks.benchmark.scorers.graded import score_graded
from tasks.benchmark.scorers.registry import FUNCTIONAL, PURE, check_name
from tasks.benchmark.scorers.score import Score
from tasks.cli.benching import BoxSettings, open_box
from tasks.cli.exits import ANSWERED, PARTIAL
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams

Judge = Callable[[Pair], Awaitable[Score]]


def score_pairs(name: str, pairs: str, settings: BoxSettings, streams: Streams) -> int:
    """Score every line. Raises UsageError before the first one when name or file are wrong."""
    check_name(name)
    with _lines(pairs) as lines:
        return asyncio.run(_score_all(name, read_pairs(lines), settings, streams))


async def _score_all(
    name: str, pairs: Iterator[Pair | BadLine], settings: BoxSettings, streams: Streams
) -> int:
    all_judged = True
    async with _judge(name, settings) as judge:
        for pair in pairs:
            if isinstance(pair, BadLine):
                streams.error(f"line {pair.line}: {pair.why}")
                record: dict[str, object] = {"score": None, "why": pair.why, "kind": "bad_line"}
            else:
                record = {**(await judge(pair)).model_dump(), "id": pair.id}
            all_judged &= record["kind"] in ("judged", "no_answer")
            streams.records.write({"line": pair.line, "scorer": name, **record})
    return ANSWERED if all_judged else PARTIAL


@asynccontextmanager
async def _judge(name: str, settings: BoxSettings) -> AsyncIterator[Judge]:
    """The scorer as one call per pair; only code needs a box, which is then opened once."""

    async def graded(pair: Pair) -> Score:
        return score_graded(pair.prediction, pair.gold, pair.reply)

    async def pure(pair: Pair) -> Score:
        return PURE[name](pair.prediction, pair.gold)

    model_named = any(given.key == "models.name" for given in settings[0])
    if model_named:
        async with _model_judge(name, settings) as judge:
            yield judge
        return
    if name != FUNCTIONAL:
        yield graded if name == "simpleqa/graded" else pure
        return
    from tasks.benchmark.scorers.humaneval import score_functional

    async with open_box(settings) as box:
        yield lambda pair: score_functional(pair.prediction, pair.gold, box)


@asynccontextmanager
async def _model_judge(name: str, settings: BoxSettings) -> AsyncIterator[Judge]:
    """A rule that asks a model, where the pair does not hold a judge's reply already."""
    from tasks.benchmark.judge import judge_graded, judge_string
    from tasks.model_pool import ModelPool

    ask = {"simpleqa/graded": judge_graded, "webarena/string": judge_string}.get(name)
    if ask is None:
        raise UsageError(f"{name} asks no model", fix="leave --model out")
    resolved = load_settings(*settings).settings
    pool = ModelPool(resolved.home, no_pictures, os.environ)
    try:
        _, model = pool.lead_and_model(resolved)

        async def judge(pair: Pair) -> Score:
            if pair.reply is not None:
                return score_graded(pair.prediction, pair.gold, pair.reply)
            return await ask(model, pair.prediction, pair.gold, pair.question)

        yield judge
    finally:
        await pool.close()


def no_pictures(sha256: str) -> bytes:
    """A judge is shown none."""
    raise KeyError(sha256)


@contextmanager
def _lines(pairs: str) -> Iterator[BinaryIO]:
    if pairs == "-":
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(pairs).open("rb"))
        except OSError as error:
            raise UsageError(f"{pairs} cannot be read: {error.strerror}") from error
        yield file
