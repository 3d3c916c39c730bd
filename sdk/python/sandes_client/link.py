"""Defines what sending and receiving need from the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sandes_client.events import State
from sandes_client.socket import Frame


class DeviceStopped(Exception):
    """Reports that the client has stopped. `state` gives the reason."""

    def __init__(self, state: State) -> None:
        super().__init__(f"the client has stopped: {state}")
        self.state = state


class Link(Protocol):
    """Is the device's live socket, which changes over time."""

    async def request(self, frame: Frame, answer: str, *, leaving: Callable[[], None] | None = None) -> Frame:
        """Wait for a live socket and send a request.

        `leaving` is called just before the frame may leave this device.

        Raise SocketClosed, FrameRefused or DeviceStopped. A refusal is never `superseded` or `revoked`.
        """
        ...
