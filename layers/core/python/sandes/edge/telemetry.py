"""One structured line per invocation: ids, sizes, counts and error codes. Never content, codes, tokens or numbers."""

from __future__ import annotations

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """The service name comes from POWERTOOLS_SERVICE_NAME, set for each function by infra/."""
    return Logger(log_uncaught_exceptions=False, use_rfc3339=True, utc=True)
