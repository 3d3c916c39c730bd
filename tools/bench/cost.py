"""Computes the cost of a million OTP round trips on AWS, from the counts of otp_calls and prices.json.

Some values are assumptions, because they cannot be counted in process: the SMS function gets SMS_BATCH records a time
(the queue gives it up to ten, and under load there are ten), a call to AWS takes AWS_CALL_MS, and an invocation logs
LOG_BYTES. The sum leaves out SMS, data transfer, connection minutes, storage, and the receives of an empty queue, which
cost the same on a quiet day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRICES = Path(__file__).parent / "prices.json"
SMS_BATCH = 10
AWS_CALL_MS = 5.0
MEMORY_GB = 1.0
LOG_BYTES = 330
"""Size of our line of some 300 bytes with CloudWatch's overhead. Lambda's own lines are left out
(infra/function.py).
"""

FRAMES = 6
"""Number of frames: the code, its ack and the answer to that; and the same for the `control` envelope."""


def used(counted: Mapping[str, Any], cpu_ms: Mapping[str, float]) -> dict[str, float]:
    """Return how much of each priced item one round trip uses, on average.

    `cpu_ms` is the CPU of an invocation by step, without waiting for AWS.
    """
    trips = counted["trips"]
    calls = {step: sum(of.values()) / trips for step, of in counted["calls"].items()}
    invocations = {step: 1 / SMS_BATCH if step == "SMS not needed" else 1.0 for step in calls}
    busy_ms = sum(cpu_ms[step] + calls[step] * AWS_CALL_MS for step in calls)
    units = {
        kind: sum(n for name, n in counted["units"].items() if name.endswith(kind)) / trips
        for kind in ("read", "write")
    }
    return {
        "http_api_request": 2,
        "websocket_message": FRAMES,
        "lambda_request": sum(invocations.values()),
        "lambda_gb_second": busy_ms / 1000 * MEMORY_GB,
        "dynamodb_write": units["write"],
        "dynamodb_read": units["read"],
        "sqs_request": 1 + 2 / SMS_BATCH,  # sent one by one, received and deleted in batches
        "log_gb": sum(invocations.values()) * LOG_BYTES / 1e9,
    }


def per_million(uses: Mapping[str, float]) -> dict[str, float]:
    """Return the US dollars for a million round trips, by item."""
    prices = json.loads(PRICES.read_text(encoding="utf-8"))["prices"]
    return {name: 1e6 * amount * prices[name]["usd"] / prices[name]["per"] for name, amount in uses.items()}
