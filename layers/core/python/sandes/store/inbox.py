"""The inbox table: encrypted envelopes that wait for their device, and large bodies."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandes.model.envelope import MAX_SERVICE_KEY_NUMBER, Envelope
from sandes.model.ids import ENVELOPE_BYTES, BodyId, EnvelopeId, InboxId
from sandes.store.dynamo import (
    Client,
    ConditionFailed,
    Item,
    StoreUnavailable,
    batch_get,
    batch_write,
    failed_condition,
    is_overload,
)
from sandes.store.queries import Query, query_pages
from sandes.store.schema import BODY_SORT
from sandes.store.schema import InboxRow as Row
from sandes.store.transaction import Delete, Put, transact

_PAGE_ROWS = 100
_OF_INBOX = f"{Row.INBOX} = :inbox"

logger = logging.getLogger(__name__)


def envelope_key(inbox: InboxId, id: EnvelopeId) -> dict[str, Any]:
    return {Row.INBOX: {"B": inbox}, Row.ENVELOPE: {"B": id}}


@dataclass(frozen=True, slots=True)
class InboxStore:
    client: Client
    table: str

    def add(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """Store one message's envelopes. Return the envelopes that are in the table now, in the same order.

        The first attempt stores all or none: one envelope is a conditional put, several are one transaction
        (docs/adr/0004). A retry keeps existing rows and adds missing ones. The device of a missing row has either
        acknowledged the message, and recognises it again, or was linked since the first attempt.
        """
        if len(envelopes) == 1:
            return [self._put_one(envelopes[0])]
        try:
            transact(self.client, [self.adding(envelope) for envelope in envelopes])
        except ConditionFailed:
            return [self._put_one(envelope) for envelope in envelopes]
        return envelopes

    def _put_one(self, envelope: Envelope) -> Envelope:
        """Store an envelope, or return the existing one with its key."""
        try:
            self.client.put_item(**self.adding(envelope).parameters())
        except ClientError as error:
            failed = failed_condition(error)
            if failed is None or (row := failed.row()) is None:
                raise
            return _envelope(row)
        return envelope

    def put_many(self, envelopes: Sequence[Envelope]) -> None:
        """Store any number of envelopes, 25 in each call, and overwrite existing ones. A repetition writes the same
        keys.

        Raises StoreUnavailable, possibly after storing some.
        """
        batch_write(self.client, self.table, [{"PutRequest": {"Item": _item(envelope)}} for envelope in envelopes])

    def put_body(self, id: BodyId, data: bytes, *, expires_at: int) -> None:
        """Store a body that envelopes point to, once. Only its expiry deletes it."""
        self.client.put_item(
            TableName=self.table,
            Item=_body_key(id) | {Row.BODY: {"B": data}, Row.EXPIRES_AT: {"N": str(expires_at)}},
        )

    def body(self, id: BodyId, *, now_seconds: int) -> bytes | None:
        """Return a stored body, or None after its expiry. Consistent, because a body is stored before its pointers."""
        item = self.client.get_item(TableName=self.table, Key=_body_key(id), ConsistentRead=True).get("Item")
        return item[Row.BODY]["B"] if item and int(item[Row.EXPIRES_AT]["N"]) > now_seconds else None

    def adding(self, envelope: Envelope) -> Put:
        """Build the part of another transaction that stores an envelope. The condition fails if the row exists
        already.
        """
        return Put(self.table, _item(envelope), condition=f"attribute_not_exists({Row.INBOX})", old=True)

    def taking_back(self, inbox: InboxId, id: EnvelopeId) -> Delete:
        """Build the deletion of an envelope. The condition fails if the device has acknowledged it."""
        return Delete(self.table, envelope_key(inbox, id), condition=f"attribute_exists({Row.INBOX})")

    def waiting(self, rows: Sequence[tuple[InboxId, EnvelopeId]], *, now_seconds: int) -> list[Envelope]:
        """Return those of any number of envelopes that still wait, neither acknowledged nor expired, in any order."""
        keys = [envelope_key(*row) for row in dict.fromkeys(rows)]
        found: list[Item] = []
        for start in range(0, len(keys), _PAGE_ROWS):
            some = {"Keys": keys[start : start + _PAGE_ROWS], "ConsistentRead": True}
            found += batch_get(self.client, {self.table: some})[self.table]
        envelopes = (_envelope(item) for item in found)
        return [envelope for envelope in envelopes if envelope.expires_at > now_seconds]

    def count_waiting(self, rows: Sequence[tuple[InboxId, EnvelopeId]], *, now_seconds: int) -> int:
        """Count how many of any number of envelopes still wait. Only their expiry is read."""
        keys = [envelope_key(*row) for row in dict.fromkeys(rows)]
        count = 0
        for start in range(0, len(keys), _PAGE_ROWS):
            some = {"Keys": keys[start : start + _PAGE_ROWS], "ProjectionExpression": Row.EXPIRES_AT}
            found = batch_get(self.client, {self.table: some})[self.table]
            count += sum(int(item[Row.EXPIRES_AT]["N"]) > now_seconds for item in found)
        return count

    def pages(
        self, inbox: InboxId, *, now_seconds: int, expired: list[EnvelopeId] | None = None
    ) -> Iterator[list[Envelope]]:
        """Yield the unexpired envelopes, the oldest message first, by consistent reads of up to 100 rows.

        TTL deletes rows days late. A page whose rows have all expired is yielded empty, unless it is the last one, so
        that the caller can stop. The ids of expired rows are added to `expired`.
        """
        rows = Query(self.table, _OF_INBOX, {":inbox": {"B": inbox}}, consistent=True)
        for items, last in query_pages(self.client, rows, limit=_PAGE_ROWS):
            envelopes = [envelope for item in items if (envelope := _readable(item)) is not None]
            unexpired = [envelope for envelope in envelopes if envelope.expires_at > now_seconds]
            if expired is not None:
                expired += [envelope.id for envelope in envelopes if envelope.expires_at <= now_seconds]
            if unexpired or last:
                yield unexpired

    def pending(self, inbox: InboxId, *, now_seconds: int, consistent: bool = False) -> int:
        """Count the waiting envelopes in one page, up to 100. 0 means none; 1 may mean that only a drain can tell."""
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression=_OF_INBOX,
            FilterExpression=f"{Row.EXPIRES_AT} > :now",
            ExpressionAttributeValues={":inbox": {"B": inbox}, ":now": {"N": str(now_seconds)}},
            Select="COUNT",
            ConsistentRead=consistent,
            Limit=_PAGE_ROWS,
        )
        return answer["Count"] or int("LastEvaluatedKey" in answer)

    def remove_expired(self, inbox: InboxId, ids: Sequence[EnvelopeId], *, now_seconds: int) -> int:
        """Delete expired rows, up to 100 in each call, and return how many are gone.

        A row that was written again meanwhile with a later expiry is kept: all rows of its call stay, and come again
        later. Overload is not an error here for the same reason.
        """
        gone = 0
        for start in range(0, len(ids), _PAGE_ROWS):
            some = ids[start : start + _PAGE_ROWS]
            try:
                transact(self.client, [self._removing_expired(inbox, id, now_seconds) for id in some], tries=1)
            except (ConditionFailed, StoreUnavailable):
                continue
            except ClientError as error:
                if not is_overload(error):
                    raise
                continue
            gone += len(some)
        return gone

    def _removing_expired(self, inbox: InboxId, id: EnvelopeId, now_seconds: int) -> Delete:
        return Delete(
            self.table,
            envelope_key(inbox, id),
            condition=f"attribute_not_exists({Row.INBOX}) OR {Row.EXPIRES_AT} <= :now",
            values={":now": {"N": str(now_seconds)}},
        )

    def remove(self, inbox: InboxId, ids: Sequence[EnvelopeId]) -> None:
        """Delete acknowledged envelopes. Ids that are not in this inbox are ignored."""
        keys: list[dict[str, Any]] = [envelope_key(inbox, id) for id in dict.fromkeys(ids)]
        if len(keys) == 1:
            self.client.delete_item(TableName=self.table, Key=keys[0])
        else:
            batch_write(self.client, self.table, [{"DeleteRequest": {"Key": key}} for key in keys])


def _item(envelope: Envelope) -> dict[str, Any]:
    service = {} if envelope.service_key is None else {Row.SERVICE_KEY: {"N": str(envelope.service_key)}}
    return service | {
        Row.INBOX: {"B": envelope.inbox},
        Row.ENVELOPE: {"B": envelope.id},
        Row.SEAL_KEY_NUMBER: {"N": str(envelope.seal_key_number)},
        Row.EXPIRES_AT: {"N": str(envelope.expires_at)},
        Row.ACCEPTED_AT_MS: {"N": str(envelope.accepted_at_ms)},
        Row.SEALED: {"B": envelope.sealed},
    }


def _body_key(id: BodyId) -> dict[str, Any]:
    return {Row.INBOX: {"B": id}, Row.ENVELOPE: {"B": BODY_SORT}}


def _service_key(item: Item) -> int | None:
    """Return the number of the service key, or None if it is not a valid one: then the device refuses the row."""
    number = int(item[Row.SERVICE_KEY]["N"]) if Row.SERVICE_KEY in item else 0
    return number if 1 <= number <= MAX_SERVICE_KEY_NUMBER else None


def _readable(item: Item) -> Envelope | None:
    """Return an envelope, or None for a row that this service cannot have written, which must not block the others."""
    try:
        envelope = _envelope(item)
        if len(envelope.id) == ENVELOPE_BYTES and envelope.header:
            return envelope
    except (KeyError, ValueError, struct.error):
        pass
    logger.warning("a row of an inbox is not an envelope, and was passed over")
    return None


def _envelope(item: Item) -> Envelope:
    return Envelope(
        inbox=InboxId(item[Row.INBOX]["B"]),
        id=EnvelopeId(item[Row.ENVELOPE]["B"]),
        seal_key_number=int(item[Row.SEAL_KEY_NUMBER]["N"]),
        service_key=_service_key(item),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
        accepted_at_ms=int(item[Row.ACCEPTED_AT_MS]["N"]),
        sealed=item[Row.SEALED]["B"],
    )
