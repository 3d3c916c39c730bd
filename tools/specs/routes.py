"""Lists the routes of a function, for the generated pages and for tests that hold all routes to a rule."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver


def routes_of(app: APIGatewayHttpResolver) -> tuple[Any, ...]:
    """Return all routes of a resolver. Powertools keeps them in private attributes (tools/couplings.py)."""
    return (*app._static_routes, *app._dynamic_routes)
