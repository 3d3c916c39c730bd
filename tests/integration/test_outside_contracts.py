"""The doubles of gateway and SMS behave as the real adapters do over AWS's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws
from moto.sns.models import sns_backends

from sandes.edge.pusher import GatewayPusher
from sandes.edge.sms import SnsSms
from sandes.model.ids import ConnectionId
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.push import Posted, Pusher
from sandes.verification import SmsSender
from tests.support.gateway import FakeGateway
from tests.support.sms import FakeSms

OPEN, GONE, BUSY = ConnectionId("open"), ConnectionId("gone"), ConnectionId("busy")
PHONE = PhoneNumber("+919876543210")
TEXT = '{"type":"superseded"}'


def client(service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]  # the name is a variable here
        service,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        endpoint_url="http://127.0.0.1:9" if service == "apigatewaymanagementapi" else None,
    )


@pytest.fixture(params=["fake", "aws"])
def pusher(request: pytest.FixtureRequest) -> Iterator[Pusher]:
    """One open, one gone and one throttled socket. For the adapter, AWS's answers come in the order of each test."""
    if request.param == "fake":
        yield FakeGateway(open={OPEN, BUSY}, failing={BUSY})
        return
    api = client("apigatewaymanagementapi")
    answer = api._make_api_call

    def answered(operation: str, arguments: dict[str, Any]) -> Any:
        with Stubber(api) as stub:
            method = {"PostToConnection": "post_to_connection", "DeleteConnection": "delete_connection"}[operation]
            if arguments["ConnectionId"] == GONE:
                stub.add_client_error(method, "GoneException", http_status_code=410)
            elif arguments["ConnectionId"] == BUSY:
                stub.add_client_error(method, "LimitExceededException", http_status_code=429)
            else:
                stub.add_response(method, {}, arguments)
            return answer(operation, arguments)

    api._make_api_call = answered
    yield GatewayPusher(api)


@pytest.mark.parametrize(
    ("connection", "outcome"), [(OPEN, Posted.YES), (GONE, Posted.GONE), (BUSY, Posted.FAILED)], ids=str
)
def test_a_post_is_taken_or_gone_or_failed(pusher: Pusher, connection: ConnectionId, outcome: Posted) -> None:
    assert pusher.post(connection, TEXT) is outcome


@pytest.mark.parametrize("connection", [OPEN, GONE, BUSY])
def test_closing_never_fails(pusher: Pusher, connection: ConnectionId) -> None:
    pusher.close(connection)


def test_an_unreachable_gateway_is_a_failed_post_and_no_lost_socket() -> None:
    api = client("apigatewaymanagementapi")

    def unreachable(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    api._make_api_call = unreachable
    assert GatewayPusher(api).post(OPEN, TEXT) is Posted.FAILED
    GatewayPusher(api).close(OPEN)


@pytest.fixture(params=["fake", "aws"])
def sms(request: pytest.FixtureRequest) -> Iterator[SmsSender]:
    if request.param == "fake":
        yield FakeSms()
        return
    with mock_aws():
        yield SnsSms(client("sns"), "SANDES")


def sent_by(sms: SmsSender) -> list[tuple[str, str]]:
    if isinstance(sms, FakeSms):
        return [(phone, code) for phone, code in sms.sent]
    messages = sns_backends["123456789012"]["us-east-1"].sms_messages.values()
    return [(phone, message.split()[0]) for phone, message, *_ in messages]


def test_a_code_is_handed_over_to_its_number(sms: SmsSender) -> None:
    sms.send_code(PHONE, "012345")
    assert sent_by(sms) == [(PHONE, "012345")]


def test_a_gateway_out_of_order_is_told_to_the_caller_without_the_number(sms: SmsSender) -> None:
    if isinstance(sms, SnsSms):
        stub = Stubber(sms.client)
        stub.add_client_error("publish", "InternalError", f"cannot reach {PHONE}", 500)
        stub.activate()
    else:
        assert isinstance(sms, FakeSms)
        sms.failing = True
    with pytest.raises(ProtocolError) as caught:
        sms.send_code(PHONE, "012345")
    assert (caught.value.code, caught.value.retry_after_seconds) == (ErrorCode.SMS_UNAVAILABLE, 30)
    assert PHONE not in repr(caught.value.details)
