"""The error boundary: every exception becomes a refusal with a code, and the caller sees nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from sandes.edge.telemetry import logger, measure_refusal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable, is_overload

_RETRY_AFTER_SECONDS = 2


def refusal(error: Exception) -> ProtocolError:
    """Convert an exception: to `unavailable` for overload, which the caller may retry, otherwise to `internal`.

    An internal error is logged with its trace.
    """
    if isinstance(error, ProtocolError):
        return error
    overloaded = isinstance(
        error, StoreUnavailable | EndpointConnectionError | ConnectTimeoutError | ReadTimeoutError
    ) or (isinstance(error, ClientError) and is_overload(error))
    if overloaded:
        logger().warning("unavailable", error=type(error).__name__)
        return ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=_RETRY_AFTER_SECONDS)
    logger().exception("internal error", exc_info=error)
    return ProtocolError(ErrorCode.INTERNAL)


def direct_call(use_case: Callable[[], dict[str, Any]], context: LambdaContext, *, name: str) -> dict[str, Any]:
    """Answer a call that came through Lambda's own API: `{"ok": ...}`, or `{"error": {code, message, errors?}}`."""
    try:
        answer = use_case()
    except Exception as error:  # noqa: BLE001  # the boundary
        refused = refusal(error)
        measure_refusal(refused.code)
        logger().info("operation", operation=name[:32], outcome=refused.code)
        return {
            "error": {
                "code": refused.code,
                "message": refused.code.text,
                "request_id": context.aws_request_id,
                **refused.details,
            }
        }
    logger().info("operation", operation=name[:32], outcome="done")
    return {"ok": answer}
