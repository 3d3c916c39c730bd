"""A queue that keeps what it is sent, with the delay of each entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes.store.dynamo import StoreUnavailable


@dataclass
class FakeQueue:
    """`failures`: how many of the next calls raise StoreUnavailable."""

    entries: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    failures: int = 0

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        self.send_many([body], delay_seconds=delay_seconds)

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable
        self.entries += [(body, delay_seconds) for body in bodies]
