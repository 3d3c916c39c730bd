"""Groups in the directory table: the group, its members and invitations, and copies of these in other partitions.

This module builds keys, writes and reads rows. `group_changes.py` and `membership_changes.py` change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.app import AppSender
from sandes.model.group import (
    Actor,
    Audience,
    Group,
    GroupEvent,
    GroupInvitation,
    GroupKind,
    GroupState,
    Member,
    Posting,
    Role,
)
from sandes.model.ids import (
    AccountId,
    AppId,
    DeviceAddress,
    DeviceNumber,
    GroupId,
    MessageId,
    OrganisationId,
    UnitId,
    account_text,
    app_text,
    id_text,
    join_accounts,
    message_text,
    parse_account,
    parse_group,
    parse_message,
    parse_unit,
    split_accounts,
)
from sandes.model.standing import Standing
from sandes.store.directory import account_key, block_key, invitation_key
from sandes.store.dynamo import Client, Item, batch_get
from sandes.store.organisations import organisation_key
from sandes.store.queries import Query, beginning, page_by_sort_key, query_page, query_pages
from sandes.store.schema import DirectoryRow, GroupEventRow
from sandes.store.schema import GroupRow as Row
from sandes.store.standing import read_standing
from sandes.store.transaction import Put

_GROUP_SORT = "0"
_EVENT_PREFIX = "E#"
_INVITATION_PREFIX = "I#"
_MEMBER_PREFIX = "M#"
_MEMBERSHIP_PREFIX = "G#"
_INVITED_PREFIX = "J#"
_OF_UNIT_PREFIX = "G#"
_BATCH_KEYS = 100  # DynamoDB's limit


def _key(partition: str, sort: str) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": partition}, DirectoryRow.SORT: {"S": sort}}


def group_key(group: GroupId) -> dict[str, Any]:
    return _key(f"G#{id_text(group)}", _GROUP_SORT)


def member_key(group: GroupId, account: AccountId) -> dict[str, Any]:
    return _key(f"G#{id_text(group)}", f"{_MEMBER_PREFIX}{account_text(account)}")


def membership_key(account: AccountId, group: GroupId) -> dict[str, Any]:
    """Build the key of a membership in the account's partition."""
    return _key(f"A#{account_text(account)}", f"{_MEMBERSHIP_PREFIX}{id_text(group)}")


def group_invitation_key(group: GroupId, account: AccountId) -> dict[str, Any]:
    return _key(f"G#{id_text(group)}", f"{_INVITATION_PREFIX}{account_text(account)}")


def invited_key(account: AccountId, group: GroupId) -> dict[str, Any]:
    """Build the key of an invitation to a group in the account's partition."""
    return _key(f"A#{account_text(account)}", f"{_INVITED_PREFIX}{id_text(group)}")


def event_key(group: GroupId, message: MessageId) -> dict[str, Any]:
    return _key(f"G#{id_text(group)}", f"{_EVENT_PREFIX}{message_text(message)}")


def group_of_unit_key(organisation: OrganisationId, unit: UnitId, group: GroupId) -> dict[str, Any]:
    """Build the key of a group in its organisation's partition, by which the group counts in its unit."""
    return _key(f"O#{id_text(organisation)}", f"{_OF_UNIT_PREFIX}{id_text(unit)}#{id_text(group)}")


def group_of_unit_item(group: Group, unit: UnitId) -> dict[str, Any]:
    """Build the row of a group in its organisation's partition, as lists show it."""
    if group.organisation is None:
        raise ValueError("a group of no organisation")
    shown = {Row.NAME: {"S": group.name}, Row.AUDIENCE: {"S": group.audience}}
    return group_of_unit_key(group.organisation, unit, group.id) | shown


def group_of_app_key(app: AppId, group: GroupId) -> dict[str, Any]:
    return _key(f"APP#{app_text(app)}", f"G#{id_text(group)}")


def is_group(item: Item) -> bool:
    """Tell whether a row is a group, and not a membership that was read with it."""
    return bool(item[DirectoryRow.PARTITION]["S"].startswith("G#") and item[DirectoryRow.SORT]["S"] == _GROUP_SORT)


def is_member(item: Item) -> bool:
    return bool(item[DirectoryRow.SORT]["S"].startswith(_MEMBER_PREFIX))


@dataclass(frozen=True, slots=True)
class Tie:
    """Holds an account's membership or invitation in a group. An expired invitation is left out."""

    account: AccountId
    member: Member | None
    invitation: GroupInvitation | None


