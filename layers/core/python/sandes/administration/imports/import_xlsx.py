"""Reads uploaded spreadsheets row by row in bounded memory and time (docs/admin/imports.md, "The file").

A workbook is a zip of XML parts (ECMA-376, transitional or strict). Every part, whatever its name, is decompressed once
before anything is read. This checks that it is not larger than a spreadsheet of this size needs, or than the directory
declares. Expat then parses the few parts that an import needs. It refuses document types, and thereby entities. Of the
styles, only number formats are read, which tell dates from numbers.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, cast
from urllib.parse import unquote
from xml.parsers import expat

from sandes.csv_files import UnreadableFile

MAX_PARTS = 500
MAX_UNPACKED_BYTES = 192 * 1024 * 1024
"""The total size. 100,000 rows of ten cells take about 60 MB."""

MAX_RATIO = 200
"""The highest compression ratio of a part above a megabyte. Rows of a real spreadsheet have 10 to 40."""

MAX_TAGS = 12_000_000
"""The most tags of all parts together. 100,000 rows of ten texts have 6 million."""

MAX_TEXT = 32_767
"""The most characters of one text, Excel's own limit. A text is stored once but a million cells may refer to it, so a
text of megabytes would be processed a million times.
"""

MAX_STRINGS = 1_500_000
MAX_STRING_CHARS = 48 * 1024 * 1024
"""The limits of texts that cells share, which are all in memory. 100,000 rows of ten texts have a million."""

MAX_FORMATS = 65_536
"""The most cell formats, and the most number formats. Excel has at most 65,490 cell formats."""

MAX_RELATIONSHIPS = 2_000
MAX_SHEETS = 1_000
MAX_MERGED = 200_000
"""The most ranges of merged cells, two for each row."""

MAX_COLUMNS = 64
MAX_SHEET_ROWS = 1_048_576
MAX_SHEET_COLUMNS = 16_384
"""Excel's own limits."""

MAX_READ_BYTES = 1024 * 1024
"""The most bytes of the file in one read. A directory of 500 parts needs far less, and zipfile makes an object of each
of its entries.
"""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The first bytes of a file in the old format, and of an encrypted one."""

_PIECE_BYTES = 64 * 1024
_SMALL_BYTES = 1024 * 1024
_MAX_TOKEN_BYTES = 1024 * 1024
"""The longest tag or comment. Expat keeps it in memory until it is complete."""

_MAX_DEPTH = 32
_MAX_NAMES = 2_000
"""The most different names of elements and attributes. Expat keeps all of them."""

_ENCODING = re.compile(rb"^\s*<\?xml[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_MARK = b"\xef\xbb\xbf"
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_LONGEST = max(map(len, _DECLARATIONS)) - 1

_MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # the strict form
)
_RELATIONS = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "http://purl.oclc.org/ooxml/officeDocument/relationships",
)
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_REFERENCE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_NO_CODES = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hmsHMS]+\])[^\]]*\]')
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""Numbers of built-in date and time formats, which have no code (ECMA-376, 18.8.30)."""

_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001  # spreadsheets know no zone
_LEAP = 60
"""29 February 1900, which the 1900 system counts although it never existed."""

_LAST_DAY = 2_958_465
"""31 December 9999."""

Row = tuple[object, ...]


class ErrorValue(str):
    """Holds the text of a cell with an error, such as #N/A."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SheetRow:
    """Holds a row. `number` is the one that the spreadsheet shows."""

    number: int
    values: Row
    hidden: bool = False


@dataclass(slots=True)
class Sheet:
    """Holds a sheet. `hidden_columns`, counted from 0, are known after the first row was read.

    `merged` lists the ranges of merged cells by first row, last row, and first column, counted from 0.
    """

    name: str
    rows: Iterator[SheetRow]
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[tuple[int, int, int]] = field(default_factory=list)


def open_sheet(file: BinaryIO) -> Sheet:
    """Open the first visible sheet and its rows. Formulas are returned as an equals sign, errors as ErrorValue.

    Raises UnreadableFile, possibly while rows are read.
    """
    with _faults_of_files():
        if file.read(len(_OLE)) == _OLE:
            raise UnreadableFile(
                "file", "not_xlsx", "the workbook has a password or is in the old XLS format: save it as XLSX"
            )
        archive = zipfile.ZipFile(cast("BinaryIO", _InPieces(file)))
        parts = _inspect(archive)
        book = _Book(archive, parts)
        name, part = book.first_visible()
        sheet = Sheet(name, iter(()), merged=_merged(book, part))
        sheet.rows = _rows(book, part, sheet.hidden_columns)
    return sheet


class _faults_of_files:  # noqa: N801  # a context manager that reads as a word
    """Converts the exceptions of a broken zip or of broken XML to a fault of the file."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, _BROKEN):
            raise _no_workbook() from None


