"""What the system knows of a device: its identity (directory), its way of being reached (routing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, ConnectionId, DeviceNumber, InboxId, RegistrationId
from sandes.model.standing import Standing, in_force
from sandes.model.suspension import Suspension

MAX_BLOCKS = 5_000
"""How many others an account may block."""

MAX_DEVICES = 6


@dataclass(frozen=True, slots=True)
class SealKey:
    """A device's current X25519 public key; `number` rises with every rotation."""

    number: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the directory lists it. `identity_key` is Ed25519, 32 bytes; times are epoch seconds."""

    account: AccountId
    number: DeviceNumber
    registration: RegistrationId
    inbox: InboxId
    identity_key: bytes
    name: str
    platform: str
    linked_at: int


FORMER_DEVICE_SECONDS = 400 * 86_400
"""For so long a device that was unlinked or replaced while it was offline can still learn that it was."""


Unlinking = Literal["unlinked", "replaced"]
"""Why a device is no longer one of its account's."""


@dataclass(frozen=True, slots=True)
class FormerDevice:
    """A device that is no longer one of its account's: just enough to tell it so, and nobody else."""

    identity_key: bytes
    reason: Unlinking


@dataclass(frozen=True, slots=True)
class Account:
    """`phone_sealed` opens only with the phone key, which is kept outside the database.

    `standing` may have expired: ask `standing_at`.
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
    """How to reach a device now. `connection` is None while it is offline.

    `socket` is the number of the newest socket that has said `hello`, None before the first one: a socket with a
    smaller number has been superseded. `epoch` counts the device's `hello`s. `last_seen` is epoch seconds, of no
    meaning while it is connected; None if it never was.
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
    """Every device of an account that can be written to. `standing` was in force when this was read, or is None.

    Of an account that is `suspended`, no device may say anything.
    """

    account: AccountId
    devices: Mapping[DeviceNumber, Route]
    standing: Standing | None = None
    suspended: bool = False

    def last_seen(self, now_seconds: int) -> int | None:
        """When one of its devices was connected last, epoch seconds: now, while one is. None if none ever was."""
        if any(route.connection for route in self.devices.values()):
            return now_seconds
        return max((route.last_seen for route in self.devices.values() if route.last_seen is not None), default=None)
