"""Messages and events of groups: stored once and acked, bodies fetched before that, versions followed."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from sandes.crypto.seal import GroupChange, Kind, notice_body
from sandes.model.app import AppSender
from sandes.model.envelope import Envelope
from sandes.model.ids import AccountId, account_text, base64url_text
from sandes_client import DeviceClient, GroupEvent, GroupMessageReceived, State, Store
from sandes_client.cipher import PlainBody
from sandes_client.events import Event
from sandes_client.group_incoming import FETCH_TRIES
from sandes_client.ids import GroupId
from sandes_client.store import StoredGroupEvent, StoredGroupMessage
from tests.unit.sdk.group_service import GroupService
from tests.unit.sdk.service import (
    ALICE,
    BOB,
    CAMP_ID,
    PASSPORTS,
    START_MS,
    Service,
    eventually,
    problem,
    refusal,
    settle,
    text_of,
)

ALICE_ID, BOB_ID = account_text(ALICE), account_text(BOB)
LONG = "सभी को नमस्ते ".encode() * 60


async def all_events(service: Service, store: Store, *pushed: Envelope) -> list[Event]:
    """Return the client's events about the stored envelopes, and then about the pushed ones, which follow one after the
    other.
    """
    async with service.client(store) as device:
        events = device.events()
        await device.drained()
        await device.settled()
        for envelope in pushed:
            before = len(service.acks)
            await service.push(envelope)
            await eventually(lambda before=before: len(service.acks) > before)  # type: ignore[misc]
        await device.settled()
    return [event async for event in events]


def messages(events: list[Event]) -> list[GroupMessageReceived]:
    return [event for event in events if isinstance(event, GroupMessageReceived)]


async def test_a_message_to_a_group_is_stored_and_acked_and_calls_for_no_receipt(
    service: Service, store: Store
) -> None:
    envelope = service.store_to_group("सभी को".encode(), version=7)
    (message,) = messages(await all_events(service, store))
    assert (message.id, message.group, message.version) == (text_of(envelope.id), CAMP_ID, 7)
    assert (str(message.sender), message.sender_class, message.at_ms) == (f"{BOB_ID}.1", "public", START_MS)
    assert message.body == "सभी को".encode()
    assert "सभी" not in repr(message)
    assert [(ack.ids, ack.receipts) for ack in service.acks] == [((envelope.id,), ())]
    (stored,) = store.group_inbox.unshown()
    assert isinstance(stored, StoredGroupMessage)
    assert stored.received == message


async def test_a_body_that_is_kept_apart_is_fetched_stored_and_only_then_acked(service: Service, store: Store) -> None:
    envelope = service.store_to_group(LONG, apart=True)
    on_disk: list[Any] = []

    def look(_: object, frame: dict[str, Any]) -> dict[str, Any]:
        other = sqlite3.connect(store.path)
        on_disk.append(other.execute("SELECT body FROM group_messages").fetchall())
        other.close()
        return {"type": "acked", "ids": frame["ids"]}

    service.answers["ack"] = look
    (message,) = messages(await all_events(service, store))
    assert message.body == LONG
    assert on_disk == [[(LONG,)]]
    assert len(service.of_type("fetch")) == 1
    assert service.of_type("ack")[0]["ids"] == [base64url_text(envelope.id)]


async def test_what_comes_twice_is_told_once_fetched_once_and_acked_again(service: Service, store: Store) -> None:
    short, long = service.store_to_group(b"short"), service.store_to_group(LONG, apart=True)
    event = service.store_event(GroupChange.CHANGED, name="Camp")
    events = await all_events(service, store, short, long, event)
    assert sorted(message.body or b"" for message in messages(events)) == sorted([b"short", LONG])
    assert len([event for event in events if isinstance(event, GroupEvent)]) == 1
    assert len(service.of_type("fetch")) == 1
    acked = [id for ack in service.acks for id in ack.ids]
    assert {acked.count(envelope.id) for envelope in (short, long, event)} == {2}
    assert len(store.group_inbox.unshown()) == 3


async def test_an_envelope_that_comes_again_while_its_body_is_fetched_is_fetched_once(
    service: Service, store: Store
) -> None:
    service.answers["fetch"] = lambda *_: None
    async with service.client(store) as device:
        await device.drained()
        envelope = service.store_to_group(LONG, apart=True)
        await service.push(envelope)
        await eventually(lambda: service.of_type("fetch"))
        await service.push(envelope)
        await settle()
        assert not service.acks
        (asked,) = service.of_type("fetch")
        (body,) = service.bodies
        await service.connections[0].post({"ref": asked["ref"], **service.fetched(body)})
        await device.settled()
    assert [ack.ids for ack in service.acks] == [(envelope.id,)]
    assert len(store.group_inbox.unshown()) == 1


async def test_a_body_that_has_expired_leaves_a_message_without_text(service: Service, store: Store) -> None:
    service.store_to_group(LONG, apart=True)
    service.bodies.clear()
    (message,) = messages(await all_events(service, store))
    assert message.body is None
    assert not service.stored
    (stored,) = store.group_inbox.unshown()
    assert isinstance(stored, StoredGroupMessage)
    assert stored.received.body is None


async def test_a_body_that_does_not_open_leaves_a_message_without_text(service: Service, store: Store) -> None:
    service.store_to_group(LONG, apart=True)
    for id in service.bodies:
        service.bodies[id] = bytes(len(service.bodies[id]))
    assert [message.body for message in messages(await all_events(service, store))] == [None]
    assert not service.stored


async def test_a_body_refused_for_now_leaves_the_envelope_unacked_until_it_comes_again(
    service: Service, store: Store
) -> None:
    envelope = service.store_to_group(LONG, apart=True)
    other = service.store_to_group(b"other")
    service.answers["fetch"] = lambda *_: refusal("unavailable", retry_after=2)
    async with service.client(store) as device:
        events = device.events()
        for tried in range(1, FETCH_TRIES):
            await eventually(lambda tried=tried: len(service.of_type("fetch")) == tried)  # type: ignore[misc]
            await eventually(lambda: service.clock.waiting(2))
            await service.clock.advance(2)
        await device.settled()
        assert len(service.of_type("fetch")) == FETCH_TRIES
        assert set(service.stored) == {envelope.id}
        assert [ack.ids for ack in service.acks] == [(other.id,)]
        del service.answers["fetch"]
        device.low_level.drop()
        await eventually(lambda: device.state is State.WAITING)
        await service.clock.advance(8)
        await device.drained()
        await device.settled()
    assert not service.stored
    assert sorted(m.body or b"" for m in messages([event async for event in events])) == sorted([b"other", LONG])


async def test_a_fetch_on_a_socket_that_is_cut_goes_on_over_the_next(service: Service, store: Store) -> None:
    service.store_to_group(LONG, apart=True)
    service.answers["fetch"] = lambda *_: None
    async with service.client(store) as device:
        events = device.events()
        await eventually(lambda: service.of_type("fetch"))
        del service.answers["fetch"]
        device.low_level.drop()
        await eventually(lambda: device.state is State.WAITING)
        await service.clock.advance(8)
        await device.drained()
        await device.settled()
    assert [message.body for message in messages([event async for event in events])] == [LONG]
    assert not service.stored


async def test_a_client_that_ends_during_a_fetch_acks_nothing_and_the_next_run_fetches(
    service: Service, store: Store
) -> None:
    envelope = service.store_to_group(LONG, apart=True)
    service.answers["fetch"] = lambda *_: None
    async with service.client(store):
        await eventually(lambda: service.of_type("fetch"))
    assert set(service.stored) == {envelope.id}
    del service.answers["fetch"]
    assert [message.body for message in messages(await all_events(service, store))] == [LONG]
    assert not service.stored


async def test_a_restart_between_fetch_and_ack_shows_the_message_once_and_acks_it(
    service: Service, store: Store
) -> None:
    envelope = service.store_to_group(LONG, apart=True)
    async with service.client(store, auto_ack=False) as device:
        await eventually(store.group_inbox.unshown)
        assert not service.acks
        del device
    events = await all_events(service, store)
    assert messages(events) == []
    assert len(store.group_inbox.unshown()) == 1
    assert len(service.of_type("fetch")) == 1
    assert {id for ack in service.acks for id in ack.ids} == {envelope.id}


async def test_more_bodies_than_are_fetched_at_once_all_come(service: Service, store: Store) -> None:
    for number in range(20):
        service.store_to_group(LONG + str(number).encode(), apart=True)
    found = messages(await all_events(service, store))
    assert {message.body for message in found} == {LONG + str(number).encode() for number in range(20)}
    assert len(service.of_type("fetch")) == 20
    assert not service.stored


async def test_a_message_of_an_app_to_a_group_holds_a_notice(service: Service, store: Store) -> None:
    notice = notice_body(text="Camp on Monday", category="alert", confidential=True, priority="high", language="en")
    for apart in (False, True):
        service.store_to_group(notice, app=AppSender(PASSPORTS, "Passports"), apart=apart)
    for message in messages(await all_events(service, store)):
        assert message.body == b"Camp on Monday"
        assert message.sender_class is None
        assert message.notice is not None
        assert (message.notice.text, message.notice.priority) == ("Camp on Monday", "high")
    kept = [stored.received for stored in store.group_inbox.unshown() if isinstance(stored, StoredGroupMessage)]
    assert [(message.notice.text, message.sender.name) for message in kept if message.notice] == [  # type: ignore[union-attr]
        ("Camp on Monday", "Passports")
    ] * 2


async def test_an_event_is_told_and_kept_in_the_order_of_the_servers_time(service: Service, store: Store) -> None:
    service.store_event(GroupChange.INVITED, version=2, actor=BOB, subject=ALICE, role="member", name="Camp")
    service.server_ahead_ms = 1
    service.store_to_group(b"between", version=3)
    service.server_ahead_ms = 2
    service.store_event(GroupChange.ROLE, version=4, actor=BOB, subject=ALICE, role="admin")
    events = await all_events(service, store)
    first = next(event for event in events if isinstance(event, GroupEvent))
    assert (first.group, first.version, first.change.name, first.at_ms) == (CAMP_ID, 2, "INVITED", START_MS)
    assert (first.actor, first.subject, first.role, first.name) == (BOB_ID, ALICE_ID, "member", "Camp")
    kept = [type(stored) for stored in store.group_inbox.of_group(GroupId(CAMP_ID), limit=9)]
    assert kept == [StoredGroupEvent, StoredGroupMessage, StoredGroupEvent]
    assert [type(stored) for stored in store.group_inbox.of_group(GroupId(CAMP_ID), limit=2)] == kept[1:]


class Rotating(PlainBody):
    def __init__(self) -> None:
        self.rotated: list[str] = []

    def rotate(self, group: GroupId) -> None:
        self.rotated.append(group)


@pytest.mark.parametrize("change", list(GroupChange))
async def test_the_cipher_hears_when_somebody_may_be_gone(service: Service, store: Store, change: GroupChange) -> None:
    service.store_event(change, subject=BOB)
    cipher = Rotating()
    async with DeviceClient.open(store, clock=service.clock, cipher=cipher) as device:
        await device.drained()
        await device.settled()
    over = (GroupChange.LEFT, GroupChange.REMOVED, GroupChange.DISSOLVED)
    gone = change in (*over, GroupChange.MEMBERS, GroupChange.DEVICES)
    assert cipher.rotated == ([CAMP_ID] if gone else [])
    (stored,) = store.group_inbox.unshown()
    assert isinstance(stored, StoredGroupEvent)
    assert stored.event.rotates_keys is gone


@pytest.mark.parametrize(
    ("told", "then", "rotated"),
    [
        ([4], "message", False),  # the very version that an event told of
        ([], "message", True),
        ([], "event", False),  # the next change, which removes nobody
        ([5], "event", True),  # one was not told in between
        ([], "read", True),
        ([4], "read", False),
    ],
)
async def test_the_cipher_hears_when_changes_were_not_told(
    service: Service, store: Store, told: list[int], then: str, rotated: bool
) -> None:
    groups = GroupService(service)
    groups.change()  # to version 4
    store.groups.save(GroupId(CAMP_ID), 3, {})
    cipher = Rotating()
    async with service.client(store, cipher=cipher) as device:
        if then == "event":
            service.store_event(GroupChange.CHANGED, version=(told or [4])[0])
        else:
            for version in told:
                service.store_event(GroupChange.CHANGED, version=version)
                await device.drained()
                await device.settled()
        if then == "message":
            service.store_to_group(b"hello", version=4)
        for envelope in list(service.stored.values()):
            await device.connected()
            await service.push(envelope)
        await eventually(lambda: not service.stored)
        if then == "read":
            await device.groups.show(CAMP_ID)
    assert bool(cipher.rotated) is rotated


async def test_shown_messages_and_events_are_not_shown_again(service: Service, store: Store) -> None:
    service.store_to_group(b"one")
    service.store_event(GroupChange.CHANGED, name="Camp")
    await all_events(service, store)
    ids = [s.received.id if isinstance(s, StoredGroupMessage) else s.event.id for s in store.group_inbox.unshown()]
    store.group_inbox.mark_shown(GroupId(account_text(BOB)), ids)
    assert len(store.group_inbox.unshown()) == 2, "of another group"
    store.group_inbox.mark_shown(GroupId(CAMP_ID), ids)
    assert store.group_inbox.unshown() == []
    assert len(store.group_inbox.of_group(GroupId(CAMP_ID), limit=9)) == 2


@pytest.mark.parametrize("kind", [Kind.GROUP_MESSAGE, Kind.GROUP_EVENT])
async def test_rubbish_of_a_group_is_acked_and_the_rest_arrives(service: Service, store: Store, kind: Kind) -> None:
    rubbish = service.store(b"\xa0", kind=kind)
    service.store_to_group(b"fine")
    assert [message.body for message in messages(await all_events(service, store))] == [b"fine"]
    assert rubbish.id in {id for ack in service.acks for id in ack.ids}


async def test_a_fetched_notice_that_is_none_is_acked_and_not_shown(service: Service, store: Store) -> None:
    service.store_to_group(b"no notice" * 100, app=AppSender(PASSPORTS, "Passports"), apart=True)
    assert messages(await all_events(service, store)) == []
    assert not service.stored


async def test_no_ack_leaves_for_a_fetched_body_that_could_not_be_stored(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = service.store_to_group(LONG, apart=True)
    tries: list[int] = []

    def full(*_: object, **__: object) -> None:
        tries.append(1)
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store.group_inbox, "add_message", full)
        async with service.client(store) as device:
            await eventually(lambda: tries)
            await device.settled()
            assert not service.acks
    assert set(service.stored) == {envelope.id}
    assert [message.body for message in messages(await all_events(service, store))] == [LONG]


@pytest.mark.parametrize(
    ("change", "subject", "answer"),
    [
        (GroupChange.REMOVED, ALICE, "not_found"),
        (GroupChange.LEFT, ALICE, "not_found"),
        (GroupChange.DISSOLVED, None, None),
        (GroupChange.REMOVED, BOB, "unavailable"),
    ],
)
async def test_a_group_that_the_account_is_no_longer_in_is_known_as_left(
    service: Service, store: Store, change: GroupChange, subject: AccountId | None, answer: str | None
) -> None:
    shown = ("GET", f"/v1/groups/{CAMP_ID}")
    service.http_answers[shown] = lambda _: problem(answer or "", 404 if answer == "not_found" else 503)
    store.groups.save(GroupId(CAMP_ID), 4, {})
    service.store_event(change, version=5, subject=subject)
    await all_events(service, store)
    known = store.groups.read(GroupId(CAMP_ID))
    assert known is not None
    assert known.is_left is (answer != "unavailable")
    assert (shown in service.calls) is (answer is not None)


async def test_who_was_removed_and_added_again_before_either_was_told_is_in_the_group(
    service: Service, store: Store
) -> None:
    groups = GroupService(service)
    groups.change(members=501)
    async with service.client(store, fraction=0.25) as device:
        await device.connected()
        version = (await device.groups.show(CAMP_ID)).version + 2
        groups.change()
        groups.change()
        await service.push(service.store_event(GroupChange.REMOVED, version=version, subject=ALICE))
        await service.push(service.store_event(GroupChange.JOINED, version=version, subject=ALICE, role="member"))
        await eventually(lambda: len([id for ack in service.acks for id in ack.ids]) == 2)
        await eventually(lambda: (known := device.groups.known(CAMP_ID)) and known.version == version)
        known = store.groups.read(GroupId(CAMP_ID))
        assert known is not None
        assert (known.is_left, known.is_stale) == (False, False)


async def test_an_open_group_that_is_still_seen_from_outside_is_left(service: Service, store: Store) -> None:
    groups = GroupService(service)
    groups.change(open=True)
    async with service.client(store) as device:
        await device.connected()
        version = (await device.groups.show(CAMP_ID)).version + 1
        groups.change(role=None)
        await service.push(service.store_event(GroupChange.LEFT, version=version, subject=ALICE))
        await eventually(lambda: store.groups.stale() == [] and device.groups.known(CAMP_ID) is None)


def test_an_older_word_does_not_undo_a_newer_one(store: Store) -> None:
    group = GroupId(CAMP_ID)
    store.groups.save(group, 7, {"name": "seven"})
    store.groups.left_at(group, 5, now_ms=START_MS)
    store.groups.save(group, 6, {"name": "six"})
    known = store.groups.read(group)
    assert known is not None
    assert (known.is_left, known.version, known.details) == (False, 7, {"name": "seven"})
    assert not store.groups.heard(group, 7)
    assert store.groups.heard(group, 8)
    assert store.groups.stale() == [group]
