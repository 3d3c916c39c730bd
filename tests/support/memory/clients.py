"""Provides clients of AWS, as the functions use them, on services in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session

from sandes.edge import clients
from tests.support.memory.dynamodb import Dynamo, Refused

Call = Callable[[str, dict[str, Any]], dict[str, Any]]

OPERATIONS = {
    "dynamodb": (
        "PutItem",
        "GetItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "BatchWriteItem",
        "TransactWriteItems",
    ),
    "sqs": ("SendMessage", "SendMessageBatch", "GetQueueAttributes"),
    "apigatewaymanagementapi": ("PostToConnection", "DeleteConnection", "GetConnection"),
    "secretsmanager": ("GetSecretValue",),
    "sns": ("Publish",),
}


@cache
def error_class(code: str) -> type[ClientError]:
    """Make the exception that a client of botocore has for an error's code."""
    return type(code, (ClientError,), {})


class Exceptions:
    """Is `client.exceptions`, with a class for each code."""

    def __getattr__(self, code: str) -> type[ClientError]:
        return error_class(code)


@dataclass
class Paginator:
    """Reads page after page, as botocore's paginators do."""

    read: Callable[..., Any]

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        start: dict[str, Any] = {}
        while True:
            page = self.read(**arguments, **start)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class MemoryClient:
    """Passes calls of one service to `call` by the names of AWS, and raises what botocore raises."""

    exceptions = Exceptions()

    def __init__(self, service: str, call: Call) -> None:
        self.call = call
        self._operations = {xform_name(operation): operation for operation in OPERATIONS[service]}

    def __getattr__(self, name: str) -> Any:
        try:
            operation = self._operations[name]
        except KeyError:
            raise AttributeError(name) from None

        def make(**arguments: Any) -> Any:
            try:
                return self.call(operation, arguments)
            except Refused as refused:
                raise raised(refused, operation) from None

        return make

    def get_paginator(self, name: str) -> Paginator:
        return Paginator(getattr(self, name))


def raised(refused: Refused, operation: str) -> ClientError:
    """Make botocore's exception of a refusal."""
    answer: Any = {"Error": {"Code": refused.code, "Message": refused.message}, **refused.beside}
    return error_class(refused.code)(answer, operation)


_session = cache(get_session)
"""Serves all tests: a session reads the endpoints and models of AWS once."""


@dataclass(frozen=True)
class MemorySession:
    """Makes clients as botocore's session does. The clients of the services in memory are the ones given."""

    clients: Mapping[str, Any]

    def create_client(self, service: str, **settings: Any) -> Any:
        return self.clients[service] if service in self.clients else _session().create_client(service, **settings)


@contextmanager
def functions_use(**in_memory: Any) -> Iterator[None]:
    """Let edge/clients.py give functions these clients, by service. Other services stay botocore's, for moto."""
    session = MemorySession(in_memory)
    with patch.object(clients, "_session", lambda: session), patch.object(clients, "lighten", lambda made: made):
        yield


def dynamodb_client(database: Dynamo) -> Any:
    """Make a client of a database that answers at once and never fails by itself."""
    return MemoryClient("dynamodb", database.perform)
