"""Tests that a malformed `Sandes-Act` gets the same refusal from the HTTPS API and from the check of the act itself."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sandes.edge.client.caller import ActHeader
from sandes.edge.http import resolver
from sandes.identity.signed_acts import read_signed
from sandes.protocol.errors import ErrorCode, ProtocolError

SIGNATURE = "A" * 86
OF_ANOTHER_FORM = {
    "empty": "",
    "no signature": "1790000000000",
    "no time": f".{SIGNATURE}",
    "a time that begins with zero": f"01790000000000.{SIGNATURE}",
    "a time with a sign": f"+1790000000000.{SIGNATURE}",
    "a time in other digits": f"१७९.{SIGNATURE}",
    "a time of 16 digits": f"{'1' * 16}.{SIGNATURE}",
    "a short signature": f"1790000000000.{SIGNATURE[:-1]}",
    "padding": f"1790000000000.{SIGNATURE}==",
    "the other alphabet": f"1790000000000.{SIGNATURE[:-1]}+",
    "left-over bits": f"1790000000000.{SIGNATURE[:-1]}B",
    "a line break at the end": f"1790000000000.{SIGNATURE}\n",
}


def over_https(header: str) -> Any:
    """Return the refusal of a route that takes the header, like those of functions/client."""
    app = resolver()

    @app.get("/v1/me")
    def read(act: ActHeader = None) -> dict[str, int]:
        signed = read_signed(act)
        return {"at": signed.at_ms if signed else 0}

    event = {
        "version": "2.0",
        "rawPath": "/v1/me",
        "headers": {"sandes-act": header, "content-type": "application/json"},
        "requestContext": {"http": {"method": "GET", "path": "/v1/me", "sourceIp": "192.0.2.1"}, "stage": "$default"},
    }
    context: Any = SimpleNamespace(aws_request_id="request-1")
    answer = app.resolve(event, context)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("header", OF_ANOTHER_FORM.values(), ids=OF_ANOTHER_FORM.keys())
def test_a_header_of_another_form_is_an_invalid_request_everywhere(
    header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "test")
    with pytest.raises(ProtocolError) as refused:
        read_signed(header)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    (fault,) = refused.value.details["errors"]
    assert fault["pointer"] == "/Sandes-Act"
    status, problem = over_https(header)
    assert (status, problem["code"], problem["errors"]) == (400, "invalid_request", [fault])


def test_a_header_of_the_right_form_is_read_whatever_its_signature_is_worth() -> None:
    signed = read_signed(f"1790000000000.{SIGNATURE}")
    assert signed is not None
    assert (signed.at_ms, signed.signature) == (1_790_000_000_000, bytes(64))
