"""A real Chromium in front of the fixture site; the tests read observations and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from browser.hard_pages import Site, serving
from browser.piloting import Office, Pilot

from agents.web_surfer.browser import WebSettings
from agents.web_surfer.surfer import WebSurfer
from sandbox.egress_policy import EgressPolicy


@pytest.fixture
def forbidden() -> Iterator[Site]:
    """A server that nobody may reach."""
    with serving() as site:
        yield site


@pytest.fixture
def site(forbidden: Site) -> Iterator[Site]:
    with serving(forbidden.url("")) as site:
        yield site


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
async def pilot(site: Site, office: Office) -> AsyncIterator[Pilot]:
    settings = WebSettings(policy=EgressPolicy(allow=frozenset({site.authority})))
    async with WebSurfer.open(settings, ports=office.ports) as surfer:
        yield Pilot(surfer, site)
