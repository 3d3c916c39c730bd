"""Groups: who owns them, who is in them, who may post (docs/protocol/README.md, "Groups")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandes.model.app import AppSender
from sandes.model.ids import AccountId, AppId, DeviceAddress, GroupId, MessageId, OrganisationId, UnitId
from sandes.model.standing import AccountClass

GroupKind = Literal["informal", "official"]
"""`informal`: made by anybody; `official`: owned by a unit, or managed by an app."""

Audience = Literal["members", "officials", "citizens"]
"""`members`: of an informal group, whoever was invited; `officials`: verified accounts only; `citizens`: anybody,
receive only."""

Posting = Literal["all", "admins"]
Role = Literal["owner", "admin", "member"]
GroupState = Literal["live", "dissolved"]

MAX_INFORMAL_MEMBERS = 500
MAX_OFFICIAL_MEMBERS = 100_000
MAX_ADMINS = 20

INVITATION_SECONDS = 14 * 86_400

EVENTS_TO_ALL_MEMBERS = 500
"""Above so many members, changes of membership are told to those concerned and to admins only."""


@dataclass(frozen=True, slots=True)
class Group:
    """`version` rises with every change, of members too: it is the group's ETag and the epoch of its members' keys.

    An official group has `organisation` and `unit`, or `app`, or all three; an informal one has an `owner`.
    `open`: who is in its scope may join without an invitation. `admins`: everybody with a role above member.
    """

    id: GroupId
    name: str
    kind: GroupKind
    audience: Audience
    posting: Posting
    open: bool
    members: int
    limit: int
    version: int
    state: GroupState
    created_at: int
    organisation: OrganisationId | None = None
    unit: UnitId | None = None
    app: AppId | None = None
    owner: AccountId | None = None
    admins: frozenset[AccountId] = frozenset()

    @property
    def live(self) -> bool:
        return self.state == "live"


@dataclass(frozen=True, slots=True)
class Member:
    """`joined_at_ms` is epoch milliseconds, for display.

    Messages accepted at a version of the group below `joined_version` are not for this member. It is one above the
    version that was read before the joining, so it may lie below the version that the joining made, never above.
    """

    account: AccountId
    role: Role
    joined_at_ms: int
    joined_version: int = 0


@dataclass(frozen=True, slots=True)
class GroupInvitation:
    """Good for one joining until `expires_at`, epoch seconds."""

    group: GroupId
    account: AccountId
    invited_by: AccountId | None
    expires_at: int


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes a group: a device, with its account's class; or an app or the system, of no class."""

    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None

    @property
    def account(self) -> AccountId | None:
        return self.sender.account if isinstance(self.sender, DeviceAddress) else None


SYSTEM = Actor(AppSender(AppId(bytes(8)), "Sandes"), None)
"""Operators, and what happens without anybody's doing: an app of no id."""


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """A change that has been made and is to be told. `change` is a number of `crypto.seal.GroupChange`.

    `narrow`: for `subject` and admins only, however small the group. `to`: for these only. `message` is the id of the
    envelopes.
    """

    group: GroupId
    message: MessageId
    change: int
    actor: Actor
    at_ms: int
    subject: AccountId | None = None
    role: Role | None = None
    name: str | None = None
    narrow: bool = False
    to: Sequence[AccountId] | None = None
