"""A scripted team on a task of twelve steps, and a wrapper that spoils what its model says.

Eight figures are looked up in files, four are computed one after the other. The policy reads
what it is shown; `Noisy` then errs with a rate per call, in ways that are seeded: independent
draws, or the same error for the same prompt (as a model at temperature zero errs).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import Bench, Worker

from agents.coder import authored
from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import CODE_OUTPUT, Assignment, Observation, Report, Source, WorkContext
from orchestrator.errors import ToolFailed
from orchestrator.journal import Journal
from orchestrator.models.llm import Completion, Request, ToolCall
from orchestrator.models.scripted import Policy

DEPOTS = ("Arbor", "Birch", "Cedar", "Dover", "Elm", "Fjord")
TASK = (
    "The depots Arbor, Birch, Cedar, Dover, Elm and Fjord keep crates of lamps. The file "
    "inputs/NAME.txt of each depot says how many crates are in stock; inputs/crates.txt says how "
    "many lamps are in a crate, and inputs/prices.txt what a lamp costs. Compute, one after the "
    "other: all crates, all lamps, their value, and the value with 19 % tax. What is the value "
    "with tax, in EUR?"
)
FENCED = re.compile(r'<untrusted source="[^"]*">\n(.*?)\n</untrusted>', re.DOTALL)
REPORT = re.compile(r'<report assignment="(\w+)" [^>]*status="(\w+)">\n(.*?)\n</report>', re.DOTALL)
FACT = re.compile(r"^- (s\d+) \[found\] (.*?)(?: \(evidence ([\d.]+)\))?$", re.MULTILINE)
VAGUE = "Please continue."


def make_files(seed: int) -> dict[str, str]:
    """The eight files of a task; last year's figure stands beside the right one."""
    draw = random.Random(f"files {seed}")
    stock = draw.sample(range(120, 990), 2 * len(DEPOTS))
    files = {
        f"inputs/{name.lower()}.txt": f"Depot {name}\nlast year: {stock[2 * n]}\n"
        f"crates in stock: {stock[2 * n + 1]}\n"
        for n, name in enumerate(DEPOTS)
    }
    files["inputs/crates.txt"] = f"Packing list\nlamps per crate: {draw.randint(11, 48)}\n"
    files["inputs/prices.txt"] = f"Prices of 2026\nprice per lamp: {draw.randint(500, 9999) / 100}"
    return files


def right_answer(files: Mapping[str, str]) -> str:
    """The value with tax, worked out without the team."""
    text = "\n".join(files.values())
    crates = sum(int(number) for number in re.findall(r"crates in stock: (\d+)", text))
    each = int(re.findall(r"lamps per crate: (\d+)", text)[0])
    price = float(re.findall(r"price per lamp: ([\d.]+)", text)[0])
    return f"{crates * each * price * 1.19:.2f}"


