"""The transcription route of the scripted server: it knows recordings by their very bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser

from openai_http import Answer


@dataclass(frozen=True, slots=True)
class Recording:
    """A form as it came: the fields, the file's name and bytes, and the key that was shown."""

    fields: Mapping[str, str]
    name: str
    content: bytes
    key: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def form_of(headers: Mapping[str, str], content: bytes) -> Recording:
    """Read a multipart form."""
    head = f"Content-Type: {headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + content)
    fields: dict[str, str] = {}
    name, sound = "", b""
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        if part.get_filename():
            name, sound = str(part.get_filename()), payload
        else:
            field = str(part.get_param("name", header="content-disposition"))
            fields[field] = payload.decode()
    key = headers.get("authorization", "").removeprefix("Bearer ")
    return Recording(fields, name, sound, key)


def transcribed(recording: Recording, transcripts: Mapping[str, str]) -> Answer:
    """The words of a recording that is known; any other byte is an error, as with a vendor."""
    words = transcripts.get(recording.sha256)
    if words is None:
        said = "Invalid file format. The recording could not be decoded."
        return Answer(400, {"error": {"message": said, "type": "invalid_request_error"}})
    usage = {"type": "tokens", "input_tokens": 40, "output_tokens": 12, "total_tokens": 52}
    return Answer(200, {"text": words, "usage": usage})
