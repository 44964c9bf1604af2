"""The task ledger under deltas, and replies that no journal could hold."""

from __future__ import annotations

import json

import pytest
from harness import Bench, assign, finish, last_user, team
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lead_reply import read_text
from orchestrator.ledger import Fact, LeadReply, PlanStep, TaskLedger
from orchestrator.models.llm import Request

FACTS = (
    Fact(id="f1", text="the sky is blue", kind="given"),
    Fact(id="f2", text="the price", kind="to_look_up"),
)
PLAN = (PlanStep(id="p1", text="look it up", agent="WebSurfer"),)
LEDGER = TaskLedger(facts=FACTS, plan=PLAN)


def after(ledger: TaskLedger = LEDGER, **parts: object) -> TaskLedger:
    return ledger.apply(LeadReply.model_validate(parts))


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        # a known id changes only what it names
        ({"id": "f2", "kind": "found"}, ("f2", "the price", "found", ())),
        ({"id": "f2", "text": "4 EUR"}, ("f2", "4 EUR", "to_look_up", ())),
        ({"id": "f2", "evidence": ["1.1.1"]}, ("f2", "the price", "to_look_up", ("1.1.1",))),
        # anything else is new, under its own id or a free one, and a guess unless it says more
        ({"id": "x", "text": "new"}, ("x", "new", "guess", ())),
        ({"text": "new", "kind": "given"}, ("f3", "new", "given", ())),
        ({"id": "", "text": "new"}, ("f3", "new", "guess", ())),
    ],
)
def test_a_fact_delta_changes_one_fact_or_adds_one(
    delta: dict[str, object], expected: tuple[object, ...]
) -> None:
    facts = after(facts=[delta]).facts
    changed = [fact for fact in facts if fact not in FACTS]
    assert [(fact.id, fact.text, fact.kind, fact.evidence) for fact in changed] == [expected]


@pytest.mark.parametrize("delta", [{}, {"id": "f9"}, {"id": "f9", "text": ""}, {"kind": "found"}])
def test_a_delta_about_nothing_changes_nothing(delta: dict[str, object]) -> None:
    assert after(facts=[delta]) == LEDGER
    assert after(plan=[{k: v for k, v in delta.items() if k != "kind"}]) == LEDGER


def test_evidence_can_be_taken_back() -> None:
    found = after(facts=[{"id": "f2", "kind": "found", "evidence": ["1.1.1"]}])
    assert found.fact("found")[0].evidence == ("1.1.1",)
    assert after(found, facts=[{"id": "f2", "kind": "refuted", "evidence": []}]).facts[1] == Fact(
        id="f2", text="the price", kind="refuted"
    )


def test_new_items_never_take_an_id_that_is_used() -> None:
    crowded = after(facts=[{"id": "f3", "text": "x"}, {"text": "y"}, {"text": "z"}])
    ids = [fact.id for fact in crowded.facts]
    assert ids == ["f1", "f2", "f3", "f4", "f5"]


def test_open_steps_are_those_neither_done_nor_skipped() -> None:
    states = ("todo", "doing", "done", "skipped")
    ledger = after(plan=[{"id": state, "text": state, "state": state} for state in states])
    assert [step.id for step in ledger.open_steps] == ["p1", "todo", "doing"]
    assert after(plan=[{"id": "p1", "state": "done"}]).open_steps == ()


ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from(["f1", "f2", "f3", "p1", "p2", "", "x"]),
            "text": st.sampled_from(["", "a", "b"]),
            "evidence": st.lists(st.sampled_from(["1.1.1", "2.1.1"]), max_size=2),
        },
    ),
    max_size=6,
)


@given(st.lists(ITEMS, max_size=4))
def test_ids_stay_unique_order_stays_and_nothing_is_lost(replies: list[object]) -> None:
    ledger = LEDGER
    for items in replies:
        before = [fact.id for fact in ledger.facts], [step.id for step in ledger.plan]
        ledger = after(ledger, facts=items, plan=items)
        now = [fact.id for fact in ledger.facts], [step.id for step in ledger.plan]
        for old, new in zip(before, now, strict=True):
            assert new[: len(old)] == old
            assert len(set(new)) == len(new)
        assert all(fact.text for fact in ledger.facts)


@given(ITEMS)
def test_the_same_reply_with_ids_twice_is_the_same_as_once(items: list[dict[str, object]]) -> None:
    named = [
        {**item, "id": item.get("id") or "n", "text": item.get("text") or "t"} for item in items
    ]
    once = after(facts=named, plan=named)
    assert after(once, facts=named, plan=named) == once


UNSTORABLE = {
    "bytes": ("b'\\xff'", False),
    "an ellipsis": ("...", False),
    "a set, whose order differs from run to run": ("{'a', 'b'}", False),
    "a complex number": ("1j", False),
    "a tuple": ("(1, 2)", True),
    "keys that are no strings": ("{1: 2}", True),
    "300 levels": ("[" * 300 + "]" * 300, False),
    "3000 levels": ("[" * 3000 + "]" * 3000, False),
    "50 levels": ("[" * 50 + "]" * 50, True),
    "not a number": ("NaN", True),
    "infinity": ("1e999", True),
    "a huge integer": ("1" + "0" * 5000, False),
}


@pytest.mark.parametrize(("value", "readable"), UNSTORABLE.values(), ids=UNSTORABLE)
async def test_a_reply_that_the_journal_cannot_hold_is_asked_again_and_never_a_crash(
    bench: Bench, value: str, readable: bool
) -> None:
    work = "{'id': 'a', 'agent': 'Echo', 'instruction': 'look', 'tool': {'name': 't', 'arguments': "
    text = f"{{'request_satisfied': False, 'assignments': [{work}{{'x': {value}}}}}}}]}}"
    if value in ("NaN", "1e999") or value[0] in "[1":
        text = text.replace("'", '"').replace("False", "false")
    asked: list[str] = []

    def lead(request: Request) -> str:
        asked.append(last_user(request))
        if len(asked) == 1:
            return text
        return assign(("Echo", "look")) if "could not be used" in asked[-1] else finish("ok")

    outcome = await bench.run(lead)
    assert outcome.outcome == "answered"
    assert ("could not be used" in asked[1]) is not readable
    recorder = await bench.replay(team())
    assert recorder.digest() == recorder.recorded_digest()


PYTHON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(PYTHON, st.booleans())
def test_whatever_is_read_can_be_stored(value: object, as_json: bool) -> None:
    tool = {"name": "t", "arguments": {"x": value}}
    work = [{"id": "a", "agent": "Echo", "instruction": "look", "tool": tool}]
    whole = {"request_satisfied": False, "assignments": work}
    text = repr(whole)
    if as_json:
        text = json.dumps(whole, default=repr, skipkeys=True)
    reading = read_text(text, ["Echo"])
    if reading.reply is not None:
        stored = json.dumps(reading.reply.model_dump(mode="json"), allow_nan=False)
        assert LeadReply.model_validate(json.loads(stored)) == reading.reply
