"""How long we wait before asking again: as the endpoint says, else longer and longer."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from openai_faults import Fault
from openai_server import serve

from orchestrator.errors import ModelFault
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Message, Request
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.retries import RetryPolicy, retry_after

NOW = datetime(2030, 6, 1, 12, 0, 0, tzinfo=UTC)
REQUEST = Request(role="lead", messages=(Message(role="user", content="hi"),))


class Clock:
    """A time that passes only by sleeping."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.waited))

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


async def waits_for(fault: Fault, **limits: float) -> tuple[list[float], str]:
    clock = Clock()
    policy = RetryPolicy(sleep=clock.sleep, now=clock.now, **limits)  # type: ignore[arg-type]
    with serve(lambda _: "done", faults=[fault]) as server:
        model = OpenAICompatible.open(Endpoint("m", server.base_url), retries=policy)
        try:
            ending = (await model.complete(REQUEST)).text
        except ModelFault as caught:
            ending = f"{caught.kind}: {caught.fix}"
        await model.close()
    return clock.waited, ending


@pytest.mark.parametrize(
    "header", ["20", "20.0", format_datetime(NOW + timedelta(seconds=20), usegmt=True)]
)
async def test_retry_after_is_respected_in_seconds_and_as_a_date(header: str) -> None:
    waited, ending = await waits_for(Fault(1, "429-retry-after", retry_after=header))
    assert ending == "done"
    assert len(waited) == 1
    assert 20 <= waited[0] <= 22


async def test_without_a_header_the_waits_grow_and_stay_bounded() -> None:
    waited, ending = await waits_for(Fault(1, "503", 5), longest_wait_s=3.0)
    assert ending == "done"
    expected = [(0.5, 1.0), (1.0, 1.5), (2.0, 2.5), (3.0, 3.0), (3.0, 3.0)]
    assert all(low <= wait <= high for wait, (low, high) in zip(waited, expected, strict=True))


async def test_a_wait_beyond_the_total_time_is_not_begun() -> None:
    waited, ending = await waits_for(Fault(1, "429-retry-after", 9, retry_after="3600"))
    assert waited == []
    assert ending.startswith("rate_limit")
    assert "3600 s" in ending


async def test_the_total_time_bounds_the_sum_of_the_waits() -> None:
    waited, ending = await waits_for(
        Fault(1, "429-retry-after", 99, retry_after="40"), total_s=100.0
    )
    assert len(waited) == 2
    assert ending.startswith("rate_limit")


async def test_a_silly_header_is_ignored() -> None:
    waited, ending = await waits_for(Fault(1, "429-retry-after", retry_after="soon"))
    assert ending == "done"
    assert waited[0] <= 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sat, 01 Jun 2030 12:00:09 GMT"}, 9.0),
        ({"retry-after": "Sat, 01 Jun 2030 12:00:09"}, 9.0),
        ({"retry-after": "Sat, 01 Jun 2020 12:00:00 GMT"}, 0.0),
        ({"retry-after": ""}, None),
    ],
)
def test_every_spelling_of_retry_after_is_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, lambda: NOW) == seconds


async def test_a_cancelled_completion_stops_at_once_and_is_not_repeated() -> None:
    with serve(lambda _: "late", delay_s=1.5) as server:
        model = OpenAICompatible.open(Endpoint("m", server.base_url))
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await model.complete(REQUEST)
        assert time.monotonic() - began < 1.0
        await model.close()
    assert len(server.log) == 1
