"""Changes of groups and members. Each is one transaction, on condition of the facts that it was decided on.

The group's row counts by arithmetic and has no lock, so concurrent changes of members do not make each other fail. Each
fact that must still hold is a condition of its own: the actor's role, the member's role, the room in the group
(docs/adr/0019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.group import Group, GroupEvent, Member
from sandes.model.ids import AccountId, GroupId, OrganisationId, UnitId
from sandes.store.group_operations import ABSENT, PRESENT, is_official, manages, next_version
from sandes.store.groups import group_item, group_key, group_of_app_key, group_of_unit_item, group_of_unit_key
from sandes.store.membership_changes import MembershipChanges
from sandes.store.schema import GroupRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, Update


@dataclass(frozen=True, slots=True)
class GroupChangeStore(MembershipChanges):
    """Changes groups and their members. `by` is as in MembershipChanges."""

    def create(
        self,
        group: Group,
        members: Sequence[Member],
        *,
        event: GroupEvent | None = None,
        officials_of: OrganisationId | None = None,
        app_fields: Mapping[str, Any] | None = None,
        now_seconds: int = 0,
        beside: Sequence[Operation] = (),
    ) -> None:
        """Create a group with its first members, at most MAX_ADMINS. With `officials_of`, all must be its officials.

        `app_fields` are the attributes of the app's row for an app-managed group (schema.AppGroupRow). `beside` are
        further parts of the transaction.
        """
        operations: list[Operation] = [Put(self.table, group_item(group), condition=ABSENT)]
        for member in members:
            operations += self._member(group.id, member)
            if officials_of is not None:
                operations.append(is_official(self.table, member.account, officials_of, now_seconds))
        if group.organisation is not None and group.unit is not None:
            operations += [
                self._units.counting(group.organisation, group.unit, groups=1),
                Put(self.table, group_of_unit_item(group, group.unit)),
            ]
        if group.app is not None:
            operations.append(Put(self.table, group_of_app_key(group.app, group.id) | dict(app_fields or {})))
        self._transact([*operations, *beside], event)

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
        """Change a group, only at this `version` if it is set. None leaves a field unchanged.

        `listed` is the group as it was read. It is renamed in the list of its unit too, if it is still there.
        """
        texts = {Row.NAME: name, Row.POSTING: posting}
        values: dict[str, Any] = {key: {"S": text} for key, text in texts.items() if text is not None}
        if is_open is not None:
            values[Row.OPEN] = {"BOOL": is_open}
        if version is None:
            changed = self._next_version(group, values=values)
        else:
            using = {":version": {"N": str(version)}}
            changed = self._next_version(group, values=values, conditions=[f"{Row.VERSION} = :version"], using=using)
        operations: list[Operation] = [changed]
        if name is not None and listed is not None and listed.organisation is not None and listed.unit is not None:
            renamed = Update(
                self.table,
                group_of_unit_key(listed.organisation, listed.unit, group),
                f"SET {Row.NAME} = :name, {Row.AUDIENCE} = :audience",
                condition=PRESENT,
                values={":name": {"S": name}, ":audience": {"S": listed.audience}},
            )
            operations.append(renamed)
        if by is not None:
            operations.append(manages(self.table, group, by))
        self._transact(operations, event)

    def transfer(self, group: Group, unit: UnitId, *, event: GroupEvent | None = None) -> None:
        """Move an official group to another unit of its organisation. Members keep their keys and get no event."""
        if group.organisation is None or group.unit is None:
            raise ValueError("a group of no unit")
        self._transact(
            [
                self._units.counting(group.organisation, group.unit, groups=-1),
                self._units.counting(group.organisation, unit, groups=1),
                Delete(self.table, group_of_unit_key(group.organisation, group.unit, group.id)),
                Put(self.table, group_of_unit_item(group, unit)),
                next_version(
                    self.table,
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
        """Dissolve a group: it refuses everything from now on, and its members' rows expire later.

        If `owner` is set, this account must own it. If `alone` is true, it must have exactly one member.
        """
        conditions: list[str] = []
        using: dict[str, Any] = {}
        if owner is not None:
            conditions.append(f"{Row.OWNER} = :owner")
            using[":owner"] = {"B": owner}
        if alone:
            conditions.append(f"{Row.MEMBERS} = :single")
            using[":single"] = {"N": "1"}
        operations: list[Operation] = []
        if group.organisation is not None and group.unit is not None:
            conditions.append(f"{Row.UNIT} = :unit")
            using[":unit"] = {"B": group.unit}
            operations += [
                self._units.counting(group.organisation, group.unit, groups=-1),
                Delete(self.table, group_of_unit_key(group.organisation, group.unit, group.id)),
            ]
        if group.app is not None:
            operations.append(Delete(self.table, group_of_app_key(group.app, group.id)))
        dissolved = {Row.STATE: {"S": "dissolved"}}
        operations.append(self._next_version(group.id, values=dissolved, conditions=conditions, using=using))
        self._transact(operations, event)

    def unchanged(self, group: Group, *, beside: Sequence[Operation]) -> None:
        """Write the operations in `beside` while the group is live and has the version of `group`."""
        condition = Check(
            self.table,
            group_key(group.id),
            condition=f"{Row.STATE} = :live AND {Row.VERSION} = :version",
            values={":live": {"S": "live"}, ":version": {"N": str(group.version)}},
        )
        self._transact([condition, *beside], None)
