"""What the device's store costs when years of messages are in it: every query takes an index, and as many steps of
SQLite's machine in a large profile as in a small one.
"""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandes.model.ids import account_text
from sandes_client import Retention, Status, Store
from sandes_client.cipher import RecipientDevice
from sandes_client.events import GroupEvent, GroupMessageReceived, MessageReceived, NoticeReceived
from sandes_client.group_bodies import GroupChange
from sandes_client.ids import AccountId, AppId, AppSender, DeviceAddress, EnvelopeId, GroupId, MessageId, new_message_id
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.store.app_inbox import AppInboxTable
from sandes_client.store.groups import GroupInboxTable, GroupsTable
from sandes_client.store.inbox import AckBatch, InboxTable
from sandes_client.store.outbox import OutboxTable
from sandes_client.store.people import PeopleTable
from sandes_client.store.profile import ProfileTable
from sandes_client.store.service_keys import ServiceKeysTable
from tests.unit.sdk.service import ALICE, BOB, CAMP_ID, START_MS

SMALL, LARGE = 2_000, 20_000
ALICE_ID, BOB_ID = AccountId(account_text(ALICE)), AccountId(account_text(BOB))
GROUP = GroupId(CAMP_ID)
APP = AppSender(AppId(BOB_ID), "Passports")
TABLES = (
    AppInboxTable,
    GroupInboxTable,
    GroupsTable,
    InboxTable,
    OutboxTable,
    PeopleTable,
    ProfileTable,
    ServiceKeysTable,
)

BY_DESIGN = {"groups.all", "profile.begin", "profile.destroy_keys", "inbox.forget_acks", "outbox.give_up"}
"""These read or write everything there is: the list of groups, and the end of an account."""

SMALL_TABLES = ("profile", "seal_keys", "service_keys", "attestation_keys", "refused_envelopes")
WORK_LISTS = ("acks", "receipts")
"""Read in the order of their keys, up to a limit: what is done is deleted."""


def an_id(number: int) -> MessageId:
    return new_message_id(START_MS + number, secrets.token_bytes)


IDS = [an_id(number) for number in range(LARGE)]


def filled(path: Path, rows: int) -> Store:
    """A profile with `rows` rows of everything that has been dealt with, and a few of what has not."""
    store, ids = Store.open(path), IDS[:rows]
    store.profile.begin(IdentityKey.new(secrets.token_bytes), SealKey.new(1, secrets.token_bytes), now_ms=START_MS)
    with store.transaction():
        run = store._database.run_each
        run(
            "INSERT INTO outbox (message, recipient, body, status, queued_at_ms, at_ms) "
            "VALUES (?, ?, x'', 'read', 1, 1)",
            [(id, account(n)) for n, id in enumerate(ids)],
        )
        run(
            "INSERT INTO messages (sender, message, sender_device, sender_class, recipient, at_ms, body, shown) "
            "VALUES (?, ?, 1, 'public', ?, ?, x'', ?)",
            [(account(n), id, ALICE_ID, START_MS + n, n > 2) for n, id in enumerate(ids)],
        )
        run(
            "INSERT INTO group_messages (group_id, version, sender, message, sender_device, sender_class, recipient, "
            "at_ms, body, shown) VALUES (?, 1, ?, ?, 1, 'public', ?, ?, x'', ?)",
            [(GROUP, account(n), id, ALICE_ID, START_MS + n, n > 2) for n, id in enumerate(ids)],
        )
        run(
            "INSERT INTO group_events (group_id, version, message, change, at_ms, shown) VALUES (?, 1, ?, 1, ?, ?)",
            [(GROUP, id, START_MS + n, n > 2) for n, id in enumerate(ids)],
        )
        run(
            "INSERT INTO app_messages (app, message, app_name, recipient, at_ms, text, code, expires_at, purpose, "
            "shown) VALUES (?, ?, 'a', ?, ?, '', '1', 9000000000, 'p', ?)",
            [(APP.app, id, ALICE_ID, START_MS + n, n > 2) for n, id in enumerate(ids)],
        )
        run(
            "INSERT INTO voids (app, message, reason, heard_at_ms) VALUES (?, ?, 'used', ?)",
            [(APP.app, id, START_MS) for id in ids],
        )
        run("INSERT INTO seen (sender, message, seen_at_ms) VALUES (?, ?, ?)", [(BOB_ID, id, START_MS) for id in ids])
        run(
            "INSERT INTO groups (group_id, heard_version, version, details, is_left, left_at_ms) "
            "VALUES (?, 2, ?, ?, ?, ?)",
            [(account(n), 1 if n < 3 else 2, "{}", n % 2, START_MS if n % 2 else None) for n in range(rows)],
        )
        run(
            "INSERT INTO people (account, answer, read_at_ms) VALUES (?, '{}', 1)", [(account(n),) for n in range(rows)]
        )
        run(
            "INSERT INTO numbers (number, account) VALUES (?, ?)",
            [(f"+91{n:010}", account(n)) for n in range(rows)],
        )
        run("INSERT INTO devices (account, devices) VALUES (?, '[]')", [(account(n),) for n in range(rows)])
        run("INSERT INTO acks (envelope) VALUES (?)", [(id,) for id in ids])
        run(
            "INSERT INTO receipts (author, kind, message) VALUES (?, 'read', ?)",
            [(account(n % 20), id) for n, id in enumerate(ids)],
        )
        for number in range(3):
            store.outbox.add(an_id(LARGE + number), account(number), b"", expires_in=None, queued_at_ms=1)
    return store


