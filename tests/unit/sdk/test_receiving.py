"""Receiving: stored before acked, shown once, never stuck."""

from __future__ import annotations

import io
import sqlite3
from contextlib import redirect_stdout

import pytest
import typer

from sandes.model.ids import account_text
from sandes_client import DeviceClient, MessageReceived, State, Store
from sandes_client.cli.inbox import show_unshown
from sandes_client.cli.session import failures_as_lines
from tests.unit.sdk.service import BOB, START_MS, Service, eventually, refusal, settle, text_of

BOB_ID = account_text(BOB)


async def next_message(device: DeviceClient) -> MessageReceived:
    async for event in device.events():
        if isinstance(event, MessageReceived):
            return event
    raise AssertionError("the client stopped")


async def test_a_stored_message_arrives_after_hello_and_is_acked_with_a_delivered_receipt(
    service: Service, store: Store
) -> None:
    envelope = service.store("नमस्ते".encode())
    async with service.client(store) as device:
        message = await next_message(device)
        await device.settled()
    assert message.body == "नमस्ते".encode()
    assert (message.sender.account, message.sender.device) == (BOB_ID, 1)
    assert (message.id, message.at_ms, message.sender_class) == (text_of(envelope.id), START_MS, "public")
    (ack,) = service.acks
    assert ack.ids == (envelope.id,)
    assert [(account_text(r.to), r.kind, len(r.ids)) for r in ack.receipts] == [(BOB_ID, "delivered", 1)]


async def test_no_ack_leaves_for_a_message_that_could_not_be_stored(
    service: Service, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = service.store(b"precious")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store.inbox, "add", full)
        async with service.client(store) as device:
            await eventually(lambda: "close 0" in service.log)
            assert not service.acks
            assert envelope.id in service.stored
            assert store.inbox.next_acks() is None
            await eventually(lambda: device.state is State.STORE_FAILED)
            patched.undo()
            await settle()
            await service.clock.advance(8)
            assert (await next_message(device)).body == b"precious"
            await device.settled()
    assert [ack.ids for ack in service.acks] == [(envelope.id,)]


async def test_the_message_is_on_disk_when_its_ack_arrives(service: Service, store: Store) -> None:
    on_disk: list[int] = []

    def look(_: object, frame: dict[str, object]) -> dict[str, object]:
        other = sqlite3.connect(store.path)
        on_disk.append(other.execute("SELECT count(*) FROM messages").fetchone()[0])
        other.close()
        return {"type": "acked", "ids": frame["ids"]}

    service.answers["ack"] = look
    service.store(b"precious")
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
    assert on_disk == [1]


async def test_a_message_that_comes_twice_is_shown_once_and_acked_again(service: Service, store: Store) -> None:
    async with service.client(store) as device:
        await device.connected()
        events = device.events()
        envelope = service.store(b"once")
        await service.push(envelope)
        await eventually(lambda: len(service.acks) == 1)
        await service.push(envelope)
        await eventually(lambda: len(service.acks) == 2)
        await device.settled()
    assert len([event async for event in events if isinstance(event, MessageReceived)]) == 1
    assert [ack.ids for ack in service.acks] == [(envelope.id,), (envelope.id,)]
    assert not service.acks[1].receipts


async def test_a_message_seen_by_an_earlier_run_is_not_shown_again(service: Service, store: Store) -> None:
    envelope = service.store(b"once")
    async with service.client(store) as device:
        await next_message(device)
    service.stored[envelope.id] = envelope
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
    assert len(store.inbox.unshown()) == 1
    assert not service.stored


async def test_what_was_seen_is_remembered_for_seven_days(service: Service, store: Store) -> None:
    day = 24 * 3600 * 1000
    message, sender = text_of(service.store(b"").id), BOB_ID
    assert store.inbox.is_new(sender, message, now_ms=START_MS)  # type: ignore[arg-type]
    store.inbox.forget_seen(now_ms=START_MS + 7 * day)
    assert not store.inbox.is_new(sender, message, now_ms=START_MS)  # type: ignore[arg-type]
    store.inbox.forget_seen(now_ms=START_MS + 7 * day + 1)
    assert store.inbox.is_new(sender, message, now_ms=START_MS)  # type: ignore[arg-type]


async def test_an_envelope_that_cannot_be_opened_is_acked_and_the_others_arrive(service: Service, store: Store) -> None:
    rubbish = service.store_rubbish()
    other = service.store(b"fine")
    async with service.client(store) as device:
        assert (await next_message(device)).body == b"fine"
        await device.settled()
    assert {id for ack in service.acks for id in ack.ids} == {rubbish, other.id}


