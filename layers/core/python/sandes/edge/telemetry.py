"""Logs one structured line for each invocation: ids, sizes, counts and error codes; no content, codes, tokens or
numbers.

It also writes metrics in CloudWatch's embedded metric format that Lambda itself does not supply (docs/adr/0026). A
success costs no line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from sandes.edge.settings import Settings
from sandes.protocol.errors import ErrorCode

NAMESPACE = "Sandes"

FAILED = "Failed"
"""Counts failures of the service: `internal` or `unavailable`."""

REFUSED = "Refused"

CHAINS_ENDED = "ChainsEnded"
"""Counts queue entries that were not processed because too many entries had led to them (edge/queues/chains.py)."""

SMS = "Sms"
"""Counts SMS that were given to SNS."""

SMS_STOPPED = "SmsStopped"
"""Counts SMS that were refused because the hourly budget is used up (sandes/sms.py)."""

MOST_VALUES = 100
"""The most values of a metric in one line, a limit of the format. Of more values, an even selection is written."""


@cache
def logger() -> Logger:
    """Return the logger. infra/ sets its service name for each function in POWERTOOLS_SERVICE_NAME."""
    return Logger(log_uncaught_exceptions=False, use_rfc3339=True, utc=True)


@cache
def _metrics() -> Metrics:
    """Create the metrics by service and stage only, because each combination of values is charged as a metric."""
    metrics = Metrics(namespace=NAMESPACE)
    metrics.set_default_dimensions(stage=Settings.load().stage)
    return metrics


def measure(counts: Mapping[str, int], *, milliseconds: Mapping[str, Sequence[int]] | None = None) -> None:
    """Write one line of metrics: counts, and times for percentiles. Write nothing if both are empty."""
    times = {name: values for name, values in (milliseconds or {}).items() if values}
    if not counts and not times:
        return
    metrics = _metrics()
    for name, number in counts.items():
        metrics.add_metric(name, MetricUnit.Count, number)
    for name, values in times.items():
        for value in values[:: -(-len(values) // MOST_VALUES)]:
            metrics.add_metric(name, MetricUnit.Milliseconds, value)
    metrics.flush_metrics()


def measure_refusal(code: ErrorCode) -> None:
    """Count a refusal, as a failure if the service caused it."""
    measure({FAILED if code in {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE} else REFUSED: 1})
