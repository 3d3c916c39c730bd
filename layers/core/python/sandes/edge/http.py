"""HTTPS APIs on Powertools' resolver: handles bodies, errors and the log line for all routes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from sandes.edge.faults import refusal
from sandes.edge.telemetry import logger, measure_refusal
from sandes.protocol.client_api import Problem
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.protocol.faults import faults_of

_PATH_WORDS = {
    *("", "v1", "registrations", "codes", "verification", "me", "phone", "devices", "links", "self", "seal-key"),
    *("accounts", "lookup", "search", "profile", "keys", "attestation-key", "invitations", "blocks"),
    *("groups", "members"),
    *("organisations", "officers", "visibility", "units", "assignments", "approvals", "approve", "reject"),
    *("admin", "audit", "export", "key", "heads", "stats"),
    *("imports",),
    *("otps", "checks", "resends", "messages", "batches", "commit", "results", "templates", "preview"),
    *("people", "revoke", "transfer", "suspend", "resume", "reset", "verification-requests", "verify"),
    *("reports", "complaints", "assign", "resolve"),
    *("access-reset", "confirm", "authenticator"),
    *("apps", "guests", "go-live", "quota", "trial", "admins"),
    *("app-groups", "roster", "webhooks", "test", "deliveries", "redeliver", "events", "usage"),
}
ERROR_CODES = "x-error-codes"
"""The OpenAPI extension that lists an operation's error codes."""

_JSON = "application/json"
_FROM_DETAILS = ("errors", "attempts_left", "server_time", "audience", "reason", "approval", "mail_domains")


def resolver() -> APIGatewayHttpResolver:
    """Create a resolver that validates bodies by their models and answers every failure as problem+json."""
    app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=_read_json)
    app.use([_no_unknown_parameters])

    @app.exception_handler(RequestValidationError)
    def invalid_request(error: RequestValidationError) -> Response[str]:
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            return problem(app, ProtocolError(ErrorCode.MALFORMED_JSON))
        return problem(app, ProtocolError(ErrorCode.INVALID_REQUEST, details={"errors": faults_of(error.errors())}))

    @app.exception_handler(RequestUnsupportedContentType)
    def not_json(_: RequestUnsupportedContentType) -> Response[str]:
        return problem(app, ProtocolError(ErrorCode.MALFORMED_JSON))

    @app.exception_handler(NotFoundError)
    def not_found(_: NotFoundError) -> Response[str]:
        return problem(app, ProtocolError(ErrorCode.NOT_FOUND))

    @app.exception_handler(Exception)
    def failed(error: Exception) -> Response[str]:
        return problem(app, refusal(error))

    return app


def http_handler(app: APIGatewayHttpResolver) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Create the Lambda handler. It logs one line for each call, with the route and status, without ids, body and
    query.
    """

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        answer = app.resolve(_only_json(event), context)
        answer.setdefault("headers", {})["Cache-Control"] = "no-store"
        method = event["requestContext"]["http"]["method"]
        logger().info(f"{method} {route_of(event.get('rawPath', ''))}", status=answer["statusCode"])
        return answer

    return handler


def _no_unknown_parameters(app: APIGatewayHttpResolver, go_on: Callable[[Any], Any]) -> Any:
    """Refuse unknown query parameters, like unknown fields of a body, so that a misspelt filter is not ignored."""
    known = {parameter.alias for parameter in app.context["_route"].dependant.query_params}
    unknown = sorted(set(app.current_event.query_string_parameters or {}) - known)
    if unknown:
        faults = faults_of([{"loc": ("query", name), "type": "extra_forbidden"} for name in unknown])
        raise ProtocolError(ErrorCode.INVALID_REQUEST, details={"errors": faults})
    return go_on(app)


def _read_json(text: str) -> Any:
    """Parse JSON. Raises JSONDecodeError.

    This includes JSON that is too deep for the parser, has a number of thousands of digits, or has a lone surrogate,
    which no encoding can express.
    """
    try:
        value = json.loads(text)
        text.encode()
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError("cannot be read", "", 0) from error
    return value


def _only_json(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with a normalised content type, which Powertools refuses if the body is not text.

    Otherwise, Powertools would also read forms, which these APIs do not accept, and fail on malformed ones.
    """
    headers = event.get("headers") or {}
    declared = (headers.get("content-type") or _JSON).partition(";")[0].strip().lower()
    return event | {"headers": headers | {"content-type": _JSON if declared == _JSON and _is_text(event) else "other"}}


