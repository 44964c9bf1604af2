"""From the name of a model to the endpoints that may answer it, each with its own key.

`a,b` is a chain: b takes over when a is out. `NAME:model` is a model of a provider: one of the
user's `[providers.NAME]`, or a preset. A key goes only to the host that it was configured for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.errors import NotReady, UsageError
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.gate import Pace
from orchestrator.models.presets import PRESETS, Preset
from orchestrator.settings import (
    KeySettings,
    ModelSettings,
    PaceSettings,
    ProviderSettings,
    Settings,
)
from tasks.keys import Key, configured_key, key_in

OPENAI = PRESETS["openai"]
OWN_VARIABLE = "QUAESTOR_API_KEY"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one name of a chain leads: the model, its address, and whose key may go there."""

    model: str
    base_url: str
    preset: Preset | None
    keys: KeySettings
    is_main: bool


def names_of(models: ModelSettings) -> tuple[str, str]:
    """The chains of the workers and of the lead. Raises NotReady when no model is named."""
    if not models.name:
        raise NotReady(
            "no model is named, so there is nothing to think with",
            fix="give --model NAME (and --base-url URL), or see what works here: quaestor doctor; "
            "without any model: quaestor run --demo",
        )
    return models.name, models.lead or models.name


def endpoints_of(
    settings: Settings, chain: str, environ: Mapping[str, str]
) -> tuple[Endpoint, ...]:
    """The endpoints of a chain, the preferred one first. Raises UsageError for a name that leads
    nowhere, NotReady when a key is missing."""
    places = _places(settings, chain, environ)
    return tuple(_endpoint(settings.models, place, environ) for place in places)


def shown_chain(settings: Settings, chain: str, environ: Mapping[str, str]) -> str:
    """The chain for people: names with their hosts. No key is looked for."""
    places = _places(settings, chain, environ)
    return ", then ".join(f"{place.model} at {_host(place.base_url)}" for place in places)


