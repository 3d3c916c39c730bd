"""Handles the call of the administrators' pool before it signs tokens."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.administration.sign_in import narrowed
from sandes.edge.telemetry import logger


def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    logger().info("tokens", source=event["triggerSource"])
    return narrowed(event)
