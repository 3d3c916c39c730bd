"""Reads files of officials, CSV or XLSX, as rows of cells by column (docs/admin/imports.md, "The file").

A fault of the file ends the reading; a fault of a row is returned with the row. Faults contain no content.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice, zip_longest
from typing import BinaryIO

from sandes.administration.imports.import_xlsx import MAX_SHEET_ROWS, Sheet, SheetRow, open_sheet
from sandes.csv_files import OTHER_DELIMITERS, UnreadableFile, is_blank, records

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
"""The names of columns. Case, blanks, underscores, hyphens and full stops make no difference."""

PASSED_OVER = ("s no", "sr no", "sl no", "serial no", "serial number", "#", "क्रमांक", "क्रम संख्या", "क्र सं")
"""Columns of many files that imports ignore."""

_BETWEEN_WORDS = re.compile(r"[\s_\-.:*]+")
_KNOWN_VALUES = (str, int, float, date, time, type(None))  # also bool and datetime

MAX_TITLE_ROWS = 20
"""The most non-empty rows above the header."""

MAX_NAME_CHARS = 64
"""The characters of a column's name that findings show."""


@dataclass(frozen=True, slots=True)
class Header:
    """Describes the header: the sheet of a workbook, the row, and the file's name of each column."""

    row: int
    names: Mapping[str, str]
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """Holds a row below the header, by its number in the spreadsheet: its cells by column, or its `fault`."""

    row: int
    values: Mapping[str, object]
    fault: str | None = None


def read_csv(chunks: Iterable[bytes], found: Callable[[Header], None] = lambda _: None) -> Iterator[Cells]:
    """Yield the rows of a CSV file. `found` gets the header before the first row.

    Raises UnreadableFile, possibly after some rows.
    """
    rows = enumerate(records(chunks, skip_blanks=True), start=1)
    yield from _read((SheetRow(number, tuple(row)) for number, row in rows), found)


def read_xlsx(file: BinaryIO, found: Callable[[Header], None] = lambda _: None) -> Iterator[Cells]:
    """Yield the rows of the first visible sheet, like `read_csv`."""
    sheet = open_sheet(file)
    yield from _read(sheet.rows, found, sheet)


def _read(rows: Iterable[SheetRow], found: Callable[[Header], None], sheet: Sheet | None = None) -> Iterator[Cells]:
    left = (row for row in rows if not _is_empty(row.values))
    header = _header(left)
    columns = _columns(header.values)
    _check_seen(header, columns, sheet)
    names = {
        name: " ".join(unseen(str(cell)).split())[:MAX_NAME_CHARS]
        for name, cell in zip(columns, header.values, strict=False)
        if name
    }
    found(Header(header.number, names, sheet.name if sheet else None))
    merged = (
        _Ranges.of((first, last) for first, last, column in sheet.merged if column < len(columns)) if sheet else None
    )
    count = 0
    for row in left:
        if _is_only_numbered(row.values, columns):
            continue
        if row.number > MAX_SHEET_ROWS or count >= MAX_ROWS:
            raise UnreadableFile("file", "too_many_rows", f"an import has at most {MAX_ROWS} rows")
        count += 1
        if sheet is None and len(row.values) < len(columns):
            yield Cells(row.number, {}, "ragged")  # only CSV has short rows; a sheet has empty cells
        elif not row.hidden and merged and row.number in merged:
            yield Cells(row.number, {}, "merged")
        else:
            yield _cells(row, columns)
    if not count:
        raise UnreadableFile("file", "no_rows", "there is nothing below the header")


def _cells(row: SheetRow, columns: Sequence[str]) -> Cells:
    cells = row.values
    if row.hidden:
        return Cells(row.number, {}, "hidden")
    if not _is_empty(cells[len(columns) :]):
        return Cells(row.number, {}, "ragged")
    values = {name: cell for name, cell in zip_longest(columns, cells[: len(columns)]) if name}
    formula = next((name for name, cell in values.items() if _is_formula(cell)), None)
    return Cells(row.number, {}, f"formula/{formula}") if formula else Cells(row.number, values)


def _is_formula(cell: object) -> bool:
    return cell.lstrip().startswith("=") if isinstance(cell, str) else not isinstance(cell, _KNOWN_VALUES)


