"""The strategy as pure functions: the stall rule, the completion gate, and that every run ends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import cycle, permutations
from typing import Any

import pytest
from harness import assign, finish, reply
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import events as ev
from orchestrator.agent import Assignment, Evidence, Report, Source
from orchestrator.context import lead_request
from orchestrator.lead_reply import read_text
from orchestrator.ledger import LeadReply
from orchestrator.limits import Limits
from orchestrator.models.llm import Usage
from orchestrator.policy import (
    WINDOW,
    Consult,
    Delegate,
    Finish,
    GiveUp,
    Move,
    Replan,
    Verify,
    gate,
    next_move,
    objections,
    progress,
    stalls,
    tried,
)
from orchestrator.state import State, fold

ROSTER = ("Echo", "Other")
GOOD = assign(("Echo", "look"))
BAD = assign(("Echo", "look"), making_progress=False, reason="nothing new")


def done(summary: str = "seen", *trace: str, evidence: tuple[str, ...] = ()) -> Report:
    return Report(status="done", summary=summary, trace=trace, evidence=evidence)


FAILED = Report(status="failed", summary="a login wall")
NUMBERS = iter(range(10**9))


def fresh() -> Report:
    """A report that repeats nothing."""
    return done(f"result {next(NUMBERS)}")


@dataclass(slots=True)
class Game:
    """Folds the events that the loop would emit, without a journal, a model or an agent."""

    limits: Limits = field(default_factory=Limits)
    state: State = field(default_factory=State)
    task: str = "t"

    def __post_init__(self) -> None:
        members = tuple(ev.Member(name=name, description="works") for name in ROSTER)
        self.fold(ev.TaskReceived(task=self.task, roster=members, limits=self.limits), "task")

    def fold(self, event: ev.Event, key: str = "x") -> None:
        self.state = fold(self.state, event, key)

    @property
    def move(self) -> Move:
        return next_move(self.state, self.limits, self.state.elapsed_s)

    def consult(
        self, text: str, check: ev.AnswerCheck | None = None, *, insists: bool = False
    ) -> None:
        """One round of the lead, as the loop would open and record it. A lead that insists
        sends the same reply again when there are objections, and is then believed."""
        move = self.move
        assert isinstance(move, Consult)
        number = len(self.state.turns) + 1
        opened = ev.RoundOpened(round=number, ask=move.ask, detail=move.detail, elapsed_s=0)
        self.fold(opened, f"round/{number}")
        self.fold(ev.StepDone(step="model", usage=Usage(calls=1)), f"round/{number}/lead/1")
        reading = read_text(text, ROSTER)
        against = objections(self.state, reading.reply) if reading.reply else reading.problems
        if reading.reply is None or (against and not insists):
            self.fold(ev.LeadUnusable(round=number, problems=against))
            return
        self.fold(ev.LeadReplied(round=number, reply=reading.reply, check=check))

    def delegate(self, *reports: Report) -> None:
        """Work on what was assigned; the reports are used in turn."""
        move = self.move
        assert isinstance(move, Delegate)
        number, given = len(self.state.turns), cycle(reports)
        works = tuple(
            Assignment(
                id=work.id,
                path=f"round/{number}/{place}.{work.agent}",
                agent=work.agent,
                instruction=work.instruction,
            )
            for place, work in enumerate(move.assignments, start=1)
        )
        self.fold(ev.WorkAssigned(round=number, assignments=works))
        for work in works:
            self.fold(ev.Reported(assignment=work.path, agent=work.agent, report=next(given)))

    def round(self, text: str, *reports: Report) -> None:
        self.consult(text)
        self.delegate(*(reports or (fresh(),)))

    def replan(self) -> Replan:
        move = self.move
        assert isinstance(move, Replan)
        event = ev.Replanned(round=len(self.state.turns), reason=move.reason, tried=move.tried)
        self.fold(event)
        return move

    def find(self, name: str) -> None:
        source = Source(kind="tool", ref="t")
        found = Evidence(id=name, sha256="0" * 64, media_type="text/plain", source=source)
        self.fold(ev.EvidenceFound(evidence=found))


def played(*rounds: tuple[str, Report]) -> Game:
    game = Game(Limits(stalls=99))
    game.round(GOOD)
    for text, report in rounds:
        game.round(text, report)
    return game


same, other = done("the same", "t1"), done("another", "t2")
STALLS: dict[str, tuple[list[tuple[str, Report]], int]] = {
    "a good round": ([(GOOD, fresh())], 0),
    "a bad verdict": ([(BAD, fresh())], 1),
    "two bad verdicts": ([(BAD, fresh()), (BAD, fresh())], 2),
    "in a loop counts as one verdict": (
        [(assign(("Echo", "x"), in_loop=True, making_progress=False), fresh())],
        1,
    ),
    "good takes one away": ([(BAD, fresh()), (BAD, fresh()), (GOOD, fresh())], 1),
    "never below zero": ([(GOOD, fresh()), (GOOD, fresh()), (BAD, fresh())], 1),
    "a failed report": ([(GOOD, FAILED)], 1),
    "a blocked report": ([(GOOD, Report(status="blocked", summary="a wall"))], 1),
    "an empty report": ([(GOOD, done("  "))], 1),
    "failed and a bad verdict": ([(BAD, FAILED)], 2),
    "the same report twice": ([(GOOD, done("as before")), (GOOD, done("As before!"))], 1),
    "the same instruction alone proves nothing": ([(GOOD, fresh()), (GOOD, fresh())], 0),
    "the same call with the same result": (
        [(GOOD, done("one", "t1")), (GOOD, done("two", "t1"))],
        1,
    ),
    "twice in one report": ([(GOOD, done("one", "t1", "t1"))], 1),
    "report and call repeated count once": ([(GOOD, same), (GOOD, same)], 1),
    "a repeat outside of the window": (
        [(GOOD, done("one", "t1", *(f"u{n}" for n in range(WINDOW)))), (GOOD, done("two", "t1"))],
        0,
    ),
    "a repeat at the edge of the window": (
        [
            (GOOD, done("one", "t1", *(f"u{n}" for n in range(WINDOW - 1)))),
            (GOOD, done("two", "t1")),
        ],
        1,
    ),
}


@pytest.mark.parametrize(("rounds", "count"), STALLS.values(), ids=STALLS)
def test_the_stall_rule(rounds: list[tuple[str, Report]], count: int) -> None:
    assert stalls(played(*rounds).state) == count


def test_many_failed_reports_of_one_round_are_not_yet_a_new_plan() -> None:
    game = Game(Limits(stalls=3))
    work = [{"id": f"a{n}", "agent": "Echo", "instruction": f"look {n}"} for n in range(5)]
    game.round(assign(*work), *(Report(status="failed", summary=f"no {n}") for n in range(5)))
    assert stalls(game.state) == 2
    assert game.move == Consult("round")
    game.consult(BAD)
    assert isinstance(game.move, Replan)


def test_an_unusable_reply_is_a_stall() -> None:
    game = Game()
    game.consult("no idea")
    assert stalls(game.state) == 1
    assert game.move == Consult("unusable", game.state.turns[0].problems)


def test_at_the_limit_comes_a_new_plan_that_names_what_was_tried_and_zeroes_the_count() -> None:
    game = Game(Limits(stalls=2, replans=1))
    game.round(GOOD, FAILED)
    assert game.move == Consult("round")
    game.consult(BAD)
    move = game.replan()
    assert "Echo: look -> failed: a login wall" in move.tried
    assert "verdict: nothing new" in move.tried
    assert stalls(game.state) == 0
    assert game.move == Consult("replan", move.tried)


def test_after_the_last_new_plan_the_run_gives_up() -> None:
    game = Game(Limits(stalls=1, replans=1))
    game.round(GOOD, FAILED)
    game.replan()
    game.round(assign(("Other", "something else")), FAILED)
    assert isinstance(game.move, GiveUp)
    assert "after 1 new plans" in game.move.reason


def test_a_new_plan_may_not_begin_with_what_was_tried() -> None:
    game = Game(Limits(stalls=1))
    game.round(GOOD, FAILED)
    game.replan()
    number = len(game.state.turns) + 1
    game.fold(ev.RoundOpened(round=number, ask="replan", elapsed_s=0))

    def against(text: str) -> tuple[str, ...]:
        read = read_text(text, ROSTER).reply
        assert read is not None
        return objections(game.state, read)

    assert "was tried before" in against(assign(("Echo", "  LOOK! ")))[0]
    assert against(assign(("Other", "look"))) == ()
    assert against(assign(("Echo", "listen"), ("Echo", "look"))) == ()
    assert against(finish("x")) == ()


def test_a_lead_that_sees_no_way_on_is_asked_once_more_and_then_believed() -> None:
    hopeless = reply(making_progress=False, reason="the page is gone")
    game = Game()
    game.round(GOOD)
    read = read_text(hopeless, ROSTER).reply
    assert read is not None
    assert "there is none" in objections(game.state, read)[0]
    game.consult(hopeless, insists=True)
    assert game.move == GiveUp("the page is gone")


PLAN = [{"id": "p1", "text": "look it up", "agent": "Echo"}]
FOUND = [{"id": "f1", "text": "it is 4", "kind": "found", "evidence": ["1.1.1"]}]
GATE: dict[str, tuple[list[str], ev.AnswerCheck | None, str]] = {
    "nothing missing": ([GOOD, finish("x")], None, ""),
    "an open step": ([assign(("Echo", "x"), plan=PLAN), finish("x")], None, "p1 is open"),
    "a step skipped": (
        [assign(("Echo", "x"), plan=PLAN), finish("x", plan=[{"id": "p1", "state": "skipped"}])],
        None,
        "",
    ),
    "an agent never used": (
        [finish("x", plan=[{**PLAN[0], "agent": "Other", "state": "done"}])],
        None,
        "names Other, who was never asked",
    ),
    "a fact without evidence": ([finish("x", facts=FOUND)], None, "f1 is `found` without evidence"),
    "a misquote": (
        [finish("x")],
        ev.AnswerCheck(basis="evidence", misquoted=("blue",)),
        "not in the evidence it names: blue",
    ),
    "a number that nothing holds": (
        [finish("x")],
        ev.AnswerCheck(basis="evidence", unsupported=("98",)),
        "no cited evidence holds: 98",
    ),
    "more steps done than reports": (
        [
            assign(("Echo", "x"), plan=[{"id": f"p{n}", "text": "look"} for n in range(3)]),
            finish("x", plan=[{"id": f"p{n}", "state": "done"} for n in range(3)]),
        ],
        None,
        "3 plan steps are said to be done (p0, p1, p2), but only 1 reports came in",
    ),
    "a stall just before": ([BAD, BAD, finish("x")], None, "a stall came shortly before"),
}


@pytest.mark.parametrize(("texts", "check", "said"), GATE.values(), ids=GATE)
def test_the_completion_gate(texts: list[str], check: ev.AnswerCheck | None, said: str) -> None:
    game = Game(Limits(stalls=99))
    game.find("9.9.9")
    for text in texts[:-1]:
        game.round(text)
    game.consult(texts[-1], check)
    move = game.move
    if not said:
        assert isinstance(move, Finish | Verify)
        return
    assert isinstance(move, Consult)
    assert move.ask == "gate"
    assert any(said in line for line in move.detail)


def test_the_gate_asks_once_and_then_believes() -> None:
    game = Game()
    game.consult(finish("x", plan=PLAN))
    game.consult(finish("x"))
    assert isinstance(game.move, Finish)


def test_without_any_evidence_a_fact_from_memory_is_not_asked_about() -> None:
    game = Game()
    game.consult(finish("Paris"), ev.AnswerCheck(basis="model_memory", unsupported=("1889",)))
    assert isinstance(game.move, Finish)


def test_a_limit_ends_the_run_only_where_something_new_would_begin() -> None:
    game = Game(Limits(rounds=1))
    game.consult(GOOD)
    assigned = game.move
    game.delegate(fresh())
    ended = game.move
    assert isinstance(assigned, Delegate)
    assert isinstance(ended, Finish)
    assert ended.limit is not None
    answered = Game(Limits(rounds=1))
    answered.consult(finish("x"))
    assert answered.move == Finish("done")


def test_progress_is_the_newest_verdict() -> None:
    game = Game()
    assert progress(game.state) is None
    game.round(GOOD)
    game.round(BAD)
    ledger = progress(game.state)
    assert ledger is not None
    assert (ledger.round, ledger.making_progress, ledger.stalls) == (2, False, 1)
    assert ledger.reason == "nothing new"


def test_what_was_tried_starts_anew_after_a_new_plan() -> None:
    game = Game(Limits(stalls=1))
    game.round(GOOD, FAILED)
    game.replan()
    game.round(assign(("Other", "another way")), fresh())
    assert all("another way" in line for line in tried(game.state))


STATUS = st.sampled_from(["done", "failed", "blocked", "needs_human"])
REPORTS = st.builds(
    Report,
    status=STATUS,
    summary=st.sampled_from(["", "seen", "seen it", "a wall"]),
    trace=st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
)
FLAGS = st.fixed_dictionaries(
    {"in_loop": st.booleans(), "making_progress": st.booleans()},
    optional={
        "plan": st.just(PLAN) | st.just([{"id": "p1", "state": "done"}]),
        "facts": st.just(FOUND) | st.just([{"text": "a guess"}]),
        "reason": st.sampled_from(["", "because"]),
    },
)
WORK = st.lists(st.tuples(st.sampled_from(ROSTER), st.sampled_from("abc")), min_size=1, max_size=3)
REPLIES = (
    st.just("no json here")
    | st.text(max_size=20)
    | FLAGS.map(lambda parts: finish("the answer", **parts))
    | FLAGS.map(lambda parts: reply(**parts))
    | st.tuples(WORK, FLAGS).map(lambda drawn: assign(*drawn[0], **drawn[1]))
)
CAPS = st.builds(
    Limits,
    rounds=st.integers(1, 12),
    calls=st.integers(1, 12) | st.none(),
    stalls=st.integers(1, 4),
    replans=st.integers(0, 3),
)


@given(st.lists(REPLIES, min_size=1), st.lists(REPORTS, min_size=1), CAPS, st.booleans())
def test_a_lead_that_plays_dice_always_ends_within_the_caps(
    replies: list[str], reports: list[Report], limits: Limits, insists: bool
) -> None:
    game, texts, given = Game(limits), cycle(replies), cycle(reports)
    replans = 0
    for _ in range(5 * (limits.rounds or 0) + 5):
        match game.move:
            case Consult():
                game.consult(next(texts), insists=insists)
                assert lead_request(game.state).messages[-1].role == "user"
            case Delegate(assignments):
                assert assignments
                game.delegate(*(next(given) for _ in assignments))
            case Replan():
                game.replan()
                replans += 1
            case Finish(limit=limit):
                turn = game.state.turn
                assert limit or (turn and turn.reply and turn.reply.request_satisfied)
                break
            case GiveUp(reason=reason):
                turn = game.state.turn
                by_itself = turn and turn.reply and turn.reply.gives_up
                assert reason
                assert by_itself or replans == limits.replans
                break
    else:
        pytest.fail("it never ended")
    assert len(game.state.turns) <= (limits.rounds or 0)
    assert replans <= limits.replans


@given(st.lists(st.tuples(st.text(max_size=3), REPORTS), min_size=3, max_size=3), st.data())
def test_events_of_parallel_branches_commute(
    drawn: list[tuple[str, Report]], data: st.DataObject
) -> None:
    game = Game()
    game.consult(assign(("Echo", "a"), ("Echo", "b"), ("Other", "c")))
    works = tuple(
        Assignment(id=f"a{n}", path=f"round/1/{n}.Echo", agent="Echo", instruction="x")
        for n in (1, 2, 3)
    )
    game.fold(ev.WorkAssigned(round=1, assignments=works))
    branches = [
        _branch(work, text, report) for work, (text, report) in zip(works, drawn, strict=True)
    ]
    expected = _folded(game.state, (event for branch in branches for event in branch))
    mixed = data.draw(st.permutations([n for n, branch in enumerate(branches) for _ in branch]))
    queues = [iter(branch) for branch in branches]
    assert _folded(game.state, (next(queues[n]) for n in mixed)) == expected
    for order in permutations(branches):
        assert _folded(game.state, (event for branch in order for event in branch)) == expected


def _branch(work: Assignment, text: str, report: Report) -> list[tuple[str, ev.Event]]:
    number = work.path.split("/")[2][0]
    evidence = Evidence(
        id=f"1.{number}.1",
        sha256="0" * 64,
        media_type="text/plain",
        source=Source(kind="tool", ref=text),
    )
    return [
        (f"{work.path}/think/1", ev.StepDone(step="model", usage=Usage(calls=1))),
        (f"{work.path}/act/1", ev.StepUnknown(step="tool")),
        (f"{work.path}/act/1", ev.EvidenceFound(evidence=evidence)),
        (work.path, ev.Reported(assignment=work.path, agent=work.agent, report=report)),
    ]


def _folded(state: State, events: Iterable[tuple[str, ev.Event]]) -> dict[str, Any]:
    for key, event in events:
        state = fold(state, event, key)
    turn = state.turn
    assert turn is not None
    return {
        "reports": turn.ordered_reports(),
        "evidence": dict(sorted(state.evidence.items())),
        "unknown": state.unknown_steps,
        "spent": (state.spent, dict(sorted(state.spent_by_role.items()))),
        "stalls": stalls(state),
        "prompt": lead_request(fold(state, _next_round(state), "round/2")),
    }


def _next_round(state: State) -> ev.RoundOpened:
    return ev.RoundOpened(round=len(state.turns) + 1, ask="round", elapsed_s=0)


def test_a_gate_with_nothing_to_object_is_empty() -> None:
    answer = LeadReply.model_validate(json.loads(finish("x")))
    assert gate(Game().state, answer) == ()


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("What is the capital of France?", ""),
        ("What is 17 + 4?", ""),
        ("Who wrote e.g. Hamlet, i.e. the play?", ""),
        ("What does prices.xlsx say about lamps?", "nobody has looked at prices.xlsx"),
        ("Read inputs/a/notes.txt.", "nobody has looked at inputs/a/notes.txt"),
        ("What is new on https://example.com/news?", "nobody has looked at https://example.com"),
        ("word " * 80, "nothing was looked up or computed"),
    ],
)
def test_an_answer_of_the_opening_is_asked_about_when_it_passes_over_material(
    task: str, said: str
) -> None:
    game = Game(task=task)
    game.consult(finish("It is so."))
    move = game.move
    assert isinstance(move, Consult) == bool(said)
    if isinstance(move, Consult):
        assert said in move.detail[0]


def test_a_figure_that_is_insisted_on_after_all_work_has_failed_is_no_answer() -> None:
    game = Game(task="What does prices.xlsx say about lamps?")
    game.round(GOOD, FAILED)
    made_up = ev.AnswerCheck(basis="model_memory", unsupported=("1234",))
    game.consult(finish("It says 1234."), made_up)
    assert isinstance(game.move, Consult)
    game.consult(finish("It says 1234."), made_up)
    move = game.move
    assert isinstance(move, Finish)
    assert move.unproven == ("nothing was seen of prices.xlsx",)


def test_that_a_file_could_not_be_read_is_an_answer() -> None:
    game = Game(task="What does prices.xlsx say about lamps?")
    game.round(GOOD, FAILED)
    for _ in range(2):
        game.consult(finish("prices.xlsx cannot be read."), ev.AnswerCheck(basis="model_memory"))
    move = game.move
    assert isinstance(move, Finish)
    assert move.unproven == ()
