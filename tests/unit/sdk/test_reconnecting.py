"""Losing the socket in every way that the service, the network and the disk have (docs/protocol/README.md,
"Reconnecting"): the client never stops, goes deaf or storms because of one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from sandes.model.ids import account_text
from sandes_client import ConnectionChanged, DeviceClient, State, Store
from sandes_client import Superseded as SupersededEvent
from sandes_client.backoff import Backoff
from sandes_client.clock import Chance
from sandes_client.connection import FRUITLESS_SYNCS, HELLO_TRIES, QUICK_SYNCS
from tests.unit.sdk.service import BOB, START_MS, Connected, Service, eventually, problem, refusal, settle

BOB_ID = account_text(BOB)
HOUR = 3600
GATEWAY_FAULT = {"message": "Internal server error", "connectionId": "abc=", "requestId": "xyz="}


def on_connection(number: int, service: Service, act: Callable[[Connected], Any]) -> None:
    """`act` takes the place of the answer to the hello on connection `number`; the others are welcomed."""

    def answer(connected: Connected, frame: dict[str, Any]) -> dict[str, Any] | None:
        if service.connections.index(connected) == number:
            return act(connected)  # type: ignore[no-any-return]
        service.later(service.welcome(connected, frame))
        return None

    service.answers["hello"] = answer


def broken_after_accepting(service: Service) -> Callable[[Connected], None]:
    """The server takes the hello and tells the socket before, but the answer never arrives."""

    def act(connected: Connected) -> None:
        async def accept() -> None:
            connected.socket.transport.abort()
            await settle()  # the client has seen its new socket break, and uses the old one again
            for other in service.connections[:-1]:
                try:
                    await other.post({"type": "superseded"})
                except ConnectionClosed:
                    continue

        service.later(accept())

    return act


async def back(service: Service, device: DeviceClient) -> None:
    """Let time pass in small steps until the client is connected: its limits of ten seconds must not pass meanwhile."""
    for _ in range(200):
        if device.state is State.CONNECTED:
            return
        await service.clock.advance(0.5)
        await asyncio.sleep(0.01)
    raise AssertionError(f"not connected: {device.state}")


# A hello of one's own without an answer


async def rotating(service: Service, device: DeviceClient, seconds: float = 190) -> None:
    await device.drained()
    await settle()
    await service.clock.advance(seconds)
    await eventually(lambda: len(service.of_type("hello")) == 2)
    await settle()


async def test_a_rotation_whose_socket_breaks_after_hello_does_not_stop_the_client(
    service: Service, store: Store
) -> None:
    service.reconnect_after = 200
    on_connection(1, service, broken_after_accepting(service))
    async with service.client(store) as device:
        await rotating(service, device)
        await eventually(lambda: service.connections[0].socket.close_code == 4409)
        assert device.state not in (State.SUPERSEDED, State.FAILED)
        await back(service, device)
        await device.connected()
        await device.send(BOB_ID, b"still here")
    assert len(service.connections) >= 3


async def test_a_rotation_whose_hello_is_answered_too_late_does_not_stop_the_client(
    service: Service, store: Store
) -> None:
    service.reconnect_after = 200
    on_connection(1, service, lambda _: None)
    async with service.client(store) as device:
        await rotating(service, device)
        await service.clock.advance(10.1)  # the client gives the new socket up
        await settle()
        await service.connections[0].post({"type": "superseded"})  # after 15 s the server has taken the hello
        await eventually(lambda: service.connections[0].socket.close_code == 4409)
        await back(service, device)
        await device.connected()
        assert device.state is State.CONNECTED


@pytest.mark.parametrize("code", ["internal", "unavailable"])
async def test_a_hello_refused_after_it_may_have_been_taken_does_not_stop_the_client(
    service: Service, store: Store, code: str
) -> None:
    service.reconnect_after = 200
    on_connection(1, service, lambda _: refusal(code))
    async with service.client(store) as device:
        await rotating(service, device)
        await service.connections[0].post({"type": "superseded"})
        await back(service, device)
        await device.connected()
        assert device.state is State.CONNECTED


async def test_a_hello_taken_after_the_next_one_does_not_stop_the_client(service: Service, store: Store) -> None:
    on_connection(0, service, lambda connected: connected.socket.transport.abort())
    async with service.client(store) as device:
        await eventually(lambda: len(service.connections) == 1)
        await settle()
        await service.clock.advance(1)
        await eventually(lambda: len(service.connections) == 2)
        await device.connected()
        await service.connections[1].post({"type": "superseded"})  # by the first hello, which took its time
        await eventually(lambda: device.state is State.WAITING)
        await back(service, device)
        assert len(service.connections) == 3
        await service.clock.advance(120)
        await service.connections[2].post({"type": "superseded"})  # nothing of ours is on its way any more
        await eventually(lambda: device.state is State.SUPERSEDED)


async def test_a_fresh_socket_refused_as_superseded_is_followed_by_another_before_the_client_gives_up(
    service: Service, store: Store
) -> None:
    tries: list[Connected] = []

    def answer(connected: Connected, frame: dict[str, Any]) -> dict[str, Any] | None:
        tries.append(connected)
        if len(tries) < HELLO_TRIES:
            return refusal("superseded")
        service.later(service.welcome(connected, frame))
        return None

    service.answers["hello"] = answer
    async with service.client(store) as device:
        for _ in range(HELLO_TRIES):
            await back(service, device)
        await device.connected()
    assert len({id(connected) for connected in tries}) == HELLO_TRIES


async def test_a_client_refused_by_every_fresh_socket_stops(service: Service, store: Store) -> None:
    service.answers["hello"] = lambda *_: refusal("superseded")
    async with service.client(store) as device:
        for _ in range(3 * HELLO_TRIES):
            await service.clock.advance(60)
        assert device.state is State.SUPERSEDED
    assert len(service.connections) == HELLO_TRIES


async def test_a_rotation_refused_as_superseded_is_tried_again(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    on_connection(1, service, lambda _: refusal("superseded"))
    async with service.client(store) as device:
        await rotating(service, device)
        await device.send(BOB_ID, b"by the old one")
        await service.clock.advance(2)
        await eventually(lambda: "close 0" in service.log)
        assert device.state is State.CONNECTED


# The deaf client


@pytest.mark.parametrize("code", ["superseded", "hello_first"])
@pytest.mark.parametrize("pushed", [True, False])
async def test_a_sync_on_a_socket_that_was_forgotten_leads_to_a_new_one(
    service: Service, store: Store, pushed: bool, code: str
) -> None:
    """The first post of a drain fails, so the server forgets the socket, which is alive."""
    service.store(b"one")
    forgotten: list[Connected] = []

    def hello(connected: Connected, frame: dict[str, Any]) -> dict[str, Any] | None:
        if forgotten:
            service.later(service.welcome(connected, frame))
            return None
        forgotten.append(connected)

        async def half() -> None:
            welcome = {**service.presence(), "type": "welcome", "ref": frame["ref"], "reconnect_after": 6300}
            await connected.post(welcome)
            if pushed:
                await service.post_stored(connected)
            await connected.post({"type": "drained", "ref": frame["ref"], "more": True})

        service.later(half())
        return None

    def sync(connected: Connected, _: dict[str, Any]) -> dict[str, Any]:
        return refusal(code) if connected in forgotten else {"type": "drained", "more": False}

    service.answers |= {"hello": hello, "sync": sync}
    async with service.client(store) as device:
        await eventually(lambda: service.of_type("sync"))
        for _ in range(5):
            await service.clock.advance(8)
        await device.drained()
        assert [stored.received.body for stored in store.inbox.unshown()] == [b"one"]
        assert len(service.of_type("sync")) == 1
    assert len(service.connections) == 2


@pytest.mark.parametrize("frame", ["send", "ack", "fetch"])
async def test_whatever_is_answered_superseded_is_repeated_on_a_new_socket(
    service: Service, store: Store, frame: str
) -> None:
    normally = {
        "send": lambda asked: {"type": "accepted", "id": asked["id"], "at": START_MS},
        "ack": lambda asked: {"type": "acked", "ids": asked["ids"]},
        "fetch": lambda asked: {"type": "body", "id": asked["body"], "data": ""},
    }
    service.answers[frame] = lambda connected, asked: (
        refusal("superseded") if connected is service.connections[0] else normally[frame](asked)
    )
    async with service.client(store) as device:
        await device.drained()
        if frame == "send":
            device.post(BOB_ID, b"to bob")
        else:
            await service.push(service.store_to_group(b"body", apart=frame == "fetch"))
        await eventually(lambda: len(service.of_type(frame)) == 1)
        await eventually(lambda: "close 0" in service.log)
        await service.clock.advance(10)
        await eventually(lambda: len(service.of_type(frame)) >= 2)
        await device.settled()
    assert len(service.connections) == 2


async def test_a_socket_that_brings_nothing_although_there_is_more_is_given_up(service: Service, store: Store) -> None:
    service.answers["sync"] = lambda *_: {"type": "drained", "more": True}
    async with service.client(store, fraction=0.0) as device:
        await device.drained()
        await settle()
        service.store(b"waits")
        await service.clock.advance(301)
        for _ in range(FRUITLESS_SYNCS + 5):
            await service.clock.advance(0.001)
        assert len(service.of_type("sync")) == FRUITLESS_SYNCS
        await eventually(lambda: len(service.connections) == 2)
        await eventually(store.inbox.unshown)


async def test_expired_messages_in_their_thousands_are_passed_by_in_seconds(service: Service, store: Store) -> None:
    """Each answer `more` without an envelope stands for 2,000 expired rows, which the server has deleted by then."""
    pages = 20
    service.answers["sync"] = lambda *_: {"type": "drained", "more": len(service.of_type("sync")) < pages}
    async with service.client(store, fraction=1.0) as device:
        await device.drained()
        await settle()
        service.store(b"waits")
        await service.clock.advance(481)
        await eventually(lambda: service.of_type("sync"))
        await settle()
        for _ in range(pages):
            await service.clock.advance(1)
        assert len(service.of_type("sync")) == pages
    assert len(service.connections) == 1


async def test_a_server_that_never_ends_a_drain_is_asked_less_often(service: Service, store: Store) -> None:
    service.answers["sync"] = lambda *_: {"type": "drained", "more": True}
    async with service.client(store, fraction=1.0) as device:
        await device.drained()
        await settle()
        service.store(b"waits")
        await service.clock.advance(481)
        for _ in range(QUICK_SYNCS):
            await service.clock.advance(1)
        asked = len(service.of_type("sync"))
        assert asked <= QUICK_SYNCS + 1
        for _ in range(8):
            await service.clock.advance(1)
        assert len(service.of_type("sync")) - asked <= 3


async def test_a_ping_that_is_refused_does_not_cost_the_socket(service: Service, store: Store) -> None:
    service.answers["ping"] = lambda *_: refusal("rate_limited", retry_after=1)
    async with service.client(store, fraction=0.0) as device:
        await device.drained()
        await settle()
        await service.clock.advance(301)
        await eventually(lambda: service.of_type("ping"))
        await service.clock.advance(301)
        await eventually(lambda: len(service.of_type("ping")) == 2)
    assert len(service.connections) == 1


# Backoff


async def hellos_in_an_hour(service: Service) -> int:
    await service.clock.advance(HOUR)
    return len(service.of_type("hello"))


async def test_a_service_that_closes_every_socket_after_two_seconds_is_not_stormed(
    service: Service, store: Store
) -> None:
    async def close(connected: Connected, frame: dict[str, Any]) -> None:
        await service.welcome(connected, frame)
        await service.clock.sleep(2)
        await connected.socket.close()

    service.answers["hello"] = lambda connected, frame: service.later(close(connected, frame))
    async with service.client(store, fraction=0.5):
        assert await hellos_in_an_hour(service) < 140


async def test_only_minutes_of_connection_end_the_backoff(service: Service, store: Store) -> None:
    async with service.client(store, fraction=0.999) as device:
        for limit in (8, 16, 32, 60, 60):
            await device.connected()
            await service.clock.advance(170)
            device.low_level.drop()
            await eventually(lambda limit=limit: service.clock.waiting(0.999 * limit))  # type: ignore[misc]
            await service.clock.advance(limit)
        await device.connected()
        await service.clock.advance(190)
        device.low_level.drop()
        await eventually(lambda: service.clock.waiting(0.999 * 8))


# A store that fails


def full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the profile's disk be full from now on."""
    pages = store._database.row("PRAGMA page_count")[0]
    store._database.run(f"PRAGMA max_page_count = {pages}")


