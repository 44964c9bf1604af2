"""Small builders for tests of cases: a journal, a box, a scripted team."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.models.llm import LLM
from orchestrator.settings import BoxSettings, Settings, WebSettings
from tasks import api
from tasks.forensics.batch_file import load_batch
from tasks.forensics.batch_results import write_batch_page
from tasks.forensics.folder import State
from tasks.forensics.running import Work, work_on
from tasks.forensics.scripted import scripted_team

SAMPLE = Path(__file__).parent / "forensics_sample" / "batch.jsonl"


@asynccontextmanager
async def working(
    manifest: Path, folder: Path, model: LLM | None = None, web: WebSettings | None = None
) -> AsyncIterator[Work]:
    """A batch with everything that is needed to work on it."""
    settings = Settings(
        home=folder / "home", sandbox=BoxSettings(launcher="docker"), web=web or WebSettings()
    )
    settings.home.mkdir(parents=True, exist_ok=True)
    async with api.open(settings) as quaestor:
        yield Work(quaestor, load_batch(manifest), folder / "out", model or scripted_team())


async def worked(work: Work) -> list[State]:
    """Every case after its work."""
    states = [await work_on(work, case) for case in work.batch.cases]
    write_batch_page(work.batch.file.stem, work.batch.cases, work.out)
    return states
