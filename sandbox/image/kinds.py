"""Tells what a file is from its content, and refuses archives that would blow up when opened.

A name's ending decides only between kinds of text.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path
from typing import IO

from sandbox.image.document import Unreadable, library

MAX_INPUT = 50 << 20
MAX_HTML = 4 << 20
"""20 MB of honest HTML take minutes to convert; what is longer is shown as text."""
LONG_HTML = "long html"
ZIP_ENTRIES, ZIP_TOTAL, ZIP_RATIO, ZIP_SMALL = 2000, 200 << 20, 100, 20 << 20
TARRED = (".tar.gz", ".tgz")
_MAGIC = {
    b"\x89PNG": "image",
    b"\xff\xd8\xff": "image",
    b"GIF8": "image",
    b"II*\0": "image",
    b"MM\0*": "image",
    b"BM": "image",
    b"\x1f\x8b": "gzip",
    b"ID3": "audio",
    b"OggS": "audio",
    b"fLaC": "audio",
    b"\x1aE\xdf\xa3": "video",
    b"PAR1": "parquet",
}
TEXTS = ("text", "csv", "tsv", "json", "xml", "md", "log")
JSONS = ("jsonl", "ndjson", "jsonld", "geojson")
MAIL = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}\r?\n")
MAIL_HEADERS = 64 << 10
"""Mail that has passed many hosts names its sender after thousands of bytes of stamps."""


def detect(path: Path) -> str:
    """The kind, from the first bytes. Only texts may be of any size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    kind = _by_magic(path, head)
    if kind is None:
        return "binary" if looks_binary(head) else _text_kind(path, head)
    if size > MAX_INPUT and kind not in ("tar", "parquet"):
        raise Unreadable(f"it holds {size} bytes, over the limit of {MAX_INPUT}")
    return kind


def _by_magic(path: Path, head: bytes) -> str | None:
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(path)
    if head[:4] == b"RIFF":
        return {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}.get(head[8:12])
    if head[257:262] == b"ustar" or (head[:2] == b"\x1f\x8b" and path.name.endswith(TARRED)):
        return "tar"
    if head[4:8] == b"ftyp":
        return "audio" if head[8:11] == b"M4A" else "video"
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "audio"
    return next((kind for start, kind in _MAGIC.items() if head.startswith(start)), None)


def _text_kind(path: Path, head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "html" if path.stat().st_size <= MAX_HTML else LONG_HTML
    ending = path.suffix.lower().lstrip(".")
    if ending == "eml" or (not ending and _is_mail(path)):
        return "eml"
    if ending in JSONS:
        return "json"
    return ending if ending in TEXTS else "text"


def _is_mail(path: Path) -> bool:
    """Header fields up to an empty line, and a sender among them."""
    with path.open("rb") as file:
        fields = MAIL.match(file.read(MAIL_HEADERS))
    return fields is not None and re.search(rb"(?mi)^From:", fields[0]) is not None


def looks_binary(head: bytes) -> bool:
    """True when the first bytes are not those of a text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head)
    return b"\0" in head or odd > len(head) // 20


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries[:ZIP_ENTRIES]}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise Unreadable(f"a damaged archive ({error})") from error
    markers = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx"}
    markers |= {"ppt/presentation.xml": "pptx", "META-INF/container.xml": "epub"}
    kind = next((kind for name, kind in markers.items() if name in names), "zip")
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if kind == "zip":
        return kind
    if len(entries) > ZIP_ENTRIES or total > ZIP_TOTAL:
        raise Unreadable(f"{len(entries)} parts of {total} bytes unpacked, which is over the limit")
    if total > ZIP_SMALL and total > ZIP_RATIO * packed:
        raise Unreadable(f"{packed} bytes that unpack to {total}: it looks like a bomb")
    return kind


def _ole_kind(path: Path) -> str:
    olefile = library("olefile")
    with olefile.OleFileIO(str(path)) as ole:
        for stream, kind in (("Workbook", "xls"), ("Book", "xls"), ("WordDocument", "binary")):
            if ole.exists(stream):
                return kind
        return "msg" if ole.exists("__properties_version1.0") else "binary"


def decoded(content: bytes) -> str:
    """Text of unknown encoding."""
    return content.decode(encoding_of(content), errors="replace")


def opened(path: Path) -> IO[str]:
    """A text of any size and encoding, for reading line by line."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(100 << 10))
    return path.open(encoding=encoding, errors="replace", newline="")


def encoding_of(content: bytes) -> str:
    """The encoding of a text, from as much of it as there is."""
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(bom):
            return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(content) - 4:  # otherwise cut in the middle of a character
            best = library("charset_normalizer").from_bytes(content[: 100 << 10]).best()
            return best.encoding if best else "latin-1"
    return "utf-8"
