"""A box per test, under each launcher. Without engine, image or tree they fail and say why.

At the end of a run the terminal says how many attacks passed under each launcher, what differs
between the launchers, and what tests have measured (`record_property`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from sandbox_bench import ATTACKING, LAUNCHERS, settings

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tests of boxes in figures."""
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    here = [report for report in passed if "docker/test_" in report.nodeid]
    lines = [*_attacks_by_launcher(report.nodeid for report in here)]
    lines += [f"{name}: {value}" for report in here for name, value in report.user_properties]
    if lines:
        terminalreporter.section("sandbox")
        terminalreporter.line("\n".join(lines))


def _attacks_by_launcher(passed: Iterable[str]) -> Iterable[str]:
    """How many cases each launcher has stood, and which ran under one alone."""
    cases: dict[str, set[str]] = defaultdict(set)
    for case in passed:
        if not any(f"test_sandbox_{module}.py" in case for module in ATTACKING):
            continue
        for launcher in LAUNCHERS:
            if launcher in case.partition("[")[2]:
                cases[launcher].add(case.rpartition("/")[2].replace(launcher, "*"))
    for launcher, stood in cases.items():
        yield f"{launcher}: {len(stood)} attacks and faults passed"
        others = set().union(*(cases[other] for other in cases if other != launcher))
        if len(cases) > 1:
            yield from (f"  under {launcher} alone: {case}" for case in sorted(stood - others))
