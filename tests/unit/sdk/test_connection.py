"""The live socket: rotation, reconnecting, being superseded or revoked, seal keys."""

from __future__ import annotations

import secrets
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandes.model.ids import account_text
from sandes_client import ConnectionChanged, DeviceStopped, MessageReceived, NotRegistered, Revoked, State, Store
from sandes_client import Superseded as SupersededEvent
from sandes_client.clock import Chance
from sandes_client.events import Event
from sandes_client.keys import SealKey
from sandes_client.store import StoreUnusable
from sandes_client.store.database import SCHEMA_VERSION
from tests.unit.sdk.service import BOB, Service, eventually, problem, refusal, settle

BOB_ID = account_text(BOB)
HOUR = 3600
WEEK = 7 * 24 * HOUR


async def test_rotation_opens_the_new_socket_before_it_closes_the_old_and_loses_nothing(
    service: Service, store: Store
) -> None:
    service.reconnect_after = 200
    async with service.client(store, fraction=0.5) as device:
        await device.drained()
        await settle()
        service.store(b"stored before")  # was never pushed: only the new socket's drain brings it
        await service.clock.advance(200 * 0.95)
        await eventually(lambda: "close 0" in service.log)
        await service.push(service.store(b"pushed after"), connection=1)
        await eventually(lambda: len(store.inbox.unshown()) == 2)
        await device.settled()
        assert device.state is State.CONNECTED
    assert service.log.index("open 1") < service.log.index("close 0")
    assert len(service.connections) == 2
    assert not service.stored


