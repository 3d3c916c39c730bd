"""Operators' calls through Lambda's own API, allowed by IAM; the HTTPS admin API will join them here. And the sweep
of verifications that have ended.
"""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.administration.operations import operate
from sandes.administration.verification_sweep import end_due
from sandes.edge.faults import direct_call
from sandes.edge.http import now_milliseconds
from sandes.edge.telemetry import logger
from sandes.edge.wiring import wire_operator, wire_verification_sweep


def operator(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    now_seconds = now_milliseconds() // 1000
    return direct_call(
        lambda: operate(event, now_seconds=now_seconds, deps=wire_operator()), context, name=str(event.get("operation"))
    )


def ending(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Called every minute."""
    ended = end_due(now_ms=now_milliseconds(), deps=wire_verification_sweep(), elapsed=time.monotonic)
    logger().info("ending", ended=ended)
    return {"ended": ended}
