"""Records of a queue: each by itself, one after the other or several at once."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sandes.edge.queue_events import Record, each_record


def event(count: int) -> dict[str, Any]:
    attributes = {"SentTimestamp": "1790000000123", "ApproximateReceiveCount": "2"}
    return {
        "Records": [
            {"messageId": f"m{number}", "body": json.dumps({"number": number}), "attributes": attributes}
            for number in range(count)
        ]
    }


@pytest.mark.parametrize("at_once", [1, 4])
def test_only_what_failed_comes_again(at_once: int) -> None:
    seen = []

    def work(body: dict[str, Any], record: Record) -> str:
        seen.append((body["number"], record))
        if body["number"] % 2:
            raise RuntimeError("no")
        return "done"

    answer = each_record(event(5), "test", work, at_once=at_once)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]}
    assert sorted(number for number, _ in seen) == [0, 1, 2, 3, 4]
    assert seen[0][1] == Record(f"m{seen[0][0]}", 1_790_000_000, 2)


def test_several_at_once_do_not_wait_for_each_other() -> None:
    together = threading.Barrier(4, timeout=10)

    def work(_: dict[str, Any], __: Record) -> str:
        together.wait()
        return "done"

    assert each_record(event(4), "test", work, at_once=4) == {"batchItemFailures": []}
