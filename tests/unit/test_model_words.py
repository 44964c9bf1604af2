"""What vendors say, word by word, and what we make of it."""

from __future__ import annotations

import json

import pytest

from orchestrator.errors import FaultKind
from orchestrator.models.capability import Feature, Shape
from orchestrator.models.faults import classify, scrubbed

EVERYTHING = Shape(
    json_schema=True, json_mode=False, tools=True, vision=True, system_role=True, length_field=True
)
PLAIN = Shape(
    json_schema=False,
    json_mode=False,
    tools=False,
    vision=False,
    system_role=False,
    length_field=False,
)

SAID: tuple[tuple[int, str, FaultKind, Feature | None], ...] = (
    (400, "'response_format' of type 'json_schema' is not supported", "bad_request", "json_schema"),
    (400, "Unable to build grammar from schema", "bad_request", "json_schema"),
    (422, "response_format: Input should be 'text'", "bad_request", "json_schema"),
    (400, "registry.ollama.ai/library/gemma:2b does not support tools", "bad_request", "tools"),
    (404, "No endpoints found that support tool use.", "bad_request", "tools"),
    (400, "Function calling is not enabled for this model", "bad_request", "tools"),
    (404, "No endpoints found that support image input", "bad_request", "vision"),
    (400, "unknown variant `image_url`, expected `text`", "bad_request", "vision"),
    (400, "m is not a multimodal model", "bad_request", "vision"),
    (400, "Invalid image: could not be decoded", "bad_request", None),
    (400, "System role not supported", "bad_request", "system_role"),
    (400, "Developer instruction is not enabled for models/gemma-3", "bad_request", "system_role"),
    (400, "'messages[0].role' does not support 'system'.", "bad_request", "system_role"),
    (400, "'max_tokens' is off: 'max_completion_tokens'", "bad_request", "length_field"),
    (400, "'tool_calls' must be followed by a tool_call_id", "bad_request", None),
    (400, "temperature must be below 2", "bad_request", None),
    (404, "The model `gpt-9` does not exist", "unknown_model", None),
    (400, "gpt-9 is not a valid model ID", "unknown_model", None),
    (404, "404 page not found", "unknown_model", None),
    (401, "no key", "bad_key", None),
    (403, "Country not supported", "bad_key", None),
    (403, "Your input was flagged by moderation", "content_filter", None),
    (402, "Insufficient Balance", "quota", None),
    (429, "You exceeded your current quota", "quota", None),
    (429, "slow down", "rate_limit", None),
    (413, "Request too large", "context_too_long", None),
    (408, "timeout", "timeout", None),
    (500, "oops", "overloaded", None),
    (504, "gateway timeout", "timeout", None),
    (529, "overloaded", "overloaded", None),
    (307, "", "bad_request", None),
)  # fmt: skip


@pytest.mark.parametrize(("status", "words", "kind", "refused"), SAID)
def test_a_vendors_words_are_understood(
    status: int, words: str, kind: FaultKind, refused: Feature | None
) -> None:
    body = json.dumps({"error": {"message": words, "type": "x", "code": None, "param": None}})
    for text in (body, words):
        rejected = classify(status, text, EVERYTHING, key=None)
        assert (rejected.kind, rejected.refused) == (kind, refused)
        assert words[:40] in rejected.what
        # Nothing can be given up that was not made use of: the same words end it then.
        assert classify(status, text, PLAIN, key=None).refused is None


def test_json_mode_is_given_up_after_the_schema() -> None:
    shape = Shape(
        json_schema=False, json_mode=True, tools=True, vision=False, system_role=True,
        length_field=False,
    )  # fmt: skip
    assert classify(400, "Unsupported: response_format", shape, key=None).refused == "json_mode"


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 9000", 8192),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200_000),
        ('{"message": "exceeds the context size", "n_prompt": 9999, "n_ctx": 4096}', 4096),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
         1_048_576),
        ("requested 9,000 tokens, context length is 8,192", 8192),
        ("Please reduce the length of the messages", None),
    ],
)  # fmt: skip
def test_the_window_is_read_from_the_words(words: str, window: int | None) -> None:
    rejected = classify(400, words, PLAIN, key=None)
    assert (rejected.kind, rejected.window) == ("context_too_long", window)


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: plain-secret",
        "key plain-secret, plain-secret",
        "Incorrect API key provided: sk-proj-abcd****wxyz",
        "Authorization: Bearer abcdefgh12345678",
    ],
)
def test_no_key_survives_scrubbing(said: str) -> None:
    clean = scrubbed(said, "plain-secret")
    assert "secret" not in clean
    assert "abcd" not in clean
    assert "***" in clean


def test_a_page_of_html_becomes_one_short_line() -> None:
    page = "<html><body>\n<h1>Bad  gateway</h1>" + "<p>x</p>" * 500
    what = classify(502, page, PLAIN, key=None).what
    assert what.startswith("HTTP 502: Bad gateway x x")
    assert len(what) < 330
    assert "\n" not in what
