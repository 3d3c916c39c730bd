"""Handles for tests of a deployment: what no application needs."""

from __future__ import annotations

from sandes_client.connection import Connection
from sandes_client.incoming import Incoming
from sandes_client.socket import Frame


class LowLevel:
    """Reached as `DeviceClient.low_level`."""

    def __init__(self, connection: Connection, incoming: Incoming) -> None:
        self._connection = connection
        self._incoming = incoming

    @property
    def auto_ack(self) -> bool:
        """False keeps acks and receipts back, in the store, until `flush_acks` or until it is True again."""
        return self._incoming.auto_ack

    @auto_ack.setter
    def auto_ack(self, value: bool) -> None:
        self._incoming.auto_ack = value
        self._incoming.has_news()

    async def flush_acks(self) -> None:
        """Send the acks and receipts that are due and await their answers."""
        await self._incoming.tell()

    def drop(self) -> None:
        """Abort the transport without a close frame. The client reconnects after its usual wait."""
        self._connection.abort_all()

    def go_offline(self) -> None:
        """`drop`, and stay away until `go_online`."""
        self._connection.may_connect.clear()
        self._connection.abort_all()

    def go_online(self) -> None:
        self._connection.may_connect.set()

    async def send_text(self, text: str) -> None:
        """Send `text` over the live socket as it is. Raises SocketClosed."""
        await (await self._connection.live()).send_text(text)

    async def request(self, frame: Frame, answer: str) -> Frame:
        """Send `frame` with a `ref` and return the answer of type `answer`. Raises FrameRefused or SocketClosed."""
        return await self._connection.request(frame, answer)
