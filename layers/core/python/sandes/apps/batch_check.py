"""Checks the rows of a batch in one pass over its file, in bounded memory (docs/apps/batches.md, "Checking").

Valid rows are written as encrypted chunks into an object of this check; invalid rows are written into the table with
their faults.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile
from typing import BinaryIO

import cbor2

from sandes.apps.batch_rows import BadRow, read_csv, read_ndjson
from sandes.apps.batches import BatchDependencies, chunk_owner, conclude, file_name, open_content, rows_name
from sandes.apps.messages import deadline_of, write
from sandes.apps.quotas import batch_pace
from sandes.apps.recipients import may_reach, read_address
from sandes.crypto.pepper import Pepper
from sandes.csv_files import UnreadableFile
from sandes.model.app import App
from sandes.model.batch import Batch, Chunk, Entry, Fault, Rows
from sandes.model.ids import AccountId, new_one_time_id
from sandes.model.instant import Instant
from sandes.model.template import Template
from sandes.ports.objects import ObjectChanged, ObjectMissing
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.batches import BATCH_STATE, encode_index
from sandes.store.dynamo import ConditionFailed
from sandes.store.transaction import Operation

CHUNK_ROWS = 100
"""The rows of a chunk: as many keys as DynamoDB reads at a time."""

MAX_FAULTY_ROWS = 10_000
"""The most invalid rows. A file with more is in the wrong format, and nothing of it is sent."""

_FAULTS_AT_ONCE = 100


def check(batch: Batch, app: App, *, now: Instant, deps: BatchDependencies) -> None:
    """Check all rows and set the batch to `checked`, `sending`, `completed` (without valid rows) or `failed`.

    It may run again, or twice concurrently: the first to end decides. Raises StoreUnavailable.
    """
    content = open_content(batch, deps.apps.pepper)
    template = None
    if content.template is not None:
        template = deps.apps.view.apps.template(app.id, content.template, content.version)
    with TemporaryFile() as file:
        checking = _Checking(batch, app, content, template, deps, _Chunks(file, batch, new_one_time_id(), app, deps))
        failure: tuple[str, Fault | None] | None = None
        try:
            checking.run()
            _still_time(content, now, deps)
        except UnreadableFile as unreadable:
            failure = ErrorCode.UPLOAD_INVALID, unreadable.fault
        except ObjectMissing:
            failure = ErrorCode.UPLOAD_MISSING, None
        except ObjectChanged:
            changed = Fault(0, "file", "changed", "the file was replaced after the commit")
            failure = ErrorCode.UPLOAD_INVALID, changed
        except ProtocolError:
            failure = "expired", Fault(0, "expires_at", "expired", "too near by the time the rows were checked")
        rows = checking.found()
        if failure is None:
            file.seek(0)
            deps.objects.put(rows_name(batch, rows.check), file)
    if failure is not None:
        _fail(batch, app, failure, rows, now=now, deps=deps)
    elif not _move(batch, app, rows, now=now, deps=deps):
        deps.objects.delete(rows_name(batch, rows.check))


def _still_time(content: app_api.Content, now: Instant, deps: BatchDependencies) -> None:
    """Check the deadline. Raises ProtocolError if the message would expire before it is sent."""
    deadline_of(content, now_seconds=now.seconds, max_expiry_seconds=deps.apps.max_expiry_seconds)


def _move(batch: Batch, app: App, rows: Rows, *, now: Instant, deps: BatchDependencies) -> bool:
    """Change the batch's state. Return False if the batch has changed or was cancelled meanwhile, or has failed."""
    if not batch.dry_run and not rows.valid:
        done = replace(batch, state="completed", rows=rows)
        operation = deps.store.checked(batch, "completed", rows, now_ms=now.ms)
        return conclude(app, done, operation, now=now, deps=deps)
    operations: list[Operation] = [
        deps.store.checked(batch, "checked" if batch.dry_run else "sending", rows, now_ms=now.ms)
    ]
    if not batch.dry_run:
        operations.append(deps.apps.quotas.taking_day(app, rows.valid, test=batch.test, now_seconds=now.seconds))
    try:
        deps.store.write(operations)
    except ConditionFailed as failed:
        if failed.row(BATCH_STATE) is None:  # the batch itself would have changed, so the day's quota is used up
            _fail(batch, app, (ErrorCode.QUOTA_EXCEEDED, None), rows, now=now, deps=deps)
        return False
    return True


def _fail(
    batch: Batch,
    app: App,
    failure: tuple[str, Fault | None],
    rows: Rows,
    *,
    now: Instant,
    deps: BatchDependencies,
) -> None:
    code, reason = failure
    failed = replace(batch, state="failed", rows=rows, failure=str(code))
    operation = deps.store.failing(batch, str(code), reason=reason, rows=rows, now_ms=now.ms)
    conclude(app, failed, operation, now=now, deps=deps)


