"""One model call as one recorded step.

The request is stored as the hashes of its messages, each message once. A fault that changes
what happens next (the prompt is too long, a content filter, a refused request) is part of
history and is recorded; an outage is not, so that a resume tries again.
"""

from __future__ import annotations

from orchestrator import events as ev
from orchestrator.agent import Json
from orchestrator.canonical import canonical
from orchestrator.errors import ModelFault
from orchestrator.models.llm import LLM, Completion, Request, Trouble, Usage, has_room
from orchestrator.recorder import Recorder

USUAL_REPLY = 400
LEAST_WINDOW = 1_000
RECORDED_FAULTS = frozenset({"context_too_long", "content_filter", "bad_request"})


async def call_model(recorder: Recorder, model: LLM, key: str, request: Request) -> Completion:
    """Call the model once under this key. Raises ModelFault, LimitReached."""

    async def room(used: Usage) -> bool:
        return await recorder.has_room(key, used)

    async def call() -> Json:
        token = has_room.set(room)
        try:
            completion = await model.complete(request)
        except ModelFault as fault:
            if fault.kind not in RECORDED_FAULTS:
                await recorder.note_failure(key, fault)
                if recorder.before_step is not None:  # a limit that is used up comes first
                    await recorder.before_step(Usage())
                raise
            return _fault_value(fault)
        finally:
            has_room.reset(token)
        return completion.model_dump(mode="json")

    stored = _stored(recorder, request)
    done = await recorder.once(
        key, call, step="model", fingerprint=stored, usage_of=_usage, reserve=_expected(request)
    )
    troubles = tuple(Trouble.model_validate(item) for item in done.value.get("troubles", ()))
    if troubles:
        await recorder.emit(key, ev.EndpointTroubled(troubles=troubles))
    if "fault" in done.value:
        said = done.value
        window = said.get("window")
        raise ModelFault(said["fault"], said["message"], fix=said["fix"], window=window)
    return Completion.model_validate(done.value)


def _fault_value(fault: ModelFault) -> Json:
    return {
        "fault": fault.kind,
        "usage": fault.usage.model_dump(mode="json") if fault.usage else None,
        "message": fault.message,
        "fix": fault.fix,
        "window": fault.window,
        "troubles": [trouble.model_dump(mode="json") for trouble in fault.troubles],
    }


async def learn_window(
    recorder: Recorder, model: LLM, key: str, seat: ev.Seat, request: Request
) -> None:
    """Record how much the endpoint takes, after it took less than this request: what it has said
    of itself, and in any case clearly less than what was sent."""
    known = recorder.recorded(key, "WindowLearned")
    if known is not None:
        return await recorder.emit(key, ev.WindowLearned.model_validate(known))
    sent = _expected(request).prompt_tokens
    tokens = max(LEAST_WINDOW, min(model.profile.window or sent, sent * 3 // 4))
    return await recorder.emit(key, ev.WindowLearned(seat=seat, tokens=tokens))


def _expected(request: Request) -> Usage:
    """What a call may cost, by four characters a token and a reply of usual length."""
    prompt = sum(len(message.content) for message in request.messages) // 4
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=request.max_tokens or USUAL_REPLY)


def _stored(recorder: Recorder, request: Request) -> Json:
    put = recorder.blobs.put
    return {
        "role": request.role,
        "messages": [
            put(canonical(message.model_dump(mode="json")).encode("utf-8", "surrogatepass"))
            for message in request.messages
        ],
        "tools": put(canonical([tool.model_dump(mode="json") for tool in request.tools]).encode())
        if request.tools
        else None,
        "output": request.output.name if request.output else None,
        "max_tokens": request.max_tokens,
        # Not named where there is none: requests of earlier versions keep their fingerprint.
        **({"sound": request.sound.model_dump(mode="json")} if request.sound else {}),
    }


def _usage(value: Json) -> tuple[Usage, str]:
    if "fault" in value:
        return Usage.model_validate(value["usage"] or {}), ""
    completion = Completion.model_validate(value)
    return completion.usage, completion.model
