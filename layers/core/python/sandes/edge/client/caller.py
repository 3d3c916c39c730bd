"""Identifies the caller of the HTTPS client API, and describes its routes for OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from sandes import runtime
from sandes.edge.authorizer import bearer
from sandes.edge.http import ERROR_CODES
from sandes.edge.wiring.client import wire_client
from sandes.identity.devices import Caller, authenticate
from sandes.identity.signed_acts import ACT_FORM, ACT_HEADER
from sandes.limits import Limit, enforce
from sandes.model.ids import account_text
from sandes.model.instant import Instant
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


def call(app: BaseRouter) -> tuple[Caller, Instant, DeviceDependencies]:
    """Return the caller, the present moment, and the dependencies of the use cases.

    Raises ProtocolError token_invalid or token_expired.
    """
    deps, audience = wire_client()
    now = runtime.now()
    token = bearer(dict(app.current_event.headers))
    return authenticate(token, audience=audience, now=now, directory=deps.directory), now, deps


def counted_call(app: BaseRouter) -> tuple[Caller, Instant, DeviceDependencies]:
    """Return the same as `call`, for routes without a limit of their own.

    Raises ProtocolError rate_limited and unavailable too.
    """
    caller, now, deps = call(app)
    enforce(deps.limits, Limit.CALLS, f"account:{account_text(caller.account.id)}", now=now)
    return caller, now, deps


_OF_TOKENS = (
    *(ErrorCode.TOKEN_INVALID, ErrorCode.TOKEN_AUDIENCE, ErrorCode.TOKEN_EXPIRED),
    *(ErrorCode.REVOKED, ErrorCode.SUSPENDED),
)
_OF_ACTS = (ErrorCode.SIGNATURE_REQUIRED, ErrorCode.BAD_SIGNATURE, ErrorCode.CLOCK_SKEW)


def described(
    summary: str, *, signed: bool = True, act: bool = False, refuses: Iterable[ErrorCode] = ()
) -> dict[str, Any]:
    """Return the OpenAPI description of a route: its need of a device token (`signed`) or also of a signed act (`act`).

    `refuses` lists the codes of the use case. tools/specs/https.py adds those of every call, and those that follow from
    path and body.
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
