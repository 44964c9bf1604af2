"""Any OpenAI-compatible endpoint as an LLM: asks, adapts, tries again, counts.

The only module that imports `openai`, and only when an endpoint is opened. The package brings
the connection pool, authentication and timeouts; retries and reading the reply are ours, so that
every served request is counted and every failure has one of our names.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ModelFault, UsageError
from orchestrator.models.capability import ProfileStore, Shape, Traits, configured, guess
from orchestrator.models.chat_body import Body, ReadBlob, build_body, estimate_prompt, shape_of
from orchestrator.models.chat_reply import Reply, TokenCount, UnreadableReply, read_reply
from orchestrator.models.connection_faults import CONNECT_TIMEOUT_S, lost
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.faults import Rejected, classify, fix_for, scrubbed
from orchestrator.models.lean_openai import load_types_when_used
from orchestrator.models.llm import Completion, Profile, Request, Sound, Trouble, Usage
from orchestrator.models.meter import Meter
from orchestrator.models.prices import table_micros, table_window
from orchestrator.models.retries import RetryPolicy, retry_after, retrying
from orchestrator.models.second_looks import Answered, SecondLooks
from orchestrator.models.strict_schema import from_strict
from orchestrator.models.tokens import estimate_tokens
from orchestrator.models.tool_text import read_calls
from orchestrator.models.transcript import read_transcript

if TYPE_CHECKING:
    import openai
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

NO_FEATURES = Shape(*[False] * 6)
MAX_DOWNGRADES = 8  # more than there are features to give up
OWN_HOST = "api.openai.com"  # the only host that the OPENAI_* variables were set for


class OpenAICompatible:
    """One model at one endpoint. Safe to share between tasks; `close` it once."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: AsyncOpenAI,
        *,
        read_blob: ReadBlob,
        store: ProfileStore | None,
        retries: RetryPolicy,
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._read_blob = read_blob
        self._store = store
        self._retries = retries
        self._traits = _first_traits(endpoint, store)
        self._removed_headers = _removed_headers(endpoint)
        self._has_answered = False
        self._looks = SecondLooks(watches_head=_may_drop_heads(endpoint))
        self._lent: dict[str, bytes] = {}

    @classmethod
    def open(
        cls,
        endpoint: Endpoint,
        *,
        read_blob: ReadBlob | None = None,
        store: ProfileStore | None = None,
        retries: RetryPolicy | None = None,
    ) -> OpenAICompatible:
        """Prepare an endpoint without asking it anything; UsageError for a bad URL or key."""
        endpoint.check()
        return cls(
            endpoint,
            _connect(endpoint),
            read_blob=read_blob or _no_blobs,
            store=store,
            retries=retries or RetryPolicy(),
        )

    @property
    def name(self) -> str:
        return self._endpoint.model

    @property
    def profile(self) -> Profile:
        return self._traits.profile

    @property
    def traits(self) -> Traits:
        """What is known of the endpoint by now."""
        return self._traits

    def lend(self, picture: bytes) -> str:
        """Make a picture of our own sendable; its name for `Message.images` comes back."""
        name = hashlib.sha256(picture).hexdigest()
        self._lent[name] = picture
        return name

    async def complete(self, request: Request) -> Completion:
        """One completion. A ModelFault says in `usage` what was spent in vain."""
        meter = Meter()

        def note_wait(rejected: Rejected, seconds: float) -> None:
            then = f"asked again after {seconds:.1f} s"
            meter.troubles.append(self._trouble(rejected.kind, rejected.what, then))

        try:
            completion: Completion = await retrying(self._retries, note_wait)(
                self._adapting, request, meter
            )
        except Rejected as rejected:
            # Not chained: the client's own error may quote the key that the endpoint has echoed.
            raise self._fault(rejected, meter) from None
        spent = {"usage": meter.usage, "troubles": tuple(meter.troubles)}
        return completion.model_copy(update=spent)

    async def close(self) -> None:
        await self._client.close()

    async def _adapting(self, request: Request, meter: Meter) -> Completion:
        """Ask; give up one refused feature at a time and ask again at once."""
        if request.sound is not None:
            return await self._transcribed(request.sound, meter)
        line = _Line(self, meter)
        if any(message.images for message in request.messages) and not self._endpoint.profile:
            await self._looks.prove_sight(line)
        for _ in range(MAX_DOWNGRADES):
            traits = self._traits
            try:
                answered = await self._ask(request, traits, meter)
                return (await self._looks.look(request, answered, line)).completion
            except Rejected as rejected:
                if rejected.window:
                    self._learn_window(rejected.window)
                if rejected.refused is None:
                    raise
                # Another request may have learned something meanwhile: then try with that.
                if self._traits == traits:
                    self._learn(traits.without(rejected.refused))
                then = f"goes on without {rejected.refused}"
                meter.troubles.append(self._trouble(rejected.refused, rejected.what, then))
        return (await self._ask(request, self._traits, meter)).completion

    async def _ask(self, request: Request, traits: Traits, meter: Meter) -> Answered:
        body = build_body(request, self._endpoint.model, traits, self._blob)
        estimate = estimate_prompt(body)
        self._looks.check_length(estimate)
        await meter.begin()
        try:
            text = await self._post(body)
            reply = self._read(text, body, first_id=f"call_{len(request.messages)}")
        except Rejected as rejected:
            if rejected.served:
                meter.usage += self._usage(body, None)
            if self._has_answered:
                rejected.looks_misplaced = False
            meter.last = rejected
            raise
        self._has_answered = True
        meter.usage += self._usage(body, reply)
        if reply.finish == "content_filter":
            raise Rejected("content_filter", "the provider's filter withheld the reply")
        completion = self._completion(request, body, reply)
        counted = reply.tokens.prompt_tokens if reply.tokens else None
        return Answered(completion, body, estimate, counted)

    def _blob(self, sha256: str) -> bytes:
        return self._lent.get(sha256) or self._read_blob(sha256)

    async def _transcribed(self, sound: Sound, meter: Meter) -> Completion:
        """What is said in a recording. Without a count of tokens its price is not known."""
        content = self._read_blob(sound.sha256)
        await meter.begin()
        try:
            answer = await self._upload(sound.name, content)
            text, tokens = read_transcript(answer)
        except Rejected as rejected:
            meter.last = rejected
            raise
        except UnreadableReply as unreadable:
            meter.usage += Usage(calls=1, usd_micros=None)
            what = f"HTTP 200, but {unreadable}: {scrubbed(answer[:200], self._endpoint.api_key)}"
            meter.last = Rejected("bad_reply", what, served=True, looks_misplaced=True)
            raise meter.last from unreadable
        if tokens is None:
            estimate = estimate_tokens(text)
            meter.usage += Usage(calls=1, completion_tokens=estimate, usd_micros=None)
        else:
            meter.usage += self._priced(tokens)
        return Completion(text=text, usage=meter.usage, model=self._endpoint.model)

    def _read(self, text: str, body: Body, first_id: str) -> Reply:
        try:
            return read_reply(text, first_id)
        except UnreadableReply as unreadable:
            if unreadable.error:
                status, key = unreadable.status or 502, self._endpoint.api_key
                raise classify(status, unreadable.error, shape_of(body), key=key) from unreadable
            what = f"HTTP 200, but {unreadable}: {scrubbed(text[:200], self._endpoint.api_key)}"
            raise Rejected("bad_reply", what, served=True, looks_misplaced=True) from unreadable

    def _completion(self, request: Request, body: Body, reply: Reply) -> Completion:
        text, calls, finish = reply.text, reply.tool_calls, reply.finish
        if request.tools and not calls and finish == "stop":
            offered = {tool.name for tool in request.tools}
            text, calls = read_calls(text, offered, f"call_{len(request.messages)}")
            finish = "tool_calls" if calls else finish
        if request.output and shape_of(body).json_schema and finish == "stop":
            text = from_strict(text, request.output.json_schema)
        model = reply.model or self._endpoint.model
        return Completion(text=text, tool_calls=calls, finish=finish, model=model)

    def _usage(self, body: Body, reply: Reply | None) -> Usage:
        """The cost of one served request, estimated where the endpoint does not say."""
        tokens = reply.tokens if reply else None
        if tokens is None:
            calls = reply.tool_calls if reply else ()
            written = reply.text if reply else ""
            written += "".join(call.name + call.arguments for call in calls)
            tokens = TokenCount(estimate_prompt(body), 0, estimate_tokens(written))
        return self._priced(tokens)

    def _priced(self, tokens: TokenCount) -> Usage:
        """One served request with what its tokens cost."""
        endpoint = self._endpoint
        if endpoint.price:
            micros: int | None = endpoint.price.micros(tokens)
        else:
            micros = table_micros(endpoint.model, endpoint.base_url, tokens)
        return Usage(
            calls=1,
            prompt_tokens=tokens.prompt_tokens,
            cached_tokens=tokens.cached_tokens,
            completion_tokens=tokens.completion_tokens,
            usd_micros=micros,
        )

    def _learn(self, traits: Traits) -> None:
        self._traits = traits
        endpoint = self._endpoint
        said = (endpoint.profile, endpoint.window, endpoint.vision)
        if self._store and said == (None, None, None):
            self._store.save(self._endpoint.base_url, self._endpoint.model, traits)

    def _learn_window(self, window: int) -> None:
        if self._traits.profile.window != window:
            drops_head = self._traits.drops_head
            self._learn(self._traits.with_window(window, drops_head=drops_head))

    def _trouble(self, fault: str, what: str, then: str, fix: str = "") -> Trouble:
        return Trouble(model=self._endpoint.model, fault=fault, what=what, then=then, fix=fix)

    def _fault(self, rejected: Rejected, meter: Meter) -> ModelFault:
        endpoint = self._endpoint
        times = {0: "not asked", 1: "asked once"}.get(meter.asked, f"asked {meter.asked} times")
        message = f"{endpoint.model} at {endpoint.host}, {times}: {rejected.what}"
        fix = rejected.fix or fix_for(rejected.kind, endpoint.key_env, endpoint.shown_url)
        if rejected.retry_after is not None:
            fix += f" (the endpoint asks to wait {rejected.retry_after:.0f} s)"
        return ModelFault(
            rejected.kind,
            message,
            fix=fix,
            usage=meter.usage,
            window=rejected.window,
            troubles=tuple(meter.troubles),
        )

    async def _post(self, body: Body) -> str:
        """The text of a 200 answer. The package's typed resources would cost CPU time for every
        message and hide how a broken reply was broken."""
        options: RequestOptions = {"headers": self._removed_headers}
        sending = self._client.post("/chat/completions", body=body, cast_to=str, options=options)
        return await self._answered(sending, shape_of(body), estimate_prompt(body))

    async def _upload(self, name: str, content: bytes) -> str:
        """The same for a recording, sent as a form."""
        options: RequestOptions = {
            "headers": {**self._removed_headers, "Content-Type": "multipart/form-data"}
        }
        sending = self._client.post(
            "/audio/transcriptions",
            body={"model": self._endpoint.model, "response_format": "json"},
            files=[("file", (name, content))],
            cast_to=str,
            options=options,
        )
        return await self._answered(sending, NO_FEATURES)

    async def _answered(self, sending: Awaitable[str], shape: Shape, tokens: int = 0) -> str:
        import openai

        try:
            async with self._endpoint.gate.turn(tokens), asyncio.timeout(self._endpoint.timeout_s):
                return await sending
        except openai.APIStatusError as error:
            refusal = self._refusal(error, shape)
            await self._endpoint.gate.hold(refusal.retry_after)
            raise refusal from error
        except openai.APIConnectionError as error:
            raise lost(error, self._endpoint) from error
        except TimeoutError as error:
            what = f"no complete answer within {self._endpoint.timeout_s:g} s"
            raise Rejected("timeout", what, served=True) from error

    def _refusal(self, error: openai.APIStatusError, shape: Shape) -> Rejected:
        wait = retry_after(error.response.headers, self._retries.now)
        key = self._endpoint.api_key
        return classify(error.status_code, error.response.text, shape, retry_after=wait, key=key)


