"""Notices and one-time passwords on a device: stored once, acked, void when their app says so or their time is over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandes.crypto.seal import Kind, Void, notice_body, otp_body, void_body
from sandes.model.envelope import Envelope
from sandes.model.ids import AppId, MessageId, app_text, new_message_id
from sandes_client import MessageReceived, NoticeReceived, OtpReceived, Store, Voided
from sandes_client.events import Event
from sandes_client.store.database import _FIRST
from tests.unit.sdk.service import BOB, PASSPORTS, START_MS, Service, eventually, text_of

NOTICE = notice_body(text="Camp on Monday", category="alert", confidential=True, priority="high", language="en")
SOON = START_MS // 1000 + 300
OTP = otp_body(text="123456 is your code", code="123456", expires_at=SOON, purpose="login")


def void(*envelopes: Envelope, reason: Void = Void.USED) -> bytes:
    return void_body(tuple(MessageId(envelope.id[:16]) for envelope in envelopes), reason)


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


def receipts(service: Service) -> list[tuple[AppId | None, str, int]]:
    assert all(receipt.to is None for ack in service.acks for receipt in ack.receipts)
    return [(receipt.app, receipt.kind, len(receipt.ids)) for ack in service.acks for receipt in ack.receipts]


async def test_a_notice_is_stored_and_its_app_hears_that_it_was_delivered(service: Service, store: Store) -> None:
    envelope = service.store_from_app(Kind.NOTICE, NOTICE, name="Passport Seva")
    (notice,) = [e for e in await all_events(service, store) if isinstance(e, NoticeReceived)]
    assert (notice.id, notice.at_ms, notice.void) == (text_of(envelope.id), START_MS, None)
    assert (notice.app.app, notice.app.name) == (app_text(PASSPORTS), "Passport Seva")
    assert (notice.text, notice.category, notice.confidential) == ("Camp on Monday", "alert", True)
    assert (notice.priority, notice.language) == ("high", "en")
    assert "Camp" not in repr(notice)
    assert receipts(service) == [(PASSPORTS, "delivered", 1)]
    assert not service.stored


async def test_a_shown_notice_is_told_to_its_app_once(service: Service, store: Store) -> None:
    envelope = service.store_from_app(Kind.NOTICE, NOTICE)
    async with service.client(store) as device:
        await device.drained()
        await device.settled()
        for _ in range(2):
            device.mark_app_messages_read(app_text(PASSPORTS), [text_of(envelope.id)])  # type: ignore[list-item]
            await device.settled()
    assert receipts(service) == [(PASSPORTS, "delivered", 1), (PASSPORTS, "read", 1)]
    assert store.app_inbox.unshown(now_ms=START_MS) == []


async def test_a_code_is_stored_and_acked_without_any_receipt(service: Service, store: Store) -> None:
    envelope = service.store_from_app(Kind.OTP, OTP)
    async with service.client(store) as device:
        events = device.events()
        await device.drained()
        device.mark_app_messages_read(app_text(PASSPORTS), [text_of(envelope.id)])  # type: ignore[list-item]
        await device.settled()
    (otp,) = [event async for event in events if isinstance(event, OtpReceived)]
    assert (otp.code, otp.text, otp.expires_at, otp.purpose) == ("123456", "123456 is your code", SOON, "login")
    assert otp.void is None
    assert "123456" not in repr(otp)
    assert receipts(service) == []
    assert not service.stored


async def test_what_comes_twice_is_told_once_and_acked_again(service: Service, store: Store) -> None:
    notice, otp = service.store_from_app(Kind.NOTICE, NOTICE), service.store_from_app(Kind.OTP, OTP)
    control = service.store_from_app(Kind.CONTROL, void(otp))
    events = await all_events(service, store, notice, otp, control)
    kinds = sorted(type(e).__name__ for e in events if isinstance(e, NoticeReceived | OtpReceived | Voided))
    assert kinds in (["NoticeReceived", "OtpReceived"], ["NoticeReceived", "OtpReceived", "Voided"])
    acked = [id for ack in service.acks for id in ack.ids]
    assert {acked.count(envelope.id) for envelope in (notice, otp, control)} == {2}
    assert receipts(service) == [(PASSPORTS, "delivered", 1)]
    assert len(store.app_inbox.unshown(now_ms=START_MS)) == 2


async def test_a_code_turns_void_when_its_app_says_so(service: Service, store: Store) -> None:
    otp = service.store_from_app(Kind.OTP, OTP)
    async with service.client(store) as device:
        events = device.events()
        await device.drained()
        await device.settled()
        await service.push(service.store_from_app(Kind.CONTROL, void(otp, reason=Void.REPLACED)))
        await eventually(lambda: len(service.acks) == 2)
        await device.settled()
    told = [event async for event in events if isinstance(event, OtpReceived | Voided)]
    assert isinstance(told[0], OtpReceived)
    assert told[0].void is None
    assert told[1:] == [Voided(told[0].app.app, (told[0].id,), "replaced")]
    (stored,) = store.app_inbox.unshown(now_ms=START_MS)
    assert stored.received.void == "replaced"


async def test_a_code_that_comes_after_the_word_that_it_is_void_is_void(service: Service, store: Store) -> None:
    otp = service.store_from_app(Kind.OTP, OTP)
    del service.stored[otp.id]
    service.store_from_app(Kind.CONTROL, void(otp, reason=Void.CANCELLED))
    told = [e for e in await all_events(service, store, otp) if isinstance(e, OtpReceived | Voided)]
    assert [(type(event), event.void) for event in told if isinstance(event, OtpReceived)] == [
        (OtpReceived, "cancelled")
    ]
    assert len(told) == 1, "nobody was shown it, so nobody need hear that it is void"


async def test_another_app_cannot_void_a_code(service: Service, store: Store) -> None:
    otp = service.store_from_app(Kind.OTP, OTP)
    other = service.store_from_app(Kind.CONTROL, void(otp), app=AppId(b"imposter"), name="Passports")
    assert not [e for e in await all_events(service, store, other) if isinstance(e, Voided)]
    (stored,) = store.app_inbox.unshown(now_ms=START_MS)
    assert stored.received.void is None


async def test_a_code_past_its_time_is_void(service: Service, store: Store) -> None:
    service.store_from_app(Kind.OTP, OTP)
    await all_events(service, store)
    assert [s.received.void for s in store.app_inbox.unshown(now_ms=SOON * 1000 - 1)] == [None]
    assert [s.received.void for s in store.app_inbox.unshown(now_ms=SOON * 1000)] == ["expired"]
    service.store_from_app(Kind.OTP, otp_body(text="t", code="1", expires_at=START_MS // 1000, purpose="login"))
    (late,) = [e for e in await all_events(service, store) if isinstance(e, OtpReceived)]
    assert late.void == "expired"


async def test_a_recalled_notice_is_void(service: Service, store: Store) -> None:
    notice = service.store_from_app(Kind.NOTICE, NOTICE)
    await all_events(service, store, service.store_from_app(Kind.CONTROL, void(notice, reason=Void.RECALLED)))
    assert [stored.received.void for stored in store.app_inbox.unshown(now_ms=START_MS)] == ["recalled"]


async def test_an_app_and_an_account_of_the_same_id_and_message_are_kept_apart(service: Service, store: Store) -> None:
    id = new_message_id(START_MS)
    message = service.store(b"from bob", id=id)
    bytes_of_bob = AppId(bytes(BOB))
    notice = service.store_from_app(Kind.NOTICE, NOTICE, id=id, app=bytes_of_bob)
    events = await all_events(service, store, message, notice)
    assert {type(e) for e in events if isinstance(e, MessageReceived | NoticeReceived)} == {
        MessageReceived,
        NoticeReceived,
    }
    told = {(r.to, r.app) for ack in service.acks for r in ack.receipts}
    assert told == {(BOB, None), (None, bytes_of_bob)}


async def test_what_an_app_sends_that_cannot_be_read_is_acked_and_the_rest_arrives(
    service: Service, store: Store
) -> None:
    rubbish = [service.store_from_app(kind, b"\xa0") for kind in (Kind.NOTICE, Kind.OTP, Kind.CONTROL)]
    service.store_from_app(Kind.NOTICE, NOTICE)
    events = await all_events(service, store)
    assert len([e for e in events if isinstance(e, NoticeReceived | OtpReceived | Voided)]) == 1
    assert {envelope.id for envelope in rubbish} < {id for ack in service.acks for id in ack.ids}


async def test_a_profile_of_an_earlier_release_goes_on(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(_FIRST)
    old.execute("INSERT INTO messages VALUES (1, 'bbbbbbbbbbbba', 'm', 1, 'public', 'aaaaaaaaaaaaa', 5, x'6f6c64', 0)")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    store = service.profile(path)
    service.store_from_app(Kind.NOTICE, NOTICE)
    await all_events(service, store)
    assert [stored.received.body for stored in store.inbox.unshown()] == [b"old"]
    assert len(store.app_inbox.unshown(now_ms=START_MS)) == 1
    store.close()


def test_voids_are_forgotten_only_when_nothing_can_come_any_more(store: Store) -> None:
    app, day = app_text(PASSPORTS), 24 * 3600 * 1000
    id = text_of(new_message_id(START_MS))
    store.app_inbox.void(app, [id], "used", now_ms=START_MS)  # type: ignore[arg-type,list-item]
    count = "SELECT count(*) FROM voids"
    for after, left in ((31 * day, 1), (31 * day + 1, 0)):
        store.app_inbox.forget_voids(now_ms=START_MS + after)
        other = sqlite3.connect(store.path)
        assert other.execute(count).fetchone() == (left,)
        other.close()
