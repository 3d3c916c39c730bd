"""Sending: outbox first, one id until it is accepted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandes.crypto.seal import ReceiptKind
from sandes.model.ids import account_text
from sandes_client import DeviceClient, DeviceStopped, SendFailed, State, Status, StatusChanged, Store
from sandes_client.cipher import RecipientDevice
from sandes_client.ids import AccountId, message_time_ms
from sandes_client.store import Outgoing
from sandes_client.store.database import _UPGRADES
from tests.unit.sdk.service import ALICE, BOB, START_MS, Connected, Service, eventually, problem, refusal, settle

BOB_ID, ALICE_ID = account_text(BOB), account_text(ALICE)


async def test_a_message_has_a_copy_for_every_device_of_the_recipient(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        sent = await device.send(BOB_ID, "नमस्ते".encode(), expires_in=60)
    frame = service.accepted[0]
    assert [(copy.device, copy.registration_id) for copy in frame.copies] == [(1, 11), (2, 22)]
    assert {copy.body for copy in frame.copies} == {"नमस्ते".encode()}
    assert frame.expires_in == 60
    assert sent.status is Status.ACCEPTED
    assert sent.at_ms == START_MS


async def test_ids_keep_the_order_of_writing_though_the_servers_clocks_differ(service: Service, store: Store) -> None:
    """Two servers, whose clocks differ by 400 ms, told the time; the machine's clock goes back as well."""
    async with service.client(store) as device:
        rows = [device.post(BOB_ID, b"1"), device.post(BOB_ID, b"2")]
        service.clock._now -= 0.4
        rows += [device.post(BOB_ID, b"3"), device.post(BOB_ID, b"4")]
        times = [message_time_ms(row.id) for row in rows]
    assert times == sorted(set(times))


@pytest.mark.parametrize(("ahead_ms", "follows"), [(5_000, True), (59_000, True), (61_000, False), (10**9, False)])
async def test_an_answer_is_later_than_its_question_unless_that_lies_far_ahead(
    service: Service, store: Store, ahead_ms: int, follows: bool
) -> None:
    with store.transaction():
        store._database.run(
            "INSERT INTO messages (sender, message, sender_device, sender_class, recipient, at_ms, body) "
            "VALUES (?, ?, 1, 'public', ?, ?, ?)",
            (BOB_ID, "01b21e00-0000-7000-8000-000000000000", ALICE_ID, START_MS + ahead_ms, b"?"),
        )
    async with service.client(store) as device:
        made_ms = message_time_ms(device.post(BOB_ID, b"!").id)
        other_ms = message_time_ms(device.post(ALICE_ID, b"note").id)
    assert made_ms == (START_MS + ahead_ms + 1 if follows else START_MS)
    assert other_ms == made_ms + 1  # of one sender


async def test_a_note_to_the_own_account_has_no_copy_for_the_sending_device(service: Service, store: Store) -> None:
    service.devices[ALICE_ID] = [(1, 7), (3, 33)]
    async with service.client(store) as device:
        await device.send(ALICE_ID, b"note")
    assert [copy.device for copy in service.accepted[0].copies] == [3]


