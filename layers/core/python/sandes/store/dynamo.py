"""What all stores share: the client's type, retries of half-done batches, names for failed conditions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    Client: TypeAlias = DynamoDBClient
else:
    Client = Any

Item = Mapping[str, Any]
Sleep = Callable[[float], None]
Writer = Callable[[Sequence[Any]], None]
"""Carries out a transaction in the place of `transact`, and raises as it does.

It may put more into the transaction, behind the operations it is given: `ConditionFailed.items` are of these alone.
"""

BATCH_TRIES = 8
BATCH_KEYS = 100
"""DynamoDB's most."""

_READS_AT_ONCE = 8  # fewer than a client keeps connections
_FIRST_WAIT_SECONDS = 0.025
_LONGEST_WAIT_SECONDS = 1.0
_RETRY_AS_A_WHOLE = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}

_OVERLOAD = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "InternalServerError",
    "ServiceUnavailable",
    "TransactionConflictException",
}


class StoreUnavailable(Exception):
    """DynamoDB left work undone after all retries. What was asked may be repeated as a whole."""


class ConditionFailed(Exception):
    """A condition did not hold; `items` are the rows as they stood, in the order of the request.

    `failed`: which of the operations did not hold, counted from 0.
    """

    def __init__(self, items: Sequence[Item | None], failed: Collection[int] = (0,)) -> None:
        super().__init__("condition failed")
        self.items = list(items)
        self.failed = frozenset(failed)


def waits(
    sleep: Sleep = time.sleep, *, tries: int = BATCH_TRIES, longest: float = _LONGEST_WAIT_SECONDS
) -> Iterator[None]:
    """Yields `tries` times, sleeping with full jitter, at most `longest` seconds, before every one but the first."""
    yield
    wait = _FIRST_WAIT_SECONDS
    for _ in range(tries - 1):
        sleep(random.uniform(0, wait))  # noqa: S311  # jitter
        wait = min(wait * 2, longest)
        yield


def failed_condition(error: ClientError) -> ConditionFailed | None:
    """The failed condition behind `error`, or None if it is another error."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    item: Item | None = error.response.get("Item")  # type: ignore[assignment]  # botocore-stubs leave it out
    return ConditionFailed([item])


def is_overload(error: ClientError) -> bool:
    """Whether AWS refused a call for now, so that the same call may succeed later."""
    return error.response["Error"]["Code"] in _OVERLOAD


def transact(client: Client, operations: Sequence[Any], *, tries: int = BATCH_TRIES) -> None:
    """All of `operations` or none. Conflicts with other writers are retried, `tries` times in all.

    Raises ConditionFailed with the old row of each operation that asked for it, and StoreUnavailable.
    """
    for _ in waits(tries=tries):
        try:
            client.transact_write_items(TransactItems=list(operations))
            return
        except client.exceptions.TransactionCanceledException as error:
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
            codes = {reason.get("Code") for reason in reasons}
            if "ConditionalCheckFailed" in codes:
                failed = [n for n, reason in enumerate(reasons) if reason.get("Code") == "ConditionalCheckFailed"]
                raise ConditionFailed([reason.get("Item") for reason in reasons], failed) from error
            if not codes & _RETRY_AS_A_WHOLE:
                raise
    raise StoreUnavailable


def write(client: Client, writer: Writer | None, operations: Sequence[Any]) -> None:
    """All of `operations` or none, by the store's writer if it has one. Raises as `transact` does."""
    if writer:
        writer(operations)
    else:
        transact(client, operations)


def write_one(client: Client, writer: Writer | None, operation: Mapping[str, Any]) -> None:
    """A put, update or delete, written as in a transaction; without a writer by the call of its own, at half the cost.

    Raises ConditionFailed.
    """
    if writer:
        writer([operation])
        return
    ((kind, request),) = operation.items()
    calls: dict[str, Any] = {"Put": client.put_item, "Update": client.update_item, "Delete": client.delete_item}
    try:
        calls[kind](**request)
    except ClientError as error:
        if failed := failed_condition(error):
            raise failed from error
        raise


def batch_get(client: Client, requests: Mapping[str, Any]) -> dict[str, list[Item]]:
    """Read up to 100 keys over several tables in one round trip; what is left over is asked for again."""
    found: dict[str, list[Item]] = {table: [] for table in requests}
    left: Mapping[str, Any] = requests
    for _ in waits():
        answer = client.batch_get_item(RequestItems=left)
        for table, items in answer["Responses"].items():
            found[table].extend(items)
        left = answer.get("UnprocessedKeys", {})
        if not left:
            return found
    raise StoreUnavailable


def batch_get_many(client: Client, table: str, keys: Sequence[Any], *, attributes: Sequence[str] = ()) -> list[Item]:
    """Read any number of keys of one table, consistently, a hundred at a time and some of these at once.

    `attributes`: only these of each row. Raises StoreUnavailable.
    """
    names = {"ProjectionExpression": ", ".join(attributes)} if attributes else {}
    hundreds = [list(keys[start : start + BATCH_KEYS]) for start in range(0, len(keys), BATCH_KEYS)]

    def read(some: list[Any]) -> list[Item]:
        return batch_get(client, {table: {"Keys": some, "ConsistentRead": True, **names}})[table]

    if len(hundreds) < 2:
        return read(hundreds[0]) if hundreds else []
    from concurrent.futures import ThreadPoolExecutor  # of no use to functions that start often

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        return [item for items in pool.map(read, hundreds) for item in items]


def batch_write(client: Client, table: str, requests: Sequence[Any]) -> None:
    """Put or delete any number of rows, 25 a call. Raises StoreUnavailable if some are left after all retries."""
    for start in range(0, len(requests), 25):
        left: Mapping[str, Any] = {table: list(requests[start : start + 25])}
        for _ in waits():
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems", {})
            if not left:
                break
        else:
            raise StoreUnavailable
