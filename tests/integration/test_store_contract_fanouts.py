"""Tests the stores of posts and of bodies that are stored once, on moto and on the engine."""

from __future__ import annotations

import secrets
from dataclasses import replace

from sandes.model.envelope import Envelope, envelope_id
from sandes.model.fanout import ChunkDone, FanoutRecord
from sandes.model.ids import EnvelopeId, InboxId, new_body_id, new_inbox_id, new_message_id
from sandes.store.fanouts import FanoutStore
from tests.support.service import Service


def posts(backend: Service) -> FanoutStore:
    return FanoutStore(backend.client, backend.tables["deliveries"])


def record(backend: Service, **changed: int) -> FanoutRecord:
    return replace(FanoutRecord(backend.now_ms, backend.now_ms // 1000 + 60, device=3, members=40), **changed)  # type: ignore[arg-type]


def envelopes(backend: Service, count: int) -> list[Envelope]:
    message = new_message_id(backend.now_ms)
    return [
        Envelope(
            inbox=new_inbox_id(),
            id=envelope_id(message, number.to_bytes(8, "big")),
            seal_key_number=1,
            service_key=1,
            expires_at=backend.now_ms // 1000 + 60 + number,
            accepted_at_ms=backend.now_ms,
            sealed=secrets.token_bytes(300),
        )
        for number in range(count)
    ]


def test_of_a_post_the_first_record_stands_with_what_was_noted_in_it(store_backend: Service) -> None:
    store, post, now = posts(store_backend), secrets.token_urlsafe(16), store_backend.now_ms // 1000
    first = record(store_backend)
    assert store.begin(post, first, keep_until=now + 100) == first
    later = record(store_backend, at_ms=first.at_ms + 5_000, members=41)
    assert store.begin(post, later, keep_until=now + 100) == first
    chunks = (b"a" * 12, b"b" * 12)
    store.planned(post, chunks)
    assert store.begin(post, later, keep_until=now + 100) == replace(first, chunks=chunks)
    store.delivered(post, ChunkDone(7, 2))
    stands = store.begin(post, later, keep_until=now + 100)
    assert (stands.delivered, stands.is_under_way, first.is_under_way) == ((7, 2), True, False)


def test_chunks_that_are_done_are_counted_with_their_post_until_both_expire(store_backend: Service) -> None:
    store, post, now = posts(store_backend), secrets.token_urlsafe(16), store_backend.now_ms // 1000
    assert store.read(post, now_seconds=now) is None
    first = store.begin(post, record(store_backend), keep_until=now + 100)
    done = {bytes([number]) * 12: ChunkDone(number, number // 2) for number in range(30)}
    for chunk, counts in done.items():
        assert not store.is_done(post, chunk)
        store.finish(post, chunk, counts, keep_until=now + 100)
        assert store.is_done(post, chunk)
    assert store.read(post, now_seconds=now + 99) == (first, done)
    assert store.read(post, now_seconds=now + 100) is None


def test_any_number_of_envelopes_are_put_whether_or_not_they_stand(store_backend: Service) -> None:
    made, inbox = envelopes(store_backend, 60), store_backend.inbox
    now = store_backend.now_ms // 1000
    inbox.put_many(made[:30])
    again = [replace(envelope, sealed=b"again" * 20) for envelope in made]
    inbox.put_many(again)
    rows = [(envelope.inbox, envelope.id) for envelope in made]
    assert {one.id: one for one in inbox.waiting(rows, now_seconds=now)} == {one.id: one for one in again}
    inbox.put_many([])


def test_rows_that_wait_are_counted_without_the_expired_the_acked_and_those_that_never_were(
    store_backend: Service,
) -> None:
    made, inbox, now = envelopes(store_backend, 120), store_backend.inbox, store_backend.now_ms // 1000
    inbox.put_many(made)
    inbox.remove(made[5].inbox, [made[5].id])
    rows = [(envelope.inbox, envelope.id) for envelope in made]
    rows += [(InboxId(bytes(16)), EnvelopeId(b"x" * 24)), rows[7]]
    assert inbox.count_waiting(rows, now_seconds=now) == 119
    assert inbox.count_waiting(rows, now_seconds=now + 60 + 9) == 110
    assert inbox.count_waiting([], now_seconds=now) == 0


def test_a_body_is_there_until_it_expires_and_in_no_ones_inbox(store_backend: Service) -> None:
    inbox, id, now = store_backend.inbox, new_body_id(), store_backend.now_ms // 1000
    assert inbox.body(id, now_seconds=now) is None
    inbox.put_body(id, b"ciphertext", expires_at=now + 60)
    assert inbox.body(id, now_seconds=now + 59) == b"ciphertext"
    assert inbox.body(id, now_seconds=now + 60) is None
