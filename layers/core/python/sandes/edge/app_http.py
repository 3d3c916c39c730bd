"""The HTTPS app API: the signed request, what OpenAPI says of it, the rate-limit headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from pydantic import BaseModel

from sandes.apps.app_identity import AppRequest
from sandes.apps.quotas import MINUTE, Window
from sandes.crypto.app_tokens import SignedRequest
from sandes.edge.authorizer import bearer
from sandes.edge.http import body_bytes, entity_tag, source_address, version_meant
from sandes.model.ids import AccountId, GroupId, MessageId, parse_account, parse_group, parse_message
from sandes.protocol.app_groups_api import AppGroup
from sandes.protocol.errors import ErrorCode, ProtocolError


def signed_request(app: APIGatewayHttpResolver) -> AppRequest:
    """Raises ProtocolError token_invalid or idempotency_key_missing."""
    event = app.current_event
    headers = {name.lower(): value for name, value in event.headers.items()}
    query = event.raw_query_string
    return AppRequest.of(
        bearer(headers),
        SignedRequest(
            method=event.http_method,
            path=event.raw_path + (f"?{query}" if query else ""),
            body=body_bytes(event.raw_event),
            idempotency_key=headers.get("idempotency-key"),
        ),
        source_address(app),
    )


Body = TypeVar("Body", bound=BaseModel)


def answer(body: Body, status: HTTPStatus, windows: Sequence[Window], *, now_seconds: int) -> Response[Body]:
    """A body with the quotas, `windows`, in RateLimit headers
    (draft-ietf-httpapi-ratelimit-headers-10): `q` quota, `w` window in seconds, `r` left, `t` seconds to its end.
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


def csv_page(text: str, path: str, cursor: str | None) -> Response[Any]:
    """A page of a list as CSV; the address of the next one stands in Link (RFC 8288)."""
    headers: dict[str, str | list[str]] = {"Link": f'<{path}&cursor={cursor}>; rel="next"'} if cursor else {}
    return Response(status_code=HTTPStatus.OK, content_type="text/csv; charset=utf-8", body=text, headers=headers)


def version_needed(if_match: str | None) -> int | None:
    """The version that If-Match names; None for a star, which is any.

    Raises ProtocolError precondition_required without it, invalid_request for what no version can be.
    """
    if if_match is None:
        raise ProtocolError(ErrorCode.PRECONDITION_REQUIRED)
    return version_meant(if_match)


def with_etag(group: AppGroup, status: HTTPStatus = HTTPStatus.OK) -> Response[AppGroup]:
    headers: dict[str, str | list[str]] = {"ETag": entity_tag(group.version)}
    return Response(status_code=status, content_type="application/json", body=group, headers=headers)


def group_in_path(text: str) -> GroupId:
    """Raises ProtocolError not_found for a text that is no group id."""
    try:
        return parse_group(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def account_in_path(text: str) -> AccountId:
    """Raises ProtocolError not_found for a text that is no account id."""
    try:
        return parse_account(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def message_in_path(text: str) -> MessageId:
    """Raises ProtocolError not_found for a text that is no message id."""
    try:
        return parse_message(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


ERROR_CODES = "x-error-codes"
"""What OpenAPI calls the list of an operation's error codes."""


def described(
    summary: str, *, scope: str | None, post: bool = False, refuses: Iterable[ErrorCode] = ()
) -> dict[str, Any]:
    """What OpenAPI says of a route: the scope it asks for, the Idempotency-Key of a POST, the codes it refuses with.

    `refuses` are the codes of the use case. Those that every call may meet, and those that follow from path and body,
    are added by tools/specs/https.py.
    """
    codes = [
        *refuses,
        *([ErrorCode.SCOPE_MISSING] if scope else []),
        *([ErrorCode.IDEMPOTENCY_KEY_MISSING] if post else []),
    ]
    return {
        "summary": summary,
        "description": f"Needs the scope `{scope}`." if scope else "Needs no scope.",
        "security": [{"app_token": []}],
        "response_description": "Done",
        "openapi_extensions": {ERROR_CODES: [code.value for code in codes]},
    }
