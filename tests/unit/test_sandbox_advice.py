"""A program that fails for want of a network or a library gets one sentence that helps."""

from __future__ import annotations

import pytest

from sandbox.advice import advice

IMPORT = "Traceback ...\nModuleNotFoundError: No module named 'torch.nn'\n"
LOOKUP = "curl: (6) Could not resolve host: example.org\n"
PROXY = "OSError: Tunnel connection failed: 403 Forbidden\n"


@pytest.mark.parametrize(
    ("output", "networked", "word"),
    [
        (IMPORT, False, "build --packages torch`"),
        (IMPORT, True, "build --packages torch`"),
        (LOOKUP, False, "--code-host"),
        ("ERROR: No matching distribution found for torch", False, "no network here"),
        (PROXY, True, "Only the hosts named by --code-host"),
        ("x" * 100_000 + LOOKUP, False, "no network here"),
    ],
)
def test_the_sentence_names_the_way_out(output: str, networked: bool, word: str) -> None:
    said = advice(output, networked=networked)
    assert word in said
    assert said.count("\n") == 0


@pytest.mark.parametrize(
    ("output", "networked"),
    [("", False), ("ZeroDivisionError: division by zero", False), (LOOKUP, True), (PROXY, False)],
)
def test_other_failures_get_no_sentence(output: str, networked: bool) -> None:
    assert advice(output, networked=networked) == ""
