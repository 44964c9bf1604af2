"""Limits of an endpoint that many processes share: pace, seats, and a wait that all keep."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.endpoint import Endpoint
from orchestrator.models.gate import Pace
from tasks.batch.gates import SharedGate, endpoint_name, open_gates
from tasks.batch.pacing import take


@given(
    st.integers(min_value=1, max_value=600),
    st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=300),
)
def test_no_minute_sees_more_requests_than_the_limit(per_minute: int, gaps: list[float]) -> None:
    now, empty, went = 1_000.0, 0.0, list[float]()
    for gap in gaps:
        now += gap
        turn = take(now, empty, 1, per_minute)
        empty = turn.empty
        assert turn.at >= now
        went.append(turn.at)
    for start in went:
        assert sum(start <= moment < start + 59.999 for moment in went) <= per_minute


@given(st.integers(min_value=1_000, max_value=100_000), st.integers(min_value=1, max_value=2_000))
def test_no_minute_sees_more_tokens_than_the_limit(per_minute: int, each: int) -> None:
    empty, went = 0.0, list[float]()
    for _ in range(200):
        turn = take(0.0, empty, each, per_minute)
        empty = turn.empty
        went.append(turn.at)
    for start in went:
        in_minute = sum(start <= moment < start + 59.999 for moment in went)
        assert in_minute * each <= max(per_minute, each) + each


def test_without_a_limit_nothing_waits() -> None:
    assert take(5.0, 0.0, 1, None).at == 5.0


async def test_a_wait_that_one_process_is_asked_for_is_kept_by_another(tmp_path: Path) -> None:
    endpoint = Endpoint("m", "http://127.0.0.1:9/v1", api_key="k")
    async with open_gates(tmp_path, None) as first, open_gates(tmp_path, None) as second:
        async with first(endpoint).turn(1):
            pass
        began = time.time()
        await first(endpoint).hold(1.0)
        async with second(endpoint).turn(1):
            assert time.time() - began >= 1.0
        other = Endpoint("m", "http://127.0.0.1:9/v1", api_key="other")
        await first(endpoint).hold(3600)
        async with second(other).turn(1):
            pass


async def test_only_so_many_are_at_it_at_a_time_and_the_dead_give_their_seats_back(
    tmp_path: Path,
) -> None:
    endpoint = Endpoint("m", "http://127.0.0.1:9/v1", pace=Pace(at_once=2))
    take_a_seat = f"""
import asyncio, os
from pathlib import Path
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.gate import Pace
from tasks.batch.gates import open_gates
async def main():
    endpoint = Endpoint("m", "http://127.0.0.1:9/v1", pace=Pace(at_once=2))
    async with open_gates(Path({str(tmp_path)!r}), None) as gate_of:
        async with gate_of(endpoint).turn(1):
            os._exit(9)
asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", take_a_seat], cwd=root).returncode == 9
    at_it, most = 0, 0
    async with open_gates(tmp_path, None) as gate_of:

        async def ask() -> None:
            nonlocal at_it, most
            async with gate_of(endpoint).turn(1):
                at_it += 1
                most = max(most, at_it)
                await asyncio.sleep(0.05)
                at_it -= 1

        await asyncio.gather(*(ask() for _ in range(6)))
    assert most == 2


async def test_the_pace_is_shared_by_processes_through_the_database(tmp_path: Path) -> None:
    pace = Pace(requests_per_minute=20)
    endpoint = Endpoint("m", "http://127.0.0.1:9/v1", pace=pace)
    async with open_gates(tmp_path, None) as first, open_gates(tmp_path, None) as second:
        turns = []
        for gate_of in (first, second, first, second):
            gate = gate_of(endpoint)
            assert isinstance(gate, SharedGate)
            turns.append(gate._turn(1))
    assert turns[0] <= turns[1] < turns[2] < turns[3]
    assert turns[3] - turns[2] == pytest.approx(60 / 19, abs=0.1)


def test_the_name_of_an_endpoint_shows_neither_key_nor_password() -> None:
    endpoint = Endpoint("m", "http://user:secret@host/v1", api_key="sk-key")
    assert "secret" not in endpoint_name(endpoint)
    assert "sk-key" not in endpoint_name(endpoint)
