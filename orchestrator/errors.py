"""Every error that Quaestor raises on purpose, and nothing else.

QuaestorError                 message: what happened; fix: what to do
+-- UsageError                bad flag, file, URL or configuration: nothing was started
+-- NotReady                  a part is missing (engine, browser, key, model): nothing was spent
+-- JournalError
|   +-- Fenced                another process took this run over
|   +-- Divergence            the recorded body under a key differs from the one written now
|   +-- EndOfRecording        a replay has come to what was never recorded
|   +-- JournalDamaged        the stored chain does not add up (torn, tampered, shortened)
|   +-- JournalUnavailable    the store refused a write (disk full, read only, locked)
+-- LimitReached              a limit of the run would be passed by the next call
+-- Waiting                   a person has to answer before this branch can go on
+-- ModelFault                the model endpoint failed in a classified way
+-- ToolFailed                a tool could not do it; the text goes back to the model
|   +-- NeedsApproval         ... because a person has to allow it first
|   +-- NeedsHearing          ... because a model has to listen to a recording first
+-- SandboxFailed             the box itself broke (a failing program in it is a result)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from orchestrator.models.llm import Sound, Trouble, Usage

FaultKind = Literal[
    "rate_limit",
    "overloaded",
    "unreachable",
    "timeout",
    "bad_key",
    "quota",
    "unknown_model",
    "context_too_long",
    "content_filter",
    "bad_request",
    "bad_reply",
]


class QuaestorError(Exception):
    """Base of all our errors."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(QuaestorError):
    """The command line or the configuration is wrong; nothing was started."""


class NotReady(QuaestorError):
    """A part that the run needs is missing; nothing was spent."""


class JournalError(QuaestorError):
    """Base of what can go wrong between us and the journal."""


class Fenced(JournalError):
    """Another process owns the run by now; this one must stop at once."""


class Divergence(JournalError):
    """What is about to be written differs from what is recorded under the same key."""

    def __init__(self, message: str, *, key: str, fix: str | None = None) -> None:
        super().__init__(message, fix=fix)
        self.key = key


class EndOfRecording(JournalError):
    """A replay has come to a key that was never recorded."""

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing is recorded under {key}")
        self.key = key


class JournalDamaged(JournalError):
    """The stored records do not match their hashes."""


class JournalUnavailable(JournalError):
    """The store refused a write; what was acknowledged before is safe."""


class LimitReached(QuaestorError):
    """The next call would pass a limit of the run."""

    def __init__(self, name: str, used: float, allowed: float) -> None:
        super().__init__(f"the limit {name}={allowed:g} is reached (used {used:g})")
        self.name = name
        self.used = used
        self.allowed = allowed


class Waiting(QuaestorError):
    """A question is open and nobody is here to answer it."""

    def __init__(self, question_id: str, text: str) -> None:
        super().__init__(f"waiting for an answer to {question_id}: {text}")
        self.question_id = question_id
        self.text = text


class ModelFault(QuaestorError):
    """The model endpoint failed; `kind` decides what the loop may still do.

    `usage` is what the endpoint has served, and so counted, before the call was given up.
    `window` is the context size in tokens, where the fault has shown it; `troubles` are what
    was got over before.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        fix: str | None = None,
        usage: Usage | None = None,
        window: int | None = None,
        troubles: tuple[Trouble, ...] = (),
    ) -> None:
        super().__init__(message, fix=fix)
        self.kind: FaultKind = kind
        self.usage = usage
        self.window = window
        self.troubles = troubles


class ToolFailed(QuaestorError):
    """A tool could not do what was asked; its one line goes back to the model."""


class NeedsApproval(ToolFailed):
    """A tool stopped before an irreversible act; `details` show the real action."""

    def __init__(self, message: str, details: dict[str, object]) -> None:
        super().__init__(message)
        self.details = details


class NeedsHearing(ToolFailed):
    """A tool stopped before a recording; it can go on once its words are known."""

    def __init__(self, sound: Sound) -> None:
        super().__init__(f"cannot_hear: {sound.name} has to be turned into text first")
        self.sound = sound


class SandboxFailed(QuaestorError):
    """The sandbox itself broke; a failing program inside is a result, never this."""
