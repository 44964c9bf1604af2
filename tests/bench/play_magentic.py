"""The scripted model behind products that use Magentic-One's prompts: AutoGen, Agent Framework.

Knows their protocol: facts, plan, progress ledger, final answer, and their workers' tools. It is
shown a chat completions body and nothing else.
"""

from __future__ import annotations

import json
import re

from openai_faults import Body
from openai_wire import text_of
from scenes import (
    FIGURE,
    MEND,
    READINGS,
    answer_of,
    mending,
    next_step,
    station_of,
    station_program,
    steps_of,
    survey_program,
    total_program,
)

from orchestrator.models.llm import Completion, ToolCall

TASK = re.compile(
    r"(?:Here is the request|following request|following task|user request):\s+(.*?)\n\s*\n",
    re.DOTALL,
)
FACTS_ASKED = ("please answer the following pre-survey", "rewrite the following fact sheet")
PLAN_ASKED = ("devise a short bullet-point plan", "come up with a new plan")
TELLING = re.compile(rf"{FIGURE.pattern}|{READINGS.pattern}|^Path: |open to the page|\"id\":")
UNCLEAR = "I need to know exactly what I should do."
TARGET = re.compile(r'\{"id": (\d+), "name": "([^"]*)"')


def play(body: Body) -> Completion | str:
    """The reply of whoever is asked."""
    texts = [text_of(message) for message in body["messages"]]
    newest = " ".join(texts[-1].split())
    tools = {tool["function"]["name"] for tool in body.get("tools", ())}
    told = "\n".join(texts)
    if any(words in newest for words in FACTS_ASKED):
        return _facts(told)
    if any(words in newest for words in PLAN_ASKED):
        return _plan(told)
    if "please answer the following questions, including necessary reasoning" in newest:
        return _ledger(told, texts[:-1])
    if "provide the final answer to the original request" in newest:
        return _final(told, texts[:-1])
    if tools and body["messages"][-1]["role"] == "tool":
        return "\n".join(line for line in texts[-1].splitlines() if TELLING.search(line))
    if tools:
        return _use_tool(texts, tools)
    return _program(told, texts)


def _task(told: str) -> str:
    found = TASK.search(told)
    assert found, told[:400]
    return " ".join(found[1].split())


def _facts(told: str) -> str:
    found = [f"The {name} figure is {value}." for name, value in dict(FIGURE.findall(told)).items()]
    given = "\n- ".join([f"The request: {_task(told)[:200]}", *found])
    return (
        f"1. GIVEN OR VERIFIED FACTS\n- {given}\n\n"
        "2. FACTS TO LOOK UP\n- What the files and pages named in the request say\n\n"
        "3. FACTS TO DERIVE\n- What has to be computed by a program, from the figures found\n\n"
        "4. EDUCATED GUESSES\n- All files and pages are where the request says"
    )


def _plan(told: str) -> str:
    agents = dict.fromkeys(step.agent for step in steps_of(_task(told)))
    lines = [f"- Ask {agent} for its part of the request, one step at a time" for agent in agents]
    return "\n".join([*lines, "- Put the answer together from what was found and computed"])


def _ledger(told: str, before: list[str]) -> str:
    task, shown = _task(told), "\n".join(before)
    answer = answer_of(task, shown)
    # A model that knows the answer still hears one speaker out: satisfied needs a conversation.
    satisfied = answer is not None and (bool(steps_of(task)) or answer in shown)
    step = None if satisfied else next_step(task, shown)
    if step and step.agent == "ComputerTerminal" and "exited with an error" in before[-1]:
        step = mending(task, step)
    speaker = step.agent if step else "Coder"
    ask = step.ask if step else f"Please answer the request: {task}"
    progress = "Each of the recent messages has added a result that was missing before."
    entries = {
        "is_request_satisfied": (
            "Everything that the request asks for has been found."
            if satisfied
            else "There are parts of the request whose result has not been shown yet.",
            satisfied,
        ),
        "is_in_loop": ("No instruction has been repeated so far.", False),
        "is_progress_being_made": (progress, True),
        "next_speaker": (f"The next missing part is something that {speaker} can do.", speaker),
        "instruction_or_question": ("This is the first part that is still missing.", ask),
    }
    ledger = {key: {"reason": why, "answer": value} for key, (why, value) in entries.items()}
    return json.dumps(ledger, indent=1)


def _final(told: str, before: list[str]) -> str:
    answer = answer_of(_task(told), "\n".join(before))
    guess = sum(int(value) for value in dict(FIGURE.findall(told)).values())
    return f"{answer or f'The total figure is {guess}'}."


def _use_tool(texts: list[str], tools: set[str]) -> Completion:
    asked = texts[-1]
    if "page_down" in tools:
        return _read_file(asked)
    if found := re.search(r"Open (http\S+) in the browser", asked):
        return _call("visit_url", reasoning="The address was given.", url=found[1])
    name = re.search(r'Follow the link "(\w+)"', asked)
    if not name:
        return Completion(text=UNCLEAR)
    targets = {name: int(ref) for ref, name in TARGET.findall("\n".join(texts))}
    return _call("click", reasoning="This is the link.", target_id=targets[name[1]])


def _read_file(asked: str) -> Completion:
    if asked.startswith("Go on in"):
        return _call("page_down")
    found = re.search(r"\S+\.txt", asked)
    return _call("open_path", path=found[0]) if found else Completion(text=UNCLEAR)


def _call(tool: str, **arguments: object) -> Completion:
    call = ToolCall(id=f"call-{tool}", name=tool, arguments=json.dumps(arguments))
    return Completion(text="", tool_calls=(call,))


def _program(told: str, texts: list[str]) -> str:
    """What the Coder says to its newest instruction."""
    asked = texts[-1]
    if asked.startswith("Please answer the request"):
        return f"The answer is: {answer_of(asked, told)}."
    if "adds up" in asked:
        program = total_program(told)
    elif "the yield of" in asked:
        program = station_program(station_of(asked), told)
    elif "prints the survey figure" in asked:
        program = survey_program(told, right=asked.startswith(MEND))
    else:
        return UNCLEAR
    return f"Here is the whole program.\n```python\n{program}```"
