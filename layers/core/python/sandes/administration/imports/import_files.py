"""Files of officials: rows with their cells by what they are, from CSV or XLSX (docs/admin/imports.md, "The file").

A fault of the file ends the reading; a fault of a row is told with the row. Neither holds anything of what is in it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import BinaryIO

from sandes.administration.imports.import_xlsx import sheet_rows
from sandes.csv_files import OTHER_DELIMITERS, UnreadableFile, lines

MAX_ROWS = 100_000
MAX_FILE_BYTES = 20 * 1024 * 1024

ALIASES: Mapping[str, tuple[str, ...]] = {
    "phone": (
        *("phone", "phone no", "phone number", "mobile", "mobile no", "mobile number", "mobile phone"),
        *("मोबाइल", "मोबाइल नंबर", "मोबाइल नम्बर", "मोबाइल संख्या", "फ़ोन", "फोन", "फ़ोन नंबर", "फोन नंबर"),
    ),
    "name": (
        *("name", "full name", "employee name", "officer name", "name of officer", "name of employee"),
        *("नाम", "पूरा नाम", "कर्मचारी का नाम", "अधिकारी का नाम"),
    ),
    "post": ("post", "designation", "post name", "पद", "पदनाम", "पद का नाम"),
    "unit": ("unit", "department", "office", "unit id", "unit name", "इकाई", "विभाग", "कार्यालय"),
    "email": (
        *("email", "e mail", "mail", "email id", "e mail id", "email address", "official email", "official e mail"),
        *("ईमेल", "ई मेल", "सरकारी ईमेल"),
    ),
    "expires": (
        *("expires", "expires on", "expiry", "expiry date", "valid until", "valid till", "valid upto", "valid up to"),
        *("वैधता", "वैध तक", "मान्य तक"),
    ),
    "retirement": (
        *("retirement", "retirement date", "date of retirement", "retires on"),
        *("superannuation", "superannuation date", "date of superannuation"),
        *("सेवानिवृत्ति", "सेवानिवृत्ति तिथि", "सेवानिवृत्ति की तिथि", "सेवानिवृत्ति दिनांक"),
    ),
    "listed": ("listed", "public", "publicly listed", "सार्वजनिक"),
    "action": ("action", "कार्रवाई", "कार्य"),
    "reason": ("reason", "कारण"),
}
"""What a column may be called; case, blanks, and underscores, hyphens and full stops instead of them do not matter."""

PASSED_OVER = ("s no", "sr no", "sl no", "serial no", "serial number", "#", "क्रमांक", "क्रम संख्या", "क्र सं")
"""Columns that many a file has and nobody needs here."""

_BETWEEN_WORDS = re.compile(r"[\s_\-.:*]+")
_KNOWN_VALUES = (str, int, float, date, time, type(None))  # also bool and datetime


@dataclass(frozen=True, slots=True)
class Cells:
    """A row below the header: what its cells say by column, or why it cannot be read (`fault`)."""

    row: int
    values: Mapping[str, object]
    fault: str | None = None


def read_csv(chunks: Iterable[bytes]) -> Iterator[Cells]:
    """Raises UnreadableFile, also after rows have been given."""
    reader = csv.reader(lines(chunks), strict=True)
    try:
        yield from _read(reader)
    except csv.Error as error:
        raise UnreadableFile(
            "file", "bad_quoting", f"line {reader.line_num}: quotes that do not match, or a cell too long ({error})"
        ) from None


def read_xlsx(file: BinaryIO) -> Iterator[Cells]:
    """Raises UnreadableFile, also after rows have been given."""
    yield from _read(sheet_rows(file))


def _read(rows: Iterable[Sequence[object]]) -> Iterator[Cells]:
    left = iter(rows)
    columns = _columns(next((row for row in left if not _is_empty(row)), ()))
    count = 0
    for row in left:
        if _is_empty(row):
            continue
        if count >= MAX_ROWS:
            raise UnreadableFile("file", "too_many_rows", f"an import has at most {MAX_ROWS} rows")
        count += 1
        if len(row) < len(columns) or not _is_empty(row[len(columns) :]):
            yield Cells(count, {}, "ragged")
        elif any(isinstance(cell, str) and cell.lstrip().startswith("=") for cell in row) or not all(
            isinstance(cell, _KNOWN_VALUES) for cell in row
        ):
            yield Cells(count, {}, "formula")
        else:
            yield Cells(count, {name: cell for name, cell in zip(columns, row, strict=False) if name})
    if not count:
        raise UnreadableFile("file", "no_rows", "there is nothing below the header")


def _is_empty(row: Sequence[object]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row)


def heading(text: str) -> str:
    """The form in which names of columns are compared."""
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


_COLUMNS = {heading(alias): column for column, aliases in ALIASES.items() for alias in aliases}
_PASSED_OVER = {heading(name) or name for name in PASSED_OVER}


def _columns(header: Sequence[object]) -> list[str]:
    """What each column is; empty for one that is passed over. Raises UnreadableFile."""
    names = [heading(cell) if isinstance(cell, str) else "" if cell is None else "?" for cell in header]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise UnreadableFile("header", "no_header", "the first row names the columns: phone, name, post and others")
    columns = [_COLUMNS.get(name, "") for name in names]
    if "phone" not in columns:
        for char, marks in OTHER_DELIMITERS.items():
            if any(isinstance(cell, str) and char in cell for cell in header):
                raise UnreadableFile("header", "wrong_delimiter", f"columns are separated by commas, not by {marks}")
        raise UnreadableFile("header", "no_phone_column", "the first row names no column phone or mobile number")
    for position, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
        if column and column in columns[: position - 1]:
            raise UnreadableFile("header", "duplicate_column", f"column {position} is a second one of {column}")
        if not column and name not in _PASSED_OVER:
            raise UnreadableFile("header", "unknown_column", f"column {position} is none that an import knows")
    return columns


def text_of(cell: object) -> str:
    """What a cell says, a number as it was typed: without the fraction that spreadsheets add to whole ones."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell).strip()
