"""Some seeds of the simulation (tests/simulation), each with the faults that it decides on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.faults import Faults

ROOT = Path(__file__).parents[2]


def simulated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulation in a process of its own: it replaces randomness and the clients of AWS."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("layers/core/python", "sdk/python", ""))
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": paths},
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seeds", ["1-8", "9-16"])
def test_nothing_is_lost_or_shown_twice_between_people(seeds: str) -> None:
    run = simulated("--workload", "direct", "--seeds", seeds)
    assert run.returncode == 0, run.stdout
    assert "'runs': 8" in run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seeds", ["1-4", "5-8", "9-12"])
def test_members_and_nobody_else_show_the_posts_of_groups(seeds: str) -> None:
    run = simulated("--workload", "groups", "--seeds", seeds)
    assert run.returncode == 0, run.stdout
    assert "'runs': 4" in run.stdout


@pytest.mark.slow
def test_a_seed_gives_the_same_history_again() -> None:
    first, again = (simulated("--seeds", "3").stdout.rpartition(" in ")[0] for _ in range(2))
    assert "deliveries" in first
    assert first == again


def test_leaving_a_fault_out_moves_no_other() -> None:
    rates = {"crash": 0.2, "slow": 0.2}

    def history(left_out: frozenset[tuple[str, str, int]] = frozenset()) -> list[tuple[str, tuple[str, str, int]]]:
        faults = Faults(7, left_out, active=True)
        for _ in range(200):
            faults.draw(faults.site("Send", "PutItem"), rates, at_ms=0)
        return [(one.kind, one.site) for one in faults.injected]

    whole = history()
    assert Counter(kind for kind, _ in whole).keys() == {"crash", "slow"}
    assert history(frozenset({whole[3][1]})) == whole[:3] + whole[4:]
