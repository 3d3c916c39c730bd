"""Checks a file of officials without AWS: CPU and memory of reading a file and deciding on its rows.

    python -m tools.bench.import_check csv|xlsx ROWS FILE

tools.bench.deployed runs it with the packages of a function. Nobody in the file has an account: looking people up is
left out, and measured on the engine (tools/bench/imports.py).
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sandes.administration.imports.import_check import digest, encode_entries
from sandes.administration.imports.import_decisions import Known, decide
from sandes.administration.imports.import_files import Cells, read_csv, read_xlsx
from sandes.administration.imports.import_rows import RowReader
from sandes.crypto.pepper import Pepper
from sandes.model.administrator import Place
from sandes.model.ids import UnitId, new_organisation_id, new_unit_id
from sandes.model.imports import Entry
from sandes.model.organisation import Organisation, Tree, Unit

HEADER = ("phone", "name", "post", "unit", "email", "retirement", "listed", "action", "reason")
UNITS, POSTS = 200, 60
NOW = 1_790_000_000
_PIECE = 256 * 1024


def cells(number: int) -> tuple[str, ...]:
    """Return the cells of a row as in an organisation's register."""
    return (
        f"+9198{number:08}",
        f"Officer Number {number}",
        f"Section Officer Grade {number % POSTS}",
        f"Office {number % UNITS}",
        f"officer{number}@example.gov.in",
        f"{1 + number % 28:02}/{1 + number % 12:02}/{2027 + number % 30}",
        "yes" if number % 9 == 0 else "no",
        "",
        "",
    )


def csv_file(rows: int, *, first: int = 0) -> bytes:
    """Return a CSV file. `first` is the first number, so that files can have different people."""
    lines = (",".join(cells(number)) for number in range(first, first + rows))
    return "\n".join([",".join(HEADER), *lines, ""]).encode()


def xlsx_file(rows: int) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADER)
    for number in range(rows):
        sheet.append(cells(number))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _tree() -> Tree:
    organisation = new_organisation_id()
    root = UnitId(organisation)
    units = {root: Unit(root, "Railways", "ministry", None, 0)}
    for number in range(UNITS):
        id = new_unit_id()
        units[id] = Unit(id, f"Office {number}", "office", root, 0)
    return Tree(Organisation(organisation, "Railways", 0, 1), units)


def _rows(kind: str, file: Path) -> Iterator[Cells]:
    with file.open("rb") as opened:
        yield from read_csv(iter(lambda: opened.read(_PIECE), b"")) if kind == "csv" else read_xlsx(opened)


def main() -> None:
    kind, count, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    tree = _tree()
    pepper, place = Pepper.of(b"p" * 32), Place.root(tree.organisation.id)
    reader = RowReader(tree, tree.organisation.root, pepper, NOW)
    reader.read(next(_first()))  # loads numbering data before
    before, started = _peak_kb(), time.process_time()
    good, chunk = 0, list[Entry]()
    for row in _rows(kind, file):
        entry = reader.read(row)
        if isinstance(entry, Entry) and not decide(entry, Known(), place=place, tree=tree, now_seconds=NOW).code:
            good += 1
            digest(entry)
            chunk.append(entry)
        if len(chunk) == 100:
            pepper.seal(encode_entries(chunk), b"chunk")
            chunk = []
    taken = time.process_time() - started
    after = _peak_kb()
    if good != count:
        raise SystemExit(f"{count - good} rows have findings")
    figures = {"seconds": taken, "more_kb": after - before, "file_bytes": file.stat().st_size}
    print(json.dumps(figures), file=sys.stderr)


def _peak_kb() -> int:
    """Return the most memory that the process has had so far, as Linux counts it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _first() -> Iterator[Cells]:
    return read_csv([csv_file(1)])


if __name__ == "__main__":
    main()
