"""The device that calls over a websocket. The authorizer determines it, and API Gateway adds it to each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandes.model.device import Device
from sandes.model.ids import (
    DeviceAddress,
    InboxId,
    RegistrationId,
    base64url_text,
    parse_base64url,
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Names a device whose token was verified at `$connect`.

    Facts that may change while the socket is open, such as the class, are read with each frame instead.
    `connected_at_ms` is the server's time of the verification. `socket` is the number of the socket. The device's next
    socket has a higher number, so the newer of two sockets is known without a clock (docs/adr/0032).
    """

    address: DeviceAddress
    registration: RegistrationId
    inbox: InboxId
    connected_at_ms: int
    socket: int = 0

    @classmethod
    def of(cls, device: Device, connected_at_ms: int, *, socket: int = 0) -> Principal:
        return cls(
            address=DeviceAddress(device.account, device.number),
            registration=device.registration,
            inbox=device.inbox,
            connected_at_ms=connected_at_ms,
            socket=socket,
        )

    def to_context(self) -> dict[str, str]:
        """Return the authorizer context. API Gateway allows only strings, numbers and booleans, 8 KB in all."""
        return {
            "device": str(self.address),
            "registration": str(self.registration),
            "inbox": base64url_text(self.inbox),
            "connected": str(self.connected_at_ms),
            "socket": str(self.socket),
        }

    @classmethod
    def from_context(cls, context: Mapping[str, str]) -> Principal:
        """Parse the context that `to_context` returns. Raises KeyError or ValueError for any other context."""
        return cls(
            address=DeviceAddress.parse(context["device"]),
            registration=RegistrationId(int(context["registration"])),
            inbox=InboxId(parse_base64url(context["inbox"])),
            connected_at_ms=int(context["connected"]),
            socket=int(context["socket"]),
        )
