"""Sending: outbox first, one id until it is accepted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandes.crypto.seal import ReceiptKind
from sandes.model.ids import account_text
from sandes_client import DeviceStopped, SendFailed, Status, Store
from sandes_client.cipher import RecipientDevice
from sandes_client.ids import AccountId, message_time_ms
from tests.unit.sdk.service import ALICE, BOB, START_MS, Service, eventually, problem, refusal

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
        await service.clock.advance(1)
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


async def test_a_message_tried_for_seven_days_fails_and_one_never_sent_gets_a_new_id(
    service: Service, store: Store
) -> None:
    week = 7 * 24 * 3600
    tried = store.outbox.add("01b21e00-0000-7000-8000-000000000000", BOB_ID, b"a", expires_in=None, queued_at_ms=0)  # type: ignore[arg-type]
    store.outbox.set_copies(tried.number, [])
    waiting = store.outbox.add("01b21e00-0000-7000-8000-000000000001", BOB_ID, b"b", expires_in=None, queued_at_ms=0)  # type: ignore[arg-type]
    service.clock._now += 20_000 * week
    async with service.client(store) as device:
        sent = await device.wait_for(waiting.number)
        assert sent.id != waiting.id
    assert store.outbox.read(tried.number).code == "id_too_old"


async def test_waiting_for_a_message_ends_with_the_client(service: Service, store: Store) -> None:
    service.answers["send"] = lambda *_: None
    async with service.client(store) as device:
        waiting = asyncio.create_task(device.send(BOB_ID, b"never"))
        await eventually(lambda: service.of_type("send"))
    with pytest.raises(DeviceStopped):
        await waiting
