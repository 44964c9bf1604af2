"""Recordings become text at the endpoint: the very bytes go out, once, and are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from attachments import SOUNDS, SPOKEN, Attachment, content_of
from openai_server import Server, serve

from orchestrator.blobs import Blobs
from orchestrator.errors import ModelFault
from orchestrator.models.chat_reply import UnreadableReply
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.hearing import Hearing
from orchestrator.models.llm import Message, Request, Sound
from orchestrator.models.openai_compatible import OpenAICompatible
from orchestrator.models.prices import Price
from orchestrator.models.scripted import ScriptedModel
from orchestrator.models.transcript import read_transcript


def ears(server: Server, blobs: Blobs, **more: object) -> OpenAICompatible:
    endpoint = Endpoint(model="ears-1", base_url=server.base_url, api_key="sk-ear-key", **more)  # type: ignore[arg-type]
    return OpenAICompatible.open(endpoint, read_blob=blobs.get)


def asking(sha256: str, name: str = "recording.mp3") -> Request:
    return Request(
        role="FileSurfer",
        messages=(Message(role="user", content="Write down what is said."),),
        sound=Sound(sha256=sha256, name=name),
    )


@pytest.mark.parametrize("attachment", SOUNDS, ids=lambda item: item.name)
async def test_the_very_bytes_of_a_recording_go_to_the_endpoint_and_its_words_come_back(
    tmp_path: Path, attachment: Attachment
) -> None:
    blobs, content = Blobs(tmp_path), content_of(attachment.name)
    name = blobs.put(content)
    with serve(lambda _body: "", transcripts={name: SPOKEN}) as server:
        model = ears(server, blobs, price=Price(prompt=2.0, completion=10.0))
        heard = await model.complete(asking(name))
        await model.close()
    (recording,) = server.recordings
    assert recording.content == content
    assert recording.fields == {"model": "ears-1", "response_format": "json"}
    assert (recording.name, recording.key) == ("recording.mp3", "sk-ear-key")
    assert heard.text == SPOKEN
    assert (heard.usage.calls, heard.usage.prompt_tokens, heard.usage.completion_tokens) == (
        1,
        40,
        12,
    )
    assert heard.usage.usd_micros == 40 * 2 + 12 * 10


async def test_a_recording_that_the_endpoint_cannot_decode_is_a_named_fault(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(b"noise")
    with serve(lambda _body: "") as server:
        model = ears(server, blobs)
        with pytest.raises(ModelFault, match="could not be decoded") as fault:
            await model.complete(asking(name))
        await model.close()
    assert fault.value.kind == "bad_request"
    assert len(server.recordings) == 1


async def test_only_requests_with_a_recording_go_to_the_ears(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    name = blobs.put(content_of("talk.wav"))
    with serve(lambda _body: "", transcripts={name: SPOKEN}) as server:
        model = Hearing(ScriptedModel(lambda _request: "thought"), ears(server, blobs))
        plain = asking(name).model_copy(update={"sound": None})
        assert (await model.complete(plain)).text == "thought"
        assert server.recordings == []
        assert (await model.complete(asking(name))).text == SPOKEN
        await model.close()


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ('{"text": "a"}', None),
        ('{"text": "a", "usage": {"type": "duration", "seconds": 3}}', None),
        (
            '{"text": "a", "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 4}}',
            (9, 4),
        ),
        ('{"text": "a", "usage": {"input_tokens": 9, "output_tokens": 4, "new": {}}}', (9, 4)),
    ],
)
def test_what_is_billed_by_length_has_no_count_of_tokens(
    body: str, tokens: tuple[int, int] | None
) -> None:
    text, count = read_transcript(body)
    assert text == "a"
    assert (None if count is None else (count.prompt_tokens, count.completion_tokens)) == tokens


@pytest.mark.parametrize("body", ["", "[]", "a text", '{"text": null}', '{"error": {}}'])
def test_anything_else_is_no_transcript(body: str) -> None:
    with pytest.raises(UnreadableReply):
        read_transcript(body)


def test_a_recording_is_named_by_what_it_is_not_by_what_its_file_is_called() -> None:
    from agents.file_surfer.sounds import named

    endings = {item.name: named("0" * 64, content_of(item.name)).name for item in SOUNDS}
    assert endings == {item.name: f"recording.{item.name[-3:]}" for item in SOUNDS}
