"""Who is calling over a websocket: fixed by the authorizer, carried by API Gateway with each frame."""

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
    """A device whose token was verified at `$connect`.

    What may change while the socket is open, such as its class, is not in it but read with each frame.
    `connected_at_ms` is the server's time of that check. `socket` is the number of the socket: the device's next one
    has a higher number, so of two sockets of a device it tells the newer one without a clock (docs/adr/0032).
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
        """The authorizer context. API Gateway carries strings, numbers and booleans only, 8 KB in all."""
        return {
            "device": str(self.address),
            "registration": str(self.registration),
            "inbox": base64url_text(self.inbox),
            "connected": str(self.connected_at_ms),
            "socket": str(self.socket),
        }

    @classmethod
    def from_context(cls, context: Mapping[str, str]) -> Principal:
        """Raises KeyError or ValueError for a context that `to_context` did not make."""
        return cls(
            address=DeviceAddress.parse(context["device"]),
            registration=RegistrationId(int(context["registration"])),
            inbox=InboxId(parse_base64url(context["inbox"])),
            connected_at_ms=int(context["connected"]),
            socket=int(context["socket"]),
        )
