"""Tests that the benchmarks run with small numbers, and their counts, but no durations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent


def test_the_benchmarks_run_and_what_a_message_costs_in_calls_is_within_its_budget(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tools.bench", "--quick", "--no-engine", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["what"].strip(): row for row in json.loads(file.read_text())["rows"]}
    for what in (
        "AWS calls per 1:1 message, delivered and acked",
        "AWS calls of an OTP: send, deliver to one device, ack, check",
    ):
        assert rows[what]["ok"], rows[what]
    assert rows["Act of administration with its audit entry: AWS calls"]["value"] == 1