async def test_a_message_written_before_a_crash_is_sent_by_the_next_run_under_its_id(
    service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "alice.sqlite3"
    crashed = service.profile(path)
    client = service.client(crashed)  # never entered: the process ends between write and send
    row = client.post(BOB_ID, b"survives")
    await asyncio.sleep(0)
    crashed.close()
    await client.api.close()
    async with service.client(path) as device:
        sent = await device.wait_for(row.number)
    assert sent.id == row.id
    assert [frame["id"] for frame in service.of_type("send")] == [row.id]


async def test_a_message_without_answer_is_repeated_with_the_same_id_and_copies_after_a_crash(
    service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "alice.sqlite3"
    service.profile(path).close()
    service.answers["send"] = lambda *_: None
    async with service.client(path) as device:
        row = device.post(BOB_ID, b"once")
        await eventually(lambda: service.of_type("send"))
    store = Store.open(path)  # what is known of the recipient now must not change a message already sent
    store.profile.set_devices(AccountId(BOB_ID), (RecipientDevice(1, 11, b"k"),))
    store.close()
    del service.answers["send"]
    async with service.client(path) as device:
        await device.wait_for(row.number)
    first, second = service.of_type("send")
    assert (first["id"], first["copies"]) == (second["id"], second["copies"])


async def test_no_answer_in_ten_seconds_leads_to_a_new_socket_and_the_same_id(service: Service, store: Store) -> None:
    service.answers["send"] = lambda *_: None
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"again")
        await eventually(lambda: service.of_type("send"))
        del service.answers["send"]
        await service.clock.advance(9.9)
        assert len(service.connections) == 1
        await service.clock.advance(0.2)
        await service.clock.advance(8)
        sent = await asyncio.wait_for(device.wait_for(row.number), 5)
    assert sent.id == row.id
    assert len(service.connections) == 2
    assert [frame["id"] for frame in service.of_type("send")] == [row.id, row.id]


async def test_a_device_mismatch_makes_new_copies_under_the_same_id(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.send(BOB_ID, b"first")
        service.devices[BOB_ID] = [(2, 22), (3, 33)]
        service.answers["send"] = lambda _, frame: (
            {"type": "accepted", "id": frame["id"], "at": 1}
            if [copy["device"] for copy in frame["copies"]] == [2, 3]
            else refusal("device_mismatch", details={"missing": [3], "extra": [1], "stale": []})
        )
        sent = await device.send(BOB_ID, b"second")
    tries = service.of_type("send")[1:]
    assert [frame["id"] for frame in tries] == [sent.id, sent.id]
    assert [[copy["device"] for copy in frame["copies"]] for frame in tries] == [[1, 2], [2, 3]]
    assert len([call for call in service.calls if call[1].endswith("/keys")]) == 2


async def test_clock_skew_corrects_the_clock_and_makes_a_new_id(service: Service, store: Store) -> None:
    server_ms = START_MS - 3_600_000
    service.answers["send"] = lambda _, frame: (
        {"type": "accepted", "id": frame["id"], "at": server_ms}
        if len(service.of_type("send")) > 1
        else refusal("clock_skew", details={"server_time": server_ms})
    )
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"early")
        sent = await device.wait_for(row.number)
        assert sent.id != row.id
        assert device.clock.now_ms() == server_ms
    assert store.profile.clock_offset_ms() == -3_600_000


async def test_rate_limited_waits_as_long_as_it_is_told(service: Service, store: Store) -> None:
    service.answers["send"] = lambda *_: refusal("rate_limited", retry_after=7)
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"patience")
        await eventually(lambda: service.clock.waiting(7))
        del service.answers["send"]
        await service.clock.advance(6.9)
        assert len(service.of_type("send")) == 1
        await service.clock.advance(0.2)
        await device.wait_for(row.number)


async def test_a_refused_message_fails_with_the_code_and_does_not_hold_up_the_next(
    service: Service, store: Store
) -> None:
    service.answers["send"] = lambda *_: refusal("not_permitted")
    async with service.client(store) as device:
        with pytest.raises(SendFailed) as failed:
            await device.send(BOB_ID, b"blocked")
        del service.answers["send"]
        await device.send(BOB_ID, b"welcome")
    assert failed.value.code == "not_permitted"


async def test_an_unknown_recipient_fails_like_one_who_blocks(service: Service, store: Store) -> None:
    del service.devices[BOB_ID]
    async with service.client(store) as device:
        with pytest.raises(SendFailed) as failed:
            await device.send(BOB_ID, b"anybody?")
    assert failed.value.code == "not_permitted"


async def test_an_unreachable_client_api_delays_a_message_but_does_not_fail_it(service: Service, store: Store) -> None:
    keys = ("GET", f"/v1/accounts/{BOB_ID}/keys")
    service.http_answers[keys] = lambda _: problem("unavailable", 503, retry_after=3)
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"later")
        await eventually(lambda: service.clock.waiting(3))
        del service.http_answers[keys]
        await service.clock.advance(3)
        assert (await device.wait_for(row.number)).id == row.id


