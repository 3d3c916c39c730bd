"""A call that goes to moto directly is answered, or refused, as one over HTTP to moto as it is shipped."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from sandes.store import schema
from tests.support import quick_moto
from tests.support.dynamodb import moto_dynamodb

TABLE = "directory"


def key(sort: str = "b") -> dict[str, Any]:
    return {"p": {"S": "a"}, "s": {"S": sort}}


DUE, DUE_AT = schema.directory.ENDING.partition.name, schema.directory.ENDING.sort.name
BY_DUE = {"TableName": TABLE, "IndexName": "ending", "KeyConditionExpression": "#due = :due AND #at <= :at"} | {
    "ExpressionAttributeNames": {"#due": DUE, "#at": DUE_AT}
}
ROW = key() | {
    "bytes": {"B": b"raw\xff"},
    "set": {"SS": ["x", "y"]},
    "list": {"L": [{"B": b"1"}, {"BS": [b"2"]}, {"N": "3"}]},
    "map": {"M": {"B": {"B": b"4"}, "no": {"BOOL": False}, "null": {"NULL": True}}},
}
NAMED = {"ExpressionAttributeNames": {"#n": "name"}}
SET_NAME = "SET #n = :n, times = if_not_exists(times, :zero) + :one REMOVE gone"
NAME_VALUES = {":n": {"S": "Asha"}, ":zero": {"N": "0"}, ":one": {"N": "1"}}
OTHER_VALUES = NAME_VALUES | {":n": {"S": "Ravi"}}
IS_ASHA = {"ConditionExpression": "#n = :was"} | NAMED
QUERY = {"TableName": TABLE, "KeyConditionExpression": "p = :p AND begins_with(s, :s)"}

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"TableName": TABLE, "Item": ROW, "ConditionExpression": "attribute_not_exists(p)"}),
    ("put_item", {"TableName": TABLE, "Item": ROW, "ConditionExpression": "attribute_not_exists(p)"}),  # refused
    ("get_item", {"TableName": TABLE, "Key": key()}),
    ("get_item", {"TableName": TABLE, "Key": key("absent")}),
    ("get_item", {"TableName": TABLE, "Key": key(), "ProjectionExpression": "bytes, #m", "ConsistentRead": True}
     | {"ExpressionAttributeNames": {"#m": "map"}}),
    ("get_item", {"TableName": "no-such-table", "Key": key()}),  # refused
    ("get_item", {"TableName": TABLE, "Key": {"p": {"S": "a"}}}),  # refused
    *(
        ("update_item", {"TableName": TABLE, "Key": key(), "UpdateExpression": SET_NAME, "ReturnValues": returned}
         | {"ExpressionAttributeValues": values} | NAMED)
        for returned in ("ALL_NEW", "ALL_OLD", "UPDATED_NEW", "UPDATED_OLD", "NONE")
        for values in (NAME_VALUES, OTHER_VALUES)
    ),
    *(
        ("update_item", {"TableName": TABLE, "Key": key(sort), "UpdateExpression": "ADD n :one"} | IS_ASHA
         | {"ExpressionAttributeValues": {":one": {"N": "1"}, ":was": {"S": was}}})
        for was in ("Ravi", "Asha", "Ravi")  # the second is refused
        for sort in ("b", "absent")  # the other is refused
    ),
    ("update_item", {"TableName": TABLE, "Key": key(), "UpdateExpression": "SET s = :s"}
     | {"ExpressionAttributeValues": {":s": {"S": "z"}}}),  # refused: a key
    ("update_item", {"TableName": TABLE, "Key": key(), "UpdateExpression": "SET x = :missing"}),  # refused
    ("batch_write_item", {"RequestItems": {TABLE: [{"PutRequest": {"Item": key(f"c{n}")}} for n in range(5)]}}),
    ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key("c1"), key("absent"), key("b")]}}}),
    ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key("c1"), key("c1")]}}}),  # refused
    ("query", QUERY | {"ExpressionAttributeValues": {":p": {"S": "a"}, ":s": {"S": "c"}}, "Limit": 2}),
    ("query", QUERY | {"ExpressionAttributeValues": {":p": {"S": "a"}, ":s": {"S": "c"}}}
     | {"ExclusiveStartKey": key("c1"), "ScanIndexForward": True}),
    ("query", QUERY | {"ExpressionAttributeValues": {":p": {"S": "a"}, ":s": {"S": ""}}, "Select": "COUNT"}),
    ("scan", {"TableName": TABLE, "FilterExpression": "s IN (:a, :b)"}
     | {"ExpressionAttributeValues": {":a": {"S": "c1"}, ":b": {"S": "c2"}}}),
    *(
        ("transact_write_items", {"TransactItems": [
            {"Put": {"TableName": TABLE, "Item": key("d")}},
            {"Update": {"TableName": TABLE, "Key": key("c1"), "UpdateExpression": "SET x = :x"}
             | {"ExpressionAttributeValues": {":x": {"B": b"5"}}}},
            {"Delete": {"TableName": TABLE, "Key": key("c2")}},
            {"ConditionCheck": {"TableName": TABLE, "Key": key(sort), "ConditionExpression": "attribute_exists(p)"}
             | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
        ]})
        for sort in ("absent", "c3", "d")  # the first and last are refused
    ),
    ("delete_item", {"TableName": TABLE, "Key": key("c4"), "ReturnValues": "ALL_OLD"}),
    ("delete_item", {"TableName": TABLE, "Key": key("c4"), "ConditionExpression": "attribute_exists(p)"}),  # refused
    *(
        ("put_item", {"TableName": TABLE, "Item": key(f"e{n}") | {DUE: {"S": f"day{n % 2}"}} | at})
        for n, at in enumerate([{DUE_AT: {"N": str(30 - n)}} for n in range(6)] + [{}])
    ),
    *(
        ("query", BY_DUE | {"ExpressionAttributeValues": {":due": {"S": due}, ":at": {"N": "29"}}} | rest)
        for due in ("day0", "day1", "day2")
        for rest in ({}, {"Limit": 1}, {"ScanIndexForward": False})
    ),
    ("scan", {"TableName": TABLE}),
    ("describe_table", {"TableName": "no-such-table"}),  # refused, and no call of rows
]  # fmt: skip


def answers(*, whole_way: bool = False) -> list[Any]:
    with moto_dynamodb(whole_way=whole_way) as (client, _):
        return [answer(client, method, arguments) for method, arguments in CALLS]


def answer(client: Any, method: str, arguments: dict[str, Any]) -> Any:
    try:
        given = getattr(client, method)(**arguments)
    except ClientError as refused:
        given = refused.response | {"raised": type(refused).__name__, "by": refused.operation_name}
    return {name: value for name, value in given.items() if name != "ResponseMetadata"}


def test_each_call_is_answered_as_moto_answers_it_over_http() -> None:
    with quick_moto.as_shipped():
        expected = answers(whole_way=True)
    for call, directly, over_http in zip(CALLS, answers(), expected, strict=True):
        assert directly == over_http, call


def test_arguments_are_validated_as_botocore_validates_them() -> None:
    with moto_dynamodb() as (client, _):
        with pytest.raises(ParamValidationError, match=r"Invalid type for parameter Key\.p\.S"):
            client.get_item(TableName=TABLE, Key={"p": {"S": 1}, "s": {"S": "b"}})
        with pytest.raises(ParamValidationError, match='Unknown parameter in input: "Consistent"'):
            client.get_item(TableName=TABLE, Key=key(), Consistent=True)  # type: ignore[call-arg]


def test_who_changes_arguments_or_an_answer_changes_no_row() -> None:
    with moto_dynamodb() as (client, _):
        row: dict[str, Any] = key() | {"list": {"L": [{"S": "kept"}]}}
        client.put_item(TableName=TABLE, Item=row)
        row["list"]["L"].append({"S": "added"})
        client.get_item(TableName=TABLE, Key=key())["Item"]["list"]["L"].clear()  # type: ignore[attr-defined]
        assert client.get_item(TableName=TABLE, Key=key())["Item"]["list"] == {"L": [{"S": "kept"}]}


def test_threads_that_use_one_condition_with_values_of_their_own_do_not_mix_them() -> None:
    with moto_dynamodb() as (client, _):
        client.put_item(TableName=TABLE, Item=key() | {"name": {"S": "0"}})
        wrong = []

        def try_value(value: str) -> None:
            for _ in range(50):
                try:
                    client.update_item(
                        TableName=TABLE,
                        Key=key(),
                        UpdateExpression="SET seen = :was",
                        ExpressionAttributeValues={":was": {"S": value}},
                        **IS_ASHA,  # type: ignore[arg-type]
                    )
                    passed = True
                except client.exceptions.ConditionalCheckFailedException:
                    passed = False
                wrong.extend([value] if passed != (value == "0") else [])

        threads = [threading.Thread(target=try_value, args=(str(n),)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
