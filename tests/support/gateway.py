"""Replaces API Gateway's sockets: posts to live ones arrive, posts to closed ones fail."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sandes.model.ids import ConnectionId
from sandes.ports.sockets import Posted
from tests.support import published


@dataclass
class FakeGateway:
    """Accepts posts to `open` sockets. `received` records the posts of each socket, whether or not its client still
    reads.
    """

    open: set[ConnectionId] = field(default_factory=set)
    received: dict[ConnectionId, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    failing: set[ConnectionId] = field(default_factory=set)
    closed: list[ConnectionId] = field(default_factory=list)

    def post(self, connection: ConnectionId, text: str) -> Posted:
        if connection not in self.open:
            return Posted.GONE
        if connection in self.failing:
            return Posted.FAILED
        published.check_frame(text)
        self.received[connection].append(json.loads(text))
        return Posted.YES

    def close(self, connection: ConnectionId) -> None:
        self.open.discard(connection)
        self.closed.append(connection)

    def envelope_ids(self, connection: ConnectionId) -> list[str]:
        return [
            envelope["id"]
            for frame in self.received[connection]
            if frame["type"] == "envelopes"
            for envelope in frame["envelopes"]
        ]
