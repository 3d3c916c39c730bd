"""What a device client tells its application."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sandes_client.ids import AccountId, DeviceAddress, MessageId
from sandes_client.seal import SenderClass


class State(StrEnum):
    """Of the connection. The last four are final: the client does nothing more."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    CLOSED = "closed"
    FAILED = "failed"


class Status(StrEnum):
    """Of a message that this device sends."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message is stored on this device. Shown in the order of `at_ms`, the server's epoch milliseconds."""

    id: MessageId
    sender: DeviceAddress
    sender_class: SenderClass
    to: AccountId
    at_ms: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A sent message moved on. `number` is its place in the outbox and stays, even if `id` had to be made anew.

    `code` says why it failed, a code of the protocol's registry.
    """

    number: int
    id: MessageId
    status: Status
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    state: State


@dataclass(frozen=True, slots=True)
class Revoked:
    """The device is no longer one of the account's.

    `unlinked`, `replaced` and `refused` are the server's word, and the keys have been destroyed. `unknown`: the
    server no longer accepts this device's tokens; the keys are kept, since a wrong audience looks the same.
    """

    reason: Literal["unlinked", "replaced", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process connected as this device; this one has stopped and leaves the field to it."""


Event = MessageReceived | StatusChanged | ConnectionChanged | Revoked | Superseded
