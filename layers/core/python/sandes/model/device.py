"""Accounts and devices: their identity (from the directory) and how to reach them (from routing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, ConnectionId, DeviceNumber, InboxId, RegistrationId
from sandes.model.standing import Standing, in_force
from sandes.model.suspension import Suspension

MAX_BLOCKS = 5_000
"""The most accounts that one account may block."""

MAX_DEVICES = 6


@dataclass(frozen=True, slots=True)
class SealKey:
    """Holds the current X25519 public key of a device. `number` rises with every rotation."""

    number: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Device:
    """Holds a device as the directory lists it. `identity_key` is an Ed25519 key of 32 bytes; times are epoch
    seconds.
    """

    account: AccountId
    number: DeviceNumber
    registration: RegistrationId
    inbox: InboxId
    identity_key: bytes
    name: str
    platform: str
    linked_at: int


FORMER_DEVICE_SECONDS = 400 * 86_400
"""How long a device can still learn that it was unlinked or replaced while it was offline."""


Unlinking = Literal["unlinked", "replaced"]
"""The reason why a device no longer belongs to its account."""


@dataclass(frozen=True, slots=True)
class FormerDevice:
    """Holds the data by which the service tells a former device, and nobody else, that it no longer belongs to its
    account.
    """

    identity_key: bytes
    reason: Unlinking


@dataclass(frozen=True, slots=True)
class Account:
    """Holds an account and its devices. Only the phone key, which is stored outside the database, decrypts
    `phone_sealed`.

    `standing` may have expired: use `standing_at`.
    """

    id: AccountId
    phone_index: str
    phone_sealed: bytes
    created_at: int
    last_device: DeviceNumber
    devices: Mapping[DeviceNumber, Device]
    standing: Standing | None = None
    suspension: Suspension | None = None

    def standing_at(self, now_seconds: int) -> Standing | None:
        return in_force(self.standing, now_seconds=now_seconds)


@dataclass(frozen=True, slots=True)
class Route:
    """Holds how to reach a device now. `connection` is None while the device is offline.

    `socket` is the number of the newest socket that has said `hello`, or None before the first `hello`. A socket with a
    smaller number has been superseded. `epoch` counts the `hello`s of the device. `last_seen` is epoch seconds, or None
    if the device was never connected; it has no meaning while the device is connected.
    """

    device: DeviceNumber
    registration: RegistrationId
    inbox: InboxId
    seal_key: SealKey
    epoch: int
    connection: ConnectionId | None
    last_seen: int | None = None
    socket: int | None = None


@dataclass(frozen=True, slots=True)
class Routes:
    """Holds the routes to every device of an account. `standing` was in force at the time of the read, or is None.

    No device of a `suspended` account may send anything.
    """

    account: AccountId
    devices: Mapping[DeviceNumber, Route]
    standing: Standing | None = None
    suspended: bool = False

    def last_seen(self, now_seconds: int) -> int | None:
        """Return the epoch second at which a device was last connected: now if one is, or None if none ever was."""
        if any(route.connection for route in self.devices.values()):
            return now_seconds
        return max((route.last_seen for route in self.devices.values() if route.last_seen is not None), default=None)
