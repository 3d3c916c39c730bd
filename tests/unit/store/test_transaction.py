"""Writes as values: conditions are known by name, conflicts are tried again, and one write alone costs half."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import sandes
from sandes.store import dynamo, transaction
from sandes.store.dynamo import Condition, ConditionFailed, StoreUnavailable
from sandes.store.transaction import (
    Add,
    Check,
    Delete,
    Operation,
    Put,
    Update,
    Writer,
    merged,
    transact,
    write_if,
    write_one,
)
from tests.support.dynamodb import FlakyClient, memory_dynamodb

FREE, THERE = Condition("the row is free"), Condition("the row is there")
PACKAGE = Path(sandes.__file__).parent


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dynamo.waits
    monkeypatch.setattr(transaction, "waits", lambda **more: whole(lambda _: None, **more))


@dataclass
class Rows:
    """The directory, with rows of one letter."""

    client: Any = field(init=False)
    table: str = field(init=False)

    def __post_init__(self) -> None:
        client, tables, _ = memory_dynamodb()
        self.client, self.table = FlakyClient(client), tables["directory"]

    def key(self, name: str) -> dict[str, Any]:
        return {"p": {"S": name}, "s": {"S": "0"}}

    def new(self, name: str, *, old: bool = False) -> Put:
        item = self.key(name) | {"n": {"N": "1"}}
        return Put(self.table, item, condition="attribute_not_exists(p)", named=FREE, old=old)

    def known(self, name: str) -> Check:
        return Check(self.table, self.key(name), condition="attribute_exists(p)", named=THERE)

    def read(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.client.get_item(TableName=self.table, Key=self.key(name)).get("Item")
        return found


@pytest.fixture
def rows() -> Rows:
    return Rows()


def failing(rows: Rows, *operations: Operation) -> ConditionFailed:
    with pytest.raises(ConditionFailed) as caught:
        transact(rows.client, operations)
    return caught.value


def test_all_kinds_are_written_together(rows: Rows) -> None:
    transact(rows.client, [rows.new("a"), rows.new("b"), rows.new("c")])
    transact(
        rows.client,
        [
            Update(rows.table, rows.key("a"), "SET #n = :two", names={"#n": "n"}, values={":two": {"N": "2"}}),
            Add(rows.table, rows.key("b"), {"n": 4, "m": -1}, condition="n = :one", values={":one": {"N": "1"}}),
            Delete(rows.table, rows.key("c")),
            Put(rows.table, rows.key("d")),
            Check(rows.table, rows.key("e"), condition="attribute_not_exists(p)"),
        ],
    )
    assert rows.read("a") == rows.key("a") | {"n": {"N": "2"}}
    assert rows.read("b") == rows.key("b") | {"n": {"N": "5"}, "m": {"N": "-1"}}
    assert (rows.read("c"), rows.read("d")) == (None, rows.key("d"))


def test_a_condition_that_failed_is_known_by_its_name_wherever_it_stood(rows: Rows) -> None:
    transact(rows.client, [rows.new("taken")])
    for operations in ([rows.new("taken"), rows.new("x")], [rows.new("x"), rows.new("taken")]):
        failed = failing(rows, *operations)
        assert failed.is_(FREE)
        assert not failed.is_(THERE)
    failed = failing(rows, rows.known("nobody"), rows.new("taken"))
    assert failed.is_(FREE)
    assert failed.is_(THERE)
    assert rows.read("x") is None


def test_the_row_is_given_back_if_it_was_asked_for(rows: Rows) -> None:
    transact(rows.client, [rows.new("taken")])
    first, second = rows.new("taken", old=True), rows.new("free", old=True)
    failed = failing(rows, second, first)
    assert failed.row(FREE) == first.item
    assert (failed.row_of(first), failed.row_of(second)) == (first.item, None)
    assert failed.row(THERE) is None
    assert failing(rows, rows.new("taken")).row(FREE) is None


def test_what_others_added_can_be_told_apart_from_ones_own(rows: Rows) -> None:
    transact(rows.client, [rows.new("taken")])
    own, added = rows.new("taken"), rows.known("nobody")
    failed = failing(rows, own, added)
    left = failed.without([added])
    assert left is not None
    assert [failure.operation for failure in left.failures] == [own]
    assert failed.without([own, added]) is None


def test_a_condition_can_be_called_otherwise_and_joined_by_another(rows: Rows) -> None:
    transact(rows.client, [rows.new("a")])
    check = rows.known("a").also("n = :n", {":n": {"N": "7"}})
    assert failing(rows, replace(check, named=FREE)).is_(FREE)
    transact(rows.client, [rows.known("a").also("n = :n", {":n": {"N": "1"}})])


def test_a_conflict_is_tried_again_as_a_whole(rows: Rows) -> None:
    rows.client.failures["transact_write_items"] = 3
    transact(rows.client, [rows.new("a"), rows.new("b")])
    assert rows.client.calls.count("transact_write_items") == 4
    assert rows.read("b")


def test_a_conflict_that_stays_is_an_error(rows: Rows) -> None:
    rows.client.failures["transact_write_items"] = 2
    with pytest.raises(StoreUnavailable):
        transact(rows.client, [rows.new("a")], tries=2)
    assert rows.read("a") is None


def cancelled(rows: Rows, *codes: str) -> Any:
    """A client whose transactions are cancelled for these reasons, one for each operation."""

    class Cancelling:
        exceptions = rows.client.exceptions
        calls = 0

        def transact_write_items(self, **_: Any) -> None:
            self.calls += 1
            error = {"Code": "TransactionCanceledException", "Message": "cancelled"}
            reasons = [{"Code": code} for code in codes]
            raise self.exceptions.TransactionCanceledException(
                {"Error": error, "CancellationReasons": reasons}, "TransactWriteItems"
            )

    return Cancelling()


@pytest.mark.parametrize("beside", ["ThrottlingError", "TransactionConflict", "ProvisionedThroughputExceeded"])
def test_a_condition_that_fails_beside_an_overload_is_told_at_once(rows: Rows, beside: str) -> None:
    client = cancelled(rows, beside, "ConditionalCheckFailed", "None")
    with pytest.raises(ConditionFailed) as caught:
        transact(client, [rows.new("a"), rows.known("b"), rows.new("c")])
    assert [failure.condition for failure in caught.value.failures] == [THERE]
    assert client.calls == 1


def test_a_transaction_that_is_wrong_is_not_tried_again(rows: Rows) -> None:
    client = cancelled(rows, "ValidationError")
    with pytest.raises(rows.client.exceptions.TransactionCanceledException):
        transact(client, [rows.new("a")])
    assert client.calls == 1


def test_one_write_without_a_writer_is_a_call_of_its_own(rows: Rows) -> None:
    assert write_if(rows.client, None, [rows.new("a")])
    assert not write_if(rows.client, None, [rows.new("a")])
    assert write_if(rows.client, None, [Add(rows.table, rows.key("a"), {"n": 1})])
    assert write_if(rows.client, None, [Delete(rows.table, rows.key("a"))])
    assert rows.client.calls == ["put_item", "put_item", "update_item", "delete_item"]


def test_one_write_tells_its_condition_and_row_as_a_transaction_does(rows: Rows) -> None:
    put = rows.new("a", old=True)
    write_one(rows.client, put)
    with pytest.raises(ConditionFailed) as caught:
        write_one(rows.client, put)
    assert caught.value.is_(FREE)
    assert caught.value.row(FREE) == put.item
    assert caught.value.row_of(put) == put.item


def test_one_write_with_a_writer_is_written_by_it(rows: Rows) -> None:
    written: list[Operation] = []
    writer: Writer = written.extend
    assert write_if(rows.client, writer, [rows.new("a")])
    assert rows.client.calls == []
    assert len(written) == 1


def test_what_is_added_to_one_row_by_several_is_one_operation(rows: Rows) -> None:
    put = rows.new("a")
    one, other = rows.key("one"), rows.key("other")
    together = merged(
        [
            Add(rows.table, one, {"n": 1}),
            put,
            Add(rows.table, other, {"n": 1}),
            Add(rows.table, one, {"n": 2, "m": 3}),
        ]
    )
    wanted = [Add(rows.table, one, {"n": 3, "m": 3}), put, Add(rows.table, other, {"n": 1})]
    assert [operation.parameters() for operation in together] == [operation.parameters() for operation in wanted]


# Rules for the whole package.


def test_only_this_module_writes_transactions() -> None:
    callers = [file.name for file in PACKAGE.rglob("*.py") if "transact_write_items" in file.read_text()]
    assert callers == ["transaction.py"]


def test_no_use_case_knows_expressions_of_dynamodb() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "store" not in file.relative_to(PACKAGE).parts]
    words = ("UpdateExpression", "ConditionExpression", "TransactItems")
    assert [file.name for file in files if any(word in file.read_text() for word in words)] == []


def test_no_two_conditions_have_one_name() -> None:
    names = Counter(
        argument.value
        for file in (PACKAGE / "store").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Condition"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    )
    assert len(names) > 10
    assert set(names.values()) == {1}
