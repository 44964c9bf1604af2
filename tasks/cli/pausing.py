"""The pause at the terminal: hold the run before its next step and ask what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.loop import Orchestrator
from tasks.cli.keyboard import Keyboard
from tasks.cli.opening import user_name
from tasks.cli.progress import Say, Steps, path_text

MENU = "Enter go on · t tell the lead · s stop (resume later) · Ctrl-C stop now"


@dataclass(slots=True)
class Pausing:
    """Holds one run. `stop` ends the attempt so that it can be resumed."""

    orchestrator: Orchestrator
    keyboard: Keyboard
    say: Say
    steps: Steps
    stop: Callable[[], None]
    _menu: asyncio.Task[None] | None = None

    def begin(self) -> bool:
        """Pause and show the menu; False when it is on the screen already."""
        if self._menu is not None and not self._menu.done():
            return False
        self.orchestrator.going.clear()
        running = [path_text(key) for key in self.steps.running]
        going = f"Pausing: {', '.join(running)} may end." if running else "Paused."
        self.say(f"{going}  {MENU}")
        self._menu = asyncio.get_running_loop().create_task(self._ask())
        return True

    def held(self, key: str) -> None:
        """A step is about to begin; say so when it has to wait."""
        if not self.orchestrator.going.is_set():
            self.say(f"Paused before {path_text(key)}.  {MENU}")

    async def close(self) -> None:
        """Take the menu away."""
        if self._menu is not None:
            self._menu.cancel()
            await asyncio.gather(self._menu, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            typed = await self.keyboard.line()
            if typed is None or typed.strip().lower() in ("s", "stop"):
                return self.stop()
            word, _, rest = typed.strip().partition(" ")
            if not word or word.lower() in ("go", "continue"):
                self.orchestrator.going.set()
                return self.say("Going on.")
            if word.lower() in ("t", "tell"):
                await self._tell(rest.strip())
            self.say(MENU)

    async def _tell(self, text: str) -> None:
        if not text:
            self.say("  type what the lead should know")
            text = (await self.keyboard.line() or "").strip()
        if text:
            recorder = self.orchestrator.recorder
            body = {"text": text}
            await asyncio.to_thread(recorder.journal.post, recorder.run, "note", body, user_name())
            self.say("The lead reads it in its next round.")
