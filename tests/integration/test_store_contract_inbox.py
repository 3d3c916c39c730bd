"""Tests what use cases rely on in the inbox table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandes.model.envelope import Envelope, envelope_id
from sandes.model.ids import EnvelopeId, InboxId, new_inbox_id, new_message_id
from sandes.store import dynamo, transaction
from sandes.store.dynamo import BATCH_TRIES, StoreUnavailable
from sandes.store.inbox import InboxStore, _item
from tests.support.dynamodb import FlakyClient
from tests.support.service import Service


def envelopes(service: Service, inbox: InboxId, how_many: int, *, sealed: bytes = b"x" * 60) -> list[Envelope]:
    """Make envelopes in the order of their messages, each a millisecond after the previous one."""
    now_ms = service.now_ms
    return [
        Envelope(
            inbox,
            envelope_id(new_message_id(now_ms - how_many + number), number.to_bytes(8, "big")),
            1,
            1,
            now_ms // 1000 + 3_600,
            now_ms,
            sealed,
        )
        for number in range(how_many)
    ]


def stored(service: Service, inbox: InboxId, *, later_seconds: int = 0) -> list[Envelope]:
    pages = service.inbox.pages(inbox, now_seconds=service.now_ms // 1000 + later_seconds)
    return [envelope for page in pages for envelope in page]


def pending(service: Service, inbox: InboxId, *, later_seconds: int = 0) -> int:
    return service.inbox.pending(inbox, now_seconds=service.now_ms // 1000 + later_seconds)


@pytest.fixture
def inbox() -> InboxId:
    return new_inbox_id()


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the sleeps of stores, and return the list of their durations."""
    slept: list[float] = []
    whole = dynamo.waits
    for module in (dynamo, transaction):
        monkeypatch.setattr(module, "waits", lambda **more: whole(slept.append, **more))
    return slept


def test_an_envelope_comes_back_as_it_was_stored(store_backend: Service, inbox: InboxId) -> None:
    (envelope,) = envelopes(store_backend, inbox, 1)
    assert store_backend.inbox.add([envelope]) == [envelope]
    assert stored(store_backend, inbox) == [envelope]


def test_rows_that_are_no_envelopes_do_not_keep_the_others_from_the_device(
    store_backend: Service, inbox: InboxId
) -> None:
    """Otherwise somebody who can write into the table could stop all delivery to an inbox with one row."""
    given = envelopes(store_backend, inbox, 2)
    store_backend.inbox.add(given)
    table = store_backend.tables["inbox"]
    key: dict[str, Any] = {"i": {"B": inbox}, "m": {"B": bytes(24)}}
    row = _item(given[0])
    wrong: dict[str, dict[str, Any]] = {
        "k": {"S": "one"},
        "x": {"N": str(2**64)},
        "b": {"S": "text"},
        "t": {"BOOL": True},
        "s": {"B": b"1"},
    }
    store_backend.client.put_item(TableName=table, Item=key)
    store_backend.client.put_item(TableName=table, Item=row | {"m": {"B": b"short"}})
    for number, (name, value) in enumerate(wrong.items()):
        store_backend.client.put_item(TableName=table, Item=row | {"m": {"B": bytes([number] * 24)}, name: value})
    store_backend.client.put_item(TableName=table, Item=row | {"m": {"B": b"f" * 24}, "s": {"N": "256"}})
    found = stored(store_backend, inbox)
    assert [envelope for envelope in found if envelope.service_key] == given
    (nameless,) = [envelope for envelope in found if envelope.service_key is None]
    assert len(nameless.header) == 45  # of the former format, which devices refuse


def test_adding_one_again_changes_nothing_and_gives_back_the_first(store_backend: Service, inbox: InboxId) -> None:
    (first,) = envelopes(store_backend, inbox, 1)
    store_backend.inbox.add([first])
    again = replace(first, accepted_at_ms=first.accepted_at_ms + 1, sealed=b"other", expires_at=first.expires_at + 1)
    assert store_backend.inbox.add([again]) == [first]
    assert stored(store_backend, inbox) == [first]


def one_each(service: Service, how_many: int) -> list[Envelope]:
    return [envelopes(service, new_inbox_id(), 1)[0] for _ in range(how_many)]


