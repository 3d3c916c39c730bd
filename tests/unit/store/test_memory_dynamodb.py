"""Tests what the database in memory does beyond the store contracts: stale reads, unprocessed keys, long pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from sandes.store.schema import Key, Table
from tests.support.memory.dynamodb import Change, Dynamo, Refused

TABLE = Table("t", Key("p", "S"), Key("n", "N"), ttl="x", backup=False)


@dataclass
class World:
    now_ms: int = 1_000_000
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Dynamo(lambda: self.now_ms, [TABLE], self.changes.append)

    def put(self, n: int, **attributes: Any) -> None:
        self.database.perform("PutItem", {"TableName": "t", "Item": key(n) | attributes})

    def get(self, n: int, *, stale_ms: int = 0, consistent: bool = False) -> Any:
        asked = {"TableName": "t", "Key": key(n), "ConsistentRead": consistent}
        return self.database.perform("GetItem", asked, stale_ms=stale_ms).get("Item")


def key(n: int) -> dict[str, Any]:
    return {"p": {"S": "a"}, "n": {"N": str(n)}}


@pytest.fixture
def world() -> World:
    return World()


def test_a_read_that_is_not_consistent_may_miss_what_was_just_written(world: World) -> None:
    world.put(1, v={"S": "old"})
    world.now_ms += 1000
    world.put(1, v={"S": "new"})
    world.now_ms += 100
    assert world.get(1, stale_ms=200)["v"] == {"S": "old"}
    assert world.get(1, stale_ms=50)["v"] == {"S": "new"}
    assert world.get(1, stale_ms=200, consistent=True)["v"] == {"S": "new"}
    assert world.get(1, stale_ms=2000) is None


def test_a_deleted_row_can_still_be_read_stale(world: World) -> None:
    world.put(1)
    world.now_ms += 1000
    world.database.perform("DeleteItem", {"TableName": "t", "Key": key(1)})
    world.now_ms += 10
    assert world.get(1, stale_ms=100) == key(1)
    assert world.get(1) is None


def test_a_page_ends_at_a_mebibyte_or_at_its_limit(world: World) -> None:
    for n in range(5):
        world.put(n, v={"B": bytes(390 * 1024)})
    asked = {
        "TableName": "t",
        "KeyConditionExpression": "p = :p",
        "ExpressionAttributeValues": {":p": {"S": "a"}},
    }
    first = world.database.perform("Query", asked)
    assert first["Count"] == 3
    second = world.database.perform("Query", asked | {"ExclusiveStartKey": first["LastEvaluatedKey"]})
    assert [item["n"]["N"] for item in second["Items"]] == ["3", "4"]
    assert "LastEvaluatedKey" not in second
    assert world.database.perform("Query", asked | {"Limit": 1})["LastEvaluatedKey"] == key(0)


def test_a_batch_may_be_left_half_done(world: World) -> None:
    puts = [{"PutRequest": {"Item": key(n)}} for n in range(3)]
    left = world.database.perform("BatchWriteItem", {"RequestItems": {"t": puts}}, most=1)
    assert left["UnprocessedItems"] == {"t": puts[1:]}
    asked = {"RequestItems": {"t": {"Keys": [key(n) for n in range(2)]}}}
    answer = world.database.perform("BatchGetItem", asked, most=1)
    assert answer["Responses"] == {"t": [key(0)]}
    assert answer["UnprocessedKeys"] == {"t": {"Keys": [key(1)]}}


def test_a_repeated_transaction_of_the_same_token_is_carried_out_once(world: World) -> None:
    add = {"TableName": "t", "Key": key(1), "UpdateExpression": "ADD c :one"}
    add["ExpressionAttributeValues"] = {":one": {"N": "1"}}
    asked = {"TransactItems": [{"Update": add}], "ClientRequestToken": "token"}
    for _ in range(2):
        world.database.perform("TransactWriteItems", asked)
    assert world.get(1)["c"] == {"N": "1"}
    world.now_ms += 600_001
    world.database.perform("TransactWriteItems", asked)
    assert world.get(1)["c"] == {"N": "2"}


def test_time_to_live_deletes_what_is_over_and_says_so(world: World) -> None:
    world.put(1, x={"N": "1000"})
    world.put(2, x={"N": "1001"})
    for table, row in world.database.expired(1000):
        world.database.reap(table, row)
    assert world.get(1) is None
    assert world.get(2) is not None
    assert [change.expired for change in world.changes] == [False, False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"UpdateExpression": "SET m.a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
        {"UpdateExpression": "REMOVE m.a"},
        {"UpdateExpression": "SET c = c + :v", "ExpressionAttributeValues": {":v": {"N": "1"}}},
        {"UpdateExpression": "SET v = :missing"},
        {"UpdateExpression": "SET v ="},
        {"UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
        {"UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": {"B": bytes(401 * 1024)}}},
    ],
    ids=["no map", "nothing in no map", "no number", "no value", "half", "adds text", "too large"],
)
def test_what_dynamodb_refuses_is_refused_and_changes_nothing(world: World, wrong: dict[str, Any]) -> None:
    world.put(1)
    with pytest.raises(Refused) as refused:
        world.database.perform("UpdateItem", {"TableName": "t", "Key": key(1), **wrong})
    assert refused.value.code == "ValidationException"
    assert world.get(1) == key(1)
