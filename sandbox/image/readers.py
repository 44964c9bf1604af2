"""One reader per kind of document. Runs in a child with limits, inside the box.

A reader may raise anything and take any time: whoever calls it expects that.
"""

from __future__ import annotations

import re
import subprocess
import wave
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from sandbox.image.document import MAX_TEXT, Document, Unreadable, late, library, one_line
from sandbox.image.kinds import LONG_HTML, TEXTS, detect, opened

PAGES, OCR_PAGES = 1000, 20
SHEET_ROWS, SHEET_COLUMNS, PART_ROWS = 5000, 200, 200
MARKED = {
    "docx": ("DocxConverter", ".docx"),
    "epub": ("EpubConverter", ".epub"),
    "html": ("HtmlConverter", ".html"),
    "msg": ("OutlookMsgConverter", ".msg"),
    "pptx": ("PptxConverter", ".pptx"),
    "xls": ("XlsConverter", ".xls"),
}


def _read_pdf(path: Path) -> Document:
    fields = pdf_fields(path)
    document = pdf_pages(path, 1, PAGES)
    document.title = fields.get("Title", "").strip()
    count = int(fields.get("Pages", "0").strip() or 0)
    if count > PAGES:
        document.whole = False
        document.notes.append(f"only the first {PAGES} of {count} pages; read shows the others")
    return document


def pdf_fields(path: Path) -> dict[str, str]:
    """What a PDF says of itself: Title, Pages and the like. Raises Unreadable with the reason."""
    described = _output("pdfinfo", "-enc", "UTF-8", str(path)).splitlines()
    return dict(line.partition(":")[::2] for line in described)


def pdf_pages(path: Path, first: int, last: int, is_late: Callable[[], bool] = late) -> Document:
    """A part per page; pages without text are recognized from their image, until it is late."""
    document = Document("pdf")
    span = ("-f", str(first), "-l", str(last))
    text = _output("pdftotext", "-layout", *span, "-enc", "UTF-8", str(path), "-")
    pages = text.split("\f")
    if text.endswith("\f"):
        pages.pop()
    empty = [number for number, page in enumerate(pages, first) if not page.strip()]
    recognized = _recognize_pages(path, empty[:OCR_PAGES], is_late)
    for number, page in enumerate(pages, first):
        document.add(f"page {number}", recognized.get(number, page))
    if recognized:
        document.notes.append(f"text recognized in the images of pages {_ranges(recognized)}")
    if unread := [number for number in empty if number not in recognized]:
        document.notes.append(f"no text on pages {_ranges(unread)}")
    return document


def _recognize_pages(path: Path, numbers: list[int], is_late: Callable[[], bool]) -> dict[int, str]:
    found = {}
    for number in numbers:
        if is_late():
            break
        page = ("-f", str(number), "-l", str(number))
        drawing = ["pdftoppm", "-r", "150", "-gray", "-png", *page, str(path)]
        drawn = subprocess.run(drawing, capture_output=True, check=False).stdout
        text = _recognize(drawn)
        if text.strip():
            found[number] = text
    return found


def _recognize(image: bytes) -> str:
    command = ["tesseract", "stdin", "stdout"]
    done = subprocess.run(command, input=image, capture_output=True, check=False)
    return done.stdout.decode("utf-8", errors="replace")


def _read_image(path: Path) -> Document:
    with library("PIL.Image").open(path) as image:
        described = f"{image.format} image, {image.width} x {image.height} pixels, {image.mode}"
        tags = _tags(image)
    document = Document("image", notes=[described])
    document.add("metadata", "\n".join((described, *tags)))
    text = _recognize(path.read_bytes()).strip()
    document.add("recognized text", text)
    if not text:
        document.notes.append("no text was recognized in it")
    return document


def _tags(image: Any) -> list[str]:
    """What cameras and programs write into pictures, the place included."""
    names, places = library("PIL.ExifTags").TAGS, library("PIL.ExifTags").GPSTAGS
    exif = image.getexif()
    found = [(names.get(tag, str(tag)), value) for tag, value in exif.items()]
    for block, known in ((0x8769, names), (0x8825, places)):
        found += [(known.get(tag, str(tag)), value) for tag, value in exif.get_ifd(block).items()]
    found += [(key, value) for key, value in image.info.items() if isinstance(value, str)]
    return [f"{one_line(str(name))}: {one_line(str(value))[:200]}" for name, value in found[:80]]


def _read_sound(kind: str, path: Path) -> Document:
    """No ears here: only what the header says."""
    size = f"{path.stat().st_size} bytes of {kind}"
    with suppress(wave.Error, EOFError), wave.open(str(path)) as sound:
        size += f", {sound.getnframes() / sound.getframerate():.1f} seconds"
    reason = f"cannot_hear: there is no model here that turns {kind} into text"
    document = Document(kind, notes=[reason], whole=False)
    document.add("metadata", size)
    return document