async def test_a_message_pushed_to_the_old_socket_during_rotation_is_received(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    async with service.client(store) as device:
        await device.drained()
        await settle()
        service.answers["hello"] = lambda *_: None  # the new socket is open but not yet welcome
        await service.clock.advance(190)
        await eventually(lambda: len(service.of_type("hello")) == 2)
        await service.push(service.store(b"by the old one"), connection=0)
        await eventually(lambda: len(store.inbox.unshown()) == 1)
        await eventually(lambda: service.acks)
    assert "close 0" not in service.log[: service.log.index("open 1")]


async def test_the_old_socket_stays_until_the_new_one_has_drained(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    async with service.client(store) as device:
        await device.drained()
        await settle()
        presence = {"server_time": service.now_ms, "epoch": 2, "inbox": {"pending": 1}, "reconnect_after": 200}
        service.answers["hello"] = lambda *_: {"type": "welcome", **presence}
        await service.clock.advance(190)
        await eventually(lambda: len(service.of_type("hello")) == 2)
        await settle()
        assert "close 0" not in service.log
        drained = {"type": "drained", "ref": service.of_type("hello")[1]["ref"], "more": False}
        await service.connections[1].post(drained)
        await eventually(lambda: "close 0" in service.log)


async def test_the_first_try_after_a_cut_is_spread_over_eight_seconds(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.connected()
        device.low_level.drop()
        await eventually(lambda: device.state is State.WAITING and service.clock.waiting(4))


async def test_a_rotation_that_fails_leaves_the_old_socket_in_use(service: Service, store: Store) -> None:
    service.reconnect_after = 200
    async with service.client(store) as device:
        await device.drained()
        await settle()
        service.refuse_handshake = True
        await service.clock.advance(190)
        await eventually(lambda: "refused" in service.log)
        await device.send(BOB_ID, b"still here")
        service.refuse_handshake = False
        await service.clock.advance(60)
        await eventually(lambda: "close 0" in service.log)
        await device.send(BOB_ID, b"and there")
    assert [len(connection.frames) for connection in service.connections] == [2, 2]


@pytest.mark.parametrize("fraction", [0.001, 0.25, 0.999])
async def test_reconnecting_waits_between_nothing_and_a_limit_that_doubles_to_a_minute(
    service: Service, store: Store, fraction: float
) -> None:
    service.refuse_handshake = True
    limits = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    async with service.client(store, fraction=fraction):
        for tries, limit in enumerate(limits, start=1):
            await eventually(lambda n=tries: len(service.clock.slept) == n)  # type: ignore[misc]
            assert service.log.count("refused") == tries
            await service.clock.advance(fraction * limit)
    assert service.clock.slept[:9] == [pytest.approx(fraction * limit) for limit in limits]


def test_full_jitter_spreads_over_the_whole_range() -> None:
    waits = [Chance().full_jitter(3) for _ in range(2000)]
    assert 0 <= min(waits) < 0.5
    assert 7.5 < max(waits) <= 8


async def test_the_client_pings_every_five_to_eight_minutes(service: Service, store: Store) -> None:
    async with service.client(store, fraction=0.0) as device:
        await device.drained()
        await settle()
        await service.clock.advance(299)
        assert not service.of_type("ping")
        await service.clock.advance(2)
        await eventually(lambda: service.of_type("ping"))
    assert Chance(fraction=lambda: 1.0).between(300.0, 480.0) == 480


async def test_a_ping_answered_superseded_leads_to_a_new_socket(service: Service, store: Store) -> None:
    service.answers["ping"] = lambda *_: refusal("superseded")
    async with service.client(store, fraction=0.0) as device:
        await device.drained()
        await settle()
        await service.clock.advance(301)
        await eventually(lambda: service.clock.waiting(0) or len(service.connections) == 2)
        await service.clock.advance(1)
        await eventually(lambda: len(service.connections) == 2)
        await device.connected()


async def test_a_pong_that_knows_of_waiting_envelopes_leads_to_a_sync(service: Service, store: Store) -> None:
    async with service.client(store, fraction=0.0) as device:
        await device.drained()
        await settle()
        service.store(b"overlooked")
        await service.clock.advance(301)
        await eventually(lambda: len(store.inbox.unshown()) == 1)
        await device.settled()
    assert not service.stored


async def events_of(device: object, events: object) -> list[Event]:
    return [event async for event in events]  # type: ignore[attr-defined]


async def test_a_superseded_client_stops_and_does_not_fight(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.connected()
        events = device.events()
        await service.connections[0].post({"type": "superseded"})
        heard = await events_of(device, events)
        await eventually(lambda: "close 0" in service.log)
        assert service.connections[0].socket.close_code == 4409
        await service.clock.advance(300)
        assert len(service.connections) == 1
        with pytest.raises(DeviceStopped) as stopped:
            await device.send(BOB_ID, b"too late")
    assert stopped.value.state is State.SUPERSEDED
    assert heard[-2:] == [SupersededEvent(), ConnectionChanged(State.SUPERSEDED)]
    assert len(store.outbox.waiting_recipients()) == 1, "what was to be sent waits for the next run"


async def test_a_close_code_4409_stops_the_client_even_without_the_last_word(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.connected()
        await service.connections[0].socket.close(4409)
        await eventually(lambda: device.state is State.SUPERSEDED)


@pytest.mark.parametrize("reason", ["unlinked", "replaced"])
async def test_a_revoked_client_reports_it_destroys_its_keys_and_stops(
    service: Service, store: Store, reason: str
) -> None:
    async with service.client(store) as device:
        await device.connected()
        events = device.events()
        seed, secret = service.identity.seed, service.seal_keys[0].secret
        await service.connections[0].post({"type": "revoked", "reason": reason})
        heard = await events_of(device, events)
        await eventually(lambda: "close 0" in service.log)
        assert service.connections[0].socket.close_code == 4401
        await service.clock.advance(300)
    assert len(service.connections) == 1
    assert [event for event in heard if isinstance(event, Revoked)] == [Revoked(reason)]  # type: ignore[arg-type]
    assert store.profile.account() is None
    for file in store.path.parent.iterdir():
        assert seed not in file.read_bytes()
        assert secret not in file.read_bytes()
    with pytest.raises(NotRegistered):
        service.client(store)


async def test_a_client_refused_for_good_reports_it_and_keeps_its_keys(service: Service, store: Store) -> None:
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("token_invalid", 401)
    async with service.client(store) as device:
        heard = await events_of(device, device.events())
    assert Revoked("unknown") in heard
    assert store.profile.account() is not None


@pytest.mark.parametrize("reason", ["unlinked", "replaced"])
async def test_a_device_that_was_unlinked_while_it_was_off_destroys_its_keys(
    service: Service, store: Store, reason: str
) -> None:
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("revoked", 403, reason=reason)
    async with service.client(store) as device:
        heard = await events_of(device, device.events())
        assert device.state is State.REVOKED
    assert Revoked(reason) in heard  # type: ignore[arg-type]
    assert store.profile.account() is None


async def test_a_device_of_another_service_says_so_and_keeps_its_keys(service: Service, store: Store) -> None:
    service.refuse_handshake = True
    service.http_answers["GET", "/v1/me"] = lambda _: problem("token_audience", 401, audience="sandes:other")
    async with service.client(store) as device:
        heard = await events_of(device, device.events())
        assert device.state is State.WRONG_SERVICE
    assert not [event for event in heard if isinstance(event, Revoked)]
    assert store.profile.account() is not None


async def test_a_suspended_client_keeps_its_keys_and_is_back_once_it_is_resumed(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.connected()
        service.refuse_handshake = True
        service.http_answers["GET", "/v1/me"] = lambda _: problem("suspended", 403)
        await service.connections[0].post(
            {"type": "error", "code": "suspended", "message": "The account is suspended."}
        )
        device.low_level.drop()
        for tries in range(1, 4):
            await eventually(lambda n=tries: len(service.clock.slept) >= n)  # type: ignore[misc]
            await service.clock.advance(service.clock.slept[-1])
        assert store.profile.account() is not None
        assert device.state is State.WAITING
        service.refuse_handshake = False
        del service.http_answers["GET", "/v1/me"]
        await service.clock.advance(60)
        await device.connected()


async def test_a_wrong_clock_is_corrected_by_the_date_of_the_refusal(service: Service, store: Store) -> None:
    service.server_ahead_ms = 3_600_000
    service.http_answers["GET", "/v1/me"] = lambda _: httpx.Response(502)  # gives no time
    async with service.client(store) as device:
        await eventually(lambda: "refused" in service.log)
        await settle()
        await service.clock.advance(1)
        await device.connected()
        sent = await device.send(BOB_ID, b"on time")
    assert sent.at_ms == service.now_ms


async def test_a_dropped_socket_is_replaced_and_what_came_meanwhile_arrives(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.drained()
        device.low_level.drop()
        service.store(b"meanwhile")
        await eventually(lambda: device.state is State.WAITING)
        await service.clock.advance(8)
        await device.drained()
        assert [stored.received.body for stored in store.inbox.unshown()] == [b"meanwhile"]


# Seal keys


async def test_the_seal_key_is_replaced_after_a_week_and_the_old_one_still_opens(
    service: Service, store: Store
) -> None:
    old = service.seal_keys[0]
    await service.clock.advance(WEEK)
    async with service.client(store) as device:
        await eventually(lambda: "seal key 2" in service.log)
        await settle()
        await service.push(service.store(b"sealed before", key=old))
        message = [event async for event in _until_message(device.events())][-1]
    assert message.body == b"sealed before"


async def _until_message(events: AsyncIterator[Event]) -> AsyncIterator[MessageReceived]:
    async for event in events:
        if isinstance(event, MessageReceived):
            yield event
            return


async def test_an_old_seal_key_lives_until_a_drain_begun_an_hour_after_the_rotation_has_ended(
    service: Service, store: Store
) -> None:
    old = service.seal_keys[0]
    await service.clock.advance(WEEK)
    async with service.client(store) as device:
        await eventually(lambda: "seal key 2" in service.log)
        await settle()
    await service.clock.advance(HOUR - 10)
    async with service.client(store) as device:
        await device.drained()
        await settle()
        assert store.profile.seal_secret(1) == old.secret, "a drain begun too early destroys nothing"
    await service.clock.advance(20)
    service.store(b"sealed before", key=old)
    service.answers["ack"] = lambda *_: None
    async with service.client(store) as device:
        await eventually(lambda: service.of_type("ack"))
        assert store.profile.seal_secret(1) == old.secret, "the drain has not ended while an ack is open"
    del service.answers["ack"]
    async with service.client(store) as device:
        await device.drained()
        await eventually(lambda: store.profile.seal_secret(1) is None)
    assert store.profile.seal_secret(2) is not None
    assert [stored.received.body for stored in store.inbox.unshown()] == [b"sealed before"]
    for file in store.path.parent.iterdir():
        assert old.secret not in file.read_bytes(), f"the destroyed key is still in {file.name}"


async def test_an_interrupted_rotation_is_taken_up_with_the_same_key(service: Service, store: Store) -> None:
    started = SealKey.new(2, secrets.token_bytes)
    store.profile.add_seal_key(started, now_ms=service.clock.now_ms())
    service.http_answers["PUT", "/v1/devices/self/seal-key"] = lambda _: problem("stale_key", 409)
    me = {
        "account": "a",
        "device": 1,
        "phone": "+91",
        "account_class": "public",
        "created_at": 1,
        "seal_key_number": 2,
    }
    service.http_answers["GET", "/v1/me"] = lambda _: httpx.Response(200, json=me)
    async with service.client(store):
        await eventually(lambda: ("GET", "/v1/me") in service.calls)
        await settle()
    newest = store.profile.newest_seal_key()
    assert newest is not None
    assert (newest[0].secret, newest[2]) == (started.secret, True)


# The store


def test_the_store_is_readable_by_its_owner_only(store: Store) -> None:
    store.inbox.forget_acks()
    modes = {stat.S_IMODE(file.stat().st_mode) for file in store.path.parent.glob("alice.sqlite3*")}
    assert modes == {0o600}


def test_a_profile_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    opened = Store.open(path)
    opened._database.run(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    opened.close()
    with pytest.raises(StoreUnusable, match="newer release"):
        Store.open(path)


def test_a_file_that_is_no_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.sqlite3"
    path.write_text("this is no database, and long enough to look like one " * 10)
    with pytest.raises(StoreUnusable):
        Store.open(path)
