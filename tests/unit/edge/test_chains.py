"""Tests chains of queue entries in moto's SQS: counted in the body, and ended at a limit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sandes.administration.imports import import_work
from sandes.apps import batch_send, roster_work, webhook_delivery
from sandes.edge.queue import SqsQueue
from sandes.edge.queues.records import each_record
from sandes.edge.telemetry import CHAINS_ENDED
from sandes.groups import fanout, groups_upkeep
from sandes.protocol.app_api import MAX_BATCH_ROWS
from sandes.protocol.app_groups_api import MAX_ROSTER_ROWS

REGION = "us-east-1"


class Worker:
    """Holds a queue whose function is called with its entries, as Lambda would."""

    def __init__(self) -> None:
        self.client = boto3.client("sqs", region_name=REGION)
        self.queue = SqsQueue(self.client, self.client.create_queue(QueueName="work")["QueueUrl"])
        self.other = SqsQueue(self.client, self.client.create_queue(QueueName="other")["QueueUrl"])

    def taken(self, queue: SqsQueue) -> list[dict[str, Any]]:
        """Return and delete the entries of the queue, as the records of an event."""
        found = self.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages", [])
        for one in found:
            self.client.delete_message(QueueUrl=queue.url, ReceiptHandle=one["ReceiptHandle"])
        attributes = {"SentTimestamp": "1790000000000", "ApproximateReceiveCount": "1"}
        arn = f"arn:aws:sqs:{REGION}:000000000000:{queue.url.rpartition('/')[2]}"
        return [
            {"messageId": one["MessageId"], "body": one["Body"], "attributes": attributes, "eventSourceARN": arn}
            for one in found
        ]


@pytest.fixture
def worker() -> Iterator[Worker]:
    with mock_aws():
        yield Worker()


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("many", [False, True])
def test_a_loop_ends_at_the_limit_and_its_last_entry_is_left_to_the_dead_letter_queue(
    worker: Worker, at_once: int, many: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies: list[dict[str, Any]] = []

    def again(body: dict[str, Any], _: Any) -> str:
        bodies.append(body)
        if many:
            worker.queue.send_many([body])
        else:
            worker.queue.send(body)
        return "again"

    worker.queue.send({"job": "loop"})
    failed = []
    for _ in range(20):
        records = worker.taken(worker.queue)
        if not records:
            break
        failed += each_record({"Records": records}, "test", again, at_once=at_once, most_links=5)["batchItemFailures"]
    assert bodies == [{"job": "loop"}] * 6, "the first and five links; the use case does not see the counter"
    assert len(failed) == 1
    assert [vars(line).get("outcome") for line in caplog.records].count("chain_too_long") == 1
    assert CHAINS_ENDED in capsys.readouterr().out


def test_a_queue_whose_worker_sends_nothing_to_it_allows_no_link(worker: Worker) -> None:
    def again(body: dict[str, Any], _: Any) -> str:
        worker.queue.send(body)
        return "again"

    worker.queue.send({})
    assert each_record({"Records": worker.taken(worker.queue)}, "test", again) == {"batchItemFailures": []}
    assert len(each_record({"Records": worker.taken(worker.queue)}, "test", again)["batchItemFailures"]) == 1


def test_what_is_queued_elsewhere_begins_a_chain_of_its_own(worker: Worker) -> None:
    def on(body: dict[str, Any], _: Any) -> str:
        worker.other.send(body)
        return "on"

    worker.queue.send({"n": 1, "links": 4})
    each_record({"Records": worker.taken(worker.queue)}, "test", on, most_links=5)
    (record,) = worker.taken(worker.other)
    assert json.loads(record["body"]) == {"n": 1}


def test_what_is_queued_outside_of_a_queues_worker_begins_a_chain(worker: Worker) -> None:
    worker.queue.send({"n": 1})
    (record,) = worker.taken(worker.queue)
    assert json.loads(record["body"]) == {"n": 1}


def test_limits_leave_room_for_the_longest_chains_that_are_meant() -> None:
    """AWS would end these at 16: a webhook retried for 75 h 35 min, a batch at one row a minute, rosters."""
    assert webhook_delivery.MOST_LINKS >= (75 * 60 + 35) * 60 // 900 + webhook_delivery.ATTEMPTS
    assert batch_send.MOST_LINKS >= MAX_BATCH_ROWS
    assert roster_work.MOST_LINKS >= 2 * MAX_ROSTER_ROWS // roster_work.CHUNK
    assert groups_upkeep.MOST_LINKS >= 100_000 // groups_upkeep.MEMBERS_A_SECOND
    assert import_work.MOST_LINKS >= 1_000
    assert fanout.MOST_LINKS == 1
