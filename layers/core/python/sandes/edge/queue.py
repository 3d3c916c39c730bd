"""Implements queues with SQS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.edge.queues.chains import counted, name_of
from sandes.edge.telemetry import logger
from sandes.store.dynamo import StoreUnavailable, waits

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient as Client
else:
    Client = Any

_BATCH = 10
_NUMBERS: list[Any] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass(frozen=True, slots=True)
class SqsQueue:
    client: Client
    url: str

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        try:
            self.client.send_message(QueueUrl=self.url, MessageBody=self._text(body), DelaySeconds=delay_seconds)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        for start in range(0, len(bodies), _BATCH):
            left = {str(index): self._text(body) for index, body in enumerate(bodies[start : start + _BATCH])}
            for _ in waits():
                try:
                    answer = self.client.send_message_batch(
                        QueueUrl=self.url,
                        Entries=[
                            {"Id": id, "MessageBody": text, "DelaySeconds": delay_seconds} for id, text in left.items()
                        ],
                    )
                except (ClientError, BotoCoreError) as error:
                    raise _unavailable(error) from error
                left = {failure["Id"]: left[failure["Id"]] for failure in answer.get("Failed", [])}
                if not left:
                    break
            else:
                raise StoreUnavailable

    def _text(self, body: dict[str, Any]) -> str:
        return json.dumps(counted(name_of(self.url), body))


@dataclass(frozen=True, slots=True)
class SqsGauge:
    client: Client

    def entries(self, queue: str) -> int:
        answer = self.client.get_queue_attributes(QueueUrl=queue, AttributeNames=_NUMBERS)
        return sum(int(number) for number in answer["Attributes"].values())


def _unavailable(error: ClientError | BotoCoreError) -> StoreUnavailable:
    """Convert an error that remains after botocore's retries. The log shows a permanent cause."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    logger().warning("queue failed", error=code)
    return StoreUnavailable()
