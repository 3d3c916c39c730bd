"""Live sockets as use cases see them."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from sandes.model.ids import ConnectionId


class Posted(Enum):
    """What became of a post. YES proves only that API Gateway took it."""

    YES = "yes"
    GONE = "gone"
    FAILED = "failed"


class Pusher(Protocol):
    def post(self, connection: ConnectionId, text: str) -> Posted:
        """Post one frame. FAILED after retries means throttled or unreachable, with the socket perhaps alive."""
        ...

    def close(self, connection: ConnectionId) -> None:
        """Close the socket; nothing happens if it is gone already."""
        ...
