"""Groups in the directory table: the group, its members and invitations, each a second time with whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.group import Audience, Group, GroupKind, GroupState, Member, Posting, Role
from sandes.model.ids import (
    AccountId,
    AppId,
    GroupId,
    OrganisationId,
    UnitId,
    account_text,
    id_text,
    parse_account,
)
from sandes.store.dynamo import Client, Item
from sandes.store.schema import DirectoryRow
from sandes.store.schema import GroupRow as Row

_GROUP_SORT = "0"
_MEMBER_PREFIX = "M#"


def group_key(group: GroupId) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": f"G#{id_text(group)}"}, DirectoryRow.SORT: {"S": _GROUP_SORT}}


def member_key(group: GroupId, account: AccountId) -> dict[str, Any]:
    return {
        DirectoryRow.PARTITION: {"S": f"G#{id_text(group)}"},
        DirectoryRow.SORT: {"S": f"{_MEMBER_PREFIX}{account_text(account)}"},
    }


def is_group(item: Item) -> bool:
    """Told from a membership that was read together with it."""
    return bool(item[DirectoryRow.PARTITION]["S"].startswith("G#") and item[DirectoryRow.SORT]["S"] == _GROUP_SORT)


def is_member(item: Item) -> bool:
    return bool(item[DirectoryRow.SORT]["S"].startswith(_MEMBER_PREFIX))


@dataclass(frozen=True, slots=True)
class GroupStore:
    client: Client
    table: str

    def read(self, group: GroupId) -> Group | None:
        """A consistent read; dissolved groups too."""
        answer = self.client.get_item(TableName=self.table, Key=group_key(group), ConsistentRead=True)
        return read_group(group, answer["Item"]) if "Item" in answer else None

    def member_pages(self, group: GroupId, *, limit: int | None = None) -> Iterator[list[Member]]:
        """All members in the order of their ids, by consistent reads of up to 1 MB or `limit` rows each."""
        members = f"{DirectoryRow.PARTITION} = :group AND begins_with({DirectoryRow.SORT}, :member)"
        start: dict[str, Any] = {"Limit": limit} if limit else {}
        while True:
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression=members,
                ExpressionAttributeValues={
                    ":group": group_key(group)[DirectoryRow.PARTITION],
                    ":member": {"S": _MEMBER_PREFIX},
                },
                ConsistentRead=True,
                **start,
            )
            yield [read_member(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            start = start | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def read_group(group: GroupId, item: Item) -> Group:
    def optional(name: str) -> bytes | None:
        return item[name]["B"] if name in item else None

    return Group(
        id=group,
        name=item[Row.NAME]["S"],
        kind=cast("GroupKind", item[Row.KIND]["S"]),
        audience=cast("Audience", item[Row.AUDIENCE]["S"]),
        posting=cast("Posting", item[Row.POSTING]["S"]),
        open=item[Row.OPEN]["BOOL"],
        members=int(item[Row.MEMBERS]["N"]),
        limit=int(item[Row.LIMIT]["N"]),
        version=int(item[Row.VERSION]["N"]),
        state=cast("GroupState", item[Row.STATE]["S"]),
        created_at=int(item[Row.CREATED_AT]["N"]),
        organisation=cast("OrganisationId | None", optional(Row.ORGANISATION)),
        unit=cast("UnitId | None", optional(Row.UNIT)),
        app=cast("AppId | None", optional(Row.APP)),
        owner=cast("AccountId | None", optional(Row.OWNER)),
    )


def group_item(group: Group) -> dict[str, Any]:
    """The whole row, key included."""
    item = group_key(group.id) | {
        Row.NAME: {"S": group.name},
        Row.KIND: {"S": group.kind},
        Row.AUDIENCE: {"S": group.audience},
        Row.POSTING: {"S": group.posting},
        Row.OPEN: {"BOOL": group.open},
        Row.MEMBERS: {"N": str(group.members)},
        Row.LIMIT: {"N": str(group.limit)},
        Row.VERSION: {"N": str(group.version)},
        Row.STATE: {"S": group.state},
        Row.CREATED_AT: {"N": str(group.created_at)},
    }
    owners = {Row.ORGANISATION: group.organisation, Row.UNIT: group.unit, Row.APP: group.app, Row.OWNER: group.owner}
    return item | {name: {"B": id} for name, id in owners.items() if id is not None}


def member_item(group: GroupId, member: Member) -> dict[str, Any]:
    return member_key(group, member.account) | {
        Row.ROLE: {"S": member.role},
        Row.JOINED_AT_MS: {"N": str(member.joined_at_ms)},
    }


def read_member(item: Item) -> Member:
    account = parse_account(item[DirectoryRow.SORT]["S"].removeprefix(_MEMBER_PREFIX))
    return Member(account, cast("Role", item[Row.ROLE]["S"]), int(item[Row.JOINED_AT_MS]["N"]))
