"""The tasks of the batch suites, the agents and the policy that play them, and small readers.

A task is "Add 3 and 4." or "Misbehave: WORD, then add 3 and 4."; the lead hands the numbers to the
Adder, which is a member of the roster without a model, and reads the sum out of its report.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cli_process import Cli
from harness import assign, finish

from agents.roster import Parts
from orchestrator.agent import Assignment, Observation, Question, Report, Source, WorkContext
from orchestrator.models.llm import Request
from tasks.batch.leftovers import PREFIX, VARIABLE
from tasks.batch.preparing import tasks_of
from tasks.batch.results import results_of
from tasks.batch.store import Store

CANARY = re.compile(rb"canary-[0-9a-f]{12}")
"""How gold looks that no task may find; the pattern itself does not match it."""
TASK = re.compile(r"(?:Misbehave: (\w+), then a|A)dd (\d+) and (\d+)\.")
AGENTS = """
[agents.FileSurfer]
enabled = false
[agents.Coder]
enabled = false
[agents.ComputerTerminal]
enabled = false
[agents.Adder]
use = "batch_play:Adder"
[agents.Misfit]
use = "batch_play:Misfit"
"""


def policy(request: Request) -> str:
    """The lead: misbehave first where the task says so, then have the numbers added."""
    told = "\n".join(message.content for message in request.messages if message.role == "user")
    found = TASK.search(told)
    assert found, told
    total = re.search(r"the sum is (\d+)", told)
    if total:
        evidence = sorted(set(re.findall(r"evidence (\d+\.\d+\.\d+)", told)))
        return finish(total[1], citations=[{"quote": total[0], "evidence": evidence}])
    if found[1] and "misbehaved" not in told:
        return assign(("Misfit", found[1]))
    return assign(("Adder", f"add {found[2]} and {found[3]}"))


class Adder:
    """Adds the numbers of its instruction, without a model."""

    name = "Adder"
    description = "adds the numbers in its instruction"

    def __init__(self, _parts: Parts) -> None:
        """Needs nothing."""

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        numbers = [int(word) for word in assignment.instruction.split() if word.isdigit()]
        return await observed(ctx, f"the sum is {sum(numbers)}", numbers)

    async def close(self) -> None:
        """Nothing to let go of."""


class Misfit:
    """Does to its process what its instruction says."""

    name = "Misfit"
    description = "misbehaves"

    def __init__(self, _parts: Parts) -> None:
        """Needs nothing."""

    async def work(self, assignment: Assignment, ctx: WorkContext) -> Report:
        word = assignment.instruction.split()[0]
        if word == "ask":
            asked = Question(kind="approve", text="May I misbehave?")
            said = (await ctx.ask("ask/1", asked)).status
        else:
            said = MISDEEDS[word]()
        return await observed(ctx, f"misbehaved: {said}", assignment.instruction)

    async def close(self) -> None:
        """Nothing to let go of."""


async def observed(ctx: WorkContext, text: str, about: Any) -> Report:
    """One recorded step that shows a text."""

    async def show() -> Any:
        source = Source(kind="tool", ref="play")
        seen = Observation(text=text, source=source, locator="code output")
        return seen.model_dump(mode="json")

    done = await ctx.once("act/1", show, kind="tool", fingerprint=about)
    observation = Observation.model_validate(done.value)
    evidence = await ctx.add_evidence("act/1", observation)
    return Report(status="done", summary=observation.text, evidence=(evidence.id,))


def hang() -> str:
    while True:
        time.sleep(1000)  # a blocked loop: nothing inside of the process can end this


def crash() -> str:
    os.abort()


def leak() -> str:
    """Start processes that get away from their group, their session and their parent."""
    escape = "import os,time; os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
    for _ in range(3):
        subprocess.Popen([sys.executable, "-c", escape], start_new_session=True)
    (Path(os.environ["TMPDIR"]) / "left").write_text("x", encoding="utf-8")
    (Path.home() / ".left").write_text("x", encoding="utf-8")
    return "left processes and files"


def flood() -> str:
    """Write a lot on both streams."""
    for _ in range(200):
        os.write(1, b"o" * 65_536)
        os.write(2, b"e" * 65_536)
    return "wrote 25 MB"


def hunt() -> str:
    """Look for gold in all that this process has, its memory too, and in the whole home of the
    journal; where it was found, or nothing."""
    places = {
        "command line": Path("/proc/self/cmdline").read_bytes(),
        "environ": Path("/proc/self/environ").read_bytes() + repr(dict(os.environ)).encode(),
        "memory": b"".join(memory()),
    }
    roots = [Path.cwd(), Path.home(), Path(os.environ["TMPDIR"]), Path(os.environ["HUNTED"])]
    files = [file for root in roots for file in root.rglob("*")]
    files += [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    places |= {str(file): file.read_bytes() for file in files if file.is_file()}
    assert len(places["memory"]) > 10 << 20
    found = [name for name, content in places.items() if CANARY.search(content)]
    return f"found gold in {found}" if found else "no gold anywhere"


def memory() -> Iterator[bytes]:
    """Everything that this process can write to: its heap and stacks."""
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", 0) as content:
        for line in maps:
            where, rights, *_ = line.split()
            if rights.startswith("rw"):
                first, last = (int(number, 16) for number in where.split("-"))
                content.seek(first)
                with suppress(OSError):
                    yield content.read(last - first)


MISDEEDS: dict[str, Callable[[], str]] = {
    "hang": hang, "crash": crash, "leak": leak, "flood": flood, "hunt": hunt,
}  # fmt: skip


def tasks_file(folder: Path, count: int, *, misdeeds: Iterable[str] = ()) -> Path:
    """A file of so many sums, every tenth with a gold that is a canary, and a task per misdeed."""
    canary = f"canary-{secrets.token_hex(6)}"
    rows = [
        {
            "id": f"sum/{number}",
            "input": f"Add {number} and {3 * number}.",
            "gold": str(4 * number) if number % 10 else canary,
            "level": number % 3,
        }
        for number in range(1, count + 1)
    ]
    rows += [
        {"id": word, "input": f"Misbehave: {word}, then add 2 and 2.", "gold": ["4", canary],
         "scorer": "contains", "priority": 5}
        for word in misdeeds
    ]  # fmt: skip
    path = folder / "gold" / "tasks.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def batch_cli(folder: Path, base_url: str) -> Cli:
    """The command with our agents, and temporary files in a folder of its own."""
    temp = folder / "temp"
    temp.mkdir()
    cli = Cli(folder / "cli", base_url)
    cli.prepare()
    cli.configure(AGENTS)
    here = str(Path(__file__).parent)
    cli.environ |= {
        "PYTHONPATH": f"{Path(here).parent}:{here}",
        "TMPDIR": str(temp),
        "HUNTED": str(cli.home),
    }
    return cli


def batch_flags(cli: Cli) -> list[str]:
    """A model that is there, and nothing heavy."""
    return [*cli.flags(), "--no-verify"]


@contextmanager
def stored(cli: Cli) -> Iterator[tuple[Store, str]]:
    """The rows of the newest batch, without another process."""
    store = Store.open(cli.home, cli.environ.get("QUAESTOR_JOURNAL_URL"))
    try:
        yield store, store.find("last").batch
    finally:
        store.close()


def results(cli: Cli) -> list[dict[str, Any]]:
    """Every unit of the newest batch, scored, as `quaestor batch results` shows it."""
    with stored(cli) as (store, batch):
        cases = tasks_of(store.read(batch).plan).cases
        return [row.model_dump(mode="json") for row in results_of(store.all(batch), cases)]


def report(cli: Cli) -> list[dict[str, Any]]:
    """The same without what depends on when and where it ran."""
    varying = {"run", "times", "attempts", "spent", "wasted"}
    return [
        {name: value for name, value in row.items() if name not in varying} for row in results(cli)
    ]


def unit_processes(temp: Path) -> list[str]:
    """The processes that belong to units of this test, by their environment or, where a box has
    none, by their command."""
    marked, named = f"{VARIABLE}={temp}".encode(), f"{temp}/{PREFIX}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            if named in command or any(one.startswith(marked) for one in environ.split(b"\0")):
                found.append(command.decode("utf-8", "replace")[:200])
    return found


def wait_until_nothing_is_left(temp: Path, seconds: float = 60.0) -> None:
    """No process of a unit, no folder of one. Raises AssertionError with what is there."""
    until = time.monotonic() + seconds
    while left := [*unit_processes(temp), *map(str, temp.glob(f"{PREFIX}*"))]:
        if time.monotonic() > until:
            raise AssertionError(f"left behind: {left}")
        time.sleep(0.05)
