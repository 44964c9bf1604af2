"""What of a run's output counts as its answer. Done once; the rule is recorded beside it."""

from __future__ import annotations

import re
from typing import Literal

from orchestrator.models.llm import Frozen

_MARK = re.compile(r"final answer\s*:", re.IGNORECASE)


class Extracted(Frozen):
    """The answer, or None; `rule` says where it was."""

    answer: str | None
    rule: Literal["structured", "marked line", "none"]


def extract(structured: str | None, output: str = "") -> Extracted:
    """The structured answer when there is one, else what follows the last "FINAL ANSWER:" on its
    line. The first would be wrong: a page or a thought that quotes the mark comes before."""
    if structured is not None and structured.strip():
        return Extracted(answer=structured.strip(), rule="structured")
    for line in reversed(output.splitlines()):
        found = list(_MARK.finditer(line))
        if found:
            answer = line[found[-1].end() :].strip()
            return Extracted(answer=answer or None, rule="marked line")
    return Extracted(answer=None, rule="none")
