"""The run that golden journals hold: a small team, a lead that reads, and what can go wrong.

Also how a run becomes files (`events.jsonl`, `head.json`, `blobs/`) and a journal again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sql
from harness import Bench, Worker, assign, finish, last_user

from agents.tool_loop import ToolLoop
from agents.toolkit import tool, tools_of
from orchestrator.agent import Assignment, Observation, Report, Source, WorkContext
from orchestrator.canonical import canonical
from orchestrator.errors import ToolFailed
from orchestrator.journal import Journal, Record
from orchestrator.journal_schema import connect, events, migrate, runs
from orchestrator.limits import Limits
from orchestrator.models.llm import Completion, Request, ToolCall
from orchestrator.work import Consent

TASK = "Add up the prices of the apple and the pear, and tell the shop."
LIMITS = Limits(stalls=1, replans=1, rounds=12)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = [field.name for field in fields(Record)]


class Shop:
    """Tools of every kind: read, large, failing, irreversible."""

    @tool(direct=True)
    async def price(self, thing: str) -> Observation:
        """The price of a thing."""
        text = f"{thing} costs {len(thing) * 111} cents"
        return Observation(text=text, source=Source(kind="tool", ref="price"), page=thing)

    @tool()
    async def catalogue(self) -> Observation:
        """Everything that there is; too large to be kept inside of an event."""
        text = "\n".join(f"row {number}: nothing of interest" for number in range(400))
        return Observation(text=text, source=Source(kind="path", ref="catalogue.txt"))

    @tool(risk="irreversible", effect="ambiguous")
    async def order(self, thing: str) -> Observation:
        """Order a thing."""
        raise ToolFailed(f"{thing} is sold out")


async def clerk(assignment: Assignment, ctx: WorkContext) -> Report:
    """The shared tool loop over the shop."""
    return await ToolLoop(assignment, ctx, tools_of(Shop()), "You are a clerk.").work()


async def adder(assignment: Assignment, ctx: WorkContext) -> Report:
    """Adds the numbers of its brief, as code would."""
    numbers = [int(found) for found in re.findall(r"costs (\d+)", assignment.brief)]

    async def add() -> object:
        source = Source(kind="tool", ref="Adder")
        text = f"the sum is {sum(numbers)}"
        observation = Observation(text=text, source=source, locator="code output")
        return observation.model_dump(mode="json")

    done = await ctx.once("act/1", add, kind="tool", fingerprint=numbers)
    observation = Observation.model_validate(done.value)
    evidence = await ctx.add_evidence("act/1", observation)
    return Report(status="done", summary=observation.text, evidence=(evidence.id,))


def team() -> Mapping[str, Worker]:
    """The roster of the golden run."""
    return {"Clerk": Worker("Clerk", clerk), "Adder": Worker("Adder", adder)}


def play(request: Request) -> Completion | str:
    """Lead and clerk; both decide by what they are shown."""
    return _lead(request) if request.role == "lead" else _clerk(request)


def _lead(request: Request) -> str:
    told = "\n".join(message.content for message in request.messages if message.role == "user")
    total = re.search(r"the sum is (\d+)", told)
    if "could not be used" in last_user(request):
        return assign(
            ("Clerk", "price of the apple"),
            {"id": "p", "agent": "clerk", "instruction": "price", "tool": _direct("pear")},
            {"id": "s", "agent": "Adder", "instruction": "add both", "after": ["a1", "p"]},
            facts=[{"id": "f1", "text": "the sum of both prices", "kind": "to_derive"}],
            plan=[{"id": "p1", "text": "ask and add", "agent": "Clerk"}],
        )
    if total is None:
        return "Let me think about fruit first."
    answer = f"{total[1]} cents; the shop could not be told, since the apple is sold out."
    if 'kind="gate"' in last_user(request):
        return finish(answer, plan=[{"id": "p1", "state": "done"}])
    if 'kind="replan"' in last_user(request):
        return assign({"id": "a1", "agent": "Clerk", "instruction": "x", "tool": _direct("plum")})
    if "plum costs" in told:
        return finish(answer)
    if "sold out" in told:
        again = ("Clerk", "price of the apple, once more")
        return assign(again, making_progress=False, reason="it stays sold out")
    return assign(("Clerk", "order the apple"), ("Clerk", "read the catalogue"))


def _clerk(request: Request) -> Completion:
    instruction = request.messages[1].content.rpartition("<instruction>")[2]
    shown = [message.content for message in request.messages if message.role == "tool"]
    if shown:
        summary = "the catalogue holds no fruit" if "catalogue" in instruction else shown[-1]
        return _call("report", {"status": "done", "summary": summary})
    if "catalogue" in instruction:
        return _call("catalogue", {})
    name = "order" if "order" in instruction else "Price"
    return _call(name, {"thing": "apple"})


def _direct(thing: str) -> dict[str, object]:
    return {"name": "price", "arguments": {"thing": thing}}


def _call(name: str, arguments: dict[str, object]) -> Completion:
    call = ToolCall(id="c1", name=name, arguments=json.dumps(arguments))
    return Completion(text="", tool_calls=(call,))


async def record(home: Path) -> tuple[Journal, str]:
    """Play the run into a fresh journal whose clock ticks a second per record."""
    ticks = iter(range(10**6))
    journal = Journal.open(home, clock=lambda: BEGAN + timedelta(seconds=next(ticks)))
    bench = Bench(home, journal)
    consent = Consent("allow-all")
    await bench.run(play, agents=team(), task=TASK, limits=LIMITS, consent=consent)
    return journal, bench.run_id


def export(journal: Journal, run: str, folder: Path) -> None:
    """Write a run into a folder; old files in it are replaced."""
    records = journal.verify(run)
    lines = "".join(f"{canonical(asdict(record))}\n" for record in records)
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    for old in (folder / "blobs").iterdir():
        old.unlink()
    for name in sorted({*re.findall(r"\b[0-9a-f]{64}\b", lines)}):
        if journal.blobs.has(name):
            (folder / "blobs" / name).write_bytes(journal.blobs.get(name))
    head = {"seq": len(records), "hash": records[-1].hash}
    (folder / "events.jsonl").write_text(lines, encoding="utf-8")
    (folder / "head.json").write_text(canonical(head), encoding="utf-8")


@contextmanager
def imported(folder: Path, home: Path) -> Iterator[tuple[Journal, str]]:
    """A journal in `home` that holds the exported run, row for row."""
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    head = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    run = rows[0]["run"]
    engine = connect(home, None)
    migrate(engine)
    with engine.begin() as connection:
        owner = {"run": run, "created": rows[0]["time"], "epoch": rows[-1]["epoch"], "owner": "x:1"}
        connection.execute(
            sql.insert(runs).values(**owner, head_seq=head["seq"], head_hash=head["hash"])
        )
        stored = [{**row, "body": canonical(row["body"])} for row in rows]
        connection.execute(sql.insert(events), [{n: row[n] for n in COLUMNS} for row in stored])
    engine.dispose()
    journal = Journal.open(home)
    try:
        for blob in (folder / "blobs").iterdir():
            assert journal.blobs.put(blob.read_bytes()) == blob.name
        yield journal, run
    finally:
        journal.close()
