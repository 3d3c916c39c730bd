"""Tests conversations between real client libraries on the deployed system, with faults of networks and phones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sandes_client import DeviceClient, Enrolment, MessageReceived, State, Status, Superseded
from sandes_client.events import Revoked
from tests.conftest import Deployed
from tests.support.people import People, account_of
from tests.support.raw_device import new_phone

PATIENCE_SECONDS = 60.0


@pytest.fixture
async def people(deployment: Deployed, tmp_path: Path) -> AsyncIterator[People]:
    made = People(deployment, tmp_path)
    yield made
    made.close()


async def received(device: DeviceClient, count: int) -> list[bytes]:
    """Return the bodies of the next `count` messages."""
    bodies: list[bytes] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in device.events():
            if isinstance(event, MessageReceived):
                bodies.append(event.body)
                if len(bodies) == count:
                    break
    return bodies


async def test_two_people_talk_and_see_what_was_delivered_and_read(people: People) -> None:
    asha, ravi = await people.register("asha"), await people.register("ravi")
    async with DeviceClient.open(asha) as a, DeviceClient.open(ravi) as r, asyncio.timeout(PATIENCE_SECONDS):
        await r.connected()
        sent = await a.send(account_of(ravi), "नमस्ते".encode())
        assert await received(r, 1) == ["नमस्ते".encode()]
        await a.wait_for(sent.number, Status.DELIVERED)
        r.mark_read(account_of(asha), [sent.id])
        await a.wait_for(sent.number, Status.READ)
        back = await r.send(account_of(asha), b"and to you")
        assert await received(a, 1) == [b"and to you"]
        await r.wait_for(back.number, Status.DELIVERED)


async def test_fifty_messages_over_a_connection_that_keeps_breaking_arrive_once_each(people: People) -> None:
    asha, ravi = await people.register("asha"), await people.register("ravi")
    bodies = [f"message {number}".encode() for number in range(50)]
    async with DeviceClient.open(asha) as a, DeviceClient.open(ravi) as r, asyncio.timeout(2 * PATIENCE_SECONDS):

        async def break_connections() -> None:
            for _ in range(6):
                await asyncio.sleep(0.4)
                a.low_level.drop()
                r.low_level.drop()

        breaking = asyncio.create_task(break_connections())
        reading = asyncio.create_task(received(r, len(bodies)))
        posted = [a.post(account_of(ravi), body) for body in bodies]
        for outgoing in posted:
            await a.wait_for(outgoing.number, Status.DELIVERED)
        await breaking
        assert sorted(await reading) == sorted(bodies)
        await r.settled()
    stored = [message.received.body for message in ravi.inbox.of_sender(account_of(asha), limit=1000)]  # type: ignore[arg-type]
    assert sorted(stored) == sorted(bodies)


async def test_a_message_written_offline_is_sent_by_the_next_run(people: People) -> None:
    asha, ravi = await people.register("asha"), await people.register("ravi")
    async with DeviceClient.open(asha) as a:
        a.low_level.go_offline()
        outgoing = a.post(account_of(ravi), b"from the train")
    asha.close()
    again = people.open("asha")
    async with DeviceClient.open(again) as a, DeviceClient.open(ravi) as r, asyncio.timeout(PATIENCE_SECONDS):
        assert await received(r, 1) == [b"from the train"]
        delivered = await a.wait_for(outgoing.number, Status.DELIVERED)
        assert delivered.id == outgoing.id


async def test_rotating_the_socket_under_load_loses_and_doubles_nothing(people: People) -> None:
    asha, ravi = await people.register("asha"), await people.register("ravi")
    bodies = [f"message {number}".encode() for number in range(30)]
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(DeviceClient.open(asha))
        r = await stack.enter_async_context(DeviceClient.open(ravi))
        await stack.enter_async_context(asyncio.timeout(PATIENCE_SECONDS))
        await r.connected()
        reading = asyncio.create_task(received(r, len(bodies)))
        for number, body in enumerate(bodies):
            await a.send(account_of(ravi), body)
            if number % 10 == 5:
                r.low_level.drop()
        assert sorted(await reading) == sorted(bodies)


async def test_the_same_profile_opened_twice_leaves_one_connected(people: People) -> None:
    asha = await people.register("asha")
    async with DeviceClient.open(asha) as first, asyncio.timeout(PATIENCE_SECONDS):
        await first.connected()
        async with DeviceClient.open(people.open("asha")) as second:
            await second.connected()
            events = [event async for event in first.events()]
            assert Superseded() in events
            assert first.state is State.SUPERSEDED
            assert second.state is State.CONNECTED


async def test_a_device_replaced_by_a_new_registration_is_told_and_forgets_its_keys(people: People) -> None:
    phone = new_phone()
    before = await people.register("old phone", phone)
    async with DeviceClient.open(before) as old, asyncio.timeout(PATIENCE_SECONDS):
        await old.connected()
        await people.register("new phone", phone)
        events = [event async for event in old.events()]
    assert Revoked("replaced") in events
    assert before.profile.identity() is None


async def test_a_linked_device_receives_from_then_on(people: People) -> None:
    asha, ravi = await people.register("asha"), await people.register("ravi")
    async with DeviceClient.open(asha) as a, DeviceClient.open(ravi) as r, asyncio.timeout(PATIENCE_SECONDS):
        await a.send(account_of(ravi), b"to one device")
        opened = await r.api.open_link()
        tablet = people.open("ravi's tablet")
        async with Enrolment(tablet, people.endpoints, name="tablet") as enrolment:
            await enrolment.join(opened.code.text)
        async with DeviceClient.open(tablet) as t:
            await t.connected()
            await a.send(account_of(ravi), b"to two devices")
            assert await received(t, 1) == [b"to two devices"]
            assert await received(r, 2) == [b"to one device", b"to two devices"]
