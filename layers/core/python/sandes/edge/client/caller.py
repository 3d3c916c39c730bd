"""The HTTPS client API: who calls, and what its use cases need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from sandes.edge.authorizer import bearer
from sandes.edge.http import ERROR_CODES, now_milliseconds
from sandes.edge.wiring.client import wire_client
from sandes.identity.devices import Caller, authenticate
from sandes.identity.signed_acts import ACT_FORM, ACT_HEADER
from sandes.limits import Limit, enforce
from sandes.model.ids import account_text
from sandes.people.devices import DeviceDependencies
from sandes.protocol.errors import ErrorCode

AccountPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]
ActHeader = Annotated[
    str | None,
    Header(
        alias=ACT_HEADER,
        pattern=ACT_FORM,
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


def counted_call(app: BaseRouter) -> tuple[Caller, int, DeviceDependencies]:
    """As `call`, for routes without a limit of their own. Raises ProtocolError rate_limited and unavailable too."""
    caller, now_ms, deps = call(app)
    enforce(deps.limits, Limit.CALLS, f"account:{account_text(caller.account.id)}", now_ms=now_ms)
    return caller, now_ms, deps


_OF_TOKENS = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_AUDIENCE, ErrorCode.TOKEN_EXPIRED),
    *(ErrorCode.REVOKED, ErrorCode.SUSPENDED),
)
_OF_ACTS = (ErrorCode.SIGNATURE_REQUIRED, ErrorCode.BAD_SIGNATURE, ErrorCode.CLOCK_SKEW)


def described(
    summary: str, *, signed: bool = True, act: bool = False, refuses: Iterable[ErrorCode] = ()
) -> dict[str, Any]:
    """Return what OpenAPI says about a route: whether it needs a device token (`signed`), or in some cases a signed
    act too (`act`), and the codes that it refuses with.

    `refuses` are the codes of the use case. Those that every call may meet, and those that follow from path and body,
    are added by tools/specs/https.py.
    """
    needs = "Needs a device token." if signed else "Needs no token."
    codes = [*refuses, *(_OF_TOKENS if signed else ()), *(_OF_ACTS if act else ())]
    return {
        "summary": summary,
        "description": f"{needs} Acts that outlive a token need the header `{ACT_HEADER}` too." if act else needs,
        "security": [{"device_token": []}] if signed else [],
        "response_description": "Done",
        "openapi_extensions": {ERROR_CODES: [code.value for code in codes]},
    }
