"""A batch whose rows and journal are in a real Postgres: the same command, the same promises."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from batch_play import (
    batch_cli,
    batch_flags,
    policy,
    results,
    tasks_file,
    wait_until_nothing_is_left,
)
from openai_server import from_request_policy, serve
from postgres_server import Postgres

COUNT = 10


def test_a_batch_in_postgres_survives_the_death_of_its_scheduler(
    tmp_path: Path, url: str, postgres: Postgres
) -> None:
    tasks = tasks_file(tmp_path, COUNT)
    with serve(from_request_policy(policy)) as server:
        cli = batch_cli(tmp_path, server.base_url)
        cli.environ["QUAESTOR_JOURNAL_URL"] = url
        flags = [*batch_flags(cli), "--parallel", "4"]
        process = cli.start("batch", "run", str(tasks), *flags)
        while len(server.log) < COUNT and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_until_nothing_is_left(tmp_path / "temp")
        done = cli("batch", "resume")
        assert done.returncode == 0, done.stderr
        assert len(server.served) <= 2 * COUNT + 4
    assert [row["answer"] for row in results(cli)] == [str(4 * n) for n in range(1, COUNT + 1)]
    assert not (cli.home / "journal.db").exists()
