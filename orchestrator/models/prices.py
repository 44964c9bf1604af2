"""What tokens cost, in micro-dollars: a configured price first, else the genai-prices table.

An endpoint that the table does not know has no price, even if the model's name looks familiar:
the same name costs something else behind every gateway. The table comes with the package; nothing
is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

MICROS_PER_USD = 1_000_000


class Tokens(Protocol):
    """The three counts that a price applies to; `prompt_tokens` includes the cached ones."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, which is the same number as micro-dollars per token."""

    prompt: float
    completion: float
    cached: float | None = None

    def micros(self, tokens: Tokens) -> int:
        """The cost of these tokens."""
        cached = self.prompt if self.cached is None else self.cached
        cost = (
            Decimal(tokens.prompt_tokens - tokens.cached_tokens) * Decimal(str(self.prompt))
            + Decimal(tokens.cached_tokens) * Decimal(str(cached))
            + Decimal(tokens.completion_tokens) * Decimal(str(self.completion))
        )
        return _whole(cost)


def table_micros(model: str, base_url: str, tokens: Tokens) -> int | None:
    """The cost by the table, None where it does not know the endpoint or the model."""
    if _is_private(base_url):
        return None
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens.prompt_tokens,
        cache_read_tokens=tokens.cached_tokens,
        output_tokens=tokens.completion_tokens,
    )
    try:
        price = calc_price(usage, model, provider_api_url=base_url)
    except LookupError:
        return None
    return _whole(Decimal(price.total_price) * MICROS_PER_USD)


def table_window(model: str, base_url: str) -> int | None:
    """The context size by the same table, in tokens."""
    if _is_private(base_url):
        return None
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(input_tokens=1), model, provider_api_url=base_url)
    except LookupError:
        return None
    window = found.model.context_window
    return int(window) if window else None


def _is_private(base_url: str) -> bool:
    """A server on this machine or network: no table knows it, so none is loaded (0.3 s)."""
    host = urlsplit(base_url).hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host


def _whole(cost: Decimal) -> int:
    return int(cost.quantize(Decimal(1), rounding=ROUND_HALF_UP))
