"""Events of SQS: each record by itself, failed ones reported so that only they come again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandes.edge.telemetry import logger


@dataclass(frozen=True, slots=True)
class Record:
    """`sent_at_seconds`: when it was queued, epoch seconds. `receives`: how often it has been taken by now."""

    id: str
    sent_at_seconds: int
    receives: int


def each_record(event: dict[str, Any], name: str, use_case: Callable[[dict[str, Any], Record], str]) -> dict[str, Any]:
    """Call `use_case` for each record and report those that raise; one log line for each, without its body."""
    failed = []
    for raw in event["Records"]:
        attributes = raw["attributes"]
        record = Record(
            raw["messageId"], int(attributes["SentTimestamp"]) // 1000, int(attributes["ApproximateReceiveCount"])
        )
        try:
            outcome = use_case(json.loads(raw["body"]), record)
        except Exception as error:  # noqa: BLE001  # the boundary: whatever it is, the record must come again
            logger().warning(name, outcome="failed", error=type(error).__name__, receives=record.receives)
            failed.append({"itemIdentifier": record.id})
        else:
            logger().info(name, outcome=outcome, receives=record.receives)
    return {"batchItemFailures": failed}