def roomy(store: Store) -> None:
    store._database.run("PRAGMA max_page_count = 1000000")


async def test_a_full_disk_is_a_state_the_application_sees_and_no_storm(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.client(store, fraction=0.5) as device:
        await device.drained()
        events = device.events()
        full(store, monkeypatch)
        body = b"x" * 60_000
        await service.push(service.store(body))
        await eventually(lambda: device.state is State.STORE_FAILED)
        assert await hellos_in_an_hour(service) == 1, "it does not connect while it can store nothing"
        assert device.state is State.STORE_FAILED
        assert not service.acks
        roomy(store)
        await back(service, device)
        await device.drained()
        assert [stored.received.body for stored in store.inbox.unshown()] == [body]
        await device.settled()
    seen = [event.state async for event in events if isinstance(event, ConnectionChanged)]
    assert State.STORE_FAILED in seen
    assert seen[-1] is State.CLOSED
    assert not service.stored


async def test_a_store_that_takes_everything_but_messages_is_no_storm_either(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store.inbox, "add", broken)
    service.store(b"never stored")
    async with service.client(store, fraction=0.5) as device:
        events = device.events()
        assert await hellos_in_an_hour(service) < 140
    assert ConnectionChanged(State.STORE_FAILED) in [event async for event in events]


@pytest.mark.parametrize("method", ["accepted", "next_waiting", "leaves"])
async def test_sending_goes_on_when_the_store_works_again(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with service.client(store) as device:
        await device.drained()
        with monkeypatch.context() as patched:
            patched.setattr(store.outbox, method, broken)
            row = device.post(BOB_ID, b"in the end")
            await eventually(lambda: device.state is State.STORE_FAILED)
            await settle()
        await back(service, device)
        sent = await device.wait_for(row.number)
    assert sent.id == row.id
    assert {frame["id"] for frame in service.of_type("send")} == {row.id}


async def test_acks_go_on_when_the_store_works_again(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    async with service.client(store) as device:
        await device.drained()
        with monkeypatch.context() as patched:
            patched.setattr(store.inbox, "acked", broken)
            await service.push(service.store(b"acked twice"))
            await eventually(lambda: device.state is State.STORE_FAILED)
            await settle()
        await back(service, device)
        await device.settled()
        assert store.inbox.next_acks() is None


async def test_a_store_that_was_closed_ends_the_client(service: Service, tmp_path: Path) -> None:
    closed = service.profile(tmp_path / "closed.sqlite3")
    async with service.client(closed) as device:
        await device.drained()
        closed.close()
        await service.push(service.store(b"too late"))
        await eventually(lambda: device.state is State.FAILED)


# Refused handshakes


@pytest.mark.parametrize(("status", "asks"), [(401, True), (403, True), (429, False), (500, False), (503, False)])
async def test_only_a_refusal_of_this_device_is_looked_into(
    service: Service, store: Store, status: int, asks: bool
) -> None:
    service.refuse_handshake, service.handshake_status = True, status
    service.http_answers["GET", "/v1/me"] = lambda _: problem("unavailable", 503)
    async with service.client(store):
        for _ in range(6):
            await service.clock.advance(60)
    assert service.log.count("refused") >= 3
    assert (("GET", "/v1/me") in service.calls) is asks


@pytest.mark.parametrize("status", [429, 502])
async def test_an_overloaded_service_is_left_alone_for_longer(service: Service, store: Store, status: int) -> None:
    service.refuse_handshake, service.handshake_status = True, status
    async with service.client(store, fraction=0.999):
        for tries, limit in enumerate((8, 16, 32, 60, 60), start=1):
            await eventually(lambda n=tries: len(service.clock.slept) == n)  # type: ignore[misc]
            await service.clock.advance(limit)
    assert service.clock.slept[:5] == [pytest.approx(0.999 * limit) for limit in (8, 16, 32, 60, 60)]


async def test_a_wait_that_the_service_asks_for_is_kept(service: Service, store: Store) -> None:
    service.refuse_handshake, service.handshake_status = True, 429
    service.handshake_headers = {"Retry-After": "20"}
    async with service.client(store, fraction=0.5):
        await eventually(lambda: service.clock.waiting(20 + 4))


async def test_a_refused_rotation_finds_out_that_the_device_was_unlinked(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    async with service.client(store) as device:
        await device.drained()
        await settle()
        service.refuse_handshake = True
        service.http_answers["GET", "/v1/me"] = lambda _: problem("revoked", 401)
        await service.clock.advance(190)
        await eventually(lambda: device.state is State.REVOKED)
    assert store.profile.account() is None


def test_devices_that_are_cut_in_the_same_moment_do_not_come_back_in_step() -> None:
    waits = []
    for _ in range(300):
        backoff = Backoff(Chance())
        backoff.was_cut()
        waits.append(backoff.next_seconds())
    assert len([wait for wait in waits if wait < 2]) < 120
    assert max(waits) > 6


# Messages of API Gateway itself


@pytest.mark.parametrize("fault", [GATEWAY_FAULT, {**GATEWAY_FAULT, "message": "Too Many Requests"}])
async def test_a_fault_of_the_gateway_is_a_refusal_of_the_oldest_frame(
    service: Service, store: Store, fault: dict[str, Any]
) -> None:
    async def gateway(connected: Connected) -> None:
        await connected.post(fault)

    service.answers["send"] = lambda connected, _: service.later(gateway(connected))
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"again")
        await eventually(lambda: service.of_type("send"))
        await settle()
        del service.answers["send"]
        await service.clock.advance(1)
        sent = await asyncio.wait_for(device.wait_for(row.number), 5)
    assert sent.id == row.id
    assert len(service.connections) == 1


async def test_a_fault_of_the_gateway_in_place_of_a_welcome_leads_to_the_next_try(
    service: Service, store: Store
) -> None:
    async def gateway(connected: Connected) -> None:
        await connected.post(GATEWAY_FAULT)

    service.answers["hello"] = lambda connected, _: service.later(gateway(connected))
    async with service.client(store) as device:
        await eventually(lambda: device.state is State.WAITING)
        del service.answers["hello"]
        await service.clock.advance(1)
        await device.connected()


@pytest.mark.parametrize(
    "text",
    [
        '{"message": "Forbidden", "connectionId": "a", "requestId": "b"}',
        '{"message": 7}',
        '{"message": null, "requestId": []}',
        "{}",
        "[]",
        "null",
        "7",
        '"text"',
        "not json",
        '{"type": 7}',
        '{"type": "error"}',
        '{"type": "error", "code": 7, "details": [], "retry_after": "soon", "ref": []}',
        '{"type": "accepted", "ref": {}}',
        '{"type": "envelopes"}',
        '{"type": "envelopes", "envelopes": {"id": 1}}',
        '{"type": "envelopes", "envelopes": [1, null, "x", [], {"id": "x"}]}',
        '{"type": "revoked_too"}',
    ],
)
async def test_whatever_comes_unasked_breaks_nothing(service: Service, store: Store, text: str) -> None:
    async with service.client(store) as device:
        await device.drained()
        await service.connections[0].socket.send(text)
        await service.connections[0].socket.send(text.encode())
        await settle()
        await device.send(BOB_ID, b"goes on")
        assert device.state is State.CONNECTED
    assert len(service.connections) == 1


async def test_another_process_that_takes_over_still_stops_the_client(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    async with service.client(store) as device:
        await rotating(service, device)
        await eventually(lambda: "close 0" in service.log)
        events = device.events()
        await service.connections[1].post({"type": "superseded"})
        heard = [event async for event in events]
    assert SupersededEvent() in heard
    assert len(service.connections) == 2
