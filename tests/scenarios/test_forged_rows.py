"""Tests that somebody who can write into the inbox table, and read every other table, cannot impersonate anybody."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandes.model.ids import AccountId, new_message_id, parse_account
from sandes.store.routing import RoutingStore
from sandes.store.schema import InboxRow as Row
from sandes_client import DeviceClient, EnvelopeRefused, MessageReceived, Store
from tests.conftest import Deployed
from tests.support.people import People, account_of
from tests.vectors import reference

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60.0


@pytest.fixture
async def people(deployment: Deployed, tmp_path: Path) -> AsyncIterator[People]:
    made = People(deployment, tmp_path)
    yield made
    made.close()


class Attacker:
    """Holds the tables and their contents, but no secret of the service."""

    def __init__(self, deployed: Deployed) -> None:
        self.client = deployed.engine.client("dynamodb")
        self.table = deployed.stack.tables["inbox"]
        self.routing = RoutingStore(self.client, deployed.stack.tables["routing"])
        self.expires_at = int(time.time()) + 3_600

    def rows(self, victim: Store) -> list[dict[str, Any]]:
        """Return the rows in the inbox of the victim's device."""
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression=f"{Row.INBOX} = :inbox",
            ExpressionAttributeValues={":inbox": {"B": self._route(victim).inbox}},
        )
        return list(answer["Items"])

    def forge(self, victim: Store, author: Store, *, service_key: int | None) -> None:
        """Forge a row of a verified official, in format `seal1` if no service key is named."""
        route, id = self._route(victim), new_message_id(time.time_ns() // 1_000_000)
        fields = {"message": id, "inbox": route.inbox, "key_number": route.seal_key.number}
        content: dict[int, Any] = {
            1: 1,
            2: bytes(id),
            3: [bytes(parse_account(account_of(author))), 1],
            4: 1,
            5: bytes(parse_account(account_of(victim))),
            6: 1,
            7: time.time_ns() // 1_000_000,
            8: b"forged",
        }
        plain, public = reference.cbor(content), route.seal_key.public
        if service_key is None:
            header = reference.header(**fields, expires_at=self.expires_at)
            sealed = reference.seal(plain, ephemeral=secrets.token_bytes(32), seal_public=public, associated=header)
        else:
            header = reference.header2(**fields, expires_at=self.expires_at, service_key=service_key % 256)
            sealed = reference.seal2(
                plain,
                ephemeral=secrets.token_bytes(32),
                service_secret=secrets.token_bytes(32),
                seal_public=public,
                header=header,
            )
        self._put(route.inbox, id + secrets.token_bytes(8), route.seal_key.number, service_key, sealed)

    def move(self, row: dict[str, Any], victim: Store) -> None:
        """Copy a row that the service wrote for somebody else."""
        self.client.put_item(TableName=self.table, Item=row | {Row.INBOX: {"B": self._route(victim).inbox}})

    def _route(self, victim: Store) -> Any:
        routes = self.routing.read(AccountId(parse_account(account_of(victim))), now_seconds=int(time.time()))
        assert routes is not None
        return next(iter(routes.devices.values()))

    def _put(self, inbox: bytes, id: bytes, seal_key: int, service_key: int | None, sealed: bytes) -> None:
        item = {
            Row.INBOX: {"B": inbox},
            Row.ENVELOPE: {"B": id},
            Row.SEAL_KEY_NUMBER: {"N": str(seal_key)},
            Row.EXPIRES_AT: {"N": str(self.expires_at)},
            Row.ACCEPTED_AT_MS: {"N": str(time.time_ns() // 1_000_000)},
            Row.SEALED: {"B": sealed},
        }
        named = {} if service_key is None else {Row.SERVICE_KEY: {"N": str(service_key)}}
        self.client.put_item(TableName=self.table, Item=item | named)


async def test_forged_rows_are_not_shown_come_once_and_are_reported(deployment: Deployed, people: People) -> None:
    asha, ravi, chitra = [await people.register(name) for name in ("asha", "ravi", "chitra")]
    attacker = Attacker(deployment)
    attacker.forge(ravi, asha, service_key=None)
    for number in (1, 7, 1_000):
        attacker.forge(ravi, asha, service_key=number)
    async with DeviceClient.open(asha) as a, asyncio.timeout(PATIENCE_SECONDS):
        await a.send(account_of(chitra), b"for chitra")
        attacker.move(attacker.rows(chitra)[0], ravi)
        await a.send(account_of(ravi), b"genuine")
    assert len(attacker.rows(ravi)) == 6
    shown: list[bytes] = []
    refused: list[EnvelopeRefused] = []
    async with DeviceClient.open(ravi) as r, asyncio.timeout(PATIENCE_SECONDS):
        async for event in r.events():
            if isinstance(event, MessageReceived):
                shown.append(event.body)
            elif isinstance(event, EnvelopeRefused):
                refused.append(event)
            if len(shown) + len(refused) == 6:
                break
        await r.drained()
        await r.settled()
    assert shown == [b"genuine"]
    assert sorted(event.reason for event in refused) == ["former_format"] * 2 + ["not_from_service"] * 3
    assert attacker.rows(ravi) == []
    assert {one.reason: one.count for one in ravi.service_keys.refusals()} == {
        "former_format": 2,
        "not_from_service": 3,
    }
    assert [stored.received.body for stored in ravi.inbox.unshown()] == [b"genuine"]
