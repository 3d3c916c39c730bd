"""What a device forgets, when, and by whose clock."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sandes.crypto.seal import Kind, otp_body
from sandes.model.ids import account_text
from sandes_client import Retention, Store
from sandes_client.ids import AccountId, AppId, GroupId, MessageId
from sandes_client.store.database import _UPGRADES
from tests.unit.sdk.service import BOB, CAMP_ID, START_MS, Service, eventually, settle

BOB_ID = AccountId(account_text(BOB))
APP, GROUP = AppId(account_text(BOB)), GroupId(CAMP_ID)
HOUR, DAY = 3600, 86_400


def later(service: Service, seconds: int) -> None:
    """Let so much time pass for the device and for the service, without the pings of all these days."""
    service.clock.jump(seconds)


async def pinged(service: Service) -> None:
    """A ping was sent and answered: what is old is forgotten then."""
    pings = len(service.of_type("ping"))
    await service.clock.advance(8 * 60)
    await eventually(lambda: len(service.of_type("ping")) > pings)
    await settle()


async def test_what_was_seen_is_forgotten_while_the_client_runs(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.drained()
        await settle()
        assert store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS)
        store.app_inbox.void(APP, [MessageId("b")], "used", now_ms=START_MS)
        later(service, 6 * DAY)
        await pinged(service)
        assert not store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS), "for seven days"
        later(service, 1 * DAY)
        await pinged(service)
        assert store._database.row("SELECT count(*) FROM seen") == (0,)
        later(service, 25 * DAY)
        await pinged(service)
        assert store._database.row("SELECT count(*) FROM voids") == (0,)


async def test_a_clock_that_jumps_forgets_nothing_too_early(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.drained()
        await settle()
        assert store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS)
        service.clock.jump(30 * DAY)
        service.server_ahead_ms -= 30 * DAY * 1000
        await pinged(service)
        assert not store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS)
    async with service.client(store) as device:
        await device.drained()
        assert not store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS)


async def test_what_came_while_the_clock_was_behind_is_shown_once(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.drained()
        await settle()
        service.clock.jump(-30 * DAY)
        service.server_ahead_ms += 30 * DAY * 1000
        envelope = service.store(b"once")
        store._database.run("CREATE TRIGGER gone AFTER INSERT ON messages BEGIN DELETE FROM messages; END")  # deleted
        await service.push(envelope)
        await device.settled()
        await pinged(service)
        assert store._database.row("SELECT count(*) FROM seen") == (1,)


def test_what_a_clock_far_ahead_has_noted_is_forgotten_in_the_end(store: Store) -> None:
    store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS + 3650 * DAY * 1000)
    store.inbox.forget_seen(now_ms=START_MS)
    store.inbox.forget_seen(now_ms=START_MS + 7 * DAY * 1000)
    assert not store.inbox.is_new(BOB_ID, MessageId("a"), now_ms=START_MS)
    store.inbox.forget_seen(now_ms=START_MS + 7 * DAY * 1000 + 1)
    assert store._database.row("SELECT count(*) FROM seen") == (0,)


# One-time passwords


def an_otp(service: Service, expires_at: int) -> bytes:
    return otp_body(text="Your code is 424242", code="424242", expires_at=expires_at, purpose="login")


@pytest.mark.parametrize(("retention", "days"), [(Retention(), 1), (Retention(codes=7 * DAY), 7)])
async def test_one_time_passwords_are_forgotten_after_their_time(
    service: Service, store: Store, retention: Retention, days: int
) -> None:
    envelope = service.store_from_app(Kind.OTP, an_otp(service, START_MS // 1000 + 60))
    async with service.client(store, retention=retention) as device:
        await device.drained()
        await device.settled()
        later(service, 60 + days * DAY - 600)
        await pinged(service)
        assert len(store.app_inbox.unshown(now_ms=START_MS)) == 1
        await pinged(service)
        assert store.app_inbox.unshown(now_ms=START_MS) == []
        events = device.events()
        service.stored[envelope.id] = envelope
        await service.push(envelope)
        await device.settled()
        await eventually(lambda: not service.stored)
        assert store.app_inbox.unshown(now_ms=START_MS) == [], "a copy is not shown as a new one"
    assert [event async for event in events if type(event).__name__ == "OtpReceived"][1:] == []
    for file in store.path.parent.iterdir():
        assert b"424242" not in file.read_bytes()


async def test_codes_are_kept_for_ever_if_the_application_wants_it(service: Service, store: Store) -> None:
    service.store_from_app(Kind.OTP, an_otp(service, START_MS // 1000 + 60))
    async with service.client(store, retention=Retention(codes=None)) as device:
        await device.drained()
        await device.settled()
        later(service, 400 * DAY)
        await pinged(service)
        assert len(store.app_inbox.unshown(now_ms=START_MS)) == 1


# Groups that the account has left


async def test_a_group_that_was_left_is_forgotten_with_its_messages(service: Service, store: Store) -> None:
    service.store_to_group(b"last words", version=1)
    store.groups.save(GROUP, 1, {})
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
        store.groups.left_at(GROUP, 2, now_ms=START_MS)
        later(service, 90 * DAY - 600)
        await pinged(service)
        assert store.group_inbox.of_group(GROUP, limit=5)
        await pinged(service)
        assert store.groups.read(GROUP) is None
        assert store.group_inbox.of_group(GROUP, limit=5) == []


async def test_a_group_that_was_joined_again_is_kept(service: Service, store: Store) -> None:
    store.groups.save(GROUP, 1, {})
    store.groups.left_at(GROUP, 2, now_ms=START_MS)
    store.groups.save(GROUP, 3, {})
    store.forget_old(now_ms=START_MS + 400 * DAY * 1000, retention=Retention())
    assert store.groups.read(GROUP) is not None
    store.groups.left_at(GROUP, 4, now_ms=START_MS + 400 * DAY * 1000)
    store.forget_old(now_ms=START_MS + 489 * DAY * 1000, retention=Retention())
    assert store.groups.read(GROUP) is not None, "counted from the second time"
    store.forget_old(now_ms=START_MS + 491 * DAY * 1000, retention=Retention())
    assert store.groups.read(GROUP) is None


def test_a_profile_of_the_release_before_keeps_what_is_void_and_counts_left_groups_from_now(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    old = sqlite3.connect(path)
    for upgrade in _UPGRADES[:5]:
        old.executescript(upgrade)
    old.execute("PRAGMA user_version = 5")
    old.execute("INSERT INTO voids VALUES (?, 'm', 'used', 1)", (APP,))
    old.execute(
        "INSERT INTO app_messages (app, message, app_name, recipient, at_ms, text, code, expires_at, purpose) "
        "VALUES (?, 'm', 'a', ?, 1, 't', '424242', 9000000000, 'p')",
        (APP, BOB_ID),
    )
    old.execute("INSERT INTO groups VALUES (?, 2, 2, '{}', 1)", (GROUP,))
    old.commit()
    old.close()
    store = Store.open(path)
    (kept,) = store.app_inbox.unshown(now_ms=START_MS)
    assert kept.received.void == "used"
    store.app_inbox.forget_voids(now_ms=START_MS)
    (kept,) = store.app_inbox.unshown(now_ms=START_MS)
    assert kept.received.void == "used"
    (left_at_ms,) = store._database.row("SELECT left_at_ms FROM groups")
    assert left_at_ms > 1_700_000_000_000
    store.close()


# Seal keys, by the server's clock


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY])
async def test_an_old_seal_key_lives_for_its_hour_although_the_clock_jumps(
    service: Service, store: Store, jump: int
) -> None:
    later(service, 7 * DAY)
    old = service.seal_keys[0]
    async with service.client(store) as device:
        await eventually(lambda: "seal key 2" in service.log)
        await device.drained()
        await settle()
        service.clock.jump(jump)
        service.server_ahead_ms -= jump * 1000
        for _ in range(6):
            await pinged(service)
            assert store.profile.seal_secret(1) == old.secret
        for _ in range(3):
            await pinged(service)
        assert store.profile.seal_secret(1) is None
