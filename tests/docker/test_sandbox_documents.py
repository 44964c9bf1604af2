"""Documents, honest and hostile, are read inside the box: anchored text, or a view and a reason."""

from __future__ import annotations

import io
import time
import zipfile

import openpyxl  # type: ignore[import-untyped]  # it has no stubs
import pytest
import pytest_asyncio
from sandbox_bench import python

from orchestrator.errors import ToolFailed
from sandbox.base import Box, Conversion

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Made in the box, which has the libraries for it.
PDF = """
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages
matplotlib.rcParams["pdf.fonttype"] = 42
with PdfPages("a.pdf", metadata={"Title": "Annual report"}) as pdf:
    for text in ("First page 4711", "Second page 42"):
        figure = plt.figure(); figure.text(.1, .5, text); pdf.savefig(figure)
"""
SCAN = """
from PIL import Image, ImageDraw, ImageFont
font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 48)
image = Image.new("L", (900, 200), 255)
ImageDraw.Draw(image).text((20, 60), "INVOICE NUMBER 12345", fill=0, font=font)
image.save("scan.png"); image.save("scan.pdf")
"""
SLIDES = """
import pptx
deck = pptx.Presentation()
for text in ("One", "Two"):
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = text
    slide.placeholders[1].text = "body of " + text
deck.save("a.pptx")
"""
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


@pytest_asyncio.fixture(loop_scope="module")
async def box(emptied: Box) -> Box:
    """One box for all of them: each finds it empty."""
    return emptied


async def test_a_pdf_is_read_by_page(box: Box) -> None:
    document = await _converted(box, PDF, "a.pdf")
    assert (document.kind, document.title) == ("pdf", "Annual report")
    assert _texts(document) == {"page 1": "First page 4711", "page 2": "Second page 42"}


async def test_text_in_scanned_pages_and_pictures_is_recognized_and_said_to_be(box: Box) -> None:
    document = await _converted(box, SCAN, "scan.pdf")
    assert _texts(document) == {"page 1": "INVOICE NUMBER 12345"}
    assert "recognized" in document.notes[0]
    document = await box.convert("scan.png")
    assert document.kind == "image"
    assert "INVOICE NUMBER 12345" in _texts(document)["recognized text"]


async def test_slides_are_read_one_by_one(box: Box) -> None:
    document = await _converted(box, SLIDES, "a.pptx")
    assert [part.anchor for part in document.parts] == ["slide 1", "slide 2"]
    assert "body of Two" in document.parts[1].text


async def test_sheets_are_read_with_row_numbers_and_formulas_without_a_value(box: Box) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Prices"
    sheet.append(["item", "price|eur"])
    sheet.append(["nut", 1.5])
    sheet["A5"], sheet["B5"] = "total", "=SUM(B2:B3)"
    book.create_sheet("Empty")
    document = await _put(box, "a.xlsx", _saved(book))
    assert _texts(document) == {
        "sheet Prices rows 1-5": "| 1 | item | price\\|eur |\n| 2 | nut | 1.5 |\n"
        "| 5 | total | =SUM(B2:B3) |"
    }


async def test_a_long_sheet_says_that_rows_are_missing(box: Box) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Big")
    for number in range(6000):
        sheet.append([number, number])
    document = await _put(box, "big.xlsx", _saved(book))
    assert document.parts[-1].anchor == "sheet Big rows 4801-5000"
    assert any("first 5000 rows" in note for note in document.notes)


async def test_a_cell_at_the_far_corner_does_not_fill_the_memory(box: Box) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"], book.active["XFD1048576"] = "near", "far"
    started = time.monotonic()
    document = await _put(box, "far.xlsx", _saved(book))
    assert time.monotonic() - started < 20
    assert "| 1 | near |" in document.parts[0].text
    assert document.notes


async def test_word_and_web_pages_are_read_by_section(box: Box) -> None:
    heading = '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Chapter</w:t></w:r></w:p>'
    document = await _put(box, "a.docx", _docx(heading + _paragraph("text of the chapter")))
    assert document.parts[0].anchor == "section Chapter"
    assert "text of the chapter" in document.parts[0].text
    page = b"<html><title>Shop</title><body><h1>Offer</h1>9.99<script>x()</script><h2>More</h2>"
    document = await _put(box, "misnamed.txt", page)
    assert (document.kind, document.title) == ("html", "Shop")
    assert [part.anchor for part in document.parts] == ["section Offer", "section More"]
    assert "x()" not in document.parts[0].text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
