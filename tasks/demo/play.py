"""Sets the demo up: the task with its attachments, and the web site that it names, served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import UsageError
from tasks.demo.site import serve_site

MATERIAL = Path(__file__).parent / "material"
TASK = "task.txt"
SITE = "site"


class DemoTask(NamedTuple):
    """What to hand to `run`: the task, its files, and the hosts that the browser may reach."""

    task: str
    attachments: list[Path]
    allow_hosts: tuple[str, ...]


@asynccontextmanager
async def demo_task(material: Path | None = None, *, port: int = 0) -> AsyncIterator[DemoTask]:
    """The shipped material, or a folder like it, with its site served until the block is left.

    To resume a run, give the port that its task names. Raises UsageError for a folder that is no
    demo material, and for a port that is taken.
    """
    folder = material or MATERIAL
    if not (folder / TASK).is_file() or not (folder / SITE).is_dir():
        raise UsageError(
            f"{folder} is no demo material: it needs {TASK} and a folder {SITE}",
            fix=f"copy {MATERIAL} and change the copy",
        )
    attachments = sorted(path for path in folder.iterdir() if path.is_file() and path.name != TASK)
    with ExitStack() as stack:
        try:
            site = stack.enter_context(serve_site(folder / SITE, port))
        except OSError as error:
            raise UsageError(f"the demo's site cannot use port {port}: {error.strerror}") from error
        text = (folder / TASK).read_text(encoding="utf-8")
        yield DemoTask(text.strip().replace("{site}", site.base_url), attachments, (site.host,))
