"""The contract between the lead and an agent: an Assignment goes in, one Report comes out.

An agent may take many steps on the way. Each step goes through its WorkContext, which is what
makes it happen once, be counted, and be found again after a crash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field

from orchestrator.models.llm import Completion, Frozen, Profile, Request

Effect = Literal["idempotent", "ambiguous"]
SourceKind = Literal["url", "path", "tool", "human"]
Approvals = Literal["ask-all", "ask-risky", "deny-risky", "allow-all"]
ReportStatus = Literal["done", "failed", "blocked", "needs_human"]
Obstacle = Literal["", "captcha", "login_wall", "paywall", "consent_banner", "error_page"]
"""What stands between a reader and a page."""
CODE_OUTPUT = "code output"
"""How the locator of what a program has printed begins."""
Json = Any
"""A value that JSON can hold: None, bool, int, float, str, list, dict."""


class Source(Frozen):
    """Where bytes came from: a URL, a workspace path, a tool's name, or a person."""

    kind: SourceKind
    ref: str


class Artifact(Frozen):
    """A file that a step made or changed, stored by content."""

    path: str
    sha256: str
    size: int
    media_type: str = "application/octet-stream"


class CodeArtifact(Frozen):
    """A program with its author. Only code authored by the Coder is ever run."""

    id: str
    author: str
    language: str
    code: str


class Evidence(Frozen):
    """Stored bytes that a claim can point at. `id` derives from the path of the step."""

    id: str
    sha256: str
    media_type: str
    source: Source
    locator: str = ""
    quote: str = ""
    step: str = ""


class Observation(Frozen):
    """What a tool showed.

    With a `source` the full text is stored as evidence. `page` is where it happened (a URL, a
    path), for the loop detector. `snapshot` is what the device needs to be made again on resume.
    `conclusive` is false where it cannot be a result by itself: a program that ended badly.
    `view` is "whole" when it shows a device's state in full, "changes" when only what differs from
    the view before it: such a one needs the newest whole view to be understood.
    """

    text: str
    source: Source | None = None
    locator: str = ""
    media_type: str = "text/plain"
    page: str = ""
    failed: bool = False
    conclusive: bool = True
    untrusted: bool = True
    snapshot: Json = None
    artifacts: tuple[Artifact, ...] = ()
    images: tuple[str, ...] = ()
    code: CodeArtifact | None = None
    view: Literal["", "whole", "changes"] = ""


class ToolInvocation(Frozen):
    """A tool call that the lead names outright, so that no worker call is needed."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Assignment(Frozen):
    """What one agent is asked to do, with what it needs to know (`brief`).

    `path` is the logical path of the work (`round/3/2.WebSurfer`); `alone` is false when another
    assignment for the same agent runs at the same time and a device of its own is needed.
    `code` is the newest program of the Coder, for whoever runs it. With `one_turn` the agent
    hands back after its first model call: what its tools showed is the report.
    """

    id: str
    path: str
    agent: str
    instruction: str
    brief: str = ""
    tool: ToolInvocation | None = None
    code: CodeArtifact | None = None
    alone: bool = True
    one_turn: bool = False


class Report(Frozen):
    """What an agent hands back: one per assignment. `trace` holds a hash per tool call over
    (tool, arguments, page, result), for the loop detector. `obstacle` is what the last page of the
    work was instead of what was looked for."""

    status: ReportStatus
    summary: str
    evidence: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    code: CodeArtifact | None = None
    trace: tuple[str, ...] = ()
    obstacle: Obstacle = ""


class Question(Frozen):
    """A typed question to a person. `options` empty means free text."""

    kind: Literal["ask", "approve"]
    text: str
    options: tuple[str, ...] = ()
    default: str | None = None
    timeout_s: float | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Answer(Frozen):
    """`unanswered` is never worded as a denial."""

    status: Literal["answered", "approved", "denied", "unanswered"]
    text: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Once:
    """The result of a step. `live` is false when it came from the journal; `unknown` is true
    when the step was begun before a crash and nobody can say whether it happened."""

    value: Json
    live: bool
    unknown: bool = False


class WorkContext(Protocol):
    """What an agent may do while it works on one assignment."""

    @property
    def path(self) -> str:
        """The logical path under which everything here is recorded."""
        ...

    @property
    def profile(self) -> Profile:
        """What the model for this agent can do."""
        ...

    @property
    def approvals(self) -> Approvals:
        """Which tool calls need a person's consent."""
        ...

    @property
    def readers(self) -> frozenset[str]:
        """Who has read something for this run so far: agents by name, or an earlier run."""
        ...

    @property
    def said(self) -> str:
        """What people have told the run: the task, notes and answers, word for word."""
        ...

    @property
    def observation_chars(self) -> int:
        """How much of one observation a prompt may hold."""
        ...

    async def complete(self, name: str, request: Request) -> Completion:
        """Call the model once under `path/name`. Raises LimitReached or ModelFault."""
        ...

    async def once(
        self,
        name: str,
        fn: Callable[[], Awaitable[Json]],
        *,
        kind: str,
        fingerprint: Json,
        effect: Effect = "idempotent",
    ) -> Once:
        """Do `fn` once under `path/name`; after a crash return what is recorded."""
        ...

    async def add_evidence(self, name: str, observation: Observation) -> Evidence:
        """Store the observation's text under `path/name` and record it as evidence."""
        ...

    async def learn_window(self, name: str, request: Request) -> None:
        """Record that the endpoint takes less than this request; observations get shorter."""
        ...

    async def withhold(self, name: str, evidence: tuple[str, ...]) -> None:
        """Record that a content filter refused these observations."""
        ...

    async def stop_loop(self, name: str, what: str) -> None:
        """Record that the agent was stopped because it repeated itself."""
        ...

    async def ask(self, name: str, question: Question) -> Answer:
        """Ask a person, by the run's policy. Raises Waiting when nobody is here."""
        ...

    async def record(self, name: str, schema: str, body: Json) -> None:
        """Record a value of a task family under `path/name`; the core does not look inside."""
        ...

    def put_blob(self, content: bytes) -> str:
        """Store bytes by content; the sha256 comes back."""
        ...

    def get_blob(self, sha256: str) -> bytes:
        """The bytes stored under this sha256."""
        ...


class Agent(Protocol):
    """A member of the roster. Only `work` is called by the loop."""

    @property
    def name(self) -> str:
        """The name that the lead uses."""
        ...

    @property
    def description(self) -> str:
        """What it can do, in the words that the lead reads; names its direct tools."""
        ...

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        """Do the assignment and hand back one Report. Failures are reports, not exceptions."""
        ...

    async def close(self) -> None:
        """Let go of devices. Called once, also after a cancel."""
        ...
