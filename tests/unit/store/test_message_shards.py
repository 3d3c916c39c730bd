"""Tests that an app's messages are spread over partitions, and listed as if they were in one."""

from __future__ import annotations

from collections import Counter

import pytest

from sandes.model.delivery import AppMessage, Envelopes, Status
from sandes.model.ids import AccountId, AppId, MessageId, message_text, new_message_id
from sandes.store.deliveries import MESSAGE_SHARDS, DeliveryStore
from tests.support.dynamodb import memory_dynamodb

NOW = 1_790_000_000
APP = AppId(b"an app..")


def message(id: MessageId) -> AppMessage:
    return AppMessage(
        app=APP,
        id=id,
        status=Status.ACCEPTED,
        account=AccountId(b"account."),
        envelopes=Envelopes(()),
        deadline=NOW + 1000,
        category="service",
        language="en",
        template=None,
        client_ref=None,
        batch=None,
        failure=None,
        test=False,
        group=None,
        to=None,
        times_ms={Status.ACCEPTED: NOW * 1000},
    )


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_messages_share_no_partition_and_are_listed_newest_first(limit: int) -> None:
    ids = [new_message_id(NOW * 1000 + n // 3, bytes([0] * 9 + [n * 37 % 256])) for n in range(60)]
    client, tables, _ = memory_dynamodb()
    store = DeliveryStore(client, tables["deliveries"])
    for id in ids:
        client.put_item(**store.creating(message(id)).parameters())
    partitions = Counter(item["p"]["S"] for item in client.scan(TableName=tables["deliveries"])["Items"])
    assert len(partitions) == MESSAGE_SHARDS
    assert max(partitions.values()) <= 60 / MESSAGE_SHARDS + 2
    assert all(store.message(APP, id, now_seconds=NOW) for id in ids)
    found: list[str] = []
    before = None
    while True:
        page, before = next(store.message_pages(APP, before=before, limit=limit, now_seconds=NOW))
        assert len(page) <= limit
        found += [message_text(one.id) for one in page]
        if before is None:
            break
    assert found == sorted(map(message_text, ids), reverse=True)
    whole = [one.id for page, _ in store.message_pages(APP, before=None, limit=limit, now_seconds=NOW) for one in page]
    assert [message_text(id) for id in whole] == found
    assert next(store.due((NOW + 1000) // 3600, now_seconds=NOW + 2000))[0].app == APP
