"""The HTTPS client API: who calls, and what its use cases need."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from sandes.edge.authorizer import bearer
from sandes.edge.http import now_milliseconds
from sandes.edge.wiring import wire_client
from sandes.model.ids import parse_base64url
from sandes.people.devices import DeviceDependencies
from sandes.people.identity import Caller, authenticate
from sandes.people.signed_acts import ACT_HEADER, Signed
from sandes.protocol.errors import ErrorCode, invalid

AccountPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]
ActHeader = Annotated[
    str | None,
    Header(
        alias=ACT_HEADER,
        pattern=r"^[1-9][0-9]{0,14}\.[A-Za-z0-9_-]{86}$",
        description=(
            "Epoch milliseconds, a full stop, and the signature of the act by the device's identity key: 64 bytes in "
            "base64url (docs/protocol/README.md, 'Signed acts')"
        ),
    ),
]


def call(app: BaseRouter) -> tuple[Caller, int, DeviceDependencies]:
    """Who calls, when (epoch milliseconds), and what the use cases need.

    Raises ProtocolError token_invalid or token_expired.
    """
    deps, audience = wire_client()
    now_ms = now_milliseconds()
    token = bearer(dict(app.current_event.headers))
    return authenticate(token, audience=audience, now_ms=now_ms, directory=deps.directory), now_ms, deps


def signed_act(header: str | None) -> Signed | None:
    """What the header `Sandes-Act` says; None without one. Raises ProtocolError bad_signature."""
    if header is None:
        return None
    at_ms, _, signature = header.partition(".")
    try:
        return Signed(int(at_ms), parse_base64url(signature))
    except ValueError:
        raise invalid(ErrorCode.BAD_SIGNATURE, f"/{ACT_HEADER}", "not_accepted") from None


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
