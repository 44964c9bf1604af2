"""What leaves the machine of a case whose personal data is hidden: every byte that a real endpoint
was sent, over two attempts of which the first is broken off."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import pytest_asyncio
from forensics_bench import SAMPLE
from openai_server import Server, serve
from openai_wire import from_request_policy
from sampling import SOAK
from sandbox_bench import settings as box

from orchestrator.models.llm import Completion, Request
from orchestrator.settings import BoxSettings, ModelSettings, Settings
from tasks import api
from tasks.demo.reading import Step, prompt_of, steps
from tasks.demo.speaking import calls, report
from tasks.forensics import scripted
from tasks.forensics.batch_file import load_batch
from tasks.forensics.folder import Folder
from tasks.forensics.redaction import PSEUDONYM, Redactor, key_in
from tasks.forensics.running import Work, work_on
from tasks.forensics.scripted_roles import read_exhibits, roles_of
from tasks.forensics.verifying import verify

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.soak]
"""Two whole attempts at a case, and a comparison with a third."""
EVIDENCE = SAMPLE.parent / "evidence"
CONTACTS = (
    "mail,phone,card,first,last,iban,link\n"
    "Jane.Doe@kolibri.example,+49 30 9014477,4111111111111111,Jane,Doe,DE89370400440532013000,"
    "https://x.example/?e=jane.doe%2540kolibri.example\n"
    "JANE.DOE@KOLIBRI.EXAMPLE,0049 30 9014477,5500000000000004,JANE,DOE,GB82WEST12345698765432,"
    "https://x.example/?n=Jane%20Doe&b=amFuZS5kb2VAa29saWJyaS5leGFtcGxl\n"
    "bo@kolibri.example,,,Bo,Gren,,-\n"
)
PLANTED = re.compile(
    r"jane|doe\b|doe@|kolibri\.example|9014477|411111111|550000000000|DE8937|GB82WEST|1234569876"
    r"|amFuZS5kb2V",
    re.IGNORECASE,
)
"""Whatever of it is not hidden; the file is read beside others that hold none of it."""
CASE: Mapping[str, Any] = {
    "question": "Did Jane Doe (jane.doe@kolibri.example) or AFF-1483 breach the terms?",
    "title": "Doe, Jane",
    "evidence": "files",
    "subject": "AFF-1483",
    "hypotheses": ["JANE DOE paid with 4111 1111 1111 1111"],
    "schema_hints": {"contacts.csv": "ask desk@kolibri.example, +49 30 9014477"},
}
HIDDEN = {"model_input": True, "names": ["Jane Doe"]}


def curious(request: Request) -> Completion | str:
    """The scripted team, with an Examiner that looks into everything, tries to get at parts of
    values, and goes on with what it was shown."""
    if "You are the Examiner" not in request.messages[0].content:
        return scripted.policy(request)
    done = steps(request)
    if not done:
        return calls(request, ("exhibits", {}))
    hint = re.search(r"contacts\.csv: ask ([^,]+),", prompt_of(request))
    assert hint
    wanted = list(_wanted(done, hint[1]))
    if len(done) < len(wanted):
        return calls(request, wanted[len(done)])
    return report(request, "done", f"Claims were made about {_shown_mail(done)}.")


def _wanted(done: list[Step], hint: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step so far and the next, from what was shown."""
    found = re.search(r"^(E\d+) \S*contacts\.csv", done[0].body, re.MULTILINE)
    assert found
    exhibit, table = found[1], found[1].lower()
    yield "exhibits", {}
    yield "profile", {"table": table}
    yield "sample", {"table": table}
    yield "sql", {"query": f"SELECT mail, phone, card, first, last, iban, link FROM {table}"}
    yield "lines", {"exhibit": exhibit, "first": 1, "last": 4}
    yield "grep", {"exhibit": exhibit, "pattern": "bo@|do.,"}
    for attack in ATTACKS:
        yield "sql", {"query": attack.format(table=table)}
    mail = _shown_mail(done)
    count = f"SELECT mail, count(*) AS n FROM {table} WHERE mail = '{mail}' GROUP BY 1"
    yield "sql", {"query": count}
    yield "grep", {"exhibit": exhibit, "pattern": f"^{re.escape(mail)},"}
    yield "grep", {"exhibit": exhibit, "pattern": hint}
    yield "ua", {"text": f"Mozilla/5.0 ({mail})"}
    yield "geo", {"ip": mail}
    yield "sql", {"query": f"SELECT nothing FROM {table} WHERE mail = '{mail}'"}
    cited = re.match(r"Q[0-9A-F]{6}", next((s.body for s in done if _asks(s, count)), ""))
    claims = [f"{mail} is in 1 row.", f"{mail} is in 7 rows."]
    for text in claims:
        yield "claim", {"text": text, "cites": [cited[0] if cited else "Q000000"]}
    roles = roles_of(read_exhibits(done[0].body))
    yield "roles", {"columns": roles}
    yield "tests", {"names": []}


