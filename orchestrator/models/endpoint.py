"""Where a model lives, and what of that is fit to be shown."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from orchestrator.errors import UsageError
from orchestrator.models.capability import Feature
from orchestrator.models.gate import NO_PACE, OPEN, Gate, Pace
from orchestrator.models.llm import Profile
from orchestrator.models.prices import Price


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a base URL. A configured `profile`, `window`, `vision` or `price` wins over what
    is known or learned; `lacks` is what this kind of endpoint is known not to have. Requests wait
    at its `gate`.

    `key_env` is only named in messages; reading it is up to whoever builds the endpoint.
    """

    model: str
    base_url: str = "https://api.openai.com/v1"
    api_key: str | None = field(default=None, repr=False)
    key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 180.0
    profile: Profile | None = None
    window: int | None = None
    vision: bool | None = None
    lacks: frozenset[Feature] = frozenset()
    price: Price | None = None
    pace: Pace = NO_PACE
    gate: Gate = field(default=OPEN, repr=False, compare=False)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def shown_url(self) -> str:
        """The base URL without user and password."""
        return urlsplit(self.base_url)._replace(netloc=self.host).geturl()

    def trust(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed: the usual ones, and none at an address without TLS,
        where loading them would take longer than many an answer."""
        is_plain = urlsplit(self.base_url).scheme == "http"
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else True

    def check(self) -> None:
        """Raises UsageError for an address or a key that cannot work."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"the base URL {self.shown_url!r} is no http(s) address",
                fix="give the address of the API, such as https://api.openai.com/v1",
            )
        key = self.api_key or ""
        if not (key.isascii() and key.isprintable()) or key != key.strip():
            raise UsageError(
                f"the key in {self.key_env} holds spaces, line breaks or non-ASCII characters",
                fix=f"set {self.key_env} again, to the key alone",
            )