@dataclass(frozen=True, slots=True)
class Subject:
    """Holds the facts about an account for a viewer. `blocks` and `invites` say whether this account has blocked or
    invited the viewer.
    """

    tie: Tie
    exists: bool
    standing: Standing | None
    blocks: bool
    invites: bool


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """Holds a group, even a dissolved one, and the viewer's tie to it."""

    group: Group | None
    own: Tie


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """Holds a group of a unit as lists show it. `name` and `audience` are None if the list row lacks them."""

    group: GroupId
    unit: UnitId
    name: str | None
    audience: Audience | None


@dataclass(frozen=True, slots=True)
class GroupStore:
    client: Client
    table: str

    def read(self, group: GroupId) -> Group | None:
        """Return a group by a consistent read, even if it is dissolved."""
        answer = self.client.get_item(TableName=self.table, Key=group_key(group), ConsistentRead=True)
        return read_group(group, answer["Item"]) if "Item" in answer else None

    def read_many(self, groups: Sequence[GroupId]) -> dict[GroupId, Group]:
        """Return those groups that exist, even dissolved ones, by consistent reads of 100."""
        keys = [group_key(group) for group in dict.fromkeys(groups)]
        return {found.id: found for found in map(_group_of, self._batch(keys))}

    def of_organisation(
        self, organisation: OrganisationId, *, unit: UnitId | None = None, after: str | None = None, limit: int
    ) -> tuple[list[ListedGroup], str | None]:
        """Return a page of the live groups of all units or of one, and the start of the next page. One query."""
        key, prefix = organisation_key(organisation), _OF_UNIT_PREFIX + (f"{id_text(unit)}#" if unit else "")
        items, last = query_page(self.client, self.table, key, prefix, after=after, limit=limit)
        return [read_listed_group(item) for item in items], last

    def facts(self, group: GroupId, viewer: AccountId, *, now_seconds: int) -> GroupFacts:
        """Return a group and the viewer's tie with one consistent read of three keys, whether or not they exist."""
        rows = self._rows([group_key(group), *_tie_keys(group, viewer)])
        return _facts(group, viewer, rows, now_seconds)

    def facts_about(
        self, group: GroupId, viewer: AccountId, subject: AccountId, *, now_seconds: int
    ) -> tuple[GroupFacts, Subject]:
        """Return the same and the facts about another account, with one consistent read of eight keys."""
        account, block = account_key(subject), block_key(owner=subject, blocked=viewer)
        invitation = invitation_key(owner=subject, invited=viewer)
        keys = [group_key(group), *_tie_keys(group, viewer), *_tie_keys(group, subject), account, block, invitation]
        rows = self._rows(keys)
        known = rows.get(_name(account))
        standing = read_standing(known.get(DirectoryRow.STANDING)) if known else None
        about = Subject(
            _tie(group, subject, rows, now_seconds),
            exists=known is not None,
            standing=standing if standing and standing.expires_at > now_seconds else None,
            blocks=_name(block) in rows,
            invites=_name(invitation) in rows,
        )
        return _facts(group, viewer, rows, now_seconds), about

    def ties(
        self, group: GroupId, accounts: Sequence[AccountId], *, now_seconds: int
    ) -> tuple[Group | None, dict[AccountId, Tie]]:
        """Return a group, even a dissolved one, and the ties of accounts; up to 49 of them in one read."""
        keys = [group_key(group), *(key for account in accounts for key in _tie_keys(group, account))]
        rows = self._rows(keys)
        found = rows.get(_name(group_key(group)))
        ties = {account: _tie(group, account, rows, now_seconds) for account in accounts}
        return read_group(group, found) if found else None, ties

    def event(self, group: GroupId, message: MessageId) -> tuple[Group | None, GroupEvent | None]:
        """Return the current group, and an event of it that has not been sent."""
        rows = self._rows([group_key(group), event_key(group, message)])
        found, event = (rows.get(_name(key)) for key in (group_key(group), event_key(group, message)))
        return read_group(group, found) if found else None, read_event(event) if event else None

    def forget_event(self, event: GroupEvent) -> None:
        self.client.delete_item(TableName=self.table, Key=event_key(event.group, event.message))

    def members_page(
        self, group: GroupId, *, after: str | None, limit: int, invitations: bool
    ) -> tuple[list[Member | GroupInvitation], str | None]:
        """Return up to `limit` members and the start of the next page, with `invitations` first, even expired ones.

        `after` is what the previous page returned.
        """
        key, first = group_key(group), _INVITATION_PREFIX if invitations else _MEMBER_PREFIX
        query = Query(
            self.table,
            f"{DirectoryRow.PARTITION} = :group AND {DirectoryRow.SORT} BETWEEN :first AND :last",
            {":group": key[DirectoryRow.PARTITION], ":first": {"S": first}, ":last": {"S": f"{_MEMBER_PREFIX}~"}},
            consistent=True,
        )
        items, last = page_by_sort_key(self.client, query, key, after=after, limit=limit)
        return [read_member(item) if is_member(item) else read_invitation(item) for item in items], last

    def memberships(
        self, account: AccountId, *, after: GroupId | None = None, limit: int
    ) -> tuple[list[tuple[GroupId, Role]], GroupId | None]:
        """Return the groups that an account is in, sorted by id, and the id after which the next page begins."""
        items, last = self._of_account(account, _MEMBERSHIP_PREFIX, after, limit)
        return [(group, cast("Role", item[Row.ROLE]["S"])) for group, item in items], last

    def invitations(
        self, account: AccountId, *, after: GroupId | None = None, limit: int, now_seconds: int
    ) -> tuple[list[GroupInvitation], GroupId | None]:
        """Return the groups that an account is invited to, in pages like those of `memberships`."""
        items, last = self._of_account(account, _INVITED_PREFIX, after, limit)
        found = [
            GroupInvitation(group, account, _optional_account(item, Row.INVITED_BY), int(item[Row.EXPIRES_AT]["N"]))
            for group, item in items
        ]
        return [invitation for invitation in found if invitation.expires_at > now_seconds], last

    def _of_account(
        self, account: AccountId, prefix: str, after: GroupId | None, limit: int
    ) -> tuple[list[tuple[GroupId, Item]], GroupId | None]:
        def group(sort: str) -> GroupId:
            return parse_group(sort.removeprefix(prefix))

        key, sort = account_key(account), f"{prefix}{id_text(after)}" if after is not None else None
        items, last = query_page(self.client, self.table, key, prefix, after=sort, limit=limit, consistent=True)
        return [(group(item[DirectoryRow.SORT]["S"]), item) for item in items], group(last) if last else None

    def _rows(self, keys: Sequence[Item]) -> Rows:
        return {_name(item): item for item in self._batch(keys)}

    def _batch(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        for start in range(0, len(keys), _BATCH_KEYS):
            some = {"Keys": list(keys[start : start + _BATCH_KEYS]), "ConsistentRead": True}
            found += batch_get(self.client, {self.table: some})[self.table]
        return found

    def member_pages(self, group: GroupId, *, limit: int | None = None) -> Iterator[list[Member]]:
        """Yield all members, sorted by id, by consistent reads of up to 1 MB or `limit` rows each."""
        members = beginning(self.table, group_key(group), _MEMBER_PREFIX, consistent=True)
        for items, _ in query_pages(self.client, members, limit=limit):
            yield [read_member(item) for item in items]


def read_listed_group(item: Item) -> ListedGroup:
    unit, _, group = item[DirectoryRow.SORT]["S"].removeprefix(_OF_UNIT_PREFIX).partition("#")
    return ListedGroup(
        parse_group(group),
        parse_unit(unit),
        item[Row.NAME]["S"] if Row.NAME in item else None,
        cast("Audience", item[Row.AUDIENCE]["S"]) if Row.AUDIENCE in item else None,
    )


Rows = Mapping[tuple[str, str], Item]
"""Rows by partition and sort key."""


def _facts(group: GroupId, viewer: AccountId, rows: Rows, now_seconds: int) -> GroupFacts:
    found = rows.get(_name(group_key(group)))
    return GroupFacts(read_group(group, found) if found else None, _tie(group, viewer, rows, now_seconds))


def _tie(group: GroupId, account: AccountId, rows: Rows, now_seconds: int) -> Tie:
    member, invitation = (rows.get(_name(key)) for key in _tie_keys(group, account))
    invited = read_invitation(invitation) if invitation else None
    return Tie(
        account,
        read_member(member) if member else None,
        invited if invited and invited.expires_at > now_seconds else None,
    )


def _name(key: Item) -> tuple[str, str]:
    return key[DirectoryRow.PARTITION]["S"], key[DirectoryRow.SORT]["S"]


def _tie_keys(group: GroupId, account: AccountId) -> tuple[Item, Item]:
    return member_key(group, account), group_invitation_key(group, account)


def _group_of(item: Item) -> Group:
    return read_group(parse_group(item[DirectoryRow.PARTITION]["S"].removeprefix("G#")), item)


def _optional_account(item: Item, name: str) -> AccountId | None:
    return AccountId(item[name]["B"]) if name in item else None


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
        admins=frozenset(parse_account(text) for text in item.get(Row.ADMINS, {}).get("SS", ())),
    )


