"""Runs tasks through AutoGen's Magentic-One: `python autogen_magentic.py '{"base_url": ...}'`.

Lives in AutoGen's environment and knows nothing of Quaestor. The team is the one that `MagenticOne`
builds; all tasks share one model client. Prints one line of JSON with the answers.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.teams import MagenticOneGroupChat
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_ext.agents.file_surfer import FileSurfer
from autogen_ext.agents.magentic_one import MagenticOneCoderAgent
from autogen_ext.agents.web_surfer import MultimodalWebSurfer
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor
from autogen_ext.models.openai import OpenAIChatCompletionClient
from inside import run_inside
from playwright.async_api import async_playwright

Config = dict[str, Any]


class Surfer(MultimodalWebSurfer):
    """The same, with the Chromium of this machine instead of a downloaded one."""

    chromium = ""

    async def _lazy_init(self) -> None:
        self._playwright = await async_playwright().start()
        browser = await self._playwright.chromium.launch(
            executable_path=self.chromium, args=["--no-sandbox"]
        )
        self._context = await browser.new_context()
        await super()._lazy_init()


class Inside(CodeExecutor):
    """A terminal without a process."""

    component_type = "code_executor"

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        output = ""
        for block in code_blocks:
            code, printed = run_inside(block.code)
            output += printed
            if code:
                break
        return CodeResult(exit_code=code, output=output)

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def restart(self) -> None:
        """Nothing to restart."""


def client_of(config: Config) -> OpenAIChatCompletionClient:
    """A client as for gpt-4o, at the scripted endpoint."""
    return OpenAIChatCompletionClient(
        model="gpt-4o",
        base_url=config["base_url"],
        api_key="scripted",
        model_info={
            "vision": config.get("vision", True),
            "function_calling": True,
            "json_output": True,
            "structured_output": config.get("structured", True),
            "family": "gpt-4o",
        },
    )


async def solve(config: Config, client: OpenAIChatCompletionClient, task: str) -> Config:
    """One task with a team of its own."""
    folder = tempfile.mkdtemp()
    executor = (
        Inside()
        if config.get("terminal") == "inside"
        else LocalCommandLineCodeExecutor(work_dir=folder)
    )
    surfer = Surfer("WebSurfer", model_client=client, start_page=config.get("start_page"))
    surfer.chromium = config.get("chromium", "")
    team = MagenticOneGroupChat(
        [
            FileSurfer("FileSurfer", model_client=client, base_path=str(Path.cwd())),
            surfer,
            MagenticOneCoderAgent("Coder", model_client=client),
            CodeExecutorAgent("ComputerTerminal", code_executor=executor),
        ],
        model_client=client,
        max_turns=config.get("turns", 100),
    )
    try:
        result = await team.run(task=task)
    except Exception as error:  # noqa: BLE001 - however it ends, the other tasks go on
        return {"answer": None, "error": f"{type(error).__name__}: {error}"[:300]}
    finally:
        await surfer.close()
    used = [message.models_usage for message in result.messages if message.models_usage]
    tokens = sum(usage.prompt_tokens + usage.completion_tokens for usage in used)
    answer = getattr(result.messages[-1], "content", "")
    return {"answer": answer, "stop": result.stop_reason, "tokens": tokens}


async def main() -> None:
    config: Config = json.loads(sys.argv[1])
    client = client_of(config)
    room = asyncio.Semaphore(config.get("at_once", len(config["tasks"])))

    async def when_free(task: str) -> Config:
        async with room:
            return await solve(config, client, task)

    began = time.perf_counter()
    results = await asyncio.gather(*(when_free(task) for task in config["tasks"]))
    seconds = time.perf_counter() - began
    used = client.total_usage()
    print(
        json.dumps(
            {
                "results": results,
                "seconds": seconds,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "tokens": used.prompt_tokens + used.completion_tokens,
            }
        ),
        flush=True,
    )


asyncio.run(main())