class _InPieces:
    """Wraps a file so that no read exceeds `MAX_READ_BYTES`.

    zipfile reads the whole directory of a zip before anything of it can be checked.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Read bytes. Raises UnreadableFile if they are too many."""
        if size > MAX_READ_BYTES:
            raise _too_large()
        found = self.file.read(MAX_READ_BYTES + 1 if size < 0 else size)
        if len(found) > MAX_READ_BYTES:
            raise _too_large()
        return found


_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, KeyError),
    *(expat.ExpatError, LookupError, OverflowError),
)


# The zip


def _inspect(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the parts by their names in lower case, because the case makes no difference (ECMA-376-2, 6.2.2.3)."""
    parts = archive.infolist()
    named = {_part_name(part.filename): part for part in parts}
    _check_directory(parts, len(named))
    tags = 0
    for part in parts:
        tags += _unpack(archive, part)
        if tags > MAX_TAGS:
            raise _too_large()
    return named


def _part_name(name: str) -> str:
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").casefold()


def _check_directory(parts: list[zipfile.ZipInfo], names: int) -> None:
    """Check the zip's directory, which needs no decompression. Raises UnreadableFile."""
    if names < len(parts) or any(part.flag_bits & 1 for part in parts):
        raise _no_workbook()
    if any(part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for part in parts):
        raise _no_workbook()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise _too_large()
    for part in parts:
        if part.file_size > _SMALL_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1):
            raise _too_large()


