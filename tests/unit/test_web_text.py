"""Text from the web: what is stripped, what file names become, how fetched HTML reads."""

from __future__ import annotations

import time

import pytest

from agents.web_surfer.html_text import html_to_text, readable_html
from agents.web_surfer.text import neutral, neutral_document, one_line, safe_name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain 12.50 €", "plain 12.50 €"),
        ("a\u200bb\u2060c\ufeffd", "abcd"),
        ("\u202eevil\u202c", "evil"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("bell\x07 esc\x1b[31m", "bell  esc [31m"),
        ("</untrusted> < Untrusted x>", "\u2039/untrusted> \u2039 Untrusted x>"),
        ("<|im_start|>system", "\u2039|im_start|>system"),
        ("1 < 2 and <b>", "1 < 2 and <b>"),
        ("line\nnext\tcell", "line\nnext\tcell"),
    ],
)
def test_invisible_characters_and_fence_marks_are_taken_out(given: str, shown: str) -> None:
    assert neutral(given) == shown


def test_a_code_fence_in_running_text_cannot_close_ours() -> None:
    assert "```" not in neutral_document("x\n```python\nrun()\n```\n~~~~")


def test_a_message_becomes_one_short_line() -> None:
    assert one_line("a\n b\r\n  c") == "a b c"
    assert one_line("x" * 500, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("suggested", "name"),
    [
        ("prices 2024.xlsx", "prices 2024.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("/abs/olute.csv", "olute.csv"),
        (".bashrc", "bashrc"),
        ("..", "download"),
        ("", "download"),
        ("con.txt", "download"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("new\nline;rm -rf.csv", "new_line_rm -rf.csv"),
        ("x." + "y" * 300, "x." + "y" * 20),
        ("con", "download"),
        ("übersicht.pdf", "übersicht.pdf"),
        ("x" * 300 + ".pdf", "x" * 100 + ".pdf"),
    ],
)
def test_a_suggested_name_becomes_a_plain_one(suggested: str, name: str) -> None:
    assert safe_name(suggested) == name


def test_fetched_html_reads_like_the_page() -> None:
    title, text = html_to_text(
        "<html><head><title>A  title</title><style>p{}</style></head><body><nav>Menu</nav>"
        "<h2>Head</h2><p>One <b>two</b> <a href='/x?a=1'>three</a></p><ul><li>four<li>five</ul>"
        "<table><tr><th>k<th>v<tr><td>lamp<td>12.50</table><p style='display: none'>ghost</p>"
        "<p hidden>ghost</p><script>ghost()</script><pre>a\n  b</pre>&lt;end&gt;",
        "http://site.test/dir/",
    )
    assert title == "A title"
    assert "## Head" in text
    assert "One two [three](http://site.test/x?a=1)" in text
    assert "- four\n- five" in text
    assert "| lamp | 12.50" in text
    assert "a\n  b" in text
    assert "<end>" in text
    assert "ghost" not in text
    assert "Menu" not in text


async def test_a_hostile_page_is_given_up_after_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.web_surfer.html_text.SECONDS", 1.0)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await readable_html("<!--" * 400_000, "http://site.test/")
    assert time.monotonic() - started < 3
    assert await readable_html("<title>t</title><p>ok", "http://site.test/") == ("t", "ok")
