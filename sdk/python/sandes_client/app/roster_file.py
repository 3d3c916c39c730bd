"""Reads rosters from CSV or NDJSON files. Columns or fields are phone or account, and optionally role."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandes_client.app.groups import RosterRow
from sandes_client.ids import parse_account

_NAMES = {"phone", "account", "role"}
_COLUMNS = "the first line must name the column phone or account, optionally role, and no other column"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Holds the fault of a row. `line` is the line of the file, counted from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class RosterFile:
    """Holds the well-formed rows with their lines, and the faults of all others."""

    rows: list[RosterRow]
    lines: list[int]
    faults: list[RowFault]


def read_roster(file: Path) -> list[RosterRow]:
    """Read the rows of a file. Raise ValueError for a file that is not a roster or has a malformed row, or OSError."""
    found = read_roster_file(file)
    if found.faults:
        first = found.faults[0]
        raise ValueError(f"line {first.line}: {first.reason}")
    return found.rows


def read_roster_file(file: Path) -> RosterFile:
    """Read a file as `read_roster`, but return malformed rows as faults. Raise ValueError or OSError."""
    text = file.read_text(encoding="utf-8-sig")
    match file.suffix.lower():
        case ".csv":
            rows = _of_csv(text)
        case ".ndjson" | ".jsonl":
            rows = _of_ndjson(text)
        case _:
            raise ValueError("the file's name must end with .csv, .ndjson or .jsonl")
    found = RosterFile([], [], [])
    for line, read in rows:
        if isinstance(read, RosterRow):
            found.rows.append(read)
            found.lines.append(line)
        else:
            found.faults.append(RowFault(line, read))
    return found


def _of_csv(text: str) -> Iterator[tuple[int, RosterRow | str]]:
    """Yield the rows of a CSV file.

    An unclosed quote takes up all that follows, so its fault is not reported for a row.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        if set(columns) - _NAMES or not set(columns) & {"phone", "account"} or len(set(columns)) < len(columns):
            hint = "; separate columns by commas" if ";" in "".join(columns) else ""
            raise ValueError(f"{_COLUMNS}{hint}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                yield reader.line_num, f"{len(cells)} values for {len(columns)} columns"
            else:
                yield reader.line_num, _row_of(dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _of_ndjson(text: str) -> Iterator[tuple[int, RosterRow | str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            read = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not JSON"
        else:
            yield number, _row_of(read)


def _row_of(row: Any) -> RosterRow | str:
    """Return the row, or its fault."""
    if not isinstance(row, dict) or not all(isinstance(value, str | None) for value in row.values()):
        return "a row has phone or account, and optionally role, all of them texts"
    if unknown := set(row) - _NAMES:
        return f"a row has phone or account, and optionally role; unknown: {min(unknown)}"
    phone, account, role = ((row.get(name) or "").strip() for name in ("phone", "account", "role"))
    if bool(phone) == bool(account):
        return "a row has either phone or account"
    if account:
        try:
            parse_account(account)
        except ValueError:
            return f"{account} is not an account id"
    return RosterRow(phone or account, role or None)