def _asks(step: Step, query: str) -> bool:
    return step.arguments.get("query") == query


def _shown_mail(done: list[Step]) -> str:
    """The first address as the rows have shown it."""
    rows = next(
        (s.body for s in done if s.arguments.get("query", "").startswith("SELECT mail, p")), ""
    )
    lines = rows.splitlines()
    return lines[2].partition(" | ")[0] if len(lines) > 2 else ""


ATTACKS = (
    "SELECT substr(mail, 1, 6) AS a, reverse(mail) AS b FROM {table}",
    "SELECT mail[1:6] AS a FROM {table}",
    "SELECT string_agg(first, 'x') OVER () AS a FROM {table}",
    "SELECT mail::BLOB::BIT AS a FROM {table}",
    "SELECT first || 'x' || last AS a FROM {table}",
    "SELECT mail::INT AS a FROM {table}",
    "SELECT card + 0 AS a, card::DOUBLE AS b, card::DECIMAL(30, 2) AS c FROM {table}",
    "SELECT list(mail) AS a, upper(min(first)) AS b, lower(any_value(last)) AS c FROM {table}",
    "SELECT {{'a': mail}} AS a FROM {table}",
    "SELECT 1 FROM {table} WHERE strptime(mail, '%Y') IS NULL",
)


@dataclass(frozen=True)
class Sent:
    """The same case twice: as it is, and with what is personal hidden."""

    folders: Mapping[str, Folder]
    bodies: Mapping[str, list[str]]
    broken_off: int

    def report(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folders[name].path / "report.json").read_text("utf-8")))


def batch(root: Path, name: str, **changes: Any) -> Path:
    """The case as a batch of its own."""
    files = root / name / "files"
    files.mkdir(parents=True)
    for file in ("clicks.csv", "conversions.csv"):
        shutil.copy(EVIDENCE / file, files)
    (files / "contacts.csv").write_text(CONTACTS, encoding="utf-8")
    mail = CONTACTS.splitlines()[1].partition(",")[0]
    (files / f"{mail}.csv").write_text(f"{mail},n\nJane Doe,1\nx,2\n", encoding="utf-8")
    manifest = root / name / "batch.jsonl"
    case = {"case_id": "case", **CASE, **changes}
    manifest.write_text(f"{json.dumps(case)}\n", encoding="utf-8")
    return manifest