@dataclass(frozen=True, slots=True)
class _Line:
    """The line of one completion, for questions beside it."""

    client: OpenAICompatible
    meter: Meter

    @property
    def traits(self) -> Traits:
        return self.client.traits

    async def ask(self, request: Request, traits: Traits) -> Answered:
        return await self.client._ask(request, traits, self.meter)

    async def has_room(self) -> bool:
        return await self.meter.has_room()

    def learn(self, change: Callable[[Traits], Traits]) -> None:
        changed = change(self.client._traits)
        if changed != self.client._traits:
            self.client._learn(changed)

    def note(self, fault: str, what: str, then: str, fix: str = "") -> None:
        told = self.client._trouble(fault, what, then, fix)
        self.meter.troubles.append(told.model_copy(update={"lasting": True}))

    def lend_picture(self, content: bytes) -> str:
        return self.client.lend(content)


def _connect(endpoint: Endpoint) -> AsyncOpenAI:
    load_types_when_used()
    import openai

    key = endpoint.api_key or "none"
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=openai.Timeout(endpoint.timeout_s, connect=CONNECT_TIMEOUT_S),
        # Said outright, since the environment may bring an Authorization for another host.
        default_headers={"Authorization": f"Bearer {key}"},
        # A redirect would carry the prompt to a host that nobody configured.
        http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, verify=endpoint.trust()),
    )
    if endpoint.host != OWN_HOST:
        client.organization = client.project = None
    return client


