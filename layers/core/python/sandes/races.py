"""Repeats attempts that lost a race: somebody else changed the rows between an attempt's reads and its write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sandes.protocol.errors import ErrorCode, ProtocolError

TRIES = 4

T = TypeVar("T")


class Raced(Exception):
    """Says that an attempt wrote nothing because somebody else was faster, and that it can be repeated."""


def retry_raced(
    attempt: Callable[[], T],
    *,
    on: type[Exception] | tuple[type[Exception], ...] = Raced,
    tries: int = TRIES,
    otherwise: Exception | None = None,
) -> T:
    """Return the result of `attempt`. While it raises `on`, repeat it, including its reads, up to `tries` times in all.

    Raises `otherwise` after the last try, or without it ProtocolError unavailable.
    """
    for _ in range(tries):
        try:
            return attempt()
        except on:
            continue
    raise otherwise or ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def retry_until_written(attempt: Callable[[], bool], *, tries: int = TRIES) -> None:
    """Repeat `attempt` like `retry_raced` until it returns True. Raises ProtocolError unavailable."""

    def write() -> None:
        if not attempt():
            raise Raced

    retry_raced(write, tries=tries)
