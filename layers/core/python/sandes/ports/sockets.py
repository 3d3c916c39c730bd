"""Live sockets as use cases see them."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from sandes.model.ids import ConnectionId


class Posted(Enum):
    """Lists the outcomes of a post. YES proves only that API Gateway accepted the frame."""

    YES = "yes"
    GONE = "gone"
    FAILED = "failed"


class Pusher(Protocol):
    def post(self, connection: ConnectionId, text: str) -> Posted:
        """Post one frame. FAILED, after retries, means throttled or unreachable; the socket may still be alive."""
        ...

    def close(self, connection: ConnectionId) -> None:
        """Close the socket. Do nothing if it is closed already."""
        ...
