"""Queues as use cases see them: the entries are processed later, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Queue(Protocol):
    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        """Queue a JSON object; `delay_seconds` is at most 900. Raises StoreUnavailable."""
        ...

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        """Queue any number of objects, ten in each call. Raises StoreUnavailable, possibly after queueing some
        of them.
        """
        ...
