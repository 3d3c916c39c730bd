"""What a device client tells its application."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from sandes_client.group_bodies import GroupChange
from sandes_client.ids import AccountId, AppId, AppSender, DeviceAddress, GroupId, MessageId
from sandes_client.seal import Notice, SenderClass


class State(StrEnum):
    """Of the connection. The last five are final: the client does nothing more.

    `STORE_FAILED`: the profile cannot be written to (the disk is full, for example), so nothing is received or sent.
    The client tries the store again, ever more rarely up to once a minute, and connects as soon as it works.
    `WRONG_SERVICE`: this device's tokens are made for another service than the one that the endpoints lead to.
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
class NoticeReceived:
    """A notice of a governance app is stored on this device. `confidential`: not for a locked screen.

    `void` says why it is to be shown as void: it was `recalled`.
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
    """A one-time password of a governance app is stored on this device. `expires_at` is epoch seconds.

    `void` says why it is to be shown as void: `used`, `replaced` or `cancelled`, which can be known before the
    password itself comes, or `expired`.
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
    """These messages of the app, which were received before, are to be shown as void from now on."""

    app: AppId
    ids: tuple[MessageId, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class GroupMessageReceived:
    """A message to a group is stored on this device. Its `version` is the group's when it was accepted.

    `body` is None where it was kept apart and is gone: it expired before this device asked, or cannot be opened. From
    an app, `body` is the notice's text and `notice` the rest.
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
    """Something became of a group that this account is in, was in, or is invited to; it is stored on this device.

    `actor` did it, None for the system or an app; `subject` is whom it is about; `version` as it is afterwards.
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
        """Somebody, or a device, may no longer be in the group: the cipher was told to make new sender keys."""
        return self.change in _ROTATING


@dataclass(frozen=True, slots=True)
class GroupRefreshed:
    """What this device knows of the group was read anew; `left`: the account is not in it and not invited."""

    group: GroupId
    version: int
    left: bool = False


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A sent message moved on. `number` is its place in the outbox and stays, even if `id` had to be made anew.

    `code` says why it failed, a code of the protocol's registry. `undetermined`: the message has failed, but the
    server may have accepted it nevertheless. The client does not send it again; a receipt may still move it on.
    """

    number: int
    id: MessageId
    status: Status
    code: str | None = None
    undetermined: bool = False


@dataclass(frozen=True, slots=True)
class EnvelopeRefused:
    """An envelope was not shown and has been acked. `envelope` is its id in base64url.

    `not_from_service`: it was not sealed by a key of the service, or was changed on its way; somebody may have written
    into the service's database. `former_format`: its format proves nothing about who wrote it. `unreadable`: this
    device has no key for it, or cannot read what is in it.
    """

    envelope: str
    reason: Literal["not_from_service", "former_format", "unreadable"]


@dataclass(frozen=True, slots=True)
class ServiceKeysRejected:
    """The service names keys that do not follow from those this device has pinned. It goes on with the pinned ones.

    What other keys sealed is neither shown nor acked until the service names keys that follow.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class AttestationKeysRejected:
    """The service names keys of attestations that do not follow from those this device has pinned.

    The device goes on with the pinned keys: officials whose attestations other keys have signed are not verified.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    state: State


@dataclass(frozen=True, slots=True)
class Revoked:
    """The device is no longer one of the account's.

    `unlinked`, `replaced` and `refused` are the server's word, and the keys have been destroyed. `unknown`: the
    server does not accept this device's tokens and does not say why; the keys are kept.
    """

    reason: Literal["unlinked", "replaced", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process connected as this device; this one has stopped and leaves the field to it."""


_ROTATING = (GroupChange.LEFT, GroupChange.REMOVED, GroupChange.DISSOLVED, GroupChange.MEMBERS, GroupChange.DEVICES)

AppMessage = NoticeReceived | OtpReceived
OfGroup = GroupMessageReceived | GroupEvent | GroupRefreshed
OfConnection = ConnectionChanged | Revoked | Superseded | ServiceKeysRejected | AttestationKeysRejected
Event = MessageReceived | OfGroup | AppMessage | Voided | EnvelopeRefused | StatusChanged | OfConnection
