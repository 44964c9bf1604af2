"""Counts logins per host: two that failed are the last ones of a run, whatever branch tries them.

Knows the counts only as facts of the run's `Trust`, so they outlive a crash. Knows no browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents.web_surfer.approving import Act
from orchestrator.errors import ToolFailed

if TYPE_CHECKING:
    from agents.web_surfer.page_kinds import Signs
    from agents.web_surfer.provenance import Trust

MAX_FAILED = 2


@dataclass(slots=True)
class Logins:
    """`filled` are the origins whose password field holds a secret that was bound to them."""

    trust: Trust
    filled: set[str] = field(default_factory=set)

    def check(self, host: str) -> None:
        """Raises ToolFailed when no further password may be tried at a host."""
        count = self.trust.failures(host)
        if count >= MAX_FAILED:
            raise ToolFailed(
                f"login_failed: {count} logins at {host} have failed; no more are tried in this run"
            )

    def is_cleared(self, act: Act) -> bool:
        """Whether the operator's own configuration has allowed this login: the password is a
        secret bound to the origin that it is typed into and sent to."""
        origin = act.context.get("origin", "")
        sent_to = act.url if act.submits else origin
        return act.sends_password and origin in self.filled and _origin(sent_to) == origin

    def judge(self, host: str, pages: Sequence[Signs]) -> str:
        """What a submitted password has led to, as a line for the model; a failure is counted.
        A page that asks for a password again has not let anybody in."""
        asked_again = any(page.asks_for_password for page in pages)
        if not asked_again:
            self.trust.note("private", host)
            return ""
        self.trust.note("failed", host)
        count = self.trust.failures(host)
        rest = "no more will be tried" if count >= MAX_FAILED else "one more try is allowed"
        return f"login_failed: login {count} of {MAX_FAILED} at {host} has failed; {rest}"


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