def _read_xlsx(path: Path) -> Document:
    """Values, and the formula where no value was ever calculated."""
    load = library("openpyxl").load_workbook
    values = load(path, read_only=True, data_only=True)
    formulas = load(path, read_only=True)
    document = Document("xlsx", title=str(values.properties.title or ""))
    # One row more than is shown tells whether there are more: the stated size may be absent or lie.
    limits = {"max_row": SHEET_ROWS + 1, "max_col": SHEET_COLUMNS}
    for sheet in values.worksheets:
        shown = sheet.iter_rows(values_only=True, **limits)
        behind = formulas[sheet.title].iter_rows(values_only=True, **limits)
        rows = (
            [table_cell(value, formula) for value, formula in zip(row, under, strict=False)]
            for row, under in zip(shown, behind, strict=False)
        )
        name = one_line(sheet.title)
        if not _add_rows(document, f"sheet {name} ", rows):
            document.whole = False
            seen = f"only the first {SHEET_ROWS} rows, or fewer"
            document.notes.append(f"sheet {name}: {seen}; table and read show the others")
        if (sheet.max_column or 0) > SHEET_COLUMNS:
            document.notes.append(f"sheet {name}: only the first {SHEET_COLUMNS} columns")
        if late():
            document.whole = False
            document.notes.append("reading stopped early: it took too long")
            break
    return document


def _add_rows(document: Document, where: str, rows: Iterable[list[str]]) -> bool:
    """Parts of PART_ROWS table lines led by the row number; False when rows were left out."""
    block: list[str] = []
    first = number = 0
    for number, row in enumerate(rows, 1):
        if number > SHEET_ROWS or (number % PART_ROWS == 0 and late()):
            break
        if any(row):
            while not row[-1]:
                row.pop()
            first = first or number
            block.append(f"| {number} | {' | '.join(row)} |")
        if len(block) == PART_ROWS:
            document.add(f"{where}rows {first}-{number}", "\n".join(block))
            block, first = [], 0
    else:
        _add_last(document, where, block, first, number)
        return True
    _add_last(document, where, block, first, number - 1)
    return False


def _add_last(document: Document, where: str, block: list[str], first: int, last: int) -> None:
    if block:
        document.add(f"{where}rows {first}-{last}", "\n".join(block))


def table_cell(value: object, formula: object) -> str:
    """A cell as part of a table line: its value, else its formula."""
    shown = formula if value is None else value
    return "" if shown is None else one_line(str(shown)).replace("|", "\\|")


def _read_marked(kind: str, path: Path) -> Document:
    with path.open("rb") as file:
        return marked(kind, file)


def marked(kind: str, file: IO[bytes]) -> Document:
    """What the converter for a kind makes of a file, in parts by its headings or slides."""
    name, ending = MARKED[kind]
    converter = getattr(library("markitdown.converters"), name)()
    described = library("markitdown").StreamInfo(extension=ending, filename=f"document{ending}")
    result = converter.convert(file, described)
    document = Document(kind, title=one_line(result.title or ""))
    pattern = r"^<!-- Slide number: (\d+) -->$" if kind == "pptx" else r"^#{1,6} +(.+)$"
    word = {"pptx": "slide", "xls": "sheet"}.get(kind, "section")
    anchor, lines = "start", list[str]()
    for line in result.markdown.splitlines():
        if heading := re.match(pattern, line):
            document.add(anchor, "\n".join(lines))
            anchor, lines = f"{word} {one_line(heading[1])[:100]}", []
        lines.append(line)
    document.add(anchor, "\n".join(lines))
    return document


def _read_text(path: Path) -> Document:
    document = Document(detect(path))
    with opened(path) as file:
        text = file.read(MAX_TEXT)
        document.whole = not file.read(1)
    lines = text.splitlines()
    if not document.whole:
        size = path.stat().st_size
        document.notes.append(f"only the first {len(lines)} lines of {size} bytes; read shows any")
    for start in range(0, len(lines), PART_ROWS):
        block = lines[start : start + PART_ROWS]
        document.add(f"lines {start + 1}-{start + len(block)}", "\n".join(block))
    return document


def _read_long_html(_path: Path) -> Document:
    raise Unreadable("it is too long to be read as a page; grep finds its lines")


def _read_binary(path: Path) -> Document:
    raise Unreadable("its format is not known here")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        complaint = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise Unreadable(f"{command[0]}: {complaint[-1] if complaint else 'failed'}")
    return done.stdout.decode("utf-8", errors="replace")


def _ranges(numbers: list[int] | dict[int, str]) -> str:
    shown = [str(number) for number in sorted(numbers)]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


READERS: dict[str, Callable[[Path], Document]] = {
    "pdf": _read_pdf,
    "xlsx": _read_xlsx,
    "image": _read_image,
    "binary": _read_binary,
    LONG_HTML: _read_long_html,
    **{kind: partial(_read_marked, kind) for kind in MARKED},
    **{kind: partial(_read_sound, kind) for kind in ("audio", "video")},
    **dict.fromkeys(TEXTS, _read_text),
}
