"""Builds the rows of the budget table about groups: the cost of a message to 100, 1,000 and 10,000 member devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.bench import deployed, group
from tools.bench.latency import Say
from tools.bench.table import Row

SIZES = (100, 1_000, 10_000)
CPU_BUDGET_US = 150
WRITE_BUDGET = 1.02


def fanout_rows(repetitions: int, sizes: Sequence[int] = SIZES) -> list[Row]:
    measured = deployed.run("fanout", ",".join(map(str, sizes)), str(repetitions))
    points = {size: measured[str(size)] for size in sizes}
    rows = []
    for size, figures in points.items():
        cpu, units = figures["cpu_us_a_device"], figures["write_units"] / (size - 1)
        last = size == sizes[-1]
        rows += [
            Row(
                f"Message of 2 KB to a group of {size:,}: CPU for each member device",
                cpu,
                "µs",
                CPU_BUDGET_US if last else None,
                "sender, plan and chunks, AWS at no latency",
            ),
            Row("  write units for each member device", units, limit=WRITE_BUDGET if last else None),
        ]
    largest = points[sizes[-1]]
    whole_ms = {size: figures["cpu_us_a_device"] * (size - 1) / 1000 for size, figures in points.items()}
    return [
        *rows,
        Row("  CPU of one more member device", 1000 * slope(whole_ms), "µs", note="least squares over the sizes"),
        Row(
            "  AWS round trips in sequence until accepted / of a chunk",
            _calls(largest, "send"),
            note=f"{_calls(largest, 'chunks')} of a chunk of 100, {largest['chunks']} chunks side by side; "
            f"{_calls(largest, 'plan')} to cut them",
        ),
    ]


def _calls(figures: dict[str, Any], step: str) -> int:
    return sum(figures["calls"][step].values())


def slope(points: dict[int, float]) -> float:
    """Return the slope of the line with the least squares through the points."""
    count = len(points)
    mean_x, mean_y = sum(points) / count, sum(points.values()) / count
    return sum((x - mean_x) * (y - mean_y) for x, y in points.items()) / sum((x - mean_x) ** 2 for x in points)


def group_rows(repetitions: int, say: Say) -> list[Row]:
    """Measure on the local engine, whose queue returns one entry at a time."""
    figures = group.measure((32, 33, 1_000), repetitions, say)
    return [
        Row(
            f"Group of {size:,} on the engine, until accepted",
            figures.accepted[size],
            "ms",
            note=f"{figures.live[size]:,.0f} ms until the last of five live devices has it, {way}",
        )
        for size, way in ((32, "at once"), (33, "by the queue"), (1_000, "by the queue"))
    ] + [Row("  until the last of 999 envelopes is stored", figures.last, "ms")]
