"""Claims of docs/security.md and SECURITY.md that a run without a browser can show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from listening import Visit, listening
from openai_server import serve
from openai_wire import from_request_policy

from orchestrator import events as ev
from orchestrator.models.llm import Request
from orchestrator.settings import AgentSettings, ModelSettings, Settings, WebSettings
from tasks import api

OFF = {name: AgentSettings(enabled=False) for name in ("FileSurfer", "Coder", "ComputerTerminal")}


@pytest.fixture
def site() -> Iterator[tuple[int, list[str]]]:
    """The port of a site, and what was asked of it."""
    seen: list[str] = []

    class Page(Visit):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send("the code is 4711", "text/plain")

    with listening(Page) as port:
        yield port, seen


async def fetched(home: Path, port: int, *, allowed: bool) -> ev.Outcome:
    """A run whose lead has the WebSurfer fetch a page on loopback."""

    def lead(request: Request) -> str:
        if len(request.messages) > 2:
            return json.dumps({"request_satisfied": True, "answer": request.messages[3].content})
        tool = {"name": "fetch", "arguments": {"url": f"http://127.0.0.1:{port}/code?secret=x"}}
        work = {"id": "a1", "agent": "WebSurfer", "instruction": "fetch", "tool": tool}
        return json.dumps({"request_satisfied": False, "assignments": [work]})

    with serve(from_request_policy(lead)) as server:
        settings = Settings(
            home=home,
            models=ModelSettings(name="scripted", base_url=server.base_url),
            agents=OFF,
            web=WebSettings(allow_hosts=(f"127.0.0.1:{port}",) if allowed else ()),
        )
        async with api.open(settings) as quaestor:
            return await quaestor.run("What is the code?")


async def test_an_allowed_private_host_is_reached_and_the_passage_is_logged(
    tmp_path: Path, site: tuple[int, list[str]]
) -> None:
    outcome = await fetched(tmp_path, site[0], allowed=True)
    assert "4711" in str(outcome.answer)
    (log,) = (tmp_path / "logs").glob("*.egress.jsonl")
    passages = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(p["host"], p["port"], p["verdict"]) for p in passages] == [
        ("127.0.0.1", site[0], "passed")
    ]
    assert log.parent.stat().st_mode & 0o077 == 0


async def test_a_private_host_is_refused_unless_the_operator_allows_it(
    tmp_path: Path, site: tuple[int, list[str]]
) -> None:
    outcome = await fetched(tmp_path, site[0], allowed=False)
    assert "loopback" in str(outcome.answer)
    assert site[1] == []