async def test_a_message_to_another_account_is_not_shown(service: Service, store: Store) -> None:
    service.store(b"misled", to=BOB)
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
    assert store.inbox.unshown() == []
    assert not service.stored


async def test_many_envelopes_are_acked_in_frames_of_at_most_100_ids(service: Service, store: Store) -> None:
    for number in range(250):
        service.store(str(number).encode())
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
    assert max(len(ack.ids) for ack in service.acks) <= 100
    assert len({id for ack in service.acks for id in ack.ids}) == 250
    assert len(service.acks) <= 10
    assert len(store.inbox.unshown()) == 250


async def test_more_after_a_drain_is_answered_by_acks_and_then_a_sync(service: Service, store: Store) -> None:
    later = service.store(b"second")
    first = service.store(b"first")

    def half(connected: object, frame: dict[str, object]) -> None:
        async def answer() -> None:
            presence = {"server_time": START_MS, "epoch": 1, "inbox": {"pending": 2}, "reconnect_after": 6300}
            keys = {"service_keys": service.introduced()}
            await service.connections[0].post({"type": "welcome", "ref": frame["ref"], **presence, **keys})
            await service.push(first)
            await service.connections[0].post({"type": "drained", "ref": frame["ref"], "more": True})

        background.spawn(answer())

    async with service.client(store) as device:
        background = device
        service.answers["hello"] = half
        service.answers["ack"] = lambda *_: None
        await eventually(lambda: service.of_type("ack"))
        await settle()
        assert not service.of_type("sync"), "what came is not acked yet"
        del service.answers["ack"]
        service.stored.pop(first.id)
        await service.connections[0].post({"type": "acked", "ref": service.of_type("ack")[0]["ref"], "ids": []})
        await device.drained()
        await device.settled()
    assert len(service.of_type("sync")) == 1
    assert [ack.ids for ack in service.acks] == [(later.id,)]


async def test_acks_are_kept_back_while_auto_ack_is_off(service: Service, store: Store) -> None:
    service.store(b"held")
    async with service.client(store, auto_ack=False) as device:
        await next_message(device)
        await settle()
        assert not service.acks
        await device.low_level.flush_acks()
        assert len(service.acks) == 1


async def test_an_unanswered_ack_is_repeated_on_the_next_socket(service: Service, store: Store) -> None:
    envelope = service.store(b"once")
    service.answers["ack"] = lambda *_: None
    async with service.client(store) as device:
        await eventually(lambda: service.of_type("ack"))
        del service.answers["ack"]
        service.stored.clear()
        device.low_level.drop()
        await eventually(lambda: device.state is State.WAITING)
        await service.clock.advance(8)
        await device.settled()
    assert [ack.ids for ack in service.acks] == [(envelope.id,)]
    assert service.acks[0].receipts


async def test_an_ack_over_the_limit_is_repeated_after_the_wait(service: Service, store: Store) -> None:
    service.store(b"busy")
    service.answers["ack"] = lambda *_: refusal("rate_limited", retry_after=4)
    async with service.client(store) as device:
        await eventually(lambda: service.clock.waiting(4))
        del service.answers["ack"]
        await service.clock.advance(4)
        await device.settled()
    assert not service.stored


async def test_a_shown_message_is_told_to_its_author_once(service: Service, store: Store) -> None:
    service.store(b"read me")
    async with service.client(store) as device:
        message = await next_message(device)
        await device.settled()
        device.mark_read(message.sender.account, [message.id])
        await device.settled()
        device.mark_read(message.sender.account, [message.id])
        await device.settled()
    read = [receipt for ack in service.acks for receipt in ack.receipts if receipt.kind == "read"]
    assert len(read) == 1
    assert store.inbox.unshown() == []


class Closing(io.StringIO):
    """A pipe whose reader goes away after so many lines."""

    left = 1

    def write(self, text: str) -> int:
        if "\n" in text:
            self.left -= 1
        if self.left < 0:
            raise BrokenPipeError
        return super().write(text)


async def test_what_nobody_could_read_is_not_marked_as_read(service: Service, store: Store) -> None:
    for text in (b"one", b"two", b"three"):
        service.store(text)
    async with service.client(store) as device:
        await device.drained()
        shown = Closing()
        with redirect_stdout(shown), pytest.raises(typer.Exit) as ended, failures_as_lines():
            await show_unshown(device)
    assert ended.value.exit_code == 0
    assert shown.getvalue().endswith("one\n")
    assert [message.received.body for message in store.inbox.unshown()] == [b"two", b"three"]
