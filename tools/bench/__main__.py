"""Measures the budgets and prints them as a table. docs/benchmarks.md explains each figure.

    python -m tools.bench [--quick] [--no-engine] [--json FILE]

Budgets are reported, not enforced: the exit status is 0 unless a measurement failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "core" / "python")]

from tools.bench import audit_rows as audit  # noqa: E402  # needs the path above
from tools.bench import batch, deployed, imports, latency  # noqa: E402  # needs the path above
from tools.bench.app_rows import app_rows  # noqa: E402
from tools.bench.fanout_rows import fanout_rows, group_rows  # noqa: E402  # needs the path above
from tools.bench.lists import list_rows  # noqa: E402
from tools.bench.table import Row, missed, show, write  # noqa: E402
from tools.engine import EngineError  # noqa: E402
from tools.layers import build as build_layer  # noqa: E402

TEXT_BYTES, TRACE_BYTES, OLM_BYTES = 200, 291, 96
BODY_BYTES = TEXT_BYTES + TRACE_BYTES + OLM_BYTES
"""Size of the body of a 200-byte text between people. The server does not read bodies so far. The overhead of Olm is an
assumption.
"""


def call_rows() -> list[Row]:
    counted = deployed.run("calls")
    sends = {int(calls): number for calls, number in counted["10r"]["send_calls"].items()}
    usual = max(sends, key=lambda calls: sends[calls])
    others = ", ".join(f"{calls} in 1 of {sum(sends.values()) // sends[calls]}" for calls in sends if calls != usual)
    note = f"{others}: the rate limit's write" if others else ""
    return [
        Row("AWS round trips in sequence, 1:1 send to an online device", usual, limit=3, note=note),
        Row("AWS calls per 1:1 message, delivered and acked", counted["10r"]["calls"], limit=5, note="acks of ten"),
        Row("  without delivered receipts, acks of ten", counted["10"]["calls"]),
        Row("  without delivered receipts, acks of one", counted["1"]["calls"]),
        Row("  with delivered receipts, acks of one", counted["1r"]["calls"], note="receipts are acked one by one too"),
    ]


def cpu_rows(count: int) -> list[Row]:
    figures = deployed.run("cpu", str(count), str(BODY_BYTES))
    total, aws = figures["total_ms"], figures["aws_ms"]
    return [
        Row("CPU of the send handler, 1:1 message, AWS at no latency", total["median"], "ms", 1.6, f"n = {count:,}"),
        Row("  of which ours", total["median"] - aws["median"], "ms", 0.45, "less the same three calls alone"),
        Row("  of which the three AWS calls", aws["median"], "ms"),
        Row("  p99", total["p99"], "ms"),
        Row("  p99 / median", total["p99"] / total["median"], "x", 2),
        Row(
            "Stored row of a 200-byte text between people",
            figures["row_bytes"],
            "bytes",
            1024,
            f"body {TEXT_BYTES} + {TRACE_BYTES} trace + {OLM_BYTES} Olm (assumed)",
        ),
        Row("Sealing one envelope of 1 KB", figures["seal_us"], "µs", 80),
    ]


def cold_rows(runs: int) -> list[Row]:
    deployed.run("cold")  # writes byte code if there is none yet
    taken = [deployed.run("cold") for _ in range(runs)]
    bare = [deployed.run("cold", options=("-X", "pycache_prefix=/nonexistent", "-B")) for _ in range(runs)]

    def median(of: Sequence[dict[str, float]], *names: str) -> float:
        return statistics.median(sum(run[name] for name in names) for run in of)

    return [
        Row(
            "Import and client creation, send function",
            median(taken, "import", "clients"),
            "ms",
            300,
            f"import {median(taken, 'import'):.0f}, clients {median(taken, 'clients'):.0f}; median of {runs}",
        ),
        Row("  and up to the first answer", median(taken, "import", "clients", "first_frame"), "ms"),
        Row("  the same without byte code in the layers", median(bare, "import", "clients"), "ms"),
    ]


def package_rows() -> list[Row]:
    layers = _bytes_of(build_layer("aws")) + _bytes_of(ROOT / "layers" / "core")
    return [
        Row(
            f"Deployment package of {folder.name}, unzipped, with layers",
            (_bytes_of(folder) + layers) / 1e6,
            "MB",
            45,
        )
        for folder in sorted((ROOT / "functions").iterdir())
        if (folder / "handler.py").exists()
    ]


def _bytes_of(folder: Path) -> int:
    """Return the size as packaged for AWS, where infra leaves byte code out."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def start_row() -> Row:
    what, unit, limit = "Local run, from `make run` to ready", "s", 30
    timing = ROOT / ".local" / "run" / "timing.json"
    if not timing.exists():
        return Row(what, None, unit, limit, "run `make run ONCE=1` first")
    return Row(what, float(json.loads(timing.read_text())["ready_seconds"]), unit, limit, "last run")


