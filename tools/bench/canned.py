"""Answers AWS calls in process, at no latency, and builds the events that devices cause.

The clients are real, with a `before-send` handler in the place of the network. All of botocore's serialising, signing
and parsing runs, and every request is counted. This runs with the deployed packages only (see deployed.py), not with
the contributors' environment.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

from botocore.awsrequest import AWSResponse

from sandes.edge import clients
from sandes.model.device import Device
from sandes.model.ids import (
    DeviceAddress,
    DeviceNumber,
    account_text,
    base64url_text,
    message_text,
    new_account_id,
    new_inbox_id,
    new_message_id,
    new_registration_id,
)
from sandes.model.principal import Principal
from sandes.store.limits import limit_key
from sandes.store.schema import LimitRow, RoutingRow

ENVIRONMENT = {
    "STAGE": "bench",
    "INBOX_TABLE": "Sandes-bench-TablesInbox0123456789AB",
    "ROUTING_TABLE": "Sandes-bench-TablesRouting0123456789",
    "DIRECTORY_TABLE": "Sandes-bench-TablesDirectory01234567",
    "LIMITS_TABLE": "Sandes-bench-TablesLimits0123456789A",
    "CODES_TABLE": "Sandes-bench-TablesCodes0123456789AB",
    "DELIVERIES_TABLE": "Sandes-bench-TablesDeliveries01234567",
    "STATISTICS_TABLE": "Sandes-bench-TablesStatistics01234567",
    "AUDIT_TABLE": "Sandes-bench-TablesAudit0123456789AB",
    "SMS_QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Sandes-bench-Sms",
    "WEBHOOK_QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Sandes-bench-Webhooks",
    "BATCH_QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Sandes-bench-Batches",
    "FANOUT_QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/Sandes-bench-Fanout",
    "UPLOADS_BUCKET": "sandes-bench-uploads",
    "SMS_AFTER_SECONDS": "8",
    "SMS_SENDER_ID": "SANDES",
    "SMS_CALLING_CODES": "+91",
    "SMS_OTPS_HOUR": "100000",
    "SMS_OTPS_PREFIX_HOUR": "100000",
    "TOKEN_AUDIENCE": "sandes:bench",
    "PEPPER_SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:pepper",
    "AUDIT_SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:audit",
    "SENDER_SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:bench",
    "SEAL_SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:seal",
    "MAX_EXPIRY_SECONDS": "2592000",
    "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:9/v1",
}

SERVICES = ("dynamodb", "apigatewaymanagementapi", "secretsmanager", "sqs", "sns")
PEPPER = b"s" * 64
SECRET = b'{"SecretString":"' + PEPPER + b'"}'
CONTEXT: Any = SimpleNamespace(aws_request_id="00000000-0000-4000-8000-000000000000")


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


class Answers(Protocol):
    def answer(self, operation: str, request: Any) -> bytes: ...


@dataclass(slots=True)
class Aws:
    """Answers every request.

    `calls` has the operations in their order; `batch_get` is the answer to BatchGetItem.

    If there are `rows`, they answer everything.
    """

    batch_get: bytes = b"{}"
    calls: list[str] = field(default_factory=list)
    rows: Answers | None = None

    def connect(self) -> None:
        """Make the clients of the functions call this."""
        for service in SERVICES:
            clients.client_of(service).meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        self.calls.append(operation)
        if self.rows is not None:
            body = self.rows.answer(operation, request)
        elif operation == "BatchGetItem":
            body = self.batch_get
        elif operation == "GetSecretValue":
            body = SECRET
        elif operation == "PostToConnection":
            body = b""
        else:
            body = b"{}"
        headers: Any = {
            "x-amzn-RequestId": "BENCH",
            "x-amz-crc32": str(zlib.crc32(body)),
            "content-length": str(len(body)),
        }
        return AWSResponse(request.url, 200, headers, _Raw(body))


@dataclass(slots=True)
class Person:
    """Is an account with one device, live on a socket."""

    device: Device
    connection: str

    @classmethod
    def new(cls) -> Person:
        device = Device(
            account=new_account_id(),
            number=DeviceNumber(1),
            registration=new_registration_id(),
            inbox=new_inbox_id(),
            identity_key=bytes(32),
            name="bench",
            platform="bench",
            linked_at=0,
        )
        return cls(device, base64.b64encode(device.inbox[:11]).decode())

    @property
    def address(self) -> DeviceAddress:
        return DeviceAddress(self.device.account, self.device.number)

    def routing_item(self, seal_public: bytes) -> dict[str, Any]:
        """Return the routing item in DynamoDB's form."""
        now = int(time.time())
        return {
            RoutingRow.ACCOUNT: _binary(self.device.account),
            RoutingRow.DEVICES: {
                "M": {
                    str(self.device.number): {
                        "M": {
                            RoutingRow.REGISTRATION: {"N": str(self.device.registration)},
                            RoutingRow.INBOX: _binary(self.device.inbox),
                            RoutingRow.SEAL_KEY: _binary(seal_public),
                            RoutingRow.SEAL_KEY_NUMBER: {"N": "7"},
                            RoutingRow.EPOCH: {"N": "42"},
                            RoutingRow.CONNECTION: {"S": self.connection},
                            RoutingRow.CONNECTION_EXPIRES_AT: {"N": str(now + 7000)},
                            RoutingRow.CONNECTED_AT_MS: {"N": str(now * 1000)},
                        }
                    }
                }
            },
        }

    def event(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Return the event with which API Gateway passes a frame of this device to a function."""
        principal = Principal.of(self.device, int(time.time() * 1000))
        return {
            "requestContext": {
                "routeKey": frame["type"],
                "eventType": "MESSAGE",
                "messageDirection": "IN",
                "connectionId": self.connection,
                "stage": "v1",
                "requestId": "BENCH=",
                "requestTimeEpoch": int(time.time() * 1000),
                "authorizer": principal.to_context() | {"principalId": str(self.address)},
            },
            "isBase64Encoded": False,
            "body": json.dumps(frame, separators=(",", ":")),
        }


def facts(sender: Person, recipient: Person, *, limit: str, seal_public: bytes) -> bytes:
    """Return the answer to the one read of a send: both accounts' devices, no block, the sender's bucket."""
    environment = ENVIRONMENT
    bucket = limit_key(str(sender.address), limit) | {
        LimitRow.FULL_AT_MS: {"N": "1790000000000"},
        LimitRow.EXPIRES_AT: {"N": "1790003600"},
    }
    return json.dumps(
        {
            "Responses": {
                environment["ROUTING_TABLE"]: [sender.routing_item(seal_public), recipient.routing_item(seal_public)],
                environment["DIRECTORY_TABLE"]: [],
                environment["LIMITS_TABLE"]: [bucket],
            },
            "UnprocessedKeys": {},
        },
        separators=(",", ":"),
    ).encode()


def send_frame(recipient: Person, body: bytes) -> dict[str, Any]:
    return {
        "type": "send",
        "ref": "1",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": {"account": account_text(recipient.device.account)},
        "kind": "message",
        "copies": [
            {
                "device": recipient.device.number,
                "registration_id": recipient.device.registration,
                "body": base64url_text(body),
            }
        ],
    }


def _binary(data: bytes) -> dict[str, str]:
    return {"B": base64.b64encode(data).decode()}
