"""Runs groups in process: callers, their calls, and the posts to members, on real stores."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pytest

from sandes.crypto import statements
from sandes.crypto.seal import GroupChange
from sandes.crypto.statements import Act
from sandes.groups import group_members, groups
from sandes.groups.group_events import EventDependencies, send_event
from sandes.groups.groups import GroupDependencies
from sandes.groups.groups_upkeep import UpkeepDependencies, work
from sandes.identity.signed_acts import Signed
from sandes.model.fanout import GroupPost
from sandes.model.group import MAX_OFFICIAL_MEMBERS, Group, Member
from sandes.model.ids import (
    AccountId,
    GroupId,
    OrganisationId,
    UnitId,
    id_text,
    new_group_id,
    new_one_time_id,
    new_organisation_id,
)
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation
from sandes.model.standing import Standing
from sandes.protocol import client_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.directory import account_key, block_key, invitation_key
from sandes.store.group_changes import GroupChangeStore
from sandes.store.groups import GroupStore
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow, EndingRow, RoutingRow
from sandes.store.standing import standing_attribute
from tests.support.service import MAX_EXPIRY_SECONDS, PEPPER, Person, Service

Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """Holds a post with its recipients; `to` is None for all members."""

    post: GroupPost
    to: tuple[AccountId, ...] | None

    @property
    def body(self) -> Json:
        """Return the body with the names of the format's numbers."""
        names = {1: "group", 2: "version", 3: "change", 4: "actor", 5: "subject", 6: "role", 7: "name"}
        return {names[number]: value for number, value in cbor2.loads(self.post.body).items()}

    @property
    def change(self) -> GroupChange:
        return GroupChange(self.body["change"])


@dataclass
class Recorder:
    """Replaces `Fanout` and records the posts."""

    told: list[Told] = field(default_factory=list)

    def __call__(self, post: GroupPost, *, to: Sequence[AccountId] | None = None, now: Instant) -> bool:
        self.told.append(Told(post, None if to is None else tuple(to)))
        return True