def engine_rows(count: int) -> list[Row]:
    figures = latency.measure(count, BODY_BYTES, latency.say_to_stderr)
    ours, echo = figures.p50
    return [
        Row("Send to receive on the engine, p50, against a bare echo", ours / echo, "x", 1.3, f"n = {count} each"),
        Row("  ours p50", ours, "ms", note=f"p95 {figures.p95[0]:.1f}"),
        Row("  echo p50", echo, "ms", note=f"p95 {figures.p95[1]:.1f}"),
        Row("  first message after the deployment (cold)", figures.first_ms, "ms"),
        Row(f"  messages a second, {latency.PAIRS} pairs", figures.rate[0], note=f"echo {figures.rate[1]:.0f}"),
    ]


def batch_rows(count: int) -> list[Row]:
    figures = batch.measure(count, latency.say_to_stderr)
    calls = sum(figures.calls.values())
    most = ", ".join(f"{name} {number:,}" for name, number in Counter(figures.calls).most_common(4))
    return [
        Row(f"Batch of {count:,} rows on the engine, one worker", count / figures.send_seconds, "rows/s"),
        Row("  AWS calls a row, from the commit on", calls / count, note=most),
        Row("  checking the file before", count / figures.check_seconds, "rows/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: figures for orientation only")
    parser.add_argument("--no-engine", action="store_true", help="leave out measurements on the local engine")
    parser.add_argument(
        "--json", type=Path, default=ROOT / ".local" / "bench.json", help="file for the figures as JSON"
    )
    options = parser.parse_args()
    quick = options.quick
    rows: list[Row] = []
    steps = [
        ("counting AWS calls", call_rows),
        ("CPU of the send handler", lambda: cpu_rows(300 if quick else 2_500)),
        ("one-time passwords and messages of apps", lambda: app_rows(300 if quick else 1_000, 120 if quick else 600)),
        ("messages to groups", lambda: fanout_rows(1 if quick else 5)),
        ("lists of administration", list_rows),
        ("audit chains", lambda: audit.append_rows(300 if quick else 2_000)),
        ("checking an audit chain", lambda: audit.verifier_rows(20_000 if quick else 100_000)),
        ("checking imports", lambda: imports.check_rows(5_000 if quick else 100_000)),
        ("cold starts", lambda: cold_rows(3 if quick else 7)),
        ("packages", package_rows),
        ("local start", lambda: [start_row()]),
    ]
    say = latency.say_to_stderr
    if not options.no_engine:
        steps.append(("latency on the local engine", lambda: engine_rows(60 if quick else 320)))
        steps.append(("a batch on the local engine", lambda: batch_rows(1_000 if quick else 10_000)))
        steps.append(("imports on the local engine", lambda: imports.engine_rows(500 if quick else 5_000, say)))
        steps.append(("audit chains on the local engine", lambda: audit.engine_rows(2 if quick else 10, say)))
        steps.append(("groups on the local engine", lambda: group_rows(3 if quick else 15, latency.say_to_stderr)))
    for name, step in steps:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows += step()
        except (deployed.BenchError, EngineError) as error:
            sys.exit(f"measuring failed: {error}")
    show(rows)
    facts: dict[str, object] = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "quick": quick,
    }
    write(rows, options.json, facts)
    over = missed(rows)
    print("all budgets met" if not over else f"budgets missed: {'; '.join(text.strip() for text in over)}")


if __name__ == "__main__":
    main()
