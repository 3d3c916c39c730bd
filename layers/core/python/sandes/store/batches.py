"""Batches in the deliveries table: the batch, faults of its rows, and a marker for each finished chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import cbor2

from sandes.model.app import App
from sandes.model.batch import Batch, BatchState, Chunk, Fault, Rows, Source
from sandes.model.ids import AppId, app_text
from sandes.store.app_rows import app_key, read_app
from sandes.store.apps import AppStore
from sandes.store.deliveries import key
from sandes.store.dynamo import Client, Condition, Item, batch_get, batch_write
from sandes.store.queries import Query, query_rows
from sandes.store.schema import BatchRow as Row
from sandes.store.transaction import Operation, Put, Update, transact, write_if

BATCH_STATE = Condition("the batch is in the state that was read")
BATCH_KEEP_SECONDS = 30 * 86_400
"""How long a batch is kept after its creation. The results of its messages can be read for longer."""


def batch_key(app: AppId, id: str) -> dict[str, Any]:
    return key(f"B#{app_text(app)}", id)


def _marker_key(id: str, chunk: int) -> dict[str, Any]:
    return key(f"K#{id}", f"{chunk:06}")


def _faults_partition(id: str, check: str) -> str:
    return f"R#{id}#{check}"


def _row_sort(row: int) -> str:
    return f"{row:06}"


@dataclass(frozen=True, slots=True)
class BatchStore:
    client: Client
    table: str

    def read(self, app: AppId, id: str, *, now_seconds: int) -> Batch | None:
        """Return a batch by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=batch_key(app, id), ConsistentRead=True)
        return live_batch(app, answer.get("Item"), now_seconds)

    def with_app(
        self, app: AppId, id: str, *, chunk: int | None, apps: AppStore, now_seconds: int
    ) -> tuple[App | None, Batch | None, bool]:
        """Return a batch, its app, and whether a chunk of it is finished, with one consistent read."""
        keys = [batch_key(app, id)] + ([_marker_key(id, chunk)] if chunk is not None else [])
        found = batch_get(
            self.client,
            {
                apps.table: {"Keys": [app_key(app)], "ConsistentRead": True},
                self.table: {"Keys": keys, "ConsistentRead": True},
            },
        )
        read = next((read_app(item) for item in found[apps.table]), None)
        rows = {item[Row.PARTITION]["S"][:2]: item for item in found[self.table]}
        return read, live_batch(app, rows.get("B#"), now_seconds), "K#" in rows

    def write(self, operations: Sequence[Operation]) -> None:
        """Write one transaction over this and other tables. Raises ConditionFailed and StoreUnavailable."""
        transact(self.client, operations)

    def create(self, batch: Batch) -> bool:
        """Store a batch. Return False if there is one with this id."""
        item = batch_key(batch.app, batch.id) | {
            Row.STATE: {"S": batch.state},
            Row.TEST: {"BOOL": batch.test},
            Row.SOURCE: {"S": batch.source},
            Row.CONTENT: {"B": batch.content},
            Row.FINGERPRINT: {"B": batch.fingerprint},
            Row.CREATED_AT_MS: {"N": str(batch.created_at_ms)},
            Row.EXPIRES_AT: {"N": str(batch.expires_at)},
            Row.COMMITS: {"M": {by: {"B": fingerprint} for by, fingerprint in batch.commits.items()}},
            Row.DRY_RUN: {"BOOL": batch.dry_run},
            Row.DONE: {"N": "0"},
            Row.SENT: {"N": "0"},
            Row.FAILED: {"N": "0"},
        }
        if batch.client_ref is not None:
            item[Row.CLIENT_REF] = {"S": batch.client_ref}
        absent = f"attribute_not_exists({Row.PARTITION})"
        return write_if(self.client, None, [Put(self.table, item, condition=absent)])

    # Changes of state: parts of transactions, on condition of the previous state

    def _moving(
        self, batch: Batch, to: BatchState, changes: Mapping[str, Any], *, when: str = "", **names: str
    ) -> Update:
        """Build the change from the state that `batch` had when it was read. If the state has changed, BATCH_STATE
        fails and returns the current row.
        """
        changes = {Row.STATE: {"S": to}} | {name: value for name, value in changes.items() if value is not None}
        sets = ", ".join(f"{name} = :{index}" for index, name in enumerate(changes))
        values = {f":{index}": value for index, value in enumerate(changes.values())}
        return Update(
            self.table,
            batch_key(batch.app, batch.id),
            f"SET {sets}",
            condition=f"{Row.STATE} = :was{when}",
            named=BATCH_STATE,
            names={f"#{name}": value for name, value in names.items()},
            values=values | {":was": {"S": batch.state}},
            old=True,
        )

    def committing(
        self,
        batch: Batch,
        to: BatchState,
        *,
        by: str,
        fingerprint: bytes,
        dry_run: bool = False,
        etag: str | None = None,
        sending_since_ms: int | None = None,
    ) -> Update:
        changes = {
            f"{Row.COMMITS}.#by": {"B": fingerprint},
            Row.DRY_RUN: {"BOOL": dry_run},
            Row.ETAG: {"S": etag} if etag else None,
            Row.SENDING_SINCE_MS: {"N": str(sending_since_ms)} if sending_since_ms else None,
        }
        return self._moving(batch, to, changes, by=by)

    def checked(self, batch: Batch, to: BatchState, rows: Rows, *, now_ms: int) -> Update:
        """Build the result of a check. It is not written if the batch was cancelled or checked meanwhile."""
        changes = _found(rows) | {
            Row.SENDING_SINCE_MS: {"N": str(now_ms)} if to == "sending" else None,
            Row.FINISHED_AT_MS: {"N": str(now_ms)} if to == "completed" else None,
        }
        return self._moving(batch, to, changes)

    def failing(self, batch: Batch, failure: str, *, reason: Fault | None, rows: Rows | None, now_ms: int) -> Update:
        changes = _found(rows) | {
            Row.FAILURE: {"S": failure},
            Row.REASON: {"B": _encode([reason])} if reason else None,
            Row.FINISHED_AT_MS: {"N": str(now_ms)},
        }
        return self._moving(batch, "failed", changes)

    def completing(self, batch: Batch, *, now_ms: int) -> Update:
        """Build the completion, which is only possible once every valid row is done."""
        return self._moving(
            batch, "completed", {Row.FINISHED_AT_MS: {"N": str(now_ms)}}, when=f" AND {Row.DONE} = {Row.VALID}"
        )

    def cancelling(self, batch: Batch, *, now_ms: int) -> Update:
        return self._moving(batch, "cancelled", {Row.FINISHED_AT_MS: {"N": str(now_ms)}})

    def finishing_chunk(self, batch: Batch, chunk: int, *, sent: int, failed: int) -> list[Operation]:
        """Build a marker and the counts. They are written together, so that each chunk counts once however often it
        runs.
        """
        return [
            Put(
                self.table,
                _marker_key(batch.id, chunk) | {Row.EXPIRES_AT: {"N": str(batch.expires_at)}},
                condition=f"attribute_not_exists({Row.PARTITION})",
            ),
            Update(
                self.table,
                batch_key(batch.app, batch.id),
                f"ADD {Row.DONE} :done, {Row.SENT} :sent, {Row.FAILED} :failed",
                condition=f"attribute_exists({Row.PARTITION})",
                values={
                    ":done": {"N": str(sent + failed)},
                    ":sent": {"N": str(sent)},
                    ":failed": {"N": str(failed)},
                },
            ),
        ]

    # Faults of rows

    def add_faults(self, batch: Batch, check: str, faults: Sequence[tuple[str | None, Sequence[Fault]]]) -> None:
        """Store invalid rows, each with its client_ref and at least one fault. Raises StoreUnavailable."""
        requests = []
        for client_ref, some in faults:
            item = key(_faults_partition(batch.id, check), _row_sort(some[0].row)) | {
                Row.FAULTS: {"B": _encode(some)},
                Row.EXPIRES_AT: {"N": str(batch.expires_at)},
            }
            if client_ref is not None:
                item[Row.CLIENT_REF] = {"S": client_ref}
            requests.append({"PutRequest": {"Item": item}})
        batch_write(self.client, self.table, requests)

    def faults(
        self, batch: Batch, *, first: int = 1, last: int = 999_999, limit: int = 250
    ) -> Iterator[tuple[str | None, list[Fault]]]:
        """Yield the client_ref and faults of invalid rows from `first` to `last`, at most `limit`, in order."""
        if batch.rows is None:
            return
        partition = {"S": _faults_partition(batch.id, batch.rows.check)}
        query = Query(
            self.table,
            f"{Row.PARTITION} = :partition AND {Row.SORT} BETWEEN :first AND :last",
            {":partition": partition, ":first": {"S": _row_sort(first)}, ":last": {"S": _row_sort(last)}},
        )
        for item in islice(query_rows(self.client, query, limit=limit), limit):
            yield _text(item, Row.CLIENT_REF), _decode(item[Row.FAULTS]["B"])


