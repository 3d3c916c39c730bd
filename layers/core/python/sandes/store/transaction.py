"""Writes of DynamoDB as values: what is put, updated, deleted or only checked, and how it is written (docs/adr/0051).

A store builds these values, a use case may join those of several stores, and `transact` writes all of them or none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, Self, TypedDict

from botocore.exceptions import ClientError

from sandes.store.dynamo import (
    BATCH_TRIES,
    Client,
    Condition,
    ConditionFailed,
    Failure,
    Item,
    StoreUnavailable,
    failed_condition,
    waits,
)

_CALLS = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
_RETRY_AS_A_WHOLE = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


Returned = Literal["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_NEW"]


class When(TypedDict, total=False):
    """Holds the condition of a write, for functions that give several writes the same one."""

    condition: str
    named: Condition
    names: Mapping[str, str]
    values: Mapping[str, Any]
    old: bool


@dataclass(slots=True, eq=False, kw_only=True)
class Operation(ABC):
    """Holds one write, or one check, of one row. A transaction touches each row at most once.

    `condition` is DynamoDB's expression, which must hold or nothing is written. `named` is the name by which a use case
    recognises that this condition failed. `names` and `values` are what the expressions refer to. With `old`, a failed
    condition gives back the row as it stands.

    The fields are final for mypy; a frozen dataclass takes three times as long to make (docs/adr/0051).
    """

    kind: ClassVar[str]

    condition: Final[str] = ""
    named: Final[Condition | None] = None
    names: Final[Mapping[str, str] | None] = None
    values: Final[Mapping[str, Any] | None] = None
    old: Final[bool] = False

    def parameters(self) -> dict[str, Any]:
        """Builds the parameters of DynamoDB's call, which are the same in a transaction."""
        built = self._row()
        if self.condition:
            built["ConditionExpression"] = self.condition
        if self.names:
            built["ExpressionAttributeNames"] = self.names
        if self.values:
            built["ExpressionAttributeValues"] = self.values
        if self.old:
            built["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return built

    @abstractmethod
    def _row(self) -> dict[str, Any]:
        """Builds the parameters that name the row and say what becomes of it."""

    def also(self, condition: str, values: Mapping[str, Any] | None = None) -> Self:
        """Gives the same write under one more condition, which must be in brackets if it contains an OR."""
        both = f"{self.condition} AND {condition}" if self.condition else condition
        return replace(self, condition=both, values={**(self.values or {}), **(values or {})})

    def called(self, named: Condition) -> Self:
        """Gives the same write with another name for its condition."""
        return replace(self, named=named)


@dataclass(slots=True, eq=False)
class Put(Operation):
    """Writes a whole row."""

    kind = "Put"

    table: Final[str]
    item: Final[Item]

    def _row(self) -> dict[str, Any]:
        return {"TableName": self.table, "Item": self.item}


@dataclass(slots=True, eq=False)
class Update(Operation):
    """Changes attributes of a row, and makes the row if it is not there. `change` is DynamoDB's update expression."""

    kind = "Update"

    table: Final[str]
    key: Final[Item]
    change: Final[str]

    def _row(self) -> dict[str, Any]:
        return {"TableName": self.table, "Key": self.key, "UpdateExpression": self.change}


@dataclass(slots=True, eq=False)
class Add(Operation):
    """Adds to numbers of a row: `amounts` by attribute. `merged` adds up several of the same row."""

    kind = "Update"

    table: Final[str]
    key: Final[Item]
    amounts: Final[Mapping[str, int]]

    def parameters(self) -> dict[str, Any]:
        """Builds the parameters of an update."""
        built = Operation.parameters(self)
        amounts = {f":add{number}": {"N": str(amount)} for number, amount in enumerate(self.amounts.values())}
        return built | {"ExpressionAttributeValues": {**(self.values or {}), **amounts}}

    def with_more(self, other: Add) -> Add:
        """Gives one operation that adds what both add."""
        amounts = dict(self.amounts)
        for name, amount in other.amounts.items():
            amounts[name] = amounts.get(name, 0) + amount
        return replace(self, amounts=amounts)

    def _row(self) -> dict[str, Any]:
        added = ", ".join(f"{name} :add{number}" for number, name in enumerate(self.amounts))
        return {"TableName": self.table, "Key": self.key, "UpdateExpression": f"ADD {added}"}


@dataclass(slots=True, eq=False)
class Delete(Operation):
    """Removes a row. It is no error if there is none, unless a condition says so."""

    kind = "Delete"

    table: Final[str]
    key: Final[Item]

    def _row(self) -> dict[str, Any]:
        return {"TableName": self.table, "Key": self.key}


@dataclass(slots=True, eq=False)
class Check(Operation):
    """Checks a condition on a row that the transaction does not write."""

    kind = "ConditionCheck"

    table: Final[str]
    key: Final[Item]

    def _row(self) -> dict[str, Any]:
        return {"TableName": self.table, "Key": self.key}


Writer = Callable[[Sequence[Operation]], None]
"""Writes a transaction in the place of `transact`, and raises as it does.

It may put more operations into the transaction. ConditionFailed tells only of those that it was given.
"""


def transact(client: Client, operations: Iterable[Operation], *, tries: int = BATCH_TRIES) -> None:
    """Writes all of `operations` or none. Conflicts with other writers are retried, `tries` times in all.

    A condition that failed is told even if another operation met a conflict or an overload at the same time.
    Raises ConditionFailed with each operation whose condition failed, and StoreUnavailable.
    """
    written = list(operations)
    requests: list[Any] = [{operation.kind: operation.parameters()} for operation in written]
    for _ in waits(tries=tries):
        try:
            client.transact_write_items(TransactItems=requests)
            return
        except client.exceptions.TransactionCanceledException as error:
            reasons: Sequence[Mapping[str, Any]] = error.response.get("CancellationReasons", [])
            failures = [
                Failure(operation.named, reason.get("Item"), operation)
                for operation, reason in zip(written, reasons, strict=False)
                if reason.get("Code") == "ConditionalCheckFailed"
            ]
            if failures:
                raise ConditionFailed(failures) from error
            if not {reason.get("Code") for reason in reasons} & _RETRY_AS_A_WHOLE:
                raise
    raise StoreUnavailable


def write(client: Client, writer: Writer | None, operations: Sequence[Operation]) -> None:
    """Writes all of `operations` or none, by the store's writer if it has one. Raises as `transact` does."""
    if writer:
        writer(operations)
    else:
        transact(client, operations)


def write_if(client: Client, writer: Writer | None, operations: Sequence[Operation]) -> bool:
    """Writes all of `operations`, or none and gives False if a condition fails. Raises StoreUnavailable.

    Without a writer, a single operation is a call of its own, at half the cost of a transaction. Such a call has no
    token by which DynamoDB recognises a repetition: if its answer is lost, botocore repeats it, and the answer may be
    False although the first call has written.
    """
    try:
        if writer or len(operations) > 1:
            write(client, writer, operations)
        else:
            write_one(client, operations[0])
    except ConditionFailed:
        return False
    return True


def write_one(client: Client, operation: Operation, *, returned: Returned = "NONE") -> Item:
    """Writes one put, update or delete by the call of its own, and gives the attributes `returned`, empty for NONE.

    Raises ConditionFailed, and ClientError.
    """
    asked = {"ReturnValues": returned} if returned != "NONE" else {}
    try:
        answer = getattr(client, _CALLS[operation.kind])(**operation.parameters(), **asked)
    except ClientError as error:
        if failed := failed_condition(error):
            raise ConditionFailed([Failure(operation.named, failed.row(), operation)]) from error
        raise
    attributes: Item = answer.get("Attributes", {})
    return attributes


def merged(operations: Iterable[Operation]) -> list[Operation]:
    """Gives the same operations, with one Add for each row in the place of several, which a transaction refuses."""
    kept: dict[str, Operation] = {}
    for number, operation in enumerate(operations):
        if not isinstance(operation, Add):
            kept[str(number)] = operation
            continue
        row = f"{operation.table} {operation.key}"
        first = kept.get(row)
        kept[row] = first.with_more(operation) if isinstance(first, Add) else operation
    return list(kept.values())
