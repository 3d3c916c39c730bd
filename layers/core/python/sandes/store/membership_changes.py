"""Changes of a group's members, roles and invitations. Each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandes.model.group import Group, GroupEvent, GroupInvitation, Member, Role
from sandes.model.ids import AccountId, GroupId, MessageId, OrganisationId
from sandes.store.dynamo import batch_write
from sandes.store.group_operations import (
    ABSENT,
    PRESENT,
    GroupTransactions,
    is_no_official,
    is_official,
    manages,
    member_rows,
    next_version,
    next_version_together,
    role_is,
)
from sandes.store.groups import (
    event_item,
    group_invitation_key,
    group_key,
    invitation_fields,
    invited_key,
    member_key,
    membership_key,
)
from sandes.store.schema import DirectoryRow
from sandes.store.schema import GroupRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, Update

Way = Literal["invitation", "open", "added"]
"""How an account becomes a member: by its invitation, because the group is open, or by somebody who manages the
group.
"""


@dataclass(frozen=True, slots=True)
class Together:
    """Holds changes of several members, each of which is named once.

    `add` has their new roles; `remove` and `roles` have their current ones. `invited` are the new members whose
    invitation is used up.
    """

    add: Sequence[Member] = ()
    remove: Sequence[Member] = ()
    roles: Sequence[tuple[Member, Role]] = ()
    invited: Sequence[AccountId] = ()

    def operations(self, group: Group) -> int:
        """Return the number of operations that these changes add to a transaction, which may have 100."""
        each = 3 if group.audience == "officials" else 2
        return each * len(self.add) + 2 * (len(self.remove) + len(self.roles) + len(self.invited))

    def applied_to(self, group: Group) -> Group:
        """Return the group after the changes, if nobody else changes it."""
        ups = {member.account for member in self.add if member.role != "member"}
        ups |= {member.account for member, role in self.roles if role != "member"}
        downs = {member.account for member in self.remove}
        downs |= {member.account for member, role in self.roles if role == "member"}
        return replace(
            group,
            members=group.members + len(self.add) - len(self.remove),
            admins=(group.admins - downs) | ups,
            version=group.version + 1,
        )


@dataclass(frozen=True, slots=True)
class MembershipChanges(GroupTransactions):
    """Changes the members of groups.

    `by` is the account whose role permits the change, or None if something else does.
    """

    def add(
        self,
        group: GroupId,
        member: Member,
        way: Way,
        *,
        by: AccountId | None = None,
        official_of: OrganisationId | None = None,
        now_seconds: int,
        event: GroupEvent | None,
    ) -> None:
        """Add a member if there is room. An invitation is used up, however the account joins.

        If `official_of` is set, the account must be an official of this organisation.
        """
        is_open: list[str] = []
        using: dict[str, Any] = {}
        if way == "open":
            is_open, using = [f"{Row.OPEN} = :open"], {":open": {"BOOL": True}}
        used = Delete(self.table, group_invitation_key(group, member.account))
        if way == "invitation":
            used = used.also(f"{Row.EXPIRES_AT} > :now", {":now": {"N": str(now_seconds)}})
        operations: list[Operation] = [
            *self._member(group, member),
            self._next_version(
                group,
                members=1,
                promoted=member.account if member.role != "member" else None,
                conditions=[f"{Row.MEMBERS} < {Row.LIMIT}", *is_open],
                using=using,
            ),
            used,
            Delete(self.table, invited_key(member.account, group)),
        ]
        if by is not None:
            operations.append(manages(self.table, group, by))
        if official_of is not None:
            operations.append(is_official(self.table, member.account, official_of, now_seconds))
        self._transact(operations, event)

    def invite(self, invitation: GroupInvitation, *, by: AccountId, now_seconds: int, event: GroupEvent | None) -> None:
        """Invite an account that is neither a member nor invited. The version stays the same, because the
        members do.
        """
        fields, group, account = invitation_fields(invitation), invitation.group, invitation.account
        self._transact(
            [
                Put(
                    self.table,
                    group_invitation_key(group, account) | fields,
                    condition=f"{ABSENT} OR {Row.EXPIRES_AT} <= :now",
                    values={":now": {"N": str(now_seconds)}},
                ),
                Put(self.table, invited_key(account, group) | fields),
                Check(self.table, member_key(group, account), condition=ABSENT),
                Check(self.table, group_key(group), condition=f"{Row.STATE} = :live", values={":live": {"S": "live"}}),
                manages(self.table, group, by),
            ],
            event,
        )

    def uninvite(self, group: GroupId, account: AccountId, *, by: AccountId | None, event: GroupEvent | None) -> None:
        """Withdraw an invitation, as somebody who manages the group, or decline it."""
        operations: list[Operation] = [
            Delete(self.table, group_invitation_key(group, account), condition=PRESENT),
            Delete(self.table, invited_key(account, group)),
        ]
        if by is not None:
            operations.append(manages(self.table, group, by))
        self._transact(operations, event)

    def remove(
        self,
        group: GroupId,
        member: Member,
        *,
        by: AccountId | None,
        unless_official_of: OrganisationId | None = None,
        now_seconds: int = 0,
        event: GroupEvent | None,
    ) -> None:
        """Remove a member who has the role in `member`. If `unless_official_of` is set, it must not be its official
        now.
        """
        operations: list[Operation] = [
            Delete(self.table, member_key(group, member.account), **role_is(member.role)),
            Delete(self.table, membership_key(member.account, group)),
            next_version(self.table, group, members=-1, demoted=member.account if member.role != "member" else None),
        ]
        if by is not None:
            operations.append(manages(self.table, group, by))
        if unless_official_of is not None:
            operations.append(is_no_official(self.table, member.account, unless_official_of, now_seconds))
        self._transact(operations, event)

    def set_role(
        self, group: GroupId, member: Member, role: Role, *, by: AccountId | None, event: GroupEvent | None
    ) -> None:
        """Change the role that `member` has. Use `hand_over` for the owner."""
        operations: list[Operation] = [
            *self._role(group, member, role),
            self._next_version(
                group,
                promoted=member.account if role != "member" else None,
                demoted=member.account if role == "member" else None,
            ),
        ]
        if by is not None:
            operations.append(manages(self.table, group, by))
        self._transact(operations, event)

    def hand_over(self, group: GroupId, owner: Member, to: Member, *, event: GroupEvent | None) -> None:
        """Make `to` the owner and `owner` an admin."""
        self._transact(
            [
                *self._role(group, owner, "admin"),
                *self._role(group, to, "owner"),
                next_version(
                    self.table,
                    group,
                    values={Row.OWNER: {"B": to.account}},
                    promoted=to.account if to.role == "member" else None,
                    conditions=[f"{Row.OWNER} = :before"],
                    using={":before": {"B": owner.account}},
                ),
            ],
            event,
        )

    def devices_changed(self, group: GroupId, account: AccountId, *, of: MessageId, event: GroupEvent) -> None:
        """Give the group its next version after a change of a member's devices. `of` names and dates that change.

        Raises GroupRaced for the same or an older change, and for an account that is no member.
        """
        member = Update(
            self.table,
            member_key(group, account),
            f"SET {Row.DEVICES_CHANGED} = :of",
            condition=f"attribute_exists({Row.ROLE})"
            f" AND (attribute_not_exists({Row.DEVICES_CHANGED}) OR {Row.DEVICES_CHANGED} < :of)",
            values={":of": {"B": of}},
        )
        self._transact([member, next_version(self.table, group)], event)

    def together(
        self,
        group: Group,
        changes: Together,
        *,
        version: int | None = None,
        now_seconds: int,
        events: Sequence[GroupEvent] = (),
        beside: Sequence[Operation] = (),
    ) -> Group:
        """Change several members of an app-managed group, as decided on `group`, and return the group afterwards.

        There must be room, and the admins must be unchanged. New members of a group for officials must still be
        officials. If `version` is set, the group must have it. `beside` are further parts of the transaction.
        """
        operations: list[Operation] = []
        for member in changes.add:
            operations += self._member(group.id, member)
            if group.audience == "officials":
                operations.append(is_official(self.table, member.account, group.organisation, now_seconds))
        for member in changes.remove:
            operations.append(Delete(self.table, member_key(group.id, member.account), **role_is(member.role)))
            operations.append(Delete(self.table, membership_key(member.account, group.id)))
        for member, role in changes.roles:
            operations += self._role(group.id, member, role)
        for account in changes.invited:
            operations.append(Delete(self.table, group_invitation_key(group.id, account)))
            operations.append(Delete(self.table, invited_key(account, group.id)))
        after = changes.applied_to(group)
        operations.append(next_version_together(self.table, group, after, version))
        operations += [Put(self.table, event_item(event)) for event in events]
        self._transact([*operations, *beside], None)
        return after

    def let_vanish(self, group: GroupId, members: Sequence[Member], *, at: int) -> None:
        """Let the rows of a dissolved group's members be deleted in both places after `at` (epoch seconds).

        The rows are overwritten, because nobody changes them any more.
        """
        gone = {DirectoryRow.VANISHES_AT: {"N": str(at)}}
        rows = [row | gone for member in members for row in member_rows(group, member)]
        batch_write(self.client, self.table, [{"PutRequest": {"Item": row}} for row in rows])
