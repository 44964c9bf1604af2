"""Runs tasks through Microsoft Agent Framework's Magentic workflow, configured by one JSON word.

Lives in its own environment and knows nothing of Quaestor. The framework brings no agents for
files, pages and programs: these have function tools as its guides write them, and the terminal is
an agent without a model, as AutoGen's is. Prints one line of JSON with the answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent_framework import Agent, AgentResponse, AgentSession, BaseAgent, Message
from agent_framework.openai import OpenAIChatCompletionClient
from agent_framework_orchestrations import MagenticBuilder
from inside import run_inside

Config = dict[str, Any]
PAGE = 5120
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Viewer:
    """Files in pages of AutoGen's size."""

    def __init__(self) -> None:
        self.path, self.page = "", 0

    def open_path(self, path: str) -> str:
        """Open a local file and show its first page."""
        self.path, self.page = path, 0
        return self._shown()

    def page_down(self) -> str:
        """Show the next page of the open file."""
        self.page += 1
        return self._shown()

    def _shown(self) -> str:
        text = Path(self.path).read_text(encoding="utf-8")
        part = text[self.page * PAGE : (self.page + 1) * PAGE]
        return f"Path: {self.path}\nShowing page {self.page + 1}.\n=======\n{part}"


class Browser:
    """A browser's page as text with numbered links."""

    def __init__(self, chromium: str) -> None:
        self.chromium, self.page = chromium, None

    async def visit_url(self, url: str) -> str:
        """Open a URL in the browser."""
        if self.page is None:
            from playwright.async_api import async_playwright

            self.driver = await async_playwright().start()
            self.browser = await self.driver.chromium.launch(
                executable_path=self.chromium, args=["--no-sandbox"]
            )
            self.page = await self.browser.new_page()
        await self.page.goto(url)
        return await self._shown()

    async def click(self, target_id: int) -> str:
        """Click a link by its number."""
        await self.page.locator("a").nth(target_id).click()
        await self.page.wait_for_load_state()
        return await self._shown()

    async def _shown(self) -> str:
        title, text = await self.page.title(), await self.page.inner_text("body")
        names = await self.page.locator("a").all_inner_texts()
        links = "\n".join(f'{{"id": {n}, "name": "{name}"}}' for n, name in enumerate(names))
        return f"The browser is open to the page [{title}]({self.page.url}).\n{text}\n{links}"

    async def close(self) -> None:
        if self.page is not None:
            await self.browser.close()
            await self.driver.stop()


class Terminal(BaseAgent):
    """Runs the newest program that was written, without a model."""

    inside = False

    def run(self, messages: Any = None, *, stream: bool = False, session: Any = None, **_more: Any):
        if stream:
            raise NotImplementedError("this agent does not stream")
        return self._run(messages)

    async def _run(self, messages: Any) -> AgentResponse:
        texts = [message.text for message in messages or []]
        programs = PROGRAM.findall("\n".join(texts))
        code, output = await asyncio.to_thread(self._execute, programs[-1])
        if code:
            output = f"The script ran, then exited with an error ({code})\n{output}"
        said = Message("assistant", [output], author_name=self.name)
        return AgentResponse(messages=[said])

    def _execute(self, program: str) -> tuple[int, str]:
        if self.inside:
            return run_inside(program)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program.py"
            file.write_text(program, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, str(file)], capture_output=True, text=True, check=False
            )
        return done.returncode, done.stdout + done.stderr

    def create_session(self, *, session_id: str | None = None) -> AgentSession:
        return AgentSession(session_id=session_id)


async def solve(config: Config, client: OpenAIChatCompletionClient, task: str) -> Config:
    """One task with a team of its own."""
    viewer, browser = Viewer(), Browser(config.get("chromium", ""))
    terminal = Terminal(name="ComputerTerminal", description="Runs the newest program.")
    terminal.inside = config.get("terminal") == "inside"

    def member(name: str, does: str, tools: list[Any]) -> Agent:
        return Agent(
            client, f"You are the {name}. {does}", name=name, description=does, tools=tools
        )

    team = [
        member("FileSurfer", "You read local files.", [viewer.open_path, viewer.page_down]),
        member("WebSurfer", "You use a web browser.", [browser.visit_url, browser.click]),
        member("Coder", "You write Python programs in code blocks.", []),
        terminal,
    ]
    manager = Agent(client, "You lead a team of agents.", name="Manager")
    workflow = MagenticBuilder(
        participants=team, manager_agent=manager, max_round_count=config.get("turns", 100)
    ).build()
    try:
        result = await workflow.run(task)
        outputs = result.get_outputs()
    except Exception as error:  # noqa: BLE001 - however it ends, the other tasks go on
        return {"answer": None, "error": f"{type(error).__name__}: {error}"[:300]}
    finally:
        await browser.close()
    return {"answer": _text(outputs[-1]) if outputs else None}


def _text(output: Any) -> str:
    many = output if isinstance(output, list) else [output]
    return str(getattr(many[-1], "text", many[-1]))


async def main() -> None:
    config: Config = json.loads(sys.argv[1])
    client = OpenAIChatCompletionClient("gpt-4o", api_key="scripted", base_url=config["base_url"])
    began = time.perf_counter()
    results = await asyncio.gather(*(solve(config, client, task) for task in config["tasks"]))
    seconds = time.perf_counter() - began
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"results": results, "seconds": seconds, "rss_mb": rss}), flush=True)


asyncio.run(main())
