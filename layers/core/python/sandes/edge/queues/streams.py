"""Processes batches of DynamoDB streams. A failed batch comes again as a whole.

Of an error, only the class and the place are logged, and nothing else leaves this module, because the text could hold
content of a row.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sandes.counting.adding_up import Added
from sandes.edge.telemetry import logger, measure
from sandes.model import statistics as counters
from sandes.model.delivery import Status
from sandes.model.statistics import CATEGORIES, message_counter

AddUp = Callable[[str, Sequence[dict[str, Any]]], Added]


class BatchFailed(Exception):
    """Reports that the batch must come again. The log has the cause."""


def table_of(source_arn: str) -> str:
    """Return the table's name in this deployment, from the ARN of its stream."""
    return source_arn.partition(":table/")[2].partition("/")[0]


def each_batch(event: dict[str, Any], add_up: AddUp) -> None:
    """Add up one batch, and write a log line and the metrics of its content. Raises BatchFailed."""
    records: list[dict[str, Any]] = event["Records"]
    try:
        table = table_of(records[0]["eventSourceARN"])
        added = add_up(table, records)
    except Exception as error:  # noqa: BLE001  # the boundary: whatever it is, the batch must come again
        at = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        logger().warning("changes", outcome="failed", error=type(error).__name__, at=at[-4:])
        raise BatchFailed from None
    outcome = "repeated" if added.repeated else "added"
    logger().info("changes", outcome=outcome, table=table, records=added.records, skipped=added.skipped)
    _measure(added)


def _measure(added: Added) -> None:
    times: Counter[str] = Counter()
    for one in added.occurrences:
        times[one.counter] += one.times
    found = {
        "Messages": sum(times[message_counter(category, Status.ACCEPTED)] for category in CATEGORIES),
        "MessagesFailed": sum(times[message_counter(category, Status.FAILED)] for category in CATEGORIES),
        "MessagesExpired": sum(times[message_counter(category, Status.EXPIRED)] for category in CATEGORIES),
        "Otps": times[counters.OTPS],
        "OtpsUsed": times[counters.OTPS_USED],
        "SkippedChanges": added.skipped,
    }
    took = [one.took_ms for one in added.occurrences if one.took_ms is not None]
    measure({name: number for name, number in found.items() if number}, milliseconds={"Delivery": took})
