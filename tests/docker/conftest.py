"""A box per test, under each launcher. Without engine, image or tree they fail and say why."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sandbox_bench import LAUNCHERS, settings

from sandbox.base import Box, Launcher, Sandbox


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """Each way to isolate code."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def box(launcher: Launcher) -> AsyncIterator[Box]:
    """A running box with the shipped limits."""
    async with Sandbox.open(settings(launcher)) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LAUNCHERS)
async def shared_box(request: pytest.FixtureRequest) -> AsyncIterator[Box]:
    """One box for all tests of a module, for those that only look whether it stays whole."""
    async with Sandbox.open(settings(request.param)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def emptied(shared_box: Box) -> Box:
    """The shared box without what earlier tests left in it."""
    empty = "chmod -R u+rwx . ; find . /tmp /dev/shm -mindepth 1 -delete 2>/dev/null; true"
    assert (await shared_box.run(empty, "bash")).cause == "ok"
    return shared_box
