"""Builds the rows of the budget table about apps: CPU of their calls, AWS calls and cost of a one-time password."""

from __future__ import annotations

from typing import Any

from tools.bench import deployed
from tools.bench.cost import AWS_CALL_MS, SMS_BATCH, per_million, used
from tools.bench.table import Row

CPU_BUDGET_MS = 2.5
CALLS_BUDGET = 12
COST_BUDGET_USD = 20
ACK_CPU_MS = 1.0
"""CPU of the deliver and SMS functions, which make one AWS call each. It is rounded up from the CPU of a call."""


def app_rows(count: int, trips: int) -> list[Row]:
    cpu, counted = deployed.run("app_cpu", str(count)), deployed.run("otp_calls", str(trips))
    return [*_cpu_rows(cpu), *_call_rows(counted), *_cost_rows(cpu, counted)]


def _cpu_rows(cpu: dict[str, Any]) -> list[Row]:
    rows = []
    powertools = cpu["powertools"]["median"]
    for name, figures in cpu.items():
        if name == "powertools":
            continue
        total, aws = figures["total_ms"]["median"], figures["aws_ms"]["median"]
        limit = CPU_BUDGET_MS if name == "POST /v1/otps" else None
        rows += [
            Row(f"CPU of {name}, AWS at no latency", total, "ms", limit, f"n = {figures['count']:,}"),
            Row(f"  of which its {figures['calls']} AWS calls", aws, "ms", note="botocore, made alone"),
            Row("  of which ours", total - aws - powertools, "ms", note="less those calls, less Powertools"),
        ]
    return [*rows, Row("  of which Powertools: event, route, models, log line", powertools, "ms", note="a bare route")]


def _call_rows(counted: dict[str, Any]) -> list[Row]:
    calls = {step: sum(of.values()) / counted["trips"] for step, of in counted["calls"].items()}
    units = {name: number / counted["trips"] for name, number in sorted(counted["units"].items())}
    core = sum(calls[step] for step in ("send the code", "ack it", "check the code"))
    return [
        Row("AWS calls of an OTP: send, deliver to one device, ack, check", core, limit=CALLS_BUDGET),
        Row(
            "  with the SMS that is not needed and the ack of the invalidated bubble",
            sum(calls.values()),
            limit=CALLS_BUDGET,
            note=", ".join(f"{step} {number:.2f}".rstrip("0").rstrip(".") for step, number in calls.items()),
        ),
        *(
            Row(
                f"  {kind} units",
                sum(n for name, n in units.items() if name.endswith(kind)),
                note=_by_table(units, kind),
            )
            for kind in ("write", "read")
        ),
    ]


def _by_table(units: dict[str, float], kind: str) -> str:
    return ", ".join(f"{name.split()[0]} {number:.2f}" for name, number in units.items() if name.endswith(kind))


def _cost_rows(cpu: dict[str, Any], counted: dict[str, Any]) -> list[Row]:
    cpu_ms = {
        "send the code": cpu["POST /v1/otps"]["total_ms"]["median"],
        "ack it": ACK_CPU_MS,
        "SMS not needed": ACK_CPU_MS,
        "check the code": cpu["POST /v1/otps/{id}/checks"]["total_ms"]["median"],
        "ack the control envelope": ACK_CPU_MS,
    }
    uses = used(counted, cpu_ms)
    cost = per_million(uses)
    note = f"us-east-1, tools/bench/prices.json; {AWS_CALL_MS:.0f} ms an AWS call, {SMS_BATCH} SMS records a batch"
    return [
        Row("A million OTP round trips", sum(cost.values()), "USD", COST_BUDGET_USD, note),
        *(Row(f"  {name.replace('_', ' ')}: {uses[name]:.4g} each", amount, "USD") for name, amount in cost.items()),
    ]
