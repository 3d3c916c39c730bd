"""Provides DynamoDB in process with the production tables, and clients that fail, count or are overtaken on
demand.

Tests use the database of tests/support/memory. The contracts of the stores hold it to moto and to the local engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from sandes.store import schema
from tests.support.memory.clients import dynamodb_client
from tests.support.memory.dynamodb import Dynamo

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def memory_dynamodb(
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> tuple[DynamoDBClient, dict[str, str], Dynamo]:
    """Make a database in memory. Return a client, the names of the tables by their names in the schema, and itself."""
    database = Dynamo(now_ms)
    client: DynamoDBClient = dynamodb_client(database)
    return client, {name: name for name in database.tables}, database


@contextmanager
def moto_dynamodb() -> Iterator[tuple[DynamoDBClient, dict[str, str]]]:
    """Make a client of moto, and the names of the tables by their names in the schema.

    Only the contracts of the stores use it: it is another implementation of DynamoDB, and ten times as slow.
    """
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        _one_call_at_a_time(client)
        yield client, create_tables(client)


def create_tables(client: DynamoDBClient) -> dict[str, str]:
    """Make every table of the production schema. Return table names by schema name."""
    names = {}
    for table in schema.TABLES:
        keys = [(table.partition, "HASH")] + ([(table.sort, "RANGE")] if table.sort else [])
        attributes = {key.name: key.type for key, _ in keys}
        attributes |= {key.name: key.type for index in table.indexes for key in (index.partition, index.sort)}
        client.create_table(
            TableName=table.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": type} for name, type in attributes.items()],
            KeySchema=[{"AttributeName": key.name, "KeyType": kind} for key, kind in keys],  # type: ignore[typeddict-item]
            **_indexes(table.indexes),
        )
        names[table.name] = table.name
    return names


def _indexes(indexes: tuple[schema.Index, ...]) -> dict[str, Any]:
    if not indexes:
        return {}
    made = []
    for index in indexes:
        keys = ((index.partition, "HASH"), (index.sort, "RANGE"))
        schemas = [{"AttributeName": key.name, "KeyType": kind} for key, kind in keys]
        made.append({"IndexName": index.name, "KeySchema": schemas, "Projection": {"ProjectionType": "ALL"}})
    return {"GlobalSecondaryIndexes": made}


def _one_call_at_a_time(client: Any) -> None:
    """Serialise calls, because moto checks a condition and writes in two steps of Python, between which another thread
    could write.
    """
    lock = threading.Lock()
    call = partial(type(client)._make_api_call, client)

    def locked(operation: str, arguments: dict[str, Any]) -> Any:
        with lock:
            return call(operation, arguments)

    client._make_api_call = locked


def throttled(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}, operation)


@dataclass
class FlakyClient:
    """Passes calls on to `client`, except for the next `failures[method]` ones.

    A failing batch leaves all entries except its first one unprocessed, as DynamoDB may. A failing transaction is
    cancelled by a conflict. Any other call is throttled.
    """

    client: Any
    failures: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not callable(method) or name == "exceptions":
            return method

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            if self.failures.get(name, 0) <= 0:
                return method(**arguments)
            self.failures[name] -= 1
            return self._fail(name, arguments)

        return call

    def _fail(self, name: str, arguments: dict[str, Any]) -> Any:
        if name == "batch_write_item":
            ((table, requests),) = arguments["RequestItems"].items()
            self.client.batch_write_item(RequestItems={table: requests[:1]})
            return {"UnprocessedItems": {table: requests[1:]} if requests[1:] else {}}
        if name == "batch_get_item":
            (first, *left) = arguments["RequestItems"].items()
            answer = self.client.batch_get_item(RequestItems=dict([first]))
            return {"Responses": answer["Responses"], "UnprocessedKeys": dict(left)}
        if name == "transact_write_items":
            raise self.client.exceptions.TransactionCanceledException(
                {
                    "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
                    "CancellationReasons": [{"Code": "TransactionConflict"}],
                },
                "TransactWriteItems",
            )
        raise throttled(name)


@dataclass
class OvertakenClient:
    """Runs `other` just before the first call of `method`, so that everything read before is outdated."""

    client: Any
    method: str
    other: Callable[[], Any]
    overtaken: bool = False

    def __getattr__(self, name: str) -> Any:
        if name == self.method and not self.overtaken:
            self.overtaken = True
            self.other()
        return getattr(self.client, name)


class StaleClient:
    """Answers batches that do not ask for a consistent read of `table` with its rows at this moment, from now on."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table
        self._rows = client.scan(TableName=table)["Items"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        answer = self._client.batch_get_item(RequestItems=RequestItems)
        asked = RequestItems.get(self._table, {"ConsistentRead": True})
        if not asked.get("ConsistentRead"):
            keys = [key.items() for key in asked["Keys"]]
            answer["Responses"][self._table] = [row for row in self._rows if any(k <= row.items() for k in keys)]
        return answer


@dataclass
class CountingClient:
    """Passes calls on and records the cost of each: the operation, and the tables with the number of keys of each."""

    client: Any
    calls: list[tuple[str, tuple[tuple[str, int], ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if not callable(method) or name == "exceptions":
            return method

        def call(**arguments: Any) -> Any:
            if name == "batch_get_item":
                tables = tuple(
                    sorted((table, len(asked["Keys"])) for table, asked in arguments["RequestItems"].items())
                )
            else:
                tables = ((arguments["TableName"], 1),)
            self.calls.append((name, tables))
            return method(**arguments)

        return call
