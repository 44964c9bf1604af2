"""The scripted model behind Quaestor, on the same path as the peers' in `play_magentic.py`.

Knows the lead's schema and the workers' tools. It is shown a Request and nothing else.
"""

from __future__ import annotations

import json
import re

from scenes import (
    CHAINED,
    YIELD,
    Step,
    answer_of,
    station_of,
    station_program,
    steps_of,
    survey_program,
    total_program,
)

from orchestrator.agent import Json
from orchestrator.models.llm import Completion, Request
from tasks.demo.reading import Told, controls, prompt_of, section, told
from tasks.demo.reading import steps as done_steps
from tasks.demo.speaking import calls, decision, report

AT_ONCE = 5
AS_SHOWN = ("report", {"status": "done", "summary": "", "as_shown": True})
SHOWN = re.compile(r"^evidence (\S+)[^\n]*\n<untrusted [^>]*>\n(.*?)\n</untrusted>", re.M | re.S)
FIGURES = re.compile(r"The (?:\w+ figure|yield of station \d+) is \d+")


def play(request: Request) -> Completion | str:
    """The reply of whoever is asked."""
    if request.role == "lead":
        return _lead(request)
    if request.role == "Coder":
        return _coder(request)
    if request.role == "WebSurfer":
        return _web_surfer(request)
    if request.role == "verifier":
        return _verify(request)
    raise AssertionError(f"nobody plays {request.role!r}: {request.messages[0].content[:200]}")


def _lead(request: Request) -> str:
    said = [message.content for message in request.messages if message.role == "user"]
    task = section(said[0], "task")
    reports = list(told(said))
    shown = "\n".join(item.text for item in reports)
    steps = steps_of(task)
    if not steps:
        return decision(request_satisfied=True, answer=f"{answer_of(task, '')}.")
    answer = answer_of(task, shown)
    if answer is not None:
        return _finish(answer, reports, steps)
    if "stations" in task:
        return _stations(task, shown, steps)
    return decision(plan=_plan(steps), assignments=_branches(steps))


def _plan(steps: list[Step]) -> list[dict[str, Json]]:
    agents = dict.fromkeys(step.agent for step in steps if step.agent != "ComputerTerminal")
    return [{"id": agent[0].lower(), "text": f"{agent}'s part", "agent": agent} for agent in agents]


def _branches(steps: list[Step]) -> list[Json]:
    """The steps as assignments: files by direct tools, one surfer per site, one Coder per program
    (its terminal is an inner loop), and the sum after all of them."""
    files = [_look(step, number) for number, step in enumerate(steps) if step.agent == "FileSurfer"]
    sites: list[dict[str, Json]] = []
    for step in (step for step in steps if step.agent == "WebSurfer"):
        if step.use.startswith("http"):
            sites.append(_work(f"w{len(sites)}", "WebSurfer", step.ask))
        else:
            sites[-1]["instruction"] += f" {step.ask}"
    programs = [step.ask for step in steps if step.agent == "Coder" and "failed" not in step.ask]
    coders = [_work(f"c{n}", "Coder", ask) for n, ask in enumerate(programs)]
    if len(coders) > 1:
        coders[-1]["after"] = [work["id"] for work in (*files, *sites, *coders[:-1])]
    return [*files, *sites, *coders]


def _look(step: Step, number: int) -> dict[str, Json]:
    """A file to open, or words to find in it, by a tool that needs no worker's call."""
    opening = {"name": "open", "arguments": {"path": f"inputs/{step.use}"}}
    found = re.search(r"in (\S+\.txt): find the (\w+) figure", step.ask)
    finding = found and {
        "name": "grep",
        "arguments": {"pattern": f"{found[2]} figure", "path": f"inputs/{found[1]}"},
    }
    tool = opening if step.use else finding
    return {**_work(f"f{number}", "FileSurfer", step.ask), "tool": tool}


def _work(name: str, agent: str, ask: str) -> dict[str, Json]:
    return {"id": name, "agent": agent, "instruction": ask}


def _stations(task: str, shown: str, steps: list[Step]) -> str:
    """Five stations at a time, or one where it needs the one before: open the file, then its
    program."""
    todo = [
        (read, write)
        for read, write, run in zip(steps[::3], steps[1::3], steps[2::3], strict=True)
        if not run.shown.search(shown)
    ]
    known = YIELD.findall(shown) if CHAINED in task else []
    assignments: list[Json] = []
    for read, write in todo[: 1 if CHAINED in task else AT_ONCE]:
        number = station_of(read.ask)
        told = [f"The yield of station {n} is {y}." for n, y in known if int(n) == number - 1]
        coder = _work(f"c{number}", "Coder", " ".join([write.ask, *told]))
        assignments += [_look(read, number), {**coder, "after": [f"f{number}"]}]
    return decision(plan=[] if shown else _plan(steps), assignments=assignments)


def _finish(answer: str, reports: list[Told], steps: list[Step]) -> str:
    """The answer, with the observations that hold its figure."""
    cited = [
        {"quote": quote, "evidence": list(item.evidence)}
        for item in reports
        for quote in FIGURES.findall(item.text)
        if quote.split()[-1] in re.findall(r"\d+", answer)
    ]
    plan = [{"id": item["id"], "state": "done"} for item in _plan(steps)]
    return decision(request_satisfied=True, plan=plan, answer=f"{answer}.", citations=cited)


def _verify(request: Request) -> str:
    """The words of the evidence that hold the answer's figure, or that there are none."""
    asked = request.messages[-1].content
    figures = re.findall(r"\d+", section(asked, "answer"))
    quotes = [
        {"quote": quote, "evidence": name}
        for name, text in SHOWN.findall(asked)
        for quote in FIGURES.findall(text)
        if quote.split()[-1] in figures
    ]
    if quotes:
        return json.dumps({"quotes": quotes, "supported": True})
    return json.dumps({"supported": False, "unproven": ["no evidence holds the figure"]})


def _coder(request: Request) -> Completion:
    asked, done = _instruction(request), done_steps(request)
    shown = "\n".join([prompt_of(request), *(step.body for step in done)])
    if "adds up" in asked:
        program = total_program(shown)
    elif "the yield of" in asked:
        program = station_program(station_of(asked), shown)
    else:
        program = survey_program(shown, right=bool(done))
    return calls(request, ("run", {"code": program}), AS_SHOWN)


def _web_surfer(request: Request) -> Completion:
    asked, done = _instruction(request), done_steps(request)
    link = re.search(r'Follow the link "(\w+)"', asked)
    if not done:
        address = re.search(r"Open (http\S+) in", asked)
        assert address, asked
        go = ("goto", {"url": address[1]})
        return calls(request, go) if link else calls(request, go, AS_SHOWN)
    there = [c for c in controls(done[-1].body) if link and c.name == link[1]]
    if not there:
        return report(request, "failed", f"no such link: {done[-1].shown[:200]}")
    return calls(request, ("click", {"ref": there[0].ref}), AS_SHOWN)


def _instruction(request: Request) -> str:
    return section(prompt_of(request), "instruction")
