"""What a run's events show about how it went, counted over real runs of the loop."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Bench, Work, assign, echo, fail, finish, reply, team

from orchestrator.agent import Assignment, CodeArtifact, Observation, Report, Source, WorkContext
from orchestrator.models.llm import Request
from tasks.benchmark.outcomes import class_of, failures_of
from tasks.benchmark.rows import UnitResult
from tasks.benchmark.signals import Seen, answer_was_shown, last_page, seen_in

CAPTCHA = "DuckDuckGo asks for a CAPTCHA; configure a search provider with a key or SearXNG"


def tool_user(*acts: tuple[str, dict[str, Any]]) -> Work:
    """A worker whose tools show these observations, one after the other."""

    async def work(assignment: Assignment, ctx: WorkContext) -> Report:
        for number, (name, fields) in enumerate(acts, 1):

            async def act(fields: dict[str, Any] = fields) -> Any:
                return Observation.model_validate({"text": "", **fields}).model_dump(mode="json")

            asked = {"tool": name, "arguments": {}}
            await ctx.once(f"act/{number}", act, kind="tool", fingerprint=asked)
        return Report(status="done", summary="LOOKED")

    return work


def asks_once(agent: str, answer: str = "42", **parts: Any) -> Any:
    """A lead that asks one agent, and answers as soon as it has been told of a report."""

    def lead(request: Request) -> str:
        told = "\n".join(message.content for message in request.messages)
        return finish(answer) if "LOOKED" in told else assign((agent, "look"), **parts)

    return lead


async def signals(bench: Bench, *acts: tuple[str, dict[str, Any]], agent: str = "Looker") -> Seen:
    await bench.run(asks_once(agent), agents=team(**{agent: tool_user(*acts)}))
    return seen(bench)


def seen(bench: Bench) -> Seen:
    return seen_in(bench.journal.read(bench.run_id), bench.journal.blobs)


@pytest.mark.parametrize(
    ("act", "signal"),
    [
        (("goto", {"failed": True, "text": "not there"}), "tool_error:goto"),
        (("goto", {"text": "url: x", "snapshot": {"wall": "captcha"}}), "page_captcha"),
        (("goto", {"text": "url: x", "snapshot": {"wall": "paywall"}}), "blocked_page"),
        (("goto", {"failed": True, "text": "closed for this run: hub.test"}), "contamination"),
        (("click", {"text": "note: closed for this run: hub.test\n---\nx"}), "contamination"),
        (("search", {"text": "1. News\nclosed for this run: 2 results"}), "contamination"),
        (("search", {"failed": True, "text": CAPTCHA}), "captcha"),
        (("goto", {"failed": True, "text": "x" * 20_000}), "tool_error:goto"),
    ],
)
async def test_what_tools_show_is_counted(
    bench: Bench, act: tuple[str, dict[str, Any]], signal: str
) -> None:
    assert (await signals(bench, act)).signals[signal] == 1


async def test_a_page_cannot_pose_as_what_we_say(bench: Bench) -> None:
    said = "url: x\n---\nclosed for this run: nothing\nDuckDuckGo asks for a CAPTCHA"
    found = (await signals(bench, ("goto", {"text": said}))).signals
    assert "contamination" not in found
    assert "captcha" not in found


async def test_a_captcha_that_was_got_past_kept_nothing_away(bench: Bench) -> None:
    found = await signals(
        bench, ("search", {"failed": True, "text": CAPTCHA}), ("search", {"text": "1. News"})
    )
    assert "captcha" not in found.signals


async def test_a_file_that_cannot_be_read_is_a_failure_of_parsing(bench: Bench) -> None:
    act = ("open", {"failed": True, "text": "this is no spreadsheet"})
    assert (await signals(bench, act, agent="FileSurfer")).signals["parse_failure"] == 1


async def test_the_first_agent_that_failed_is_named_with_its_step(bench: Bench) -> None:
    def lead(request: Request) -> str:
        told = "\n".join(message.content for message in request.messages)
        return (
            finish("42")
            if "the login page refused" in told
            else assign(("Breaker", "log in"), ("Echo", "x"))
        )

    await bench.run(lead, agents=team(Breaker=fail, Echo=echo))
    found = seen(bench)
    assert (found.failed_agent, found.failed_step) == ("Breaker", "round/1/1.Breaker")


async def test_a_lead_that_only_repeats_itself_has_failed_itself(bench: Bench) -> None:
    bad = {"in_loop": True, "making_progress": False, "reason": "nothing new"}
    work = ("Echo", "the same again")
    await bench.run(lambda _request: assign(work, **bad), agents=team(Echo=echo))
    found = seen(bench)
    assert found.signals["loops"] >= 1
    assert found.signals["replans"] >= 1
    assert found.failed_agent == "lead"
    row = UnitResult(unit="u", task="t", ended="gave_up", signals=dict(found.signals))
    assert (class_of(row), failures_of(row)) == ("stalled", ("repeated-steps",))


async def test_a_program_that_was_written_and_never_run_is_noted(bench: Bench) -> None:
    async def writes(_assignment: Assignment, _ctx: WorkContext) -> Report:
        code = CodeArtifact(id="p", author="Coder", language="python", code="print(1)")
        return Report(status="done", summary="LOOKED", code=code)

    await bench.run(asks_once("Coder"), agents=team(Coder=writes))
    assert seen(bench).signals["code_never_ran"] == 1


async def test_an_answer_before_the_plan_was_done_is_noted(bench: Bench) -> None:
    plan = [{"id": "1", "text": "look twice", "state": "todo"}]
    await bench.run(lambda _request: finish("42", plan=plan), agents=team())
    found = seen(bench)
    assert found.signals["open_steps"] == 1
    row = UnitResult(unit="u", task="t", ended="answered", answer="42", signals=dict(found.signals))
    assert "unsupported" in found.signals
    assert row.signals["open_steps"]


async def test_an_answer_that_was_shown_and_not_given_is_found_in_the_evidence(
    bench: Bench,
) -> None:
    async def shows(assignment: Assignment, ctx: WorkContext) -> Report:
        text = "The tallest one is Kilimanjaro, with 5,895 m."
        shown = Observation(text=text, source=Source(kind="url", ref="https://x.test/webarena"))
        await ctx.add_evidence("act/1", shown)
        return Report(status="done", summary="LOOKED", evidence=("1.1.1",))

    await bench.run(asks_once("Looker", "Elbrus"), agents=team(Looker=shows))
    records, blobs = bench.journal.read(bench.run_id), bench.journal.blobs
    assert answer_was_shown(records, blobs, "Kilimanjaro")
    assert answer_was_shown(records, blobs, "5895")
    assert not answer_was_shown(records, blobs, "Elbrus")
    assert not answer_was_shown(records, blobs, "is")
    assert seen(bench).signals["benchmark_named"] == 1


async def test_a_run_that_never_began_shows_nothing(bench: Bench) -> None:
    assert seen_in([], bench.journal.blobs) == Seen({})


async def test_a_lead_that_nobody_understands_has_failed_itself(bench: Bench) -> None:
    await bench.run(lambda _request: reply(), agents=team())
    assert seen(bench).failed_agent == "lead"


async def test_the_last_page_is_where_the_browser_stood_at_the_end(bench: Bench) -> None:
    pages = [("goto", {"text": "x", "snapshot": {"url": f"https://x.test/{n}"}}) for n in (1, 2)]
    await signals(bench, *pages, ("find", {"text": "nothing", "snapshot": None}))
    assert last_page(bench.journal.read(bench.run_id), bench.journal.blobs) == "https://x.test/2"
    assert last_page([], bench.journal.blobs) is None
