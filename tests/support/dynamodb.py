"""DynamoDB in process (moto), with the production tables, and a client that fails on demand.

moto checks a condition and writes in two steps of Python, so two threads could both pass the check. DynamoDB never
lets that happen: here each single call is made under a lock, and everything between two calls still interleaves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

from sandes.store import schema
from tests.support import quick_moto
from tests.support.direct_moto import directly

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

quick_moto.install()


@contextmanager
def moto_dynamodb(*, streams: bool = False, whole_way: bool = False) -> Iterator[tuple[DynamoDBClient, dict[str, str]]]:
    """A client and the names of the tables by their names in the schema.

    `streams`: with those of the schema, which moto copies with its table in each transaction.
    `whole_way`: calls pass through all of botocore, as HTTP that moto intercepts, which takes several times as long.
    """
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        _one_call_at_a_time(client, whole_way=whole_way)
        yield client, create_tables(client, streams=streams)


def create_tables(client: DynamoDBClient, *, streams: bool = False) -> dict[str, str]:
    """Make every table of the production schema; returns table names by schema name."""
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
            **(_stream(table) if streams else {}),
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


def _stream(table: schema.Table) -> dict[str, Any]:
    if table.stream is None:
        return {}
    return {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": table.stream}}


def _one_call_at_a_time(client: Any, *, whole_way: bool = False) -> None:
    lock = threading.Lock()
    by_http = partial(type(client)._make_api_call, client)  # not what an earlier test may have put in its place
    call = by_http if whole_way else directly(client, by_http)

    def locked(operation: str, arguments: dict[str, Any]) -> Any:
        with lock:
            return quick_moto.with_room(call, operation, arguments)

    client._make_api_call = locked


def throttled(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}, operation)


@dataclass
class FlakyClient:
    """Passes calls on to `client`, except for the next `failures[method]` ones.

    A failing batch leaves all but its first entry unprocessed, as DynamoDB may; a failing transaction is cancelled by
    a conflict; anything else is throttled.
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
    """Lets `other` run just before the first call of `method`: what was read before it is out of date by then."""

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
    """Answers batches that do not ask for a consistent read of `table` with the rows that it has now, for ever."""

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
    """Passes calls on and writes down what each costs: the operation, and the tables with how many keys of each."""

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
