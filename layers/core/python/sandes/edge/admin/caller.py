"""Identifies the caller of the HTTPS admin API."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from sandes import runtime
from sandes.administration.roles.admin_identity import identify
from sandes.administration.sign_in import Claims, read_claims
from sandes.edge.wiring.administration import wire_administrators
from sandes.model.administrator import Caller
from sandes.model.instant import Instant


def claims(app: BaseRouter) -> Claims:
    """Return the claims of the access token that API Gateway has verified.

    Raises ProtocolError token_invalid if it is not an access token, or not that of an administrator.
    """
    authorizer = app.current_event.raw_event["requestContext"].get("authorizer") or {}
    return read_claims((authorizer.get("jwt") or {}).get("claims") or {})


def call(app: BaseRouter) -> tuple[Caller, Instant]:
    """Return the caller with the roles in force, and the present moment. This takes one query.

    Raises ProtocolError token_invalid, also for a session that was ended, or not_found for somebody who never had a
    role.
    """
    now = runtime.now()
    signed_in = claims(app)
    caller = identify(
        signed_in.administrator,
        signed_in_at=signed_in.signed_in_at,
        now_seconds=now.seconds,
        administrators=wire_administrators(),
    )
    return caller, now
