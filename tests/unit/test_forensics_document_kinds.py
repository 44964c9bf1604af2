"""Documents are told from tables and logs by how they begin, and keep what is hidden apart."""

from __future__ import annotations

import pytest

from sandbox.inside.forensics.documents import WIDTH, Read, table_of
from sandbox.inside.forensics.mails import is_mail
from sandbox.inside.forensics.unseen import is_page

MAILS = {
    "a mail": (b"From: a@x.example\nTo: b@x.example\n\nhello\n", True),
    "a mail with folded stamps": (b"Received: by mx\n\tid 7\r\nFrom: a\r\n\r\nx", True),
    "an answer of a server": (b"HTTP/1.1 200 OK\nFrom: x\nDate: y\n\n", False),
    "notes with colons": (b"Author: a\nTopic: b\n\ntext\n", False),
    "a table": (b"From,To\na,b\n", False),
    "a head without an end": (b"From: a\nTo: b\nSubject: c\n", False),
}
PAGES = {
    "a page": (b"<!DOCTYPE html><html>", True),
    "a page after a comment": (
        b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- x --><html lang='en'>",
        True,
    ),
    "a table of pages": (b"url,body\n/a,<html><body>x\n", False),
    "a log of attacks": (b"2026-05-01T10:00:00Z GET <html>\n", False),
    "words": (b"html is a language", False),
}


@pytest.mark.parametrize(("head", "expected"), MAILS.values(), ids=MAILS)
def test_a_mail_is_told_by_its_headers(head: bytes, expected: bool) -> None:
    assert is_mail(head) is expected


@pytest.mark.parametrize(("head", "expected"), PAGES.values(), ids=PAGES)
def test_a_page_is_told_by_how_it_begins(head: bytes, expected: bool) -> None:
    assert is_page(head) is expected


def test_long_lines_are_folded_and_empty_ones_have_no_number() -> None:
    read = Read()
    read.add("page 1", f"first\n\n   \n{'word ' * 200}")
    rows = list(table_of(read).rows())
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    assert all(len(row[1] or "") <= WIDTH for _, row in rows)
    assert " ".join(str(row[1]) for _, row in rows).split() == ["first", *["word"] * 200]


def test_a_hidden_line_is_marked_where_it_stands_or_added_where_it_is_missing() -> None:
    read = Read()
    read.add("page 1", "pay  me\nseen")
    read.add("page 2", "pay me")
    read.hide("page 2", "pay me", "white letters")
    read.hide("page 1", "left out", "not drawn")
    assert read.lines == [
        ("page 1", "pay  me", ""),
        ("page 1", "seen", ""),
        ("page 2", "pay me", "white letters"),
        ("page 1", "left out", "not drawn"),
    ]
