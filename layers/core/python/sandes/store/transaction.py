"""Represents writes to DynamoDB as values, and carries them out (docs/adr/0051).

A store builds these values, a use case may combine those of several stores, and `transact` writes all of them or none.
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
    """Holds the condition of a write, for functions that give the same condition to several writes."""

    condition: str
    named: Condition
    names: Mapping[str, str]
    values: Mapping[str, Any]
    old: bool


@dataclass(slots=True, eq=False, kw_only=True)
class Operation(ABC):
    """Holds one write, or one check, of one row. A transaction touches each row at most once.

    `condition` is a DynamoDB expression that must hold, or nothing is written. `named` is the name by which a use case
    recognises that this condition failed. `names` and `values` define the placeholders of the expressions. If `old` is
    set, a failed condition returns the current row.

    The fields are final for mypy, because a frozen dataclass takes three times as long to make (docs/adr/0051).
    """

    kind: ClassVar[str]

    condition: Final[str] = ""
    named: Final[Condition | None] = None
    names: Final[Mapping[str, str] | None] = None
    values: Final[Mapping[str, Any] | None] = None
    old: Final[bool] = False

    def parameters(self) -> dict[str, Any]:
        """Build the parameters of DynamoDB's call. An operation in a transaction has the same ones."""
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
        """Build the parameters that name the row and its change."""

    def also(self, condition: str, values: Mapping[str, Any] | None = None) -> Self:
        """Return the same write under one more condition. The caller puts a condition with an OR in brackets."""
        both = f"{self.condition} AND {condition}" if self.condition else condition
        return replace(self, condition=both, values={**(self.values or {}), **(values or {})})

    def called(self, named: Condition) -> Self:
        """Return the same write with another name for its condition."""
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
    """Changes attributes of a row, and creates the row if it does not exist. `change` is DynamoDB's update
    expression.
    """

    kind = "Update"

    table: Final[str]
    key: Final[Item]
    change: Final[str]

    def _row(self) -> dict[str, Any]:
        return {"TableName": self.table, "Key": self.key, "UpdateExpression": self.change}


@dataclass(slots=True, eq=False)
class Add(Operation):
    """Adds to numbers of a row: `amounts` by attribute. `merged` combines several additions to the same row."""

    kind = "Update"

    table: Final[str]
    key: Final[Item]
    amounts: Final[Mapping[str, int]]

    def parameters(self) -> dict[str, Any]:
        """Build the parameters of an update."""
        built = Operation.parameters(self)
        amounts = {f":add{number}": {"N": str(amount)} for number, amount in enumerate(self.amounts.values())}
        return built | {"ExpressionAttributeValues": {**(self.values or {}), **amounts}}

    def with_more(self, other: Add) -> Add:
        """Return one operation that adds the amounts of both."""
        amounts = dict(self.amounts)
        for name, amount in other.amounts.items():
            amounts[name] = amounts.get(name, 0) + amount
        return replace(self, amounts=amounts)

    def _row(self) -> dict[str, Any]:
        added = ", ".join(f"{name} :add{number}" for number, name in enumerate(self.amounts))
        return {"TableName": self.table, "Key": self.key, "UpdateExpression": f"ADD {added}"}


@dataclass(slots=True, eq=False)
class Delete(Operation):
    """Removes a row. A missing row is no error, unless a condition requires the row."""

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
"""Carries out a transaction in place of `transact`, and raises the same.

It may add operations to the transaction. ConditionFailed reports only the operations that the writer was given.
"""


def transact(client: Client, operations: Iterable[Operation], *, tries: int = BATCH_TRIES) -> None:
    """Write all of `operations` or none. Retry conflicts with other writers, with `tries` attempts in all.

    A failed condition is reported even if another operation met a conflict or an overload at the same time. Raises
    ConditionFailed with each operation whose condition failed, and StoreUnavailable.
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
    """Write all of `operations` or none, with the store's writer if it has one. Raises the same as `transact`."""
    if writer:
        writer(operations)
    else:
        transact(client, operations)


def write_if(client: Client, writer: Writer | None, operations: Sequence[Operation]) -> bool:
    """Write all of `operations`, or write none and return False if a condition fails. Raises StoreUnavailable.

    Without a writer, a single operation is written by its own call, at half the cost of a transaction. Such a call has
    no token by which DynamoDB recognises a repetition. If its answer is lost, botocore repeats it, and the result may
    be False although the first call has written.
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
    """Write one put, update or delete by its own call. Return the attributes that `returned` asks for, none for NONE.

    Raises ConditionFailed and ClientError.
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
    """Return the same operations, with one Add for each row. A transaction would refuse several."""
    kept: dict[str, Operation] = {}
    for number, operation in enumerate(operations):
        if not isinstance(operation, Add):
            kept[str(number)] = operation
            continue
        row = f"{operation.table} {operation.key}"
        first = kept.get(row)
        kept[row] = first.with_more(operation) if isinstance(first, Add) else operation
    return list(kept.values())
