"""Where settings come from: flag > QUAESTOR_* > project file > user file > default.

Every value keeps its origin. The project's file is the nearest `quaestor.toml` upwards, no
further than the root of the repository; what it may decide without being trusted is in
`trust.py`. Keys and passwords never pass through here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import UsageError
from orchestrator.limits import Limits, parse_limits
from orchestrator.settings import Settings
from tasks.config_file import FILE_NAME, NAMED, ConfigFile, Given, is_known, read_config
from tasks.trust import check_project

ENVIRONMENT: Mapping[str, str] = {
    "QUAESTOR_MODEL": "models.name",
    "QUAESTOR_LEAD_MODEL": "models.lead",
    "QUAESTOR_AUDIO_MODEL": "models.audio",
    "QUAESTOR_BASE_URL": "models.base_url",
    "QUAESTOR_MODEL_PRESET": "models.preset",
    "QUAESTOR_API_KEY_ENV": "models.api_key_env",
    "QUAESTOR_API_KEY_FILE": "models.api_key_file",
    "QUAESTOR_API_KEY_KEYRING": "models.api_key_keyring",
    "QUAESTOR_MODEL_WINDOW": "models.window",
    "QUAESTOR_MODEL_VISION": "models.vision",
    "QUAESTOR_MODEL_TIMEOUT": "models.timeout_s",
    "QUAESTOR_WEB": "web.enabled",
    "QUAESTOR_ALLOW_HOST": "web.allow_hosts",
    "QUAESTOR_ONLY_HOST": "web.only_hosts",
    "QUAESTOR_TELL_HOST": "web.tell_hosts",
    "QUAESTOR_SEARCH": "web.search",
    "QUAESTOR_SEARCH_URL": "web.search_url",
    "QUAESTOR_SEARCH_KEY_ENV": "web.search_key_env",
    "QUAESTOR_CHROMIUM": "web.chromium",
    "QUAESTOR_BROWSER_BOX": "web.box",
    "QUAESTOR_SANDBOX": "sandbox.launcher",
    "QUAESTOR_SANDBOX_IMAGE": "sandbox.image",
    "QUAESTOR_SANDBOX_RUNTIME": "sandbox.runtime",
    "QUAESTOR_CODE_HOST": "sandbox.code_hosts",
    "QUAESTOR_CODE_TIMEOUT": "sandbox.timeout_s",
    "QUAESTOR_APPROVALS": "approvals",
    "QUAESTOR_ON_QUESTION": "on_question",
    "QUAESTOR_REQUIRE_EVIDENCE": "require_evidence",
    "QUAESTOR_WITHOUT": "without",
    "QUAESTOR_STRATEGY": "strategy",
    "QUAESTOR_PROMPTS": "prompts",
    "QUAESTOR_JOURNAL_URL": "journal_url",
    "QUAESTOR_OUT": "out",
}
OTHER_VARIABLES = {
    "QUAESTOR_HOME", "QUAESTOR_CONFIG", "QUAESTOR_LIMIT", "QUAESTOR_NO_WEB", "QUAESTOR_API_KEY",
    "QUAESTOR_SETUP",
}  # fmt: skip
LISTS = {
    "web.allow_hosts", "web.only_hosts", "web.tell_hosts", "sandbox.code_hosts", "without",
}  # fmt: skip
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look for configuration: the environment, the folder, what the command line named."""

    environ: Mapping[str, str]
    folder: Path
    home: Path
    home_origin: str = "default"
    config: Path | None = None
    trust_project: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings, where each came from (by dotted key), and the files that were read."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    files: tuple[ConfigFile, ...] = ()

    def origin(self, key: str) -> str:
        """Where the value under a key was given."""
        return self.origins.get(key, DEFAULT)


def resolve(flags: Sequence[Given], place: Place) -> Resolved:
    """The settings in force. Raises UsageError for what is unknown, wrong or not trusted."""
    user = read_config(user_file(place.environ))
    named = place.config or _named(place.environ)
    if named is not None and not named.is_file():
        raise UsageError(f"the configuration file {named} is not there", fix="correct --config")
    project = read_config(named or project_file(place.folder))
    below = list(user.given) if user else []
    if project is not None and named is None:
        check_project(project, _limits(below), place.home, accept=place.trust_project)
    layers = [*below, *(project.given if project else ()), *_environment(place.environ), *flags]
    chosen = {given.key: given for given in layers}
    settings = _settings(chosen.values(), _limits(layers), place.home)
    origins = {given.key: given.origin for given in layers} | {"home": place.home_origin}
    files = tuple(file for file in (user, project) if file is not None)
    return Resolved(settings, origins, files)