class Shelf:
    """The tools of a FileSurfer over files in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    @tool(direct=True)
    async def open(self, path: str) -> Observation:
        """Open a document."""
        if path not in self._files:
            raise ToolFailed(f"there is no file {path}; the files are {', '.join(self._files)}")
        source = Source(kind="path", ref=path)
        return Observation(text=self._files[path], source=source, page=path)

    @tool(direct=True)
    async def grep(self, pattern: str, path: str = "") -> Observation:
        """Find lines that match a regular expression."""
        lines = [
            f"{name}: {line}"
            for name, text in self._files.items()
            for line in text.splitlines()
            if path in ("", name) and re.search(pattern, line)
        ]
        source = Source(kind="path", ref=path or "workspace")
        text = "\n".join(lines) or f"no line matches {pattern!r}"
        return Observation(text=text, source=source, page=path)


class Machine:
    """The tool of a Coder; arithmetic in this process takes the place of the container."""

    @tool()
    async def run(self, code: str, language: str = "python") -> Observation:
        """Run a program."""
        if language != "python":
            raise ToolFailed(f"there is no {language!r} here; languages: python")
        program, said = authored(code, language), io.StringIO()
        ending = "exit 0"
        with contextlib.redirect_stdout(said):
            try:
                exec(code, {"__builtins__": {"print": print, "round": round}})
            except Exception as error:  # noqa: BLE001 - whatever a program raises is its result
                ending = "exit 1"
                print(f"Traceback: {type(error).__name__}: {error}")
        return Observation(
            text=said.getvalue(),
            source=Source(kind="tool", ref="ComputerTerminal"),
            locator=f"{CODE_OUTPUT} of {program.id} ({ending})",
            failed=ending != "exit 0",
            code=program,
        )


def make_team(files: Mapping[str, str]) -> dict[str, Worker]:
    """The roster: both agents use the product's own tool loop."""

    async def surf(assignment: Assignment, ctx: WorkContext) -> Report:
        loop = ToolLoop(assignment, ctx, tools_of(Shelf(files)), "You are the FileSurfer.")
        return await loop.work()

    async def code(assignment: Assignment, ctx: WorkContext) -> Report:
        return await ToolLoop(assignment, ctx, tools_of(Machine()), "You are the Coder.").work()

    return {"FileSurfer": Worker("FileSurfer", surf), "Coder": Worker("Coder", code)}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who does it, the label that its figure is reported under, what it needs."""

    id: str
    agent: str
    label: str
    path: str = ""
    needs: tuple[str, ...] = ()


LOOKUPS = (
    *(
        Step(f"s{n}", "FileSurfer", "crates in stock", f"inputs/{name.lower()}.txt")
        for n, name in enumerate(DEPOTS, start=1)
    ),
    Step("s7", "FileSurfer", "lamps per crate", "inputs/crates.txt"),
    Step("s8", "FileSurfer", "price per lamp", "inputs/prices.txt"),
)
SUMS = (
    Step("s9", "Coder", "all crates", needs=("s1", "s2", "s3", "s4", "s5", "s6")),
    Step("s10", "Coder", "all lamps", needs=("s9", "s7")),
    Step("s11", "Coder", "value", needs=("s10", "s8")),
    Step("s12", "Coder", "value with tax", needs=("s11",)),
)
STEPS = (*LOOKUPS, *SUMS)


@dataclass(frozen=True, slots=True)
class Player:
    """Plays every part by what the prompt shows. `width` is how many steps a round hands out,
    `direct` whether the lead names the tool of a look-up itself."""

    width: int = 12
    direct: bool = True

    def __call__(self, request: Request) -> Completion | str:
        if request.role == "verifier":
            return _verify(request)
        if request.role == "lead":
            return self._lead(request)
        return _surf(request) if request.role == "FileSurfer" else _code(request)

    def _lead(self, request: Request) -> str:
        told = "\n".join(m.content for m in request.messages if m.role == "user")
        known, evidence = _known(told)
        tries = Counter(name.rpartition("x")[0] for name, _status, _text in REPORT.findall(told))
        facts = [
            {
                "id": name, "kind": "found", "text": text,
                "evidence": [evidence[name]] if name in evidence else [],
            }
            for name, text in known.items()
        ]  # fmt: skip
        plan: list[dict[str, Any]] = [
            {"id": step.id, "state": "done" if step.id in known else "todo"} for step in STEPS
        ]
        if len(request.messages) == 2 or not known:
            plan = [
                {"id": s.id, "text": f"get {s.label} {s.path}".strip(), "agent": s.agent}
                for s in STEPS
            ]
        if "s12" in known:
            figure = known["s12"].rpartition(": ")[2]
            quote = {"quote": known["s12"], "evidence": [evidence["s12"]]}
            return _reply(
                facts=facts, plan=plan, request_satisfied=True, citations=[quote],
                answer=f"The value with tax is {figure} EUR.",
            )  # fmt: skip
        ready = [s for s in STEPS if s.id not in known and all(n in known for n in s.needs)]
        work = [self._assign(step, known, tries[step.id]) for step in ready[: self.width]]
        return _reply(facts=facts, plan=plan, assignments=work)

    def _assign(self, step: Step, known: Mapping[str, str], tries: int) -> dict[str, Any]:
        again = f" (try {tries + 1})" if tries else ""
        work: dict[str, Any] = {"id": f"{step.id}x{tries}", "agent": step.agent}
        if step.path:
            work["instruction"] = f'Open {step.path} and report its "{step.label}".{again}'
            if self.direct:
                work["tool"] = {"name": "open", "arguments": {"path": step.path}}
        else:
            figures = [known[name].rpartition(": ")[2] for name in step.needs]
            sign = " + " if step.id == "s9" else " * "
            term = sign.join([*figures, *(["1.19"] if step.id == "s12" else [])])
            work["instruction"] = f'Compute {term} and print it as "{step.label}".{again}'
        return work


def _known(told: str) -> tuple[dict[str, str], dict[str, str]]:
    """The figures by step ("label: figure"), and the evidence behind each."""
    known: dict[str, str] = {}
    evidence: dict[str, str] = {}
    for name, text, held in FACT.findall(told):
        known[name] = text
        evidence[name] = held
    labels = {step.id: step.label for step in STEPS}
    for name, status, inside in REPORT.findall(told):
        step = name.rpartition("x")[0]
        fenced = FENCED.search(inside)
        text = fenced[1] if fenced else ""
        found = re.search(rf"^.*?({labels.get(step, '?')}: -?[\d.]*\d)", text, re.MULTILINE)
        held = re.findall(r"^evidence ([\d.]+):", inside, re.MULTILINE)
        if status == "done" and found and held and "no observation holds" not in text:
            known[step], evidence[step] = found[1], held[-1]
    return known, evidence


def _surf(request: Request) -> Completion:
    asked = re.search(r'Open (\S+) and report its "([^"]+)"', _instruction(request))
    if asked is None:
        return _report("failed", "the instruction does not say which file to open")
    for text in reversed(_shown(request)):
        found = re.search(rf"{asked[2]}: ([\d.]*\d)", text)
        if found and not text.startswith("failed"):
            return _report("done", f"{asked[1]}: {found[0]}")
    return _call("open", {"path": asked[1]})


def _code(request: Request) -> Completion:
    asked = re.search(r'Compute (.+?) and print it as "([^"]+)"', _instruction(request))
    if asked is None:
        return _report("failed", "the instruction does not say what to compute")
    for text in reversed(_shown(request)):
        found = re.search(rf"{asked[2]}: (-?[\d.]*\d)", text)
        if found and not text.startswith("failed"):
            return _report("done", found[0])
    code = f"print('{asked[2]}:', round({asked[1]}, 2))"
    return _call("run", {"code": code, "language": "python"})


def _verify(request: Request) -> str:
    prompt = request.messages[-1].content
    answer = re.search(r"<answer>\n.*?value with tax is ([\d.]*\d) EUR", prompt)
    shown = re.search(r"value with tax: ([\d.]*\d)", prompt.partition("</answer>")[2])
    right = answer is not None and shown is not None and float(answer[1]) == float(shown[1])
    wrong = "the evidence does not show this as the value with tax"
    quotes = [{"quote": shown[0], "evidence": ""}] if right and shown else []
    return json.dumps({"quotes": quotes, "supported": right, "unproven": [] if right else [wrong]})


def _instruction(request: Request) -> str:
    return request.messages[1].content.rpartition("<instruction>")[2]


def _shown(request: Request) -> list[str]:
    return [message.content for message in request.messages if message.role == "tool"]


def _reply(**parts: Any) -> str:
    flags = {"request_satisfied": False, "in_loop": False, "making_progress": True}
    return json.dumps({**flags, **parts})


def _call(name: str, arguments: dict[str, Any]) -> Completion:
    call = ToolCall(id="c1", name=name, arguments=json.dumps(arguments))
    return Completion(text="", tool_calls=(call,))


def _report(status: str, summary: str) -> Completion:
    return _call("report", {"status": status, "summary": summary})


@dataclass(slots=True)
class Noisy:
    """Errs with rate `p` on each call, at most `times` in all and only in these `kinds` when they
    are given. With `same`, the same prompt is spoiled the same way."""

    policy: Policy
    p: float
    seed: int
    same: bool = False
    kinds: tuple[str, ...] = ()
    times: int | None = None
    erred: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Request) -> Completion | str:
        prompt = "\0".join(m.content + str(m.tool_calls) for m in request.messages)
        name = hashlib.sha256(f"{request.role}\0{prompt}".encode()).hexdigest()
        self.seen[name] += 1
        nth = 1 if self.same else self.seen[name]
        draw = random.Random(f"{self.seed} {name} {nth}")
        said = self.policy(request)
        if draw.random() >= self.p:
            return said
        kinds = [kind for kind in kinds_for(request, said) if not self.kinds or kind in self.kinds]
        if not kinds or (self.times is not None and self.erred.total() >= self.times):
            return said
        kind = draw.choice(kinds)
        self.erred[kind] += 1
        return SPOIL[kind](said, draw, prompt)


def kinds_for(request: Request, said: Completion | str) -> list[str]:
    """The errors that fit a call."""
    if isinstance(said, str):
        if request.role == "verifier":
            return [
                "cut_json",
                "prose",
                "string_flags",
                "empty",
                "refusal",
                "flip",
                "made_up",
            ]
        kinds = [
            "cut_json", "prose", "string_flags", "empty", "refusal", "false_loop", "false_done",
            "false_done_later", "bare_done",
        ]  # fmt: skip
        if json.loads(said).get("assignments"):
            kinds += ["wrong_agent", "unknown_agent", "vague", "wrong_tool"]
        return kinds
    if said.tool_calls and said.tool_calls[0].name == "report":
        return ["invented", "invented", "empty", "refusal", "no_evidence_text"]
    kinds = ["bad_argument", "unknown_tool", "stale", "empty", "refusal", "cut_arguments"]
    if said.tool_calls and said.tool_calls[0].name == "run":
        kinds += ["raises", "no_language", "fenced"]
    return kinds


@dataclass(frozen=True, slots=True)
class Tally:
    """How the runs at one error rate ended."""

    p: float
    same: bool
    runs: int
    right: int
    wrong: int
    calls: int
    losses: tuple[str, ...]

    @property
    def calls_per_success(self) -> float:
        return self.calls / max(1, self.right)

    def cells(self) -> dict[str, str]:
        """A row of a table, in the columns that AutoGen's has."""
        honest = self.runs - self.right - self.wrong
        ends = {"success": self.right, "false": self.wrong, "honest": honest}
        shares = {f"{name} %": f"{100 * count / self.runs:.0f}" for name, count in ends.items()}
        calls = f"{self.calls_per_success:.1f}" if self.right else "-"
        return {**shares, "calls per success": calls}


