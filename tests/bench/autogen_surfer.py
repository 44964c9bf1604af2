"""Drives AutoGen's MultimodalWebSurfer through a list of acts; runs in an environment of its own.

    python autogen_surfer.py CHROMIUM < acts.json

An act is [what, name, text]. The scripted client chooses as a model would: from the list of targets
in the prompt. One JSON line per act: seconds, characters of the prompt, words of the reply.
"""

import asyncio
import json
import re
import sys
import time

from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage
from autogen_ext.agents.web_surfer import MultimodalWebSurfer
from playwright.async_api import async_playwright

NOTHING = RequestUsage(prompt_tokens=0, completion_tokens=0)
VIEWPORT = {"width": 1440, "height": 900}


class ScriptedClient(ChatCompletionClient):
    """Reads the act from the request and its target from the prompt."""

    component_type = "model"

    def __init__(self):
        self.characters = 0

    async def create(self, messages, **options):
        prompt = messages[-2].content
        text = prompt if isinstance(prompt, str) else prompt[0]
        self.characters = len(text)
        what, name, words = json.loads(messages[-1].content)
        call = FunctionCall(
            id="1", name=what, arguments=json.dumps(self._given(text, what, name, words))
        )
        return CreateResult(
            finish_reason="function_calls", content=[call], usage=NOTHING, cached=False
        )

    def _given(self, text, what, name, words):
        given = {"reasoning": "scripted"}
        if what == "visit_url":
            return {**given, "url": name}
        if what == "history_back":
            return given
        found = re.search(r'\{"id": (\d+), "name": "' + re.escape(name), text)
        if found is None:
            raise LookupError(f"no target {name!r} in the prompt")
        key = "target_id" if what == "click" else "input_field_id"
        return {**given, key: int(found.group(1)), **({"text_value": words} if words else {})}

    async def create_stream(self, messages, **options):
        yield await self.create(messages, **options)

    async def close(self):
        pass

    def actual_usage(self):
        return NOTHING

    def total_usage(self):
        return NOTHING

    def count_tokens(self, messages, **options):
        return 0

    def remaining_tokens(self, messages, **options):
        return 100_000

    @property
    def capabilities(self):
        return self.model_info

    @property
    def model_info(self):
        return {"vision": True, "function_calling": True, "json_output": False,
                "structured_output": False, "family": "unknown"}  # fmt: skip


async def main():
    acts = json.load(sys.stdin)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=sys.argv[1], args=["--no-sandbox"]
        )
        context = await browser.new_context(viewport=VIEWPORT)
        client = ScriptedClient()
        surfer = MultimodalWebSurfer(
            "surfer", client, context=context, playwright=playwright, start_page="about:blank"
        )
        await surfer._lazy_init()  # the start of the browser is not what is measured
        for act in acts:
            message = TextMessage(content=json.dumps(act), source="user")
            started = time.perf_counter()
            response = await surfer.on_messages([message], CancellationToken())
            seconds = time.perf_counter() - started
            said = response.chat_message.to_text()
            print(
                json.dumps({"seconds": seconds, "characters": client.characters, "said": said}),
                flush=True,
            )
        await browser.close()


asyncio.run(main())