def _removed_headers(endpoint: Endpoint) -> dict[str, openai.Omit]:
    """Headers that the package would add from the environment, or for a key that is none."""
    import openai

    ambient = os.environ.get("OPENAI_CUSTOM_HEADERS", "") if endpoint.host != OWN_HOST else ""
    names = {line.partition(":")[0].strip() for line in ambient.splitlines()}
    removed = {name: openai.Omit() for name in names if name.lower() != "authorization"}
    return removed if endpoint.api_key else {**removed, "Authorization": openai.Omit()}


def _first_traits(endpoint: Endpoint, store: ProfileStore | None) -> Traits:
    if endpoint.profile:
        return guess(endpoint.model).model_copy(update={"profile": endpoint.profile})
    learned = store.load(endpoint.base_url, endpoint.model) if store else None
    return configured(learned or _guessed(endpoint), endpoint.window, endpoint.vision)


def _guessed(endpoint: Endpoint) -> Traits:
    traits = guess(endpoint.model)
    for feature in sorted(endpoint.lacks):
        traits = traits.without(feature)
    window = table_window(endpoint.model, endpoint.base_url)
    return traits.with_window(window) if window else traits


def _may_drop_heads(endpoint: Endpoint) -> bool:
    """Vendors whose windows are public refuse what is too long for them."""
    return table_window(endpoint.model, endpoint.base_url) is None


def _no_blobs(sha256: str) -> bytes:
    raise UsageError(f"image {sha256} cannot be sent: no blob store was given to the model")
