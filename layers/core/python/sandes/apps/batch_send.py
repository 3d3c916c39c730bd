"""Processes batches: entries of the queue, and the sending of a chunk of rows (docs/adr/0015).

The id of a row's message follows from batch and row, and the message is stored only if it does not exist yet. A chunk
is counted by a marker that is written together with the counts. Everything here may therefore run again, or twice
concurrently.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sandes.apps.app_events import message_event, tell_webhooks
from sandes.apps.batch_check import check, open_entries
from sandes.apps.batches import (
    BatchDependencies,
    chunk_entry,
    conclude,
    file_name,
    message_id,
    open_content,
    rows_name,
)
from sandes.apps.messages import Composed, compose, deadline_of, write
from sandes.apps.quotas import MINUTE, batch_pace
from sandes.apps.recipients import Outcome
from sandes.model.app import App
from sandes.model.batch import Batch, Chunk, Entry, Rows
from sandes.model.delivery import AppMessage, Status
from sandes.model.device import Routes
from sandes.model.envelope import Envelope
from sandes.model.ids import AccountId, MessageId, parse_app
from sandes.model.instant import Instant
from sandes.model.template import Template
from sandes.protocol import app_api
from sandes.protocol.errors import ProtocolError
from sandes.store.batches import decode_index
from sandes.store.deliveries import live_message
from sandes.store.dynamo import ConditionFailed
from sandes.store.transaction import Operation, Put

EXPIRED = "expired"
"""The failure of a row that was due after the message's expiry."""

MOST_LINKS = app_api.MAX_BATCH_ROWS + 1_000
"""The longest chain of queue entries. Each entry but the first few queues a chunk, and a chunk has at least one row.

A chunk that waits for its app's minute is queued about once a minute, while its batch is kept: for a month.
"""

_NOT_YET_SECONDS = 5
_SPREAD_SECONDS = 10
_MAX_OPERATIONS = 100
_MAX_TRANSACTION_BYTES = 2_000_000
"""DynamoDB's limits of a transaction. The size is halved to leave room for keys."""


def work(queued: Mapping[str, Any], *, now: Instant, deps: BatchDependencies) -> str:
    """Process an entry of the queue, and return the outcome for the log. Raises StoreUnavailable."""
    if "chunk" in queued:
        return run_chunk(queued, now=now, deps=deps)
    app, batch, _ = deps.store.with_app(
        parse_app(queued["app"]), queued["batch"], chunk=None, apps=deps.apps.view.apps, now_seconds=now.seconds
    )
    if batch is None or app is None or queued["commit"] not in batch.commits:
        if now.seconds > queued["until"]:
            return "orphan"
        deps.queue.send(dict(queued), delay_seconds=_NOT_YET_SECONDS)
        return "not_yet"
    if batch.state == "checking":
        check(batch, app, now=now, deps=deps)
        batch = deps.store.read(app.id, batch.id, now_seconds=now.seconds) or batch
    if batch.state != "checking" and "next" not in queued:
        deps.objects.delete(file_name(batch))
    if batch.state == "sending" and batch.rows:
        _queue_chunks(queued, app, batch, batch.rows, deps)
    return batch.state


