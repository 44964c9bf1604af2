"""A consent holds for exactly the act that was shown, and for no other that comes in its place."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Bench
from unit.test_tool_loop import Tools, call, calls, play, script

from agents.toolkit import consent_given, consent_to, tool
from orchestrator.agent import Observation
from orchestrator.errors import NeedsApproval
from orchestrator.work import Consent


class Shop(Tools):
    """Presses buttons whose acts are found out one after the other."""

    def __init__(self, *acts: dict[str, Any], changes: bool = False) -> None:
        super().__init__()
        self.needed = list(acts)
        self.changes = changes

    @tool(effect="ambiguous")
    async def press(self, button: str) -> Observation:
        """Press a button."""
        for act in self.needed:
            if self.changes:
                act["amount"] = act.get("amount", 0) + 1
            if consent_to(act) not in consent_given.get():
                raise NeedsApproval("it costs money", act)
        self.acts.append(f"press {button}")
        return Observation(text=f"pressed {button}")


async def pressed(bench: Bench, shop: Shop) -> list[dict[str, Any]]:
    consent = Consent(approvals="allow-all")
    played = await play(
        bench, script(calls(call("press", {"button": "b"}))), consent=consent, owner=shop
    )
    return [question["details"] for question in played.questions]


async def test_one_call_may_need_several_consents_each_for_its_act(bench: Bench) -> None:
    shop = Shop({"action": "type", "url": "a"}, {"action": "press", "url": "b"})
    asked = await pressed(bench, shop)
    assert [details["url"] for details in asked] == ["a", "b"]
    assert shop.acts == ["press b"]


async def test_an_act_that_changes_after_its_consent_is_not_done(bench: Bench) -> None:
    shop = Shop({"action": "press", "url": "a"}, changes=True)
    asked = await pressed(bench, shop)
    assert [details["amount"] for details in asked] == [1, 2, 3]
    assert shop.acts == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"action": "click", "why": "x"}, {"action": "click", "why": "y"}, True),
        ({"action": "click", "url": "a?1"}, {"action": "click", "url": "a?2"}, False),
        ({"action": "click", "fields": [{"name": "n", "value": "1"}]},
         {"action": "click", "fields": [{"name": "n", "value": "2"}]}, False),
        ({"action": "send", "url": "a?1"}, {"action": "send", "url": "a?2"}, True),
        ({"action": "send", "url": "a"}, {"action": "send", "url": "b"}, False),
        ({"action": "send", "fields": [{"name": "n", "value": "1"}]},
         {"action": "send", "fields": [{"name": "n", "value": "2"}]}, True),
        ({"action": "send", "fields": [{"name": "n", "value": "1"}]},
         {"action": "send", "fields": [{"name": "m", "value": "1"}]}, False),
    ],
)  # fmt: skip
def test_what_a_consent_is_bound_to(one: Any, other: Any, same: bool) -> None:
    assert (consent_to(one) == consent_to(other)) is same
