"""One small attachment of each kind that question sets hand out, made when it is asked for."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # it has no stubs

# What only the box has libraries for; run there, it leaves the files in its workspace.
MADE_INSIDE = """
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages
from PIL import Image, ImageDraw, ImageFont
import pptx
matplotlib.rcParams["pdf.fonttype"] = 42
with PdfPages("paper.pdf") as pdf:
    for number in range(1, 13):
        figure = plt.figure()
        figure.text(.1, .5, f"Sheet {number}: the mass is {number * 111} kg")
        pdf.savefig(figure); plt.close(figure)
font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 48)
image = Image.new("RGB", (900, 200), "white")
ImageDraw.Draw(image).text((20, 60), "TICKET 7719", fill="black", font=font)
image.save("ticket.png")
tags = image.getexif(); tags[0x010F] = "Voigtlander"; image.save("photo.jpg", exif=tags)
deck = pptx.Presentation()
for text in ("Opening", "Budget of 48000 francs"):
    deck.slides.add_slide(deck.slide_layouts[1]).shapes.title.text = text
deck.save("deck.pptx")
"""
INSIDE = ("paper.pdf", "ticket.png", "photo.jpg", "deck.pptx")
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file, the kind that it is, and a fact that it holds."""

    name: str
    kind: str
    fact: str


ATTACHMENTS = (
    Attachment("paper.pdf", "pdf", "777 kg"),
    Attachment("report.docx", "docx", "harvest of 1931"),
    Attachment("prices.xlsx", "xlsx", "cobalt"),
    Attachment("deck.pptx", "pptx", "48000 francs"),
    Attachment("people.csv", "csv", "Ottilie"),
    Attachment("bundle.zip", "zip", "inner/notes.txt"),
    Attachment("ticket.png", "image", "7719"),
    Attachment("photo.jpg", "image", "Voigtlander"),
    Attachment("graph.jsonld", "json", "Q42"),
    Attachment("protein.pdb", "text", "LYSOZYME"),
    Attachment("feed.xml", "xml", "guid-9"),
    Attachment("tool.py", "text", "def answer"),
    Attachment("notes.txt", "text", "tide at 04:12"),
    Attachment("novel.epub", "epub", "whale was white"),
    Attachment("offer.eml", "eml", "912 euro"),
    Attachment("a mail without an ending", "eml", "912 euro"),
)
STAMPS = b"X-Spam-Status2: no,\r\n\tscore 0\r\n" + b"Received: by mx.example.org; today\r\n" * 300
"""What hosts on the way put before the sender."""
SOUND_FOLDER = Path(__file__).parent / "sounds"
"""One sentence, spoken by `espeak-ng -s 150` and coded by ffmpeg (`-ac 1 -ar 16000 -b:a 24k`,
wav: `-ar 8000 -c:a pcm_u8`; the film shows nothing)."""
SPOKEN = "The lighthouse keeper was called Aurelia Finch."
SOUNDS = (
    Attachment("talk.mp3", "audio", "Aurelia Finch"),
    Attachment("talk.m4a", "audio", "Aurelia Finch"),
    Attachment("talk.wav", "audio", "Aurelia Finch"),
    Attachment("talk.mp4", "video", "Aurelia Finch"),
)


def content_of(name: str) -> bytes:
    """The bytes of every attachment that is not made inside the box."""
    texts = {
        "people.csv": "name,age\nOttilie,31\nBruno,58\n",
        "graph.jsonld": '[{"@id": "Q42", "label": "Adams"}]',
        "protein.pdb": "HEADER    HYDROLASE\nTITLE     LYSOZYME\nATOM      1  N   LYS A\n",
        "feed.xml": "<?xml version='1.0'?><rss><item><guid>guid-9</guid></item></rss>",
        "tool.py": "def answer() -> int:\n    return 42\n",
        "notes.txt": "low tide at 04:12\n",
    }
    if name in texts:
        return texts[name].encode()
    match name:
        case "prices.xlsx":
            return _sheet()
        case "report.docx":
            return docx("The harvest of 1931 failed.")
        case "bundle.zip":
            return zipped({"inner/notes.txt": b"the vault code is 5150\n", "b.csv": b"x\n1\n"})
        case "novel.epub":
            return epub("The whale was white.")
        case "offer.eml":
            return mail("Please find the offer of 912 euro attached.")
        case "a mail without an ending":
            return STAMPS + mail("Please find the offer of 912 euro attached.")
        case "talk.mp3" | "talk.m4a" | "talk.wav" | "talk.mp4":
            return (SOUND_FOLDER / name).read_bytes()
    raise KeyError(name)


def zipped(entries: dict[str, bytes]) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def mail(text: str) -> bytes:
    """A message with a table attached."""
    message = EmailMessage()
    message["From"], message["To"] = "ann@example.org", "bob@example.org"
    message["Subject"] = "Offer 12"
    message.set_content(text)
    message.add_attachment(b"item,price\nlamp,912\n", "text", "csv", filename="offer.csv")
    return message.as_bytes()


def epub(text: str) -> bytes:
    """A book of one chapter."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
        '<rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles></container>"
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>At sea</dc:title>'
        '</metadata><manifest><item id="c1" href="c1.xhtml" media-type="application/xhtml+xml"/>'
        '</manifest><spine><itemref idref="c1"/></spine></package>'
    )
    chapter = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><p>{text}</p></body></html>"
    return zipped(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": container.encode(),
            "book.opf": package.encode(),
            "c1.xhtml": chapter.encode(),
        }
    )


def docx(text: str) -> bytes:
    """A document of one paragraph."""
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    types = (
        f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="{rels}"/>'
    )
    types += f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>'
    link = f'<Relationship Id="r1" Type="{office}" Target="word/document.xml"/>'
    links = f'<Relationships xmlns="{package}/relationships">{link}</Relationships>'
    body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    body = f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    return zipped(
        {
            "[Content_Types].xml": types.encode(),
            "_rels/.rels": links.encode(),
            "word/document.xml": body.encode(),
        }
    )


def _sheet() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Ores"
    for row in (("ore", "usd"), ("tin", 20), ("cobalt", 33)):
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
