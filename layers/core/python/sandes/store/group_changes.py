"""Every change of a group and of who is in it: each one transaction, on condition of what it was decided on.

The group's row counts by arithmetic and carries no lock: changes of many members at once do not make each other fail.
What must still hold is a condition of its own: the role of who acts, the role of whom it is about, the room in the
group (docs/adr/0019).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandes.model.group import MAX_ADMINS, Group, GroupEvent, GroupInvitation, Member, Role
from sandes.model.ids import AccountId, GroupId, MessageId, OrganisationId, UnitId, account_text
from sandes.store.directory import account_key
from sandes.store.dynamo import Client, ConditionFailed, Writer, batch_write, write
from sandes.store.groups import (
    event_item,
    group_invitation_key,
    group_item,
    group_key,
    group_of_app_key,
    group_of_unit_item,
    group_of_unit_key,
    invitation_fields,
    invited_key,
    member_item,
    member_key,
    membership_key,
)
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow, StandingRow
from sandes.store.schema import GroupRow as Row

Way = Literal["invitation", "open", "added"]
"""How an account comes to be a member: by its invitation, because the group is open, or by who manages the group."""

_ABSENT = f"attribute_not_exists({DirectoryRow.PARTITION})"
_PRESENT = f"attribute_exists({DirectoryRow.PARTITION})"


class GroupRaced(Exception):
    """What the change was decided on holds no longer: read again and decide anew. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Together:
    """Changes of several members, each named once: who comes with the role they come with, who goes or gets another
    role with the one they have. `invited`: who comes and has an invitation, which is used up.
    """

    add: Sequence[Member] = ()
    remove: Sequence[Member] = ()
    roles: Sequence[tuple[Member, Role]] = ()
    invited: Sequence[AccountId] = ()

    def operations(self, group: Group) -> int:
        """How many of a transaction's 100, but for the group's own."""
        each = 3 if group.audience == "officials" else 2
        return each * len(self.add) + 2 * (len(self.remove) + len(self.roles) + len(self.invited))

    def applied_to(self, group: Group) -> Group:
        """The group as the changes leave it, if nobody else changes it."""
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
class GroupChangeStore:
    """`by` is the account whose role allows the change; None where it is allowed by something else."""

    client: Client
    table: str
    writer: Writer | None = None
    """For all but `let_vanish`, which is upkeep."""
    unit: UnitId | None = None
    """Of an official group: changed, dissolved, and given admins, only while it is there."""

    def create(
        self,
        group: Group,
        members: Sequence[Member],
        *,
        event: GroupEvent | None = None,
        officials_of: OrganisationId | None = None,
        app_fields: Mapping[str, Any] | None = None,
        now_seconds: int = 0,
        beside: Sequence[dict[str, Any]] = (),
    ) -> None:
        """A group with its first members, at most MAX_ADMINS of them. With `officials_of`, all are its officials.

        `app_fields`: what stands in the row with the app, of a group that an app manages (schema.AppGroupRow).
        `beside`: further parts of the transaction.
        """
        operations: list[dict[str, Any]] = [{"Put": {"Item": group_item(group), "ConditionExpression": _ABSENT}}]
        for member in members:
            operations += self._member(group.id, member)
            if officials_of is not None:
                operations.append(_official(member.account, officials_of, now_seconds))
        if group.organisation is not None and group.unit is not None:
            operations += [
                self._units.counting(group.organisation, group.unit, groups=1),
                {"Put": {"Item": group_of_unit_item(group, group.unit)}},
            ]
        if group.app is not None:
            operations.append({"Put": {"Item": group_of_app_key(group.app, group.id) | dict(app_fields or {})}})
        self._transact([*operations, *beside], event)

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
        """As long as there is room. An invitation is used up, however the account comes in.

        `official_of`: the account is, still, an official of this organisation.
        """
        is_open: list[str] = []
        using: dict[str, Any] = {}
        if way == "open":
            is_open, using = [f"{Row.OPEN} = :open"], {":open": {"BOOL": True}}
        used: dict[str, Any] = {"Key": group_invitation_key(group, member.account)}
        if way == "invitation":
            used |= {
                "ConditionExpression": f"{Row.EXPIRES_AT} > :now",
                "ExpressionAttributeValues": {":now": {"N": str(now_seconds)}},
            }
        operations: list[dict[str, Any]] = [
            *self._member(group, member),
            self._group(
                group,
                members=1,
                promoted=member.account if member.role != "member" else None,
                conditions=[f"{Row.MEMBERS} < {Row.LIMIT}", *is_open],
                using=using,
            ),
            {"Delete": used},
            {"Delete": {"Key": invited_key(member.account, group)}},
        ]
        if by is not None:
            operations.append(_manages(group, by))
        if official_of is not None:
            operations.append(_official(member.account, official_of, now_seconds))
        self._transact(operations, event)

    def invite(self, invitation: GroupInvitation, *, by: AccountId, now_seconds: int, event: GroupEvent | None) -> None:
        """Of somebody who is neither a member nor invited. The group's version stays: its members do."""
        fields, group, account = invitation_fields(invitation), invitation.group, invitation.account
        self._transact(
            [
                {
                    "Put": {
                        "Item": group_invitation_key(group, account) | fields,
                        "ConditionExpression": f"{_ABSENT} OR {Row.EXPIRES_AT} <= :now",
                        "ExpressionAttributeValues": {":now": {"N": str(now_seconds)}},
                    }
                },
                {"Put": {"Item": invited_key(account, group) | fields}},
                {"ConditionCheck": {"Key": member_key(group, account), "ConditionExpression": _ABSENT}},
                {
                    "ConditionCheck": {
                        "Key": group_key(group),
                        "ConditionExpression": f"{Row.STATE} = :live",
                        "ExpressionAttributeValues": {":live": {"S": "live"}},
                    }
                },
                _manages(group, by),
            ],
            event,
        )

    def uninvite(self, group: GroupId, account: AccountId, *, by: AccountId | None, event: GroupEvent | None) -> None:
        """Withdrawn by who manages the group, or declined."""
        operations: list[dict[str, Any]] = [
            {"Delete": {"Key": group_invitation_key(group, account), "ConditionExpression": _PRESENT}},
            {"Delete": {"Key": invited_key(account, group)}},
        ]
        if by is not None:
            operations.append(_manages(group, by))
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
        """A member with the role that `member` says. `unless_official_of`: the account is none of its officials now."""
        operations: list[dict[str, Any]] = [
            {"Delete": {"Key": member_key(group, member.account), **_role_is(member.role)}},
            {"Delete": {"Key": membership_key(member.account, group)}},
            _group(group, members=-1, demoted=member.account if member.role != "member" else None),
        ]
        if by is not None:
            operations.append(_manages(group, by))
        if unless_official_of is not None:
            operations.append(_no_official(member.account, unless_official_of, now_seconds))
        self._transact(operations, event)

    def set_role(
        self, group: GroupId, member: Member, role: Role, *, by: AccountId | None, event: GroupEvent | None
    ) -> None:
        """From the role that `member` says; of an owner and to one only by `hand_over`."""
        operations = [
            *self._role(group, member, role),
            self._group(
                group,
                promoted=member.account if role != "member" else None,
                demoted=member.account if role == "member" else None,
            ),
        ]
        if by is not None:
            operations.append(_manages(group, by))
        self._transact(operations, event)

    def hand_over(self, group: GroupId, owner: Member, to: Member, *, event: GroupEvent | None) -> None:
        """`to` becomes the owner and `owner` an admin."""
        self._transact(
            [
                *self._role(group, owner, "admin"),
                *self._role(group, to, "owner"),
                _group(
                    group,
                    values={Row.OWNER: {"B": to.account}},
                    promoted=to.account if to.role == "member" else None,
                    conditions=[f"{Row.OWNER} = :before"],
                    using={":before": {"B": owner.account}},
                ),
            ],
            event,
        )

    def change(
        self,
        group: GroupId,
        *,
        name: str | None = None,
        posting: str | None = None,
        is_open: bool | None = None,
        version: int | None = None,
        listed: Group | None = None,
        by: AccountId | None,
        event: GroupEvent | None,
    ) -> None:
        """What is None stays. `version`: only if it is the group's. `listed`: the group as it was read, to be renamed
        among those of its unit too, if it is still in it.
        """
        texts = {Row.NAME: name, Row.POSTING: posting}
        values: dict[str, Any] = {key: {"S": text} for key, text in texts.items() if text is not None}
        if is_open is not None:
            values[Row.OPEN] = {"BOOL": is_open}
        if version is None:
            changed = self._group(group, values=values)
        else:
            using = {":version": {"N": str(version)}}
            changed = self._group(group, values=values, conditions=[f"{Row.VERSION} = :version"], using=using)
        operations = [changed]
        if name is not None and listed is not None and listed.organisation is not None and listed.unit is not None:
            renamed = {
                "Key": group_of_unit_key(listed.organisation, listed.unit, group),
                "UpdateExpression": f"SET {Row.NAME} = :name, {Row.AUDIENCE} = :audience",
                "ConditionExpression": _PRESENT,
                "ExpressionAttributeValues": {":name": {"S": name}, ":audience": {"S": listed.audience}},
            }
            operations.append({"Update": renamed})
        if by is not None:
            operations.append(_manages(group, by))
        self._transact(operations, event)

    def devices_changed(self, group: GroupId, account: AccountId, *, of: MessageId, event: GroupEvent) -> None:
        """A member has other devices: the next version. `of` names and dates the change of devices: the same again, or
        an older one, raises GroupRaced, as an account that is no member does.
        """
        member = {
            "Key": member_key(group, account),
            "UpdateExpression": f"SET {Row.DEVICES_CHANGED} = :of",
            "ConditionExpression": (
                f"attribute_exists({Row.ROLE})"
                f" AND (attribute_not_exists({Row.DEVICES_CHANGED}) OR {Row.DEVICES_CHANGED} < :of)"
            ),
            "ExpressionAttributeValues": {":of": {"B": of}},
        }
        self._transact([{"Update": member}, _group(group)], event)

    def transfer(self, group: Group, unit: UnitId, *, event: GroupEvent | None = None) -> None:
        """Of an official group, to another unit of its organisation. Its members keep their keys, and are not told."""
        if group.organisation is None or group.unit is None:
            raise ValueError("a group of no unit")
        self._transact(
            [
                self._units.counting(group.organisation, group.unit, groups=-1),
                self._units.counting(group.organisation, unit, groups=1),
                {"Delete": {"Key": group_of_unit_key(group.organisation, group.unit, group.id)}},
                {"Put": {"Item": group_of_unit_item(group, unit)}},
                _group(
                    group.id,
                    values={Row.UNIT: {"B": unit}},
                    conditions=[f"{Row.UNIT} = :before", f"{Row.NAME} = :name"],
                    using={":before": {"B": group.unit}, ":name": {"S": group.name}},
                ),
            ],
            event,
        )

    def dissolve(
        self, group: Group, *, owner: AccountId | None = None, alone: bool = False, event: GroupEvent | None
    ) -> None:
        """From now on the group refuses everything; its members' rows vanish later.

        `owner`: only while this account owns it. `alone`: only while it has one member.
        """
        conditions: list[str] = []
        using: dict[str, Any] = {}
        if owner is not None:
            conditions.append(f"{Row.OWNER} = :owner")
            using[":owner"] = {"B": owner}
        if alone:
            conditions.append(f"{Row.MEMBERS} = :single")
            using[":single"] = {"N": "1"}
        operations: list[dict[str, Any]] = []
        if group.organisation is not None and group.unit is not None:
            conditions.append(f"{Row.UNIT} = :unit")
            using[":unit"] = {"B": group.unit}
            operations += [
                self._units.counting(group.organisation, group.unit, groups=-1),
                {"Delete": {"Key": group_of_unit_key(group.organisation, group.unit, group.id)}},
            ]
        if group.app is not None:
            operations.append({"Delete": {"Key": group_of_app_key(group.app, group.id)}})
        dissolved = {Row.STATE: {"S": "dissolved"}}
        operations.append(self._group(group.id, values=dissolved, conditions=conditions, using=using))
        self._transact(operations, event)

    def together(
        self,
        group: Group,
        changes: Together,
        *,
        version: int | None = None,
        now_seconds: int,
        events: Sequence[GroupEvent] = (),
        beside: Sequence[dict[str, Any]] = (),
    ) -> Group:
        """Of several members of a group that an app manages, decided on `group`; the group as it is then.

        As long as there is room and the admins are the same. Who comes into a group for officials is one still.
        `version`: only if it is the group's. `beside`: further parts of the transaction.
        """
        operations: list[dict[str, Any]] = []
        for member in changes.add:
            operations += self._member(group.id, member)
            if group.audience == "officials":
                operations.append(_official(member.account, group.organisation, now_seconds))
        for member in changes.remove:
            operations.append({"Delete": {"Key": member_key(group.id, member.account), **_role_is(member.role)}})
            operations.append({"Delete": {"Key": membership_key(member.account, group.id)}})
        for member, role in changes.roles:
            operations += self._role(group.id, member, role)
        for account in changes.invited:
            operations.append({"Delete": {"Key": group_invitation_key(group.id, account)}})
            operations.append({"Delete": {"Key": invited_key(account, group.id)}})
        after = changes.applied_to(group)
        operations.append(_next(group, after, version))
        operations += [{"Put": {"Item": event_item(event)}} for event in events]
        self._transact([*operations, *beside], None)
        return after

    def unchanged(self, group: Group, *, beside: Sequence[dict[str, Any]]) -> None:
        """Write what is `beside` as long as the group lives and has the version of `group`."""
        condition = {
            "Key": group_key(group.id),
            "ConditionExpression": f"{Row.STATE} = :live AND {Row.VERSION} = :version",
            "ExpressionAttributeValues": {":live": {"S": "live"}, ":version": {"N": str(group.version)}},
        }
        self._transact([{"ConditionCheck": condition}, *beside], None)

    def let_vanish(self, group: GroupId, members: Sequence[Member], *, at: int) -> None:
        """Have members of a dissolved group deleted in both places after `at`, epoch seconds.

        Their rows are written anew: nobody changes them any more.
        """
        gone = {DirectoryRow.VANISHES_AT: {"N": str(at)}}
        rows = [row | gone for member in members for row in _member_rows(group, member)]
        batch_write(self.client, self.table, [{"PutRequest": {"Item": row}} for row in rows])

    @property
    def _units(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table)

    def _member(self, group: GroupId, member: Member) -> list[dict[str, Any]]:
        """The two rows of somebody who is no member yet."""
        row, with_account = _member_rows(group, member)
        return [{"Put": {"Item": row, "ConditionExpression": _ABSENT}}, {"Put": {"Item": with_account}}]

    def _group(
        self, group: GroupId, *, conditions: Sequence[str] = (), using: Mapping[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """As `_group`, while it is in the unit."""
        if self.unit is None:
            return _group(group, conditions=conditions, using=using, **changes)
        using = {**(using or {}), ":place": {"B": self.unit}}
        return _group(group, conditions=[*conditions, f"{Row.UNIT} = :place"], using=using, **changes)

    def _role(self, group: GroupId, member: Member, role: Role) -> list[dict[str, Any]]:
        return [
            {
                "Update": {
                    "Key": member_key(group, member.account),
                    "UpdateExpression": f"SET {Row.ROLE} = :new",
                    "ConditionExpression": f"{Row.ROLE} = :role",
                    "ExpressionAttributeValues": {":new": {"S": role}, ":role": {"S": member.role}},
                }
            },
            {
                "Update": {
                    "Key": membership_key(member.account, group),
                    "UpdateExpression": f"SET {Row.ROLE} = :new",
                    "ExpressionAttributeValues": {":new": {"S": role}},
                }
            },
        ]

    def _transact(self, operations: Sequence[dict[str, Any]], event: GroupEvent | None) -> None:
        told = [{"Put": {"Item": event_item(event)}}] if event is not None else []
        whole = [
            {kind: {"TableName": self.table, **request}}
            for operation in (*operations, *told)
            for kind, request in operation.items()
        ]
        try:
            write(self.client, self.writer, whole)
        except ConditionFailed as error:
            raise GroupRaced from error


def _group(
    group: GroupId,
    *,
    values: Mapping[str, Any] | None = None,
    members: int = 0,
    promoted: AccountId | None = None,
    demoted: AccountId | None = None,
    conditions: Sequence[str] = (),
    using: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The next version of a live group: `values` set, `members` more, one account more or less among its admins."""
    used: dict[str, Any] = {":live": {"S": "live"}, ":one": {"N": "1"}, **(using or {})}
    held = [f"{Row.STATE} = :live", *conditions]
    added, parts = [f"{Row.VERSION} :one"], []
    if values:
        names = {name: f":value{number}" for number, name in enumerate(values)}
        parts.append("SET " + ", ".join(f"{name} = {place}" for name, place in names.items()))
        used |= {place: values[name] for name, place in names.items()}
    if members:
        added.append(f"{Row.MEMBERS} :members")
        used[":members"] = {"N": str(members)}
    if promoted is not None:
        added.append(f"{Row.ADMINS} :promoted")
        used |= {":promoted": {"SS": [account_text(promoted)]}, ":admins": {"N": str(MAX_ADMINS)}}
        held.append(f"(attribute_not_exists({Row.ADMINS}) OR size({Row.ADMINS}) < :admins)")
    parts.append("ADD " + ", ".join(added))
    if demoted is not None:
        parts.append(f"DELETE {Row.ADMINS} :demoted")
        used[":demoted"] = {"SS": [account_text(demoted)]}
    return {
        "Update": {
            "Key": group_key(group),
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(held),
            "ExpressionAttributeValues": used,
        }
    }


def _next(before: Group, after: Group, version: int | None) -> dict[str, Any]:
    """From `before` to `after`, which have been worked out for many members at once."""
    sets: list[str] = []
    removes, held = "", [f"{Row.STATE} = :live"]
    values: dict[str, Any] = {":live": {"S": "live"}, ":one": {"N": "1"}}
    added = f"{Row.VERSION} :one"
    grown = after.members - before.members
    if grown:
        added += f", {Row.MEMBERS} :grown"
        values[":grown"] = {"N": str(grown)}
    if grown > 0:
        held.append(f"{Row.MEMBERS} <= :room")
        values[":room"] = {"N": str(before.limit - grown)}
    if after.admins != before.admins:
        held.append(f"{Row.ADMINS} = :were" if before.admins else f"attribute_not_exists({Row.ADMINS})")
        if before.admins:
            values[":were"] = _accounts(before.admins)
        if after.admins:
            sets.append(f"{Row.ADMINS} = :are")
            values[":are"] = _accounts(after.admins)
        else:
            removes = f" REMOVE {Row.ADMINS}"
    if version is not None:
        held.append(f"{Row.VERSION} = :version")
        values[":version"] = {"N": str(version)}
    return {
        "Update": {
            "Key": group_key(before.id),
            "UpdateExpression": (f"SET {', '.join(sets)} " if sets else "") + f"ADD {added}{removes}",
            "ConditionExpression": " AND ".join(held),
            "ExpressionAttributeValues": values,
        }
    }


def _member_rows(group: GroupId, member: Member) -> tuple[dict[str, Any], dict[str, Any]]:
    """With the group and with the account."""
    item = member_item(group, member)
    fields = {name: item[name] for name in (Row.ROLE, Row.JOINED_AT_MS, Row.JOINED_VERSION)}
    return item, membership_key(member.account, group) | fields


def _accounts(accounts: Collection[AccountId]) -> dict[str, Any]:
    return {"SS": sorted(account_text(account) for account in accounts)}


def _role_is(role: Role) -> dict[str, Any]:
    return {"ConditionExpression": f"{Row.ROLE} = :role", "ExpressionAttributeValues": {":role": {"S": role}}}


def _manages(group: GroupId, account: AccountId) -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "Key": member_key(group, account),
            "ConditionExpression": f"{Row.ROLE} IN (:owner, :admin)",
            "ExpressionAttributeValues": {":owner": {"S": "owner"}, ":admin": {"S": "admin"}},
        }
    }


def _official(account: AccountId, organisation: OrganisationId | None, now_seconds: int) -> dict[str, Any]:
    """Of any organisation if none is given."""
    at, until = (f"{DirectoryRow.STANDING}.{name}" for name in (StandingRow.ORGANISATION, StandingRow.EXPIRES_AT))
    values: dict[str, Any] = {":now": {"N": str(now_seconds)}}
    conditions = [f"{until} > :now"]
    if organisation is not None:
        conditions.append(f"{at} = :organisation")
        values[":organisation"] = {"B": organisation}
    return {
        "ConditionCheck": {
            "Key": account_key(account),
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeValues": values,
        }
    }


def _no_official(account: AccountId, organisation: OrganisationId, now_seconds: int) -> dict[str, Any]:
    at, until = (f"{DirectoryRow.STANDING}.{name}" for name in (StandingRow.ORGANISATION, StandingRow.EXPIRES_AT))
    return {
        "ConditionCheck": {
            "Key": account_key(account),
            "ConditionExpression": f"attribute_not_exists({DirectoryRow.STANDING}) OR {at} <> :organisation "
            f"OR {until} <= :now",
            "ExpressionAttributeValues": {":organisation": {"B": organisation}, ":now": {"N": str(now_seconds)}},
        }
    }