def _is_only_numbered(cells: Sequence[object], columns: Sequence[str]) -> bool:
    """Tell whether a row has only a serial number, as in forms that are numbered below their last entry."""
    pairs = [*zip(columns, cells, strict=False)]
    if any(name and not _is_empty((cell,)) for name, cell in pairs) or not _is_empty(cells[len(columns) :]):
        return False
    return all(_SERIAL.fullmatch(text_of(cell)) for _, cell in pairs if not _is_empty((cell,)))


@dataclass(frozen=True, slots=True)
class _Ranges:
    """Holds ranges of row numbers, which may overlap."""

    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> _Ranges:
        starts, ends = list[int](), list[int]()
        for first, last in sorted(ranges):
            if ends and first <= ends[-1]:
                ends[-1] = max(ends[-1], last)
            else:
                starts.append(first)
                ends.append(last)
        return cls(starts, ends)

    def __contains__(self, row: int) -> bool:
        at = bisect_right(self.starts, row) - 1
        return at >= 0 and row <= self.ends[at]


def _header(rows: Iterator[SheetRow]) -> SheetRow:
    """Return the first row with a column of phone numbers, below titles without any, or else the first row.

    A row that contains a possible phone number is not a title, because rows above the header are not imported.
    """
    first: SheetRow | None = None
    for row in islice(rows, MAX_TITLE_ROWS + 1):
        names = [cell for cell in row.values if isinstance(cell, str)]
        if any(_known(name) == "phone" for name in names) or any(_is_whole_header(name) for name in names):
            return row
        first = first or row
        if any(_DIGITS.search(text_of(cell)) for cell in row.values):
            break
    return first or SheetRow(1, ())


def _known(name: str) -> str | None:
    return _COLUMNS.get(heading(name))


def _is_whole_header(cell: str) -> bool:
    """Tell whether a cell is a whole header whose columns are separated by other marks than commas."""
    known = {_known(part) for part in _OTHER_MARKS.split(cell)} - {None}
    return "phone" in known and len(known) > 1


def _check_seen(header: SheetRow, columns: Sequence[str], sheet: Sheet | None) -> None:
    """Check that no recognised column is hidden. Raises UnreadableFile."""
    for position, name in enumerate(columns):
        if name and (header.hidden or (sheet and position in sheet.hidden_columns)):
            raise UnreadableFile("header", "hidden_column", f"{_nth(position + 1)} is hidden: show it, or delete it")


def _is_empty(row: Sequence[object]) -> bool:
    return all(cell is None or (isinstance(cell, str) and is_blank(cell)) for cell in row)


def unseen(text: str) -> str:
    """Remove invisible marks, such as direction marks, but keep those that join letters."""
    if text.isascii():
        return text
    return "".join(char for char in text if char in "\u200c\u200d" or unicodedata.category(char) != "Cf")


def heading(text: str) -> str:
    """Return the form in which names of columns are compared."""
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", unseen(text)).casefold()).strip()


_DIGITS = re.compile(r"(?:\d[ \-.()]*){10}")
"""Ten digits, as many as a phone number has."""

_OTHER_MARKS = re.compile("|".join(map(re.escape, OTHER_DELIMITERS)))

_SERIAL = re.compile(r"=.*|\(?\d{1,6}[.)]?", re.DOTALL)
"""A serial number, or the formula that counts it."""

_COLUMNS = {heading(alias): column for column, aliases in ALIASES.items() for alias in aliases}
_PASSED_OVER = {heading(name) or name for name in PASSED_OVER}


def _columns(header: Sequence[object]) -> list[str]:
    """Return the meaning of each column, empty for ignored ones. Raises UnreadableFile."""
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
            raise UnreadableFile("header", "duplicate_column", f"{_nth(position)} is a second one of {column}")
        if not column and name not in _PASSED_OVER:
            why = "is none that an import knows" if name else "has no name"
            known = ", ".join(ALIASES)
            raise UnreadableFile("header", "unknown_column", f"{_nth(position)} {why}; columns are {known}")
    return columns


def _nth(position: int) -> str:
    """Name a column by its number, from 1, and its letters in a spreadsheet."""
    letters, left = "", position
    while left:
        left, letter = divmod(left - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"column {position} ({letters})"


def text_of(cell: object) -> str:
    """Return the text of a cell, and a number as it was typed: without the fraction that spreadsheets add to whole
    ones.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell).strip()