def _unpack(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Decompress a part without keeping it, and return the number of its tags.

    Raises UnreadableFile and the errors of zipfile. zipfile stops at the declared size. With one more byte declared, it
    returns this byte if the part is longer.
    """
    longer = copy(part)
    longer.file_size += 1
    is_xml = part.filename.lower().endswith((".xml", ".rels", ".vml"))
    size, tags, before = 0, 0, b""
    with archive.open(longer) as content:
        while piece := content.read(_PIECE_BYTES):
            if not size:
                is_xml = is_xml or piece.removeprefix(_MARK).lstrip().startswith(b"<")
                if is_xml:
                    _check_start(piece)
            if is_xml:
                if any(word in before + piece for word in _DECLARATIONS) or b"\0" in piece:
                    raise _no_workbook()
                before = piece[-_LONGEST:]
            tags += piece.count(b"<")
            size += len(piece)
            if size > part.file_size or tags > MAX_TAGS:
                raise _too_large()
    if size != part.file_size:
        raise _no_workbook()
    return tags


def _check_start(piece: bytes) -> None:
    """Allow only encodings in which a document type cannot hide. Raises UnreadableFile."""
    piece = piece.removeprefix(_MARK)
    declared = _ENCODING.match(piece[:512])
    if not piece.lstrip().startswith(b"<") or (declared and declared[1].lower() not in _ENCODINGS):
        raise _no_workbook()


# XML


Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def _parse(
    archive: zipfile.ZipFile, part: zipfile.ZipInfo, start: Start, end: End | None = None, text: Text | None = None
) -> Iterator[None]:
    """Parse a part with expat, and yield after each piece. Raises UnreadableFile and the errors of the libraries.

    Names of elements are `namespace name`, and so are those of attributes with a namespace.
    """
    parser = expat.ParserCreate(namespace_separator=" ", intern=None)
    parser.buffer_text = True
    names: set[str] = set()
    depth = 0

    def started(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if name not in names or not attributes.keys() <= names:
            names.add(name)
            names.update(attributes)
        if depth > _MAX_DEPTH or len(names) > _MAX_NAMES:
            raise _too_large()
        start(name, attributes)

    def ended(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(name)

    def refuse(*_: object) -> None:
        raise _no_workbook()

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    if text is not None:
        parser.CharacterDataHandler = text
    fed = 0
    with archive.open(part) as content:
        while piece := content.read(_PIECE_BYTES):
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(parser.CurrentByteIndex, 0) > _MAX_TOKEN_BYTES:
                raise _too_large()
            yield
    parser.Parse(b"", True)
    yield


def _main(*names: str) -> dict[str, str]:
    """Return names of spreadsheet elements in both forms of the format, by expat's names."""
    return {f"{space} {name}": name for space in _MAIN for name in names}


class _Book:
    """Holds the parts that give meaning to a sheet's cells."""

    def __init__(self, archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo]) -> None:
        self.archive, self.parts = archive, parts
        self._check_types()
        whole = self._relationships("")
        self.path = next((to for kind, to in whole.values() if kind == "officeDocument"), "")
        self.targets = self._relationships(self.path)
        self.sheets: list[tuple[str, str, bool]] = []
        self.epoch = _EPOCH
        self._read_workbook()
        self.strings = self._strings()
        self.dates = self._date_formats()

    def first_visible(self) -> tuple[str, zipfile.ZipInfo]:
        """Return the first visible sheet, because an import must not read hidden data. Raises UnreadableFile without
        one.
        """
        known = False
        for name, id, hidden in self.sheets:
            kind, to = self.targets.get(id, ("", ""))
            if kind != "worksheet":
                continue  # a chart or a dialogue
            known = True
            if not hidden:
                return name, self._part(to)
        if known:
            raise UnreadableFile("file", "no_visible_sheet", "all sheets of the workbook are hidden: unhide one")
        raise _no_workbook()

    def _part(self, path: str) -> zipfile.ZipInfo:
        return self.parts[_part_name(path)]

    def _all(self, part: zipfile.ZipInfo, start: Start, end: End | None = None, text: Text | None = None) -> None:
        for _ in _parse(self.archive, part, start, end, text):
            pass

    def _check_types(self) -> None:
        root: list[str] = []

        def start(name: str, _: dict[str, str]) -> None:
            if not root:
                root.append(name)

        self._all(self._part("[Content_Types].xml"), start)
        if root != [f"{_TYPES} Types"]:
            raise _no_workbook()

    def _relationships(self, path: str) -> dict[str, tuple[str, str]]:
        """Return, for each id, the last word of its kind and the target part."""
        folder, name = posixpath.split(path)
        part = self.parts.get(_part_name(posixpath.join(folder, "_rels", f"{name}.rels")))
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name != f"{_PACKAGE} Relationship" or attributes.get("TargetMode") == "External":
                return
            if len(found) >= MAX_RELATIONSHIPS:
                raise _too_large()
            kind = attributes["Type"].rpartition("/")[2]
            found[attributes["Id"]] = kind, posixpath.join("/", folder, unquote(attributes["Target"]))

        if part is not None:
            self._all(part, start)
        return found

    def _read_workbook(self) -> None:
        elements = _main("workbook", "sheet", "workbookPr")

        def start(name: str, attributes: dict[str, str]) -> None:
            element = elements.get(name)
            if element == "sheet":
                if len(self.sheets) >= MAX_SHEETS:
                    raise _too_large()
                id = next((attributes[f"{space} id"] for space in _RELATIONS if f"{space} id" in attributes), "")
                hidden = attributes.get("state", "visible") != "visible"
                self.sheets.append((_decoded(attributes.get("name", "")), id, hidden))
            elif element == "workbookPr" and attributes.get("date1904") in {"1", "true", "on"}:
                self.epoch = _EPOCH_1904

        self._all(self._part(self.path), start)

    def _of_kind(self, kind: str, name: str) -> zipfile.ZipInfo | None:
        """Find a part by its relationship, or by its name in most workbooks."""
        folder = posixpath.dirname(self.path)
        to = next((to for found, to in self.targets.values() if found == kind), posixpath.join(folder, name))
        return self.parts.get(_part_name(to))

    def _strings(self) -> list[str]:
        part = self._of_kind("sharedStrings", "sharedStrings.xml")
        found: list[str] = []
        chars = 0
        text = _TextOfRuns()

        def end(name: str) -> None:
            nonlocal chars
            if text.end(name) == "si":
                found.append(text.take())
                chars += len(found[-1])
                if len(found) > MAX_STRINGS or chars > MAX_STRING_CHARS:
                    raise _too_large()

        if part is not None:
            self._all(part, text.start, end, text.add)
        return found

    def _date_formats(self) -> list[bool]:
        """Tell for each cell format, by its number, whether it shows dates."""
        part = self._of_kind("styles", "styles.xml")
        elements = _main("cellXfs", "xf", "numFmt")
        codes: dict[str, bool] = {}
        formats: list[bool] = []
        inside = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            element = elements.get(name)
            if element == "cellXfs":
                inside = True
            elif element == "numFmt":
                codes[attributes["numFmtId"]] = _is_date(attributes["formatCode"])
            elif element == "xf" and inside:
                number = attributes.get("numFmtId", "0")
                formats.append(codes[number] if number in codes else _is_built_in_date(number))
            if len(codes) > MAX_FORMATS or len(formats) > MAX_FORMATS:
                raise _too_large()

        def end(name: str) -> None:
            nonlocal inside
            if elements.get(name) == "cellXfs":
                inside = False

        if part is not None:
            self._all(part, start, end)
        return formats


