"""What `quaestor batch results` does: rows scored by who holds the gold."""

from __future__ import annotations

from pathlib import Path

from tasks.batch.preparing import tasks_of
from tasks.batch.results import manifest_of, results_of, write_results
from tasks.cli.batch_reading import open_store
from tasks.cli.exits import ANSWERED
from tasks.cli.streams import Streams


def write_batch(prefix: str, out: Path | None, home: Path | None, streams: Streams) -> int:
    """Every unit as a JSON line, scored where there is gold; a folder of results with --out."""
    with open_store(home) as store:
        batch = store.find(prefix)
        tasks = tasks_of(batch.plan)
        results = list(results_of(store.all(batch.batch), tasks.cases))
    if out is None:
        for result in results:
            streams.records.write(result.model_dump(mode="json"))
        return ANSWERED
    write_results(out, manifest_of(batch, tasks), results)
    streams.err.line(f"{out}: {len(results)} units; quaestor bench report {out} --out {out}")
    return ANSWERED