def account(number: int) -> AccountId:
    return AccountId(account_text(number.to_bytes(8, "big")))


def work(store: Store) -> dict[str, Callable[[], Any]]:
    """One call of every method of the store's tables."""
    inbox, apps, outbox, groups, came = store.inbox, store.app_inbox, store.outbox, store.groups, store.group_inbox
    profile, people, fresh = store.profile, store.people, an_id(2 * LARGE)
    attestation_keys = store.attestation_keys
    sender = DeviceAddress(account(7), 1)
    waiting = outbox.waiting()[0].number
    message = MessageReceived(id=fresh, sender=sender, sender_class="public", to=ALICE_ID, at_ms=START_MS, body=b"")
    notice = NoticeReceived(
        id=fresh,
        app=APP,
        to=ALICE_ID,
        at_ms=1,
        text="",
        category="c",
        confidential=False,
        priority="normal",
        language="en",
    )
    in_group = GroupMessageReceived(
        id=fresh, group=GROUP, version=1, sender=sender, sender_class="public", to=ALICE_ID, at_ms=1, body=b""
    )
    event = GroupEvent(id=fresh, group=GROUP, version=1, change=GroupChange.LEFT, at_ms=1)
    batch = AckBatch((EnvelopeId(IDS[5]),), ())
    key = SealKey.new(2, secrets.token_bytes)
    device = (RecipientDevice(1, 1, b"k"),)
    return {
        "inbox.is_new": lambda: inbox.is_new(account(3), IDS[3], now_ms=START_MS),
        "inbox.add": lambda: inbox.add(message),
        "inbox.add_ack": lambda: inbox.add_ack(EnvelopeId(fresh)),
        "inbox.add_receipt": lambda: inbox.add_receipt(BOB_ID, "read", fresh),
        "inbox.mark_shown": lambda: inbox.mark_shown(account(1), [IDS[1]]),
        "inbox.next_acks": inbox.next_acks,
        "inbox.acked": lambda: inbox.acked(batch),
        "inbox.unshown": inbox.unshown,
        "inbox.newest_at_ms": lambda: inbox.newest_at_ms(account(4)),
        "inbox.of_sender": lambda: inbox.of_sender(account(4), limit=50),
        "inbox.forget_seen": lambda: inbox.forget_seen(now_ms=START_MS),
        "app_inbox.add": lambda: apps.add(notice),
        "app_inbox.void": lambda: apps.void(APP.app, [IDS[4], fresh], "used", now_ms=START_MS),
        "app_inbox.forget_voids": lambda: apps.forget_voids(now_ms=START_MS),
        "app_inbox.forget_codes": lambda: apps.forget_codes(now_ms=START_MS, kept_seconds=1),
        "app_inbox.mark_shown": lambda: apps.mark_shown(APP.app, [IDS[1]]),
        "app_inbox.unshown": lambda: apps.unshown(now_ms=START_MS),
        "app_inbox.read": lambda: apps.read(APP.app, IDS[:3], now_ms=START_MS),
        "groups.heard": lambda: groups.heard(account(9), 2),  # type: ignore[arg-type]
        "groups.save": lambda: groups.save(account(9), 3, {}),  # type: ignore[arg-type]
        "groups.left_at": lambda: groups.left_at(account(9), 9, now_ms=START_MS),  # type: ignore[arg-type]
        "groups.forget_left": lambda: groups.forget_left(now_ms=START_MS, kept_seconds=1),
        "groups.read": lambda: groups.read(account(9)),  # type: ignore[arg-type]
        "groups.stale": groups.stale,
        "group_inbox.has_seen": lambda: came.has_seen(sender, fresh),
        "group_inbox.add_message": lambda: came.add_message(in_group, now_ms=START_MS),
        "group_inbox.add_event": lambda: came.add_event(event, sender, now_ms=START_MS),
        "group_inbox.mark_shown": lambda: came.mark_shown(GROUP, [IDS[1]]),
        "group_inbox.unshown": came.unshown,
        "group_inbox.newest_at_ms": lambda: came.newest_at_ms(GROUP),
        "group_inbox.of_group": lambda: came.of_group(GROUP, limit=50),
        "outbox.add": lambda: outbox.add(fresh, BOB_ID, b"", expires_in=None, queued_at_ms=1),
        "outbox.newest_id": lambda: outbox.newest_id(before_ms=START_MS + 10),
        "outbox.waiting": outbox.waiting,
        "outbox.waiting_recipients": outbox.waiting_recipients,
        "outbox.next_waiting": lambda: outbox.next_waiting(account(1)),
        "outbox.to_recipient": lambda: outbox.to_recipient(account(5), limit=50),
        "outbox.read": lambda: outbox.read(waiting),
        "outbox.renew": lambda: outbox.renew(waiting, an_id(3 * LARGE)),
        "outbox.leaves": lambda: outbox.leaves(waiting, []),
        "outbox.forget_copies": lambda: outbox.forget_copies(waiting),
        "outbox.came_back": lambda: outbox.came_back(waiting),
        "outbox.failed": lambda: outbox.failed(waiting, "not_permitted"),
        "outbox.accepted": lambda: outbox.accepted(waiting, at_ms=1),
        "outbox.raise_status": lambda: outbox.raise_status(IDS[7], account(7), Status.READ),
        "attestation_keys.statements": attestation_keys.statements,
        "attestation_keys.oldest": attestation_keys.oldest,
        "attestation_keys.pin": lambda: attestation_keys.pin({1: b"k"}, oldest=1),
        "attestation_keys.asked_at_ms": attestation_keys.asked_at_ms,
        "attestation_keys.set_asked": lambda: attestation_keys.set_asked(1),
        "people.save": lambda: people.save(BOB_ID, {}, now_ms=1),
        "people.kept": lambda: people.kept(account(7)),
        "people.remember_number": lambda: people.remember_number("+919876543210", BOB_ID),
        "people.account_of_number": lambda: people.account_of_number("+919876543210"),
        "people.forget": lambda: people.forget(account(7)),
        "service_keys.statements": store.service_keys.statements,
        "service_keys.oldest": store.service_keys.oldest,
        "service_keys.pin": lambda: store.service_keys.pin({1: b"k"}, oldest=1),
        "service_keys.refuse": lambda: store.service_keys.refuse("seal1", now_ms=1),
        "service_keys.refusals": store.service_keys.refusals,
        "profile.account": profile.account,
        "profile.was_revoked": profile.was_revoked,
        "profile.identity": profile.identity,
        "profile.become": lambda: profile.become(DeviceAddress(ALICE_ID, 1), 7, now_ms=1),
        "profile.endpoints": profile.endpoints,
        "profile.clock_offset_ms": profile.clock_offset_ms,
        "profile.set_clock_offset_ms": lambda: profile.set_clock_offset_ms(1),
        "profile.epoch": profile.epoch,
        "profile.set_epoch": lambda: profile.set_epoch(1),
        "profile.add_seal_key": lambda: profile.add_seal_key(key, now_ms=1),
        "profile.newest_seal_key": profile.newest_seal_key,
        "profile.seal_secret": lambda: profile.seal_secret(1),
        "profile.seal_key_in_use": lambda: profile.seal_key_in_use(2, now_ms=START_MS),
        "profile.seal_keys_due": lambda: profile.seal_keys_due(drain_began_ms=START_MS),
        "profile.devices": lambda: profile.devices(account(7)),
        "profile.set_devices": lambda: profile.set_devices(account(7), device),
    }


