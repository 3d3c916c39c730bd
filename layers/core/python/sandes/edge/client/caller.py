"""The HTTPS client API: who calls, and what its use cases need."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes.edge.authorizer import bearer
from sandes.edge.http import now_milliseconds
from sandes.edge.wiring import wire_client
from sandes.people.devices import DeviceDependencies
from sandes.people.identity import Caller, authenticate

AccountPath = Annotated[str, Path(pattern=r"^[a-z2-7]{13}$")]


def call(app: BaseRouter) -> tuple[Caller, int, DeviceDependencies]:
    """Who calls, when (epoch milliseconds), and what the use cases need.

    Raises ProtocolError token_invalid or token_expired.
    """
    deps, audience = wire_client()
    now_ms = now_milliseconds()
    token = bearer(dict(app.current_event.headers))
    return authenticate(token, audience=audience, now_ms=now_ms, directory=deps.directory), now_ms, deps


def described(summary: str, *, signed: bool = True) -> dict[str, Any]:
    """Return what OpenAPI says about a route. With `signed`, the route needs a device token.

    Status and body of success come from the route itself; refusals are the same everywhere (tools/specs/https.py).
    """
    return {
        "summary": summary,
        "description": "Needs a device token." if signed else "Needs no token.",
        "security": [{"device_token": []}] if signed else [],
        "response_description": "Done",
    }
