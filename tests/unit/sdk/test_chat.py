"""`sandes chat`, driven as a person would."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sandes.crypto.seal import GroupChange, ReceiptKind
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.ids import GroupId, account_text
from sandes_client import Store
from sandes_client.cli.chat import ChatApp, MessageRow, Notice
from sandes_client.cli.conversations import Direct, InGroup
from sandes_client.ids import AccountId
from sandes_client.store import StoredGroupMessage
from tests.unit.sdk.group_service import GroupService
from tests.unit.sdk.people_service import PeopleService
from tests.unit.sdk.service import ALICE, BOB, CAMP_ID, START_MS, Service, eventually

BOB_ID = AccountId(account_text(BOB))


@asynccontextmanager
async def chatting(service: Service, store: Store) -> AsyncIterator[tuple[ChatApp, Pilot[None]]]:
    async with service.client(store) as device:
        app = ChatApp(device, Direct(device, BOB_ID, "+919876543210"))
        async with app.run_test(size=(60, 20)) as pilot:
            await device.drained()
            await pilot.pause()
            yield app, pilot


def lines(app: ChatApp) -> list[str]:
    return [row.render().plain for row in app.query(MessageRow).results(MessageRow)]  # type: ignore[union-attr]


async def wait_for_line(pilot: Pilot[None], app: ChatApp, part: str) -> None:
    for _ in range(200):
        await pilot.pause(0.01)
        if any(part in line for line in lines(app)):
            return
    raise AssertionError(f"{part!r} is not in {lines(app)}")


async def test_a_line_is_sent_and_its_ticks_follow_it(service: Service, store: Store) -> None:
    async with chatting(service, store) as (app, pilot):
        app.query_one(Input).value = "नमस्ते 🙏"
        await pilot.press("enter")
        await wait_for_line(pilot, app, "you  नमस्ते 🙏  ✓")
        assert app.query_one(Input).value == ""
        sent = service.of_type("send")[0]["id"]
        await service.push(service.store_receipt(ReceiptKind.DELIVERED, sent))
        await wait_for_line(pilot, app, "✓✓")
        await service.push(service.store_receipt(ReceiptKind.READ, sent))
        await eventually(lambda: not service.stored)
    assert service.accepted[0].copies[0].body == "नमस्ते 🙏".encode()


async def test_a_refused_message_shows_why(service: Service, store: Store) -> None:
    service.devices.clear()
    async with chatting(service, store) as (app, pilot):
        await pilot.press("h", "i", "enter")
        await wait_for_line(pilot, app, "✗ there is no such recipient")


async def test_help_is_shown_and_quit_ends_the_chat_and_neither_is_sent(service: Service, store: Store) -> None:
    async with chatting(service, store) as (app, pilot):
        app.query_one(Input).value = "/help"
        await pilot.press("enter")
        await pilot.pause()
        assert "/quit ends the chat" in "".join(str(notice.render()) for notice in app.query(Notice))
        app.query_one(Input).value = "/quit"
        await pilot.press("enter")
        await eventually(lambda: not app.is_running)
    assert store.outbox.waiting() == []
    assert service.of_type("send") == []


async def test_an_empty_line_sends_nothing(service: Service, store: Store) -> None:
    async with chatting(service, store) as (app, pilot):
        await pilot.press("enter", "space", "enter")
        await pilot.pause()
        assert lines(app) == []
    assert not service.of_type("send")


async def test_messages_stand_in_the_order_of_the_servers_time_and_are_told_as_read(
    service: Service, store: Store
) -> None:
    service.store(b"before")
    async with chatting(service, store) as (app, pilot):
        await wait_for_line(pilot, app, "before")
        service.server_ahead_ms = 2000
        later = service.store(b"third")
        service.server_ahead_ms = 1000
        earlier = service.store(b"second [bold]not markup[/]")
        await service.push(later)
        await wait_for_line(pilot, app, "third")
        await service.push(earlier)
        await wait_for_line(pilot, app, "second [bold]not markup[/]")
        shown = [line.split("  ", 2)[2] for line in lines(app)]
        assert shown == ["before", "second [bold]not markup[/]", "third"]
        await eventually(lambda: sum(len(r.ids) for ack in service.acks for r in ack.receipts if r.kind == "read") == 3)


async def test_messages_of_others_stay_out_of_the_conversation(service: Service, store: Store) -> None:
    async with chatting(service, store) as (app, pilot):
        await service.push(service.store(b"from elsewhere", sender=b"carol\0\0\0"))  # type: ignore[arg-type]
        await eventually(store.inbox.unshown)
        await pilot.pause()
        assert lines(app) == []


async def test_a_long_line_is_wrapped_and_survives_a_resize(service: Service, store: Store) -> None:
    async with chatting(service, store) as (app, pilot):
        await service.push(service.store(("word " * 200).encode()))
        await wait_for_line(pilot, app, "word")
        await pilot.pause()
        row = app.query_one(MessageRow)
        height = row.size.height
        assert height > 10
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert 1 < row.size.height < height


async def test_the_history_is_there_when_the_chat_opens(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.send(BOB_ID, b"said yesterday")
    async with chatting(service, store) as (app, _):
        assert any("said yesterday" in line and "✓" in line for line in lines(app))
        assert app.sub_title == "connected"


async def test_messages_of_the_other_person_carry_the_name_the_user_typed(service: Service, store: Store) -> None:
    service.store(b"from before")
    async with chatting(service, store) as (app, pilot):
        await wait_for_line(pilot, app, "+919876543210 (not verified)  from before")
        await service.push(service.store(b"from now"))
        await wait_for_line(pilot, app, "+919876543210 (not verified)  from now")
        assert not any(BOB_ID in line for line in lines(app))


def notices(app: ChatApp) -> list[str]:
    found = app.query_one("#messages").query(Notice)
    return [row.render().plain for row in found]  # type: ignore[union-attr]


async def test_the_conversation_tells_that_nothing_can_be_stored(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chatting(service, store) as (app, pilot):
        pages = store._database.row("PRAGMA page_count")[0]
        store._database.run(f"PRAGMA max_page_count = {pages}")
        await service.push(service.store(b"x" * 60_000))
        await eventually(lambda: app.sub_title == "store_failed")
        await pilot.pause()
        (said,) = notices(app)
        assert said.startswith("store_failed: this profile cannot be written to")
        store._database.run("PRAGMA max_page_count = 1000000")


async def test_the_conversation_tells_that_keys_were_rejected(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.drained()
    service.service_keys = ServiceKeys.of(b"somebody else who answers in place of the service")
    async with chatting(service, store) as (app, pilot):
        for _ in range(100):
            await pilot.pause(0.01)
            if notices(app):
                break
        (said,) = notices(app)
        assert said.startswith("service_keys_rejected: ")


@pytest.mark.parametrize(
    ("frame", "notice"),
    [
        ({"type": "superseded"}, "superseded: another program is connected as this device; close it first"),
        (
            {"type": "revoked", "reason": "unlinked"},
            "revoked: this device was unlinked or replaced; register or link again",
        ),
    ],
)
async def test_the_conversation_tells_when_the_device_has_stopped(
    service: Service, store: Store, frame: dict[str, Any], notice: str
) -> None:
    async with chatting(service, store) as (app, pilot):
        await service.connections[0].post(frame)
        await eventually(lambda: app.sub_title == frame["type"])
        await pilot.pause()
        assert app.query_one(Input).disabled
        told = notices(app)
        assert told == [notice]


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
async def test_the_chat_ends_cleanly(service: Service, store: Store, key: str) -> None:
    async with service.client(store) as device:
        app = ChatApp(device, Direct(device, BOB_ID, "bob"))
        async with app.run_test() as pilot:
            await pilot.press(key)
            await pilot.pause()
        assert app.return_code == 0
        assert (await device.send(BOB_ID, b"still works")).at_ms == START_MS


@asynccontextmanager
async def in_group(service: Service, store: Store) -> AsyncIterator[tuple[ChatApp, Pilot[None]]]:
    async with service.client(store) as device:
        app = ChatApp(device, InGroup(device, await device.groups.show(CAMP_ID)))
        async with app.run_test(size=(100, 20)) as pilot:
            await device.drained()
            await pilot.pause()
            yield app, pilot


async def test_a_group_shows_who_wrote_and_who_is_verified(service: Service, store: Store) -> None:
    people, groups = PeopleService(service), GroupService(service)
    people.profiles["mnqxe33maaaaa"] = {"account": "mnqxe33maaaaa", "account_class": "public", "name": "✔ Bob Rao"}
    service.store_to_group(b"from the official", version=3)
    async with in_group(service, store) as (app, pilot):
        assert app.title == "Camp (2 members)"
        await wait_for_line(pilot, app, "✔ Bob Rao, Section Officer, Ministry of Railways  from the official")
        service.server_ahead_ms = 1000
        await service.push(service.store_to_group(b"from a namesake", version=3, sender=b"carol\0\0\0"))  # type: ignore[arg-type]
        await wait_for_line(pilot, app, "(not verified)  from a namesake")
        groups.change(name="Drill", members=3)
        service.server_ahead_ms = 2000
        await service.push(service.store_event(GroupChange.CHANGED, version=4, name="Drill", actor=BOB))
        await wait_for_line(pilot, app, "the group is now called Drill")
        await eventually(lambda: app.title == "Drill (3 members)")
        await service.push(service.store_to_group(b"elsewhere", group=GroupId(bytes(BOB))))
        await eventually(lambda: not service.stored)
        assert not any("elsewhere" in line for line in lines(app))
        app.query_one(Input).value = "सुना"
        await pilot.press("enter")
        await wait_for_line(pilot, app, "you  सुना  ✓")
    assert [post.body for post in service.posts] == ["सुना".encode()]
    (unshown,) = store.group_inbox.unshown()
    assert isinstance(unshown, StoredGroupMessage)
    assert unshown.received.body == b"elsewhere"


async def test_an_official_is_marked_and_an_attestation_that_does_not_hold_is_not(
    service: Service, store: Store
) -> None:
    people = PeopleService(service)
    service.store(b"hello")
    async with service.client(store) as device:
        await device.people.profile(BOB_ID)
        official = Direct(device, BOB_ID, "+919876543210")
        assert official.title == "✔ Bob Rao, Section Officer, Ministry of Railways"
        people.profiles[BOB_ID]["attestation"] = people.attestation(ALICE)
        await device.people.profile(BOB_ID, max_age_seconds=0)
        assert official.title == "Bob Rao (not verified)"


async def test_an_official_who_writes_first_is_known_from_then_on(service: Service, store: Store) -> None:
    people = PeopleService(service)
    hidden = people.profiles.pop(BOB_ID)
    async with chatting(service, store) as (app, pilot):
        assert app.title == "+919876543210 (not verified)"
        people.profiles[BOB_ID] = hidden
        await service.push(service.store(b"from the office"))
        await wait_for_line(pilot, app, "✔ Bob Rao, Section Officer, Ministry of Railways  from the office")
        await pilot.pause()
        assert app.title == "✔ Bob Rao, Section Officer, Ministry of Railways"
    assert service.calls.count(("GET", f"/v1/accounts/{BOB_ID}")) == 1


async def test_a_message_that_came_before_the_chat_opened_is_shown_once(service: Service, store: Store) -> None:
    service.store(b"while it was closed")
    async with service.client(store) as device:
        await device.drained()
        app = ChatApp(device, Direct(device, BOB_ID, "bob"))
        async with app.run_test(size=(60, 20)) as pilot:
            service.server_ahead_ms = 1000
            await service.push(service.store(b"while it is open"))
            await wait_for_line(pilot, app, "while it is open")
            shown = [line.split("  ")[-1] for line in lines(app)]
    assert shown == ["while it was closed", "while it is open"]


async def test_a_group_message_that_came_before_the_chat_opened_is_shown_once(service: Service, store: Store) -> None:
    people, groups = PeopleService(service), GroupService(service)
    people.profiles["mnqxe33maaaaa"] = {"account": "mnqxe33maaaaa", "account_class": "public", "name": "Carol"}
    service.store_to_group(b"while it was closed", version=3)
    service.store_event(GroupChange.CHANGED, version=4, name="Drill", actor=BOB)
    groups.change(name="Drill")
    async with service.client(store) as device:
        await device.drained()
        app = ChatApp(device, InGroup(device, await device.groups.show(CAMP_ID)))
        async with app.run_test(size=(100, 20)) as pilot:
            service.server_ahead_ms = 1000
            await service.push(service.store_to_group(b"while it is open", version=4))
            await wait_for_line(pilot, app, "while it is open")
            shown = lines(app)
    assert len([line for line in shown if "while it was closed" in line]) == 1
    assert len([line for line in shown if "now called Drill" in line]) == 1
    assert len(shown) == 3


async def test_a_message_that_expired_undelivered_loses_its_tick(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.wait_for(device.post(BOB_ID, b"in time", expires_in=60).number)
    assert store.outbox.to_recipient(BOB_ID, limit=1)[0].expired(now_ms=START_MS + 59_999) is False
    await service.clock.advance(61)
    async with chatting(service, store) as (app, _):
        assert [line.split("  ", 1)[1] for line in lines(app)] == ["you  in time  ✗ expired"]
