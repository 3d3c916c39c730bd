"""Groups: who owns them, who is in them, who may post (docs/protocol/README.md, "Groups")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import AccountId, AppId, GroupId, OrganisationId, UnitId

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

EVENTS_TO_ALL_MEMBERS = 500
"""Above so many members, changes of membership are told to those concerned and to admins only."""


@dataclass(frozen=True, slots=True)
class Group:
    """`version` rises with every change, of members too: it is the group's ETag and the epoch of its members' keys.

    An official group has `organisation` and `unit`, or `app`, or all three; an informal one has an `owner`.
    `open`: who is in its scope may join without an invitation.
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


@dataclass(frozen=True, slots=True)
class Member:
    """`joined_at_ms` is epoch milliseconds, the server's clock: older messages are not for this member."""

    account: AccountId
    role: Role
    joined_at_ms: int


@dataclass(frozen=True, slots=True)
class GroupInvitation:
    """Good for one joining until `expires_at`, epoch seconds."""

    group: GroupId
    account: AccountId
    invited_by: AccountId | None
    expires_at: int