async def measure(home: Path, seeds: range, player: Player, p: float, *, same: bool) -> Tally:
    """Play the task once per seed against a model that errs at this rate; every run is real but
    for its model and its machine. A run that says `answered` with another figure is wrong."""
    journal = Journal.open(home)
    right = wrong = calls = 0
    losses = []
    try:
        for seed in seeds:
            files = make_files(seed)
            noisy = Noisy(player, p, seed, same)
            bench = Bench(home, journal)
            outcome = await bench.run(noisy, agents=make_team(files), task=TASK, without=())
            shown = re.search(r"([\d.]*\d) EUR", outcome.answer or "")
            good = shown is not None and float(shown[1]) == float(right_answer(files))
            right += outcome.outcome == "answered" and good
            wrong += outcome.outcome == "answered" and not good
            calls += outcome.spent.calls
            if outcome.outcome != "answered" or not good:
                losses.append(f"seed {seed}: {outcome.outcome} {outcome.reason} {noisy.erred}")
    finally:
        journal.close()
    return Tally(p, same, len(seeds), right, wrong, calls, tuple(losses))


Spoiler = Callable[[Any, random.Random, str], Completion | str]


def _with(**changes: Any) -> Spoiler:
    def spoil(said: str, _draw: random.Random, _prompt: str) -> str:
        return json.dumps({**json.loads(said), **changes})

    return spoil