def group_item(group: Group) -> dict[str, Any]:
    """Build the whole row with its key."""
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
    if group.admins:
        item[Row.ADMINS] = {"SS": sorted(account_text(admin) for admin in group.admins)}
    owners = {Row.ORGANISATION: group.organisation, Row.UNIT: group.unit, Row.APP: group.app, Row.OWNER: group.owner}
    return item | {name: {"B": id} for name, id in owners.items() if id is not None}


def member_item(group: GroupId, member: Member) -> dict[str, Any]:
    return member_key(group, member.account) | {
        Row.ROLE: {"S": member.role},
        Row.JOINED_AT_MS: {"N": str(member.joined_at_ms)},
        Row.JOINED_VERSION: {"N": str(member.joined_version)},
    }


def read_member(item: Item) -> Member:
    account = parse_account(item[DirectoryRow.SORT]["S"].removeprefix(_MEMBER_PREFIX))
    return Member(
        account,
        cast("Role", item[Row.ROLE]["S"]),
        int(item[Row.JOINED_AT_MS]["N"]),
        int(item[Row.JOINED_VERSION]["N"]) if Row.JOINED_VERSION in item else 0,
    )


def invitation_fields(invitation: GroupInvitation) -> dict[str, Any]:
    """Build the attributes of both rows of an invitation, which are deleted after its expiry."""
    until = {"N": str(invitation.expires_at)}
    by = {Row.INVITED_BY: {"B": invitation.invited_by}} if invitation.invited_by else {}
    return {Row.EXPIRES_AT: until, DirectoryRow.VANISHES_AT: until, **by}


