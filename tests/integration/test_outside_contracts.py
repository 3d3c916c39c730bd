"""Tests that the doubles of gateway and SMS behave like the real adapters over AWS's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws
from moto.sns.models import sns_backends

from sandes.apps.otp_sms import OtpSms
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.sms import SnsSms
from sandes.model.ids import ConnectionId
from sandes.model.phone import PhoneNumber
from sandes.people.codes import SmsSender
from sandes.ports.queues import Queue
from sandes.ports.sockets import Posted, Pusher
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from tests.support.gateway import FakeGateway
from tests.support.queue import FakeQueue
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
    """Make one open, one gone and one throttled socket. For the adapter, AWS's answers come in the order of
    each test.
    """
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


def test_sms_carry_the_ids_that_indias_operators_ask_for() -> None:
    """The ids are read from the request to SNS, which moto checks but does not keep."""
    with mock_aws():
        api = client("sns")
        published: list[dict[str, Any]] = []
        call = api._make_api_call

        def seen(operation: str, arguments: dict[str, Any]) -> Any:
            published.append({"operation": operation} | arguments)
            return call(operation, arguments)

        api._make_api_call = seen
        SnsSms(api, "SANDES").send_text(PHONE, "012345 is it", entity_id="1101", template_id="1107")
        SnsSms(api, "SANDES", "1102", "1108").send_code(PHONE, "012345")
        SnsSms(api, "SANDES").send_code(PHONE, "012345")
        sent = [(phone, text) for phone, text, *_ in sns_backends["123456789012"]["us-east-1"].sms_messages.values()]
    code = "012345 is your Sandes code. It is valid for 5 minutes. Tell it to nobody."
    assert sent == [(PHONE, "012345 is it"), (PHONE, code), (PHONE, code)]
    assert {one["operation"] for one in published} == {"Publish"}
    plain = {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "SANDES"}
    assert [attributes(one) for one in published] == [
        plain | {"AWS.MM.SMS.EntityId": "1101", "AWS.MM.SMS.TemplateId": "1107"},
        plain | {"AWS.MM.SMS.EntityId": "1102", "AWS.MM.SMS.TemplateId": "1108"},
        plain,
    ]


def attributes(published: dict[str, Any]) -> dict[str, str]:
    given = published["MessageAttributes"].items()
    assert {value["DataType"] for _, value in given} == {"String"}
    return {name: value["StringValue"] for name, value in given}


def test_an_apps_sms_that_cannot_be_handed_over_is_told_without_number_or_text(sms: OtpSms) -> None:
    if isinstance(sms, SnsSms):
        stub = Stubber(sms.client)
        stub.add_client_error("publish", "InternalError", f"cannot reach {PHONE}", 500)
        stub.activate()
    else:
        assert isinstance(sms, FakeSms)
        sms.failing = True
    with pytest.raises(ProtocolError) as caught:
        sms.send_text(PHONE, "012345 is it", entity_id="1101", template_id="1107")
    assert caught.value.code is ErrorCode.SMS_UNAVAILABLE
    assert PHONE not in repr(caught.value.details)


# Queues


@pytest.fixture(params=["fake", "aws"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    if request.param == "fake":
        yield FakeQueue()
        return
    with mock_aws():
        api = client("sqs")
        yield SqsQueue(api, api.create_queue(QueueName="q")["QueueUrl"])


def queued(queue: Queue) -> list[dict[str, Any]]:
    if isinstance(queue, FakeQueue):
        return [body for body, _ in queue.sent]
    assert isinstance(queue, SqsQueue)
    bodies: list[dict[str, Any]] = []
    while found := queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in found]
    return bodies


def test_what_is_queued_comes_out_whole(queue: Queue) -> None:
    queue.send({"a": "\u0938", "b": [1, None]})
    queue.send_many([{"n": number} for number in range(25)])
    bodies = queued(queue)
    assert bodies[0] == {"a": "\u0938", "b": [1, None]}
    assert sorted(body["n"] for body in bodies[1:]) == list(range(25))


def test_what_is_delayed_is_not_there_yet() -> None:
    with mock_aws():
        api = client("sqs")
        queue = SqsQueue(api, api.create_queue(QueueName="q")["QueueUrl"])
        queue.send({"a": 1}, delay_seconds=900)
        queue.send_many([{"a": 2}], delay_seconds=900)
        assert queued(queue) == []
        counts = api.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
        assert counts["ApproximateNumberOfMessagesDelayed"] == "2"


@pytest.mark.parametrize("many", [False, True])
def test_a_queue_out_of_order_is_unavailable(queue: Queue, many: bool) -> None:
    if isinstance(queue, FakeQueue):
        queue.failing = True
    else:
        assert isinstance(queue, SqsQueue)
        stub = Stubber(queue.client)
        stub.add_client_error("send_message_batch" if many else "send_message", "RequestThrottled", "slow", 403)
        stub.activate()
    with pytest.raises(StoreUnavailable):
        queue.send_many([{"a": 1}]) if many else queue.send({"a": 1})


def test_entries_that_the_queue_did_not_take_are_sent_again_and_no_others() -> None:
    with mock_aws():
        api = client("sqs")
        queue = SqsQueue(api, api.create_queue(QueueName="q")["QueueUrl"])
        batches: list[list[str]] = []
        call = api._make_api_call

        def half(operation: str, arguments: dict[str, Any]) -> Any:
            if operation != "SendMessageBatch":
                return call(operation, arguments)
            entries = arguments["Entries"]
            batches.append([entry["Id"] for entry in entries])
            taken, left = entries[: (len(entries) + 1) // 2], entries[(len(entries) + 1) // 2 :]
            answer = call(operation, arguments | {"Entries": taken})
            failed = [{"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"} for entry in left]
            return answer | {"Failed": failed}

        api._make_api_call = half
        queue.send_many([{"n": number} for number in range(4)])
        assert batches == [["0", "1", "2", "3"], ["2", "3"], ["3"]]
        assert sorted(body["n"] for body in queued(queue)) == [0, 1, 2, 3]