def _queue_chunks(queued: Mapping[str, Any], app: App, batch: Batch, rows: Rows, deps: BatchDependencies) -> None:
    """Queue as many chunks as fit into a minute of the app, and an entry that queues the rest a minute later."""
    index = decode_index(deps.objects.part(rows_name(batch, rows.check), rows.index_at, rows.index_bytes))
    first = int(queued.get("next", 0))
    count = max(1, batch_pace(app, test=batch.test) // max(chunk.rows for chunk in index))
    deps.queue.send_many([chunk_entry(batch, chunk) for chunk in index[first : first + count]])
    if first + count < len(index):
        deps.queue.send({**queued, "next": first + count}, delay_seconds=MINUTE)


def run_chunk(queued: Mapping[str, Any], *, now: Instant, deps: BatchDependencies) -> str:
    """Send the rows of one chunk and count them once. Return the outcome for the log.

    For a cancelled batch, the rows that an earlier run has sent are counted. Raises StoreUnavailable.
    """
    chunk = Chunk(queued["chunk"], queued["at"], queued["bytes"], queued["rows"])
    app, batch, counted = deps.store.with_app(
        parse_app(queued["app"]),
        queued["batch"],
        chunk=chunk.number,
        apps=deps.apps.view.apps,
        now_seconds=now.seconds,
    )
    if batch is None or app is None or batch.rows is None or batch.sending_since_ms is None:
        return "gone"
    if not counted and batch.state in {"sending", "cancelled"}:
        if batch.state == "sending" and not _may_send(queued, app, batch, chunk, now=now, deps=deps):
            return "paced"
        sealed = deps.objects.part(rows_name(batch, batch.rows.check), chunk.at, chunk.bytes)
        entries = open_entries(sealed, batch, batch.rows.check, chunk.number, pepper=deps.apps.pepper)
        sending = _Sending(app, batch, now, deps)
        stored = sending.send(entries) if batch.state == "sending" else sending.sent_before(entries)
        failed = sum(message.status is Status.FAILED for message in stored)
        operations = deps.store.finishing_chunk(batch, chunk.number, sent=len(stored) - failed, failed=failed)
        try:
            deps.store.write(operations)
        except ConditionFailed:
            counted = True
    _complete_if_done(app, batch, now, deps)
    return "counted_before" if counted else batch.state


def _may_send(
    queued: Mapping[str, Any], app: App, batch: Batch, chunk: Chunk, *, now: Instant, deps: BatchDependencies
) -> bool:
    """Tell whether the chunk fits into the app's minute. If it does not, queue it for the next minute."""
    rows = min(chunk.rows, batch_pace(app, test=batch.test))  # the quota may have been lowered since the chunk was made
    try:
        deps.apps.quotas.take_minute(app, rows, test=batch.test, now_seconds=now.seconds)
    except ProtocolError as refused:
        spread = random.randrange(_SPREAD_SECONDS)  # noqa: S311  # jitter
        deps.queue.send(dict(queued), delay_seconds=(refused.retry_after_seconds or MINUTE) + spread)
        return False
    return True


def _complete_if_done(app: App, batch: Batch, now: Instant, deps: BatchDependencies) -> None:
    """Complete the batch after its last chunk. Any chunk that comes again does the same, in case the first attempt
    failed.
    """
    current = deps.store.read(app.id, batch.id, now_seconds=now.seconds)
    if current is None or current.state != "sending" or current.rows is None or current.done < current.rows.valid:
        return
    operation = deps.store.completing(current, now_ms=now.ms)
    if conclude(app, replace(current, state="completed"), operation, now=now, deps=deps):
        deps.objects.delete(rows_name(current, current.rows.check))


@dataclass(slots=True)
class _Outgoing:
    """Holds a row's message and its operations in a transaction."""

    made: Composed
    routes: Routes | None
    creating: Put
    others: list[Operation]
    bytes: int


@dataclass(frozen=True, slots=True)
class _Sending:
    app: App
    batch: Batch
    now: Instant
    deps: BatchDependencies

    def send(self, entries: Sequence[Entry]) -> list[AppMessage]:
        """Store and push the rows' messages, and return them as stored. There are fewer if the batch is cancelled
        meanwhile.
        """
        stored: list[AppMessage] = []
        for number, bundle in enumerate(_bundles(self._compose(entries))):
            if number and not self._goes_on():
                break
            stored += self._store(bundle)
        return stored

    def sent_before(self, entries: Sequence[Entry]) -> list[AppMessage]:
        ids = [self._id(entry) for entry in entries]
        return self.deps.apps.view.deliveries.messages(self.app.id, ids, now_seconds=self.now.seconds)

    def _id(self, entry: Entry) -> MessageId:
        return message_id(self.batch, entry.row)

    def _goes_on(self) -> bool:
        current = self.deps.store.read(self.app.id, self.batch.id, now_seconds=self.now.seconds)
        return current is not None and current.state == "sending"

    def _compose(self, entries: Sequence[Entry]) -> list[_Outgoing]:
        """Compose the messages. One read finds the accounts of numbers, another one the devices of all accounts."""
        apps, now_seconds = self.deps.apps, self.now.seconds
        content = open_content(self.batch, apps.pepper)
        template = None
        if content.template is not None:
            template = apps.view.apps.template(self.app.id, content.template, content.version)
        started = (self.batch.sending_since_ms or self.now.ms) // 1000
        deadline = deadline_of(content, now_seconds=started, max_expiry_seconds=apps.max_expiry_seconds)
        indexes = {entry.phone: apps.pepper.index("phone", entry.phone) for entry in entries if entry.phone}
        known = self.deps.directory.accounts_of_phones([*indexes.values()]) if indexes else {}
        accounts = [entry.account or (known.get(indexes[entry.phone]) if entry.phone else None) for entry in entries]
        routes = apps.view.routing.read_many([account for account in accounts if account], now_seconds=now_seconds)
        return [
            self._outgoing(
                entry, account, routes.get(account) if account else None, (content, template), deadline=deadline
            )
            for entry, account in zip(entries, accounts, strict=True)
        ]

    def _outgoing(
        self,
        entry: Entry,
        account: AccountId | None,
        routes: Routes | None,
        text: tuple[app_api.Content, Template | None],
        *,
        deadline: int,
    ) -> _Outgoing:
        over = deadline <= self.now.seconds
        made = compose(
            write(*text, entry.variables, deadline=deadline),
            app=self.app,
            id=self._id(entry),
            account=account,
            routes=None if over else routes,
            test=self.batch.test,
            sender_hash=self.deps.apps.sender_hash,
            service_keys=self.deps.apps.service_keys,
            now=self.now,
            client_ref=entry.client_ref,
            batch=self.batch.id,
            magic=cast("Outcome | None", entry.magic),
        )
        if over:
            times = {Status.ACCEPTED: self.now.ms, Status.FAILED: self.now.ms}
            message = replace(made.message, status=Status.FAILED, failure=EXPIRED, times_ms=times)
            made = Composed(message, [])
        deliveries = self.deps.apps.view.deliveries
        adding: list[Operation] = [self.deps.apps.inbox.adding(envelope) for envelope in made.envelopes]
        return _Outgoing(
            made,
            routes,
            deliveries.creating(made.message),
            adding,
            sum(len(envelope.sealed) for envelope in made.envelopes),
        )

    def _store(self, bundle: Sequence[_Outgoing]) -> list[AppMessage]:
        """Store the messages in one transaction, keep rows that an earlier run has stored, and then push all of
        them.
        """
        self._tell([row for row in bundle if row.made.final])
        left, stand = list(bundle), list[tuple[AppMessage, Routes | None]]()
        while left:
            operations = [operation for row in left for operation in (row.creating, *row.others)]
            try:
                self.deps.store.write(operations)
                break
            except ConditionFailed as failed:
                there = _there(left, failed)
                if not there:
                    raise
                stand += [(message, left[at].routes) for at, message in there.items() if message]
                left = [row for at, row in enumerate(left) if at not in there]
        self._push([(row.made.message, row.made.envelopes, row.routes) for row in left] + self._unseen(stand))
        return [row.made.message for row in left] + [message for message, _ in stand]

    def _tell(self, final: Sequence[_Outgoing]) -> None:
        """Add the events of messages that have a final status already, and queue them for webhooks."""
        events, now = [], max(self.now, self.deps.clock())
        for row in final:
            message = row.made.message
            event = message_event(message, message.status, now=now, failure=message.failure)
            row.others.append(self.deps.apps.view.deliveries.recording(event))
            events.append(event)
        tell_webhooks(self.app, events, self.deps.apps.webhook_queue)

    def _unseen(
        self, stand: Sequence[tuple[AppMessage, Routes | None]]
    ) -> list[tuple[AppMessage, Sequence[Envelope], Routes | None]]:
        """Return the messages that an earlier run has stored and perhaps not pushed, with the envelopes that still
        wait.
        """
        unseen = [(message, routes) for message, routes in stand if message.status < Status.SENT]
        rows = [row for message, _ in unseen for row in message.envelopes.rows]
        waiting = self.deps.apps.inbox.waiting(rows, now_seconds=self.now.seconds) if rows else []
        by_row = {(envelope.inbox, envelope.id): envelope for envelope in waiting}
        return [
            (message, [by_row[row] for row in message.envelopes.rows if row in by_row], routes)
            for message, routes in unseen
        ]

    def _push(self, pushed: Sequence[tuple[AppMessage, Sequence[Envelope], Routes | None]]) -> None:
        ready = [(message, envelopes, routes) for message, envelopes, routes in pushed if envelopes and routes]
        posted = self.deps.apps.push.many(
            [(envelopes, routes) for _, envelopes, routes in ready], now_seconds=self.now.seconds
        )
        for (message, _, _), sockets in zip(ready, posted, strict=True):
            if sockets:
                self.deps.apps.view.deliveries.advance(self.app.id, message.id, Status.SENT, now_ms=self.now.ms)


def _there(rows: Sequence[_Outgoing], failed: ConditionFailed) -> dict[int, AppMessage | None]:
    """Return the messages that the table has already, by the position of their row."""
    return {
        position: live_message(row.made.message.app, item, 0)
        for position, row in enumerate(rows)
        if (item := failed.row_of(row.creating)) is not None
    }


def _bundles(rows: Sequence[_Outgoing]) -> list[list[_Outgoing]]:
    """Divide the rows into bundles that fit into one transaction each, with an event for each final message."""
    bundles: list[list[_Outgoing]] = []
    operations, size = _MAX_OPERATIONS, 0
    for row in rows:
        needed = 1 + len(row.others) + row.made.final
        if operations + needed > _MAX_OPERATIONS or size + row.bytes > _MAX_TRANSACTION_BYTES:
            bundles.append([])
            operations, size = 0, 0
        bundles[-1].append(row)
        operations, size = operations + needed, size + row.bytes
    return bundles
