"""A small world in process: the real stores on moto's DynamoDB, a fake gateway, people with devices.

For tests of use cases, where two sides must be interleaved or faults put in; conversations between real clients run
on the engine (tests/scenarios).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws
from nacl.public import PrivateKey

from sandes.crypto.seal import Content, unseal
from sandes.crypto.sender_hash import SenderHash
from sandes.deliver import DeliverDependencies
from sandes.limits import Limit, Meter
from sandes.model.device import Device, SealKey
from sandes.model.envelope import Envelope
from sandes.model.ids import (
    AccountId,
    ConnectionId,
    DeviceAddress,
    DeviceNumber,
    MessageId,
    new_account_id,
    new_inbox_id,
    new_message_id,
    new_registration_id,
)
from sandes.model.principal import Principal
from sandes.protocol.frames import AccountRecipient, Copy, Send
from sandes.push import Push
from sandes.send import SendDependencies
from sandes.store import schema
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore
from sandes.store.routing import RoutingStore
from sandes.store.send_view import SendView
from tests.support.gateway import FakeGateway

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW_MS = 1_790_000_000_000
MAX_EXPIRY_SECONDS = 30 * 86_400


def create_tables(client: DynamoDBClient, prefix: str = "") -> dict[str, str]:
    """Make every table of the production schema; returns table names by schema name."""
    names = {}
    for table in schema.TABLES:
        keys = [(table.partition, "HASH")] + ([(table.sort, "RANGE")] if table.sort else [])
        client.create_table(
            TableName=prefix + table.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key.name, "AttributeType": key.type} for key, _ in keys],
            KeySchema=[{"AttributeName": key.name, "KeyType": kind} for key, kind in keys],  # type: ignore[typeddict-item]
        )
        names[table.name] = prefix + table.name
    return names


@dataclass
class Person:
    """An account with devices whose secret keys the test holds."""

    account: AccountId
    devices: list[Device] = field(default_factory=list)
    seal_secrets: dict[DeviceNumber, bytes] = field(default_factory=dict)

    def principal(self, index: int = 0, *, connected_at_ms: int = NOW_MS) -> Principal:
        return Principal.of(self.devices[index], "public", connected_at_ms)

    def open(self, envelope: Envelope, index: int = 0) -> Content:
        secret = self.seal_secrets[self.devices[index].number]
        return Content.decode(unseal(envelope.sealed, seal_secret=secret, header=envelope.header))


class World:
    """Stores, gateway and people. `send_dependencies` and `deliver_dependencies` take replacements for any part."""

    def __init__(self, client: DynamoDBClient) -> None:
        tables = create_tables(client)
        self.client = client
        self.gateway = FakeGateway()
        self.routing = RoutingStore(client, tables["routing"])
        self.inbox = InboxStore(client, tables["inbox"])
        self.directory = DirectoryStore(client, tables["directory"])
        self.limits = LimitStore(client, tables["limits"])
        self.sender_hash = SenderHash.of(b"s" * 32)
        self._connections = itertools.count(1)

    def person(self, devices: int = 1) -> Person:
        person = Person(new_account_id())
        for number in range(1, devices + 1):
            secret = PrivateKey.generate()
            device = Device(
                account=person.account,
                number=DeviceNumber(number),
                registration=new_registration_id(),
                inbox=new_inbox_id(),
                identity_key=bytes(32),
                name="test",
                platform="test",
                linked_at=NOW_MS // 1000,
            )
            key = SealKey(1, bytes(secret.public_key))
            if number == 1:
                self.client.put_item(**self.routing.replacing(device, "public", key)["Put"])
            else:
                self.client.update_item(**self.routing.adding(device, key)["Update"])
            person.devices.append(device)
            person.seal_secrets[device.number] = bytes(secret)
        return person

    def socket(self) -> ConnectionId:
        """A socket that API Gateway has opened."""
        connection = ConnectionId(f"c{next(self._connections)}")
        self.gateway.open.add(connection)
        return connection

    def connect(self, person: Person, index: int = 0, *, connected_at_ms: int = NOW_MS) -> ConnectionId:
        """An open socket that has said `hello`."""
        connection = self.socket()
        principal = person.principal(index, connected_at_ms=connected_at_ms)
        self.routing.connect(principal, connection, now_seconds=connected_at_ms // 1000)
        return connection

    def stored(self, person: Person, index: int = 0, *, now_ms: int = NOW_MS) -> list[Envelope]:
        pages = self.inbox.pages(person.devices[index].inbox, now_seconds=now_ms // 1000)
        return [envelope for page in pages for envelope in page]

    def message(
        self, recipient: Person, body: bytes = b"hello", *, id: MessageId | None = None, expires_in: int | None = None
    ) -> Send:
        return Send(
            type="send",
            id=id or new_message_id(NOW_MS),
            to=AccountRecipient(account=recipient.account),
            kind="message",
            copies=tuple(
                Copy(device=device.number, registration_id=device.registration, body=body)
                for device in recipient.devices
            ),
            expires_in=expires_in,
        )

    def address(self, person: Person, index: int = 0) -> DeviceAddress:
        return DeviceAddress(person.account, person.devices[index].number)

    def send_dependencies(self, **replaced: Any) -> SendDependencies:
        routing = replaced.pop("routing", self.routing)
        pusher = replaced.pop("pusher", self.gateway)
        parts: dict[str, Any] = {
            "view": SendView(self.routing, self.directory, self.limits),
            "inbox": self.inbox,
            "meter": Meter(Limit.SENDS, self.limits),
            "push": Push(routing, pusher),
            "sender_hash": self.sender_hash,
            "max_expiry_seconds": MAX_EXPIRY_SECONDS,
        }
        return SendDependencies(**parts | replaced)

    def deliver_dependencies(self, **replaced: Any) -> DeliverDependencies:
        pusher = replaced.get("pusher", self.gateway)
        routing = replaced.get("routing", self.routing)
        parts: dict[str, Any] = {
            "routing": routing,
            "inbox": self.inbox,
            "view": SendView(self.routing, self.directory, self.limits),
            "meter": Meter(Limit.RECEIPTS, self.limits),
            "push": Push(routing, pusher),
            "pusher": pusher,
            "sender_hash": self.sender_hash,
            "max_expiry_seconds": MAX_EXPIRY_SECONDS,
        }
        return DeliverDependencies(**parts | replaced)


@contextmanager
def world() -> Iterator[World]:
    with mock_aws():
        yield World(
            boto3.client(
                "dynamodb",
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        )
