"""Signed requests of the app API, the descriptions of its routes for OpenAPI, and its rate-limit headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from pydantic import BaseModel

from sandes.apps.quotas import MINUTE, Window
from sandes.crypto.app_tokens import SignedRequest
from sandes.edge.authorizer import bearer
from sandes.edge.http import ERROR_CODES, body_bytes, event_of, source_address
from sandes.identity.apps import AppRequest
from sandes.protocol.errors import ErrorCode


def signed_request(app: BaseRouter) -> AppRequest:
    """Read the signed request. Raises ProtocolError token_invalid, idempotency_key_missing or
    idempotency_key_invalid.
    """
    event = event_of(app)
    headers = {name.lower(): value for name, value in event.headers.items()}
    query = event.raw_query_string
    return AppRequest.of(
        bearer(headers),
        SignedRequest(
            method=event.http_method,
            path=event.raw_path + (f"?{query}" if query else ""),
            body=body_bytes(event.raw_event),
            idempotency_key=headers.get("idempotency-key"),
            if_match=headers.get("if-match"),
        ),
        source_address(app),
    )


Body = TypeVar("Body", bound=BaseModel)


def answer(body: Body, status: HTTPStatus, windows: Sequence[Window], *, now_seconds: int) -> Response[Body]:
    """Answer with a body, and with the quotas in RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10).

    `q` is the quota, `w` the window in seconds, `r` the rest, and `t` the seconds until the window ends.
    """
    headers: dict[str, str | list[str]] = {}
    if windows:
        named = [("minute" if window.seconds == MINUTE else "day", window) for window in windows]
        headers["RateLimit-Policy"] = ", ".join(f'"{name}";q={w.limit};w={w.seconds}' for name, w in named)
        headers["RateLimit"] = ", ".join(f'"{name}";r={w.left};t={w.resets_at - now_seconds}' for name, w in named)
    return Response(
        status_code=status,
        content_type="application/json",
        body=body,
        headers=headers,
    )


def described(
    summary: str, *, scope: str | None, post: bool = False, refuses: Iterable[ErrorCode] = ()
) -> dict[str, Any]:
    """Return the OpenAPI description of a route: the required scope, the Idempotency-Key of a POST, and the error
    codes.

    `refuses` lists the codes of the use case. tools/specs/https.py adds those of every call, and those that follow from
    path and body.
    """
    codes = [
        *refuses,
        *([ErrorCode.SCOPE_MISSING] if scope else []),
        *([ErrorCode.IDEMPOTENCY_KEY_MISSING, ErrorCode.IDEMPOTENCY_KEY_INVALID] if post else []),
    ]
    return {
        "summary": summary,
        "description": f"Needs the scope `{scope}`." if scope else "Needs no scope.",
        "security": [{"app_token": []}],
        "response_description": "Done",
        "openapi_extensions": {ERROR_CODES: [code.value for code in codes]},
    }
