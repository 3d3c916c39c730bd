"""The app API answers as its specification says, whatever it is sent: every call, with data that fits and with other.

Each request is signed as an app signs it, over the bytes that go out, so that bad input gets past the token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
from tests.support.raw_app import RawApp, create_app, operate
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
EXAMPLES = 20

PHONES = ["+919876543210", *(new_phone() for _ in range(20)), "+990000000001", "not a phone"]
OTP, MESSAGE = "A" * 22, "00000000-0000-7000-8000-000000000000"
"""Stand for an OTP and a message that there are."""


def document() -> dict[str, object]:
    """The specification, with values that lead further than random ones: some exist and some do not."""
    made = app_openapi()
    fields = made["components"]["schemas"]
    fields["Recipient"] |= {"properties": {"phone": {"enum": PHONES}}, "required": ["phone"]}
    for name in ("NewOtp", "NewMessage", "PreviewTemplate"):
        known: dict[str, dict[str, object]] = {
            "template": {"enum": ["login", "login", "no-such-template", *([] if name == "NewOtp" else ["ready"])]},
            "version": {"enum": [1, 1, 2]},
            "variables": {"enum": [{"service": "passports"}, {"file": "1"}, {}]},
        }
        fields[name]["properties"] |= {field: known[field] for field in known.keys() & fields[name]["properties"]}
    for path, _, operation in operations_of(made):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                there = {"otps": OTP, "messages": MESSAGE, "templates": "login"}[path.split("/")[2]]
                parameter["schema"] = {"anyOf": [{"const": there}, parameter["schema"]]}
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
    """Signs what is about to be sent: method, path and query, body and Idempotency-Key as they are on the wire."""

    app: RawApp

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        base = urlsplit(self.app.deployed.stack.http_url).path
        body = request.body or b""
        key = request.headers.get("Idempotency-Key")
        token = self.app.token(
            str(request.method),
            request.path_url.removeprefix(base),
            body if isinstance(body, bytes) else body.encode(),
            key.decode("latin-1") if isinstance(key, bytes) else key,
        )
        request.headers["Authorization"] = f"Bearer {token}"
        return request


@dataclass
class World:
    """`succeeded`: the calls that were let through at least once."""

    app: RawApp
    otp: str
    message: str
    succeeded: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
async def world(deployment: Deployed) -> World:
    app = create_app(deployment)
    operate(deployment, "template.put", app=app.app, name="ready", kind="message", texts={"en": "{{ file }} is ready"})
    login = {"to": {"phone": new_phone()}, "template": "login", "variables": {"service": "passports"}}
    otp = await app.call("POST", "/v1/otps", login)
    device = await register(deployment)
    message = await app.call("POST", "/v1/messages", {"to": {"phone": device.phone}, "body": "hello"})
    return World(app, otp.json()["id"], message.json()["id"])


@schema.parametrize()
def test_every_answer_is_one_that_the_specification_lists(case: schemathesis.Case, world: World) -> None:
    known = {OTP: world.otp, MESSAGE: world.message}
    if isinstance(case.path_parameters, dict):
        case.path_parameters = {
            name: known.get(value, value) if isinstance(value, str) else value
            for name, value in case.path_parameters.items()
        }
    response = case.call_and_validate(
        base_url=world.app.deployed.stack.http_url, auth=Signed(world.app), checks=CHECKS, timeout=30
    )
    if response.status_code < 300:
        world.succeeded.add(case.operation.label)


def test_none_of_these_calls_was_only_refused(world: World) -> None:
    assert world.succeeded == {f"{method.upper()} {path}" for path, method, _ in operations_of(app_openapi())}