def user_file(environ: Mapping[str, str]) -> Path:
    """The user's own file, which is trusted."""
    if environ.get("XDG_CONFIG_HOME"):
        return Path(environ["XDG_CONFIG_HOME"]) / "quaestor" / FILE_NAME
    from platformdirs import user_config_path

    return user_config_path("quaestor") / FILE_NAME


def journal_url(environ: Mapping[str, str]) -> str | None:
    """Where the journal is, for commands that start nothing: a project has no say in it."""
    if environ.get("QUAESTOR_JOURNAL_URL"):
        return environ["QUAESTOR_JOURNAL_URL"]
    user = read_config(user_file(environ))
    found = [given.value for given in user.given if given.key == "journal_url"] if user else []
    return str(found[0]) if found else None


def project_file(folder: Path) -> Path | None:
    """The nearest file upwards, no further than the repository that the folder is in."""
    here = folder.absolute()
    for candidate in (here, *here.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
        if (candidate / ".git").exists():
            return None
    return None


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """QUAESTOR_* variables that nothing reads; most likely misspelled."""
    known = {*ENVIRONMENT, *OTHER_VARIABLES}
    return sorted(name for name in environ if name.startswith("QUAESTOR_") and name not in known)


def flattened(settings: Settings) -> dict[str, Any]:
    """Every setting under its dotted key, as the files spell them; JSON values."""
    values: dict[str, Any] = {}
    for name, value in settings.model_dump(mode="json").items():
        if name == "limits":
            values |= {f"limits.{key}": shown for key, shown in shown_limits(value).items()}
        elif name in NAMED:
            for one, fields in value.items():
                values |= {f"{name}.{one}.{inner}": item for inner, item in fields.items()}
        elif isinstance(value, dict):
            values |= {f"{name}.{inner}": item for inner, item in value.items()}
        else:
            values[name] = value
    return values


def _named(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("QUAESTOR_CONFIG")
    return Path(named) if named else None


def _environment(environ: Mapping[str, str]) -> list[Given]:
    found = []
    if environ.get("OPENAI_BASE_URL") and not environ.get("QUAESTOR_BASE_URL"):
        found.append(Given("models.base_url", environ["OPENAI_BASE_URL"], "env OPENAI_BASE_URL"))
    for name, key in ENVIRONMENT.items():
        if environ.get(name):
            text = environ[name]
            value: Any = _split(text) if key in LISTS else text
            found.append(Given(key, value, f"env {name}"))
    if environ.get("QUAESTOR_NO_WEB", "0").lower() not in ("0", "false", "no", ""):
        found.append(Given("web.enabled", False, "env QUAESTOR_NO_WEB"))
    return [*found, *limits_given(environ.get("QUAESTOR_LIMIT", ""), "env QUAESTOR_LIMIT")]


def limits_given(text: str, origin: str) -> list[Given]:
    """`rounds=30,usd=1.50` as one value per limit."""
    parse_limits(text, Limits())
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return [Given(f"limits.{name.strip()}", value.strip(), origin) for name, _, value in pairs]


def _limits(given: Iterable[Given]) -> Limits:
    limits = Limits()
    for item in given:
        if item.key.startswith("limits."):
            limits = item.lower(limits)
    return limits


def _settings(chosen: Iterable[Given], limits: Limits, home: Path) -> Settings:
    by_key = {given.key: given for given in chosen}
    tree: dict[str, Any] = {"limits": limits, "home": home}
    for key, given in by_key.items():
        if key.startswith("limits."):
            continue
        *sections, name = key.split(".")
        inner = tree
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = given.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise _wrong_value(error, by_key) from error


def _wrong_value(error: ValidationError, by_key: Mapping[str, Given]) -> UsageError:
    """The first complaint, in terms of where the value was written."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    for length in range(len(parts), 0, -1):
        given = by_key.get(".".join(parts[:length]))
        if given is not None:
            return UsageError(
                f"{given.origin}: {given.key} = {given.value!r} is not right: {first['msg']}",
                fix="correct the value; quaestor config show lists every key with its value",
            )
    key = ".".join(parts)
    hint = "" if is_known(key) else " (unknown)"
    return UsageError(f"the setting {key}{hint} is not right: {first['msg']}")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def shown_limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Limits as people spell them."""
    shown = dict(limits)
    micros, seconds = shown.pop("usd_micros"), shown.pop("time_s")
    shown["usd"] = None if micros is None else micros / 1_000_000
    shown["time"] = None if seconds is None else f"{seconds:g}s"
    return shown