def test_a_retry_of_several_leaves_what_stands_and_adds_what_does_not(store_backend: Service) -> None:
    new = one_each(store_backend, 3)
    assert store_backend.inbox.add(new) == new
    store_backend.inbox.remove(new[0].inbox, [new[0].id])
    again = [replace(envelope, sealed=b"other") for envelope in new]
    now = [again[0], new[1], new[2]]
    assert store_backend.inbox.add(again) == now
    assert [stored(store_backend, envelope.inbox) for envelope in new] == [[envelope] for envelope in now]


def test_several_that_cannot_all_be_stored_are_not_stored_at_all(store_backend: Service) -> None:
    """One of them is too large for DynamoDB. Separate puts would store the others."""
    small, large = one_each(store_backend, 2)
    with pytest.raises(ClientError):
        store_backend.inbox.add([small, replace(large, sealed=bytes(420_000))])
    assert stored(store_backend, small.inbox) == []


def test_envelopes_come_in_the_order_of_their_messages(store_backend: Service, inbox: InboxId) -> None:
    given = envelopes(store_backend, inbox, 5)
    for envelope in reversed(given):
        store_backend.inbox.add([envelope])
    assert stored(store_backend, inbox) == given


def fill(service: Service, given: list[Envelope]) -> None:
    """Put rows without the condition, 25 in each call, as if `add` had stored them long ago."""
    adding = service.inbox.adding
    for start in range(0, len(given), 25):
        requests: Any = [{"PutRequest": {"Item": adding(envelope).item}} for envelope in given[start : start + 25]]
        dynamo.batch_write(service.client, service.tables["inbox"], requests)


def test_pages_go_on_past_a_hundred_rows(store_backend: Service, inbox: InboxId) -> None:
    given = envelopes(store_backend, inbox, 250)
    fill(store_backend, given)
    assert stored(store_backend, inbox) == given
    assert pending(store_backend, inbox) == 100


