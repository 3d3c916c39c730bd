"""Stores messages of apps, answers to repeated requests, events, send logs and quotas.

They share a table because they expire in the same way. Each kind of row and app has a partition (schema.DeliveryRow).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandes.model.delivery import AppEvent, AppMessage, Envelopes, Status
from sandes.model.ids import (
    AccountId,
    AppId,
    GroupId,
    MessageId,
    app_text,
    join_accounts,
    message_text,
    parse_app,
    parse_message,
    split_accounts,
)
from sandes.store.dynamo import Client, Condition, ConditionFailed, Item, batch_get
from sandes.store.queries import Query, query_pages, query_rows, read_page
from sandes.store.schema import DUE
from sandes.store.schema import DeliveryRow as Row
from sandes.store.transaction import Operation, Put, Update, transact, write_if, write_one

MESSAGE_IS_NEW = Condition("there is no message of this id yet")
ANSWER_IS_NEW = Condition("the request was not answered before")
EVENT_IS_NEW = Condition("there is no event of this id yet")

EVENT_KEEP_SECONDS = 30 * 86_400
ANSWER_KEEP_SECONDS = 86_400
MESSAGE_KEEP_SECONDS = 30 * 86_400
"""How long a message's status can be read after its expiry."""

HOUR_SECONDS = 3600
_SHARDS = 4
"""The shards of an hour's deadlines in the index. A batch may give 100,000 messages the same deadline."""


def key(partition: str, sort: str) -> dict[str, Any]:
    return {Row.PARTITION: {"S": partition}, Row.SORT: {"S": sort}}


MESSAGE_SHARDS = 8
"""The partitions of one app's messages (docs/adr/0042). A partition accepts 1,000 write units a second, and a message
takes about two.
"""


def message_key(app: AppId, message: MessageId) -> dict[str, Any]:
    """Build the key of a message. The last byte of its id, which is random and stays the same in derived ids, is the
    shard.
    """
    return key(_messages_of(app, message[-1] % MESSAGE_SHARDS), message_text(message))


def _messages_of(app: AppId, shard: int) -> str:
    return f"M#{app_text(app)}#{shard}"


def answer_key(app: AppId, request: str) -> dict[str, Any]:
    return key(f"I#{app_text(app)}", request)


def event_key(app: AppId, event: str, *, test: bool) -> dict[str, Any]:
    return key(_events_of(app, test), event)


def webhook_delivery_key(app: AppId, webhook: str, event: str, *, test: bool) -> dict[str, Any]:
    return key(_deliveries_to(app, webhook, test), event)


_SWEPT = key("D#swept", "0")


def send_log_key(subject: str, *, test: bool) -> dict[str, Any]:
    return key(_kind("L", test) + subject, "0")


def _kind(kind: str, test: bool) -> str:
    """Return the beginning of a partition. Rows of test keys and live keys never share one."""
    return f"{kind}T#" if test else f"{kind}#"


def _events_of(app: AppId, test: bool) -> str:
    return _kind("E", test) + app_text(app)


def _deliveries_to(app: AppId, webhook: str, test: bool) -> str:
    return f"{_kind('W', test)}{app_text(app)}#{webhook}"


def _quotas_of(app: AppId, test: bool) -> str:
    return _kind("Q", test) + app_text(app)


