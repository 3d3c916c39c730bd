"""Spreadsheets that others upload, read row by row in bounded memory and time (docs/admin/imports.md, "The file").

A workbook is a zip of XML, and openpyxl believes what it says. So every part of it is decompressed once before, piece
by piece: no more than a spreadsheet of this size needs, no more than the directory declares, no document type and so
no entities.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from copy import copy
from typing import Any, BinaryIO

from sandes.csv_files import UnreadableFile

MAX_PARTS = 500
MAX_UNPACKED_BYTES = 192 * 1024 * 1024
"""100,000 rows of ten cells take about 60 MB."""

MAX_RATIO = 200
"""Of one part above a megabyte. Rows of a real spreadsheet come to 10 to 40."""

MAX_TAGS = 12_000_000
"""Of all parts together: 100,000 rows of ten texts have 6 million. Each may take 70 bytes while it is read."""

MAX_TEXT = 32_767
"""Characters of one text, Excel's own limit. A text is kept once, but every cell may name it: what is done to a text of
megabytes is done a million times.
"""

MAX_COLUMNS = 64
MAX_SHEET_ROWS = 1_048_576
"""Excel's own limit."""

_PIECE_BYTES = 64 * 1024
_SMALL_BYTES = 1024 * 1024
_ENCODING = re.compile(rb"^\s*<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_MARK = b"\xef\xbb\xbf"
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_LONGEST = max(map(len, _DECLARATIONS)) - 1

Row = tuple[object, ...]


def sheet_rows(file: BinaryIO) -> Iterator[Row]:
    """The values of the first sheet, row by row, without rows that the file does not speak of. Formulas come as an
    equals sign.

    Raises UnreadableFile, also after rows have been given.
    """
    _inspect(file)
    file.seek(0)
    yield from _values(file)


def _inspect(file: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            _check_directory(parts)
            tags = 0
            for part in parts:
                tags += _unpack(archive, part)
                if tags > MAX_TAGS:
                    raise _too_large()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError):
        raise _no_workbook() from None


def _check_directory(parts: list[zipfile.ZipInfo]) -> None:
    """By what the zip says of itself, which costs nothing. Raises UnreadableFile."""
    if len({part.filename for part in parts}) < len(parts) or any(part.flag_bits & 1 for part in parts):
        raise _no_workbook()
    if any(part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for part in parts):
        raise _no_workbook()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise _too_large()
    for part in parts:
        if part.file_size > _SMALL_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1):
            raise _too_large()


def _unpack(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Decompress a part and forget it; the number of its tags. Raises UnreadableFile and what zipfile raises.

    zipfile stops at the size that is declared, whatever there is: asked for a byte more, it gives one if there is.
    """
    longer = copy(part)
    longer.file_size += 1
    is_xml = part.filename.lower().endswith((".xml", ".rels", ".vml"))
    size, tags, before = 0, 0, b""
    with archive.open(longer) as content:
        while piece := content.read(_PIECE_BYTES):
            if is_xml:
                if not size:
                    _check_start(piece)
                if any(word in before + piece for word in _DECLARATIONS) or b"\0" in piece:
                    raise _no_workbook()
                tags += piece.count(b"<")
                before = piece[-_LONGEST:]
            size += len(piece)
            if size > part.file_size or tags > MAX_TAGS:
                raise _too_large()
    if size != part.file_size:
        raise _no_workbook()
    return tags


def _check_start(piece: bytes) -> None:
    """Only encodings in which a document type cannot hide. Raises UnreadableFile."""
    piece = piece.removeprefix(_MARK)
    declared = _ENCODING.match(piece[:512])
    if not piece.lstrip().startswith(b"<") or (declared and declared[1].lower() not in _ENCODINGS):
        raise _no_workbook()


def _values(file: BinaryIO) -> Iterator[Row]:
    """Raises UnreadableFile for whatever openpyxl cannot make sense of."""
    from openpyxl import load_workbook  # only where spreadsheets are read: it takes a quarter of a second

    try:
        book = load_workbook(file, read_only=True, keep_links=False)
        if not book.worksheets:
            raise _no_workbook()
        for row in _rows(book):
            if any(isinstance(value, str) and len(value) > MAX_TEXT for value in row):
                raise UnreadableFile("file", "too_long", f"a cell holds more than {MAX_TEXT} characters")
            yield row
    except (UnreadableFile, GeneratorExit):
        raise
    except Exception:  # noqa: BLE001  # openpyxl raises whatever its parsing of a hostile or broken file runs into
        raise _no_workbook() from None


def _rows(book: Any) -> Iterator[Row]:
    """As openpyxl reads a sheet, but for formulas: what is shared between cells, it would make up for each of them."""
    from openpyxl.worksheet._reader import WorkSheetParser  # see above

    class Parser(WorkSheetParser):
        def parse_formula(self, _element: object) -> str:
            return "="

    sheet, last = book.worksheets[0], 0
    with sheet._get_source() as source:
        parser = Parser(
            source,
            sheet._shared_strings,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for number, cells in parser.parse():
            if number > MAX_SHEET_ROWS:
                return
            if number > last:
                yield sheet._get_row(cells, max_col=MAX_COLUMNS + 1, values_only=True)
            last = max(last, number)


def _too_large() -> UnreadableFile:
    return UnreadableFile("file", "too_large", "unpacked, the workbook is larger than 100,000 rows of officials need")


def _no_workbook() -> UnreadableFile:
    return UnreadableFile("file", "not_xlsx", "this is no workbook that can be read: save it as XLSX, without macros")
