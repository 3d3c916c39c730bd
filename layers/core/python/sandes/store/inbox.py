"""The inbox table: sealed envelopes waiting for their device, and nothing else."""

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
from sandes.store.schema import BODY_SORT
from sandes.store.schema import InboxRow as Row
from sandes.store.transaction import Delete, Put, transact

_PAGE_ROWS = 100

logger = logging.getLogger(__name__)


def envelope_key(inbox: InboxId, id: EnvelopeId) -> dict[str, Any]:
    return {Row.INBOX: {"B": inbox}, Row.ENVELOPE: {"B": id}}


@dataclass(frozen=True, slots=True)
class InboxStore:
    client: Client
    table: str

    def add(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """Store one message's envelopes and give back those that stand in the table now, in the same order.

        The first try stores all or none: one envelope is a conditional put, several are one transaction
        (docs/adr/0004). A retry leaves rows that stand as they are and adds those that do not: their device has acked
        the message and will know it again, or was linked since the first try.
        """
        if len(envelopes) == 1:
            return [self._put_one(envelopes[0])]
        try:
            transact(self.client, [self.adding(envelope) for envelope in envelopes])
        except ConditionFailed:
            return [self._put_one(envelope) for envelope in envelopes]
        return envelopes

    def _put_one(self, envelope: Envelope) -> Envelope:
        """The envelope itself, or the one that stood there before."""
        try:
            self.client.put_item(**self.adding(envelope).parameters())
        except ClientError as error:
            failed = failed_condition(error)
            if failed is None or (row := failed.row()) is None:
                raise
            return _envelope(row)
        return envelope

    def put_many(self, envelopes: Sequence[Envelope]) -> None:
        """Store any number, 25 a call, whether or not they stand already: a repetition writes the same keys again.

        Raises StoreUnavailable; some may be stored then.
        """
        batch_write(self.client, self.table, [{"PutRequest": {"Item": _item(envelope)}} for envelope in envelopes])

    def put_body(self, id: BodyId, data: bytes, *, expires_at: int) -> None:
        """Store a body that envelopes point to, once; nothing but its expiry deletes it."""
        self.client.put_item(
            TableName=self.table,
            Item=_body_key(id) | {Row.BODY: {"B": data}, Row.EXPIRES_AT: {"N": str(expires_at)}},
        )

    def body(self, id: BodyId, *, now_seconds: int) -> bytes | None:
        """A body as it is stored, None once it has expired. Consistent: a pointer never comes before its body."""
        item = self.client.get_item(TableName=self.table, Key=_body_key(id), ConsistentRead=True).get("Item")
        return item[Row.BODY]["B"] if item and int(item[Row.EXPIRES_AT]["N"]) > now_seconds else None

    def adding(self, envelope: Envelope) -> Put:
        """Part of a transaction of others: fails if the row is there already."""
        return Put(self.table, _item(envelope), condition=f"attribute_not_exists({Row.INBOX})", old=True)

    def taking_back(self, inbox: InboxId, id: EnvelopeId) -> Delete:
        """Part of a transaction: the row goes, or the condition fails because the device has acked it."""
        return Delete(self.table, envelope_key(inbox, id), condition=f"attribute_exists({Row.INBOX})")

    def waiting(self, rows: Sequence[tuple[InboxId, EnvelopeId]], *, now_seconds: int) -> list[Envelope]:
        """Those of any number of rows that are there still, neither acked nor expired, in no order."""
        keys = [envelope_key(*row) for row in dict.fromkeys(rows)]
        found: list[Item] = []
        for start in range(0, len(keys), _PAGE_ROWS):
            some = {"Keys": keys[start : start + _PAGE_ROWS], "ConsistentRead": True}
            found += batch_get(self.client, {self.table: some})[self.table]
        envelopes = (_envelope(item) for item in found)
        return [envelope for envelope in envelopes if envelope.expires_at > now_seconds]

    def count_waiting(self, rows: Sequence[tuple[InboxId, EnvelopeId]], *, now_seconds: int) -> int:
        """How many of any number of rows are there still; of each only its expiry is read."""
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
        """Yield what is stored and has not expired, oldest message first, by consistent reads of up to 100 rows.

        Time to live deletes rows days late. A page of which every row has expired is yielded empty, unless it is the
        last one, so that the caller can stop. The ids of the expired rows are added to `expired`.
        """
        start: dict[str, Any] = {}
        while True:
            answer = self.client.query(**self._rows(inbox), ConsistentRead=True, **start)
            envelopes = [envelope for item in answer["Items"] if (envelope := _readable(item)) is not None]
            unexpired = [envelope for envelope in envelopes if envelope.expires_at > now_seconds]
            if expired is not None:
                expired += [envelope.id for envelope in envelopes if envelope.expires_at <= now_seconds]
            is_last = "LastEvaluatedKey" not in answer
            if unexpired or not is_last:
                yield unexpired
            if is_last:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def pending(self, inbox: InboxId, *, now_seconds: int, consistent: bool = False) -> int:
        """Count the envelopes that wait, to 100. Reads one page: 0 means none, 1 that only a drain can tell."""
        asked = self._rows(inbox) | {"FilterExpression": f"{Row.EXPIRES_AT} > :now", "Select": "COUNT"}
        asked |= {"ConsistentRead": consistent}
        asked["ExpressionAttributeValues"] |= {":now": {"N": str(now_seconds)}}
        answer = self.client.query(**asked)
        return answer["Count"] or int("LastEvaluatedKey" in answer)

    def _rows(self, inbox: InboxId) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "KeyConditionExpression": f"{Row.INBOX} = :inbox",
            "ExpressionAttributeValues": {":inbox": {"B": inbox}},
            "Limit": _PAGE_ROWS,
        }

    def remove_expired(self, inbox: InboxId, ids: Sequence[EnvelopeId], *, now_seconds: int) -> int:
        """Delete rows that have expired, up to 100 a call of AWS, and return how many are gone now.

        A row that was written again meanwhile, with a later expiry, stays: its page is left as it is, and the rows of
        that page are met again. Overload is no error here, for the same reason.
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
        """Forget acked envelopes. An id that is not in this inbox is passed over."""
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
    """None also for what is no number of a key: somebody else wrote such a row, and its device refuses it."""
    number = int(item[Row.SERVICE_KEY]["N"]) if Row.SERVICE_KEY in item else 0
    return number if 1 <= number <= MAX_SERVICE_KEY_NUMBER else None


def _readable(item: Item) -> Envelope | None:
    """None for a row that this service cannot have written: it must not keep the device from the other ones."""
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
