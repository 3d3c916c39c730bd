"""Holds the common parts of all stores: the client's type, failed conditions, and reads and writes of many rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NewType, TypeAlias

from botocore.exceptions import ClientError

from sandes import runtime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    Client: TypeAlias = DynamoDBClient
else:
    Client = Any

Item = Mapping[str, Any]
Sleep = Callable[[float], None]
Condition = NewType("Condition", str)
"""The name of a condition. A use case recognises by it which condition failed. The store defines it beside the
operation.
"""

BATCH_TRIES = 8
BATCH_KEYS = 100
"""The most keys of one read, DynamoDB's limit."""

_READS_AT_ONCE = 8  # fewer than a client's connections
_FIRST_WAIT_SECONDS = 0.025
_LONGEST_WAIT_SECONDS = 1.0

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
    """Reports that DynamoDB has not done the work after all retries. The whole call may be repeated."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Holds a failed condition: its name, the operation, and the current row if the operation asked for it."""

    condition: Condition | None = None
    row: Item | None = None
    operation: object = None


class ConditionFailed(Exception):
    """Reports that nothing was written, because of failed conditions. `failures` holds them all, in no particular
    order.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("condition failed")
        self.failures = tuple(failures)

    def is_(self, condition: Condition) -> bool:
        """Tell whether this condition is among the failed ones."""
        return any(failure.condition == condition for failure in self.failures)

    def row(self, condition: Condition | None = None) -> Item | None:
        """Return the current row on which this condition failed. Without a condition, return the row of a single write.

        The result is None if the condition held, if there is no such row, or if the operation did not ask for it.
        """
        return next((one.row for one in self.failures if condition in {None, one.condition} and one.row), None)

    def without(self, operations: Collection[object]) -> ConditionFailed | None:
        """Return the failures of all operations except these, or None if there are no others. Operations are compared
        by identity.
        """
        left = [one for one in self.failures if not any(one.operation is operation for operation in operations)]
        return ConditionFailed(left) if left else None

    def row_of(self, operation: object) -> Item | None:
        """Return the current row on which the condition of this operation failed, or None like `row`. Operations are
        compared by identity.
        """
        return next((failure.row for failure in self.failures if failure.operation is operation), None)


def waits(
    sleep: Sleep = runtime.sleep, *, tries: int = BATCH_TRIES, longest: float = _LONGEST_WAIT_SECONDS
) -> Iterator[None]:
    """Yield `tries` times. Sleep with full jitter, at most `longest` seconds, before each time except the first."""
    yield
    wait = _FIRST_WAIT_SECONDS
    for _ in range(tries - 1):
        sleep(random.uniform(0, wait))  # noqa: S311  # jitter
        wait = min(wait * 2, longest)
        yield


def failed_condition(error: ClientError) -> ConditionFailed | None:
    """Return the failed condition behind `error`, or None if it is another error."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    item: Item | None = error.response.get("Item")  # type: ignore[assignment]  # botocore's stubs leave it out
    return ConditionFailed([Failure(row=item)])


def is_overload(error: ClientError) -> bool:
    """Tell whether AWS refused a call temporarily, so that the same call may succeed later."""
    return error.response["Error"]["Code"] in _OVERLOAD


def batch_get(client: Client, requests: Mapping[str, Any]) -> dict[str, list[Item]]:
    """Read up to 100 keys over several tables in one round trip. Unprocessed keys are read again."""
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
    """Read any number of keys of one table consistently, a hundred in each call, with some calls at the same time.

    If `attributes` is set, read only these of each row. Raises StoreUnavailable.
    """
    names = {"ProjectionExpression": ", ".join(attributes)} if attributes else {}
    hundreds = [list(keys[start : start + BATCH_KEYS]) for start in range(0, len(keys), BATCH_KEYS)]

    def read(some: list[Any]) -> list[Item]:
        return batch_get(client, {table: {"Keys": some, "ConsistentRead": True, **names}})[table]

    if len(hundreds) < 2:
        return read(hundreds[0]) if hundreds else []
    return [item for items in runtime.together(read, hundreds, at_once=_READS_AT_ONCE) for item in items]


def batch_write(client: Client, table: str, requests: Sequence[Any]) -> None:
    """Put or delete any number of rows, 25 in each call. Raises StoreUnavailable if some are left after all retries."""
    for start in range(0, len(requests), 25):
        left: Mapping[str, Any] = {table: list(requests[start : start + 25])}
        for _ in waits():
            left = client.batch_write_item(RequestItems=left).get("UnprocessedItems", {})
            if not left:
                break
        else:
            raise StoreUnavailable
