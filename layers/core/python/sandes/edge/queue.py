"""SQS queues."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandes.store.dynamo import StoreUnavailable, waits

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient as Client
else:
    Client = Any

_BATCH = 10


@dataclass(frozen=True, slots=True)
class SqsQueue:
    client: Client
    url: str

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=json.dumps(body), DelaySeconds=delay_seconds)

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        for start in range(0, len(bodies), _BATCH):
            left = {str(index): json.dumps(body) for index, body in enumerate(bodies[start : start + _BATCH])}
            for _ in waits():
                answer = self.client.send_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": id, "MessageBody": text, "DelaySeconds": delay_seconds} for id, text in left.items()
                    ],
                )
                left = {failure["Id"]: left[failure["Id"]] for failure in answer.get("Failed", [])}
                if not left:
                    break
            else:
                raise StoreUnavailable
