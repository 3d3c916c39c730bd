"""Tests which changes of a specification existing programs would notice."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tools.specs import SPECIFICATIONS
from tools.specs.changes import breaking

Json = dict[str, Any]

PUBLISHED: Json = {
    "openapi": "3.1.0",
    "paths": {
        "/v1/otps": {
            "post": {
                "security": [{"app_token": []}],
                "parameters": [{"$ref": "#/components/parameters/Key"}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}},
                },
                "responses": {
                    "202": {
                        "headers": {"RateLimit": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Otp"}}},
                    },
                    "400": {"$ref": "#/components/responses/Refused"},
                },
            }
        }
    },
    "components": {
        "parameters": {"Key": {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}},
        "responses": {
            "Refused": {
                "content": {"application/problem+json": {"schema": {"properties": {"code": {"enum": ["a", "b"]}}}}}
            }
        },
        "schemas": {
            "New": {
                "type": "object",
                "additionalProperties": False,
                "required": ["to"],
                "properties": {
                    "to": {"type": "string", "maxLength": 32, "pattern": "^[+]"},
                    "length": {"type": "integer", "minimum": 6, "maximum": 8},
                    "rows": {"type": "array", "maxItems": 10, "items": {"$ref": "#/components/schemas/New"}},
                },
            },
            "Otp": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "status": {"enum": ["pending", "used"]}},
            },
        },
    },
}


def changed(change: Callable[[Json, Json, Json], object]) -> list[str]:
    """Call `change` with the operation, the request's schema and the answer's schema."""
    new = copy.deepcopy(PUBLISHED)
    change(new["paths"]["/v1/otps"]["post"], new["components"]["schemas"]["New"], new["components"]["schemas"]["Otp"])
    return breaking(PUBLISHED, new)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda call, new, otp: call["responses"].pop("400"), "POST /v1/otps status 400 is gone"),
        (lambda call, new, otp: call["responses"]["202"].pop("headers"), "POST /v1/otps 202 header RateLimit is gone"),
        (lambda call, new, otp: call.update(parameters=[]), "POST /v1/otps parameter Idempotency-Key is gone"),
        (
            lambda call, new, otp: call["parameters"].append(
                {"name": "dry", "in": "query", "required": True, "schema": {"type": "boolean"}}
            ),
            "POST /v1/otps parameter dry became required",
        ),
        (lambda call, new, otp: call.pop("security"), "POST /v1/otps asks for another kind of token"),
        (lambda call, new, otp: call.pop("requestBody"), "POST /v1/otps takes no body any more"),
        (lambda call, new, otp: new["properties"].pop("length"), "POST /v1/otps body.length is gone"),
        (lambda call, new, otp: new["required"].append("length"), "POST /v1/otps body.length became required"),
        (lambda call, new, otp: new["properties"]["to"].update(maxLength=16), "POST /v1/otps body.to maxLength is 16"),
        (lambda call, new, otp: new["properties"]["to"].update(minLength=2), "POST /v1/otps body.to minLength is 2"),
        (
            lambda call, new, otp: new["properties"]["to"].update(pattern="^[+]91"),
            "POST /v1/otps body.to has another pattern",
        ),
        (
            lambda call, new, otp: new["properties"]["to"].update(enum=["+91"]),
            "POST /v1/otps body.to takes only some values",
        ),
        (
            lambda call, new, otp: new["properties"]["length"].update(type="string"),
            "POST /v1/otps body.length is string and no longer integer",
        ),
        (lambda call, new, otp: otp["properties"].pop("status"), "POST /v1/otps 202.status is gone"),
        (lambda call, new, otp: otp["required"].clear(), "POST /v1/otps 202.id may be left out"),
        (
            lambda call, new, otp: otp["properties"].update(status={"enum": ["pending"]}),
            "POST /v1/otps 202.status value used is gone",
        ),
    ],
)
def test_what_programs_would_notice(change: Callable[[Json, Json, Json], object], said: str) -> None:
    assert changed(change) == [said]


def test_a_header_in_another_case_is_the_same_header() -> None:
    def rename(call: Json, *_: Json) -> None:
        call["parameters"] = [{"name": "idempotency-key", "in": "header", "schema": {"type": "string"}}]

    assert changed(rename) == []


def test_a_vanished_operation_and_a_vanished_error_code_are_noticed() -> None:
    assert breaking(PUBLISHED, PUBLISHED | {"paths": {}}) == ["POST /v1/otps is gone"]
    new = copy.deepcopy(PUBLISHED)
    refused = new["components"]["responses"]["Refused"]["content"]["application/problem+json"]["schema"]
    refused["properties"]["code"]["enum"].remove("b")
    assert breaking(PUBLISHED, new) == ["POST /v1/otps 400.code value b is gone"]


def test_what_programs_would_not_notice() -> None:
    def grow(call: Json, new: Json, otp: Json) -> None:
        call["responses"]["409"] = {"description": "new"}
        call["parameters"].append({"name": "dry", "in": "query", "schema": {"type": "boolean"}})
        new["properties"] |= {
            "purpose": {"type": "string"},
            "to": {"anyOf": [new["properties"]["to"], {"type": "null"}]},
        }
        new["properties"]["rows"]["maxItems"] = 20
        new["required"].clear()
        otp["properties"] |= {"seq": {"type": "integer"}, "status": {"enum": ["pending", "used", "expired"]}}
        otp["required"].append("seq")

    assert changed(grow) == []


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_no_specification_breaks_itself(name: str) -> None:
    document = SPECIFICATIONS[name]()
    assert breaking(document, document) == []


def test_a_frame_that_loses_a_field_or_goes_is_noticed() -> None:
    published = SPECIFICATIONS["asyncapi.json"]()
    new = copy.deepcopy(published)
    del new["components"]["schemas"]["Accepted"]["properties"]["at"]
    new["components"]["schemas"]["Send"]["required"].append("expires_in")
    del new["operations"]["ping"]
    said = breaking(published, new)
    assert said == ["accepted.at is gone", "ping is gone", "send.expires_in became required"]