def read_invitation(item: Item) -> GroupInvitation:
    """Read an invitation from the group's row."""
    return GroupInvitation(
        group=parse_group(item[DirectoryRow.PARTITION]["S"].removeprefix("G#")),
        account=parse_account(item[DirectoryRow.SORT]["S"].removeprefix(_INVITATION_PREFIX)),
        invited_by=_optional_account(item, Row.INVITED_BY),
        expires_at=int(item[Row.EXPIRES_AT]["N"]),
    )


def event_item(event: GroupEvent) -> dict[str, Any]:
    item = event_key(event.group, event.message) | {
        GroupEventRow.CHANGE: {"N": str(event.change)},
        GroupEventRow.AT_MS: {"N": str(event.at_ms)},
        GroupEventRow.NARROW: {"BOOL": event.narrow},
    }
    sender = event.actor.sender
    if isinstance(sender, DeviceAddress):
        item |= {
            GroupEventRow.ACTOR: {"B": sender.account},
            GroupEventRow.DEVICE: {"N": str(sender.device)},
            GroupEventRow.VERIFIED: {"BOOL": event.actor.sender_class == "verified"},
        }
    else:
        item |= {GroupEventRow.APP: {"B": sender.app}, GroupEventRow.APP_NAME: {"S": sender.name}}
    if event.subject is not None:
        item[GroupEventRow.SUBJECT] = {"B": event.subject}
    if event.to is not None:
        item[GroupEventRow.TO] = {"B": join_accounts(event.to)}
    texts = {GroupEventRow.ROLE: event.role, GroupEventRow.NAME: event.name}
    return item | {name: {"S": text} for name, text in texts.items() if text is not None}


def event_put(table: str, event: GroupEvent) -> Put:
    """Build another event in the transaction that makes a change, beside the change's own event."""
    return Put(table, event_item(event))


def read_event(item: Item) -> GroupEvent:
    def text(name: str) -> str | None:
        return item[name]["S"] if name in item else None

    if GroupEventRow.APP in item:
        actor = Actor(AppSender(AppId(item[GroupEventRow.APP]["B"]), item[GroupEventRow.APP_NAME]["S"]), None)
    else:
        device = DeviceNumber(int(item[GroupEventRow.DEVICE]["N"]))
        actor = Actor(
            DeviceAddress(AccountId(item[GroupEventRow.ACTOR]["B"]), device),
            "verified" if item[GroupEventRow.VERIFIED]["BOOL"] else "public",
        )
    return GroupEvent(
        group=parse_group(item[DirectoryRow.PARTITION]["S"].removeprefix("G#")),
        message=parse_message(item[DirectoryRow.SORT]["S"].removeprefix(_EVENT_PREFIX)),
        change=int(item[GroupEventRow.CHANGE]["N"]),
        actor=actor,
        at_ms=int(item[GroupEventRow.AT_MS]["N"]),
        subject=_optional_account(item, GroupEventRow.SUBJECT),
        role=cast("Role | None", text(GroupEventRow.ROLE)),
        name=text(GroupEventRow.NAME),
        narrow=item[GroupEventRow.NARROW]["BOOL"],
        to=split_accounts(item[GroupEventRow.TO]["B"]) if GroupEventRow.TO in item else None,
    )
