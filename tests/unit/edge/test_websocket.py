"""Tests the boundary of a frame: every event gets an answer with its `ref`, and a failure reveals only a code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError, ConnectTimeoutError

from sandes.edge.faults import refusal
from sandes.edge.websocket import frame_handler
from sandes.model.ids import AccountId, DeviceAddress, DeviceNumber, InboxId, RegistrationId
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Acked, Ping, ServerFrame
from sandes.store.dynamo import StoreUnavailable
from tests.support.log import caught_log

PRINCIPAL = Principal(DeviceAddress(AccountId(bytes(8)), DeviceNumber(1)), RegistrationId(1), InboxId(bytes(16)), 5)
SECRET = "zq7-secret-qz"


class Context(LambdaContext):
    _aws_request_id = "request-1"


def call(use_case: Any, body: str | None, **context: Any) -> dict[str, Any]:
    event = {
        "body": body,
        "requestContext": {"connectionId": "c1", "authorizer": PRINCIPAL.to_context()} | context,
    }
    answer = frame_handler(use_case)(event, Context())
    assert answer["statusCode"] == 200
    frame: dict[str, Any] = json.loads(answer["body"])
    return frame


def answers(frame: Any, principal: Principal, connection: str, now: Instant) -> ServerFrame:
    assert isinstance(frame, Ping)
    assert (principal, connection) == (PRINCIPAL, "c1")
    assert now.ms > 0
    return Acked(ref=frame.ref, ids=())


def raises(error: Exception) -> Any:
    def use_case(*_: Any) -> ServerFrame:
        raise error

    return use_case


def test_a_frame_is_answered_by_what_the_use_case_says() -> None:
    assert call(answers, '{"type":"ping","ref":"r1"}') == {"type": "acked", "ref": "r1", "ids": []}


def test_a_refusal_carries_ref_code_wait_and_details() -> None:
    refused = ProtocolError(ErrorCode.RATE_LIMITED, details={"a": 1}, retry_after_seconds=7)
    assert call(raises(refused), '{"type":"ping","ref":"r1"}') == {
        "type": "error",
        "ref": "r1",
        "code": "rate_limited",
        "message": "There were too many requests; wait for retry_after seconds.",
        "retry_after": 7,
        "details": {"a": 1},
    }


def test_what_nobody_foresaw_is_internal_with_the_request_id_and_nothing_else() -> None:
    answer = call(raises(RuntimeError(SECRET)), '{"type":"ping","ref":"r1"}')
    assert (answer["code"], answer["ref"], answer["details"]) == ("internal", "r1", {"request_id": "request-1"})
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize(
    ("body", "code", "ref"),
    [
        (None, "malformed_json", None),
        ("", "malformed_json", None),
        ("[]", "malformed_json", None),
        ('{"type":"nope","ref":"r1"}', "unknown_type", "r1"),
        ('{"type":"ping","ref":"r1","x":1}', "invalid_frame", "r1"),
        ('{"type":"ping","ref":"\\ud800"}', "malformed_json", None),
        ('{"type":"ping","ref":7}', "invalid_frame", None),
    ],
)
def test_what_is_no_frame_is_refused_and_never_reaches_the_use_case(body: Any, code: str, ref: str | None) -> None:
    answer = call(raises(AssertionError("reached")), body)
    assert (answer["code"], answer.get("ref")) == (code, ref)


def test_a_context_the_authorizer_did_not_make_is_internal() -> None:
    assert call(answers, '{"type":"ping"}', authorizer={})["code"] == "internal"


def test_the_log_line_names_type_and_outcome_but_no_content() -> None:
    with caught_log() as log:
        call(answers, '{"type":"ping","ref":"' + SECRET + '"}')
        call(answers, '{"type":"' + SECRET + '"}')
        call(answers, SECRET)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["message"], line["outcome"]) for line in lines] == [
        ("ping", "acked"),
        ("unparsed", "unknown_type"),
        ("unparsed", "malformed_json"),
    ]
    assert SECRET not in log.getvalue()


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": SECRET}}, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable(),
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        *map(client_error, ("ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError")),
    ],
)
def test_overload_is_unavailable_and_may_be_tried_again(error: Exception) -> None:
    refused = refusal(error)
    assert (refused.code, refused.retry_after_seconds) == (ErrorCode.UNAVAILABLE, 2)


@pytest.mark.parametrize(
    "error", [client_error("AccessDeniedException"), client_error("ValidationException"), KeyError("x"), ValueError()]
)
def test_a_mistake_of_ours_is_internal(error: Exception) -> None:
    refused = refusal(error)
    assert (refused.code, refused.details, refused.retry_after_seconds) == (ErrorCode.INTERNAL, {}, None)


def test_a_refusal_passes_as_it_is() -> None:
    error = ProtocolError(ErrorCode.REVOKED)
    assert refusal(error) is error
