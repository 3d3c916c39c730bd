"""Provides handles for tests of a deployment. Applications do not need them."""

from __future__ import annotations

from sandes_client.connection import Connection
from sandes_client.incoming import Incoming
from sandes_client.socket import Frame


class LowLevel:
    """Controls the connection and raw frames. It is reached as `DeviceClient.low_level`."""

    def __init__(self, connection: Connection, incoming: Incoming) -> None:
        self._connection = connection
        self._incoming = incoming

    @property
    def auto_ack(self) -> bool:
        """Return whether acks are sent.

        False keeps acks and receipts in the store until `flush_acks`, or until it is True.
        """
        return self._incoming.auto_ack

    @auto_ack.setter
    def auto_ack(self, value: bool) -> None:
        self._incoming.auto_ack = value
        self._incoming.has_news()

    async def flush_acks(self) -> None:
        """Send the acks and receipts that are due, and await their answers."""
        await self._incoming.tell()

    def drop(self) -> None:
        """Abort the transport without a close frame. The client reconnects after its usual wait."""
        self._connection.abort_all()

    def go_offline(self) -> None:
        """Drop the connection, and stay offline until `go_online`."""
        self._connection.may_connect.clear()
        self._connection.abort_all()

    def go_online(self) -> None:
        self._connection.may_connect.set()

    async def send_text(self, text: str) -> None:
        """Send `text` over the live socket unchanged. Raise SocketClosed."""
        await (await self._connection.live()).send_text(text)

    async def request(self, frame: Frame, answer: str) -> Frame:
        """Send `frame` with a `ref` and return the answer of type `answer`. Raise FrameRefused or SocketClosed."""
        return await self._connection.request(frame, answer)
