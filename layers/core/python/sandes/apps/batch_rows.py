"""Reads the rows of a batch's file as a stream: CSV or NDJSON, in UTF-8 (docs/apps/batches.md, "The file").

A fault of the file ends the reading; a fault of a row is returned with the row. Faults contain nothing of a row's
content, which may be a phone number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from sandes.csv_files import OTHER_DELIMITERS, UnreadableFile, is_blank, lines, records
from sandes.model.batch import Fault
from sandes.model.lost_text import is_lost_cell
from sandes.protocol.app_api import MAX_BATCH_ROWS, MAX_VARIABLES, BatchRow

MAX_FAULTS_OF_A_ROW = 5

_RECIPIENT_COLUMNS = ("phone", "account")
_OWN_COLUMNS = (*_RECIPIENT_COLUMNS, "client_ref")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_CODES = {
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "too_long": "too_long",
    "too_short": "too_short",
    "extra_forbidden": "unknown_field",
    "json_invalid": "malformed_json",
    "model_type": "malformed_json",
    "string_type": "not_a_string",
    "missing": "missing",
    "string_pattern_mismatch": "bad_name",
}
_TEXTS = {
    "too_long": "longer than allowed",
    "too_short": "empty",
    "too_many": f"more than {MAX_VARIABLES} variables",
    "unknown_field": "a row has to, variables and client_ref",
    "malformed_json": "one JSON object a line is expected",
    "not_a_string": "a string is expected",
    "missing": "missing",
    "bad_name": "not a name of a variable",
    "control_characters": "control characters are not allowed",
    "bad_account": "an account id is 13 characters of lower-case base32",
    "recipient": "give either phone or account",
    "invalid": "not allowed here",
    "lost_value": 'letters were lost (????), or the cell holds an error (#N/A): save the file as "CSV UTF-8"',
}


@dataclass(frozen=True, slots=True)
class BadRow:
    """Holds the faults of a row that cannot be sent."""

    client_ref: str | None
    faults: Sequence[Fault]


def read_csv(chunks: Iterable[bytes], variables: frozenset[str]) -> Iterator[BatchRow | BadRow]:
    """Yield the rows below the header, in order. All `variables` of the template must have a column.

    Raises UnreadableFile, possibly after some rows.
    """
    rows = (
        cells for cells in records(chunks) if not all(map(is_blank, cells))
    )  # rows of commas only, as at the end of many files
    header = next(rows, [])
    columns = _columns(next(rows, []) if header == ["sep=", ""] else header, variables)
    number = 0
    for cells in rows:
        number = _counted(number)
        yield _csv_row(number, columns, cells)
    if not number:
        raise UnreadableFile("file", "no_rows", "there is nothing below the header")


def read_ndjson(chunks: Iterable[bytes]) -> Iterator[BatchRow | BadRow]:
    """Yield the rows of a file with one JSON object in each line, skipping empty lines.

    Raises UnreadableFile, possibly after some rows.
    """
    number = 0
    for line in lines(chunks):
        if line.isspace():
            continue
        number = _counted(number)
        try:
            yield BatchRow.model_validate_json(line)
        except ValidationError as error:
            yield BadRow(None, _faults(number, error))
    if not number:
        raise UnreadableFile("file", "no_rows", "the file is empty")


def _counted(number: int) -> int:
    if number >= MAX_BATCH_ROWS:
        raise UnreadableFile("file", "too_many_rows", f"a batch has at most {MAX_BATCH_ROWS} rows")
    return number + 1


def _columns(header: Sequence[str], variables: frozenset[str]) -> list[str]:
    """Return the names of the columns. Raises UnreadableFile."""
    names = ["".join(char for char in name if unicodedata.category(char) != "Cf").strip() for name in header]
    while names and not names[-1]:
        names.pop()  # spreadsheets write commas for emptied columns
    if not names:
        raise UnreadableFile("header", "no_header", "the first line names the columns: phone or account, and others")
    if not set(names) & set(_RECIPIENT_COLUMNS):
        for char, name in OTHER_DELIMITERS.items():
            if any(char in cell for cell in names):
                raise UnreadableFile("header", "wrong_delimiter", f"columns are separated by commas, not by {name}")
        raise UnreadableFile("header", "no_recipient_column", "the first line names no column phone or account")
    for position, name in enumerate(names, start=1):
        shown = name if _VARIABLE.fullmatch(name) else f"number {position}"
        if name in names[: position - 1]:
            raise UnreadableFile("header", "duplicate_column", f"column {shown} is there twice")
        if name not in _OWN_COLUMNS and name not in variables:
            raise UnreadableFile("header", "unknown_column", f"column {shown} is no variable of the template")
    missing = sorted(variables - set(names))
    if missing:
        raise UnreadableFile("header", "missing_column", f"no column for the variable {missing[0]}")
    return names


def _csv_row(number: int, columns: Sequence[str], cells: Sequence[str]) -> BatchRow | BadRow:
    while len(cells) > len(columns) and not cells[-1].strip():
        cells = cells[:-1]
    given = dict(zip(columns, cells, strict=False))
    client_ref = given.pop("client_ref", "") or None
    if len(cells) != len(columns):
        text = f"{len(cells)} cells in {len(columns)} columns"
        return BadRow(None, [Fault(number, "row", "ragged", text)])
    to = {name: value for name in _RECIPIENT_COLUMNS if (value := given.pop(name, "").strip())}
    row = {"to": to, "variables": given} | ({"client_ref": client_ref} if client_ref is not None else {})
    try:
        read = BatchRow.model_validate(row)
    except ValidationError as error:
        return BadRow(None, _faults(number, error))
    lost = [name for name, value in read.variables.items() if is_lost_cell(value)][:MAX_FAULTS_OF_A_ROW]
    if lost:
        faults = [Fault(number, f"variables/{name}", "lost_value", _TEXTS["lost_value"]) for name in lost]
        return BadRow(read.client_ref, faults)
    return read


def _faults(number: int, error: ValidationError) -> list[Fault]:
    faults = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False)[:MAX_FAULTS_OF_A_ROW]:
        location = detail["loc"]
        code = _CODES.get(detail["type"], "invalid")
        if detail["type"] == "value_error":
            code = {"to": "recipient"}.get(str(location[0]) if location else "", "control_characters")
            if location[-1:] == ("account",):
                code = "bad_account"
        if code == "too_long" and location == ("variables",):
            code = "too_many"
        faults.append(Fault(number, _field(location), code, _TEXTS[code]))
    return faults


def _field(location: Sequence[int | str]) -> str:
    """Return the position in the row, with `?` for every name that is not a valid name and may hold anything."""
    steps = [step if isinstance(step, str) and _NAME.fullmatch(step) else "?" for step in location if step != "[key]"]
    return "/".join(steps) or "row"
