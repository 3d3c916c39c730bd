"""One structured line per invocation: ids, sizes, counts and error codes. Never content, codes, tokens or numbers.

And metrics beside it, by CloudWatch's embedded metric format, where there is something that Lambda's own metrics do not
say (docs/adr/0026): what came off well costs no line.
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
"""What went wrong on our side: `internal` or `unavailable`."""

REFUSED = "Refused"

CHAINS_ENDED = "ChainsEnded"
"""Counts queue entries that were not processed because too many entries had led to them (edge/queues/chains.py)."""

SMS = "Sms"
"""Counts SMS that were handed over."""

SMS_STOPPED = "SmsStopped"
"""Counts SMS that were refused, because the budget of the hour is used up (sandes/sms.py)."""

MOST_VALUES = 100
"""Of one metric in one line, as the format allows; of more, as many are taken evenly."""


@cache
def logger() -> Logger:
    """The service name comes from POWERTOOLS_SERVICE_NAME, set for each function by infra/."""
    return Logger(log_uncaught_exceptions=False, use_rfc3339=True, utc=True)


@cache
def _metrics() -> Metrics:
    """By service and stage, and nothing finer: each combination of values is a metric that is paid for."""
    metrics = Metrics(namespace=NAMESPACE)
    metrics.set_default_dimensions(stage=Settings.load().stage)
    return metrics


def measure(counts: Mapping[str, int], *, milliseconds: Mapping[str, Sequence[int]] | None = None) -> None:
    """Write one line of metrics: counts, and times of which percentiles can be asked for. Nothing for nothing."""
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
    """A caller was refused: for our fault or for theirs."""
    measure({FAILED if code in {ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE} else REFUSED: 1})