@dataclass(slots=True)
class _Chunks:
    """Writes valid rows to `file`: encrypted chunks one after another, then their index."""

    file: BinaryIO
    batch: Batch
    check: str
    app: App
    deps: BatchDependencies
    entries: list[Entry] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    at: int = 0

    @property
    def largest(self) -> int:
        """Return the most rows of a chunk. It fits into the app's minute several times, so that no chunk waits for
        ever.
        """
        return max(1, min(CHUNK_ROWS, batch_pace(self.app, test=self.batch.test) // 4))

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        if len(self.entries) >= self.largest:
            self.flush()

    def flush(self) -> None:
        if not self.entries:
            return
        number = len(self.chunks)
        owner = chunk_owner(self.batch, self.check, number)
        sealed = self.deps.apps.pepper.seal(encode_entries(self.entries), owner)
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


@dataclass(slots=True)
class _Checking:
    batch: Batch
    app: App
    content: app_api.Content
    template: Template | None
    deps: BatchDependencies
    chunks: _Chunks
    bad: list[BadRow] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)
    valid: int = 0
    invalid: int = 0

    def run(self) -> None:
        """Check all rows. Raises UnreadableFile, ObjectMissing, ObjectChanged."""
        for number, row in enumerate(self._read(), start=1):
            found = row if isinstance(row, BadRow) else self._check(number, row)
            if isinstance(found, Entry):
                self.valid += 1
                self.chunks.add(found)
                continue
            self.invalid += 1
            self.bad.append(found)
            if len(self.bad) >= _FAULTS_AT_ONCE:
                self._keep_faults()
            if self.invalid > MAX_FAULTY_ROWS:
                raise UnreadableFile("file", "too_many_faults", f"more than {MAX_FAULTY_ROWS} rows cannot be sent")

    def found(self) -> Rows:
        self._keep_faults()
        at, length = self.chunks.close()
        return Rows(self.chunks.check, at, length, self.valid + self.invalid, self.valid, self.invalid)

    def _read(self) -> Iterator[app_api.BatchRow | BadRow]:
        chunks: Iterable[bytes] = self.deps.objects.read(file_name(self.batch), etag=self.batch.etag)
        if self.batch.source == "inline":
            chunks = [self.deps.apps.pepper.open(b"".join(chunks), self.batch.id.encode())]
        if self.batch.source == "csv":
            return read_csv(chunks, self.template.variables if self.template else frozenset())
        return read_ndjson(chunks)

    def _check(self, number: int, row: app_api.BatchRow) -> Entry | BadRow:
        faults = []
        recipient = b""
        entry = None
        try:
            address = read_address(row.to, self.deps.apps.pepper)
        except ProtocolError as refused:
            (why,) = refused.details["errors"]
            faults.append(Fault(number, "to/phone", ErrorCode.INVALID_PHONE.value, why["message"]))
        else:
            if not may_reach(self.app, address, test=self.batch.test):
                faults.append(Fault(number, "to", ErrorCode.NOT_A_GUEST.value, ErrorCode.NOT_A_GUEST.text))
            recipient = address.account or (address.index or address.magic or "").encode()
            entry = Entry(number, address.phone, address.account, address.magic, row.client_ref, row.variables)
        faults += self._variables(number, row)
        if entry is not None and not faults:
            key = _digest(recipient, row.client_ref)
            if key not in self.seen:
                self.seen.add(key)
                return entry
            text = "an earlier row has the same recipient and client_ref"
            faults.append(Fault(number, "to", "duplicate", text))
        return BadRow(row.client_ref, faults)

    def _variables(self, number: int, row: app_api.BatchRow) -> list[Fault]:
        try:
            write(self.content, self.template, row.variables, deadline=0)
        except ProtocolError as refused:
            return [
                Fault(number, fault["pointer"].removeprefix("/"), fault["code"], f"this variable is {fault['code']}")
                for fault in refused.details.get("errors", [])
            ] or [Fault(number, "template", refused.code.value, refused.code.text)]
        return []

    def _keep_faults(self) -> None:
        self.deps.store.add_faults(self.batch, self.chunks.check, [(bad.client_ref, bad.faults) for bad in self.bad])
        self.bad = []


def _digest(recipient: bytes, client_ref: str | None) -> bytes:
    """Return 16 bytes for a row, whatever its length, by which duplicates are found."""
    told = b"" if client_ref is None else b"\1" + client_ref.encode()
    return hashlib.blake2b(len(recipient).to_bytes(1, "big") + recipient + told, digest_size=16).digest()


def encode_entries(entries: Iterable[Entry]) -> bytes:
    return cbor2.dumps(
        [
            [entry.row, entry.phone, entry.account, entry.magic, entry.client_ref, dict(entry.variables)]
            for entry in entries
        ]
    )


def open_entries(sealed: bytes, batch: Batch, check: str, chunk: int, *, pepper: Pepper) -> list[Entry]:
    rows = cbor2.loads(pepper.open(sealed, chunk_owner(batch, check, chunk)))
    return [Entry(row, phone, AccountId(account) if account else None, *rest) for row, phone, account, *rest in rows]
