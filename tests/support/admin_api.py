"""Calls the functions of the admin API in process: real handlers, wired as in a deployment, on a database in memory."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from moto import mock_aws

from functions.admin import handler as admin
from functions.admin_apps import handler as admin_apps
from functions.admin_people import handler as admin_people
from sandes import runtime
from sandes.edge.wiring import administration
from sandes.model.administrator import Caller
from sandes.model.ids import administrator_text
from sandes.store import schema
from tests.support.dynamodb import memory_dynamodb
from tests.support.memory.clients import MemoryClient, functions_use
from tests.support.memory.dynamodb import Dynamo
from tests.support.memory.services import QUEUE_URL, REGION, SECRET_ARN, MemoryQueues, s3_client, secrets_client
from tests.support.pool import MemoryMailer, MemoryPool
from tools.specs.routes import routes_of

FUNCTIONS: tuple[ModuleType, ...] = (admin, admin_people, admin_apps)
SECRETS = ("pepper", "sender", "attestation", "audit", "webhook")
QUEUES = ("group", "roster", "webhook", "import", "fanout")


@dataclass(frozen=True)
class Context:
    """Holds the data of an invocation that Lambda gives to a function."""

    aws_request_id: str = "request"
    function_name: str = "admin"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:admin"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """Return the error code of a refusal."""
        return str(self.body["code"])

    @property
    def etag(self) -> str:
        return self.headers["ETag"]


@dataclass
class AdminApi:
    """Calls the function that has the route. `pool` replaces Cognito, which moto cannot simulate without more packages,
    and `mailer` replaces SES.
    """

    client: Any
    tables: dict[str, str]
    pool: MemoryPool
    mailer: MemoryMailer
    database: Dynamo
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    touched: set[tuple[str, str]] = field(default_factory=set)
    """The writes that functions have requested: tables, and values of their partition key as JSON."""
    calls: int = 0
    """The number of calls of DynamoDB that functions have made."""

    def __call__(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        if_match: str | None = None,
        signed_in_at: int | None = None,
    ) -> Answer:
        """Call a `path` below /admin/v1. The caller has just signed in, unless `signed_in_at` is given."""
        event = self.event(caller, method, path, body, query=query, if_match=if_match, signed_in_at=signed_in_at)
        answer = function_of(method, f"/admin/v1{path}").handler(event, Context())
        text = answer.get("body") or ""
        headers = answer.get("headers", {}) | {
            name: values[-1] for name, values in answer.get("multiValueHeaders", {}).items()
        }
        is_json = headers.get("Content-Type", "").partition(";")[0] in {"application/json", "application/problem+json"}
        return Answer(answer["statusCode"], json.loads(text) if text and is_json else text or None, headers)

    def event(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        if_match: str | None = None,
        signed_in_at: int | None = None,
    ) -> dict[str, Any]:
        """Build the event that API Gateway sends after it has checked the token."""
        headers = {"content-type": "application/json"} | ({"if-match": if_match} if if_match else {})
        claims = {
            "sub": administrator_text(caller.id),
            "token_use": "access",
            "cognito:groups": "[administrators]",
            "auth_time": str(int(time.time()) if signed_in_at is None else signed_in_at),
        }
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": f"/admin/v1{path}",
            "rawQueryString": urlencode(query or {}),
            "queryStringParameters": dict(query or {}),
            "headers": headers,
            "requestContext": {
                "http": {"method": method, "path": f"/admin/v1{path}", "sourceIp": "192.0.2.1"},
                "stage": "$default",
                "authorizer": {"jwt": {"claims": claims, "scopes": None}},
            },
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }


@cache
def function_of(method: str, path: str) -> ModuleType:
    """Return the function that has a route for the call."""
    for function in FUNCTIONS:
        resolver = function.app
        for route in routes_of(resolver):
            if method in route.method and route.rule.match(path):
                return function
    raise LookupError(f"no function of the admin API has the route {method} {path}")


@contextmanager
def admin_api() -> Iterator[AdminApi]:
    """Yield the API on tables of its own. Caches of functions are emptied before and after."""
    with mock_aws(), patch.dict(os.environ, _CREDENTIALS):
        client, tables, database = memory_dynamodb()
        with patch.dict(os.environ, _settings(tables)), ExitStack() as patches:
            pool, mailer = MemoryPool(), MemoryMailer()
            for module in wirings():
                if hasattr(module, "administrator_pool"):
                    patches.enter_context(patch.object(module, "administrator_pool", lambda: pool))
                if hasattr(module, "mailer"):
                    patches.enter_context(patch.object(module, "mailer", lambda: mailer))
            runtime.forget()
            api = AdminApi(client, tables, pool, mailer, database)
            secrets = secrets_client({name: name[0] * 32 for name in SECRETS})
            watched = _watching_writes(api)
            patches.enter_context(functions_use(dynamodb=watched, sqs=api.queues.client, secretsmanager=secrets))
            yield api
            runtime.forget()


_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


def _settings(tables: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of all functions together, as infra/ makes them."""
    settings = {f"{name.upper()}_TABLE": table for name, table in tables.items()}
    settings |= {f"{name.upper()}_SECRET": SECRET_ARN + name for name in SECRETS}
    settings |= {f"{name.upper()}_QUEUE": QUEUE_URL + name for name in QUEUES}
    s3_client().create_bucket(Bucket="uploads")
    return settings | {
        "STAGE": "test",
        "ADMINISTRATOR_POOL": "pool",
        "FEDERATION_PROVIDER": "",
        "MAIL_FROM": "sandes@example.gov.in",
        "UPLOADS_BUCKET": "uploads",
        "WEBHOOK_NETWORKS": "127.0.0.0/8",
        "HEADS_BUCKET": "uploads",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:9",
        "TOKEN_AUDIENCE": "sandes:test",
        "AWS_REGION": REGION,
    }


PARTITIONS = {table.name: table.partition.name for table in schema.TABLES}


def base64_text(data: bytes) -> str:
    """Encode bytes as JSON does."""
    return base64.b64encode(data).decode()


def _watching_writes(api: AdminApi) -> Any:
    def watched(operation: str, arguments: dict[str, Any]) -> Any:
        api.calls += 1
        for table, row in _written(arguments):
            api.touched.add((table, json.dumps(row[PARTITIONS[table]], default=base64_text)))
        return api.database.perform(operation, arguments)

    return MemoryClient("dynamodb", watched)


def _written(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the table, and the row or its key, of each write that a call of DynamoDB requests."""
    for operation in ({"One": arguments}, *arguments.get("TransactItems", ())):
        for kind, one in operation.items():
            row = one.get("Item") or one.get("Key")
            if row and kind != "ConditionCheck":
                yield one["TableName"], row
    for table, requests in arguments.get("RequestItems", {}).items():
        for one in requests if isinstance(requests, list) else ():
            yield table, one["PutRequest"]["Item"] if "PutRequest" in one else one["DeleteRequest"]["Key"]


def forget_what_was_written() -> None:
    """Forget the ends of audit chains, after the tables were put back to an earlier state."""
    administration.recorder()._heads.clear()


def wirings() -> list[ModuleType]:
    """Return the modules that keep dependencies for the lifetime of a function."""
    return [module for name, module in sys.modules.items() if name.startswith("sandes.edge.wiring.")]
