"""How deep the queues are, looked at each minute by whoever may do only that, for whoever asks for statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sandes.model.statistics import Depth
from sandes.store.statistics import StatisticsStore


class QueueGauge(Protocol):
    def entries(self, queue: str) -> int:
        """How many entries there are in the queue of that address: waiting, delayed and being worked off."""
        ...


@dataclass(frozen=True, slots=True)
class DepthDependencies:
    """`queues`: by name, the addresses of a queue and of the one behind it for what failed."""

    gauge: QueueGauge
    queues: Mapping[str, tuple[str, str]]
    store: StatisticsStore


def look(*, now_ms: int, deps: DepthDependencies) -> list[Depth]:
    """Write down how deep each queue is."""
    depths = [
        Depth(name, deps.gauge.entries(queue), deps.gauge.entries(dead))
        for name, (queue, dead) in sorted(deps.queues.items())
    ]
    deps.store.put_depths(depths, now_ms=now_ms)
    return depths
