"""A real Chromium in front of the fixture site; the tests read observations and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Pilot]:
    """One Chromium for a whole file; each test gets a branch of its own (`visit`)."""
    with serving() as site:
        allowed = frozenset({site.authority, site.other_authority, site.tls_authority})
        settings = WebSettings(policy=EgressPolicy(allow=allowed))
        async with WebSurfer.open(settings) as surfer:
            yield Pilot(surfer, site)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(
    shared: Pilot, office: Office, request: pytest.FixtureRequest
) -> AsyncIterator[Pilot]:
    """A pilot with cookies, tabs and an office of its own."""
    shared.site.forget()
    surfer = await shared.surfer.branch(request.node.name, office.ports)
    yield Pilot(surfer, shared.site)
    await surfer.close()
