"""What sending and receiving need of the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sandes_client.events import State
from sandes_client.socket import Frame


class DeviceStopped(Exception):
    """The client does nothing more; `state` says why."""

    def __init__(self, state: State) -> None:
        super().__init__(f"the client has stopped: {state}")
        self.state = state


class Link(Protocol):
    """The device's live socket, whichever it is at the moment."""

    async def request(self, frame: Frame, answer: str, *, leaving: Callable[[], None] | None = None) -> Frame:
        """Wait for a live socket and ask over it. `leaving` is called just before the frame may leave this device.

        Raises SocketClosed, FrameRefused or DeviceStopped. A refusal is never `superseded` or `revoked`.
        """
        ...