def test_pages_go_on_past_a_megabyte(store_backend: Service, inbox: InboxId) -> None:
    given = envelopes(store_backend, inbox, 30, sealed=bytes(60_000))
    fill(store_backend, given)
    pages = list(store_backend.inbox.pages(inbox, now_seconds=store_backend.now_ms // 1000))
    assert len(pages) > 1
    assert [envelope.id for page in pages for envelope in page] == [envelope.id for envelope in given]


def test_a_row_counts_until_the_second_before_it_expires(store_backend: Service, inbox: InboxId) -> None:
    (envelope,) = envelopes(store_backend, inbox, 1)
    store_backend.inbox.add([envelope])
    for later_seconds, counts in ((3_599, 1), (3_600, 0), (3_601, 0)):
        assert len(stored(store_backend, inbox, later_seconds=later_seconds)) == counts
        assert pending(store_backend, inbox, later_seconds=later_seconds) == counts


def test_what_waits_behind_pages_of_expired_rows_is_found_and_counted(store_backend: Service, inbox: InboxId) -> None:
    """TTL deletes days late, so a full first page may have only expired rows."""
    given = envelopes(store_backend, inbox, 230)
    old = [replace(envelope, expires_at=envelope.expires_at - 1_800) for envelope in given[:220]]
    fill(store_backend, old + given[220:])
    assert stored(store_backend, inbox, later_seconds=1_800) == given[220:]
    assert pending(store_backend, inbox, later_seconds=1_800) > 0


def test_expired_rows_are_deleted_and_one_written_again_meanwhile_stays(store_backend: Service, inbox: InboxId) -> None:
    given = envelopes(store_backend, inbox, 230)
    fill(store_backend, given)
    now = store_backend.now_ms // 1000 + 3_600
    expired: list[EnvelopeId] = []
    assert list(store_backend.inbox.pages(inbox, now_seconds=now, expired=expired)) == [[], []]
    assert expired == [envelope.id for envelope in given]
    again = replace(given[7], expires_at=given[7].expires_at + 60)
    fill(store_backend, [again])
    assert store_backend.inbox.remove_expired(inbox, expired, now_seconds=now) == 130
    assert stored(store_backend, inbox) == [*given[:7], again, *given[8:100]]
    met_again = [envelope.id for envelope in given[:100] if envelope.id != again.id]
    assert store_backend.inbox.remove_expired(inbox, met_again, now_seconds=now) == 99
    assert store_backend.inbox.remove_expired(inbox, expired[:1], now_seconds=now) == 1  # gone already
    assert stored(store_backend, inbox) == [again]


def test_inboxes_are_apart(store_backend: Service, inbox: InboxId) -> None:
    given = envelopes(store_backend, inbox, 2)
    fill(store_backend, given)
    assert stored(store_backend, new_inbox_id()) == []
    store_backend.inbox.remove(new_inbox_id(), [envelope.id for envelope in given])
    assert stored(store_backend, inbox) == given


@pytest.mark.parametrize("how_many", [0, 1, 2, 25, 26, 100])
def test_removing_forgets_these_and_no_others(store_backend: Service, inbox: InboxId, how_many: int) -> None:
    given = envelopes(store_backend, inbox, 101)
    fill(store_backend, given)
    ids = [envelope.id for envelope in given[:how_many]]
    store_backend.inbox.remove(inbox, [*ids, *ids[:1]])
    assert stored(store_backend, inbox) == given[how_many:]
    store_backend.inbox.remove(inbox, [*ids, EnvelopeId(b"\xff" * 24)])
    assert stored(store_backend, inbox) == given[how_many:]


# Half-done and refused work


def flaky_inbox(service: Service, **failures: int) -> tuple[InboxStore, Any]:
    client: Any = FlakyClient(service.client, failures)
    return InboxStore(client, service.tables["inbox"]), client


def test_deletes_left_undone_are_asked_for_again_with_growing_waits(
    store_backend: Service, inbox: InboxId, no_waits: list[float]
) -> None:
    given = envelopes(store_backend, inbox, 10)
    fill(store_backend, given)
    store, client = flaky_inbox(store_backend, batch_write_item=4)
    store.remove(inbox, [envelope.id for envelope in given])
    assert stored(store_backend, inbox) == []
    assert client.calls == ["batch_write_item"] * 5
    assert len(no_waits) == 4
    assert all(0 <= wait <= 0.025 * 2**number for number, wait in enumerate(no_waits))


def test_deletes_that_stay_undone_are_an_error(store_backend: Service, inbox: InboxId, no_waits: list[float]) -> None:
    given = envelopes(store_backend, inbox, 20)
    fill(store_backend, given)
    store, client = flaky_inbox(store_backend, batch_write_item=BATCH_TRIES)
    with pytest.raises(StoreUnavailable):
        store.remove(inbox, [envelope.id for envelope in given])
    assert len(client.calls) == BATCH_TRIES
    assert len(stored(store_backend, inbox)) == 20 - BATCH_TRIES


def test_a_transaction_in_conflict_is_tried_again_as_a_whole(store_backend: Service, no_waits: list[float]) -> None:
    new = one_each(store_backend, 2)
    store, client = flaky_inbox(store_backend, transact_write_items=3)
    assert store.add(new) == new
    assert client.calls.count("transact_write_items") == 4
    assert [len(stored(store_backend, envelope.inbox)) for envelope in new] == [1, 1]
    assert len(no_waits) == 3


def test_a_transaction_that_stays_in_conflict_is_an_error_and_stores_nothing(
    store_backend: Service, no_waits: list[float]
) -> None:
    new = one_each(store_backend, 2)
    store, _ = flaky_inbox(store_backend, transact_write_items=BATCH_TRIES)
    with pytest.raises(StoreUnavailable):
        store.add(new)
    assert [stored(store_backend, envelope.inbox) for envelope in new] == [[], []]
    assert len(no_waits) == BATCH_TRIES - 1


@pytest.mark.parametrize("method", ["put_item", "query", "delete_item"])
def test_throttling_is_not_taken_for_a_failed_condition_or_an_empty_inbox(
    store_backend: Service, inbox: InboxId, method: str
) -> None:
    (envelope,) = envelopes(store_backend, inbox, 1)
    store, _ = flaky_inbox(store_backend, **{method: 1})
    calls: dict[str, Any] = {
        "put_item": lambda: store.add([envelope]),
        "query": lambda: list(store.pages(inbox, now_seconds=0)),
        "delete_item": lambda: store.remove(inbox, [envelope.id]),
    }
    with pytest.raises(ClientError) as caught:
        calls[method]()
    assert caught.value.response["Error"]["Code"] == "ProvisionedThroughputExceededException"
