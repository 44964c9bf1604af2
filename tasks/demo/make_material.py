"""Writes the demo's spreadsheet and PDF: `python -m tasks.demo.make_material [FOLDER]`.

A tool for whoever changes the material; it needs openpyxl, which is no dependency of the product.
The web site is plain files and is edited by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # it ships no types

MATERIAL = Path(__file__).parent / "material"
Row = tuple[str | int | float, ...]
HEADER = (
    "Part",
    "Description",
    "Supplier",
    "Pack size",
    "Unit price EUR",
    "Minimum order",
)
FLANGE, WASHER, NUT, STUD = (
    "Hex flange bolt M10 x 60",
    "Serrated lock washer M10",
    "Prevailing torque nut M10",
    "Threaded stud M10 x 120",
)
OFFERS: tuple[Row, ...] = (
    ("HX-4410", STUD, "Alder & Finch", 10, 3.15, 10),
    ("HX-4410", STUD, "Brunel Supply", 25, 2.98, 50),
    ("HX-4410", STUD, "Ellis Components", 20, 3.05, 20),
    ("HX-4420", FLANGE, "Alder & Finch", 20, 6.40, 20),
    ("HX-4420", FLANGE, "Brunel Supply", 50, 5.90, 50),
    ("HX-4420", FLANGE, "Corvus Trading", 10, 5.10, 10),
    ("HX-4420", FLANGE, "Dorset Metals", 40, 5.95, 40),
    ("HX-4420", FLANGE, "Ellis Components", 25, 6.20, 25),
    ("HX-4420", FLANGE, "Foxglove Fasteners", 100, 5.20, 1000),
    ("HX-4435", NUT, "Alder & Finch", 50, 0.84, 50),
    ("HX-4435", NUT, "Corvus Trading", 100, 0.71, 100),
    ("HX-4435", NUT, "Dorset Metals", 100, 0.79, 200),
    ("HX-4450", WASHER, "Brunel Supply", 200, 0.12, 400),
    ("HX-4450", WASHER, "Ellis Components", 100, 0.13, 100),
    ("HX-4450", WASHER, "Foxglove Fasteners", 500, 0.10, 5000),
)
STATUS: tuple[Row, ...] = (
    ("Alder & Finch", "approved", "2024-03-01"),
    ("Brunel Supply", "approved", "2023-11-15"),
    ("Corvus Trading", "suspended", "2026-02-09"),
    ("Dorset Metals", "approved", "2025-06-20"),
    ("Ellis Components", "approved", "2022-09-05"),
    ("Foxglove Fasteners", "approved", "2025-01-13"),
)
DISCOUNTS: tuple[Row, ...] = (
    ("Alder & Finch", 200, "5.0 %"),
    ("Brunel Supply", 100, "1.0 %"),
    ("Brunel Supply", 250, "3.0 %"),
    ("Dorset Metals", 100, "2.0 %"),
    ("Ellis Components", 100, "4.0 %"),
    ("Ellis Components", 200, "7.0 %"),
    ("Foxglove Fasteners", 5000, "6.0 %"),
)
FREE_FROM = "2,500.00"
COLUMNS = (72, 250, 400)
LINE = 18


@dataclass(frozen=True, slots=True)
class Terms:
    """What the purchasing terms say."""

    status: Sequence[Row] = STATUS
    discounts: Sequence[Row] = DISCOUNTS
    free_from: str = FREE_FROM


@dataclass(slots=True)
class Sheet:
    """One page of a PDF under construction: text placed from the top down."""

    at: int = 770
    commands: list[str] = field(default_factory=list)

    def write(self, *cells: str | float, size: int = 11, bold: bool = False) -> None:
        """One line; several cells stand in columns."""
        font = "F2" if bold else "F1"
        for x, cell in zip(COLUMNS, cells, strict=False):
            text = str(cell).replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            self.commands.append(f"BT /{font} {size} Tf {x} {self.at} Td ({text}) Tj ET")
        self.at -= LINE

    def heading(self, text: str, size: int = 13) -> None:
        """A line of its own with room around it."""
        self.at -= LINE // 2
        self.write(text, size=size, bold=True)

    def table(self, header: Sequence[str], rows: Iterable[Row]) -> None:
        """A header line and its rows."""
        self.write(*header, bold=True)
        for row in rows:
            self.write(*row)
        self.at -= LINE // 2


def write_catalogue(path: Path, offers: Sequence[Row] = OFFERS) -> None:
    """The price list as a workbook."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Price list"
    sheet.append(["Fastener price list, prices without shipping"])
    sheet.append([])
    sheet.append(list(HEADER))
    for offer in offers:
        sheet.append(list(offer))
    for column, width in zip("ABCDEF", (12, 28, 22, 12, 16, 16), strict=True):
        sheet.column_dimensions[column].width = width
    for row in sheet.iter_rows(min_row=4, min_col=5, max_col=5):
        row[0].number_format = "0.00"
    book.properties.creator = "Quaestor demo"
    book.properties.created = datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None)
    book.save(path)


def write_terms(path: Path, terms: Terms | None = None) -> None:
    """The purchasing terms as a PDF of two pages."""
    terms = terms or Terms()
    first, second = Sheet(), Sheet()
    first.heading("Purchasing terms for fasteners", size=17)
    first.write("These terms hold for every order of standard parts in 2026.")
    first.heading("1. Supplier list")
    first.write("Only suppliers with the status approved may be used.")
    first.table(("Supplier", "Status", "Since"), terms.status)
    first.write("A supplier that is not on this list is not approved.")
    second.heading("2. Quantity discounts")
    second.write(
        "A discount is taken off the goods. The highest step that the order reaches counts."
    )
    second.table(("Supplier", "From units", "Discount"), terms.discounts)
    second.write("Steps count the units that are delivered. Nobody else gives a discount.")
    second.heading("3. Shipping")
    second.write("Shipping is charged once per order, at the rate on the parts desk.")
    second.write(f"Shipping is waived when the goods after discount reach EUR {terms.free_from}.")
    path.write_bytes(_pdf("Purchasing terms for fasteners", [first, second]))


def _pdf(title: str, sheets: Sequence[Sheet]) -> bytes:
    """A PDF file: catalog, pages, fonts, then a page and its content for each sheet."""
    kids = " ".join(f"{7 + 2 * number} 0 R" for number in range(len(sheets)))
    bodies = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(sheets)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({title}) /Producer (Quaestor demo) >>",
        "<< /Font << /F1 3 0 R /F2 4 0 R >> >>",
    ]
    for number, sheet in enumerate(sheets):
        content = "\n".join(sheet.commands)
        bodies.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources 6 0 R "
            f"/Contents {8 + 2 * number} 0 R >>"
        )
        bodies.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return _assembled(bodies)


def _assembled(bodies: Sequence[str]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(bodies, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode("ascii")
    out += "".join(f"{place:010d} 00000 n \n" for place in places).encode("ascii")
    trailer = f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R /Info 5 0 R >>\n"
    return bytes(out + f"{trailer}startxref\n{start}\n%%EOF\n".encode("ascii"))


def main() -> None:
    """Write both files into the folder given, or where the demo looks for them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else MATERIAL
    write_catalogue(folder / "catalogue.xlsx")
    write_terms(folder / "terms.pdf")


if __name__ == "__main__":
    main()