def encode_index(chunks: Sequence[Chunk]) -> bytes:
    """Encode the index at the end of the rows' object."""
    return cbor2.dumps([[chunk.at, chunk.bytes, chunk.rows] for chunk in chunks])


def decode_index(data: bytes) -> list[Chunk]:
    return [Chunk(number, *entry) for number, entry in enumerate(cbor2.loads(data))]


def live_batch(app: AppId, item: Item | None, now_seconds: int) -> Batch | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None

    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    reason = item.get(Row.REASON)
    return Batch(
        app=app,
        id=item[Row.SORT]["S"],
        test=item[Row.TEST]["BOOL"],
        state=cast(BatchState, item[Row.STATE]["S"]),
        source=cast(Source, item[Row.SOURCE]["S"]),
        content=item[Row.CONTENT]["B"],
        fingerprint=item[Row.FINGERPRINT]["B"],
        client_ref=_text(item, Row.CLIENT_REF),
        created_at_ms=int(item[Row.CREATED_AT_MS]["N"]),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        commits={by: value["B"] for by, value in item[Row.COMMITS]["M"].items()},
        dry_run=item[Row.DRY_RUN]["BOOL"],
        etag=_text(item, Row.ETAG),
        rows=_rows(item),
        done=int(item[Row.DONE]["N"]),
        sent=int(item[Row.SENT]["N"]),
        failed=int(item[Row.FAILED]["N"]),
        failure=_text(item, Row.FAILURE),
        reason=_decode(reason["B"])[0] if reason else None,
        sending_since_ms=number(Row.SENDING_SINCE_MS),
        finished_at_ms=number(Row.FINISHED_AT_MS),
    )


def _found(rows: Rows | None) -> dict[str, Any]:
    if rows is None:
        return {}
    return {
        Row.CHECK: {"S": rows.check},
        Row.INDEX: {"B": cbor2.dumps([rows.index_at, rows.index_bytes])},
        Row.ROWS: {"N": str(rows.rows)},
        Row.VALID: {"N": str(rows.valid)},
        Row.INVALID: {"N": str(rows.invalid)},
    }


def _rows(item: Item) -> Rows | None:
    if Row.CHECK not in item:
        return None
    at, length = cbor2.loads(item[Row.INDEX]["B"])
    counts = (int(item[name]["N"]) for name in (Row.ROWS, Row.VALID, Row.INVALID))
    return Rows(item[Row.CHECK]["S"], at, length, *counts)


def _text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _encode(faults: Sequence[Fault]) -> bytes:
    return cbor2.dumps([[fault.row, fault.field, fault.code, fault.message] for fault in faults])


def _decode(data: bytes) -> list[Fault]:
    return [Fault(*fault) for fault in cbor2.loads(data)]
