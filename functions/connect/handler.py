"""Handles `$connect` (as authorizer) and `$disconnect`."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.edge.authorizer import authorize, disconnected
from sandes.edge.wiring.connect import wire_connect


def authorizer(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return authorize(event, wire_connect())


def disconnect(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return disconnected(event, wire_connect())