@dataclass(frozen=True, slots=True)
class Answer:
    """Holds the answer to a request, for its repetition. `fingerprint` is the keyed hash of its body."""

    fingerprint: bytes
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryStore:
    client: Client
    table: str

    # Messages

    def creating(self, message: AppMessage) -> Put:
        """Build the part of a transaction that stores a message."""
        item = message_key(message.app, message.id) | {
            Row.STATUS: {"N": str(int(message.status))},
            Row.TARGETS: {"B": message.envelopes.encode()},
            Row.DEADLINE: {"N": str(message.deadline)},
            Row.CATEGORY: {"S": message.category},
            Row.LANGUAGE: {"S": message.language},
            Row.TEST: {"BOOL": message.test},
            Row.TIMES: {"M": {str(int(rank)): {"N": str(at_ms)} for rank, at_ms in message.times_ms.items()}},
            Row.EXPIRES_AT: {"N": str(message.deadline + MESSAGE_KEEP_SECONDS)},
        }
        if message.group is not None:
            item[Row.GROUP] = {"B": message.group}
        elif message.status < Status.DELIVERED:
            item[Row.DUE] = {"S": _due(message.deadline // HOUR_SECONDS, message.id[-1] % _SHARDS)}
        if message.account:
            item[Row.ACCOUNT] = {"B": message.account}
        if message.to is not None:
            item[Row.TO] = {"B": join_accounts(message.to)}
        optional = {
            Row.TEMPLATE: message.template,
            Row.CLIENT_REF: message.client_ref,
            Row.BATCH: message.batch,
            Row.FAILURE: message.failure,
        }
        item |= {name: {"S": value} for name, value in optional.items() if value is not None}
        return self._absent(item, MESSAGE_IS_NEW)

    def _absent(self, item: dict[str, Any], named: Condition) -> Put:
        absent = f"attribute_not_exists({Row.PARTITION})"
        return Put(self.table, item, condition=absent, named=named, old=True)

    def advancing(
        self, app: AppId, message: MessageId, to: Status, *, now_ms: int, below: Status | None = None
    ) -> Update:
        """Build the part of a transaction that raises the status. The condition fails unless the status is below
        `below`, by default `to`.
        """
        return Update(
            self.table,
            message_key(app, message),
            f"SET {Row.STATUS} = :to, {Row.TIMES}.#rank = :now"
            + (f" REMOVE {Row.DUE}" if to >= Status.DELIVERED else ""),
            condition=f"attribute_exists({Row.PARTITION}) AND {Row.STATUS} < :below",
            names={"#rank": str(int(to))},
            values={
                ":to": {"N": str(int(to))},
                ":now": {"N": str(now_ms)},
                ":below": {"N": str(int(to if below is None else below))},
            },
        )

    def advance(self, app: AppId, message: MessageId, to: Status, *, now_ms: int) -> bool:
        """Raise the status without an event. Return False if it is the same or higher already."""
        return write_if(self.client, None, [self.advancing(app, message, to, now_ms=now_ms)])

    def message(self, app: AppId, message: MessageId, *, now_seconds: int) -> AppMessage | None:
        answer = self.client.get_item(TableName=self.table, Key=message_key(app, message), ConsistentRead=True)
        return live_message(app, answer.get("Item"), now_seconds)

    def messages(self, app: AppId, ids: Sequence[MessageId], *, now_seconds: int) -> list[AppMessage]:
        """Return those of up to 100 messages that exist, in any order, by a consistent read."""
        keys = [message_key(app, id) for id in dict.fromkeys(ids)]
        found = batch_get(self.client, {self.table: {"Keys": keys, "ConsistentRead": True}})[self.table]
        return [message for item in found if (message := live_message(app, item, now_seconds))]

    def due(self, hour: int, *, now_seconds: int) -> Iterator[list[AppMessage]]:
        """Yield pages of messages of all apps whose deadline was in `hour` and has passed, and whose status is not
        final.

        They come from an index, which may still have messages that have just changed.
        """
        condition = f"{Row.DUE} = :due AND {Row.DEADLINE} <= :now"
        for shard in range(_SHARDS):
            values = {":due": {"S": _due(hour, shard)}, ":now": {"N": str(now_seconds)}}
            for items, _ in query_pages(self.client, Query(self.table, condition, values, index=DUE.name)):
                if items:
                    yield [_message(_app_of(item), item) for item in items]

    def swept_before(self) -> int | None:
        """Return the hour before which all deadlines were swept, or None if none is recorded."""
        answer = self.client.get_item(TableName=self.table, Key=_SWEPT, ConsistentRead=True)
        return int(answer["Item"][Row.COUNT]["N"]) if "Item" in answer else None

    def note_swept(self, hour: int) -> None:
        """Record that all deadlines before `hour` were swept. The row never expires, so that a paused sweep loses
        nothing.
        """
        self.client.put_item(TableName=self.table, Item=_SWEPT | {Row.COUNT: {"N": str(hour)}})

    def message_pages(
        self, app: AppId, *, before: str | None, limit: int, now_seconds: int
    ) -> Iterator[tuple[list[AppMessage], str | None]]:
        """Yield pages, the newest first, from before the sort key `before`, with the sort key to continue from.

        Each page is merged from all shards. A shard is read for about its part of a page at a time, so that a page
        reads little more than it holds.
        """
        part = limit // MESSAGE_SHARDS + 1
        newest = (self._newest(_messages_of(app, shard), before) for shard in range(MESSAGE_SHARDS))
        shards = [query_rows(self.client, query, limit=part) for query in newest]
        merged = heapq.merge(*shards, key=lambda item: item[Row.SORT]["S"], reverse=True)
        first = next(merged, None)
        while first is not None:
            items = [first, *islice(merged, limit - 1)]
            first = next(merged, None)
            last = items[-1][Row.SORT]["S"] if first is not None else None
            yield [message for item in items if (message := live_message(app, item, now_seconds))], last

    # Answers to repeated requests

    def remembering(self, app: AppId, request: str, answer: Answer, *, now_seconds: int) -> Put:
        """Build the part of a transaction that stores an answer. The condition fails if there is one that has not
        expired.
        """
        item = answer_key(app, request) | {
            Row.FINGERPRINT: {"B": answer.fingerprint},
            Row.ANSWER: {"B": answer.answer.encode()},
            Row.EXPIRES_AT: {"N": str(now_seconds + ANSWER_KEEP_SECONDS)},
        }
        return Put(
            self.table,
            item,
            condition=f"attribute_not_exists({Row.PARTITION}) OR {Row.EXPIRES_AT} <= :now",
            named=ANSWER_IS_NEW,
            values={":now": {"N": str(now_seconds)}},
            old=True,
        )

    def remembered(self, app: AppId, request: str, *, now_seconds: int) -> Answer | None:
        answer = self.client.get_item(TableName=self.table, Key=answer_key(app, request), ConsistentRead=True)
        return live_answer(answer.get("Item"), now_seconds)

    # Events

    def recording(self, event: AppEvent) -> Put:
        """Build the part of a transaction that stores an event."""
        item = event_key(event.app, event.id, test=event.test) | {
            Row.EVENT: {"B": json.dumps([event.type, event.at_ms, event.data]).encode()},
            Row.EXPIRES_AT: {"N": str(event.at_ms // 1000 + EVENT_KEEP_SECONDS)},
        }
        return self._absent(item, EVENT_IS_NEW)

    def event(self, app: AppId, id: str, *, test: bool, now_seconds: int) -> AppEvent | None:
        key = event_key(app, id, test=test)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return live_event(app, answer.get("Item"), now_seconds, test=test)

    def event_page(
        self, app: AppId, *, test: bool, after: str, until: str, limit: int, now_seconds: int
    ) -> tuple[list[AppEvent], str | None]:
        """Return one page of events with ids after `after` and before `until`, the oldest first, and the next start.

        The start is None unless the page was full. A page can have fewer than `limit`, or none, and still be followed
        by more.
        """
        first = f"{after}0"  # ids have one length, so this is after `after` and before every later id
        if first > until:
            return [], None
        query = Query(
            self.table,
            f"{Row.PARTITION} = :partition AND {Row.SORT} BETWEEN :first AND :until",
            {":partition": {"S": _events_of(app, test)}, ":first": {"S": first}, ":until": {"S": until}},
            consistent=True,
        )
        items, last = read_page(self.client, query, limit=limit)
        events = [event for item in items if (event := live_event(app, item, now_seconds, test=test))]
        return events, last[Row.SORT]["S"] if last else None

    def write(self, operations: Sequence[Operation]) -> None:
        """Write one transaction over this and other tables. Raises ConditionFailed and StoreUnavailable."""
        transact(self.client, operations)

    # Deliveries to webhooks (store/webhooks.py)

    def webhook_rows(
        self, app: AppId, webhook: str, *, test: bool, before: str | None, limit: int
    ) -> Iterator[tuple[Sequence[Item], str | None]]:
        """Yield pages of rows, the newest events first, with the sort key to continue from."""
        newest = self._newest(_deliveries_to(app, webhook, test), before)
        for items, last in query_pages(self.client, newest, limit=limit):
            yield items, last[Row.SORT]["S"] if last else None

    # Send logs: the times at which apps sent OTPs to a recipient

    def logging_send(self, subject: str, old: bytes, new: bytes, *, test: bool, keep_until: int) -> Update:
        """Build the part of a transaction that logs a send. The condition fails if another send was logged since the
        read.
        """
        was = f"attribute_not_exists({Row.SENDS})" if not old else f"{Row.SENDS} = :old"
        return Update(
            self.table,
            send_log_key(subject, test=test),
            f"SET {Row.SENDS} = :new, {Row.EXPIRES_AT} = :keep",
            condition=was,
            values={
                ":new": {"B": new},
                ":keep": {"N": str(keep_until)},
                **({":old": {"B": old}} if old else {}),
            },
        )

    # Quotas

    def take(self, app: AppId, window: str, count: int, *, test: bool, limit: int, keep_until: int) -> int | None:
        """Count `count` more in a window. Return the new count, or None if it would exceed `limit`."""
        if count > limit:
            return None
        taking = self.taking(app, window, count, test=test, limit=limit, keep_until=keep_until)
        try:
            return int(write_one(self.client, taking, returned="UPDATED_NEW")[Row.COUNT]["N"])
        except ConditionFailed:
            return None

    def taking(self, app: AppId, window: str, count: int, *, test: bool, limit: int, keep_until: int) -> Update:
        """Build the part of a transaction that counts. The condition fails if `count` more would exceed `limit`."""
        first = f"attribute_not_exists({Row.COUNT}) OR " if count <= limit else ""
        return Update(
            self.table,
            key(_quotas_of(app, test), window),
            f"SET {Row.EXPIRES_AT} = :keep ADD {Row.COUNT} :count",
            condition=f"{first}{Row.COUNT} <= :most",
            values={
                ":count": {"N": str(count)},
                ":most": {"N": str(limit - count)},
                ":keep": {"N": str(keep_until)},
            },
        )

    def counts(self, app: AppId, windows: Sequence[str], *, test: bool) -> dict[str, int]:
        keys = [key(_quotas_of(app, test), window) for window in windows]
        found = batch_get(self.client, {self.table: {"Keys": keys}})[self.table]
        return dict.fromkeys(windows, 0) | {item[Row.SORT]["S"]: int(item[Row.COUNT]["N"]) for item in found}

    def _newest(self, partition: str, before: str | None) -> Query:
        """Return the query of a partition's rows before a sort key, the last one first."""
        condition, values = f"{Row.PARTITION} = :partition", {":partition": {"S": partition}}
        if before is not None:
            condition, values = condition + f" AND {Row.SORT} < :before", values | {":before": {"S": before}}
        return Query(self.table, condition, values, descending=True)


def live_answer(item: Item | None, now_seconds: int) -> Answer | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None
    return Answer(item[Row.FINGERPRINT]["B"], item[Row.ANSWER]["B"].decode())


def send_log(item: Item | None) -> bytes:
    return item[Row.SENDS]["B"] if item else b""


def live_message(app: AppId, item: Item | None, now_seconds: int) -> AppMessage | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None
    return _message(app, item)


def _app_of(item: Item) -> AppId:
    return parse_app(item[Row.PARTITION]["S"].split("#")[1])


def _due(hour: int, shard: int) -> str:
    return f"{hour}#{shard}"


def _message(app: AppId, item: Item) -> AppMessage:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    return AppMessage(
        app=app,
        id=parse_message(item[Row.SORT]["S"]),
        status=Status(int(item[Row.STATUS]["N"])),
        account=AccountId(item[Row.ACCOUNT]["B"]) if Row.ACCOUNT in item else None,
        envelopes=Envelopes.decode(item[Row.TARGETS]["B"]),
        deadline=int(item[Row.DEADLINE]["N"]),
        category=item[Row.CATEGORY]["S"],
        language=item[Row.LANGUAGE]["S"],
        template=text(Row.TEMPLATE),
        client_ref=text(Row.CLIENT_REF),
        batch=text(Row.BATCH),
        failure=text(Row.FAILURE),
        test=item[Row.TEST]["BOOL"],
        group=GroupId(item[Row.GROUP]["B"]) if Row.GROUP in item else None,
        to=split_accounts(item[Row.TO]["B"]) if Row.TO in item else None,
        times_ms={Status(int(rank)): int(at["N"]) for rank, at in item[Row.TIMES]["M"].items()},
    )


def live_event(app: AppId, item: Item | None, now_seconds: int, *, test: bool) -> AppEvent | None:
    if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
        return None
    type, at_ms, data = json.loads(item[Row.EVENT]["B"])
    return AppEvent(app, item[Row.SORT]["S"], type, at_ms, data, test)
