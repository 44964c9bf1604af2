"""What the models commands do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from orchestrator.errors import ModelFault
from orchestrator.models.endpoint import Endpoint
from orchestrator.models.presets import PRESETS
from orchestrator.settings import Settings
from tasks.cli.ending import count_text, money_text
from tasks.cli.exits import ANSWERED, NOT_READY
from tasks.cli.given import Where
from tasks.cli.opening import load_settings
from tasks.cli.streams import Streams, clean
from tasks.config_file import Given
from tasks.endpoints import endpoints_of, names_of
from tasks.model_probe import Probed, described, probe


def probe_models(
    given: list[Given], where: Where, streams: Streams, *, fresh: bool, as_json: bool
) -> int:
    """Probe every endpoint of the configured models; exit code 5 when one cannot be asked."""
    settings = load_settings(given, where).settings
    failed = False
    for endpoint in _endpoints(settings):
        endpoint.check()
        try:
            found = asyncio.run(probe(endpoint, settings.home, fresh=fresh))
        except ModelFault as fault:
            failed = True
            streams.error(fault.message, fault.fix)
            continue
        if as_json:
            streams.records.write(_record(found))
        else:
            _tell(found, streams)
    return NOT_READY if failed else ANSWERED


def show_presets(streams: Streams, *, as_json: bool) -> int:
    """The table of presets."""
    for preset in PRESETS.values():
        if as_json:
            record = {"name": preset.name, "title": preset.title, "base_url": preset.base_url}
            streams.records.write({**record, "key_env": preset.key_env})
            continue
        address = preset.base_url or f"{preset.url_env} or --base-url"
        streams.out.line(f"{preset.name:<11} {address:<58} {preset.key_env}")
    return ANSWERED


def _endpoints(settings: Settings) -> Sequence[Endpoint]:
    chains = dict.fromkeys(names_of(settings.models))
    found = [end for chain in chains for end in endpoints_of(settings, chain, os.environ)]
    return list(dict.fromkeys(found))


def _record(found: Probed) -> dict[str, object]:
    shown = found.model_dump(mode="json")
    shown["traits"]["confirmed"] = sorted(shown["traits"]["confirmed"])
    return {"about": described(found.traits), **shown}


def _tell(found: Probed, streams: Streams) -> None:
    when = "asked now" if found.fresh else "remembered"
    streams.out.line(f"{clean(found.model)} at {clean(found.base_url)}")
    streams.out.line(f"  {described(found.traits)}")
    for trouble in found.troubles:
        streams.out.line(f"  {clean(trouble.what)}; {clean(trouble.then)}")
        if trouble.fix:
            streams.out.line(f"    fix: {clean(trouble.fix)}")
    usage = found.usage
    cost = ""
    if found.fresh:
        tokens = count_text(usage.prompt_tokens + usage.completion_tokens)
        cost = f"; {usage.calls} calls, {tokens} tokens, {money_text(usage.usd_micros)}"
    streams.out.line(f"  {when}, learned {found.learned:%Y-%m-%d %H:%M} UTC{cost}")
