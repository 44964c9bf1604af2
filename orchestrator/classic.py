"""The published Magentic-One cadence as a second strategy over the same state.

Facts, plan, then per step a ledger and one call of the chosen agent, and a final answer: 2k+4
calls for k steps (microsoft/autogen, `_magentic_one_orchestrator.py`). A way to compare, not to
work with. Kept of our own: a retry is told what was wrong, new plans are capped and reset the
stall count, and a limit is never worded as success.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.context import attachment_lines, report_block, roster_lines, window_chars
from orchestrator.events import TaskReceived
from orchestrator.lead_reply import Reading, as_flag, no_reply, objects_in, plain_name
from orchestrator.ledger import FactDelta, LeadAssignment, LeadReply, PlanDelta, Reply
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Message, OutputSchema, Request
from orchestrator.models.schema_words import as_type, lean
from orchestrator.policy import Consult, Delegate, Finish, GiveUp, Move, Replan, tried
from orchestrator.prompt_files import render
from orchestrator.state import State, Turn

AFTER = {"facts": "plan", "plan": "ledger", "new_facts": "new_plan", "new_plan": "ledger"}
ECHO_CHARS = 2_000


class Judged(Reply):
    """A yes or no with its reason."""

    reason: str = ""
    answer: bool


class Said(Reply):
    """Words with their reason."""

    reason: str = ""
    answer: str


class ClassicLedger(Reply):
    """Where the team stands, and who is told what."""

    is_request_satisfied: Judged
    is_in_loop: Judged
    is_progress_being_made: Judged
    next_speaker: Said
    instruction_or_question: Said


SCHEMA = OutputSchema(name="progress_ledger", json_schema=lean(ClassicLedger.model_json_schema()))


def next_move(state: State) -> Move:
    """The next call of the cadence."""
    turn = state.turn
    if turn is None:
        return Consult("facts")
    if state.replan_is_due:
        return Consult("new_facts")
    if turn.reply is None:
        return GiveUp(f"the lead gave no usable reply: {'; '.join(turn.problems)}")
    if turn.ask in AFTER:
        return Consult(AFTER[turn.ask])  # type: ignore[arg-type]
    if turn.ask == "final":
        return Finish("done")
    if turn.reported:
        return Consult("ledger")
    return _after_ledger(state, turn.reply)


def request(state: State, retries: Iterable[tuple[str, tuple[str, ...]]] = ()) -> Request:
    """The prompt of the newest call: the whole thread, and what is asked at its end."""
    turn, task = state.turns[-1], _task(state)
    messages = _messages(state, turn, task)
    for text, problems in retries:
        messages.append(Message(role="assistant", content=text[:ECHO_CHARS] or "(empty)"))
        said = render("retry", problems="\n".join(f"- {problem}" for problem in problems))
        messages.append(Message(role="user", content=said))
    output = SCHEMA if turn.ask == "ledger" else None
    return Request(role="lead", messages=tuple(messages), output=output)


def read(completion: Completion, state: State, roster: Sequence[str]) -> Reading:
    """The reply to the newest call, as a LeadReply."""
    problem = no_reply(completion)
    if problem is not None:
        return problem
    ask, text = state.turns[-1].ask, completion.text.strip()
    if ask in ("facts", "new_facts"):
        return Reading(LeadReply(facts=(FactDelta(id="facts", text=text, kind="given"),)))
    if ask in ("plan", "new_plan"):
        return Reading(LeadReply(plan=(PlanDelta(id="plan", text=text, state="doing"),)))
    if ask == "final":
        done = PlanDelta(id="plan", state="done")
        return Reading(LeadReply(request_satisfied=True, answer=text, plan=(done,)))
    return _read_ledger(text, roster)


def objections(_state: State, _reply: LeadReply) -> tuple[str, ...]:
    """A well-formed reply is never sent back."""
    return ()


def stalls(state: State) -> int:
    """+1 for a bad verdict, -1 for a good one, never below zero; a new plan starts anew."""
    count = 0
    since = state.plan_versions[-1].round if state.plan_versions else 0
    for turn in state.turns[since:]:
        if turn.ask == "ledger" and turn.reply is not None:
            count = max(0, count + (1 if turn.reply.is_bad_verdict else -1))
    return count


def _after_ledger(state: State, reply: LeadReply) -> Move:
    limits = state.task.limits if state.task else Limits()
    if reply.request_satisfied:
        return Consult("final")
    if stalls(state) < limits.stalls:
        return Delegate(reply.assignments)
    if len(state.plan_versions) >= limits.replans:
        return GiveUp(f"no progress after {limits.replans} new plans")
    return Replan(f"{stalls(state)} stalls", tried(state))


def _messages(state: State, turn: Turn, task: TaskReceived) -> list[Message]:
    roster, asked = roster_lines(task), turn.ask
    facts = _user(render("classic_facts", task=task.task, attachments=_files(task)))
    if asked == "facts":
        return [facts]
    if asked == "plan":
        return [facts, _assistant(_newest(state, "facts")), _user(_plan_prompt(roster))]
    thread = _thread(state, task)
    if asked == "ledger":
        names = ", ".join(member.name for member in task.roster)
        schema = as_type(SCHEMA.json_schema)
        asking = render("classic_ledger", task=task.task, names=names, schema=schema)
        return [*thread, _user(asking)]
    if asked == "final":
        return [*thread, _user(render("classic_final", task=task.task))]
    before = _newest(state, "facts", before=turn)
    again = _user(render("classic_new_facts", task=task.task, facts=before))
    if asked == "new_facts":
        return [*thread, again]
    new_plan = _user(render("classic_new_plan", roster=roster))
    return [*thread, again, _assistant(_newest(state, "facts")), new_plan]


def _plan_prompt(roster: str) -> str:
    return render("classic_plan", roster=roster)


def _thread(state: State, task: TaskReceived) -> list[Message]:
    """The ledger as it was after the newest plan, then every instruction and report since."""
    begun = max((n for n, t in enumerate(state.turns) if t.ask in ("plan", "new_plan")), default=0)
    if state.turns[-1].ask == "new_plan":
        begun = max(n for n, t in enumerate(state.turns[:-1]) if t.ask in ("plan", "new_plan"))
    known = state.turns[: begun + 1]
    head = render(
        "classic_task",
        task=task.task,
        attachments=_files(task),
        roster=roster_lines(task),
        facts=_said(known, "facts"),
        plan=_said(known, "plan"),
    )
    messages = [_user(head)]
    for turn in state.turns[begun + 1 :]:
        for work, report in turn.ordered_reports():
            messages.append(_assistant(f"{work.agent}: {work.instruction}"))
            messages.append(_user(report_block(state, work, report, window_chars(state) // 2)))
    return messages


def _newest(state: State, what: str, before: Turn | None = None) -> str:
    turns = [turn for turn in state.turns if turn is not before]
    return _said(turns, what)


def _said(turns: Sequence[Turn], what: str) -> str:
    for turn in reversed(turns):
        if turn.reply is None:
            continue
        items = turn.reply.facts if what == "facts" else turn.reply.plan
        if items and items[0].text:
            return items[0].text
    return "(none)"


def _read_ledger(text: str, roster: Sequence[str]) -> Reading:
    found = [item for item in objects_in(text) if "is_request_satisfied" in item]
    if not found:
        return Reading(None, ("there is no JSON object of the asked shape in the reply",))
    said, problems = {name: _answer(value) for name, value in found[-1].items()}, []
    flags: dict[str, bool] = {}
    for name in ("is_request_satisfied", "is_in_loop", "is_progress_being_made"):
        flag = as_flag(said.get(name))
        if flag is None:
            problems.append(f"{name}: `answer` must be true or false")
        flags[name] = bool(flag)
    known = {plain_name(name): name for name in roster}
    agent = known.get(plain_name(str(said.get("next_speaker") or "")))
    told = str(said.get("instruction_or_question") or "").strip()
    if not flags["is_request_satisfied"] and agent is None:
        problems.append(f"next_speaker: must be one of {', '.join(roster)}")
    if not flags["is_request_satisfied"] and not told:
        problems.append("instruction_or_question: must not be empty")
    if problems:
        return Reading(None, tuple(problems))
    work = LeadAssignment(id="a1", agent=agent or "", instruction=told)
    return Reading(
        LeadReply(
            request_satisfied=flags["is_request_satisfied"],
            in_loop=flags["is_in_loop"],
            making_progress=flags["is_progress_being_made"],
            assignments=() if flags["is_request_satisfied"] else (work,),
        )
    )


def _answer(value: Any) -> Any:
    return value.get("answer") if isinstance(value, dict) else value


def _files(task: TaskReceived) -> str:
    return attachment_lines(task) or "none"


def _user(text: str) -> Message:
    return Message(role="user", content=text)


def _assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def _task(state: State) -> TaskReceived:
    if state.task is None:
        raise ValueError("a prompt was asked for before the task was received")
    return state.task
