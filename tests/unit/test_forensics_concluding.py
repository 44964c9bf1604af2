"""What the records of a run say of a case, and what a team is shown of it first."""

from __future__ import annotations

from typing import Any

import pytest
from forensics_values import intake_of

from orchestrator.journal import Record
from tasks.forensics.concluding import told_by
from tasks.forensics.showing import exhibits_text

FILTERED = {"fault": "content_filter", "message": "refused"}
REFUSED = {"text": "I cannot do that.", "finish": "refusal"}
FINE = {"text": "done", "finish": "stop"}
Step = tuple[str, str, Any]


def records(*steps: Step) -> list[Record]:
    return [
        Record("r", n, key, kind, 1, "", 1, 0.0, body, "", "")
        for n, (key, kind, body) in enumerate(steps, start=1)
    ]


def asked(key: str, value: Any) -> Step:
    return key, "StepDone", {"step": "model", "value": value}


def reported(key: str, agent: str, status: str) -> Step:
    return key, "Reported", {"agent": agent, "report": {"status": status}}


CASES: dict[str, tuple[list[Step], tuple[str, ...]]] = {
    "nobody": ([asked("round/1/lead/1", FINE)], ()),
    "the lead": ([asked("round/1/lead/1", FINE), asked("round/2/lead/1", FILTERED)], ("lead",)),
    "the lead, until it was asked again": (
        [asked("round/1/lead/1", FILTERED), asked("round/1/lead/2", FINE)],
        (),
    ),
    "an agent": (
        [
            asked("round/1/1.Examiner/think/1", FINE),
            asked("round/1/1.Examiner/think/2", REFUSED),
            reported("round/1/1.Examiner", "Examiner", "failed"),
        ],
        ("Examiner",),
    ),
    "an agent, until it was given the work again": (
        [
            asked("round/1/1.Examiner/think/1", REFUSED),
            reported("round/1/1.Examiner", "Examiner", "failed"),
            asked("round/2/1.Examiner/think/1", FINE),
            reported("round/2/1.Examiner", "Examiner", "done"),
        ],
        (),
    ),
    "one that came to a result all the same": (
        [
            asked("round/1/1.Skeptic/think/1", FILTERED),
            reported("round/1/1.Skeptic", "Skeptic", "done"),
        ],
        (),
    ),
    "one whose last reply is stored apart": (
        [asked("round/1/1.Skeptic/think/1", None), reported("round/1/1.Skeptic", "Skeptic", "x")],
        (),
    ),
}


@pytest.mark.parametrize(("steps", "refused"), CASES.values(), ids=CASES)
def test_a_refusal_counts_when_nothing_came_after_it(
    steps: list[Step], refused: tuple[str, ...]
) -> None:
    assert told_by(records(*steps)).refused == refused


def test_thousands_of_empty_files_are_counted_and_push_nothing_out_of_the_prompt() -> None:
    intake = intake_of()
    one = intake.exhibits[0].model_copy(update={"kind": "empty", "tables": ()})
    many = [one.model_copy(update={"id": f"E{number}"}) for number in range(100, 1_000)]
    full = intake.model_copy(update={"exhibits": (*intake.exhibits, *many)})
    added = len(exhibits_text(full)) - len(exhibits_text(intake))
    assert "900 exhibits are empty, from E100 to E999" in exhibits_text(full)
    assert added < 200
