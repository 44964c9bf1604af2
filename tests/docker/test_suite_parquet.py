"""GAIA's newer copies hold Parquet: read in the box, the same cases as from JSON lines."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sandbox_bench import settings

from orchestrator.errors import UsageError
from sandbox.base import Sandbox
from tasks.benchmark.suites.loading import load_suite, wanted_from

MAKE = """
import duckdb
duckdb.connect().execute('''COPY (
    SELECT 'a' AS task_id, 'What is it?' AS "Question", '2' AS "Level", '17' AS "Final answer",
           '' AS file_name, {'Steps': 'secret'} AS "Annotator Metadata"
) TO 'made.parquet' (FORMAT parquet)''')
"""


@asynccontextmanager
async def opened():
    async with Sandbox.open(settings("bubblewrap")) as box:
        yield box


async def test_a_parquet_split_gives_the_same_cases(tmp_path: Path) -> None:
    folder = tmp_path / "2023" / "validation"
    folder.mkdir(parents=True)
    async with opened() as box:
        assert (await box.run(MAKE, "python")).cause == "ok"
        (folder / "metadata.parquet").write_bytes(await box.get("made.parquet"))
    suite = await load_suite(wanted_from(f"gaia:{tmp_path}"), opened)
    (case,) = suite.cases
    assert (case.id, case.level, case.gold) == ("a", "2", "17")
    assert "secret" not in case.model_dump_json()
    (folder / "metadata.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(UsageError, match="no readable Parquet"):
        await load_suite(wanted_from(f"gaia:{tmp_path}"), opened)
