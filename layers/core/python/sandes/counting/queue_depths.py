"""Measures the lengths of the queues every minute, for the statistics. Only this function may read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sandes.model.instant import Instant
from sandes.model.statistics import Depth
from sandes.store.statistics import StatisticsStore


class QueueGauge(Protocol):
    def entries(self, queue: str) -> int:
        """Return the number of entries in the queue at this address: waiting, delayed and being processed."""
        ...


@dataclass(frozen=True, slots=True)
class DepthDependencies:
    """Holds the dependencies. `queues` has, by name, the addresses of a queue and of its dead-letter queue."""

    gauge: QueueGauge
    queues: Mapping[str, tuple[str, str]]
    store: StatisticsStore


def look(*, now: Instant, deps: DepthDependencies) -> list[Depth]:
    """Store the length of each queue."""
    depths = [
        Depth(name, deps.gauge.entries(queue), deps.gauge.entries(dead))
        for name, (queue, dead) in sorted(deps.queues.items())
    ]
    deps.store.put_depths(depths, now_ms=now.ms)
    return depths
