"""Tests the store of statistics on moto and on the engine's DynamoDB."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandes.model.ids import new_organisation_id, parse_organisation
from sandes.model.statistics import KEEP_SECONDS, Batch, Counted, Depth, hour_of, organisation_scope, period
from sandes.store.dynamo import StoreUnavailable
from sandes.store.schema import StatisticRow
from sandes.store.statistics import QUEUES_KEEP_SECONDS, ROWS_AT_ONCE, TALLY_PREFIX, StatisticsStore
from tests.support.dynamodb import FlakyClient
from tests.support.service import Service


@pytest.fixture
def store(store_backend: Service) -> StatisticsStore:
    return StatisticsStore(store_backend.client, store_backend.tables["statistics"])


@pytest.fixture
def scope() -> str:
    """Return the scope of an organisation for which nobody else counts."""
    return organisation_scope(new_organisation_id())


def new_batch() -> Batch:
    return Batch("test", secrets.token_hex(8), secrets.token_hex(8))


def all_of(store: StatisticsStore, scope: str) -> dict[str, dict[str, int]]:
    return store.read(scope, "day#", "hour#~")


def test_a_batch_is_added_to_hours_and_days(store: StatisticsStore, scope: str, store_backend: Service) -> None:
    now = store_backend.now_ms // 1000
    hour = hour_of(now) - hour_of(now) % 24
    counts = {Counted(scope, hour, "otps"): 2, Counted(scope, hour + 1, "otps"): 3, Counted(scope, hour, "active"): 1}
    assert store.add_once(new_batch(), counts, now_seconds=now)
    assert all_of(store, scope) == {
        period("day", hour): {"otps": 5, "active": 1},
        period("hour", hour): {"otps": 2, "active": 1},
        period("hour", hour + 1): {"otps": 3},
    }


def test_the_same_batch_by_many_at_once_counts_once_and_different_ones_all_count(
    store: StatisticsStore, scope: str, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    counts, same = {Counted(scope, hour_of(now), "otps"): 1}, new_batch()

    def add(batch: Batch) -> bool:
        for _ in range(20):
            try:
                return store.add_once(batch, counts, now_seconds=now)
            except StoreUnavailable:  # too many changes of the same row: the batch comes again, as with Lambda
                continue
        raise AssertionError("unavailable for good")

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(add, [same] * 6)) == [False] * 5 + [True]
        assert all(pool.map(add, [new_batch() for _ in range(6)]))
    assert all_of(store, scope)[period("day", hour_of(now))] == {"otps": 7}


def test_a_batch_of_more_rows_than_a_transaction_takes_is_added_whole(
    store: StatisticsStore, store_backend: Service
) -> None:
    now, batch = store_backend.now_ms // 1000, new_batch()
    scopes = [organisation_scope(new_organisation_id()) for _ in range(ROWS_AT_ONCE)]  # two rows each
    counts = {Counted(scope, hour_of(now), "otps"): 1 for scope in scopes}
    assert store.add_once(batch, counts, now_seconds=now)
    assert not store.add_once(batch, counts, now_seconds=now)
    assert [len(all_of(store, scope)) for scope in scopes] == [2] * len(scopes)
    assert {total["otps"] for scope in scopes for total in all_of(store, scope).values()} == {1}


def test_a_conflict_is_tried_again_and_nothing_counts_twice(scope: str, store_backend: Service) -> None:
    client, now = FlakyClient(store_backend.client, {"transact_write_items": 2}), store_backend.now_ms // 1000
    store = StatisticsStore(client, store_backend.tables["statistics"])  # type: ignore[arg-type]  # of a client, what it uses
    assert store.add_once(new_batch(), {Counted(scope, hour_of(now), "otps"): 4}, now_seconds=now)
    assert client.calls == ["transact_write_items"] * 3
    assert {counts["otps"] for counts in all_of(store, scope).values()} == {4}


def test_only_the_periods_asked_for_are_read_both_ends_included(
    store: StatisticsStore, scope: str, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    hour = hour_of(now)
    store.add_once(new_batch(), {Counted(scope, hour + n, "otps"): 1 for n in range(5)}, now_seconds=now)
    found = store.read(scope, period("hour", hour + 1), period("hour", hour + 3))
    assert list(found) == [period("hour", hour + n) for n in (1, 2, 3)]


def test_counts_are_kept_for_four_hundred_days(store: StatisticsStore, scope: str, store_backend: Service) -> None:
    now = store_backend.now_ms // 1000
    store.add_once(new_batch(), {Counted(scope, hour_of(now), "otps"): 1}, now_seconds=now)
    key = {StatisticRow.SCOPE: {"S": scope}, StatisticRow.PERIOD: {"S": period("day", hour_of(now))}}
    row = store.client.get_item(TableName=store.table, Key=key)["Item"]
    assert int(row[StatisticRow.EXPIRES_AT]["N"]) == now + KEEP_SECONDS


def test_a_tally_is_one_row_that_names_organisations_and_numbers_only(
    store: StatisticsStore, store_backend: Service
) -> None:
    ministry, now = new_organisation_id(), store_backend.now_ms // 1000
    store.put_tally({(ministry, 7, "active"): 3, (None, 7, "active"): 2}, now_seconds=now)
    rows = [
        item
        for page in store.client.get_paginator("scan").paginate(TableName=store.table)
        for item in page["Items"]
        if item[StatisticRow.SCOPE]["S"].startswith(TALLY_PREFIX)
    ]
    entries = [entry for row in rows for entry in json.loads(row[StatisticRow.TALLY]["S"])]
    assert [None, 7, "active", 2] in entries
    assert ministry in {parse_organisation(entry[0]) for entry in entries if entry[0]}
    assert set(rows[0]) == {StatisticRow.SCOPE, StatisticRow.PERIOD, StatisticRow.TALLY, StatisticRow.EXPIRES_AT}


def test_depths_replace_each_other_and_are_unknown_after_an_hour(
    store: StatisticsStore, store_backend: Service
) -> None:
    now_ms = store_backend.now_ms
    store.put_depths([Depth("sms", 1, 0), Depth("batches", 9, 2)], now_ms=now_ms)
    store.put_depths([Depth("sms", 0, 0)], now_ms=now_ms + 60_000)
    assert store.depths(now_seconds=now_ms // 1000 + 61) == ([Depth("sms", 0, 0)], now_ms + 60_000)
    assert store.depths(now_seconds=now_ms // 1000 + 60 + QUEUES_KEEP_SECONDS) == ([], None)
