"""Checks a file of officials in one pass, in bounded memory (docs/admin/imports.md, "Checking").

Valid rows are written as encrypted chunks into an object of this check, and the findings about the others into another
object.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

import cbor2

from sandes.administration.imports.import_decisions import decide
from sandes.administration.imports.import_files import Cells, Header, read_csv, read_xlsx
from sandes.administration.imports.import_rows import BadRow, RowReader
from sandes.administration.imports.imports import (
    ImportDependencies,
    chunk_of,
    chunk_owner,
    encode_findings,
    file_name,
    findings_name,
    rows_name,
)
from sandes.crypto.pepper import Pepper
from sandes.csv_files import UnreadableFile
from sandes.model.batch import Chunk, Fault
from sandes.model.ids import UnitId, new_one_time_id
from sandes.model.imports import Checked, Entry, Import, Outcome, Table
from sandes.model.instant import Instant
from sandes.model.organisation import Tree
from sandes.ports.objects import ObjectChanged, ObjectMissing
from sandes.protocol.errors import ErrorCode
from sandes.store.dynamo import ConditionFailed

MAX_FAULTY_ROWS = 10_000
"""The most invalid rows. A file with more is in the wrong format, and nothing of it is executed."""

CHECK_SECONDS = 120
"""The longest duration of a check. 100,000 rows take a fraction of it. Its function has fifty more seconds."""

CHECK_RUNS = 3
"""The most attempts. A check that ended with its function would end so again, and delay others."""

_TOO_SLOW = Fault(0, "file", "too_slow", "the check took too long; try once more, or with fewer rows")
_ROWS_AT_ONCE = 1_000
"""The rows that are looked up together, with some of the reads at the same time."""


def check(one: Import, *, now: Instant, deps: ImportDependencies) -> None:
    """Check all rows and set the import to `checked` or `failed`.

    It may run again, or twice concurrently: the first to end decides. Raises StoreUnavailable.
    """
    tree = deps.organisations.glance(one.place.organisation)
    with TemporaryFile() as file:
        chunks = _Chunks(file, one, new_one_time_id(), deps.pepper)
        checking = _Checking(one, now.seconds, deps.clock().ms + CHECK_SECONDS * 1000, deps, chunks)
        failure: tuple[str, Fault | None] | None = None
        try:
            if tree is None or one.place.unit not in tree.units:
                raise UnreadableFile("file", "unit_unknown", "the unit of the import is no longer there")
            checking.run(tree)
        except UnreadableFile as unreadable:
            failure = ErrorCode.UPLOAD_INVALID, unreadable.fault
        except ObjectMissing:
            failure = ErrorCode.UPLOAD_MISSING, None
        except ObjectChanged:
            changed = Fault(0, "file", "changed", "the file was replaced after its check was asked for")
            failure = ErrorCode.UPLOAD_INVALID, changed
        rows = checking.found()
        if checking.bad:
            deps.objects.put(findings_name(one, rows.check), io.BytesIO(encode_findings(checking.bad)))
        if failure is None:
            file.seek(0)
            deps.objects.put(rows_name(one, rows.check), file)
    if failure is None:
        operation = deps.store.checked(one, rows, checking.planned)
    else:
        code, reason = failure
        operation = deps.store.failing(one, str(code), reason=reason, rows=rows, now_ms=now.ms)
    try:
        deps.store.write([operation])
    except ConditionFailed:  # cancelled, or another run was faster
        deps.objects.delete(rows_name(one, rows.check))
        deps.objects.delete(findings_name(one, rows.check))


def give_up(one: Import, *, now: Instant, deps: ImportDependencies) -> None:
    """Mark an import as failed whose check has not finished. Raises StoreUnavailable."""
    operation = deps.store.failing(one, str(ErrorCode.UPLOAD_INVALID), reason=_TOO_SLOW, rows=None, now_ms=now.ms)
    with suppress(ConditionFailed):  # cancelled, or another run has finished after all
        deps.store.write([operation])


@dataclass(slots=True)
class _Chunks:
    """Writes valid rows to `file`: encrypted chunks one after another, then their index."""

    file: BinaryIO
    one: Import
    check: str
    pepper: Pepper
    entries: list[Entry] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    at: int = 0

    def add(self, entry: Entry) -> None:
        if self.entries and chunk_of(entry.row) != chunk_of(self.entries[0].row):
            self.flush()
        self.entries.append(entry)

    def flush(self) -> None:
        if not self.entries:
            return
        number = chunk_of(self.entries[0].row)
        sealed = self.pepper.seal(encode_entries(self.entries), chunk_owner(self.one, self.check, number))
        self.chunks.append(Chunk(number, self.at, self._write(sealed), len(self.entries)))
        self.entries = []

    def close(self) -> tuple[int, int]:
        """Write the index, and return its position and length."""
        self.flush()
        return self.at, self._write(encode_index(self.chunks))

    def _write(self, data: bytes) -> int:
        self.file.write(data)
        self.at += len(data)
        return len(data)


class _Hash(Protocol):
    """Is the part of hashlib's hash objects that a check uses. hashlib has no public name for their type."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


