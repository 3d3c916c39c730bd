"""Serves the admin API in this process: its real handlers on a database in memory, called over HTTP with a `token`.

This module also replaces API Gateway: it accepts tokens that name an administrator, and passes their claims on.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
from moto import mock_aws

from functions.admin_people import handler as admin_people
from sandes import runtime
from sandes.administration.sign_in import GROUP
from sandes.edge import settings
from sandes.model.app import App
from sandes.model.ids import AdministratorId, administrator_text, parse_app
from tests.support.admin_api import function_of
from tests.support.administration import Administration
from tests.support.log import caught_log
from tests.support.memory.clients import functions_use
from tests.support.memory.services import QUEUE_URL, REGION, SECRET_ARN, MemoryQueues, s3_client, secrets_client
from tests.support.pool import MemoryMailer
from tests.support.service import AUDIENCE, Service

URL = "https://admin.test/stage"
FUNCTIONS = (settings.AdminFunctionSettings, settings.AdminPeopleSettings, settings.AdminAppsSettings)
SECRETS = {"pepper_secret": "p", "attestation_secret": "a", "audit_secret": "k"}
"""Each secret is its letter, 32 times, as in Service and Administration."""


def token(administrator: AdministratorId, *, signed_in_at: int | None = None) -> str:
    """Return a token of an administrator who signed in just now, or at `signed_in_at` (epoch seconds)."""
    at = int(time.time()) if signed_in_at is None else signed_in_at
    claims = {"sub": administrator_text(administrator), "auth_time": str(at)}
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()


@dataclass
class AdminService:
    """Answers calls. `requests` records each call with the status of its answer."""

    service: Service
    administration: Administration
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.http)

    def app(self, id: str) -> App:
        """Return the app from the register."""
        found = self.service.app_view().apps.read(parse_app(id))
        assert found is not None
        return found

    def work_on_imports(self) -> None:
        """Process all entries in the queue of imports."""
        url = QUEUE_URL + "import"
        while records := self.queues.take(url):
            context: Any = SimpleNamespace(aws_request_id="work-1")
            with redirect_stdout(io.StringIO()):
                left = admin_people.imports({"Records": records}, context)
            assert not left["batchItemFailures"], left

    def put_file(self, key: str, content: bytes) -> None:
        """Put a file at the address in the form of an upload."""
        s3_client().put_object(Bucket="test-uploads", Key=key, Body=content)

    def http(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/stage")
        with redirect_stdout(io.StringIO()):  # metrics
            answer = function_of(request.method, path).handler(
                _event(request, path), SimpleNamespace(aws_request_id="request-1")
            )
        self.requests.append((request.method, path, answer["statusCode"]))
        body = answer.get("body") or ""
        headers = dict(answer.get("headers") or {})
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            headers[name] = ", ".join(values)
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        return httpx.Response(answer["statusCode"], headers=headers, content=content)


def _event(request: httpx.Request, path: str) -> dict[str, Any]:
    """Build the event that API Gateway sends (payload format 2.0) after it has checked the token."""
    bearer = request.headers["Authorization"].removeprefix("Bearer ")
    claims = json.loads(base64.urlsafe_b64decode(bearer))
    claims |= {"token_use": "access", "cognito:groups": f"[{GROUP}]"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.url.query.decode(),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "queryStringParameters": dict(request.url.params) or None,
        "requestContext": {
            "http": {"method": request.method, "path": path, "sourceIp": "203.0.113.7", "protocol": "HTTP/1.1"},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": claims, "scopes": None}},
        },
        "body": request.content.decode() or None,
        "isBase64Encoded": False,
    }


@contextmanager
def admin_service(client: Any, tables: dict[str, str], patch: pytest.MonkeyPatch) -> Iterator[AdminService]:
    """Serve the API from the given tables on the real clock. Make the secrets, queues and buckets of its functions."""
    queues, secrets = MemoryQueues(), secrets_client({name: SECRETS.get(name, "x") * 32 for name in _SECRETS})
    with mock_aws(), functions_use(dynamodb=client, sqs=queues.client, secretsmanager=secrets):
        yield from _serve(client, tables, queues, patch)


def _serve(
    client: Any, tables: dict[str, str], queues: MemoryQueues, patch: pytest.MonkeyPatch
) -> Iterator[AdminService]:
    for name, value in _environment(tables).items():
        patch.setenv(name.upper(), value)
    patch.setenv("AWS_DEFAULT_REGION", REGION)
    runtime.forget()
    service = Service(client, tables, now_ms=time.time_ns() // 1_000_000)
    for module in _wirings():
        if hasattr(module, "administrator_pool"):
            patch.setattr(module, "administrator_pool", lambda: service.pool)
        if hasattr(module, "mailer"):
            patch.setattr(module, "mailer", MemoryMailer)
    try:
        with caught_log():  # keeps log lines out of the output of a command
            yield AdminService(service, Administration(service), queues)
    finally:
        runtime.forget()


def _environment(tables: dict[str, str]) -> dict[str, str]:
    told = {"stage": "test", "token_audience": AUDIENCE, "webhook_networks": ""}
    told |= {"federation_provider": "", "audit_former_keys": "", "mail_from": "sandes@example.gov.in"}
    for name in _FIELDS - told.keys():
        word, _, kind = name.rpartition("_")
        match kind:
            case "table":
                told[name] = tables[word]
            case "secret":
                told[name] = SECRET_ARN + name
            case "queue":
                told[name] = QUEUE_URL + word
            case "bucket":
                told[name] = f"test-{word}"
                s3_client().create_bucket(Bucket=told[name])
            case "apigatewaymanagementapi":
                told[name] = "https://gateway.test"
            case "pool":
                told[name] = f"test-{word}"
            case _:
                raise AssertionError(f"no value is known for the variable {name} of the functions of the admin API")
    return told


_FIELDS = {name for one in FUNCTIONS for name in one.model_fields}
_SECRETS = {name for name in _FIELDS if name.endswith("_secret")}


def _wirings() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if re.fullmatch(r"sandes\.edge\.wiring\.\w+", name)]