async def test_messages_above_32_kib_leave_in_fragments_of_at_most_32_kib(service: Service, store: Store) -> None:
    service.devices[BOB_ID] = [(1, 11)]
    async with service.client(store) as device:
        await device.send(BOB_ID, b"x" * 65536)
    fragments = [size for connection in service.connections for size in connection.fragments]
    assert max(fragments) == 32 * 1024
    assert service.accepted[0].copies[0].body == b"x" * 65536


async def test_a_message_above_128_kib_fails_here_since_it_would_cost_the_socket(
    service: Service, store: Store
) -> None:
    async with service.client(store) as device:
        with pytest.raises(SendFailed) as failed:
            await device.send(BOB_ID, b"x" * 65536)
    assert failed.value.code == "too_large"
    assert not service.of_type("send")


async def test_receipts_of_the_recipient_move_the_status_on_and_never_back(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        sent = await device.send(BOB_ID, b"tell me")
        await service.push(service.store_receipt(ReceiptKind.READ, sent.id))
        await service.push(service.store_receipt(ReceiptKind.DELIVERED, sent.id))
        await eventually(lambda: len(service.acks) >= 1 and not service.stored)
        assert (await device.wait_for(sent.number, Status.READ)).status is Status.READ


async def test_a_receipt_of_somebody_else_changes_nothing(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        sent = await device.send(BOB_ID, b"tell me")
        await service.push(service.store_receipt(ReceiptKind.READ, sent.id, reader=ALICE))
        await eventually(lambda: not service.stored)
    assert store.outbox.read(sent.number).status is Status.ACCEPTED


async def test_messages_to_one_account_leave_in_the_order_they_were_written(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        rows = [device.post(BOB_ID, str(number).encode()) for number in range(20)]
        await device.wait_for(rows[-1].number)
    assert [frame.copies[0].body for frame in service.accepted] == [str(number).encode() for number in range(20)]


async def test_waiting_for_a_message_ends_with_the_client(service: Service, store: Store) -> None:
    service.answers["send"] = lambda *_: None
    async with service.client(store) as device:
        waiting = asyncio.create_task(device.send(BOB_ID, b"never"))
        await eventually(lambda: service.of_type("send"))
    with pytest.raises(DeviceStopped):
        await waiting


# Ids: renewed only while nothing has left under them

DAY_MS = 24 * 3600 * 1000


def lost(service: Service) -> None:
    """The server takes messages, and its answers get lost."""
    service.answers["send"] = lambda *_: None


def ids_sent(service: Service) -> set[str]:
    return {frame["id"] for frame in service.of_type("send")}


async def left_without_answer(service: Service, store: Store, device: DeviceClient) -> Outgoing:
    lost(service)
    await device.drained()
    row = device.post(BOB_ID, b"once")
    await eventually(lambda: service.of_type("send"))
    await settle()
    assert store.outbox.read(row.number).has_left
    return row


async def test_a_message_written_offline_eight_days_ago_goes_out(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "alice.sqlite3"
    service.profile(path).close()
    service.refuse_handshake = True
    async with service.client(path) as device:
        row = device.post(BOB_ID, b"from the hills")
        await settle()
        assert device.store.outbox.read(row.number).copies is None
    service.refuse_handshake = False
    service.clock._now += 8 * 24 * 3600
    service.answers["send"] = as_the_server_does(service)
    async with service.client(path) as device:
        sent = await device.wait_for(row.number)
    assert sent.id != row.id
    assert ids_sent(service) == {sent.id}


def as_the_server_does(service: Service) -> Callable[[Connected, dict[str, Any]], dict[str, Any]]:
    """It takes ids from 7 days old to 2 minutes ahead."""

    def answer(_: Connected, frame: dict[str, Any]) -> dict[str, Any]:
        ahead = message_time_ms(frame["id"]) - service.now_ms
        if ahead > 120_000:
            return refusal("clock_skew", details={"server_time": service.now_ms})
        if ahead < -7 * DAY_MS:
            return refusal("id_too_old", details={"server_time": service.now_ms})
        return {"type": "accepted", "id": frame["id"], "at": service.now_ms}

    return answer


@pytest.mark.parametrize("days", [-10, -7, 1, 10, 400])
async def test_what_was_written_on_a_clock_that_was_wrong_by_days_goes_out(
    service: Service, tmp_path: Path, days: int
) -> None:
    path = tmp_path / "alice.sqlite3"
    service.profile(path).close()
    service.refuse_handshake = True
    service.clock._now += days * 24 * 3600
    async with service.client(path) as device:
        rows = [device.post(BOB_ID, str(number).encode()) for number in range(3)]
        await settle()
    service.refuse_handshake, service.server_ahead_ms = False, -days * DAY_MS
    service.answers["send"] = as_the_server_does(service)
    async with service.client(path) as device:
        await settle()
        await service.clock.advance(1)
        for row in rows:
            sent = await asyncio.wait_for(device.wait_for(row.number), 10)
            assert abs(message_time_ms(sent.id) - service.now_ms) < 60_000


async def test_a_first_try_refused_as_too_old_goes_out_under_a_new_id(service: Service, store: Store) -> None:
    service.answers["send"] = lambda _, frame: (
        {"type": "accepted", "id": frame["id"], "at": START_MS}
        if len(service.of_type("send")) > 1
        else refusal("id_too_old", details={"server_time": START_MS + 30 * DAY_MS})
    )
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"old")
        sent = await device.wait_for(row.number)
    assert message_time_ms(sent.id) - START_MS >= 30 * DAY_MS


async def next_socket(service: Service, device: DeviceClient) -> None:
    connections = len(service.connections)
    device.low_level.drop()
    await eventually(lambda: device.state is State.WAITING)
    await settle()
    await service.clock.advance(60)
    await eventually(lambda: len(service.connections) > connections)
    await settle()


@pytest.mark.parametrize("ahead_ms", [121_000, 5 * 60_000])
async def test_a_message_whose_answer_was_lost_waits_for_a_slower_clock_under_its_id(
    service: Service, store: Store, ahead_ms: int
) -> None:
    async with service.client(store) as device:
        row = await left_without_answer(service, store, device)
        service.server_ahead_ms = -ahead_ms
        service.answers["send"] = as_the_server_does(service)
        await next_socket(service, device)
        await service.clock.advance(600)
        sent = await asyncio.wait_for(device.wait_for(row.number), 5)
    assert sent.id == row.id
    assert ids_sent(service) == {row.id}


@pytest.mark.parametrize("ahead_ms", [3_600_000, 10 * DAY_MS])
async def test_a_message_whose_answer_was_lost_and_whose_id_lies_far_ahead_is_reported_and_not_repeated(
    service: Service, store: Store, ahead_ms: int
) -> None:
    async with service.client(store) as device:
        row = await left_without_answer(service, store, device)
        service.server_ahead_ms = -ahead_ms
        service.answers["send"] = as_the_server_does(service)
        await next_socket(service, device)
        with pytest.raises(SendFailed) as failed:
            await device.wait_for(row.number)
        assert (failed.value.code, failed.value.undetermined) == ("clock_skew", True)
        await device.send(BOB_ID, b"the next")
    assert ids_sent(service) >= {row.id}
    assert len(ids_sent(service)) == 2


async def test_a_message_whose_answer_was_lost_a_week_ago_is_reported_and_not_repeated(
    service: Service, store: Store
) -> None:
    async with service.client(store) as device:
        events = device.events()
        row = await left_without_answer(service, store, device)
        service.clock._now += 8 * 24 * 3600
        service.answers["send"] = as_the_server_does(service)
        await next_socket(service, device)
        with pytest.raises(SendFailed) as failed:
            await device.wait_for(row.number)
        assert (failed.value.code, failed.value.undetermined) == ("id_too_old", True)
        assert ids_sent(service) == {row.id}
        await service.push(service.store_receipt(ReceiptKind.DELIVERED, row.id))
        await eventually(lambda: store.outbox.read(row.number).status is Status.DELIVERED)
        assert (await device.wait_for(row.number, Status.DELIVERED)).id == row.id
    changes = [event async for event in events if isinstance(event, StatusChanged)]
    assert [(change.status, change.undetermined) for change in changes] == [
        (Status.FAILED, True),
        (Status.DELIVERED, False),
    ]


async def test_a_mismatch_after_a_lost_answer_keeps_the_id_for_good(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "alice.sqlite3"
    service.profile(path).close()
    lost(service)
    async with service.client(path) as device:
        row = device.post(BOB_ID, b"once")
        await eventually(lambda: service.of_type("send"))
    keys = ("GET", f"/v1/accounts/{BOB_ID}/keys")
    service.http_answers[keys] = lambda _: problem("unavailable", 503, retry_after=3)
    service.answers["send"] = lambda *_: refusal("device_mismatch", details={"missing": [3], "extra": [], "stale": []})
    async with service.client(path) as device:
        await eventually(lambda: service.clock.waiting(3))
        assert device.store.outbox.read(row.number).copies is None
        assert device.store.outbox.read(row.number).has_left
    del service.http_answers[keys]
    service.clock._now += 8 * 24 * 3600
    service.answers["send"] = as_the_server_does(service)
    async with service.client(path) as device:
        with pytest.raises(SendFailed):
            await device.wait_for(row.number)
    assert ids_sent(service) == {row.id}


@pytest.mark.parametrize("code", ["internal", "unavailable"])
async def test_a_fault_of_the_server_counts_as_a_lost_answer(service: Service, store: Store, code: str) -> None:
    tries = iter([refusal(code), refusal("clock_skew", details={"server_time": START_MS - 130_000})])
    service.answers["send"] = lambda _, frame: next(tries, {"type": "accepted", "id": frame["id"], "at": START_MS})
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"once")
        await eventually(lambda: service.of_type("send"))
        await settle()
        await service.clock.advance(60)
        assert (await asyncio.wait_for(device.wait_for(row.number), 5)).id == row.id
    assert ids_sent(service) == {row.id}


async def test_a_rate_limit_before_the_first_acceptance_does_not_bind_the_id(service: Service, store: Store) -> None:
    service.answers["send"] = lambda *_: refusal("rate_limited", retry_after=5)
    async with service.client(store) as device:
        row = device.post(BOB_ID, b"patience")
        await eventually(lambda: service.clock.waiting(5))
    assert not store.outbox.read(row.number).has_left


async def test_a_receipt_for_a_message_without_answer_means_accepted(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        row = await left_without_answer(service, store, device)
        await service.push(service.store_receipt(ReceiptKind.DELIVERED, row.id))
        sent = await asyncio.wait_for(device.wait_for(row.number), 5)
        assert (sent.status, sent.at_ms) == (Status.DELIVERED, message_time_ms(row.id))
        await next_socket(service, device)
    assert len(service.of_type("send")) == 1, "it is not sent again"
    async with service.client(store):
        await settle()
    assert len(service.of_type("send")) == 1


async def test_a_refusal_after_a_receipt_does_not_take_the_delivery_back(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        row = await left_without_answer(service, store, device)
        service.store_receipt(ReceiptKind.READ, row.id)
        service.answers["send"] = lambda *_: refusal("not_permitted")
        await next_socket(service, device)
        await eventually(lambda: store.outbox.read(row.number).status is Status.READ)


async def test_a_profile_of_the_release_before_keeps_the_ids_of_what_may_have_left(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    old = sqlite3.connect(path)
    for upgrade in _UPGRADES[:4]:
        old.executescript(upgrade)
    old.execute("PRAGMA user_version = 4")
    statement = "INSERT INTO outbox (message, recipient, body, copies, queued_at_ms) VALUES (?, ?, ?, ?, ?)"
    old.execute(statement, ("01b21e00-0000-7000-8000-000000000000", BOB_ID, b"a", "[]", 0))
    old.execute(statement, ("01b21e00-0000-7000-8000-000000000001", BOB_ID, b"b", None, 0))
    old.commit()
    old.close()
    store = Store.open(path)
    assert [row.has_left for row in store.outbox.waiting()] == [True, False]
    assert not store.outbox.renew(1, "01b21e00-0000-7000-8000-000000000002")  # type: ignore[arg-type]
    assert store.outbox.renew(2, "01b21e00-0000-7000-8000-000000000002")  # type: ignore[arg-type]
    store.close()