async def test_text_is_read_in_its_own_encoding_by_lines(box: Box, encoding: str) -> None:
    line = "Grüße aus Köln, schöne Straße, größer und älter geworden"
    document = await _put(box, "a.txt", "\n".join([line] * 250).encode(encoding))
    assert [part.anchor for part in document.parts] == ["lines 1-200", "lines 201-250"]
    assert document.parts[0].text.splitlines()[0] == line


async def test_archives_that_unpack_to_too_much_are_refused_before_they_are_opened(
    box: Box,
) -> None:
    bomb = _docx(_paragraph("A" * 100_000_000))
    started = time.monotonic()
    document = await _put(box, "bomb.docx", bomb)
    assert time.monotonic() - started < 5
    assert "bomb" in document.notes[0]


async def test_a_zip_is_listed_and_its_names_stay_on_their_line(box: Box) -> None:
    document = await _put(box, "a.zip", _zipped({"evil\n# name": b"x" * 9, "b/c": b""}))
    lines = document.parts[0].text.splitlines()
    assert [[line.split()[0], " ".join(line.split()[1:])] for line in lines] == [
        ["1", "9 evil # name"],
        ["2", "0 b/c"],
    ]


async def test_a_parser_that_breaks_down_leaves_a_plain_view_and_the_reason(box: Box) -> None:
    nested = "<w:tbl><w:tr><w:tc>" * 3000 + _paragraph("x") + "</w:tc></w:tr></w:tbl>" * 3000
    for name, content, word in (
        ("nested.docx", _docx(nested), "RecursionError"),
        ("cut.pdf", b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nvisible words here", "pdfinfo"),
        ("noise.bin", bytes(range(256)) * 4 + b"visible words here", "not known"),
    ):
        document = await _put(box, name, content)
        assert document.notes[0].startswith("shown as plain text"), name
        assert word in document.notes[0], name
        assert document.parts, name


async def test_entities_and_remote_parts_are_neither_expanded_nor_fetched(box: Box) -> None:
    entity = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    document = await _put(box, "xxe.docx", _docx(_paragraph("&e;"), prolog=entity))
    assert "root:" not in str(document)
    page = b'<html><iframe src="file:///etc/passwd"></iframe><p>seen</p>'
    assert "root:" not in str(await _put(box, "a.html", page))


async def test_a_huge_text_is_shown_in_part_and_says_so(box: Box) -> None:
    document = await _put(box, "huge.txt", b"line of text\n" * 5_000_000)
    assert "only the first" in document.notes[0]
    assert not document.whole
    assert len(document.parts[0].text) <= 2 << 20


async def test_links_pipes_and_missing_files_are_refused(box: Box) -> None:
    await python(box, "import os; os.mkfifo('pipe'); os.symlink('/etc/passwd', 'link')")
    for path in ("pipe", "link", "missing", "../etc/passwd", "/etc/passwd"):
        with pytest.raises(ToolFailed):
            await box.convert(path)


async def _converted(box: Box, program: str, path: str) -> Conversion:
    made = await python(box, program, timeout_s=60)
    assert made.cause == "ok", made
    return await box.convert(path)


async def _put(box: Box, path: str, content: bytes) -> Conversion:
    await box.put(path, content)
    return await box.convert(path)


def _texts(document: Conversion) -> dict[str, str]:
    return {part.anchor: part.text.strip() for part in document.parts}


def _saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def _docx(body: str, prolog: str = "") -> bytes:
    types = f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
    types += '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName='
    types += f'"/word/document.xml" ContentType="{MAIN}"/></Types>'
    link = f'<Relationship Id="r1" Type="{OFFICE}" Target="word/document.xml"/>'
    return _zipped(
        {
            "[Content_Types].xml": types.encode(),
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{link}'
            "</Relationships>".encode(),
            "word/document.xml": f'{prolog}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body>'
            "</w:document>".encode(),
        }
    )


def _zipped(entries: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()
