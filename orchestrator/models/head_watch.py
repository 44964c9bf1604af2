"""Notices an endpoint that drops the head of a long prompt without a word.

Pure: our own estimate of a prompt and the number of tokens that the endpoint says it counted go
in, a judgement comes out. Asking the model about marks at the head is up to the caller.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

LEAST_TOKENS = 400  # shorter prompts fit everywhere and say little about the tokenizer
KNOWN_SLACK, UNKNOWN_SLACK = 0.9, 0.75
BLOCK = 256  # windows are configured in round numbers
HALF_BLOCK = 512
Judgement = Literal["whole", "doubtful", "cut"]


@dataclass(slots=True)
class HeadWatch:
    """What the counts of one endpoint and model have shown so far. Counts are tokens."""

    ratios: deque[float] = field(default_factory=lambda: deque(maxlen=8))
    longest: int = 0
    seen_whole: int = 0
    doubtful: dict[int, int] = field(default_factory=dict)
    window: int | None = None

    def judge(self, estimate: int, counted: int | None) -> Judgement:
        """Whether a prompt of this estimated length has arrived whole, by what was counted."""
        if counted is None or min(estimate, counted) < LEAST_TOKENS:
            return "whole"
        if estimate <= self.seen_whole or counted >= self._slack() * self.expected(estimate):
            self.ratios.append(counted / estimate)
            self.longest = max(self.longest, counted)
            return "whole"
        sure = _is_round(counted) or self.doubtful.get(counted, estimate) != estimate
        self.doubtful[counted] = estimate
        return "cut" if sure else "doubtful"

    def note_whole(self, estimate: int) -> None:
        """The model has read back marks at the head of a prompt of this length."""
        self.seen_whole = max(self.seen_whole, estimate)

    def note_cut(self, counted: int) -> int:
        """The head was lost: the window that this shows, in tokens."""
        self.window = max(self.longest, _window(counted))
        return self.window

    def is_too_long(self, estimate: int) -> bool:
        """Whether this endpoint would cut such a prompt, as it has cut one before."""
        return self.window is not None and self.expected(estimate) > self.window

    def expected(self, estimate: int) -> float:
        """The count that our estimate would have with the endpoint's tokenizer."""
        return estimate * (median(self.ratios) if self.ratios else 1.0)

    def _slack(self) -> float:
        """How far a count may fall short: text differs in how many characters make a token."""
        steady = len(self.ratios) > 1 and max(self.ratios) < 1.1 * min(self.ratios)
        return KNOWN_SLACK if steady else UNKNOWN_SLACK


def _is_round(counted: int) -> bool:
    return counted % BLOCK == 0 or _half_of(counted) is not None


def _half_of(counted: int) -> int | None:
    """Ollama keeps half of its window and a few tokens: 2,050 of 4,096, 16,387 of 32,768."""
    return next((2 * (counted - n) for n in (2, 3) if (counted - n) % HALF_BLOCK == 0), None)


def _window(counted: int) -> int:
    return _half_of(counted) or counted
