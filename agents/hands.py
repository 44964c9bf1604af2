"""Does one tool call: once, with a person's consent where it is needed, also after a crash.

Knows the tool, the policy and the journal's steps. Knows nothing of the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.toolkit import Tool, consent_given, consent_to, jsonable, words_heard
from orchestrator.agent import Json, Observation, Question, WorkContext
from orchestrator.calls import RECORDED_FAULTS
from orchestrator.errors import ModelFault, NeedsApproval, NeedsHearing, ToolFailed
from orchestrator.models.llm import Message, Request, Sound

MAX_CONSENTS = 3
"""One call may need several: to tell a host something, and then to send it off."""
UNKNOWN = (
    "This action was begun before a crash; it may or may not have happened. "
    "Look at the present state before you act again."
)


class Device(Protocol):
    """What a tool owner does when a recorded step is found instead of a live one."""

    def recall(self, observation: Observation) -> None:
        """Remember how the device stood then, to be made again before the next live step."""
        ...


@dataclass(slots=True)
class Hands:
    """What an agent does tool calls with, during one assignment."""

    agent: str
    ctx: WorkContext
    device: Device | None
    heard: dict[str, str] = field(default_factory=dict)

    async def do(self, key: str, tool: Tool, arguments: dict[str, Any]) -> Observation:
        """Run a tool, with a person's consent where the policy or the tool itself asks for it."""
        risk, approvals = tool.marks.risk, self.ctx.approvals
        details: dict[str, Any] | None = None
        if risk == "irreversible" or (approvals == "ask-all" and risk == "write"):
            details = {"tool": tool.name, "arguments": jsonable(arguments)}
        else:
            value = await self._once(key, tool, arguments, frozenset())
            if isinstance(value, Observation):
                return value
            details = value
        given: frozenset[str] = frozenset()
        for number in range(1, MAX_CONSENTS + 1):
            nth = "" if number == 1 else f"/{number}"
            refusal = await self._refused(f"{key}/approve{nth}", details)
            if refusal is not None:
                return refusal
            given |= {consent_to(details)}
            value = await self._once(f"{key}/go{nth}", tool, arguments, given)
            if isinstance(value, Observation):
                return value
            details = value
        said = f"not done: the act changed each time it was approved ({MAX_CONSENTS} times)"
        return Observation(text=said, failed=True)

    async def _refused(self, key: str, details: dict[str, Any]) -> Observation | None:
        """Ask for consent to one real action; what to show instead of doing it, or None."""
        question = Question(kind="approve", text=_worded(self.agent, details), details=details)
        answer = await self.ctx.ask(key, question)
        if answer.status == "approved":
            return None
        said = f": {answer.text}" if answer.text else ""
        why = f"{answer.status} by {answer.by or 'nobody'}{said}"
        return Observation(text=f"not done, the act was not approved ({why})", failed=True)

    async def _once(
        self, name: str, tool: Tool, arguments: dict[str, Any], consent: frozenset[str]
    ) -> Observation | dict[str, Any]:
        async def run() -> Json:
            consent_token = consent_given.set(consent)
            heard_token = words_heard.set(self.heard)
            try:
                observation = await tool.function(**arguments)
            except NeedsHearing as error:
                return {"needs_hearing": error.sound.model_dump(mode="json")}
            except NeedsApproval as error:
                return {"needs_approval": {"why": error.message, **error.details}}
            except ToolFailed as error:
                return Observation(text=error.message, failed=True).model_dump(mode="json")
            finally:
                words_heard.reset(heard_token)
                consent_given.reset(consent_token)
            return observation.model_dump(mode="json")

        fingerprint = {"tool": tool.name, "arguments": jsonable(arguments)}
        done = await self.ctx.once(
            name, run, kind="tool", fingerprint=fingerprint, effect=tool.marks.effect
        )
        if done.unknown:
            return Observation(text=UNKNOWN, failed=True)
        if "needs_hearing" in done.value:
            deaf = await self._hear(name, Sound.model_validate(done.value["needs_hearing"]))
            return deaf or await self._once(f"{name}/heard", tool, arguments, consent)
        if "needs_approval" in done.value:
            return dict(done.value["needs_approval"])
        observation = Observation.model_validate(done.value)
        if not done.live and self.device is not None:
            self.device.recall(observation)
        return observation

    async def _hear(self, key: str, sound: Sound) -> Observation | None:
        """Have a recording turned into text, a paid step of its own; why not, or None."""
        asked = (Message(role="user", content=f"Write down what is said in {sound.name}."),)
        request = Request(role=self.agent, messages=asked, sound=sound)
        try:
            self.heard[sound.sha256] = (await self.ctx.complete(f"{key}/hear", request)).text
        except ModelFault as fault:
            if fault.kind not in RECORDED_FAULTS:
                raise
            return Observation(text=f"cannot_hear: {fault.message}", failed=True)
        return None


def _worded(agent: str, details: dict[str, Any]) -> str:
    shown = ", ".join(f"{name}={value!s:.200}" for name, value in details.items())
    return f"{agent} wants to do something that cannot be undone: {shown}"
