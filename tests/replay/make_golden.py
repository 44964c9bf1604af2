"""Records the golden journal of this version: `uv run python tests/replay/make_golden.py`.

Run it when a prompt, an event or the strategy changed on purpose, and say so in the changelog:
runs of the version before can then only be resumed with `--trust-history`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE)]

from golden_run import export, record  # noqa: E402 - the path is set above


async def main() -> None:
    folder = HERE / f"golden-{metadata.version('quaestor')}"
    with tempfile.TemporaryDirectory() as home:
        journal, run = await record(Path(home))
        export(journal, run, folder)
        journal.close()
    print(f"{folder.name}: {len((folder / 'events.jsonl').read_text().splitlines())} events")


if __name__ == "__main__":
    asyncio.run(main())
