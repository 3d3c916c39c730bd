"""The limits table: one number for each bucket or window, changed by conditional writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.store.dynamo import Client, Item, StoreUnavailable, failed_condition
from sandes.store.schema import LimitRow as Row

_KEEP_SECONDS = 3600
_TRIES = 5


def limit_key(subject: str, limit: str) -> dict[str, Any]:
    return {Row.SUBJECT: {"S": subject}, Row.LIMIT: {"S": limit}}


def full_at_ms(item: Item) -> int:
    return int(item[Row.FULL_AT_MS]["N"])


def limit_of(item: Item) -> str:
    return str(item[Row.LIMIT]["S"])


@dataclass(frozen=True, slots=True)
class LimitStore:
    client: Client
    table: str

    def take(self, subject: str, limit: str, *, now_ms: int, cost_ms: int, latest_ms: int) -> int | None:
        """Move the time at which the bucket is full by `cost_ms`, starting from now if it is full.

        Return None if taken. Return the time at which the bucket is full, in epoch milliseconds, if taking would move
        it past `latest_ms`. A full bucket costs one write, another one two. Raises StoreUnavailable if the table cannot
        be reached, or too many others take from the bucket at the same time.
        """
        taken, full_at = self._take(subject, limit, now_ms=now_ms, cost_ms=cost_ms, latest_ms=latest_ms)
        return None if taken else full_at

    def charge(self, subject: str, limit: str, *, now_ms: int, cost_ms: int, latest_ms: int) -> int:
        """Take like `take`, but always return the time at which the bucket is full, even if nothing could be taken."""
        return self._take(subject, limit, now_ms=now_ms, cost_ms=cost_ms, latest_ms=latest_ms)[1]

    def _take(self, subject: str, limit: str, *, now_ms: int, cost_ms: int, latest_ms: int) -> tuple[bool, int]:
        try:
            return self._try_to_take(subject, limit, now_ms=now_ms, cost_ms=cost_ms, latest_ms=latest_ms)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable from error

    def _try_to_take(self, subject: str, limit: str, *, now_ms: int, cost_ms: int, latest_ms: int) -> tuple[bool, int]:
        for _ in range(_TRIES):
            stands = self._set(
                subject,
                limit,
                now_ms + cost_ms,
                f"attribute_not_exists({Row.FULL_AT_MS}) OR {Row.FULL_AT_MS} <= :seen",
                now_ms,
            )
            if stands is None:
                return True, now_ms + cost_ms
            if stands + cost_ms > latest_ms:
                return False, stands
            if self._set(subject, limit, stands + cost_ms, f"{Row.FULL_AT_MS} = :seen", stands) is None:
                return True, stands + cost_ms
        raise StoreUnavailable

    def count(self, subject: str, window: str, *, most: int, keep_until: int) -> bool:
        """Count one in a window. Return False if the count would exceed `most`. One write, whatever the concurrency.

        Raises StoreUnavailable if the table cannot be reached.
        """
        if most < 1:
            return False
        try:
            self.client.update_item(
                TableName=self.table,
                Key=limit_key(subject, window),
                UpdateExpression=f"SET {Row.EXPIRES_AT} = :keep ADD {Row.COUNT} :one",
                ConditionExpression=f"attribute_not_exists({Row.COUNT}) OR {Row.COUNT} < :most",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":most": {"N": str(most)},
                    ":keep": {"N": str(keep_until)},
                },
            )
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and failed_condition(error):
                return False
            raise StoreUnavailable from error
        return True

    def _set(self, subject: str, limit: str, full_at: int, condition: str, seen: int) -> int | None:
        try:
            self.client.update_item(
                TableName=self.table,
                Key=limit_key(subject, limit),
                UpdateExpression=f"SET {Row.FULL_AT_MS} = :full_at, {Row.EXPIRES_AT} = :expires",
                ConditionExpression=condition,
                ExpressionAttributeValues={
                    ":full_at": {"N": str(full_at)},
                    ":seen": {"N": str(seen)},
                    ":expires": {"N": str(full_at // 1000 + _KEEP_SECONDS)},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            failed = failed_condition(error)
            if failed is None or (row := failed.row()) is None:
                raise
            return full_at_ms(row)
        return None
