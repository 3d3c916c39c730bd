"""Runs groups in process: people and members are written directly into the tables, and real use cases send posts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2

from sandes.counting.tally import Tally
from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.seal import BodyPointer, Content
from sandes.groups.fanout import Fanout
from sandes.groups.group_send import GroupSendDependencies, send_to_group
from sandes.limits import Limit, Meter
from sandes.messaging.push import Push
from sandes.model.app import AppSender
from sandes.model.device import Device, SealKey
from sandes.model.fanout import GroupPost
from sandes.model.group import Group, Member, Role
from sandes.model.ids import (
    BodyId,
    DeviceAddress,
    DeviceNumber,
    account_text,
    base64url_text,
    id_text,
    message_text,
    new_account_id,
    new_group_id,
    new_inbox_id,
    new_message_id,
    new_organisation_id,
    new_registration_id,
    new_unit_id,
)
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.model.standing import Standing
from sandes.protocol.frames import Accepted, GroupRecipient, GroupSend
from sandes.store.dynamo import batch_write
from sandes.store.fanouts import FanoutStore
from sandes.store.group_send_view import GroupSendView
from sandes.store.groups import GroupStore, group_item, member_item, member_key
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore, full_at_ms, limit_key
from sandes.store.routing import RoutingStore
from sandes.store.schema import InboxRow, RoutingRow
from sandes.store.standing import standing_attribute
from sandes.store.transaction import transact
from tests.support.batches import Crash
from tests.support.keys import SERVICE_KEYS, DeviceKeys
from tests.support.opening import decrypt_body
from tests.support.queue import FakeQueue
from tests.support.service import MAX_EXPIRY_SECONDS, NOW, Person, Service

Through = Callable[[Any], Any]
SECRET = b"s" * 32
JOINED_MS = 1_700_000_000_000
ORGANISATION, UNIT = new_organisation_id(), new_unit_id()


def verified(expires_at: int = NOW + 86_400) -> Standing:
    return Standing(ORGANISATION, UNIT, expires_at, listed=False)


def seed_people(
    client: Any, routing_table: str, count: int, *, devices: int = 1, standing: Standing | None = None
) -> list[Person]:
    """Write people who are known to routing only. Messages reach them, but they cannot sign in."""
    routing, people, rows = RoutingStore(client, routing_table), [], []
    for _ in range(count):
        person = Person(new_account_id(), PhoneNumber("+919800000000"))
        for number in range(1, devices + 1):
            keys = DeviceKeys()
            device = Device(
                account=person.account,
                number=DeviceNumber(number),
                registration=new_registration_id(),
                inbox=new_inbox_id(),
                identity_key=b"",
                name="",
                platform="",
                linked_at=NOW,
            )
            person.devices.append(device)
            person.keys.append(keys)
        seal_keys = [SealKey(1, keys.seal_public) for keys in person.keys]
        row = routing.replacing(person.devices[0], seal_keys[0]).parameters()["Item"]
        for device, key in zip(person.devices[1:], seal_keys[1:], strict=True):
            entry = routing.adding(device, key).parameters()["ExpressionAttributeValues"][":entry"]
            row[RoutingRow.DEVICES]["M"][str(device.number)] = entry
        if standing:
            row[RoutingRow.STANDING] = standing_attribute(standing)
        rows.append({"PutRequest": {"Item": row}})
        people.append(person)
    batch_write(client, routing_table, rows)
    return people


def seed_group(client: Any, directory_table: str, members: Sequence[Member], /, **changed: Any) -> Group:
    terms: dict[str, Any] = {
        "id": new_group_id(),
        "name": "Residents",
        "kind": "informal",
        "audience": "members",
        "posting": "all",
        "open": False,
        "members": len(members),
        "limit": 100_000,
        "version": 7,
        "state": "live",
        "created_at": JOINED_MS // 1000,
    }
    group = Group(**terms | changed)
    rows = [group_item(group), *(member_item(group.id, member) for member in members)]
    batch_write(client, directory_table, [{"PutRequest": {"Item": row}} for row in rows])
    return group


def group_message(group: Group, body: bytes, **changed: Any) -> dict[str, Any]:
    """Make a frame as a device sends it now."""
    return {
        "type": "send",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": {"group": id_text(group.id)},
        "kind": "message",
        "body": base64url_text(body),
    } | changed


@dataclass
class Received:
    """Holds a group message after a device has opened it. `pointer` is set if its body must be fetched."""

    content: Content
    group: bytes
    version: int
    body: bytes | None
    pointer: BodyPointer | None


def read(content: Content) -> Received:
    fields = cbor2.loads(content.body)
    pointer = BodyPointer(BodyId(fields[4][0]), fields[4][1], fields[4][2]) if 4 in fields else None
    return Received(content, fields[1], fields[2], fields.get(3), pointer)


@dataclass
class Groups:
    service: Service
    queue: FakeQueue = field(default_factory=FakeQueue)

    def people(self, count: int, *, devices: int = 1, standing: Standing | None = None) -> list[Person]:
        return seed_people(
            self.service.client, self.service.tables["routing"], count, devices=devices, standing=standing
        )

    def group(self, people: Sequence[Person], *, roles: dict[int, Role] | None = None, **changed: Any) -> Group:
        members = [
            Member(person.account, (roles or {}).get(index, "member"), JOINED_MS) for index, person in enumerate(people)
        ]
        return seed_group(self.service.client, self.service.tables["directory"], members, **changed)

    def join(self, group: Group, person: Person, *, at_ms: int, version: int | None = None) -> None:
        """Write the row of a member who joined at `version`, by default one above that of `group`, by a clock that said
        `at_ms`.
        """
        joined = Member(person.account, "member", at_ms, group.version + 1 if version is None else version)
        item = member_item(group.id, joined)
        self.service.client.put_item(TableName=self.service.tables["directory"], Item=item)

    def leave(self, group: Group, person: Person) -> None:
        key = member_key(group.id, person.account)
        self.service.client.delete_item(TableName=self.service.tables["directory"], Key=key)

    def dissolve(self, group: Group) -> None:
        self.service.client.update_item(
            TableName=self.service.tables["directory"],
            Key={key: value for key, value in group_item(group).items() if key in {"p", "s"}},
            UpdateExpression="SET z = :dissolved",
            ExpressionAttributeValues={":dissolved": {"S": "dissolved"}},
        )

    def stand(self, person: Person, standing: Standing | None) -> None:
        operation = RoutingStore(self.service.client, self.service.tables["routing"]).standing(person.account, standing)
        transact(self.service.client, [operation])

    def fanout(self, through: Through = lambda target: target, *, at_once: int = 1) -> Fanout:
        """Return the fan-out of one execution environment. Every call to the outside goes `through`."""
        client, tables = through(self.service.client), self.service.tables
        routing = RoutingStore(client, tables["routing"])
        return Fanout(
            groups=GroupStore(client, tables["directory"]),
            routing=routing,
            inbox=InboxStore(client, tables["inbox"]),
            store=FanoutStore(client, tables["deliveries"]),
            push=Push(routing, through(self.service.gateway), at_once=at_once),
            queue=through(self.queue),
            keys=FanoutKeys.of(SECRET),
            sender_hash=self.service.sender_hash,
            service_keys=SERVICE_KEYS,
        )

    def send_deps(self, through: Through = lambda target: target) -> GroupSendDependencies:
        fanout = self.fanout(through)
        limits = LimitStore(fanout.inbox.client, self.service.tables["limits"])
        return GroupSendDependencies(
            view=GroupSendView(fanout.routing, fanout.groups, fanout.store, limits),
            meter=Meter(Limit.GROUP_POSTS, limits),
            fanout=fanout,
            tally=Tally(None),
            max_expiry_seconds=MAX_EXPIRY_SECONDS,
        )

    def frame(self, group: Group, body: bytes = b"hello all", **changed: Any) -> GroupSend:
        terms: dict[str, Any] = {
            "type": "send",
            "ref": "r1",
            "id": new_message_id(self.service.now_ms),
            "to": GroupRecipient(group=group.id),
            "kind": "message",
            "body": body,
        }
        return GroupSend(**terms | changed)

    def send(
        self,
        frame: GroupSend,
        sender: Person,
        *,
        index: int = 0,
        now_ms: int | None = None,
        deps: GroupSendDependencies | None = None,
    ) -> Accepted:
        now_ms = now_ms or self.service.now_ms
        return send_to_group(frame, sender.principal(index), now=Instant(now_ms), deps=deps or self.send_deps())

    def post(self, group: Group, sender: DeviceAddress | AppSender, body: bytes = b"hi", **changed: Any) -> GroupPost:
        terms: dict[str, Any] = {
            "group": group,
            "message": new_message_id(self.service.now_ms),
            "sender": sender,
            "sender_class": None if isinstance(sender, AppSender) else "public",
            "event": False,
            "body": body,
            "at_ms": self.service.now_ms,
            "expires_at": self.service.now_ms // 1000 + MAX_EXPIRY_SECONDS,
        }
        return GroupPost(**terms | changed)

    def work_one(self, deps: Fanout | None = None, *, now_ms: int | None = None) -> str:
        """Process the oldest entry of the queue. Put it back if the work ends with `Crash`."""
        entry = self.queue.sent.pop(0)
        try:
            return (deps or self.fanout()).work(entry[0], now=Instant(now_ms or self.service.now_ms))
        except Crash:
            self.queue.sent.append(entry)
            raise

    def work_all(self, *, now_ms: int | None = None) -> list[str]:
        done: list[str] = []
        while self.queue.sent:
            done.append(self.work_one(now_ms=now_ms))
            assert len(done) < 2_000, "the queue is never empty"
        return done

    def contents(self, person: Person, index: int = 0, *, now_ms: int | None = None) -> list[Content]:
        """Return the contents of the envelopes that wait for a device."""
        return [person.keys[index].open(envelope) for envelope in self.service.stored(person, index, now_ms=now_ms)]

    def bodies(self, person: Person, index: int = 0, *, now_ms: int | None = None) -> list[bytes]:
        """Return the bodies of the group messages that wait for a device, and fetch them if necessary."""
        return [self.body(read(content)) for content in self.contents(person, index, now_ms=now_ms)]

    def body(self, received: Received) -> bytes:
        if received.pointer is None:
            assert received.body is not None
            return received.body
        data = self.service.inbox.body(received.pointer.id, now_seconds=self.service.now_ms // 1000)
        assert data is not None
        return decrypt_body(data, received.pointer)

    def chunks_taken(self, person: Person) -> int:
        """Return the number of chunks taken from the account's bucket, which was full before."""
        key = limit_key(f"account:{account_text(person.account)}", Limit.GROUP_CHUNKS.label)
        row = self.service.client.get_item(TableName=self.service.tables["limits"], Key=key)["Item"]
        return (full_at_ms(row) - self.service.now_ms) // Limit.GROUP_CHUNKS.interval_ms

    def rows_in_inbox(self) -> int:
        """Count the rows of all devices in the inbox table, including bodies."""
        pages = self.service.client.get_paginator("scan").paginate(TableName=self.service.tables["inbox"])
        return sum(len(page["Items"]) for page in pages)

    def stored_bodies(self) -> int:
        pages = self.service.client.get_paginator("scan").paginate(TableName=self.service.tables["inbox"])
        return sum(item[InboxRow.ENVELOPE]["B"] == bytes(24) for page in pages for item in page["Items"])
