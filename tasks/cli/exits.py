"""What each exit code means. `main` is the only place that exits."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.errors import (
    Divergence,
    Fenced,
    JournalDamaged,
    JournalUnavailable,
    ModelFault,
    NotReady,
    QuaestorError,
    SandboxFailed,
    UsageError,
)

ANSWERED, GAVE_UP, USAGE, PARTIAL, NEEDS_HUMAN, NOT_READY, FAILED = 0, 1, 2, 3, 4, 5, 70
INTERRUPTED, TERMINATED = 130, 143
BY_OUTCOME: Mapping[str, int] = {
    "answered": ANSWERED,
    "gave_up": GAVE_UP,
    "partial": PARTIAL,
    "needs_human": NEEDS_HUMAN,
    "failed": FAILED,
    "cancelled": INTERRUPTED,
}
TABLE = """\b
Exit codes:
  0    answered (or: done)
  1    gave up (replay: differs)
  2    usage or configuration is wrong; nothing was started
  3    partial: a limit was reached (bench: something could not be judged)
  4    needs a human; `quaestor answer` or `quaestor resume` goes on
  5    not ready: sandbox, browser, key, model or disk; `quaestor doctor` shows the fix
  70   failed: a bug of Quaestor; the report's path is shown
  130  cancelled by Ctrl-C or `quaestor cancel`
  143  cancelled by SIGTERM"""
_BY_ERROR: tuple[tuple[type[QuaestorError], int], ...] = (
    (UsageError, USAGE),
    (JournalDamaged, USAGE),
    (Divergence, USAGE),
    (NotReady, NOT_READY),
    (JournalUnavailable, NOT_READY),
    (ModelFault, NOT_READY),
    (SandboxFailed, NOT_READY),
    (Fenced, NEEDS_HUMAN),
)


def code_of_error(error: QuaestorError) -> int:
    """The exit code for one of our errors."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), FAILED)
