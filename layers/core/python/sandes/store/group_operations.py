"""The parts that transactions on groups are made of, and how they are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.group import MAX_ADMINS, Group, GroupEvent, Member, Role
from sandes.model.ids import AccountId, GroupId, OrganisationId, UnitId, account_text
from sandes.store.directory import account_key
from sandes.store.dynamo import Client, ConditionFailed, Writer, write
from sandes.store.groups import event_item, group_key, member_item, member_key, membership_key
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow, StandingRow
from sandes.store.schema import GroupRow as Row

ABSENT = f"attribute_not_exists({DirectoryRow.PARTITION})"
PRESENT = f"attribute_exists({DirectoryRow.PARTITION})"


class GroupRaced(Exception):
    """What the change was decided on holds no longer: read again and decide anew. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class GroupTransactions:
    """Build transactions on a group and write them."""

    client: Client
    table: str
    writer: Writer | None = None
    """For all but `let_vanish`, which is upkeep."""
    unit: UnitId | None = None
    """Of an official group: changed, dissolved, and given admins, only while it is there."""

    @property
    def _units(self) -> OrganisationStore:
        return OrganisationStore(self.client, self.table)

    def _member(self, group: GroupId, member: Member) -> list[dict[str, Any]]:
        """The two rows of somebody who is no member yet."""
        row, with_account = member_rows(group, member)
        return [{"Put": {"Item": row, "ConditionExpression": ABSENT}}, {"Put": {"Item": with_account}}]

    def _next_version(
        self, group: GroupId, *, conditions: Sequence[str] = (), using: Mapping[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """As `next_version`, while the group is in the unit of this store."""
        if self.unit is None:
            return next_version(group, conditions=conditions, using=using, **changes)
        using = {**(using or {}), ":place": {"B": self.unit}}
        return next_version(group, conditions=[*conditions, f"{Row.UNIT} = :place"], using=using, **changes)

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


def next_version(
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


def next_version_together(before: Group, after: Group, version: int | None) -> dict[str, Any]:
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


def member_rows(group: GroupId, member: Member) -> tuple[dict[str, Any], dict[str, Any]]:
    """With the group and with the account."""
    item = member_item(group, member)
    fields = {name: item[name] for name in (Row.ROLE, Row.JOINED_AT_MS, Row.JOINED_VERSION)}
    return item, membership_key(member.account, group) | fields


def _accounts(accounts: Collection[AccountId]) -> dict[str, Any]:
    return {"SS": sorted(account_text(account) for account in accounts)}


def role_is(role: Role) -> dict[str, Any]:
    return {"ConditionExpression": f"{Row.ROLE} = :role", "ExpressionAttributeValues": {":role": {"S": role}}}


def manages(group: GroupId, account: AccountId) -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "Key": member_key(group, account),
            "ConditionExpression": f"{Row.ROLE} IN (:owner, :admin)",
            "ExpressionAttributeValues": {":owner": {"S": "owner"}, ":admin": {"S": "admin"}},
        }
    }


def is_official(account: AccountId, organisation: OrganisationId | None, now_seconds: int) -> dict[str, Any]:
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


def is_no_official(account: AccountId, organisation: OrganisationId, now_seconds: int) -> dict[str, Any]:
    at, until = (f"{DirectoryRow.STANDING}.{name}" for name in (StandingRow.ORGANISATION, StandingRow.EXPIRES_AT))
    return {
        "ConditionCheck": {
            "Key": account_key(account),
            "ConditionExpression": f"attribute_not_exists({DirectoryRow.STANDING}) OR {at} <> :organisation "
            f"OR {until} <= :now",
            "ExpressionAttributeValues": {":organisation": {"B": organisation}, ":now": {"N": str(now_seconds)}},
        }
    }
