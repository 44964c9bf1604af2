"""`quaestor bench score`: a line out for every line in, whatever the line is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_process import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    made.prepare()
    return made


def test_bad_lines_are_named_and_the_rest_is_scored(cli: Cli) -> None:
    lines = [
        b'\xef\xbb\xbf{"prediction": "17", "gold": "17", "id": "first"}\r\n',
        b"\n",
        b"not json\n",
        b'{"prediction": "17"}\n',
        b'{"prediction": "\xff", "gold": "17"}\n',
        b"[1]\n",
        b'{"prediction": null, "gold": "17"}\n',
        b'{"prediction": "18", "gold": "17", "more": 1}\n',
        b'{"prediction": NaN, "gold": "17", "id": NaN}',
    ]
    (cli.folder / "pairs.jsonl").write_bytes(b"".join(lines))
    done = cli("bench", "score", "--scorer", "gaia/2023", "--pairs", f"{cli.folder}/pairs.jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [(record["line"], record["score"]) for record in records] == [
        (1, 1), (3, None), (4, None), (5, None), (6, None), (7, 0), (8, 0), (9, 0),
    ]  # fmt: skip
    assert records[0]["id"] == "first"
    assert records[-1]["id"] == "NaN"
    assert records[-2]["why"] == "as numbers: 18 against 17"
    for said in ("line 3: not JSON", "line 4: it has no gold", "line 5: not UTF-8", "line 6: not"):
        assert said in done.stderr


def test_standard_input_is_scored_and_all_judged_is_0(cli: Cli) -> None:
    pair = json.dumps({"prediction": "Rome", "gold": "Paris", "reply": "B"})
    done = cli("bench", "score", "--scorer", "simpleqa/graded", "--pairs", "-", stdin=pair)
    assert done.returncode == 0
    assert json.loads(done.stdout)["detail"] == {"grade": "incorrect"}


@pytest.mark.parametrize(
    ("scorer", "pairs", "said"),
    [
        ("gaia/2099", "-", "there is no scorer 'gaia/2099'"),
        ("gaia/2023", "/not/there.jsonl", "/not/there.jsonl cannot be read"),
    ],
)
def test_a_wrong_name_or_file_is_2_before_anything_is_scored(
    cli: Cli, scorer: str, pairs: str, said: str
) -> None:
    done = cli("bench", "score", "--scorer", scorer, "--pairs", pairs)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
