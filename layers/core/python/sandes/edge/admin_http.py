"""The HTTPS admin API: who calls, and what OpenAPI says of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from sandes.administration.sign_in import Claims, read_claims
from sandes.edge.app_http import ERROR_CODES
from sandes.protocol.errors import ErrorCode


def claims(app: BaseRouter) -> Claims:
    """Who signed in, by the token that API Gateway has let pass.

    Raises ProtocolError token_invalid: no access token, or of nobody in the group of administrators.
    """
    authorizer = app.current_event.raw_event["requestContext"].get("authorizer") or {}
    return read_claims((authorizer.get("jwt") or {}).get("claims") or {})


def described(summary: str, *, refuses: Iterable[ErrorCode] = ()) -> dict[str, Any]:
    """What OpenAPI says of a route. `refuses` are the codes of its use case, beside those that every call may meet."""
    return {
        "summary": summary,
        "security": [{"administrator": []}],
        "response_description": "Done",
        "openapi_extensions": {ERROR_CODES: [code.value for code in refuses]},
    }
