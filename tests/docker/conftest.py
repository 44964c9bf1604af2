"""A box per test, under each launcher. Without engine, image or tree they fail and say why."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
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
