"""What a program writes becomes text that can be shown, stored and put into a prompt."""

from __future__ import annotations

import pytest

from sandbox.inside.block import Output
from sandbox.output import joined, readable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain\ttext\n", "plain\ttext\n"),
        ("Größe 5 €".encode(), "Größe 5 €"),
        (b"\xff\xfe\x00ok", "\ufffd\ufffdok"),
        (b"\x1b[31mred\x1b[0m \x1b[2K\x1b[1;5Hmoved", "red moved"),
        (b"\x1b]0;a title\x07shown", "shown"),
        (b"\x1b]8;;http://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP some device string \x1b\\after", "after"),
        (b"10%\r20%\r\ndone\r", "10%\n20%\ndone\n"),
        (b"be\x07ll\x08\x7f\x00", "bell"),
        ("\x9b31mc1".encode(), "31mc1"),
        (b"unfinished \x1b", "unfinished "),
    ],
)
def test_control_characters_never_come_through(raw: bytes, text: str) -> None:
    assert readable(raw) == text


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25, 1000])
@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
def test_both_ends_of_any_output_are_kept_and_the_rest_is_counted(size: int, piece: int) -> None:
    content = bytes(32 + number % 90 for number in range(size))
    output = Output(10)
    for start in range(0, size, piece):
        output.add(content[start : start + piece])
    head, tail = output.ends()
    text, truncated = joined(head, tail, output.total)
    assert output.total == size
    assert truncated is (size > 10)
    if truncated:
        assert (head, tail) == (content[:5], content[-5:])
        assert f"{size - 10} bytes left out" in text
    else:
        assert head + tail == content
