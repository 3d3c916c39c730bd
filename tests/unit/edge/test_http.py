from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.otp.handler import handler as otp_handler
from sandes.edge.http import entity_tag, http_handler, resolver, route_of, version_meant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import Wire

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


class Note(Wire):
    text: str
    count: int = 0


app = resolver()


@app.post("/v1/notes")
def note(body: Note) -> dict[str, str]:
    return {"text": body.text}


handler = http_handler(app)
CONTEXT: Any = SimpleNamespace(aws_request_id="request-1")


def event(
    method: str, path: str, body: str | None, *, content_type: str | None, encoded: bool = False
) -> dict[str, Any]:
    """Build an event of API Gateway (payload format 2.0)."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {} if content_type is None else {"content-type": content_type},
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": encoded,
    }


def post(body: str | None, *, content_type: str | None = "application/json", encoded: bool = False) -> tuple[int, str]:
    """Return the status, and the code or the text of a note."""
    answer = handler(event("POST", "/v1/notes", body, content_type=content_type, encoded=encoded), CONTEXT)
    said = json.loads(answer["body"])
    return answer["statusCode"], said.get("code", said.get("text"))


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8", "", None],
)
def test_json_is_read_however_its_type_is_spelled(content_type: str | None) -> None:
    assert post('{"text": "hi \\ud83d\\ude00"}', content_type=content_type) == (200, "hi 😀")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",  # without a boundary
        "multipart/form-data; boundary=a",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json-seq",
        "\x00",
    ],
)
def test_other_types_are_refused_and_fail_nothing(content_type: str) -> None:
    assert post('{"text": "hi"}', content_type=content_type) == (400, "malformed_json")


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"text":' * 100_000 + "1" + "}" * 100_000,
        '{"text": "hi", "count": ' + "9" * 5_000 + "}",  # Python refuses to read such a number
        '{"text": "hi"',
        "\ufeff{}",
        '{"text": "\\ud800"}',
        '{"text": "hi", "\\udfff": 1}',
        '{"text": "\ud800"}',
        "nothing",
    ],
    ids=[
        "open lists",
        "nested objects",
        "5,000 digits",
        "cut off",
        "byte order mark",
        "half a pair",
        "half a name",
        "raw half",
        "no JSON",
    ],
)
def test_what_cannot_be_read_as_json_is_malformed_and_not_our_fault(body: str) -> None:
    assert post(body) == (400, "malformed_json")


@pytest.mark.parametrize(
    "body", ["null", "[1]", '"x"', "", None, '{"count": NaN}', '{"text": "\\u0000", "\\u0000": 1}']
)
def test_json_of_another_form_is_an_invalid_request(body: str | None) -> None:
    assert post(body) == (400, "invalid_request")


def test_a_body_in_base64_is_read_as_the_text_it_is_and_refused_if_it_is_none() -> None:
    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    assert post(encoded('{"text": "नमस्ते"}'.encode()), encoded=True) == (200, "नमस्ते")
    assert post(encoded(b'{"text": "\xff\xfe"}'), encoded=True) == (400, "malformed_json")


@pytest.mark.parametrize(("body", "encoded"), [("/////w==", True), ("\ud800", False)])
def test_bytes_that_are_no_text_do_not_fail_where_no_body_is_asked_for(body: str, encoded: bool) -> None:
    answer = otp_handler(event("GET", f"/v1/otps/{'A' * 22}", body, content_type=None, encoded=encoded), CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "token_invalid")


@pytest.mark.parametrize(
    ("header", "version"), [(None, None), ("*", None), (' "7" ', 7), (entity_tag(12), 12), ('"1"', 1)]
)
def test_if_match_names_the_version_of_an_entity_tag(header: str | None, version: int | None) -> None:
    assert version_meant(header) == version


@pytest.mark.parametrize("header", ["7", '"0"', '"-1"', '"x"', 'W/"7"', '"7", "8"', "", '"1', '"٣"'])
def test_an_if_match_that_is_no_etag_of_ours_is_told_as_such(header: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        version_meant(header)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [fault["pointer"] for fault in caught.value.details["errors"]] == ["/If-Match"]
