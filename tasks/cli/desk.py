"""The person at the terminal: questions are shown with their real content and answered by words."""

from __future__ import annotations

import json

from orchestrator.agent import Answer, Question
from orchestrator.errors import Waiting
from tasks.cli.keyboard import Keyboard
from tasks.cli.progress import Say
from tasks.cli.streams import clean, one_line

YES = {"approve", "approved", "a", "yes", "y", "ok"}
NO = {"deny", "denied", "d", "no", "n"}


async def ask(
    keyboard: Keyboard, say: Say, by: str, question_id: str, question: Question
) -> Answer:
    """Show a question and read answers until one is understood. Raises Waiting when the
    terminal is closed."""
    for line in question_lines(question_id, question):
        say(line)
    while True:
        typed = await keyboard.line()
        if typed is None:
            raise Waiting(question_id, question.text)
        answer = understood(question, typed.strip(), by)
        if answer is not None:
            return answer
        say(how_to_answer(question))


def question_lines(question_id: str, question: Question) -> list[str]:
    """The question, what exactly would be done, and how to answer."""
    lines = [f"? {question_id}: {one_line(question.text, 1000)}"]
    for name, value in question.details.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"    {name}: {clean(shown)[:1000]}")
    lines += [
        f"    {number}. {one_line(option)}"
        for number, option in enumerate(question.options, start=1)
    ]
    return [*lines, how_to_answer(question)]


def how_to_answer(question: Question) -> str:
    """What can be typed."""
    if question.kind == "approve":
        return "  type: approve, or deny (with a reason if you like)"
    if question.options:
        return "  type a number, or your own words"
    default = f" (Enter: {one_line(question.default, 60)})" if question.default else ""
    return f"  type your answer{default}"


def understood(question: Question, typed: str, by: str) -> Answer | None:
    """What typed words mean as an answer, or None."""
    if question.kind == "approve":
        word, _, reason = typed.partition(" ")
        if word.lower() in YES and not reason:
            return Answer(status="approved", by=by)
        if word.lower() in NO:
            return Answer(status="denied", text=reason.strip(), by=by)
        return None
    if typed.isdigit() and 1 <= int(typed) <= len(question.options):
        return Answer(status="answered", text=question.options[int(typed) - 1], by=by)
    text = typed or question.default or ""
    return Answer(status="answered", text=text, by=by) if text else None
