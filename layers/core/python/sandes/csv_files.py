"""Reads uploaded text files line by line, strictly as UTF-8 and in bounded memory, and writes CSV."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from sandes.model.batch import Fault

MAX_LINE_BYTES = 128 * 1024
"""The longest line. A row needs less: 20 variables of 500 characters, each an escape of 12."""

OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class UnreadableFile(Exception):
    """Reports that the whole file cannot be used. `fault` says why and where."""

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(code)
        self.fault = Fault(0, field, code, message)


def records(chunks: Iterable[bytes], *, skip_blanks: bool = False) -> Iterator[list[str]]:
    """Yield the rows of a CSV file. Raises UnreadableFile, which names the first line of the faulty row.

    With `skip_blanks`, blanks between a comma and a quote do not belong to the cell.
    """
    reader = csv.reader(lines(chunks), strict=True, skipinitialspace=skip_blanks)
    begins = 1
    try:
        for row in reader:
            yield row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _bad_quoting(begins, error) from None


def is_blank(cell: str) -> bool:
    """Tell whether a cell shows nothing: no text, only spaces, or only invisible characters."""
    return all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in cell)


def _bad_quoting(line: int, error: csv.Error) -> UnreadableFile:
    """Describe the text that csv.reader could not read."""
    if "new-line character" in str(error):
        text = f'line {line}: a carriage return stands inside the line; save the file as "CSV UTF-8"'
        return UnreadableFile("file", "bad_line_ends", text)
    return UnreadableFile("file", "bad_quoting", f"line {line}: quotes that do not match, or a cell too long ({error})")


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the decoded lines with their ends.

    Only a line feed ends a line; other separators of Unicode are text. In a file without line feeds, such as "CSV
    (Macintosh)", carriage returns end the lines.
    """
    left = b""
    number = 0
    first = True
    for chunk in _with_line_feeds(chunks):
        left += chunk
        if first and len(left) >= 3:
            left, first = _without_mark(left), False
        *whole, left = left.split(b"\n")
        for line in whole:
            number += 1
            yield _decoded(line + b"\n", number)
        if len(left) > MAX_LINE_BYTES:
            _decoded(left, number + 1)
    if first:
        left = _without_mark(left)
    if left:
        yield _decoded(left, number + 1)


def _with_line_feeds(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks, with carriage returns replaced by line feeds if the former end the lines.

    They do if the first bytes, as many as the longest line, contain a carriage return and no line feed.
    """
    rest = iter(chunks)
    start = b""
    for chunk in rest:
        start += chunk
        if b"\n" in start or len(start) > MAX_LINE_BYTES:
            break
    ends = b"\r" in start and b"\n" not in start
    if ends and start.endswith(b"\r"):  # it may belong to a pair that two chunks share
        following = next(rest, b"")
        ends = not following.startswith(b"\n")
        start += following
    for chunk in chain((start,), rest):
        yield chunk.replace(b"\r", b"\n") if ends else chunk


def _without_mark(start: bytes) -> bytes:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("file", "encoding", "the file is in UTF-16: save it as UTF-8")
    return start.removeprefix(codecs.BOM_UTF8)


def _decoded(line: bytes, number: int) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise UnreadableFile("file", "line_too_long", f"line {number} has more than {MAX_LINE_BYTES} bytes")
    if b"\0" in line:
        raise UnreadableFile("file", "encoding", f"line {number} holds null bytes: UTF-16, or no text at all")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            "file", "encoding", f"line {number}, byte {error.start + 1}: not UTF-8 (ISO 8859-1 or Windows-1252?)"
        ) from None


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write CSV with a header. Cells that a spreadsheet would read as a formula get a leading apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
