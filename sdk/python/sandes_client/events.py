"""Defines the events that a device client gives to its application."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sandes_client.group_bodies import GroupChange
from sandes_client.ids import AccountId, AppId, AppSender, DeviceAddress, GroupId, MessageId
from sandes_client.seal import Notice, SenderClass


class State(StrEnum):
    """Lists the states of the connection. The last five are final: the client does nothing more.

    `STORE_FAILED`: the profile cannot be written to (the disk is full, for example), so nothing is received or sent.
    The client tries the store again, with waits that grow to a minute, and connects as soon as it works.
    `WRONG_SERVICE`: this device's tokens are made for another service than that of the endpoints.
    """

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    STORE_FAILED = "store_failed"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    WRONG_SERVICE = "wrong_service"
    CLOSED = "closed"
    FAILED = "failed"


class Status(StrEnum):
    """Lists the states of a message that this device sends."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Reports a message that is stored on this device.

    Show messages in the order of `at_ms`, the server's epoch milliseconds.
    """

    id: MessageId
    sender: DeviceAddress
    sender_class: SenderClass
    to: AccountId
    at_ms: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoticeReceived:
    """Reports a stored notice of a governance app. A `confidential` one is not for a locked screen.

    `void` is the reason why it is invalid: it was `recalled`.
    """

    id: MessageId
    app: AppSender
    to: AccountId
    at_ms: int
    text: str = field(repr=False)
    category: str
    confidential: bool
    priority: str
    language: str
    void: str | None = None


@dataclass(frozen=True, slots=True)
class OtpReceived:
    """Reports a stored one-time password of a governance app. `expires_at` is epoch seconds.

    `void` is the reason why it is invalid: `used`, `replaced` or `cancelled`, which may be known before the password
    itself arrives, or `expired`.
    """

    id: MessageId
    app: AppSender
    to: AccountId
    at_ms: int
    text: str = field(repr=False)
    code: str = field(repr=False)
    expires_at: int
    purpose: str
    void: str | None = None


@dataclass(frozen=True, slots=True)
class Voided:
    """Reports messages of the app, received before, that are invalid from now on."""

    app: AppId
    ids: tuple[MessageId, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class GroupMessageReceived:
    """Reports a stored message to a group. `version` is the group's version when the message was accepted.

    `body` is None if it was stored separately and is gone: it expired before this device asked, or cannot be opened.
    From an app, `body` is the notice's text and `notice` the rest.
    """

    id: MessageId
    group: GroupId
    version: int
    sender: DeviceAddress | AppSender
    sender_class: SenderClass | None
    to: AccountId
    at_ms: int
    body: bytes | None = field(repr=False)
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """Reports a stored event of a group that this account is or was in, or is invited to.

    `actor` caused it, None for the system or an app. `subject` is whom it concerns. `version` is the version after it.
    """

    id: MessageId
    group: GroupId
    version: int
    change: GroupChange
    at_ms: int
    actor: AccountId | None = None
    subject: AccountId | None = None
    role: str | None = None
    name: str | None = None

    @property
    def rotates_keys(self) -> bool:
        """Return whether an account or device may have left the group. The cipher then makes new sender keys."""
        return self.change in _ROTATING


@dataclass(frozen=True, slots=True)
class GroupRefreshed:
    """Reports that the group was read anew. `left` means that the account is neither in it nor invited."""

    group: GroupId
    version: int
    left: bool = False


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Reports the status of a sent message.

    `number` is its place in the outbox and stays, even if `id` was renewed.

    `code` is why it failed, a code of the protocol's registry. `undetermined` means that the message has failed, but
    the server may have accepted it nevertheless. The client does not send it again; a receipt may still change its
    status.
    """

    number: int
    id: MessageId
    status: Status
    code: str | None = None
    undetermined: bool = False


@dataclass(frozen=True, slots=True)
class EnvelopeRefused:
    """Reports an envelope that was not shown and has been acked. `envelope` is its id in base64url.

    `not_from_service`: no key of the service sealed it, or it was changed on its way; somebody may have written into
    the service's database. `former_format`: its format does not prove who wrote it. `unreadable`: this device has no
    key for it, or cannot read its content.
    """

    envelope: str
    reason: Literal["not_from_service", "former_format", "unreadable"]


@dataclass(frozen=True, slots=True)
class ServiceKeysRejected:
    """Reports that the service names keys that do not follow from the pinned ones.

    The device keeps the pinned ones.

    Envelopes sealed by other keys are neither shown nor acked until the service names keys that follow.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class AttestationKeysRejected:
    """Reports that the service names keys of attestations that do not follow from the pinned ones.

    The device keeps the pinned keys. Officials whose attestations other keys have signed are not shown as verified.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    state: State


@dataclass(frozen=True, slots=True)
class Revoked:
    """Reports that the device no longer belongs to the account.

    `unlinked`, `replaced` and `refused` are the server's word, and the keys have been destroyed. `unknown`: the server
    does not accept this device's tokens and gives no reason; the keys are kept.
    """

    reason: Literal["unlinked", "replaced", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Reports that another process connected as this device. This one has stopped."""


_ROTATING = (GroupChange.LEFT, GroupChange.REMOVED, GroupChange.DISSOLVED, GroupChange.MEMBERS, GroupChange.DEVICES)

AppMessage = NoticeReceived | OtpReceived
OfGroup = GroupMessageReceived | GroupEvent | GroupRefreshed
OfConnection = ConnectionChanged | Revoked | Superseded | ServiceKeysRejected | AttestationKeysRejected
Event = MessageReceived | OfGroup | AppMessage | Voided | EnvelopeRefused | StatusChanged | OfConnection
