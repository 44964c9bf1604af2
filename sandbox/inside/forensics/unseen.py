"""Finds what a document holds and its reader would not see: white or tiny letters, text that is
not drawn, deletions, comments, parts of a page that are not displayed; and text beside the text.

It is named for what it is, never judged: white letters may stand on a dark ground. What is hidden
by a style sheet, or behind a picture, is not told from the rest.
"""

from __future__ import annotations

import html
import io
import re
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.image.document import Document, Unreadable, library, one_line
from sandbox.image.kinds import ZIP_RATIO, ZIP_SMALL, ZIP_TOTAL
from sandbox.image.readers import marked

if TYPE_CHECKING:
    from sandbox.inside.forensics.documents import Read

WHITE, TINY, NOT_DRAWN = "white letters", "tiny letters", "not drawn"
DELETED, COMMENT, NOT_SHOWN = "deleted", "comment", "not displayed"
PROPERTIES = ("Title", "Subject", "Keywords", "Author", "Creator", "CreationDate", "ModDate")
PAGE_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*(?:<!doctype html|<html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
PDF_PAGE = re.compile(r'<page number="(\d+)"')
PDF_FONT = re.compile(r'<fontspec id="(\d+)" size="(-?[\d.]+)"[^>]* color="#([0-9a-fA-F]{6})')
PDF_TEXT = re.compile(r'<text [^>]*font="(\d+)"[^>]*>(.*?)</text>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
LIGHT, SMALLEST = 0xF0, 2.0
STYLES = {
    NOT_SHOWN: re.compile(
        r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?!\.\d*[1-9])", re.IGNORECASE
    ),
    TINY: re.compile(r"font-size\s*:\s*[01](?:\.\d+)?\s*(?:px|pt|em|;|$)", re.IGNORECASE),
    WHITE: re.compile(r"(?<!-)color\s*:\s*(?:#fff(?:fff)?\b|white\b)", re.IGNORECASE),
}
UNDRAWN = ("template", "dialog")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
OPEN = "{urn:oasis:names:tc:opendocument:xmlns:"
OPEN_TYPE = b"application/vnd.oasis.opendocument."


def of_pdf(path: Path, fields: Mapping[str, str], read: Read) -> None:
    """Properties, comments, and text that is there and cannot be seen."""
    for name in PROPERTIES:
        if value := one_line(fields.get(name, "")):
            read.add("properties", f"{name}: {value}")
    drawn = list(_runs(path))
    for page, text, why in drawn:
        if why:
            read.hide(f"page {page}", text, why)
    seen = Counter((page, text) for page, text, _ in drawn)
    pages = {page for page, _ in seen}
    scans = set()
    for page, text, _ in _runs(path, "-hidden"):
        if page not in pages:
            scans.add(page)
        elif seen[page, text]:
            seen[page, text] -= 1
        else:
            read.hide(f"page {page}", text, NOT_DRAWN)
    if scans:
        numbers = ", ".join(map(str, sorted(scans)[:12]))
        read.notes.append(
            f"the text of page {numbers} lies under a picture, as that of a scan does"
        )
    _of_pdf_notes(path, read)


def _runs(path: Path, *options: str) -> Iterator[tuple[int, str, str]]:
    """Pieces of text with their page and why they may not be seen."""
    command = ["pdftohtml", "-xml", "-i", "-nodrm", "-stdout", "-enc", "UTF-8", *options, str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    page, fonts = 0, dict[str, str]()
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if found := PDF_PAGE.search(line):
            page = int(found[1])
        for number, size, color in PDF_FONT.findall(line):
            fonts[number] = _why(float(size), color)
        for font, text in PDF_TEXT.findall(line):
            said = one_line(html.unescape(TAG.sub("", text)))
            if said:
                yield page, said, fonts.get(font, "")


def _why(size: float, color: str) -> str:
    if all(int(color[place : place + 2], 16) >= LIGHT for place in (0, 2, 4)):
        return WHITE
    return TINY if 0 <= size <= SMALLEST else ""


def _of_pdf_notes(path: Path, read: Read) -> None:
    """Comments on pages, fields of forms, and how many files are attached."""
    try:
        book = library("pypdf").PdfReader(str(path))
        for number, page in enumerate(book.pages, start=1):
            for entry in page.get("/Annots") or ():
                note = entry.get_object()
                text = str(note.get("/Contents") or note.get("/V") or "")
                read.add(f"page {number}", text, COMMENT)
        names = ", ".join(map(one_line, sorted(book.attachments)))
    except Exception as error:  # noqa: BLE001 - a parser fed with garbage raises anything; the text is there
        read.notes.append(f"comments in it could not be read ({type(error).__name__})")
        return
    if names:
        read.notes.append(f"files are attached to it, which were not opened: {names[:300]}")


def is_page(head: bytes) -> bool:
    """Whether a text begins as a page does."""
    return PAGE_START.match(head[:8192]) is not None


def of_page(text: str, read: Read, where: str = "") -> None:
    """What a page displays as text with headings, then what it does not. No script is run."""
    bs4 = library("bs4")
    soup = bs4.BeautifulSoup(text, "html.parser")
    scripts = len(soup("script"))
    for element in soup(["script", "style"]):
        element.decompose()
    hidden = [(one_line(str(found)), COMMENT) for found in _comments(bs4, soup)]
    hidden += [
        (one_line(str(tag.get("content", ""))), NOT_SHOWN) for tag in soup("meta", {"name": True})
    ]
    for element, why in _undisplayed(soup):
        hidden.append((element.get_text(" ", strip=True), why))
        element.decompose()
    if soup.title:
        read.add(f"{where}title", soup.title.get_text(" ", strip=True))
    shown = marked("html", io.BytesIO(str(soup).encode("utf-8", "replace")))
    read.take(Document("html", parts=[_moved(part, where) for part in shown.parts]))
    for said, why in hidden:
        read.add(f"{where}page", said, why)
    if scripts:
        read.notes.append(f"{scripts} scripts in it were not run")


def _moved(part: dict[str, str], where: str) -> dict[str, str]:
    return {**part, "anchor": f"{where}{part['anchor']}"}


def _comments(bs4: Any, soup: Any) -> list[Any]:
    found = soup.find_all(string=lambda text: isinstance(text, bs4.Comment))
    return [comment.extract() for comment in found]


def _undisplayed(soup: Any) -> Iterator[tuple[Any, str]]:
    """Outermost elements that are not displayed, by what stands at the element itself."""
    for element in soup.find_all(True):
        if element.decomposed:
            continue
        style = str(element.get("style", ""))
        why = next((why for why, form in STYLES.items() if form.search(style)), "")
        if element.has_attr("hidden") or element.name in UNDRAWN:
            why = NOT_SHOWN
        if why and element.get_text(strip=True):
            yield element, why


def of_word(path: Path, read: Read) -> None:
    """Headers and footers, which the converter leaves out; deletions, comments, letters that cannot
    be seen."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            found = re.fullmatch(r"word/(document|header|footer|comments|footnotes)\d*\.xml", name)
            if found is None:
                continue
            root = library("defusedxml.ElementTree").fromstring(archive.read(name))
            if found[1] == "comments":
                _comments_of_word(root, read)
                continue
            for paragraph in root.iter(f"{W}p"):
                _paragraph(paragraph, found[1], read)


def _comments_of_word(root: Any, read: Read) -> None:
    for comment in root.iter(f"{W}comment"):
        author = one_line(comment.get(f"{W}author", "somebody"))
        text = "".join(part.text or "" for part in comment.iter(f"{W}t"))
        read.add(f"comment by {author}"[:120], text, COMMENT)


def _paragraph(paragraph: Any, part: str, read: Read) -> None:
    said: dict[str, str] = {}
    for run in paragraph.iter(f"{W}r"):
        why = _why_of_run(run)
        text = "".join(t.text or "" for t in run.iter(f"{W}t"))
        gone = "".join(t.text or "" for t in run.iter(f"{W}delText"))
        said[why] = said.get(why, "") + text
        said[DELETED] = said.get(DELETED, "") + gone
    for why, text in said.items():
        if why:
            read.hide("", text, why)
        elif part in ("header", "footer"):
            read.add(part, text)


def _why_of_run(run: Any) -> str:
    style = run.find(f"{W}rPr")
    if style is None:
        return ""
    if (vanish := style.find(f"{W}vanish")) is not None and vanish.get(f"{W}val") not in (
        "0",
        "false",
    ):
        return NOT_SHOWN
    color, size = style.find(f"{W}color"), style.find(f"{W}sz")
    if color is not None and re.fullmatch("[0-9a-fA-F]{6}", color.get(f"{W}val", "")):
        whole = _why(SMALLEST + 1, color.get(f"{W}val"))
        if whole:
            return whole
    half_points = size.get(f"{W}val", "") if size is not None else ""
    return TINY if half_points.isdigit() and int(half_points) <= 2 * SMALLEST else ""


def of_archive(path: Path, read: Read) -> None:
    """Its properties, and what else lies in an office file and was not read."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        for name in sorted({"docProps/core.xml", "meta.xml"} & set(names)):
            root = library("defusedxml.ElementTree").fromstring(archive.read(name))
            for element in root.iter():
                if value := one_line(element.text or ""):
                    read.add("properties", f"{element.tag.rpartition('}')[2]}: {value}")
    counts = {
        "pictures in it were not read": r"(word|ppt)/media/|Pictures/",
        "files are embedded in it and were not opened": r"(word|ppt)/embeddings/",
        "macros in it were not run": r".*vbaProject\.bin|Basic/.*\.xml",
    }
    for said, form in counts.items():
        if count := sum(re.match(form, name) is not None for name in names):
            read.notes.append(f"{count} {said}")


def is_open_document(archive: zipfile.ZipFile) -> bool:
    """Whether an archive is a text or a presentation of LibreOffice; its spreadsheets are not."""
    try:
        kind = archive.read("mimetype")[:100]
    except KeyError:
        return False
    return kind.startswith((OPEN_TYPE + b"text", OPEN_TYPE + b"presentation"))


def check_size(path: Path) -> None:
    """Raise Unreadable for what would blow up when it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    packed = path.stat().st_size
    if total > ZIP_TOTAL or (total > ZIP_SMALL and total > ZIP_RATIO * packed):
        raise Unreadable(f"{packed} bytes that unpack to {total}: it looks like a bomb")


def of_open_document(path: Path, read: Read) -> None:
    """Paragraphs under their headings; deletions and comments apart."""
    with zipfile.ZipFile(path) as archive:
        root = library("defusedxml.ElementTree").fromstring(archive.read("content.xml"))
    apart = {f"{OPEN}text:1.0}}tracked-changes": DELETED, f"{OPEN}office:1.0}}annotation": COMMENT}
    inner = {id(part) for tag in apart for kept in root.iter(tag) for part in kept.iter()}
    place = "start"
    said = (f"{OPEN}text:1.0}}h", f"{OPEN}text:1.0}}p")
    for element in root.iter():
        if element.tag not in said or id(element) in inner:
            continue
        text = one_line("".join(_pieces(element, inner)))
        if element.tag.endswith("}h") and text:
            place = f"section {text}"[:120]
        read.add(place, text)
    for tag, why in apart.items():
        for kept in root.iter(tag):
            read.add(place, one_line(" ".join(kept.itertext())), why)


def _pieces(element: Any, without: set[int]) -> Iterator[str]:
    if id(element) not in without:
        yield element.text or ""
        for child in element:
            yield from _pieces(child, without)
            yield child.tail or ""
