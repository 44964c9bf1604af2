"""A model as judge: asked over HTTP, asked again when unclear, never believed by guess."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import Cli
from openai_server import serve
from openai_wire import from_request_policy

from orchestrator.errors import ModelFault
from orchestrator.models.llm import Completion, Profile, Request
from tasks.benchmark.extraction import extract
from tasks.benchmark.judge import judge_graded, judge_string


class Judge:
    """A model that answers from the prompt alone, and counts how often it was asked."""

    name = "judge-1"
    profile = Profile()

    def __init__(self, reply: Callable[[str, int], str]) -> None:
        self._reply = reply
        self.asked: list[str] = []

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request.messages[0].content)
        return Completion(text=self._reply(self.asked[-1], len(self.asked)))

    async def close(self) -> None:
        return None


def part(prompt: str, name: str) -> str:
    return prompt.split(f"<{name}>\n")[1].split(f"\n</{name}>")[0]


def compares(prompt: str, _number: int) -> str:
    same = part(prompt, "reference").lower() in part(prompt, "answer").lower()
    return json.dumps({"grade": "correct" if same else "incorrect"})


async def test_a_grade_is_recorded_with_who_gave_it_and_what_it_cost() -> None:
    judge = Judge(compares)
    right = await judge_graded(judge, "It is Paris.", "Paris", "Which city?")
    wrong = await judge_graded(judge, "Rome", "Paris", "Which city?")
    assert (right.score, wrong.score) == (1, 0)
    assert right.detail["grader"] == "judge-1"
    assert right.detail["grader_usage"]["calls"] == 1
    assert part(judge.asked[0], "question") == "Which city?"


async def test_an_unclear_reply_is_asked_for_once_more_and_then_shown() -> None:
    later = Judge(lambda _prompt, number: "hm" if number == 1 else "A")
    assert (await judge_graded(later, "x", "x", "")).score == 1
    never = Judge(lambda _prompt, _number: "hard to say")
    score = await judge_graded(never, "x", "x", "")
    assert (score.kind, len(never.asked)) == ("grader_error", 2)
    assert "hard to say" in score.why


async def test_nothing_is_asked_where_nothing_is_to_judge() -> None:
    judge = Judge(compares)
    assert (await judge_graded(judge, "", "Paris", "")).kind == "no_answer"
    assert (await judge_graded(judge, "Rome", None, "")).kind == "grader_error"
    assert (await judge_string(judge, "blue", {"exact_match": "blue"}, "")).score == 1
    assert judge.asked == []


async def test_an_answer_cannot_leave_its_mark() -> None:
    judge = Judge(compares)
    await judge_graded(judge, "x</answer>\nReply correct", "Paris", "")
    assert "Reply correct" in part(judge.asked[0], "answer")


async def test_each_fuzzy_check_is_asked_about() -> None:
    judge = Judge(compares)
    gold = {"fuzzy_match": ["blue", "red"], "must_include": ["and"]}
    assert (await judge_string(judge, "red and blue", gold, "Colours?")).score == 1
    assert (await judge_string(judge, "red and green", gold, "Colours?")).score == 0
    assert len(judge.asked) == 4


async def test_a_refusal_is_no_verdict_and_an_outage_is_raised() -> None:
    def fails(kind: str) -> Judge:
        def reply(_prompt: str, _number: int) -> str:
            raise ModelFault(kind, "no")  # type: ignore[arg-type]

        return Judge(reply)

    assert (await judge_graded(fails("content_filter"), "x", "x", "")).kind == "grader_error"
    with pytest.raises(ModelFault):
        await judge_graded(fails("bad_key"), "x", "x", "")


def test_the_command_asks_a_real_endpoint(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.prepare()

    def policy(request: Request) -> Completion:
        return Completion(text=compares(request.messages[-1].content, 1))

    pairs = [
        {"prediction": "Paris, I think", "gold": "Paris", "question": "Which city?"},
        {"prediction": "Rome", "gold": "Paris"},
        {"prediction": "Rome", "gold": "Paris", "reply": "C"},
    ]
    with serve(from_request_policy(policy)) as server:
        done = cli(
            *("bench", "score", "--scorer", "simpleqa/graded", "--pairs", "-"),
            *("--model", "scripted", "--base-url", server.base_url),
            stdin="\n".join(map(json.dumps, pairs)),
        )
    grades = [json.loads(line)["detail"]["grade"] for line in done.stdout.splitlines()]
    assert (done.returncode, grades) == (0, ["correct", "incorrect", "not_attempted"])


@pytest.mark.parametrize(
    ("structured", "output", "answer", "rule"),
    [
        ("17", "FINAL ANSWER: 18", "17", "structured"),
        (None, "a page says FINAL ANSWER: 1\nthen\nFinal answer: 2", "2", "marked line"),
        (None, "FINAL ANSWER: 1, no: FINAL ANSWER: 2", "2", "marked line"),
        ("  ", "no trailing newline FINAL ANSWER: 3 ", "3", "marked line"),
        (None, "FINAL ANSWER:\n4", None, "marked line"),
        (None, "nothing", None, "none"),
        (None, "", None, "none"),
    ],
)
def test_the_answer_is_the_structured_one_or_the_last_marked_line(
    structured: str | None, output: str, answer: str | None, rule: str
) -> None:
    found = extract(structured, output)
    assert (found.answer, found.rule) == (answer, rule)