def _places(settings: Settings, chain: str, environ: Mapping[str, str]) -> list[Place]:
    names = [name.strip() for name in chain.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{chain!r} names no model", fix="give --model NAME or --model A,B")
    return [_place(settings, name, environ, is_first=not n) for n, name in enumerate(names)]


def main_key(settings: Settings, environ: Mapping[str, str]) -> Key:
    """The key of the first model, for people. Raises NotReady for a place that is unreadable."""
    name = (settings.models.name or "").split(",")[0]
    return _key(_place(settings, name, environ, is_first=True), environ)


def _place(settings: Settings, name: str, environ: Mapping[str, str], *, is_first: bool) -> Place:
    models = settings.models
    prefix, colon, model = name.partition(":")
    provider = settings.providers.get(prefix) if colon else None
    if provider is not None:
        preset = _preset(provider.preset)
        base_url = provider.base_url or _address(preset, environ)
        return Place(model, _known(base_url, name), preset, provider, is_main=False)
    preset = PRESETS.get(prefix) if colon else None
    if preset is not None and not (is_first and _is_part_of_name(preset, models)):
        own = models.base_url if is_first and (preset.is_local or preset.base_url is None) else None
        base_url = own or _address(preset, environ)
        return Place(model, _known(base_url, name), preset, models, is_main=is_first)
    preset = _preset(models.preset)
    base_url = models.base_url or _address(preset or OPENAI, environ)
    return Place(name, _known(base_url, name), preset, models, is_main=True)


def _is_part_of_name(preset: Preset, models: ModelSettings) -> bool:
    """`mistral:7b` at a server of one's own is that server's name for a model."""
    address = preset.base_url
    if models.base_url is None or preset.is_local or address is None:
        return False
    return urlsplit(models.base_url).hostname != urlsplit(address).hostname


def _preset(name: str | None) -> Preset | None:
    if name is None:
        return None
    if name not in PRESETS:
        raise UsageError(
            f"there is no preset {name!r}", fix=f"the presets are {', '.join(PRESETS)}"
        )
    return PRESETS[name]


def _address(preset: Preset | None, environ: Mapping[str, str]) -> str | None:
    if preset is None:
        return None
    resource = environ.get(preset.url_env, "").rstrip("/") if preset.url_env else ""
    if not resource:
        return preset.base_url
    return resource if resource.endswith(preset.url_path) else resource + preset.url_path


def _known(base_url: str | None, name: str) -> str:
    if base_url is None:
        raise UsageError(
            f"the model {name!r} has no address",
            fix="give --base-url (Azure: https://RESOURCE.openai.azure.com/openai/v1, or set"
            " AZURE_OPENAI_ENDPOINT), or base_url under its [providers]",
        )
    return base_url


def _key(place: Place, environ: Mapping[str, str]) -> Key:
    """The key of a place. What `[models]`, QUAESTOR_API_KEY and, at an address that is no other
    vendor's, OPENAI_API_KEY name is for the main endpoint."""
    is_models = isinstance(place.keys, ModelSettings)
    configured = configured_key(place.keys, environ) if place.is_main or not is_models else None
    if configured is not None:
        return configured
    names = [OWN_VARIABLE] if place.is_main else []
    vendor = place.preset or _vendor(place.base_url)
    if vendor is not None and _is_at_home(place, vendor, environ):
        names.append(vendor.key_env)
    if vendor is None and place.is_main:
        names.append(OPENAI.key_env)
    return key_in(environ, *names) if names else Key("nowhere", None)


def _vendor(base_url: str) -> Preset | None:
    """The vendor whose own host this is."""
    found = (p for p in PRESETS.values() if not p.is_local and p.base_url)
    return next((p for p in found if _same_host(base_url, str(p.base_url))), None)


def _is_at_home(place: Place, preset: Preset, environ: Mapping[str, str]) -> bool:
    return preset.is_local or _same_host(place.base_url, _address(preset, environ) or "")


def _same_host(one: str, other: str) -> bool:
    return _host(one) == _host(other)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _endpoint(models: ModelSettings, place: Place, environ: Mapping[str, str]) -> Endpoint:
    key = _key(place, environ)
    if key.value is None and _needs_key(place, environ):
        variable = place.preset.key_env if place.preset else OPENAI.key_env
        either = f"QUAESTOR_API_KEY or {variable}" if place.is_main else variable
        raise NotReady(
            f"no key for model {place.model!r} at {place.base_url}. Nothing was started, nothing"
            " was spent.",
            fix=f"set {either}, or name a local server with --base-url",
        )
    overrides: ModelSettings | ProviderSettings | None = None
    if isinstance(place.keys, ProviderSettings) or place.is_main:
        overrides = place.keys if isinstance(place.keys, ProviderSettings) else models
    return Endpoint(
        model=place.model,
        base_url=place.base_url,
        api_key=key.value,
        key_env=_named(key, place, environ),
        timeout_s=models.timeout_s,
        window=overrides.window if overrides else None,
        vision=overrides.vision if overrides else None,
        lacks=place.preset.lacks if place.preset else frozenset(),
        pace=_pace(overrides),
    )


def _pace(said: PaceSettings | None) -> Pace:
    if said is None:
        return Pace()
    return Pace(said.requests_per_minute, said.tokens_per_minute, said.at_once)


def _needs_key(place: Place, environ: Mapping[str, str]) -> bool:
    vendor = place.preset or OPENAI
    return not vendor.is_local and _is_at_home(place, vendor, environ)


def _named(key: Key, place: Place, environ: Mapping[str, str]) -> str:
    """The place of the key, for the fix of a refused one."""
    if key.value is None and place.is_main and environ.get(OPENAI.key_env):
        return (
            f"{OWN_VARIABLE} ({OPENAI.key_env} is not sent to other vendors, unless"
            " models.api_key_env names it)"
        )
    return key.env or key.place
