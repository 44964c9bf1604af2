"""Asks a model whether an answer agrees with a reference, for rules that need a judge.

A reply that states no grade is asked for once more, then the score says so. The judge's model,
prompt, raw replies and cost are in the score's detail, apart from what the answer cost.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.canonical import sha256_bytes
from orchestrator.errors import ModelFault
from orchestrator.models.llm import LLM, Message, Request, Usage
from orchestrator.prompt_files import render
from tasks.benchmark.scorers.graded import Grade, read_grade, score_graded
from tasks.benchmark.scorers.score import Json, Score, shown, text_of, unjudged
from tasks.benchmark.scorers.webarena import score_string
from tasks.benchmark.suites.prompts import FOLDER

ROLE = "grader"
TRIES = 2
OUTPUT_TOKENS = 400
REFUSED = frozenset({"content_filter", "bad_request", "context_too_long", "bad_reply"})
"""Faults of this one question; any other one would meet the next question too, and is raised."""


async def judge_graded(model: LLM, prediction: Json, gold: Json, question: str) -> Score:
    """SimpleQA's rule with a model as judge. Raises ModelFault when the endpoint fails."""
    given = score_graded(prediction, gold, reply="")
    if given.kind == "no_answer" or gold is None:
        return given
    reply, detail = await _ask(model, question, text_of(gold), text_of(prediction))
    score = score_graded(prediction, gold, reply)
    return score.model_copy(update={"detail": {**score.detail, **detail}})


async def judge_string(model: LLM, prediction: Json, gold: Json, question: str) -> Score:
    """WebArena's string rule; only its fuzzy checks are asked about."""
    asked: dict[tuple[str, str], Grade | None] = {}

    def note(reference: str, answer: str) -> bool:
        asked[reference, answer] = None
        return True

    score = score_string(prediction, gold, note)
    detail: dict[str, Json] = {}
    for reference, answer in asked:
        reply, detail = await _ask(model, question, reference, answer)
        grade = asked[reference, answer] = read_grade(reply)
        if grade is None:
            why = f"the judge's reply states no grade: {shown(reply)!r}"
            return unjudged(why, **detail)
    if asked:
        score = score_string(prediction, gold, lambda *pair: asked[pair] == "correct")
    return score.model_copy(update={"detail": {**score.detail, **detail}})


async def _ask(
    model: LLM, question: str, reference: str, answer: str
) -> tuple[str, dict[str, Json]]:
    """The last reply, and what is to be recorded of asking."""
    prompt = render(
        "judge",
        folder=FOLDER,
        question=_fenced(question) or "(not known)",
        reference=_fenced(reference),
        answer=_fenced(answer),
    )
    request = Request(
        role=ROLE,
        messages=(Message(role="user", content=prompt),),
        max_tokens=OUTPUT_TOKENS,
    )
    replies, usage = list[str](), Usage()
    for _ in range(TRIES):
        try:
            completion = await model.complete(request)
        except ModelFault as fault:
            if fault.kind not in REFUSED:
                raise
            replies.append(f"({fault.kind}: {fault.message})")
            usage += fault.usage or Usage()
            continue
        replies.append(completion.text)
        usage += completion.usage
        if read_grade(completion.text) is not None:
            break
    return replies[-1], {
        "grader": model.name,
        "grader_prompt": sha256_bytes((FOLDER / "judge.md").read_bytes())[:16],
        "replies": _cut(replies),
        "grader_usage": usage.model_dump(),
    }


def _fenced(text: str) -> str:
    """Material cannot close its own mark."""
    return text.replace("</", "<\u200b/").strip()


def _cut(replies: Iterable[str]) -> list[str]:
    return [reply[:2000] for reply in replies]
