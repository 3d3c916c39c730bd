"""The app API answers as its specification says, whatever it is sent: every call, with data that fits and with other.

Each request is signed as an app signs it, over the bytes that go out, so that bad input gets past the token.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app
from tests.support.raw_device import new_phone, register
from tools.specs.https import app_openapi, operations_of

pytestmark = pytest.mark.engine

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    ignored_auth,
]
EXAMPLES = 12

PHONES = ["+919876543210", *(new_phone() for _ in range(20)), "+990000000001", "not a phone"]
OTP, MESSAGE, WEBHOOK, BATCH = "A" * 22, "00000000-0000-7000-8000-000000000000", "B" * 22, "C" * 22
GROUP, MEMBER = "g" * 12 + "a", "m" * 12 + "a"
"""Placeholders for an existing OTP, message, webhook, batch, group and member."""

KNOWN = (OTP, MESSAGE, WEBHOOK, BATCH, GROUP, MEMBER)
THERE = {"otps": OTP, "messages": MESSAGE, "templates": "login", "webhooks": WEBHOOK, "batches": BATCH}
THERE |= {"app-groups": GROUP}
NEEDED = {WEBHOOK, BATCH, GROUP}
"""The things that other calls need. They are not deleted."""

ONLY_REFUSED = {
    "POST /v1/otps/{id}/resends": "for 30 seconds",
    "POST /v1/batches/{id}/commit": "no file has been put there",
    "DELETE /v1/batches/{id}": "the others need it",
    "DELETE /v1/webhooks/{id}": "likewise",
    "DELETE /v1/app-groups/{id}": "likewise",
    "POST /v1/webhooks/{id}/test": "the webhook is paused: nothing is to leave this machine",
    "POST /v1/webhooks/{id}/deliveries/{event}/redeliver": "likewise",
}


def document() -> dict[str, Any]:
    """Return the specification, with values that lead further than random ones: most of them exist."""
    made = app_openapi()
    fields = made["components"]["schemas"]
    for recipient in ("Recipient", "MessageRecipient"):
        fields[recipient] |= {"properties": {"phone": {"enum": PHONES}}, "required": ["phone"]}
    fields["RosterRow"]["properties"] = {"phone": {"enum": PHONES}, "role": {"const": "member"}}
    known: dict[str, dict[str, Any]] = {
        "template": {"const": "login"},
        "version": {"const": 1},
        "variables": {"const": {"service": "passports"}},
        "client_ref": {"enum": ["a-1", "b/2", None]},
        "url": {"enum": ["https://1.1.1.1/hook", "https://127.0.0.1/hook", "http://1.1.1.1/hook"]},
        "events": {"const": ["batch.completed"]},
        "paused": {"const": True},
    }
    for name in ("NewOtp", "NewMessage", "PreviewTemplate", "NewWebhook", "ChangeWebhook"):
        properties = fields[name]["properties"]
        properties |= {field: known[field] for field in known.keys() & properties}
    fields["NewOtp"]["required"] += ["variables"]
    fields["PreviewTemplate"]["required"] = ["variables"]
    for content, needed in (("NewMessage", "to"), ("NewBatch", "upload")):
        for name in ("template", "version", "variables", "expires_at", "rows"):  # either these or others
            fields[content]["properties"].pop(name, None)
        fields[content]["properties"] |= {"body": {"enum": ["hello", "नमस्ते", "two\nlines"]}}
        fields[content]["required"] = [needed, "body"]
    fields["NewBatch"]["properties"]["upload"] = {"enum": ["csv", "ndjson"]}
    for path, method, operation in operations_of(made):
        for parameter in operation.get("parameters", []):
            there = THERE.get(path.split("/")[2])
            deletes = method == "delete" and path.endswith("{id}")
            if there and parameter.get("name") == "id" and not (there in NEEDED and deletes):
                parameter["schema"] = {"anyOf": [{"const": there}, parameter["schema"]]}
            if parameter.get("name") == "account":
                parameter["schema"] = {"anyOf": [{"const": MEMBER}, parameter["schema"]]}
            if parameter.get("name") == "If-Match":
                parameter["schema"] = {"enum": ["*", '"1"', '"999"', "7", None]}
    return made


schema = schemathesis.openapi.from_dict(
    document(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "with-security-parameters": False,
                "no-shrink": True,
            },
            "phases": {
                "coverage": {"unexpected-methods": [], "generate-duplicate-query-parameters": True},
                "stateful": {"enabled": False},
            },
        }
    ),
)


@dataclass
class Signed(requests.auth.AuthBase):
    """Signs a request just before it is sent: method, path and query, body and Idempotency-Key as they are on
    the wire.
    """

    app: RawApp

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        base = urlsplit(self.app.deployed.stack.http_url).path
        body = request.body or b""
        key = request.headers.get("Idempotency-Key")
        match = request.headers.get("If-Match")
        token = self.app.token(
            str(request.method),
            request.path_url.removeprefix(base),
            body if isinstance(body, bytes) else str(body).encode(),
            key.decode("latin-1") if isinstance(key, bytes) else key,
            match.decode("latin-1") if isinstance(match, bytes) else match,
        )
        request.headers["Authorization"] = f"Bearer {token}"
        return request


@dataclass
class World:
    """Holds the placeholders and counts the answers. `known` holds the values of the placeholders. `answers` counts the
    statuses of each call.
    """

    app: RawApp
    known: dict[str, str]
    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


@pytest.fixture(scope="module")
async def world(deployment: Deployed) -> World:
    app, device = create_app(deployment), await register(deployment)
    login = {"to": {"phone": new_phone()}, "template": "login", "variables": {"service": "passports"}}
    otp = await app.call("POST", "/v1/otps", login)
    message = await app.call("POST", "/v1/messages", {"to": {"phone": device.phone}, "body": "hello"})
    hook = await app.call("POST", "/v1/webhooks", {"url": "https://1.1.1.1/hook", "events": ["batch.completed"]})
    paused = await app.call("PATCH", f"/v1/webhooks/{hook.json()['id']}", {"paused": True})
    assert paused.status_code == 200, paused.text
    batch = await app.call("POST", "/v1/batches", {"upload": "csv", "body": "hello"})
    group = await app.call("POST", "/v1/app-groups", {"name": "Relief", "audience": "citizens"})
    ids = (answer.json()["id"] for answer in (otp, message, hook, batch, group))
    return World(app, dict(zip(KNOWN, (*ids, device.account), strict=True)))


@schema.parametrize()
def test_every_answer_is_one_that_the_specification_lists(case: schemathesis.Case, world: World) -> None:  # type: ignore[type-arg]
    if isinstance(case.path_parameters, dict):
        case.path_parameters = {
            name: world.known.get(value, value) if isinstance(value, str) else value
            for name, value in case.path_parameters.items()
        }
    response = case.call_and_validate(
        base_url=world.app.deployed.stack.http_url, auth=Signed(world.app), checks=CHECKS, timeout=30
    )
    world.answers[case.operation.label][response.status_code] += 1


def test_none_of_these_calls_was_only_refused(world: World) -> None:
    every = {f"{method.upper()} {path}" for path, method, _ in operations_of(app_openapi())}
    assert every == world.answers.keys()
    refused = {call for call, statuses in world.answers.items() if min(statuses) >= HTTPStatus.BAD_REQUEST}
    assert refused <= ONLY_REFUSED.keys(), {call: world.answers[call] for call in refused}