def _is_built_in_date(number: str) -> bool:
    return number.isdecimal() and len(number) < 4 and int(number) in _DATE_FORMATS


def _is_date(code: str) -> bool:
    """Tell whether a number format shows days or times: it has letters of dates outside quotes, escapes and
    brackets.
    """
    first = _NO_CODES.sub("", code[:1_000]).partition(";")[0]
    return re.search(r"[dmyhs]", first.replace("General", ""), re.IGNORECASE) is not None


class _TextOfRuns:
    """Collects the text of an item, `si` or `is`, from its `t` elements, without those for pronunciation."""

    def __init__(self) -> None:
        self.elements = _main("si", "is", "t", "rPh")
        self.pieces: list[str] = []
        self.chars = 0
        self.inside = self.phonetic = False

    def start(self, name: str, _: dict[str, str]) -> None:
        element = self.elements.get(name)
        if element == "t":
            self.inside = not self.phonetic
        elif element == "rPh":
            self.phonetic = True
        elif element in {"si", "is"}:
            self.pieces, self.chars = [], 0

    def end(self, name: str) -> str | None:
        element = self.elements.get(name)
        if element == "t":
            self.inside = False
        elif element == "rPh":
            self.phonetic = False
        return element

    def add(self, text: str) -> None:
        if self.inside:
            self.pieces.append(text)
            self.chars += len(text)
            if self.chars > MAX_TEXT:
                raise _too_long()

    def take(self) -> str:
        text = _decoded("".join(self.pieces))
        self.pieces, self.chars = [], 0
        return text


def _decoded(text: str) -> str:
    """Decode `_xHHHH_`, which stands for characters that XML cannot contain (ECMA-376, 22.9.2.19, ST_Xstring)."""
    if "_x" not in text:
        return text
    plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# The sheet


class _Rows:
    """Collects the cells of a sheet row by row while expat parses it."""

    def __init__(self, book: _Book, hidden_columns: set[int]) -> None:
        self.book, self.hidden_columns = book, hidden_columns
        self.elements = _main("sheetData", "row", "c", "v", "f", "is", "t", "rPh", "col", "sheetFormatPr")
        self.done: list[SheetRow] = []
        self.text = _TextOfRuns()
        self.in_data = False
        self.row = self.column = 0
        self.hidden = self.formula = self.collecting = False
        self.values: list[object] = []
        self.kind = ""
        self.is_date = False
        self.pieces: list[str] = []
        self.chars = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        element = self.elements.get(name)
        if element == "v":
            self.collecting = True
        elif element == "c":
            self._start_cell(attributes)
        elif element == "row":
            self._start_row(attributes)
        elif element == "f":
            self.formula = True
        elif element == "sheetData":
            self.in_data = True
        elif element == "col":
            self._hide(attributes)
        elif element == "sheetFormatPr":
            if _is_narrow(attributes.get("defaultColWidth")):
                self.hidden_columns.update(range(MAX_COLUMNS))
        elif element is not None:
            self.text.start(name, attributes)

    def add(self, text: str) -> None:
        if self.collecting:
            self.pieces.append(text)
            self.chars += len(text)
            if self.chars > MAX_TEXT:
                raise _too_long()
        else:
            self.text.add(text)

    def end(self, name: str) -> None:
        element = self.elements.get(name)
        if element == "v":
            self.collecting = False
        elif element == "c":
            self._end_cell()
        elif element == "row":
            self.done.append(SheetRow(self.row, tuple(self.values), self.hidden))
        elif element == "sheetData":
            self.in_data = False
        elif element is not None:
            self.text.end(name)

    def _hide(self, attributes: dict[str, str]) -> None:
        columns = range(int(attributes["min"]) - 1, min(int(attributes["max"]), MAX_COLUMNS))
        if attributes.get("hidden") in {"1", "true", "on"} or _is_narrow(attributes.get("width")):
            self.hidden_columns.update(columns)
        elif "width" in attributes:
            self.hidden_columns.difference_update(columns)

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes["r"]) if "r" in attributes else self.row + 1
        if not self.in_data or not self.row < number <= MAX_SHEET_ROWS:
            raise _no_workbook()
        self.row, self.column, self.values = number, 0, []
        self.hidden = attributes.get("hidden") in {"1", "true", "on"} or _is_flat(attributes.get("ht"))

    def _start_cell(self, attributes: dict[str, str]) -> None:
        at = attributes.get("r")
        column = self.column + 1 if at is None else _column_of(at)
        if not self.column < column <= MAX_SHEET_COLUMNS:
            raise _no_workbook()
        self.column = column
        self.kind = attributes.get("t", "n")
        style = attributes.get("s", "0")
        formats = self.book.dates
        self.is_date = style.isdecimal() and len(style) < 7 and int(style) < len(formats) and formats[int(style)]
        self.formula = False
        self.pieces, self.chars = [], 0
        self.text.take()

    def _end_cell(self) -> None:
        value = "=" if self.formula else self._value()
        if value is None:
            return
        place = min(self.column - 1, MAX_COLUMNS)  # beyond the known columns, but not lost
        self.values.extend([None] * (place - len(self.values)))
        self.values[place:] = [value]

    def _value(self) -> object:
        if self.kind == "inlineStr":
            return self.text.take()
        said = "".join(self.pieces)
        if not said.strip() and self.kind != "str":
            return None
        if self.kind == "s":
            return self.book.strings[_index(said)]
        if self.kind == "str":
            return _decoded(said)
        if self.kind == "b":
            return said.strip() not in {"0", "false"}
        if self.kind == "e":
            return ErrorValue(said.strip())
        if self.kind == "d":
            return _date_or_text(said.strip())
        return self._number(said.strip())

    def _number(self, said: str) -> object:
        if not _NUMBER.fullmatch(said):
            raise _no_workbook()
        number = float(said)
        if self.is_date and 0 <= number <= _LAST_DAY - (self.book.epoch - _EPOCH).days:
            return self._moment(number)
        return int(said) if len(said) < 16 and said.isdecimal() else number

    def _moment(self, number: float) -> datetime:
        days, part = divmod(number, 1)
        if self.book.epoch is _EPOCH and days < _LEAP:
            days += 1
        return self.book.epoch + timedelta(days=days, seconds=round(part * 86_400))


