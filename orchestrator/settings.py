"""Every setting of a run, with its default. Where values come from is not known here.

Secrets are never in here: a setting names the environment variable or file that holds a key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from orchestrator.agent import Approvals
from orchestrator.events import StrategyName
from orchestrator.limits import Limits
from orchestrator.models.llm import Frozen
from orchestrator.work import OnQuestion

Boxing = Literal["auto", "bubblewrap", "none"]
LauncherName = Literal["docker", "bubblewrap", "unsafe-local"]
ToolClass = Literal["read", "write", "irreversible"]
Without = Literal["ledger", "parallel", "verify", "compaction", "filesurfer", "websurfer", "coder"]
SearchProvider = Literal["duckduckgo", "searxng", "brave", "tavily"]


class KeySettings(Frozen):
    """Where a key is, never the key itself. `api_key_command` is a program with its arguments, run
    without a shell; `api_key_keyring` is `service/user`."""

    api_key_env: str | None = None
    api_key_file: str | None = None
    api_key_command: tuple[str, ...] | None = Field(default=None, min_length=1)
    api_key_keyring: str | None = None


class PaceSettings(Frozen):
    """What an endpoint takes from all units of all batches together."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    at_once: int | None = Field(default=None, ge=1)


class ModelSettings(KeySettings, PaceSettings):
    """Which model answers, and where. `lead` and `vision` fall back to what `name` does. Names
    parted by commas are a chain: the next takes over when the one before is out. `audio` turns
    recordings into text, and without it none leaves the machine."""

    name: str | None = None
    lead: str | None = None
    audio: str | None = None
    preset: str | None = None
    base_url: str | None = None
    window: int | None = Field(default=None, ge=2_000)
    vision: bool | None = None
    timeout_s: float = Field(default=180.0, gt=0)


class ProviderSettings(KeySettings, PaceSettings):
    """An endpoint of the user's own, under a name that models are asked for with: `NAME:model`."""

    preset: str | None = None
    base_url: str | None = None
    window: int | None = Field(default=None, ge=2_000)
    vision: bool | None = None


class WebSettings(Frozen):
    """What the browser may reach, who searches, and whether Chromium runs in a box (`auto`: where
    one can be made). Hosts are HOST or HOST:PORT. `tell_hosts` may be told what a run has read in
    files or behind a login; `closed_places` (HOST with all below it, or HOST/PATH) are never looked
    at."""

    enabled: bool = True
    allow_hosts: tuple[str, ...] = ()
    only_hosts: tuple[str, ...] = ()
    tell_hosts: tuple[str, ...] = ()
    closed_places: tuple[str, ...] = ()
    search: SearchProvider = "duckduckgo"
    search_url: str | None = None
    search_key_env: str | None = None
    chromium: str | None = None
    box: Boxing = "auto"


class BoxSettings(Frozen):
    """Where code runs and which hosts it may reach (none by default)."""

    launcher: LauncherName = "docker"
    image: str = "quaestor-sandbox"
    runtime: str | None = None
    code_hosts: tuple[str, ...] = ()
    timeout_s: float = Field(default=60.0, gt=0)


class ForensicsSettings(Frozen):
    """What is taken in of a forensics case at most: files, bytes a file, bytes in all, depth of
    folders; and how many entries are listed that were left out."""

    files: int = Field(default=1_000, gt=0, le=9_999)
    file_bytes: int = Field(default=4 << 30, gt=0)
    case_bytes: int = Field(default=16 << 30, gt=0)
    depth: int = Field(default=32, gt=0, le=200)
    listed: int = Field(default=100_000, gt=0)


class SecretSettings(Frozen):
    """A value that is typed by its name, on one origin only. Exactly one of the others says where
    the value is: a variable, a file, or a program (without a shell) whose first line it is."""

    origin: str
    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None


class NotifySettings(Frozen):
    """A webhook that hears of loops and of runs that wait for a person; `secret_env` names the
    variable with the secret that signs."""

    webhook: str | None = None
    secret_env: str | None = None


class AgentSettings(Frozen):
    """An agent of the roster: switched off, or taken from another installed package."""

    enabled: bool = True
    use: str | None = None


class ToolSettings(Frozen):
    """A function of another package as a tool, `package.module:function`, with its class."""

    use: str
    risk: ToolClass = "irreversible"


class ToolsSettings(Frozen):
    """Tools added to the team; they are offered by the roster member Toolbox."""

    add: tuple[ToolSettings, ...] = ()


class Settings(Frozen):
    """The resolved settings of a run, as the journal stores them."""

    models: ModelSettings = ModelSettings()
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    limits: Limits = Limits()
    web: WebSettings = WebSettings()
    sandbox: BoxSettings = BoxSettings()
    forensics: ForensicsSettings = ForensicsSettings()
    secrets: dict[str, SecretSettings] = Field(default_factory=dict)
    agents: dict[str, AgentSettings] = Field(default_factory=dict)
    tools: ToolsSettings = ToolsSettings()
    notify: NotifySettings = NotifySettings()
    approvals: Approvals = "ask-risky"
    on_question: OnQuestion = "stop"
    require_evidence: bool = False
    without: tuple[Without, ...] = ()
    strategy: StrategyName = "magentic"
    prompts: Path | None = None
    demo: bool = False
    home: Path = Path()
    journal_url: str | None = None
    out: Path | None = None

    def recorded(self) -> dict[str, object]:
        """What the journal keeps: all but where this machine stores things."""
        return self.model_dump(mode="json", exclude={"home", "journal_url", "out"})
