"""Imports of officials in the directory table, in the partition of their organisation (schema.ImportRow).

Each chunk of rows has a row of its own. Each change of state is a part of a transaction, which also adds an audit entry
(administration/recorder.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import cbor2

from sandes.model.administrator import Place
from sandes.model.batch import Fault
from sandes.model.ids import (
    ACCOUNT_BYTES,
    AdministratorId,
    ImportId,
    OrganisationId,
    UnitId,
    base64url_text,
    parse_organisation,
)
from sandes.model.imports import OUTCOMES, Checked, Format, Import, ImportState, Outcome, Result, Table
from sandes.store.dynamo import Client, Condition, Item, batch_get, batch_get_many
from sandes.store.organisations import organisation_key
from sandes.store.queries import Query, query_page, query_rows
from sandes.store.schema import DirectoryRow
from sandes.store.schema import ImportRow as Row
from sandes.store.transaction import Check, Operation, Put, Update, transact

IMPORT_STATE = Condition("the import is in the state that was read")
IMPORT_KEEP_SECONDS = 400 * 86_400
"""How long an import and its results are kept after its creation."""

_PREFIX = "I#"


def import_key(id: ImportId) -> dict[str, Any]:
    organisation, number = OrganisationId(id[:ACCOUNT_BYTES]), id[ACCOUNT_BYTES:]
    return organisation_key(organisation) | {DirectoryRow.SORT: {"S": f"{_PREFIX}{number.hex()}"}}


def _chunk_partition(id: ImportId) -> dict[str, Any]:
    return {"S": f"IM#{base64url_text(id)}"}


def _chunk_key(id: ImportId, chunk: int) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: _chunk_partition(id), DirectoryRow.SORT: {"S": f"{chunk:06}"}}


@dataclass(frozen=True, slots=True)
class ChunkProgress:
    """Holds the state of a chunk. `results` are those of its finished rows. `counted`: the import has counted it."""

    results: Mapping[int, Result] = field(default_factory=dict)
    counted: bool = False


@dataclass(frozen=True, slots=True)
class ImportStore:
    client: Client
    table: str

    def read(self, id: ImportId, *, now_seconds: int) -> Import | None:
        """Return an import by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=import_key(id), ConsistentRead=True)
        return live_import(answer.get("Item"), now_seconds)

    def read_many(self, ids: Sequence[ImportId], *, now_seconds: int) -> list[Import]:
        """Return those imports that exist, by consistent reads of 100."""
        items = batch_get_many(self.client, self.table, [import_key(id) for id in ids])
        return [one for one in (live_import(item, now_seconds) for item in items) if one]

    def with_chunk(self, id: ImportId, chunk: int, *, now_seconds: int) -> tuple[Import | None, ChunkProgress]:
        """Return an import and the state of one of its chunks, with one consistent read."""
        keys = [import_key(id), _chunk_key(id, chunk)]
        found = batch_get(self.client, {self.table: {"Keys": keys, "ConsistentRead": True}})[self.table]
        rows = {item[DirectoryRow.PARTITION]["S"][:2]: item for item in found}
        return live_import(rows.get("O#"), now_seconds), _progress(rows.get("IM"))

    def progress(self, id: ImportId, chunk: int) -> ChunkProgress:
        """Return the state of a chunk by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=_chunk_key(id, chunk), ConsistentRead=True)
        return _progress(answer.get("Item"))

    def of_organisation(
        self, organisation: OrganisationId, *, after: str | None, limit: int, now_seconds: int
    ) -> tuple[list[Import], str | None]:
        """Return a page, the newest first, and the start of the next page. One query."""
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, _PREFIX, after=after, limit=limit, descending=True)
        return [one for item in items if (one := live_import(item, now_seconds))], last

    def results(self, id: ImportId, *, first_chunk: int, last_chunk: int) -> Iterator[Result]:
        """Yield the results of the rows of these chunks, in order. Unfinished chunks are left out."""
        condition = f"{DirectoryRow.PARTITION} = :import AND {DirectoryRow.SORT} BETWEEN :first AND :last"
        between = {":first": {"S": f"{first_chunk:06}"}, ":last": {"S": f"{last_chunk:06}"}}
        query = Query(self.table, condition, {":import": _chunk_partition(id), **between})
        for item in query_rows(self.client, query):
            if Row.COUNTED in item:
                yield from decode_results(item[Row.RESULTS]["B"])

    def write(self, operations: Sequence[Operation]) -> None:
        """Write one transaction. Raises ConditionFailed and StoreUnavailable."""
        transact(self.client, operations)

    # Parts of transactions. Each change of state fails, and returns the current row, unless the state is still the one
    # that was read.

    def creating(self, new: Import) -> Put:
        item = import_key(new.id) | {
            Row.UNIT: {"B": new.place.unit},
            Row.FORMAT: {"S": new.format},
            Row.STATE: {"S": new.state},
            Row.CREATED_BY: {"B": new.created_by},
            Row.CREATED_AT_MS: {"N": str(new.created_at_ms)},
            Row.DONE: {"N": "0"},
            DirectoryRow.VANISHES_AT: {"N": str(_vanishes_at(new))},
        }
        if new.client_ref is not None:
            item[Row.CLIENT_REF] = {"S": new.client_ref}
        absent = f"attribute_not_exists({DirectoryRow.PARTITION})"
        return Put(self.table, item, condition=absent)

    def checking(self, one: Import, *, etag: str) -> Update:
        return self._moving(one, "checking", {Row.ETAG: {"S": etag}})

    def checked(self, one: Import, rows: Checked, planned: Mapping[Outcome, int]) -> Update:
        counts = {outcome: {"N": str(count)} for outcome, count in planned.items()}
        return self._moving(one, "checked", _checked_item(rows) | {Row.PLANNED: {"M": counts}})

    def failing(self, one: Import, failure: str, *, reason: Fault | None, rows: Checked | None, now_ms: int) -> Update:
        changes: dict[str, Any] = {Row.FAILURE: {"S": failure}, Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        if rows:
            changes |= _checked_item(rows)
        if reason:
            fault = [reason.row, reason.field, reason.code, reason.message]
            changes[Row.REASON] = {"B": cbor2.dumps(fault)}
        return self._moving(one, "failed", changes)

    def committing(self, one: Import, *, by: AdministratorId, role: str, now_ms: int) -> Update:
        changes = {Row.BY: {"B": by}, Row.ROLE: {"S": role}, Row.COMMITTED_AT_MS: {"N": str(now_ms)}}
        return self._moving(one, "committing", changes)

    def completing(self, one: Import, *, now_ms: int) -> Update:
        """Build the completion, which is only possible once every valid row is done."""
        changes = {Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        return self._moving(one, "completed", changes, when=f" AND {Row.DONE} = {Row.VALID}")

    def cancelling(self, one: Import, *, now_ms: int) -> Update:
        return self._moving(one, "cancelled", {Row.FINISHED_AT_MS: {"N": str(now_ms)}})

    def standing(self, id: ImportId) -> Check:
        """Check that the nominations of the import still count (model.imports.Import.stands)."""
        return Check(
            self.table,
            import_key(id),
            condition=f"{Row.STATE} IN (:committing, :completed)",
            values={":committing": {"S": "committing"}, ":completed": {"S": "completed"}},
        )

    def _moving(self, one: Import, to: ImportState, changes: Mapping[str, Any], *, when: str = "") -> Update:
        changes = {Row.STATE: {"S": to}, **changes}
        return Update(
            self.table,
            import_key(one.id),
            "SET " + ", ".join(f"{name} = :{at}" for at, name in enumerate(changes)),
            condition=f"{Row.STATE} = :was{when}",
            values={f":{at}": value for at, value in enumerate(changes.values())} | {":was": {"S": one.state}},
            named=IMPORT_STATE,
            old=True,
        )

    def noting(self, one: Import, chunk: int, before: ChunkProgress, more: Sequence[Result]) -> Update:
        """Build the marker that these rows are done. It is written in the transaction that executes them.

        The condition fails if another run has executed rows of the chunk since `before` was read, or has finished it.
        No row is therefore executed twice, whatever administrators have changed since.
        """
        results = sorted([*before.results.values(), *more], key=lambda result: result.row)
        values: dict[str, Any] = {
            ":results": {"B": encode_results(results)},
            ":done": {"N": str(len(results))},
            ":vanishes": {"N": str(_vanishes_at(one))},
        }
        condition = f"attribute_not_exists({Row.DONE})"
        if before.results:
            condition = f"{Row.DONE} = :before AND attribute_not_exists({Row.COUNTED})"
            values[":before"] = {"N": str(len(before.results))}
        return Update(
            self.table,
            _chunk_key(one.id, chunk),
            f"SET {Row.RESULTS} = :results, {Row.DONE} = :done, {DirectoryRow.VANISHES_AT} = :vanishes",
            condition=condition,
            values=values,
        )

    def finishing_chunk(self, one: Import, chunk: int, results: Sequence[Result]) -> list[Operation]:
        """Mark the chunk as counted and add its results to the import's counts. Each chunk counts once however often it
        runs.

        The condition fails if the finished rows differ from `results`, or the chunk is counted already.
        """
        counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES}
        more = {outcome: count for outcome, count in counts.items() if count}
        added = ", ".join(f"#{outcome} :{outcome}" for outcome in more)
        return [
            Update(
                self.table,
                _chunk_key(one.id, chunk),
                f"SET {Row.COUNTED} = :yes",
                condition=f"{Row.DONE} = :done AND attribute_not_exists({Row.COUNTED})",
                values={":yes": {"BOOL": True}, ":done": {"N": str(len(results))}},
            ),
            Update(
                self.table,
                import_key(one.id),
                f"ADD {Row.DONE} :done, {added}",
                condition=f"attribute_exists({DirectoryRow.PARTITION})",
                names={f"#{outcome}": f"{Row.DONE_AS}{outcome}" for outcome in more},
                values={":done": {"N": str(len(results))}}
                | {f":{outcome}": {"N": str(count)} for outcome, count in more.items()},
            ),
        ]


def _progress(item: Item | None) -> ChunkProgress:
    if item is None:
        return ChunkProgress()
    results = decode_results(item[Row.RESULTS]["B"])
    return ChunkProgress({result.row: result for result in results}, Row.COUNTED in item)


def _vanishes_at(one: Import) -> int:
    return one.created_at_ms // 1000 + IMPORT_KEEP_SECONDS


def encode_results(results: Sequence[Result]) -> bytes:
    return cbor2.dumps([[one.row, one.outcome, one.code, one.digest] for one in results])


def decode_results(data: bytes) -> list[Result]:
    return [Result(*fields) for fields in cbor2.loads(data)]


def _checked_item(rows: Checked) -> dict[str, Any]:
    item: dict[str, Any] = {
        Row.CHECK: {"S": rows.check},
        Row.INDEX: {"B": cbor2.dumps([rows.index_at, rows.index_bytes])},
        Row.ROWS: {"N": str(rows.rows)},
        Row.VALID: {"N": str(rows.valid)},
        Row.HASH: {"B": rows.hash},
    }
    if rows.table is not None:
        table = [rows.table.sheet, rows.table.header_row, rows.table.last_row, dict(rows.table.names)]
        item[Row.TABLE] = {"B": cbor2.dumps(table)}
    return item


def live_import(item: Item | None, now_seconds: int) -> Import | None:
    """Return the import in a row, or None if it has expired."""
    if item is None or int(item[DirectoryRow.VANISHES_AT]["N"]) <= now_seconds:
        return None
    organisation = parse_organisation(item[DirectoryRow.PARTITION]["S"].removeprefix("O#"))
    number = bytes.fromhex(item[DirectoryRow.SORT]["S"].removeprefix(_PREFIX))

    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    def milliseconds(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return Import(
        id=ImportId(organisation + number),
        place=Place(organisation, UnitId(item[Row.UNIT]["B"])),
        format=cast("Format", item[Row.FORMAT]["S"]),
        state=cast("ImportState", item[Row.STATE]["S"]),
        created_by=AdministratorId(item[Row.CREATED_BY]["B"]),
        created_at_ms=int(item[Row.CREATED_AT_MS]["N"]),
        counts={outcome: int(item.get(f"{Row.DONE_AS}{outcome}", {"N": "0"})["N"]) for outcome in OUTCOMES},
        client_ref=text(Row.CLIENT_REF),
        etag=text(Row.ETAG),
        checked=_checked(item),
        planned=_planned(item),
        by=AdministratorId(item[Row.BY]["B"]) if Row.BY in item else None,
        role=text(Row.ROLE),
        failure=text(Row.FAILURE),
        reason=Fault(*cbor2.loads(item[Row.REASON]["B"])) if Row.REASON in item else None,
        committed_at_ms=milliseconds(Row.COMMITTED_AT_MS),
        finished_at_ms=milliseconds(Row.FINISHED_AT_MS),
    )


def _planned(item: Item) -> dict[Outcome, int] | None:
    if Row.PLANNED not in item:
        return None
    return {cast("Outcome", outcome): int(count["N"]) for outcome, count in item[Row.PLANNED]["M"].items()}


def _checked(item: Item) -> Checked | None:
    if Row.CHECK not in item:
        return None
    at, length = cbor2.loads(item[Row.INDEX]["B"])
    rows, valid = int(item[Row.ROWS]["N"]), int(item[Row.VALID]["N"])
    table = Table(*cbor2.loads(item[Row.TABLE]["B"])) if Row.TABLE in item else None
    return Checked(item[Row.CHECK]["S"], at, length, rows, valid, bytes(item[Row.HASH]["B"]), table)
