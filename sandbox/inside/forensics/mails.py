"""Reads a mail: every header, both forms of its text, and the files that it carries.

Knows messages as RFC 5322 has them and those that Outlook saves. Nothing that a mail points to is
fetched.
"""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.image.document import library, one_line
from sandbox.image.kinds import MAIL, MAIL_HEADERS, decoded
from sandbox.inside.forensics import unseen

if TYPE_CHECKING:
    from sandbox.inside.forensics.documents import Read

SENDER = re.compile(rb"(?mi)^From:")
STAMP = re.compile(rb"(?mi)^(?:To|Date|Subject|Received|Message-ID|Return-Path|Delivered-To):")
OUTLOOK = "__properties_version1.0"
TEXT, OCTETS = "001F", "0102"
FIELDS = {
    "007D": "Transport headers",
    "0C1A": "From",
    "5D01": "From address",
    "0E04": "To",
    "0E03": "Cc",
    "0037": "Subject",
}
"""What a reader of a saved mail looks at, by the ids of its properties."""
BODY, PAGE, NAMES, CONTENT = "1000", "1013", ("3707", "3704"), "3701"


def is_mail(head: bytes) -> bool:
    """Header fields up to an empty line, a sender among them and what else every mail has."""
    found = MAIL.match(head[:MAIL_HEADERS])
    return found is not None and bool(SENDER.search(found[0]) and STAMP.search(found[0]))


def is_outlook(path: Path) -> bool:
    """Whether a file in the old office container is a saved mail."""
    olefile = library("olefile")
    try:
        with olefile.OleFileIO(str(path)) as ole:
            return bool(ole.exists(OUTLOOK))
    except OSError:
        return False


def read_mail(path: Path, read: Read) -> None:
    """Headers as they were written, then each part that is text; the rest are members."""
    with path.open("rb") as file:
        message = BytesParser(EmailMessage, policy=policy.default).parse(file)
    for name, value in message.items():
        read.add("headers", f"{one_line(name)}: {one_line(str(value))}")
    for number, part in enumerate(_leaves(message), start=1):
        _read_part(part, number, read)
    if message.defects:
        names = ", ".join(sorted({type(defect).__name__ for defect in message.defects}))
        read.notes.append(f"it is not written as mails are ({names})")


def _leaves(message: Any) -> list[Any]:
    """Every part that holds something; a mail that was forwarded as a file is one."""
    if message.is_multipart() and message.get_content_type() != "message/rfc822":
        return [leaf for part in message.iter_parts() for leaf in _leaves(part)]
    return [message]


def _read_part(part: Any, number: int, read: Read) -> None:
    kind = part.get_content_type()
    name = one_line(part.get_filename() or "")
    if kind == "message/rfc822":
        inner = b"".join(bytes(message) for message in part.iter_parts())
        read.members.append((name or f"forwarded-{number}.eml", inner))
        return
    content = part.get_payload(decode=True) or b""
    if kind not in ("text/plain", "text/html") or name or part.is_attachment():
        read.members.append((name or f"part-{number}", content))
        return
    text = _text(content, part.get_content_charset())
    if kind == "text/html":
        unseen.of_page(text, read, "body as a page: ")
    else:
        read.add("body", text)


def _text(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decoded(content)


def read_outlook(path: Path, read: Read) -> None:
    """The same of a mail that Outlook has saved."""
    with library("olefile").OleFileIO(str(path)) as ole:
        for field, name in FIELDS.items():
            for line in _string(ole, "", field).splitlines():
                read.add("headers", line if field == "007D" else f"{name}: {one_line(line)}")
        read.add("body", _string(ole, "", BODY))
        page = _octets(ole, "", PAGE)
        if page:
            unseen.of_page(decoded(page), read, "body as a page: ")
        folders = sorted({entry[0] for entry in ole.listdir() if entry[0].startswith("__attach")})
        for number, folder in enumerate(folders, start=1):
            name = next((found for n in NAMES if (found := _string(ole, folder, n))), "")
            content = _octets(ole, folder, CONTENT)
            read.members.append((one_line(name) or f"part-{number}", content))


def _string(ole: Any, folder: str, number: str) -> str:
    wide = _stream(ole, folder, f"{number}{TEXT}")
    if wide:
        return wide.decode("utf-16-le", "replace").strip("\0")
    return decoded(_stream(ole, folder, f"{number}001E")).strip("\0")


def _octets(ole: Any, folder: str, number: str) -> bytes:
    return _stream(ole, folder, f"{number}{OCTETS}")


def _stream(ole: Any, folder: str, name: str) -> bytes:
    place = [part for part in (folder, f"__substg1.0_{name}") if part]
    if not ole.exists(place):
        return b""
    with ole.openstream(place) as stream:
        return bytes(stream.read())
