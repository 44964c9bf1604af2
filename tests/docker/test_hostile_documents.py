# ruff: noqa: E501 - documents in strings
"""Documents that are made to hurt: bounded time, a host that neither blocks nor grows, an answer."""

from __future__ import annotations

import asyncio
import gzip
import io
import resource
import socket
import tarfile
import time
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from attachments import WORD, docx, zipped
from sandbox_bench import settings

from orchestrator.errors import ToolFailed
from sandbox.base import Box, Conversion, Sandbox

SECONDS = 60.0
HEARTBEAT_S, MISSED_S = 0.05, 1.5
GROWTH_KB = 120_000


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[Box]:
    """The launchers share the reader of documents: one box is enough here."""
    async with Sandbox.open(settings("docker")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def box(reader: Box) -> Box:
    """The box, emptied."""
    await reader.run("find . /tmp -mindepth 1 -delete", "bash")
    return reader


def _pdf(stream: bytes, pages: str = "[3 0 R]") -> bytes:
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    body += b"2 0 obj<</Type/Pages/Kids" + pages.encode() + b"/Count 1>>endobj\n"
    body += b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n"
    packed = zlib.compress(stream, 9)
    head = b"4 0 obj<</Filter/FlateDecode/Length %d>>stream\n" % len(packed)
    return body + head + packed + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n"


def _nested_zip(depth: int) -> bytes:
    inner = b"leaf"
    for _ in range(depth):
        inner = zipped({f"{n}.zip": inner for n in range(10)})
    return inner


def _tar_with_links() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        link = tarfile.TarInfo("innocent.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        climb = tarfile.TarInfo("../../climb.txt")
        climb.size = 5
        archive.addfile(climb, io.BytesIO(b"climb"))
    return stream.getvalue()


def _sheet(body: str, prolog: str = "") -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    base = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = (
        f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="'
        'application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{base}.sheet.main+xml"/>'
        f'<Override PartName="/xl/s.xml" ContentType="{base}.worksheet+xml"/></Types>'
    )
    rel = '<Relationships xmlns="{p}/relationships"><Relationship Id="r1" Type="{o}" Target="{t}"/>'
    rels = rel.format(p=package, o=f"{office}/officeDocument", t="xl/workbook.xml")
    sheets = rel.format(p=package, o=f"{office}/worksheet", t="s.xml")
    book = f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" '
    sheet = f'{prolog}<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
    return zipped(
        {
            "[Content_Types].xml": types.encode(),
            "_rels/.rels": f"{rels}</Relationships>".encode(),
            "xl/workbook.xml": f'{book}r:id="r1"/></sheets></workbook>'.encode(),
            "xl/_rels/workbook.xml.rels": f"{sheets}</Relationships>".encode(),
            "xl/s.xml": sheet.encode(),
        }
    )


LAUGHS = (
    "<!DOCTYPE d [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb.zip": lambda: zipped({"zeros": bytes(300 << 20)}),
    "nested.zip": lambda: _nested_zip(4),
    "bomb.gz": lambda: gzip.compress(bytes(300 << 20)),
    "bomb.xlsx": lambda: _sheet("<row><c><v>1</v></c></row>" * 4_000_000),
    "laughs.xlsx": lambda: _sheet("<row><c t='str'><v>&i;</v></c></row>", LAUGHS),
    "laughs.xml": lambda: f"{LAUGHS}<r>&i;</r>".encode(),
    "laughs.svg": lambda: f"<?xml version='1.0'?>{LAUGHS}<svg>&i;</svg>".encode(),
    "operators.pdf": lambda: _pdf(b"BT /F1 12 Tf (x) Tj ET\n" * 300_000),
    "deflate.pdf": lambda: _pdf(bytes(200 << 20)),
    "loop.pdf": lambda: _pdf(b"", "[2 0 R]"),
    "truncated.pdf": lambda: _pdf(b"BT (hello) Tj ET")[:150],
    "truncated.docx": lambda: docx("hello")[:-40],
    "truncated.xlsx": lambda: _sheet("")[: -len("x") * 60],
    "noise.pdf": lambda: b"%PDF-1.7\n" + bytes(range(256)) * 500,
    "deep.html": lambda: b"<html>" + b"<div>" * 50_000 + b"deep" + b"</div>" * 50_000,
    "long.html": lambda: b"<html><body>" + b"<p>an honest line</p>\n" * 400_000,
    "deep.json": lambda: b"[" * 200_000,
    "field.csv": lambda: b"a,b\n1," + b"x" * 40_000_000,
    "really.pdf": lambda: zipped({"a.txt": b"not a pdf"}),
    "really.docx": lambda: b"plain text that only says it is a document\n",
    "empty.xlsx": lambda: b"",
    "links.tar.gz": _tar_with_links,
    "pixels.png": lambda: (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0" + bytes(60)
    ),
    "header.wav": lambda: b"RIFF\xff\xff\xff\xffWAVEfmt \0\0\0\0data\xff\xff\xff\xff",
    "-rf $(id) \u202etxt.exe": lambda: b"harmless words\n",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_the_host_neither_blocks_nor_grows_and_the_box_stays_usable(
    box: Box, name: str
) -> None:
    await box.put("ok.txt", b"still here\n")
    await box.put(name, HOSTILE[name]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    beating = asyncio.create_task(_longest_pause())
    started = time.monotonic()
    try:
        document = await box.convert(name)
    except ToolFailed as refused:
        document = Conversion("", "", (), (refused.message,))
    taken = time.monotonic() - started
    beating.cancel()
    assert taken < SECONDS
    assert sum(len(part.text) for part in document.parts) <= 2 << 20
    assert document.parts or document.notes
    assert await beating < MISSED_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_KB
    assert "root:" not in str(document)
    assert (await box.convert("ok.txt")).parts[0].text == "still here"
    assert box.restarts == 0


async def test_an_honest_long_page_still_answers_by_grep_and_lines(box: Box) -> None:
    lines = [f"<p>line {n}</p>" for n in range(300_000)]
    lines[222_222] = "<p>the needle is copper</p>"
    await box.put("long.html", ("<html>\n" + "\n".join(lines)).encode())
    found = await box.grep("needle", texts={}, paths=("long.html",))
    assert [(part.anchor, part.text) for part in found.parts] == [
        ("long.html line 222224", lines[222_222])
    ]


async def test_one_broken_file_does_not_end_a_search_over_many(box: Box) -> None:
    await box.put("broken.docx", docx("x")[:-40])
    await box.put("good.docx", docx("the needle"))
    await box.put("noise.bin", bytes(range(256)) * 100)
    found = await box.grep("needle", texts={}, paths=("broken.docx", "noise.bin", "good.docx"))
    assert [part.anchor for part in found.parts] == ["good.docx start line 1"]


@pytest.mark.soak  # many documents
async def test_remote_templates_pictures_and_entities_fetch_nothing(box: Box) -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0.3)
        for host in ("127.0.0.1", "172.17.0.1"):
            url = f"http://{host}:{listener.getsockname()[1]}/x"
            rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
            template = (
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="r9" Type="{rels}/attachedTemplate" Target="{url}" '
                'TargetMode="External"/></Relationships>'
            )
            await box.put(
                "remote.docx", _with(docx("body"), "word/_rels/settings.xml.rels", template)
            )
            entity = f'<!DOCTYPE d [<!ENTITY e SYSTEM "{url}">]>'
            await box.put("entity.xlsx", _sheet("<row><c t='str'><v>&e;</v></c></row>", entity))
            page = f'<html><img src="{url}"><link rel=stylesheet href="{url}"><p>seen</p>'
            await box.put("remote.html", page.encode())
            await box.put(
                "remote.svg", f'<svg xmlns:x="{WORD}"><image href="{url}"/></svg>'.encode()
            )
            for name in ("remote.docx", "entity.xlsx", "remote.html", "remote.svg"):
                await box.convert(name)
        with pytest.raises(TimeoutError):
            listener.accept()


def _with(archive: bytes, name: str, text: str) -> bytes:
    stream = io.BytesIO(archive)
    with zipfile.ZipFile(stream, "a") as opened:
        opened.writestr(name, text)
    return stream.getvalue()


async def _longest_pause() -> float:
    """How long the event loop was kept from a heartbeat at worst, until cancelled."""
    worst, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            now = time.monotonic()
            worst, last = max(worst, now - last), now
    except asyncio.CancelledError:
        return worst
