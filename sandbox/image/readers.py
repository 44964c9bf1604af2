"""One reader per kind of document. Runs in a child with limits, inside the box.

A reader may raise anything and take any time: whoever calls it expects that.
"""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from sandbox.image.document import Document, Unreadable, late, library, one_line
from sandbox.image.kinds import TEXTS, decoded, detect

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
    described = _output("pdfinfo", str(path)).splitlines()
    fields = dict(line.partition(":")[::2] for line in described)
    document = Document("pdf", title=fields.get("Title", "").strip())
    text = _output("pdftotext", "-layout", "-l", str(PAGES), "-enc", "UTF-8", str(path), "-")
    pages = text.split("\f")
    if text.endswith("\f"):
        pages.pop()
    count = int(fields.get("Pages", "0").strip() or 0)
    empty = [number for number, page in enumerate(pages, 1) if not page.strip()]
    recognized = _recognize_pages(path, empty[:OCR_PAGES])
    for number, page in enumerate(pages, 1):
        document.add(f"page {number}", recognized.get(number, page))
    if recognized:
        document.notes.append(f"text recognized in the images of pages {_ranges(recognized)}")
    if unread := [number for number in empty if number not in recognized]:
        document.notes.append(f"no text on pages {_ranges(unread)}")
    if count > PAGES:
        document.notes.append(f"only the first {PAGES} of {count} pages")
    return document


def _recognize_pages(path: Path, numbers: list[int]) -> dict[int, str]:
    found = {}
    for number in numbers:
        if late():
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
        described = f"{image.format} image, {image.width} x {image.height} pixels"
    document = Document("image", notes=[described])
    document.add("recognized text", _recognize(path.read_bytes()))
    if not document.parts:
        document.add("image", f"{described}; no text was recognized in it.")
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
            [_cell(value, formula) for value, formula in zip(row, under, strict=False)]
            for row, under in zip(shown, behind, strict=False)
        )
        name = one_line(sheet.title)
        if not _add_rows(document, f"sheet {name} ", rows):
            document.notes.append(f"sheet {name}: only the first {SHEET_ROWS} rows, or fewer")
        if (sheet.max_column or 0) > SHEET_COLUMNS:
            document.notes.append(f"sheet {name}: only the first {SHEET_COLUMNS} columns")
        if late():
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


def _cell(value: object, formula: object) -> str:
    shown = formula if value is None else value
    return "" if shown is None else one_line(str(shown)).replace("|", "\\|")


def _read_marked(kind: str, path: Path) -> Document:
    name, ending = MARKED[kind]
    converter = getattr(library("markitdown.converters"), name)()
    described = library("markitdown").StreamInfo(extension=ending, filename=f"document{ending}")
    with path.open("rb") as file:
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
    lines = decoded(path.read_bytes()).splitlines()
    for start in range(0, len(lines), PART_ROWS):
        block = lines[start : start + PART_ROWS]
        document.add(f"lines {start + 1}-{start + len(block)}", "\n".join(block))
    return document


def _read_zip(path: Path) -> Document:
    document = Document("zip", notes=["contents are listed, not unpacked; code can unpack it"])
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    listed = [f"{entry.file_size:>12} {one_line(entry.filename)}" for entry in entries[:500]]
    document.add("entries", "\n".join(listed))
    if len(entries) > len(listed):
        document.notes.append(f"only the first {len(listed)} of {len(entries)} entries")
    return document


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
    "zip": _read_zip,
    "binary": _read_binary,
    **{kind: partial(_read_marked, kind) for kind in MARKED},
    **dict.fromkeys(TEXTS, _read_text),
}
