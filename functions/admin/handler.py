"""Operators' calls through Lambda's own API, allowed by IAM; the HTTPS admin API will join them here."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.edge.faults import direct_call
from sandes.edge.http import now_milliseconds
from sandes.edge.wiring import wire_operator
from sandes.operations import operate


def operator(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    now_seconds = now_milliseconds() // 1000
    return direct_call(
        lambda: operate(event, now_seconds=now_seconds, deps=wire_operator()), context, name=str(event.get("operation"))
    )
