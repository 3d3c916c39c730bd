"""What the system knows of a device: its identity (directory), its way of being reached (routing)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, ConnectionId, DeviceNumber, InboxId, RegistrationId

AccountClass = Literal["public", "verified"]
"""`verified`: an official attested by an organisation; `public`: everyone else."""

MAX_DEVICES = 6


def parse_account_class(text: str) -> AccountClass:
    """Raises ValueError for anything but the two."""
    if text == "public":
        return "public"
    if text == "verified":
        return "verified"
    raise ValueError(f"unknown account class {text!r}")


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


@dataclass(frozen=True, slots=True)
class Account:
    """`phone_sealed` opens only with the phone key, which is kept outside the database."""

    id: AccountId
    account_class: AccountClass
    phone_index: str
    phone_sealed: bytes
    created_at: int
    last_device: DeviceNumber
    devices: Mapping[DeviceNumber, Device]


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach a device now. `connection` is None while it is offline.

    `epoch` counts the device's `hello`s: a socket that knows a smaller one has been superseded.
    """

    device: DeviceNumber
    registration: RegistrationId
    inbox: InboxId
    seal_key: SealKey
    epoch: int
    connection: ConnectionId | None


@dataclass(frozen=True, slots=True)
class Routes:
    """Every device of an account that can be written to."""

    account: AccountId
    account_class: AccountClass
    devices: Mapping[DeviceNumber, Route]
