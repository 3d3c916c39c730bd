"""Processes SQS events record by record, and reports the failed records so that only they come again.

Of an error, only the class and the place are logged, because its text could hold content of the record.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandes import runtime
from sandes.edge.queues.chains import ChainTooLong, link, name_of
from sandes.edge.telemetry import CHAINS_ENDED, FAILED, logger, measure


@dataclass(frozen=True, slots=True)
class Record:
    """Describes a record. `sent_at_seconds` is the epoch second of its queueing. `receives` counts its receptions so
    far.
    """

    id: str
    sent_at_seconds: int
    receives: int


def each_record(
    event: dict[str, Any],
    name: str,
    use_case: Callable[[dict[str, Any], Record], str],
    *,
    at_once: int = 1,
    most_links: int = 0,
) -> dict[str, Any]:
    """Call `use_case` for each record and report those that raise. Log one line for each, without its body.

    `at_once` records are processed concurrently, if most of the work is waiting for others. `most_links` is the longest
    chain of entries of the queue; the default suits a queue whose worker never sends to it. An entry of a longer chain
    is not processed: it fails until the queue moves it to its dead-letter queue.
    """

    def work(raw: dict[str, Any]) -> list[dict[str, str]]:
        attributes = raw["attributes"]
        record = Record(
            raw["messageId"], int(attributes["SentTimestamp"]) // 1000, int(attributes["ApproximateReceiveCount"])
        )
        try:
            with link(name_of(raw["eventSourceARN"]), json.loads(raw["body"]), most=most_links) as body:
                outcome = use_case(body, record)
        except ChainTooLong:
            logger().error(name, outcome="chain_too_long", most_links=most_links, receives=record.receives)
            measure({CHAINS_ENDED: 1})
            return [{"itemIdentifier": record.id}]
        except Exception as error:  # noqa: BLE001  # the boundary: whatever it is, the record must come again
            at = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            logger().warning(name, outcome="failed", error=type(error).__name__, at=at[-4:], receives=record.receives)
            measure({FAILED: 1})
            return [{"itemIdentifier": record.id}]
        logger().info(name, outcome=outcome, receives=record.receives)
        return []

    if at_once == 1:
        outcomes = [work(raw) for raw in event["Records"]]
    else:
        outcomes = runtime.together(work, event["Records"], at_once=at_once)
    return {"batchItemFailures": [failure for failures in outcomes for failure in failures]}