def _spoilt_work(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Spoiler:
    def spoil(said: str, _draw: random.Random, _prompt: str) -> str:
        reply = json.loads(said)
        reply["assignments"] = [change(work) for work in reply["assignments"]]
        return json.dumps(reply)

    return spoil


def _other_agent(work: dict[str, Any]) -> dict[str, Any]:
    return {**work, "agent": "Coder" if work["agent"] == "FileSurfer" else "FileSurfer"}


def _false_done(said: str, draw: random.Random, prompt: str) -> str:
    """Satisfied too early, with some figure of the conversation as the answer."""
    figures = re.findall(r"(?<![\w.])\d{3,}(?:\.\d+)?(?![\w.])", prompt) or ["1234"]
    answer = f"The value with tax is {draw.choice(figures)} EUR."
    done = {"request_satisfied": True, "assignments": [], "answer": answer, "citations": []}
    return json.dumps({**json.loads(said), **done})


def _done_later(said: str, draw: random.Random, prompt: str) -> str:
    """The same, and the plan is said to be done."""
    reply = json.loads(_false_done(said, draw, prompt))
    reply["plan"] = [{**step, "state": "done"} for step in reply["plan"]]
    return json.dumps(reply)


def _bare_done(said: str, draw: random.Random, prompt: str) -> str:
    answer = json.loads(_false_done(said, draw, prompt))["answer"]
    return json.dumps({"request_satisfied": True, "answer": answer})


def _arguments(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Spoiler:
    def spoil(said: Completion, _draw: random.Random, _prompt: str) -> Completion:
        call = said.tool_calls[0]
        changed = change(json.loads(call.arguments))
        return _call(call.name, changed)

    return spoil


def _invented(said: Completion, draw: random.Random, _prompt: str) -> Completion:
    """Another figure than the one that was seen."""
    given = json.loads(said.tool_calls[0].arguments)
    number = str(draw.randint(1000, 9999))
    given["summary"] = re.sub(r"[\d.]*\d(?=\D*$)", number, given["summary"])
    return _call("report", given)


def _flip(said: str, _draw: random.Random, prompt: str) -> str:
    verdict = json.loads(said)
    quote = re.search(r"\w[^\n<>]{3,30}: [\d.]*\d", prompt.partition("</answer>")[2])
    if verdict["supported"]:
        return json.dumps({"supported": False, "quotes": [], "unproven": ["it is another depot"]})
    quotes = [{"quote": quote[0], "evidence": ""}] if quote else []
    return json.dumps({"supported": True, "quotes": quotes, "unproven": []})


def _fenced(said: Completion, _draw: random.Random, _prompt: str) -> Completion:
    code = json.loads(said.tool_calls[0].arguments)["code"]
    return Completion(text=f"Here is the program:\n```\n{code}\n```")


def _renamed(name: str) -> Spoiler:
    def spoil(said: Completion, _draw: random.Random, _prompt: str) -> Completion:
        return _call(name, json.loads(said.tool_calls[0].arguments))

    return spoil


def _cut(said: str, draw: random.Random, _prompt: str) -> str:
    return said[: draw.randint(len(said) // 3, len(said) - 2)]


def _cut_arguments(said: Completion, _draw: random.Random, _prompt: str) -> Completion:
    call = said.tool_calls[0]
    cut = call.model_copy(update={"arguments": call.arguments[: len(call.arguments) // 2]})
    return said.model_copy(update={"tool_calls": (cut,)})


SPOIL: Mapping[str, Spoiler] = {
    "cut_json": _cut,
    "prose": lambda said, _draw, _prompt: f"Sure, here is my reply:\n{said}\nI hope this helps!",
    "string_flags": lambda said, _draw, _prompt: re.sub(r": (true|false)", r': "\1"', said),
    "empty": lambda _said, _draw, _prompt: Completion(text=""),
    "refusal": lambda _said, _draw, _prompt: Completion(
        text="I'm sorry, but I can't help with that.", finish="refusal"
    ),
    "false_loop": _with(in_loop=True, making_progress=False, reason="we are going in circles"),
    "false_done": _false_done,
    "false_done_later": _done_later,
    "bare_done": _bare_done,
    "wrong_agent": _spoilt_work(_other_agent),
    "unknown_agent": _spoilt_work(lambda work: {**work, "agent": "Researcher"}),
    "vague": _spoilt_work(lambda work: {**work, "instruction": VAGUE, "tool": None}),
    "wrong_tool": _spoilt_work(
        lambda work: {**work, "tool": {"name": "fetch", "arguments": {"url": "x"}}}
    ),
    "invented": _invented,
    "no_evidence_text": lambda said, _draw, _prompt: Completion(
        text=json.loads(said.tool_calls[0].arguments)["summary"]
    ),
    "bad_argument": _arguments(lambda given: {"file": next(iter(given.values()))}),
    "unknown_tool": _renamed("do_it"),
    "stale": _arguments(lambda given: {**given, next(iter(given)): "inputs/gone.txt"}),
    "cut_arguments": _cut_arguments,
    "raises": _arguments(lambda given: {**given, "code": f"print(1)\nundefined\n{given['code']}"}),
    "no_language": _arguments(lambda given: {**given, "language": ""}),
    "fenced": _fenced,
    "flip": _flip,
    "made_up": _with(supported=True, quotes=["as everybody knows"], unproven=[]),
}
