"""How long a report of ten thousand units takes."""

from __future__ import annotations

import random
import time
from pathlib import Path

from bench_rows import manifest, row, system

from tasks.benchmark.report import write_report
from tasks.benchmark.results import complete, read_results

TASKS, REPEATS = 1000, 5


def test_a_report_of_ten_thousand_units(tmp_path: Path) -> None:
    rng = random.Random(1)
    ends = [("answered", None)] * 8 + [("partial", "rounds"), ("gave_up", None)]
    plan = manifest(
        tasks={f"t{n}": str(1 + n % 3) for n in range(TASKS)},
        repeats=REPEATS,
        systems=(system("one"), system("two")),
    )
    rows = []
    for one in plan.systems:
        for repeat in range(1, REPEATS + 1):
            for number, task in enumerate(plan.tasks):
                ended, limit = rng.choice(ends)
                right = float(rng.random() < 0.3 + number / 2000)
                signals = {"loops": rng.randint(0, 1), "replans": 1}
                rows.append(row(task, right, repeat=repeat, system=one.name, ended=ended,
                                limit=limit, signals=signals))  # fmt: skip
    found = complete(plan, rows)
    began = time.perf_counter()
    written = write_report(found, tmp_path)
    took = time.perf_counter() - began
    began = time.perf_counter()
    assert len(read_results(written.json_file).rows) == 10_000
    print(
        f"\nreport of 10,000 units: {took:.2f} s; read again: {time.perf_counter() - began:.2f} s"
    )
    print({file.name: file.stat().st_size for file in tmp_path.iterdir()})
