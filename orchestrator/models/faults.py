"""Names what went wrong at an endpoint: a status and a text in, a Rejected out.

Knows the words that vendors use and nothing of HTTP clients. Decides three things: the kind of
the fault, whether trying again can help, and which refused feature we could do without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.errors import FaultKind
from orchestrator.models.capability import Feature, Shape

RETRYABLE: Final[frozenset[FaultKind]] = frozenset(
    {"rate_limit", "overloaded", "unreachable", "timeout", "bad_reply"}
)
REFUSING = frozenset({400, 404, 415, 422, 501})  # statuses that have carried "cannot do that"
MAX_WORDS = 300
SECRETS = re.compile(r"\b(sk|pk|key|gsk|xai|AIza)[-_][\w*-]{6,}|\bBearer\s+\S+")

QUOTA = re.compile(r"insufficient[_ ](quota|balance|credit|funds)|exceeded your current quota")
CONTEXT = re.compile(
    r"context[_ ](length|size|window)|maximum context|prompt is too long|too many tokens"
    r"|reduce the length|input is too long|token count .{0,40}exceeds"
)
FILTER = re.compile(
    r"content[_ ]?(filter|policy|management)|responsibleai|flagged|moderation|safety system"
)
NO_MODEL = re.compile(
    r"model[_ ]not[_ ]found|invalid[_ ]model|unknown model|no such model|not a valid model"
    r"|model .{0,80}(does not exist|not found|not exist)"
)
# First match wins: a complaint about a schema may mention tools, hardly the other way round.
COMPLAINTS: tuple[tuple[re.Pattern[str], Feature], ...] = (
    (re.compile(r"max_tokens|max_completion_tokens"), "length_field"),
    (re.compile(r"response_format|json_schema|json_object|json mode|response mime|grammar"
                r"|schema|structured output"), "json_schema"),
    (re.compile(r"image(?!.{0,60}(decod|corrupt|too large|exceed|process))|vision|multi-?modal"),
     "vision"),
    (re.compile(r"system (role|message|prompt|instruction)|developer instruction"
                r"|['\"]?system['\"]? (is )?(not|role)|role.{0,60}system"), "system_role"),
    (re.compile(r"tool(?!_call)|function"), "tools"),
)  # fmt: skip
WINDOW = re.compile(
    r"(?:maximum (?:context|input|prompt|number of tokens)[^0-9]{0,40}|n_ctx\D{0,5}|> ?"
    r"|context (?:length|window|size) (?:of|is|:)[^0-9]{0,20})([0-9][0-9,]{2,9})"
)


class Rejected(Exception):
    """One request failed. `refused` is a feature without which it may succeed; `served` is true
    when the endpoint has most likely done the work, and so counted it; `looks_misplaced` when the
    address is more likely wrong than the server busy; `fix` is set where a person can do more than
    usual; `final` is set when the limits leave no room to ask again."""

    def __init__(
        self,
        kind: FaultKind,
        what: str,
        *,
        retry_after: float | None = None,
        refused: Feature | None = None,
        window: int | None = None,
        looks_misplaced: bool = False,
        served: bool = False,
        fix: str = "",
    ) -> None:
        super().__init__(what)
        self.kind: FaultKind = kind
        self.what = what
        self.retry_after = retry_after
        self.refused = refused
        self.window = window
        self.looks_misplaced = looks_misplaced
        self.served = served
        self.fix = fix
        self.final = False


def classify(
    status: int, text: str, shape: Shape, *, retry_after: float | None = None, key: str | None
) -> Rejected:
    """Why a request with this answer failed. The key is taken out of what the endpoint says."""
    words = _words(text)
    said = scrubbed(words, key)
    what = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    kind = _kind(status, text.lower())
    refused = None
    if kind in ("bad_request", "unknown_model") and status in REFUSING:
        refused = _refused(words.lower(), shape)
    window = _window(text.lower()) if kind == "context_too_long" else None
    if refused:
        kind = "bad_request"
    return Rejected(kind, what, retry_after=retry_after, refused=refused, window=window)


def scrubbed(text: str, key: str | None) -> str:
    """One short line without anything that looks like a key."""
    if key:
        text = text.replace(key, "***")
    line = " ".join(SECRETS.sub("***", text).split())
    return line if len(line) <= MAX_WORDS else line[:MAX_WORDS] + "..."


def fix_for(kind: FaultKind, key_env: str, base_url: str) -> str:
    """What a person can do about a fault."""
    fixes: Mapping[FaultKind, str] = {
        "bad_key": f"put a valid key for this endpoint into {key_env}",
        "quota": "add credit at the provider or choose another model, then resume",
        "unknown_model": f"check the model's name, and that {base_url} is the API's base"
        " (it usually ends in /v1)",
        "rate_limit": "wait, or run fewer tasks at a time, then resume",
        "overloaded": "the provider is in trouble: resume later or choose another model",
        "unreachable": f"check that {base_url} is right and its server runs, and the network",
        "timeout": "resume, or raise timeout_s if the model is slow",
        "context_too_long": "choose a model with a larger context, or a smaller task",
        "content_filter": "the provider's filter objects to the content: leave out its source"
        " or choose another model",
        "bad_reply": f"check that {base_url} is a chat completions API",
        "bad_request": "the endpoint refuses the request as such: choose another model",
    }
    return fixes[kind]


def _kind(status: int, text: str) -> FaultKind:
    if status == 402 or (status in (403, 429) and QUOTA.search(text)):
        return "quota"
    if status in (400, 413, 422, 500) and CONTEXT.search(text):
        return "context_too_long"
    if status in (400, 403, 422) and FILTER.search(text):
        return "content_filter"
    if status == 404 or (status == 400 and NO_MODEL.search(text)):
        return "unknown_model"
    plain: Mapping[int, FaultKind] = {
        401: "bad_key",
        403: "bad_key",
        408: "timeout",
        409: "overloaded",
        413: "context_too_long",
        425: "overloaded",
        429: "rate_limit",
        504: "timeout",
    }
    if status in plain:
        return plain[status]
    return "overloaded" if status >= 500 and status != 501 else "bad_request"


def _refused(words: str, shape: Shape) -> Feature | None:
    for pattern, feature in COMPLAINTS:
        if not pattern.search(words):
            continue
        if feature == "json_schema" and shape.json_mode:
            return "json_mode"
        if getattr(shape, feature):
            return feature
    return None


def _window(text: str) -> int | None:
    found = WINDOW.search(text)
    return int(found[1].replace(",", "")) if found else None


def _words(text: str) -> str:
    """The message of an error body, with its code and parameter; any other text as it is."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return re.sub(r"<[^>]*>", " ", text)
    body = body[0] if isinstance(body, list) and body else body
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)
    named = [f"{error[name]}" for name in ("message", "detail") if error.get(name)]
    tags = [str(error[name]) for name in ("code", "param") if error.get(name)]
    return " ".join([*named, *([f"({', '.join(tags)})"] if tags else [])]) or text
