"""Replaces a queue: it records its entries, or fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes.store.dynamo import StoreUnavailable


@dataclass
class FakeQueue:
    """Records entries. `sent` holds bodies with their delay in seconds. tests/integration/test_outside_contracts.py
    checks it.
    """

    sent: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    failing: bool = False

    def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
        if self.failing:
            raise StoreUnavailable
        self.sent.append((json.loads(json.dumps(body)), delay_seconds))

    def send_many(self, bodies: Sequence[dict[str, Any]], *, delay_seconds: int = 0) -> None:
        for body in bodies:
            self.send(body, delay_seconds=delay_seconds)
