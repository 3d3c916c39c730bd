from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandes.edge.http import http_handler, resolver, route_of
from sandes.protocol.app_api import NewOtp

SPECIFICATION = Path(__file__).parents[3] / "docs" / "protocol" / "client-openapi.json"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/v1/me", "/v1/me"),
        ("/v1/registrations/z7KItFtAxnb1mvK8Dttyfw/verification", "/v1/registrations/{}/verification"),
        ("/v1/accounts/+919876543210", "/v1/accounts/{}"),
        ("/admin.php", "/{}"),
    ],
)
def test_the_log_line_names_the_route_and_hides_ids(path: str, logged: str) -> None:
    assert route_of(path) == logged


def test_every_route_of_the_api_can_be_told_from_its_log_line() -> None:
    paths = json.loads(SPECIFICATION.read_text())["paths"]
    assert len(paths) > 5
    for path in paths:
        assert route_of(path) == re.sub(r"\{[^}]*\}", "{}", path)


def answered(body: str, *, base64: bool = False) -> tuple[int, str]:
    """Status and code of what a resolver with one route says to a body."""
    app = resolver()

    @app.post("/v1/otps")
    def create(body: NewOtp) -> dict[str, str]:
        return {"template": body.template}

    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": "/v1/otps",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/v1/otps", "sourceIp": "203.0.113.7"},
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": base64,
    }
    context: Any = SimpleNamespace(aws_request_id="request")
    answer = http_handler(app)(event, context)
    return answer["statusCode"], json.loads(answer["body"]).get("code")


@pytest.mark.parametrize(
    "text",
    ["{nope", "[" * 20_000, '{"length": ' + "1" * 5_000 + "}", '{"a":' * 20_000, '{"a": 1} x', "{'a': 1}"],
    ids=lambda text: str(text)[:12],
)
def test_a_body_that_python_cannot_read_is_the_callers_fault(text: str) -> None:
    assert answered(text) == (400, "malformed_json")


def test_a_body_that_is_no_utf8_is_the_callers_fault() -> None:
    assert answered(b64encode(b"\xff\xfe").decode(), base64=True) == (400, "malformed_json")


def test_a_body_that_fits_is_taken_encoded_or_not() -> None:
    text = json.dumps({"to": {"phone": "+919876543210"}, "template": "login"})
    assert answered(text)[0] == answered(b64encode(text.encode()).decode(), base64=True)[0] == 200
