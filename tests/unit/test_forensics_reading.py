"""Files as tables: shapes by content, encodings, and flaws that are counted instead of hidden."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.image.document import Unreadable
from sandbox.inside.forensics.columns import Column, typed
from sandbox.inside.forensics.content import Flaws, encoding_of, head_of, lines_of
from sandbox.inside.forensics.rows import Text, tables_of, unique
from sandbox.inside.forensics.shapes import binary_kind, text_shape
from sandbox.inside.forensics.tools import check_plot

ACCESS = '1.2.3.4 - - [16/May/2026:00:10:00 +0000] "GET /r/A?c=k1 HTTP/2" 302 0 "-" "UA/1" vid=v1\n'
SHAPES = {
    "commas": ("a,b\n1,2\n3,4\n", "delimited text"),
    "semicolons": ("a;b;c\n1;2;3\n", "delimited text"),
    "tabs": ("a\tb\n1\t2\n", "delimited text"),
    "quoted line breaks": ('a,b\n"x\ny",2\n"z",3\n', "delimited text"),
    "json lines": ('{"a": 1}\n{"a": 2}\n', "jsonl"),
    "json array": ('[{"a": 1},\n {"a": 2}]', "json"),
    "access log": (ACCESS * 3, "access log"),
    "log": ("2026-05-16 00:10:00.1 INFO web-1 done user=u1\n" * 3, "log"),
    "syslog": ("May 16 00:10:00 host app[1]: hello\n" * 3, "log"),
    "prose": ("Dear all,\n\nthe shop was closed, sadly, on Monday.\nRegards\n", "text"),
    "empty": ("  \n", "empty"),
}


@pytest.mark.parametrize(("text", "kind"), SHAPES.values(), ids=SHAPES)
def test_the_shape_of_a_text_is_told_by_its_content(text: str, kind: str) -> None:
    assert text_shape(text).kind == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"SQLite format 3\0", "sqlite"),
        (b"PAR1x", "parquet"),
        (b"PK\x03\x04", "zip"),
        (b"\0" * 8 + b"DUCK", "duckdb database"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x7fELF", "program"),
        (b"a,b\n1,2\n", ""),
        ("a,b\n1,2\n".encode("utf-16"), ""),
        (bytes(range(32)) * 9, "binary"),
    ],
)
def test_what_is_no_text_is_told_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert binary_kind(head) == kind


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("städte, Zürich".encode(), "utf-8"),
        ("städte, Zürich".encode("cp1252"), "cp1252"),
        ("städte, Zürich".encode() + "Köln".encode("cp1252") + b" and more", "utf-8"),
        ("größer ".encode("cp1252") + b"and more", "cp1252"),
    ],
)
def test_bytes_of_another_encoding_make_no_other_text_of_the_rest(
    content: bytes, encoding: str
) -> None:
    assert encoding_of(content)[0] == encoding


def tables(
    path: Path,
) -> tuple[list[tuple[tuple[str, ...], list[tuple[int, list[object]]]]], Flaws]:
    head = head_of(path)
    flaws = Flaws()
    kind = binary_kind(head)
    encoding = encoding_of(head)[0]
    shape = text_shape(head.decode(encoding, "replace"))
    if kind:
        shape = type(shape)(kind)
    found = tables_of(Text(path, encoding, flaws), shape)
    return [(t.columns, [(n, list(row)) for n, row in t.rows()]) for t in found], flaws


def test_rows_know_the_line_they_began_on(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_text('a,b\n"x\ny",2\n\nz,3\n', encoding="utf-8")
    ((columns, rows),), _ = tables(file)
    assert columns == ("a", "b")
    assert rows == [(2, ["x\ny", "2"]), (5, ["z", "3"])]


def test_rows_of_another_width_are_kept_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_text("a,b\n" + "1,2\n" * 30 + "3\n4,5,6\n", encoding="utf-8")
    (table,) = tables_of(Text(file, "utf-8", Flaws()), text_shape(file.read_text("utf-8")))
    rows = list(table.rows())
    assert table.unparsed == [32, 33]
    assert [list(row) for _, row in rows[-2:]] == [["3", None], ["4", "5"]]


def test_log_lines_become_columns_and_strange_ones_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_text(ACCESS * 9 + "garbage\n", encoding="utf-8")
    ((columns, rows),), _ = tables(file)
    first = dict(zip(columns, rows[0][1], strict=True))
    assert (first["ip"], first["path"], first["c"], first["vid"]) == (
        "1.2.3.4",
        "/r/A?c=k1",
        "k1",
        "v1",
    )
    assert rows[-1] == (10, [None] * (len(columns) - 1) + ["garbage"])


def test_objects_become_cells_under_dotted_names(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    lines = [{"a": {"b": 1.10}, "l": [1]}, {"a": {"b": None}, "x": True}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    ((columns, rows),), _ = tables(file)
    assert columns == ("a.b", "l", "x")
    assert rows == [(1, ["1.1", "[1]", None]), (2, [None, None, "true"])]


PLOTS = {
    "bars": ("bar", [["a", 3]], ""),
    "a curve over days": ("line", [["2026-05-01", 3]], ""),
    "points": ("scatter", [[1.5, 3], [None, 4]], ""),
    "a spread": ("hist", [[3], [4]], ""),
    "a kind that nobody draws": ("pie", [["a", 3]], "not 'pie'"),
    "no rows": ("bar", [], "needs rows"),
    "one column": ("line", [[3]], "two columns"),
    "words that go up": ("bar", [["a", "b"]], "'up' has to hold numbers"),
    "words that go across": ("line", [["a", 3]], "'across' has to hold numbers or times"),
}


@pytest.mark.parametrize(("kind", "rows", "said"), PLOTS.values(), ids=PLOTS)
def test_rows_that_cannot_be_drawn_are_refused_with_the_reason(
    kind: str, rows: list[list[object]], said: str
) -> None:
    columns = ["across", "up"][: len(rows[0]) if rows else 2]
    if not said:
        check_plot(kind, columns, rows)
        return
    with pytest.raises(Unreadable, match=said):
        check_plot(kind, columns, rows)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings_are_found_and_read(tmp_path: Path, encoding: str, expected: str) -> None:
    file = tmp_path / "E001"
    file.write_bytes("name,città\nJürgen,Forlì\n".encode(encoding))
    assert encoding_of(head_of(file))[0] == expected
    ((columns, rows),), _ = tables(file)
    assert columns == ("name", "città")
    assert rows[0][1] == ["Jürgen", "Forlì"]


def test_stray_bytes_are_shown_as_escapes_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_bytes(b"a,b\n" + b"fine,row\n" * 500 + b"\xff\xfe,2\n")
    ((_, rows),) = tables(file)[0]
    flaws = Flaws()
    assert list(lines_of(file, "utf-8", flaws))[-1] == (502, "\\xff\\xfe,2")
    assert flaws.bad_bytes == 2
    assert rows[-1][1] == ["\\xff\\xfe", "2"]


def test_a_truncated_gzip_is_read_to_the_break(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    packed = gzip.compress(b"".join(b"%d,%d\n" % (n, n * 7919) for n in range(50_000)))
    file.write_bytes(packed[: len(packed) // 2])
    flaws = Flaws()
    lines = list(lines_of(file, "utf-8", flaws))
    assert 10_000 < len(lines) < 50_000
    assert not flaws.whole
    assert "ends in the middle, after" in flaws.broken


def test_gzip_members_one_after_the_other_are_one_text(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    flaws = Flaws()
    assert [line for _, line in lines_of(file, "utf-8", flaws)] == ["a", "b"]
    assert flaws.whole


def test_a_gzip_bomb_is_stopped_and_named(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_bytes(gzip.compress((b"x" * 1023 + b"\n") * (120 << 10)))
    flaws = Flaws()
    count = sum(1 for _ in lines_of(file, "utf-8", flaws))
    assert 60 << 10 < count < 100 << 10
    assert "bomb" in flaws.broken


def test_a_line_of_eight_megabytes_is_read_and_one_of_twenty_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_bytes(b"x" * (8 << 20) + b"\n" + b"y" * (20 << 20) + b"\nend\n")
    flaws = Flaws()
    lines = [(number, len(line)) for number, line in lines_of(file, "utf-8", flaws)]
    assert lines == [(1, 8 << 20), (2, 16 << 20), (3, 3)]
    assert flaws.cut_lines == 1


def test_a_database_is_read_without_running_what_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    with closing(sqlite3.connect(file)) as base:
        base.executescript(
            "CREATE TABLE users (id INTEGER, name TEXT); INSERT INTO users VALUES (1, 'a'),"
            "(2, '');"
            "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n)"
            " SELECT * FROM n;"
        )
    found, flaws = tables(file)
    assert found == [(("id", "name"), [(1, ["1", "a"]), (2, ["2", None])])]
    assert flaws.notes == ["1 views, triggers or virtual tables were not opened"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["E001"]


def test_a_damaged_database_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "E001"
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    found, flaws = tables(file)
    assert found == []
    assert "damaged" in flaws.broken


def test_column_names_are_made_unique_and_printable() -> None:
    assert unique(["a", "A", "", "_line", "x\u202e\n", "a"]) == (
        "a",
        "A_2",
        "c3",
        "line",
        "x",
        "a_3",
    )


TYPES = {
    "whole": (["1", "-20", "0"], "BIGINT", "number"),
    "leading zeros": (["007", "010"], "VARCHAR", "category"),
    "money": (["99.0", "5.25", None], "DECIMAL(18,2)", "number"),
    "decimal comma": (["99,5", "5,25"], "DECIMAL(18,2)", "number"),
    "floats": (["1e5", "0.25"], "DOUBLE", "number"),
    "ips": (["240.1.2.3", "10.0.0.1"], "VARCHAR", "ip"),
    "networks": (["240.1.2.0/22", "10.0.0.0/8"], "VARCHAR", "network"),
    "ids": (["clk_0041852", "clk_0041855"], "VARCHAR", "id"),
    "few words": (["paid", "refunded", "paid", "paid"], "VARCHAR", "category"),
    "times": (["2026-05-16T00:10:00Z"], "VARCHAR", "time"),
    "late surprise": ([str(n) for n in range(400)] + ["n/a"], "VARCHAR", "id"),
    "nothing": ([None, None], "VARCHAR", "empty"),
}


@pytest.mark.parametrize(("cells", "kind", "looks"), TYPES.values(), ids=TYPES)
def test_a_column_is_what_all_of_its_values_are(
    cells: list[str | None], kind: str, looks: str
) -> None:
    column = Column("x")
    for cell in cells:
        column.add(cell)
    found = typed(column, "", "")
    assert found.type == kind
    if looks != "id" or "surprise" not in str(cells):
        assert found.looks in (looks, "text")
    assert all(found.value(cell) is not None for cell in cells if cell is not None)
