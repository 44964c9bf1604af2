"""The FileSurfer's tools over real documents in a real box: how a model finds a fact."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import openpyxl  # type: ignore[import-untyped]  # it has no stubs
import pytest
import pytest_asyncio
from attachments import ATTACHMENTS, INSIDE, MADE_INSIDE, SOUNDS, Attachment, content_of, zipped
from sandbox_bench import settings

from agents.coder import authored
from agents.file_surfer.agent import Desk
from agents.file_surfer.library import Library
from agents.toolkit import tools_of
from agents.workspace import Workspace
from orchestrator.agent import Observation, WorkContext
from orchestrator.blobs import Blobs
from orchestrator.errors import ToolFailed
from orchestrator.models.llm import Profile

MADE: dict[str, bytes] = {}
"""What the box makes takes seconds: once for all tests."""


@dataclass(frozen=True)
class Sight:
    """All that a desk asks of its surroundings: what the model can see, and where bytes go."""

    profile: Profile
    blobs: Blobs

    def put_blob(self, content: bytes) -> str:
        return self.blobs.put(content)


@dataclass
class Office:
    """A workspace with a desk."""

    workspace: Workspace
    blobs: Blobs

    def desk(self, *, vision: bool = False) -> Desk:
        sight = Sight(Profile(vision=vision), self.blobs)
        return Desk(self.library, cast("WorkContext", sight))

    def __post_init__(self) -> None:
        self.library = Library(self.workspace)

    async def put(self, path: str, content: bytes) -> None:
        await self.workspace.save(path, content)

    async def fill(self, name: str) -> None:
        if name not in INSIDE:
            await self.put(name, content_of(name))
            return
        if not MADE:
            made = await self.workspace.run(authored(MADE_INSIDE, "python"), "make")
            MADE.update({item.path: self.blobs.get(item.sha256) for item in made.artifacts})
        for made_name, content in MADE.items():
            await self.put(made_name, content)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    blobs = Blobs(tmp_path / "blobs")
    workspace = Workspace(settings("docker"), blobs)
    yield Office(workspace, blobs)
    await workspace.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def archive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """One office for every kind of attachment."""
    blobs = Blobs(tmp_path_factory.mktemp("archive"))
    workspace = Workspace(settings("docker"), blobs)
    yield Office(workspace, blobs)
    await workspace.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("attachment", ATTACHMENTS, ids=lambda item: item.name)
async def test_every_kind_of_attachment_is_opened_and_its_fact_is_found(
    archive: Office, attachment: Attachment
) -> None:
    office = archive
    await office.fill(attachment.name)
    desk = office.desk()
    outline = await desk.open(attachment.name)
    assert f"{attachment.name}: {attachment.kind}," in outline.text
    hits = await desk.grep(attachment.fact, attachment.name)
    assert attachment.fact in hits.text
    assert hits.source is not None
    assert hits.source.ref == attachment.name


@pytest.mark.parametrize("attachment", SOUNDS, ids=lambda item: item.name)
async def test_sound_is_answered_with_cannot_hear_not_with_an_upload(
    office: Office, attachment: Attachment
) -> None:
    await office.fill(attachment.name)
    heard = await office.desk().open(attachment.name)
    assert heard.failed
    assert "cannot_hear" in heard.text


async def test_a_fact_in_a_text_of_200_kb_takes_two_calls(office: Office) -> None:
    lines = [f"record {number}: nothing to see in this line of text" for number in range(4000)]
    lines[3111] = "record 3111: the lighthouse keeper was called Aurelia Finch"
    await office.put("log.txt", "\n".join(lines).encode())
    desk = office.desk()
    hits = await desk.grep("lighthouse keeper")
    assert hits.text == f"log.txt line 3112: {lines[3111]}"
    around = await desk.read("log.txt", "lines 3111-3113")
    assert around.locator == "lines 3111-3113"
    assert around.text.splitlines()[2] == lines[3111]


async def test_find_ranks_parts_by_words_when_the_wording_is_not_known(office: Office) -> None:
    await office.fill("paper.pdf")
    await office.put("other.md", b"about the mass of nothing\n")
    best = (await office.desk().find("which mass is on sheet 7")).text.splitlines()[0]
    assert best.startswith("paper.pdf page 7:")


async def test_pages_of_a_pdf_are_read_by_range_with_their_anchor(office: Office) -> None:
    await office.fill("paper.pdf")
    pages = await office.desk().read("paper.pdf", "pages 11-12")
    assert pages.locator == "page 11 to page 12"
    assert "1221 kg" in pages.text
    assert "1332 kg" in pages.text
    assert "1110 kg" not in pages.text


def with_rows(book: openpyxl.Workbook, rows: str) -> bytes:
    """A workbook whose first sheet goes on with these rows; openpyxl takes long to write them."""
    small, large = io.BytesIO(), io.BytesIO()
    book.save(small)
    with zipfile.ZipFile(small) as source, zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as to:
        for name in source.namelist():
            content = source.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace("</sheetData>", f"{rows}</sheetData>")
                content = content.replace('ref="A1:C1"', 'ref="A1:C100001"')
            to.writestr(name, content)
    return large.getvalue()


@pytest.mark.soak  # it is parsed again by each operation
async def test_a_sheet_of_a_hundred_thousand_rows_is_queried_searched_and_paged(
    office: Office,
) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Trades"
    book.active.append(["id", "city", "amount"])
    rows = "".join(
        f'<row r="{n + 1}"><c r="A{n + 1}"><v>{n}</v></c><c r="B{n + 1}" t="inlineStr"><is><t>'
        f'city{n % 50}</t></is></c><c r="C{n + 1}"><v>{n * 2}</v></c></row>'
        for n in range(1, 100_001)
    )
    await office.put("big.xlsx", with_rows(book, rows))
    desk = office.desk()
    query = 'SELECT city, sum(amount) s FROM "Trades" GROUP BY 1 ORDER BY s DESC LIMIT 1'
    answer = await desk.table("big.xlsx", query)
    assert answer.text.splitlines()[1] == "| city0 | 200100000 |"
    assert query in answer.locator
    rows = await desk.read("big.xlsx", "Trades rows 90001-90002")
    assert rows.text.splitlines()[1:] == ["| 90001 | 90000 | city0 | 180000 |",
                                          "| 90002 | 90001 | city1 | 180002 |"]  # fmt: skip
    assert "first 5000 rows" in (await desk.open("big.xlsx")).text


@pytest.mark.soak  # large files
async def test_a_csv_over_every_size_limit_is_queried_where_it_lies(office: Office) -> None:
    rows = b"".join(b"%d,%d,%s\n" % (n, n % 7, b"x" * 60) for n in range(800_000))
    await office.put("big.csv", b"id,day,filler\n" + rows)
    desk = office.desk()
    answer = await desk.table("big.csv", "SELECT count(*), max(id) FROM t WHERE day = 3")
    assert answer.text.splitlines()[1] == "| 114286 | 799998 |"
    assert (await desk.grep("^799999,", "big.csv")).text.startswith("big.csv line 800001:")
    assert (await desk.read("big.csv", "rows 700001-700001")).text.startswith("rows 700001")


async def test_sql_that_is_wrong_or_reaches_out_is_answered_with_the_tables(office: Office) -> None:
    await office.fill("people.csv")
    desk = office.desk()
    for query in (
        "SELECT nothing FROM t",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY t TO '/workspace/planted.csv'",
        "ATTACH '/workspace/planted.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM read_csv('http://127.0.0.1:3128/x')",
    ):
        with pytest.raises(ToolFailed) as refused:
            await desk.table("people.csv", query)
        assert '"name" VARCHAR, "age" BIGINT' in refused.value.message, query
        assert "root:" not in refused.value.message
    async with office.workspace.reading() as box:
        assert [file.path for file in await box.files()] == ["people.csv"]


@pytest.mark.soak  # it waits until the time is up
async def test_a_pattern_that_never_ends_costs_neither_the_host_nor_the_box(office: Office) -> None:
    await office.put("trap.txt", b"a" * 5000 + b"!\n")
    started = time.monotonic()
    with pytest.raises(ToolFailed, match="longer than"):
        await office.desk().grep("(a+)+$", "trap.txt")
    assert time.monotonic() - started < 30
    assert (await office.desk().grep("a!$", "trap.txt")).text.startswith("trap.txt line 1")
    async with office.workspace.reading() as box:
        assert box.restarts == 0


async def test_a_broken_pattern_is_searched_as_plain_text(office: Office) -> None:
    await office.put("a.txt", b"one (two\n")
    assert "one (two" in (await office.desk().grep("(two")).text


async def test_members_of_archives_and_mails_are_opened_by_name_and_number(office: Office) -> None:
    nested = zipped({"deep.txt": b"the fourth key is under the mat\n"})
    await office.put("outer.zip", zipped({"one.txt": b"first\n", "nested.zip": nested}))
    desk = office.desk()
    assert "first" in (await desk.open("outer.zip!1")).text
    assert "under the mat" in (await desk.read("outer.zip!nested.zip!deep.txt")).text
    assert "under the mat" in (await desk.grep("fourth", "outer.zip!2!1")).text
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        entry = tarfile.TarInfo("inner.zip")
        entry.size = len(nested)
        tar.addfile(entry, io.BytesIO(nested))
    await office.put("outer.tar.gz", tarred.getvalue())
    assert "under the mat" in (await desk.open("outer.tar.gz!inner.zip!1")).text
    await office.put("mail.eml", content_of("offer.eml"))
    shown = (await desk.open("mail.eml")).text
    assert "eml, 3 parts. Offer 12" in shown
    assert "1. offer.csv" in (await desk.read("mail.eml", "attachments")).text
    answer = await desk.table("mail.eml!offer.csv", "SELECT price FROM t WHERE item = 'lamp'")
    assert answer.text.splitlines()[1] == "| 912 |"
    with pytest.raises(ToolFailed, match="2 deep"):
        await desk.table("outer.zip!2!1!1")


async def test_archives_of_archives_that_explode_stop_at_the_limits(office: Office) -> None:
    bomb = zipped({f"{n}.txt": bytes(60_000_000) for n in range(2)})
    await office.put("bomb.zip", bomb)
    started = time.monotonic()
    shown = await office.desk().open("bomb.zip!1")
    assert "unpacks to more than" in shown.text
    assert time.monotonic() - started < 15


async def test_a_model_with_eyes_gets_the_picture_and_one_without_gets_its_text(
    office: Office,
) -> None:
    await office.fill("ticket.png")
    seen = await office.desk(vision=True).image("ticket.png")
    (name,) = seen.images
    assert office.blobs.get(name).startswith(b"\x89PNG")
    page = await office.desk(vision=True).image("paper.pdf", page=2)
    assert office.blobs.get(page.images[0]).startswith(b"\x89PNG")
    told = await office.desk().image("ticket.png")
    assert told.images == ()
    assert "TICKET 7719" in told.text
    with pytest.raises(ToolFailed, match="no eyes"):
        await office.desk().image("paper.pdf")


async def test_a_document_is_converted_once_by_content(office: Office, tmp_path: Path) -> None:
    log = tmp_path / "log"
    office.workspace.settings = settings(office.workspace.settings.launcher, log=log)
    await office.put("report.docx", content_of("report.docx"))
    await office.put("copy.docx", content_of("report.docx"))
    desk = office.desk()
    await desk.open("report.docx")
    await desk.open("copy.docx")
    await desk.read("report.docx")
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1


async def test_after_a_resume_a_document_is_not_converted_again(
    office: Office, tmp_path: Path
) -> None:
    await office.put("report.docx", content_of("report.docx"))
    tools = office.library.remembering(tools_of(office.desk()))
    recorded = await tools["open"].function(path="report.docx")
    again = Workspace(settings("docker", log=tmp_path / "log"), office.blobs)
    again.files.update(office.workspace.files)
    resumed = Office(again, office.blobs)
    resumed.library.recall(Observation.model_validate_json(recorded.model_dump_json()))
    assert (await resumed.desk().open("report.docx")).text == recorded.text
    assert "harvest of 1931" in (await resumed.desk().read("report.docx")).text
    assert not (tmp_path / "log").exists()
    await again.close()


async def test_a_file_that_is_not_there_is_answered_with_those_that_are(office: Office) -> None:
    await office.fill("notes.txt")
    calls: list[Any] = [office.desk().open("nothing.txt"), office.desk().table("nothing.txt")]
    for call in calls:
        with pytest.raises(ToolFailed, match=r"notes\.txt"):
            await call