class Groups:
    """Makes the calls of people about groups. `client` replaces the real one, to step, to fail or to count."""

    def __init__(self, service: Service, client: Any = None) -> None:
        self.service = service
        self.now_ms = service.now_ms
        table = service.tables["directory"]
        self.store = GroupStore(client or service.client, table)
        self.changes = GroupChangeStore(client or service.client, table)
        self.queue = service.group_queue
        self.deliver = Recorder()

    @property
    def now(self) -> int:
        return self.now_ms // 1000

    @property
    def deps(self) -> GroupDependencies:
        return GroupDependencies(self.store, self.changes, self.service.limits, PEPPER, self.queue)

    @property
    def event_deps(self) -> EventDependencies:
        return EventDependencies(self.store, self.deliver, MAX_EXPIRY_SECONDS)

    @property
    def upkeep_deps(self) -> UpkeepDependencies:
        return UpkeepDependencies(
            self.event_deps, self.changes, self.service.directory, self.service.verifications, self.queue
        )

    def do(self, job: str, **fields: Any) -> str:
        """Process one entry of the queue and return its outcome."""
        return work({"job": job, **fields}, now=Instant(self.now_ms), deps=self.upkeep_deps)

    def organisation(self) -> OrganisationId:
        """Create an organisation with its root unit only."""
        made = Organisation(new_organisation_id(), "Ministry of Earth Sciences", self.now, 1)
        assert OrganisationStore(self.service.client, self.service.tables["directory"]).create(made, "ministry")
        return made.id

    def official(self, organisation: OrganisationId | None = None, *, listed: bool = False, **when: int) -> Person:
        """Make an official, verified by an organisation of their own if none is given."""
        person = self.service.person()
        self.verify(person, organisation or new_organisation_id(), listed=listed, **when)
        return person

    def verify(
        self, person: Person, organisation: OrganisationId, *, listed: bool = False, expires_at: int | None = None
    ) -> None:
        expires_at = self.now + 86_400 if expires_at is None else expires_at
        ending = {DirectoryRow.SORT: {"S": f"E#{id_text(organisation)}"}, EndingRow.VERSION: {"N": "2"}}
        row = account_key(person.account) | ending
        self.service.client.put_item(TableName=self.service.tables["directory"], Item=row)
        self._stands(person, Standing(organisation, UnitId(bytes(organisation)), expires_at, listed))

    def revoke(self, person: Person) -> None:
        self._stands(person, None)

    def _stands(self, person: Person, standing: Standing | None) -> None:
        rows = (
            ("directory", account_key(person.account), DirectoryRow.STANDING),
            ("routing", {RoutingRow.ACCOUNT: {"B": person.account}}, RoutingRow.STANDING),
        )
        for table, key, name in rows:
            values = {":standing": standing_attribute(standing)} if standing else None
            self.service.client.update_item(
                TableName=self.service.tables[table],
                Key=key,
                UpdateExpression=f"SET {name} = :standing" if standing else f"REMOVE {name}",
                **({"ExpressionAttributeValues": values} if values else {}),  # type: ignore[arg-type]
            )

    def blocks(self, owner: Person, other: Person) -> None:
        self._put(block_key(owner=owner.account, blocked=other.account))

    def lets_write(self, official: Person, citizen: Person) -> None:
        self._put(invitation_key(owner=official.account, invited=citizen.account))

    def _put(self, item: Json) -> None:
        self.service.client.put_item(TableName=self.service.tables["directory"], Item=item)

    def create(self, owner: Person, *members: Person, name: str = "Flood relief", **changed: Any) -> GroupId:
        """Create an informal group that `members` have joined."""
        new = client_api.NewGroup(ref=new_one_time_id(), name=name, **changed)
        made = groups.create(self.service.caller(owner), new, now=Instant(self.now_ms), deps=self.deps)
        for member in members:
            self.put(owner, made.group, member)
            self.put(member, made.group, member)
        return made.group

    def official_group(self, owner: OrganisationId, admin: Person | None = None, **changed: Any) -> GroupId:
        fields: Json = {
            "id": new_group_id(),
            "name": "District officers",
            "kind": "official",
            "audience": "officials",
            "posting": "all",
            "open": False,
            "members": 0,
            "limit": MAX_OFFICIAL_MEMBERS,
            "version": 1,
            "state": "live",
            "created_at": self.now,
            "organisation": owner,
            "unit": UnitId(bytes(owner)),
        }
        members = [Member(admin.account, "admin", self.now_ms)] if admin else []
        fields |= {"members": len(members), "admins": frozenset(member.account for member in members)}
        group = Group(**fields | changed)
        self.changes.create(group, members)
        return group.id

    def put(self, caller: Person, group: GroupId, who: Person | AccountId, role: Any = "member") -> Any:
        account = who.account if isinstance(who, Person) else who
        signed = self.signed(caller, statements.put_member(group, account, role))
        return group_members.put_member(
            self.service.caller(caller), group, account, role, signed, now=Instant(self.now_ms), deps=self.deps
        )

    def remove(self, caller: Person, group: GroupId, who: Person | AccountId) -> None:
        account = who.account if isinstance(who, Person) else who
        signed, whose = self.signed(caller, statements.remove_member(group, account)), self.service.caller(caller)
        group_members.remove_member(whose, group, account, signed, now=Instant(self.now_ms), deps=self.deps)

    def signed(self, caller: Person, act: Act) -> Signed:
        return self.service.signed(caller, act, at_ms=self.now_ms)

    def read(self, caller: Person, group: GroupId) -> client_api.Group:
        return groups.read(self.service.caller(caller), group, now=Instant(self.now_ms), deps=self.deps)

    def change(self, caller: Person, group: GroupId, *, version: int | None = None, **wanted: Any) -> client_api.Group:
        body = client_api.ChangeGroup(**wanted)
        signed = self.signed(caller, statements.open_group(group, body.open)) if body.open is not None else None
        return groups.change(
            self.service.caller(caller), group, body, signed, version=version, now=Instant(self.now_ms), deps=self.deps
        )

    def dissolve(self, caller: Person, group: GroupId) -> None:
        signed = self.signed(caller, statements.dissolve_group(group))
        groups.dissolve(self.service.caller(caller), group, signed, now=Instant(self.now_ms), deps=self.deps)

    def own(self, caller: Person, cursor: str | None = None) -> client_api.GroupPage:
        return groups.own_groups(self.service.caller(caller), cursor, now=Instant(self.now_ms), deps=self.deps)

    def all_own(self, caller: Person) -> list[client_api.GroupEntry]:
        entries, page = [], self.own(caller)
        while True:
            entries += page.groups
            if page.cursor is None:
                return entries
            page = self.own(caller, page.cursor)

    def members(self, caller: Person, group: GroupId, cursor: str | None = None, **how: Any) -> client_api.GroupMembers:
        return group_members.members(
            self.service.caller(caller), group, cursor, now=Instant(self.now_ms), deps=self.deps, **how
        )

    # State and notifications

    def group(self, id: GroupId) -> Group:
        group = self.store.read(id)
        assert group is not None
        return group

    def roles(self, id: GroupId) -> dict[AccountId, str]:
        """Return the roles of the members. Both rows of each membership and the counts of the group's row must
        agree.
        """
        rows = {member.account: member.role for page in self.store.member_pages(id) for member in page}
        group = self.group(id)
        assert group.members == len(rows)
        assert group.admins == {account for account, role in rows.items() if role != "member"}
        for account, role in rows.items():
            assert (id, role) in self.store.memberships(account, limit=100)[0]
        return dict(rows)

    def work(self) -> list[Told]:
        """Process every entry about an event in the queue, and return the posts to members, each once."""
        entries, self.queue.sent = self.queue.sent, []
        first = len(self.deliver.told)
        for entry, delay in entries:
            if entry["job"] == "event":
                send_event(entry, now=Instant(self.now_ms), deps=self.event_deps)
            else:
                self.queue.sent.append((entry, delay))
        return self.deliver.told[first:]

    def changes_told(self) -> list[GroupChange]:
        return [told.change for told in self.work()]

    def set_limit(self, id: GroupId, limit: int) -> None:
        from sandes.store.groups import group_key
        from sandes.store.schema import GroupRow

        self.service.client.update_item(
            TableName=self.service.tables["directory"],
            Key=group_key(id),
            UpdateExpression=f"SET {GroupRow.LIMIT} = :limit",
            ExpressionAttributeValues={":limit": {"N": str(limit)}},
        )


def unknown_account() -> AccountId:
    return AccountId(secrets.token_bytes(8))


def refused(call: Callable[..., object], *arguments: Any, **named: Any) -> ErrorCode:
    """Return the code with which a call is refused."""
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value.code
