"""Tests groups and officials between real client libraries on the deployed system."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandes_client import (
    ApiError,
    DeviceClient,
    Group,
    GroupChange,
    GroupEvent,
    GroupMessageReceived,
    SendFailed,
    Store,
)
from sandes_client.events import Event
from sandes_client.store import StoredGroupMessage
from tests.conftest import Deployed
from tests.support.people import People, account_of
from tests.support.raw_app import operate

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60.0
LONG = "सभी को नमस्ते। ".encode() * 50


@pytest.fixture
async def people(deployment: Deployed, tmp_path: Path) -> AsyncIterator[People]:
    made = People(deployment, tmp_path)
    yield made
    made.close()


async def group_of(owner: DeviceClient, *others: DeviceClient) -> Group:
    """Create an informal group that the others have joined."""
    made = await owner.groups.create("Block office")
    for other in others:
        await owner.groups.invite(made.group, other.address.account)
        await other.groups.join(made.group)
    return await owner.groups.show(made.group)


async def until(events: AsyncIterator[Event], wanted: Callable[[Event], bool]) -> list[Event]:
    """Return the events up to and including the first wanted one."""
    told: list[Event] = []
    async for event in events:
        told.append(event)
        if wanted(event):
            return told
    raise AssertionError(f"the client stopped after {told}")


def is_post(body: bytes) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, GroupMessageReceived) and event.body == body


def is_change(change: GroupChange) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, GroupEvent) and event.change is change


def bodies(store: Store, group: Group) -> list[bytes | None]:
    kept = store.group_inbox.of_group(group.group, limit=1000)
    return [one.received.body for one in kept if isinstance(one, StoredGroupMessage)]


async def test_three_talk_and_see_who_comes_and_goes(people: People) -> None:
    stores = [await people.register(name) for name in ("asha", "ravi", "meena")]
    async with AsyncExitStack() as stack, asyncio.timeout(2 * PATIENCE_SECONDS):
        asha, ravi, meena = [await stack.enter_async_context(DeviceClient.open(store)) for store in stores]
        to_asha, to_ravi, to_meena = asha.events(), ravi.events(), meena.events()
        for device in (asha, ravi, meena):
            await device.connected()
        group = await group_of(asha, ravi, meena)
        assert (group.members, group.role, group.kind) == (3, "owner", "informal")
        invited = (await until(to_ravi, is_change(GroupChange.INVITED)))[-1]
        assert isinstance(invited, GroupEvent)
        assert (invited.group, invited.name, invited.subject) == (group.group, "Block office", account_of(stores[1]))

        for sender, body in ((asha, b"namaste"), (ravi, LONG), (meena, b"to all")):
            sent = await sender.wait_for(sender.groups.post(group.group, body).number)
            for device, events in ((asha, to_asha), (ravi, to_ravi), (meena, to_meena)):
                if device is not sender:
                    got = (await until(events, is_post(body)))[-1]
                    assert isinstance(got, GroupMessageReceived)
                    assert (got.id, got.at_ms, str(got.sender)) == (sent.id, sent.at_ms, str(sender.address))

        await asha.groups.remove(group.group, account_of(stores[2]))
        removed = (await until(to_ravi, is_change(GroupChange.REMOVED)))[-1]
        assert isinstance(removed, GroupEvent)
        assert (removed.subject, removed.rotates_keys) == (account_of(stores[2]), True)
        await until(to_meena, is_change(GroupChange.REMOVED))
        while meena.groups.known(group.group) is not None:  # she asks whether it still holds
            await asyncio.sleep(0.05)
        with pytest.raises(SendFailed, match="not_permitted"):
            await meena.wait_for(meena.groups.post(group.group, b"still here?").number)
        while (known := ravi.groups.known(group.group)) is None or known.version < removed.version:
            await asyncio.sleep(0.05)
        assert known.members == 2
        await ravi.wait_for(ravi.groups.post(group.group, b"without her").number)
        await until(to_asha, is_post(b"without her"))
        await meena.drained()
        await meena.settled()
    assert b"without her" not in bodies(stores[2], group)


async def test_a_device_that_removes_its_own_account_knows_that_it_has_left(people: People) -> None:
    stores = [await people.register(name) for name in ("asha", "ravi")]
    async with AsyncExitStack() as stack, asyncio.timeout(2 * PATIENCE_SECONDS):
        asha, ravi = [await stack.enter_async_context(DeviceClient.open(store)) for store in stores]
        group = await group_of(asha, ravi)
        assert ravi.groups.known(group.group) is not None
        await ravi.groups.remove(group.group, account_of(stores[1]))
        assert ravi.groups.known(group.group) is None


async def test_who_was_offline_catches_up_once_and_in_order(people: People) -> None:
    asha_store, ravi_store = await people.register("asha"), await people.register("ravi")
    texts = [f"{number} ".encode() + (LONG if number % 3 == 0 else b"short") for number in range(12)]
    async with DeviceClient.open(asha_store) as asha, asyncio.timeout(2 * PATIENCE_SECONDS):
        async with DeviceClient.open(ravi_store) as ravi:
            group = await group_of(asha, ravi)
            await ravi.drained()
            await ravi.settled()
        for text in texts:
            await asha.wait_for(asha.groups.post(group.group, text).number)
        async with DeviceClient.open(ravi_store) as ravi:
            await ravi.drained()
            for _ in range(3):
                ravi.low_level.drop()
                await asyncio.sleep(0.2)
            await ravi.drained()
            await ravi.settled()
    assert bodies(ravi_store, group) == texts


async def test_a_restart_between_fetch_and_ack_shows_a_message_once(people: People) -> None:
    asha_store, ravi_store = await people.register("asha"), await people.register("ravi")
    async with DeviceClient.open(asha_store) as asha, asyncio.timeout(2 * PATIENCE_SECONDS):
        async with DeviceClient.open(ravi_store) as ravi:
            group = await group_of(asha, ravi)
            await ravi.drained()
            await ravi.settled()
        sent = await asha.wait_for(asha.groups.post(group.group, LONG).number)
        async with DeviceClient.open(ravi_store, auto_ack=False) as ravi:
            await until(ravi.events(), is_post(LONG))
        assert (await asha.groups.delivery(group.group, sent.id)).waiting == 1
        async with DeviceClient.open(ravi_store) as ravi:
            events = ravi.events()
            await ravi.drained()
            await ravi.settled()
        assert not [event async for event in events if isinstance(event, GroupMessageReceived)]
        delivery = await asha.groups.delivery(group.group, sent.id)
        assert (delivery.members, delivery.devices, delivery.waiting, delivery.complete) == (2, 1, 0, True)
    assert bodies(ravi_store, group) == [LONG]


async def test_an_official_is_shown_as_verified_and_a_forged_attestation_is_not(people: People) -> None:
    asha_store, ravi_store = await people.register("asha"), await people.register("ravi")
    asha = account_of(asha_store)
    organisation = operate(people.deployed, "organisation.create", name="Ministry of Railways")["organisation"]
    terms: dict[str, Any] = {"name": "Asha Rao", "post": "Section Officer", "expires_at": int(time.time()) + 3600}
    operate(people.deployed, "person.verify", account=asha, organisation=organisation, **terms)

    async with DeviceClient.open(ravi_store) as ravi, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(ApiError, match="not_found"):
            await ravi.people.profile(asha)
        async with DeviceClient.open(asha_store) as official:
            await official.send(account_of(ravi_store), b"namaste")
        shown = await ravi.people.profile(asha)
        assert shown.attested is not None
        assert (shown.attested.name, shown.attested.post) == ("Asha Rao", "Section Officer")
        assert shown.attested.organisation_name == "Ministry of Railways"

    async with DeviceClient.open(ravi_store, transport=Tampering()) as ravi, asyncio.timeout(PATIENCE_SECONDS):
        forged = await ravi.people.profile(asha, max_age_seconds=0)
        assert (forged.name, forged.verified) == ("Minister of Railways", False)

    operate(people.deployed, "person.revoke", account=asha, reason="retired")
    async with DeviceClient.open(ravi_store) as ravi, asyncio.timeout(PATIENCE_SECONDS):
        assert not (await ravi.people.profile(asha, max_age_seconds=0)).verified


class Tampering(httpx.AsyncBaseTransport):
    """Modifies answers between the client and the service, as somebody who wants to be a minister."""

    def __init__(self) -> None:
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._real.handle_async_request(request)
        body = json.loads(await response.aread())
        if not isinstance(body, dict) or not body.get("attestation"):
            return httpx.Response(response.status_code, json=body)
        body["name"] = body["attestation"]["disclosures"][0]["value"] = "Minister of Railways"
        return httpx.Response(response.status_code, json=body)

    async def aclose(self) -> None:
        await self._real.aclose()
