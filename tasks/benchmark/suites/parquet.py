"""Rows of a Parquet file, read inside the box, where files from elsewhere are parsed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from orchestrator.errors import UsageError
from sandbox.base import Box
from tasks.benchmark.suites.reading import Row

_READ = """\
import json, duckdb
found = duckdb.connect().execute("SELECT * FROM read_parquet('suite.parquet')")
names = [column[0] for column in found.description]
with open("rows.jsonl", "w", encoding="utf-8") as file:
    for row in found.fetchall():
        file.write(json.dumps(dict(zip(names, row)), default=str) + "\\n")
"""


async def parquet_rows(path: Path, box: Box) -> list[Row]:
    """Every row, in order. Raises UsageError when the file is no readable Parquet."""
    await box.put("suite.parquet", await asyncio.to_thread(path.read_bytes))
    result = await box.run(_READ, "python")
    if result.cause != "ok":
        last = result.output.strip().splitlines()[-1:]
        raise UsageError(f"{path} is no readable Parquet file: {' '.join(last)[:300]}")
    lines = (await box.get("rows.jsonl")).decode("utf-8").splitlines()
    return [Row(path.name, number, json.loads(line)) for number, line in enumerate(lines, start=1)]
