"""The error boundary: what goes wrong becomes a refusal with a code, and nothing of it reaches the caller but that."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from sandes.edge.telemetry import logger
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable

_THROTTLED = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "InternalServerError",
    "ServiceUnavailable",
    "TransactionConflictException",
}
_RETRY_AFTER_SECONDS = 2


def refusal(error: Exception) -> ProtocolError:
    """`unavailable` for overload, which the caller may retry; `internal`, logged with its trace, for the rest."""
    if isinstance(error, ProtocolError):
        return error
    overloaded = isinstance(
        error, StoreUnavailable | EndpointConnectionError | ConnectTimeoutError | ReadTimeoutError
    ) or (isinstance(error, ClientError) and error.response["Error"]["Code"] in _THROTTLED)
    if overloaded:
        logger().warning("unavailable", error=type(error).__name__)
        return ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=_RETRY_AFTER_SECONDS)
    logger().exception("internal error", exc_info=error)
    return ProtocolError(ErrorCode.INTERNAL)