ELSEWHERE = {"profile.set_endpoints", "profile.destroy_seal_keys"}
"""Called once in a while, and of small tables only."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    folder = tmp_path_factory.mktemp("stores")
    small, large = filled(folder / "small.sqlite3", SMALL), filled(folder / "large.sqlite3", LARGE)
    yield small, large
    small.close()
    large.close()


def test_every_method_of_the_store_is_measured(stores: tuple[Store, Store]) -> None:
    names = {"InboxTable": "inbox", "AppInboxTable": "app_inbox", "GroupsTable": "groups", "OutboxTable": "outbox"}
    names |= {"GroupInboxTable": "group_inbox", "PeopleTable": "people", "ProfileTable": "profile"}
    names |= {"ServiceKeysTable": "service_keys", "AttestationKeysTable": "attestation_keys"}
    methods = {
        f"{names[table.__name__]}.{name}"
        for table in TABLES
        for name, _ in inspect.getmembers(table, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - set(work(stores[0])) - BY_DESIGN - ELSEWHERE == set()


def test_no_query_takes_longer_in_a_large_profile(stores: tuple[Store, Store]) -> None:
    steps = [{name: _steps(store, call) for name, call in work(store).items()} for store in stores]
    grown = {name: (n, steps[1][name]) for name, n in steps[0].items() if steps[1][name] > 2 * n + 200}
    assert grown == {}


def _steps(store: Store, call: Callable[[], Any]) -> int:
    """The steps of SQLite's virtual machine."""
    counted = 0

    def step() -> int:
        nonlocal counted
        counted += 1
        return 0

    store._database._connection.set_progress_handler(step, 1)
    try:
        call()
    finally:
        store._database._connection.set_progress_handler(None, 1)
    return counted


def test_every_query_takes_an_index(tmp_path: Path) -> None:
    store = filled(tmp_path / "planned.sqlite3", 100)
    connection, statements = store._database._connection, set[str]()
    connection.set_trace_callback(statements.add)
    for call in work(store).values():
        call()
    store.forget_old(now_ms=START_MS, retention=Retention())
    connection.set_trace_callback(None)
    queries = [text for text in statements if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b", text)]
    assert len(queries) > 60
    partial = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '% WHERE %'")}
    scans = [
        (plan[3], text)
        for text in queries
        for plan in connection.execute(f"EXPLAIN QUERY PLAN {text}")
        if not _is_bounded(plan[3], text, partial)
    ]
    store.close()
    assert scans == []


def _is_bounded(step: str, text: str, partial: set[str]) -> bool:
    scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
    if scanned is None or scanned[1] in ("CONSTANT", *SMALL_TABLES) or scanned[2] in partial:
        return True
    return scanned[1] in WORK_LISTS and " LIMIT " in text
