"""How many bytes a branch may move: in all, and to and from hosts that it did not go to itself.

A page chooses what else it loads and where it sends things; for such hosts the budget is small.
Knows numbers only; the proxy counts, whoever drives the browser says what was visited.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.egress_policy import EgressPolicy, is_listed


@dataclass(slots=True)
class Budget:
    """What was moved so far, by branch, and by branch and host."""

    policy: EgressPolicy
    _visited: set[tuple[str, str]] = field(default_factory=set)
    _moved: dict[str, int] = field(default_factory=dict)
    _sent: dict[tuple[str, str], int] = field(default_factory=dict)
    _received: dict[tuple[str, str], int] = field(default_factory=dict)

    def visit(self, branch: str, host: str) -> None:
        """The branch went there itself, so the host is no mere part of a page."""
        self._visited.add((branch, host))

    def spend(self, branch: str, host: str, *, sent: int = 0, received: int = 0) -> str:
        """Count bytes; why no more may follow comes back, or nothing."""
        place = (branch, host)
        self._moved[branch] = self._moved.get(branch, 0) + sent + received
        self._sent[place] = self._sent.get(place, 0) + sent
        self._received[place] = self._received.get(place, 0) + received
        return self.exceeded(branch, host)

    def exceeded(self, branch: str, host: str) -> str:
        """Why no more may pass, or nothing."""
        place, policy = (branch, host), self.policy
        if self._moved.get(branch, 0) > policy.branch_bytes:
            return f"this branch has moved more than {policy.branch_bytes} bytes"
        if place in self._visited or is_listed(host, policy.only_hosts):
            return ""
        if self._sent.get(place, 0) > policy.unvisited_sent:
            return f"pages sent more than {policy.unvisited_sent} bytes to {host}, never visited"
        if self._received.get(place, 0) > policy.unvisited_received:
            most = policy.unvisited_received
            return f"pages took more than {most} bytes from {host}, never visited"
        return ""
