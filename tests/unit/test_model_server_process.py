"""The scripted server as a process of its own, run as a user runs it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.models.endpoint import Endpoint
from orchestrator.models.llm import Message, Request, ToolSpec
from orchestrator.models.openai_compatible import OpenAICompatible

SERVER = Path(__file__).parents[1] / "openai_server.py"
POLICY = """
from orchestrator.models.llm import Completion, ToolCall
def play(request):
    if request.tools:
        return Completion(text="", tool_calls=(ToolCall(id="1", name="go", arguments="{}"),))
    return f"{len(request.messages)} messages"
"""
GO = ToolSpec(name="go", description="Go.", parameters={"type": "object", "properties": {}})


@contextmanager
def process(folder: Path, *flags: str) -> Iterator[str]:
    """Run the server as a user would; yields its base URL."""
    (folder / "its_policy.py").write_text(POLICY, encoding="utf-8")
    argv = [sys.executable, str(SERVER), "--request-policy", "its_policy:play", *flags]
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().split()[-1]
        finally:
            running.terminate()


async def test_the_process_plays_the_policy_and_logs_every_request(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    flags = [
        "--no-tools",
        "--text-only",
        "--mode",
        "text",
        "--fault",
        "503@2x2",
        "--delay-ms",
        "50",
    ]
    with process(tmp_path, "--log", str(log), *flags) as base_url:
        with urllib.request.urlopen(f"{base_url}/models") as models:
            assert json.load(models)["data"][0]["id"] == "scripted"
        model = OpenAICompatible.open(Endpoint("scripted", base_url))
        hello = (Message(role="user", content="hello"),)
        called = await model.complete(Request(role="r", messages=hello, tools=(GO,)))
        spoken = await asyncio.gather(
            *(model.complete(Request(role="r", messages=hello)) for _ in range(2))
        )
        await model.close()
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert called.tool_calls[0].name == "go"
    assert [reply.text for reply in spoken] == ["1 messages", "1 messages"]
    assert sorted(line["status"] for line in lines) == [200, 200, 200, 400, 503, 503]
    assert max(line["in_flight"] for line in lines) == 2
    assert all(line["left"] - line["came"] >= 0.05 for line in lines)


def test_the_heavy_packages_are_not_loaded_before_they_are_needed() -> None:
    program = (
        "import sys, orchestrator.models.openai_compatible, orchestrator.models.scripted;"
        "print([name for name in ('openai', 'genai_prices', 'httpx2') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.strip() == b"[]"
