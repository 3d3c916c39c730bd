"""Queues and secrets in memory, for the functions of the admin API.

tests/integration/test_outside_contracts.py shows that the same calls work on the services of AWS.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3

from tests.support.memory.clients import MemoryClient
from tests.support.memory.dynamodb import Refused

REGION = "us-east-1"
SECRET_ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/"


@dataclass
class MemoryQueues:
    """Keeps the bodies of messages by the address of their queue. Nothing is delayed."""

    waiting: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def client(self) -> MemoryClient:
        return MemoryClient("sqs", self.perform)

    def take(self, url: str) -> list[dict[str, Any]]:
        """Remove all messages of a queue, and return them as Lambda hands them to a function."""
        bodies, self.waiting[url] = self.waiting[url], []
        return [
            {
                "messageId": str(number),
                "body": body,
                "attributes": {"SentTimestamp": str(time.time_ns() // 1_000_000), "ApproximateReceiveCount": "1"},
                "eventSourceARN": f"arn:aws:sqs:{REGION}:1:{url.removeprefix(QUEUE_URL)}",
            }
            for number, body in enumerate(bodies)
        ]

    def perform(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Carry out a call and return its answer. Raises Refused."""
        url = arguments["QueueUrl"]
        if not url.startswith(QUEUE_URL):
            raise Refused("AWS.SimpleQueueService.NonExistentQueue", url)
        match operation:
            case "SendMessage":
                self.waiting[url].append(arguments["MessageBody"])
                return {"MessageId": "message"}
            case "SendMessageBatch":
                self.waiting[url] += [entry["MessageBody"] for entry in arguments["Entries"]]
                return {"Successful": [{"Id": entry["Id"]} for entry in arguments["Entries"]], "Failed": []}
            case "GetQueueAttributes":
                return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.waiting[url]))}}
        raise NotImplementedError(operation)


def secrets_client(values: Mapping[str, str]) -> MemoryClient:
    """Make a client that knows these secrets by their names, which `SECRET_ARN` precedes in addresses."""

    def perform(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"SecretString": values[arguments["SecretId"].removeprefix(SECRET_ARN)]}
        except KeyError:
            raise Refused("ResourceNotFoundException", arguments["SecretId"]) from None

    return MemoryClient("secretsmanager", perform)


@cache
def s3_client() -> Any:
    """Make the client with which tests fill moto's S3. One serves all tests: moto answers it while it is mocked."""
    return boto3.client("s3", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
