"""Run the simulation: `make simulate ARGS="--seeds 1-5000"`, or `SEED=7` for one history.

A run that fails is repeated with ever fewer faults until none can be left out. Its faults are then listed with the
invariants that they violate.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.faults import Injected, Site
from tests.simulation.loop import START_MS, VirtualLoop, run
from tests.simulation.workloads import direct, groups
from tests.simulation.world import Workload, World

WORKLOADS: dict[str, Workload] = {"direct": direct.run, "groups": groups.run}


@dataclass
class Outcome:
    """Holds the outcome of one run."""

    workload: str
    seed: int
    violations: list[str] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    deliveries: int = 0
    invocations: int = 0
    calls: int = 0


def simulate(
    workload: str, seed: int, *, left_out: frozenset[Site] = frozenset(), only: frozenset[Site] | None = None
) -> Outcome:
    """Run a workload once on virtual time."""
    outcome = Outcome(workload, seed)

    async def main(loop: VirtualLoop) -> None:
        with World(loop, seed, left_out, only) as world:
            try:
                await WORKLOADS[workload](world)
            except Exception as error:  # noqa: BLE001  # a run that breaks is a failed run
                world.violations.append("".join(traceback.format_exception(error)[-6:]))
            for device in world.devices:
                await device.crash()
            outcome.violations, outcome.injected = world.violations, world.faults.injected
            outcome.deliveries, outcome.calls = world.deliveries, world.lambdas.calls
            outcome.invocations = world.lambdas.invocations

    run(main)
    return outcome


def shrunk(workload: str, seed: int, failed: Outcome) -> Outcome:
    """Find few faults with which the run still fails: leave out half of them, then a quarter, and so on."""
    kept = [one.site for one in failed.injected]
    size = max(1, len(kept) // 2)
    while True:
        smaller = False
        for start in range(0, len(kept), size):
            tried = kept[:start] + kept[start + size :]
            again = simulate(workload, seed, only=frozenset(tried))
            if again.violations:
                failed, kept, smaller = again, [one.site for one in again.injected], True
                break
        if not smaller and size == 1:
            return failed
        if not smaller:
            size //= 2


def story(outcome: Outcome) -> str:
    lines = [f"seed {outcome.seed} of {outcome.workload}: {len(outcome.injected)} faults"]
    lines += [f"  {(one.at_ms - START_MS) / 1000:9.3f} s  {one}" for one in outcome.injected]
    lines += [f"  VIOLATED: {one}" for one in outcome.violations[:20]]
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--workload", choices=[*WORKLOADS, "all"], default="all")
    parser.add_argument("--seeds", default="1-40", help="such as 7 or 1-5000")
    parser.add_argument("--no-shrinking", action="store_true", help="tell a failed run with all its faults")
    told = parser.parse_args()
    first, _, last = told.seeds.partition("-")
    totals: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    began = time.perf_counter()
    failures = 0
    for workload in WORKLOADS if told.workload == "all" else [told.workload]:
        for seed in range(int(first), int(last or first) + 1):
            outcome = simulate(workload, seed)
            totals += Counter(
                deliveries=outcome.deliveries, invocations=outcome.invocations, calls=outcome.calls, runs=1
            )
            kinds += Counter(one.kind for one in outcome.injected)
            if outcome.violations:
                failures += 1
                _say(story(outcome if told.no_shrinking else shrunk(workload, seed, outcome)))
            elif totals["runs"] % 50 == 0:
                _say(f"{workload} {seed}: {dict(totals)}")
    _say(f"{dict(totals)} in {time.perf_counter() - began:.0f} s, faults {sum(kinds.values())}: {dict(kinds)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