@dataclass(slots=True)
class _Checking:
    one: Import
    now_seconds: int
    until_ms: int
    deps: ImportDependencies
    chunks: _Chunks
    bad: list[BadRow] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    planned: Counter[Outcome] = field(default_factory=Counter)
    rows: int = 0
    valid: int = 0
    last_row: int = 0
    header: Header | None = None
    hashed: _Hash = field(default_factory=hashlib.sha256)

    def run(self, tree: Tree) -> None:
        """Check all rows. Raises UnreadableFile, ObjectMissing, ObjectChanged."""
        reader = RowReader(tree, self.one.place.unit, self.deps.pepper, self.now_seconds)
        waiting: list[Entry] = []
        for cells in self._read():
            if self.deps.clock().ms > self.until_ms:
                raise UnreadableFile(_TOO_SLOW.field, _TOO_SLOW.code, _TOO_SLOW.message)
            self.rows += 1
            self.last_row = cells.row
            found = reader.read(cells)
            if isinstance(found, Entry) and found.index in self.seen:
                found = BadRow(found.row, ["duplicate"])
            if found.index:
                self.seen.add(found.index)
            if isinstance(found, Entry):
                waiting.append(found)
            else:
                self._refuse(found)
            if len(waiting) >= _ROWS_AT_ONCE:
                self._foresee(waiting, tree)
                waiting = []
        self._foresee(waiting, tree)

    def found(self) -> Checked:
        self.bad.sort(key=lambda bad: bad.row)
        at, length = self.chunks.close()
        found = self.header
        table = Table(found.sheet, found.row, self.last_row, found.names) if found else None
        rows = self.valid + len(self.bad)
        return Checked(self.chunks.check, at, length, rows, self.valid, self.hashed.digest(), table)

    def _read(self) -> Iterator[Cells]:
        content = self.deps.objects.read(file_name(self.one), etag=self.one.etag)
        if self.one.format == "csv":
            yield from read_csv(content, self._take_header)
            return
        with TemporaryFile() as file:
            for piece in content:
                file.write(piece)
            yield from read_xlsx(file, self._take_header)

    def _take_header(self, header: Header) -> None:
        self.header = header

    def _refuse(self, bad: BadRow) -> None:
        self.bad.append(bad)
        if len(self.bad) > MAX_FAULTY_ROWS:
            raise UnreadableFile("file", "too_many_faults", f"more than {MAX_FAULTY_ROWS} rows have something wrong")

    def _foresee(self, entries: Sequence[Entry], tree: Tree) -> None:
        """Compute the outcomes that a commit would have now. Rows that would fail become findings."""
        people = self.deps.people.known([entry.index for entry in entries], now_seconds=self.now_seconds)
        for entry in entries:
            decision = decide(entry, people[entry.index], place=self.one.place, tree=tree, now_seconds=self.now_seconds)
            if decision.code:
                self._refuse(BadRow(entry.row, [decision.code]))
                continue
            self.valid += 1
            self.planned[decision.outcome] += 1
            self.hashed.update(digest(entry))
            self.chunks.add(entry)


def digest(entry: Entry) -> bytes:
    """Return 16 bytes that stand for a row. The hash of an import covers those of its valid rows, in order.

    The number itself is left out, because anybody with the rest of the row could try all numbers.
    """
    return hashlib.sha256(cbor2.dumps([_fields(entry)])).digest()[:16]


def _fields(one: Entry) -> list[object]:
    return [
        *(one.row, one.index, one.action, one.unit, one.name, one.post),
        *(one.email, one.listed, one.expires_at, one.capped, one.reason),
    ]


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Encode the encrypted form of the rows."""
    return cbor2.dumps([[*_fields(one), one.phone] for one in entries])


def open_entries(sealed: bytes, one: Import, check: str, chunk: int, *, pepper: Pepper) -> list[Entry]:
    rows = cbor2.loads(pepper.open(sealed, chunk_owner(one, check, chunk)))
    return [Entry(row, index, action, UnitId(unit), *rest) for row, index, action, unit, *rest in rows]


def encode_index(chunks: Sequence[Chunk]) -> bytes:
    """Encode the index at the end of the rows' object."""
    return cbor2.dumps([[chunk.number, chunk.at, chunk.bytes, chunk.rows] for chunk in chunks])


def decode_index(data: bytes) -> list[Chunk]:
    return [Chunk(*entry) for entry in cbor2.loads(data)]