def _rows(book: _Book, part: zipfile.ZipInfo, hidden_columns: set[int]) -> Iterator[SheetRow]:
    rows = _Rows(book, hidden_columns)
    pieces = _parse(book.archive, part, rows.start, rows.end, rows.add)
    while True:
        with _faults_of_files():
            if next(pieces, False) is False:
                return
        yield from rows.done
        rows.done = []


def _merged(book: _Book, part: zipfile.ZipInfo) -> list[tuple[int, int, int]]:
    """Read the ranges of merged cells. They come after the rows, so a sheet that has some is parsed twice."""
    elements = _main("mergeCell")
    found: list[tuple[int, int, int]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name in elements:
            first, _, last = attributes["ref"].partition(":")
            found.append((_row_of(first), _row_of(last or first), _column_of(first) - 1))
            if len(found) > MAX_MERGED:
                raise _too_large()

    if _holds(book.archive, part, b"mergeCell"):
        for _ in _parse(book.archive, part, start):
            pass
    return found


def _holds(archive: zipfile.ZipFile, part: zipfile.ZipInfo, word: bytes) -> bool:
    before = b""
    with archive.open(part) as content:
        while piece := content.read(_PIECE_BYTES):
            if word in before + piece:
                return True
            before = piece[-len(word) :]
    return False


def _date_or_text(said: str) -> object:
    """Return the date of a cell, or the text if it is only a time of day."""
    try:
        return datetime.fromisoformat(said).replace(tzinfo=None)
    except ValueError:
        return said


def _is_narrow(width: str | None) -> bool:
    """Tell whether a column is narrower than half a character, so that nothing is visible."""
    return width is not None and float(width) < 0.5


def _is_flat(height: str | None) -> bool:
    """Tell whether a row is lower than a point, so that nothing is visible."""
    return height is not None and float(height) < 1


def _row_of(reference: str) -> int:
    return int(_parts_of(reference)[2])


def _parts_of(reference: str) -> re.Match[str]:
    found = _REFERENCE.fullmatch(reference.replace("$", ""))
    if found is None:
        raise _no_workbook()
    return found


def _column_of(reference: str) -> int:
    found = _parts_of(reference)
    column = 0
    for letter in found[1].upper():
        column = column * 26 + ord(letter) - 64
    return column


def _index(said: str) -> int:
    index = int(said) if len(said) < 10 else -1
    if index < 0:
        raise _no_workbook()
    return index


def _too_large() -> UnreadableFile:
    return UnreadableFile("file", "too_large", "unpacked, the workbook is larger than 100,000 rows of officials need")


def _too_long() -> UnreadableFile:
    return UnreadableFile("file", "too_long", f"a cell holds more than {MAX_TEXT} characters")


def _no_workbook() -> UnreadableFile:
    return UnreadableFile("file", "not_xlsx", "this is no workbook that can be read: save it as XLSX, without macros")
