"""Tests the records of a queue: each is processed alone, and only the failed ones come again."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sandes.edge.queues.records import Record, each_record

ARN = "arn:aws:sqs:us-east-1:000000000000:work"


def record(id: str, body: Any) -> dict[str, Any]:
    attributes = {"SentTimestamp": "1790000000999", "ApproximateReceiveCount": "3"}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": id, "body": text, "attributes": attributes, "eventSourceARN": ARN}


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_failed_is_reported_and_the_others_are_not_held_up(at_once: int) -> None:
    done: list[dict[str, Any]] = []

    def work(body: dict[str, Any], _: Record) -> str:
        if body.get("fails"):
            raise RuntimeError("no")
        done.append(body)
        return "done"

    records = [record("a", {"n": 1}), record("b", {"fails": True}), record("c", "{not json"), record("d", {"n": 2})]
    answer = each_record({"Records": records}, "work", work, at_once=at_once)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]}
    assert sorted(body["n"] for body in done) == [1, 2]


def test_a_record_knows_when_it_was_queued_and_how_often_it_was_taken() -> None:
    seen: list[Record] = []

    def work(_: dict[str, Any], taken: Record) -> str:
        seen.append(taken)
        return "done"

    each_record({"Records": [record("a", {})]}, "work", work)
    assert seen == [Record("a", 1_790_000_000, 3)]


def test_the_log_holds_no_body_and_no_message_of_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def work(body: dict[str, Any], _: Record) -> str:
        raise ValueError(f"canary in {body}")

    each_record({"Records": [record("a", {"secret": "canary"})]}, "work", work)
    (line,) = [vars(entry) for entry in caplog.records]
    assert (line["outcome"], line["error"], line["receives"]) == ("failed", "ValueError", 3)
    assert "canary" not in repr(line)


def test_several_at_once_do_not_wait_for_each_other() -> None:
    together = threading.Barrier(4, timeout=10)

    def work(_: dict[str, Any], __: Record) -> str:
        together.wait()
        return "done"

    records = [record(id, {}) for id in "abcd"]
    assert each_record({"Records": records}, "test", work, at_once=4) == {"batchItemFailures": []}
