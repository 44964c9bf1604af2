"""The fresh reader that the scripted model plays: does the evidence itself show the answer?

It sees the task, the answer and excerpts of the evidence, and decides by the program's own line
that names the cheapest supplier.
"""

from __future__ import annotations

import json
import re

from orchestrator.models.llm import Request
from tasks.demo.lead import CHEAPEST, TASK
from tasks.demo.reading import FENCED, prompt_of, section

BLOCK = re.compile(rf"^evidence ([\w.:]+)[^\n]*\n{FENCED.pattern}", re.MULTILINE | re.DOTALL)


def verifier(request: Request) -> str:
    """The verdict on the answer that is shown."""
    prompt = prompt_of(request)
    task, answer = section(prompt, "task"), section(prompt, "answer")
    wanted = TASK.search(task)
    if wanted is None:
        return _verdict(False, ["the task is not one that the scripted model can judge"])
    if wanted[2] not in answer or wanted[1] not in answer:
        return _verdict(False, [f"the answer is not about {wanted[1]} units of part {wanted[2]}"])
    for evidence, text in BLOCK.findall(prompt):
        for line in CHEAPEST.finditer(text):
            name, total = line[1], line[2]
            is_told = (total or "No approved supplier") in answer
            if is_told and (name == "nobody" or name in answer):
                return _verdict(True, [], {"quote": line[0], "evidence": evidence})
    return _verdict(False, ["no program output in the evidence names this supplier and total"])


def _verdict(supported: bool, unproven: list[str], *quotes: dict[str, str]) -> str:
    return json.dumps({"quotes": quotes, "supported": supported, "unproven": unproven})