@asynccontextmanager
async def asking(manifest: Path, server: Server) -> AsyncIterator[Work]:
    """A batch whose team asks a real endpoint."""
    home = manifest.parent / "home"
    models = ModelSettings(name="scripted", base_url=server.base_url)
    chosen = Settings(home=home, models=models, sandbox=BoxSettings(launcher="docker"))
    async with api.open(chosen) as quaestor:
        yield Work(quaestor, load_batch(manifest), manifest.parent / "out")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Both batches; the hidden one is broken off once and gone on with."""
    root = tmp_path_factory.mktemp("masking")
    bodies: dict[str, list[str]] = {}
    cut = 0
    plain: dict[str, dict[str, Any]] = {"open": {}} if SOAK else {}
    for name, changes in {**plain, "hidden": {"redaction": HIDDEN}}.items():
        manifest = batch(root, name, **changes)
        with serve(from_request_policy(curious)) as server:
            if name == "hidden":
                cut = await broken_off(manifest, server, after=9)
            async with asking(manifest, server) as work:
                (case,) = work.batch.cases
                known = work.folder(case).state()
                state = await work_on(work, case, known.run if known else "")
                assert state.state == "done", state
                assert known is None or state.run == known.run
            bodies[name] = [json.dumps(e.body, ensure_ascii=False) for e in server.log]
    folders = {name: Folder(root / name / "out" / "cases" / "case") for name in bodies}
    return Sent(folders, bodies, cut)


async def broken_off(manifest: Path, server: Server, after: int) -> int:
    """Work on a batch until the endpoint was asked so often; how often that was."""
    async with asking(manifest, server) as work:
        working = asyncio.ensure_future(work_on(work, work.batch.cases[0]))
        while len(server.log) < after and not working.done():
            await asyncio.sleep(0.02)
        working.cancel()
        state = await working
        assert state.state == "partial", state
    return len(server.log)


def readable(body: str) -> str:
    """A body with everything in it that somebody could decode."""
    decoded = [unquote_plus(unquote_plus(body))]
    for word in re.findall(r"[A-Za-z0-9+/]{12,}={0,2}", body):
        bare = word.rstrip("=")
        with suppress(binascii.Error):  # a word of prose
            content = base64.b64decode(bare + "=" * (-len(bare) % 4))
            decoded.append(content.decode("latin-1"))
    return "\n".join([body, *decoded])


async def test_nothing_planted_is_in_any_byte_that_was_sent(sent: Sent) -> None:
    assert len(sent.bodies["hidden"]) > sent.broken_off
    for body in sent.bodies["hidden"]:
        found = PLANTED.search(PSEUDONYM.sub("", readable(body)))
        assert found is None, body[max(0, found.start() - 200) : found.end() + 200]
    assert all(PLANTED.search(body) for body in sent.bodies.get("open", ()))


async def test_nothing_planted_is_in_the_requests_that_the_journal_keeps(sent: Sent) -> None:
    folder = sent.folders["hidden"]
    intended = [r.body for r in folder.records() if r.kind == "StepIntended"]
    assert any(body["step"] == "model" for body in intended)
    for body in intended:
        texts = [json.dumps(body)]
        if body["step"] == "model":
            names = [*body["request"]["messages"], body["request"]["tools"]]
            texts += [(folder.path / "blobs" / name).read_text("utf-8") for name in names if name]
        assert not PLANTED.search(PSEUDONYM.sub("", readable("\n".join(texts))))


async def test_claims_are_over_what_is_really_there(sent: Sent) -> None:
    made = sent.report("hidden")
    assert "Jane.Doe@kolibri.example is in 1 row." in [claim["text"] for claim in made["claims"]]
    assert len(made["annex"]) == 1
    annex = (sent.folders["hidden"].path / "annex.json").read_text("utf-8")
    assert "Jane.Doe@kolibri.example is in 7 rows." in annex
    assert not PSEUDONYM.search(json.dumps(made))


@pytest.mark.soak
async def test_the_same_team_comes_to_the_same_report_over_what_is_really_there(
    sent: Sent,
) -> None:
    hidden, plain = sent.report("hidden"), sent.report("open")
    for made in (hidden, plain):
        del made["run"]
    assert hidden == plain


@pytest.mark.soak
async def test_it_verifies_from_its_folder_without_the_key(sent: Sent) -> None:
    assert (await verify(sent.folders["hidden"].path, box("docker"))).problems == ()


async def test_pseudonyms_are_those_of_the_copy_that_is_handed_on(sent: Sent) -> None:
    folder = sent.folders["hidden"]
    key = key_in(folder.path.parents[1])
    shared = Redactor(key, names=("Jane Doe",)).text("jane.doe@kolibri.example")
    assert any(shared[:-1] in body for body in sent.bodies["hidden"])


async def test_after_a_break_pseudonyms_still_stand_for_what_they_stood_for(sent: Sent) -> None:
    said = "\n".join(sent.bodies["hidden"][sent.broken_off :])
    assert "0 lines match" in said  # the address of the hint, which no line holds
    assert "stands for nothing" not in said


async def test_a_query_that_takes_values_apart_is_refused_with_the_reason(sent: Sent) -> None:
    last = max(sent.bodies["hidden"], key=len)
    assert last.count("may not be used while personal data is hidden") >= 6