def _is_text(event: dict[str, Any]) -> bool:
    if not event.get("isBase64Encoded"):
        return True
    try:
        body_bytes(event).decode()
    except ValueError:
        return False
    return True


def body_bytes(event: Mapping[str, Any]) -> bytes:
    """Return the body as it was sent. API Gateway passes it as text if it looks like text, and otherwise in base64."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(errors="surrogatepass")


def route_of(path: str) -> str:
    """Return the path with `{}` for every segment that is not a word of the API, because registration ids are
    confidential.
    """
    return "/".join(segment if segment in _PATH_WORDS else "{}" for segment in path.split("/"))


def problem(app: APIGatewayHttpResolver, error: ProtocolError) -> Response[str]:
    """Answer with RFC 9457 problem details, and with Retry-After if the caller should wait."""
    measure_refusal(error.code)
    status = HTTPStatus(error.code.http_status)
    body = Problem(
        type=f"urn:sandes:error:{error.code}",
        title=error.code.text,
        status=status,
        code=error.code,
        request_id=app.lambda_context.aws_request_id,
        retry_after=error.retry_after_seconds,
        **{name: error.details[name] for name in _FROM_DETAILS if name in error.details},
    )
    headers: dict[str, str | list[str]] = {}
    if error.retry_after_seconds:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return Response(
        status_code=status,
        content_type="application/problem+json",
        body=body.model_dump_json(exclude_none=True),
        headers=headers,
    )


def event_of(app: BaseRouter) -> APIGatewayProxyEventV2:
    """Return the event that API Gateway called the function with."""
    return cast("APIGatewayProxyEventV2", app.current_event)


def source_address(app: BaseRouter) -> str:
    """Return the caller's network address as API Gateway saw it. Headers could claim any other."""
    return str(event_of(app).request_context.http.source_ip)


Body = TypeVar("Body", bound=BaseModel)


def tagged(body: Body, version: int, status: HTTPStatus = HTTPStatus.OK) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": entity_tag(version)}
    return Response(status_code=status, content_type=_JSON, body=body, headers=headers)


def csv_page(text: str, path: str, cursor: str | None) -> Response[Any]:
    """Answer with a page of a list as CSV. The Link header has the address of the next page (RFC 8288)."""
    headers: dict[str, str | list[str]] = {"Link": f'<{path}&cursor={cursor}>; rel="next"'} if cursor else {}
    return Response(status_code=HTTPStatus.OK, content_type="text/csv; charset=utf-8", body=text, headers=headers)


def created(body: Body) -> Response[Body]:
    return Response(status_code=HTTPStatus.CREATED, content_type=_JSON, body=body)


def accepted(body: Body) -> Response[Body]:
    return Response(status_code=HTTPStatus.ACCEPTED, content_type=_JSON, body=body)


def no_content() -> Response[str]:
    return Response(status_code=HTTPStatus.NO_CONTENT, content_type="application/json", body="")


def entity_tag(version: int) -> str:
    """Return a strong ETag (RFC 9110 section 8.8.3)."""
    return f'"{version}"'


def version_needed(if_match: str | None) -> int | None:
    """Return the version in If-Match, or None for a star, which means any version.

    Raises ProtocolError precondition_required without the header, and invalid_request if it is not an ETag of a
    version.
    """
    if if_match is None:
        raise ProtocolError(ErrorCode.PRECONDITION_REQUIRED)
    return version_meant(if_match)


def version_meant(if_match: str | None) -> int | None:
    """Return the version in If-Match, or None for any version: a star, or no header.

    Raises ProtocolError invalid_request if it is not an ETag that `entity_tag` returns.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'"([1-9][0-9]{0,17})"', if_match.strip())
    if found is None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/If-Match", "no_etag_of_ours")
    return int(found[1])
