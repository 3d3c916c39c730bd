"""The parts of transactions on groups, and how they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.group import MAX_ADMINS, Group, GroupEvent, Member, Role
from sandes.model.ids import AccountId, GroupId, OrganisationId, UnitId, account_text
from sandes.store.directory import account_key
from sandes.store.dynamo import Client, ConditionFailed
from sandes.store.groups import event_item, group_key, member_item, member_key, membership_key
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow, StandingRow
from sandes.store.schema import GroupRow as Row
from sandes.store.transaction import Check, Operation, Put, Update, When, Writer, write

ABSENT = f"attribute_not_exists({DirectoryRow.PARTITION})"
PRESENT = f"attribute_exists({DirectoryRow.PARTITION})"


class GroupRaced(Exception):
    """Reports that the facts of the decision no longer hold. Nothing was changed; read again and repeat the
    decision.
    """


@dataclass(frozen=True, slots=True)
class GroupTransactions:
    """Builds transactions on a group and writes them."""

    client: Client
    table: str
    writer: Writer | None = None
    """Writes all transactions except the upkeep of `let_vanish`."""
    unit: UnitId | None = None
    """The unit in which an official group must be while it is changed, dissolved or given admins."""

    @property
    def _units(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table)

    def _member(self, group: GroupId, member: Member) -> list[Operation]:
        """Build the two rows of a new member."""
        row, with_account = member_rows(group, member)
        return [Put(self.table, row, condition=ABSENT), Put(self.table, with_account)]

    def _next_version(
        self, group: GroupId, *, conditions: Sequence[str] = (), using: Mapping[str, Any] | None = None, **changes: Any
    ) -> Update:
        """Build the same as `next_version`, on condition that the group is in the unit of this store."""
        if self.unit is None:
            return next_version(self.table, group, conditions=conditions, using=using, **changes)
        using = {**(using or {}), ":place": {"B": self.unit}}
        return next_version(self.table, group, conditions=[*conditions, f"{Row.UNIT} = :place"], using=using, **changes)

    def _role(self, group: GroupId, member: Member, role: Role) -> list[Operation]:
        return [
            Update(
                self.table,
                member_key(group, member.account),
                f"SET {Row.ROLE} = :new",
                condition=f"{Row.ROLE} = :role",
                values={":new": {"S": role}, ":role": {"S": member.role}},
            ),
            Update(
                self.table,
                membership_key(member.account, group),
                f"SET {Row.ROLE} = :new",
                values={":new": {"S": role}},
            ),
        ]

    def _transact(self, operations: Sequence[Operation], event: GroupEvent | None) -> None:
        told = [Put(self.table, event_item(event))] if event is not None else []
        try:
            write(self.client, self.writer, [*operations, *told])
        except ConditionFailed as error:
            raise GroupRaced from error


def next_version(
    table: str,
    group: GroupId,
    *,
    values: Mapping[str, Any] | None = None,
    members: int = 0,
    promoted: AccountId | None = None,
    demoted: AccountId | None = None,
    conditions: Sequence[str] = (),
    using: Mapping[str, Any] | None = None,
) -> Update:
    """Build the next version of a live group: set `values`, add `members`, add or remove one account among its
    admins.
    """
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
    return Update(table, group_key(group), " ".join(parts), condition=" AND ".join(held), values=used)


def next_version_together(table: str, before: Group, after: Group, version: int | None) -> Update:
    """Build the change from `before` to `after`, which were computed for many members together."""
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
    return Update(
        table,
        group_key(before.id),
        (f"SET {', '.join(sets)} " if sets else "") + f"ADD {added}{removes}",
        condition=" AND ".join(held),
        values=values,
    )


def member_rows(group: GroupId, member: Member) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the row in the group's partition and the one in the account's partition."""
    item = member_item(group, member)
    fields = {name: item[name] for name in (Row.ROLE, Row.JOINED_AT_MS, Row.JOINED_VERSION)}
    return item, membership_key(member.account, group) | fields


def _accounts(accounts: Collection[AccountId]) -> dict[str, Any]:
    return {"SS": sorted(account_text(account) for account in accounts)}


def role_is(role: Role) -> When:
    return {"condition": f"{Row.ROLE} = :role", "values": {":role": {"S": role}}}


def manages(table: str, group: GroupId, account: AccountId) -> Check:
    return Check(
        table,
        member_key(group, account),
        condition=f"{Row.ROLE} IN (:owner, :admin)",
        values={":owner": {"S": "owner"}, ":admin": {"S": "admin"}},
    )


def is_official(table: str, account: AccountId, organisation: OrganisationId | None, now_seconds: int) -> Check:
    """Check that an account is an official of the organisation, or of any if none is given."""
    at, until = (f"{DirectoryRow.STANDING}.{name}" for name in (StandingRow.ORGANISATION, StandingRow.EXPIRES_AT))
    values: dict[str, Any] = {":now": {"N": str(now_seconds)}}
    conditions = [f"{until} > :now"]
    if organisation is not None:
        conditions.append(f"{at} = :organisation")
        values[":organisation"] = {"B": organisation}
    return Check(table, account_key(account), condition=" AND ".join(conditions), values=values)


def is_no_official(table: str, account: AccountId, organisation: OrganisationId, now_seconds: int) -> Check:
    at, until = (f"{DirectoryRow.STANDING}.{name}" for name in (StandingRow.ORGANISATION, StandingRow.EXPIRES_AT))
    return Check(
        table,
        account_key(account),
        condition=f"attribute_not_exists({DirectoryRow.STANDING}) OR {at} <> :organisation OR {until} <= :now",
        values={":organisation": {"B": organisation}, ":now": {"N": str(now_seconds)}},
    )
