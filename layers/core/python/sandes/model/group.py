"""Groups: their owners, their members, and who may post (docs/protocol/README.md, "Groups")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandes.model.app import AppSender
from sandes.model.ids import AccountId, AppId, DeviceAddress, GroupId, MessageId, OrganisationId, UnitId
from sandes.model.standing import AccountClass

GroupKind = Literal["informal", "official"]
"""The kind of a group. Anybody can create an `informal` group; a unit owns or an app manages an `official` group."""

Audience = Literal["members", "officials", "citizens"]
"""The people who may be in a group. `members` are those invited to an informal group. `officials` are verified accounts
only. `citizens` may be anybody, and can only receive.
"""

Posting = Literal["all", "admins"]
Role = Literal["owner", "admin", "member"]
GroupState = Literal["live", "dissolved"]

MAX_INFORMAL_MEMBERS = 500
MAX_OFFICIAL_MEMBERS = 100_000
MAX_ADMINS = 20

INVITATION_SECONDS = 14 * 86_400

EVENTS_TO_ALL_MEMBERS = 500
"""In a larger group, only the members concerned and the admins get the events about changes of membership."""


@dataclass(frozen=True, slots=True)
class Group:
    """Holds a group. `version` rises with every change, also of members. It is the ETag and the epoch of the members'
    keys.

    An official group has `organisation` and `unit`, or `app`, or all three; an informal group has an `owner`. If `open`
    is true, everybody in the group's scope may join without an invitation. `admins` holds everybody with a role above
    member.
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
    """Holds a member of a group. `joined_at_ms` is epoch milliseconds and only for display.

    The member does not get messages that were accepted at a version of the group below `joined_version`. This number is
    one above the version that was read before the joining. It may therefore be lower than the version that the joining
    produced, but never higher.
    """

    account: AccountId
    role: Role
    joined_at_ms: int
    joined_version: int = 0


@dataclass(frozen=True, slots=True)
class GroupInvitation:
    """Holds an invitation that is valid for one joining until `expires_at` (epoch seconds)."""

    group: GroupId
    account: AccountId
    invited_by: AccountId | None
    expires_at: int


@dataclass(frozen=True, slots=True)
class Actor:
    """Names who changes a group: a device with the class of its account, or an app or the system without a class."""

    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None

    @property
    def account(self) -> AccountId | None:
        return self.sender.account if isinstance(self.sender, DeviceAddress) else None


SYSTEM = Actor(AppSender(AppId(bytes(8)), "Sandes"), None)
"""The actor of changes by operators and of automatic changes. It is an app without an id."""


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """Describes a change of a group that is made and must be reported to members.

    `change` is a number of `crypto.seal.GroupChange`. If `narrow` is true, only `subject` and the admins get the event,
    however small the group is. If `to` is set, only these accounts get it. `message` is the id of the envelopes.
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
