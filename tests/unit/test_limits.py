"""Tests rate limits: exact for authentication, and bounded where they are counted in memory."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandes.limits import Limit, Meter, enforce
from sandes.model.ids import new_account_id
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from sandes.store.limits import LimitStore, full_at_ms, limit_key
from tests.support.dynamodb import FlakyClient
from tests.support.service import NOW_MS, Service


def subject() -> str:
    return f"subject:{new_account_id().hex()}"


class Environment:
    """Plays an execution environment: a meter of its own over the shared table, which is read before each take as by a
    send.
    """

    def __init__(self, store: LimitStore, limit: Limit = Limit.SENDS, **options: Any) -> None:
        self.store = store
        self.meter = Meter(limit, store, **options)

    def take(self, who: str, now_ms: int) -> ProtocolError | None:
        """Take one. Return None if it was allowed."""
        try:
            self.meter.refuse_if_empty(who, now=Instant(now_ms))
            self.meter.take(
                who, stored_full_at_ms=stored_full_at(self.store, who, self.meter.limit), now=Instant(now_ms)
            )
        except ProtocolError as refused:
            return refused
        return None


def stored_full_at(store: LimitStore, who: str, limit: Limit) -> int:
    answer = store.client.get_item(TableName=store.table, Key=limit_key(who, limit.label), ConsistentRead=True)
    return full_at_ms(answer["Item"]) if "Item" in answer else 0


def admitted(environment: Environment, who: str, now_ms: int, tries: int) -> int:
    return sum(environment.take(who, now_ms) is None for _ in range(tries))


# Meter


def test_one_environment_admits_exactly_the_burst_and_then_one_an_interval(service: Service) -> None:
    here, who = Environment(service.limits), subject()
    assert admitted(here, who, NOW_MS, 80) == 60
    assert admitted(here, who, NOW_MS + 999, 5) == 0
    assert admitted(here, who, NOW_MS + 1_000, 5) == 1
    assert admitted(here, who, NOW_MS + 3_000, 5) == 2
    assert admitted(here, who, NOW_MS + 3_000 + 60_000, 80) == 60


def test_subjects_do_not_share_a_bucket(service: Service) -> None:
    here = Environment(service.limits)
    assert admitted(here, subject(), NOW_MS, 61) == 60
    assert admitted(here, subject(), NOW_MS, 61) == 60


@pytest.mark.parametrize("environments", [2, 5])
def test_several_environments_together_admit_at_most_seven_more_each(service: Service, environments: int) -> None:
    who = subject()
    fleet = [Environment(service.limits) for _ in range(environments)]
    total = sum(fleet[turn % environments].take(who, NOW_MS) is None for turn in range(60 * environments))
    assert 60 <= total <= 60 + 7 * environments


def test_an_environment_that_starts_late_sees_what_others_took(service: Service) -> None:
    who = subject()
    admitted(Environment(service.limits), who, NOW_MS, 60)
    late = admitted(Environment(service.limits), who, NOW_MS, 60)
    assert late <= 60 % 8 + 1
    assert late < 8


@given(st.lists(st.integers(0, 4_000), min_size=70, max_size=200))
@settings(max_examples=25)
def test_no_window_of_time_sees_more_than_burst_and_refill(steps: list[int]) -> None:
    class NoTable:
        def charge(self, *_: object, **__: object) -> int:
            return 0

    meter, now_ms, let_through = Meter(Limit.SENDS, NoTable()), NOW_MS, []  # type: ignore[arg-type]
    for step in steps:
        now_ms += step if step > 3_000 else 0
        with suppress(ProtocolError):
            meter.take("x", stored_full_at_ms=0, now=Instant(now_ms))
            let_through.append(now_ms)
    for index, start in enumerate(let_through):
        for end_index in range(index, len(let_through)):
            assert end_index - index + 1 <= 60 + (let_through[end_index] - start) // 1_000 + 1


@pytest.mark.parametrize("limit", list(Limit))
def test_after_the_wait_that_was_told_one_is_let_through_and_not_a_second_before(
    service: Service, limit: Limit
) -> None:
    here, who = Environment(service.limits, limit), subject()
    assert admitted(here, who, NOW_MS, limit.burst) == limit.burst
    refused = here.take(who, NOW_MS + 1)
    assert refused is not None
    assert refused.code is ErrorCode.RATE_LIMITED
    wait = refused.retry_after_seconds
    assert wait is not None
    if wait > 1:
        assert here.take(who, NOW_MS + 1 + (wait - 1) * 1000) is not None
    assert here.take(who, NOW_MS + 1 + wait * 1000) is None


def test_the_meter_stays_open_when_the_table_cannot_be_written(service: Service) -> None:
    flaky: Any = FlakyClient(service.client, {"update_item": 10_000})
    here, who = Environment(LimitStore(flaky, service.tables["limits"])), subject()
    assert admitted(here, who, NOW_MS, 80) == 60
    assert flaky.calls.count("update_item") == 60 // 8


def test_the_meter_writes_once_in_eight_takes(service: Service) -> None:
    counting: Any = FlakyClient(service.client)
    here, who = Environment(LimitStore(counting, service.tables["limits"])), subject()
    for number in range(1, 17):
        assert here.take(who, NOW_MS) is None
        assert stored_full_at(service.limits, who, Limit.SENDS) == (NOW_MS + number // 8 * 8_000 if number >= 8 else 0)


def test_a_flood_spread_thin_over_many_environments_is_limited_all_the_same(service: Service) -> None:
    """Each environment sees less than one take a second, so its own bucket is always full."""
    who = subject()
    environments = [Environment(service.limits) for _ in range(20)]
    let_through = 0
    for second in range(20):
        for number, here in enumerate(environments):
            let_through += here.take(who, NOW_MS + second * 2_000 + number * 100) is None
    assert let_through <= 60 + 40 + 20 * 7


def test_the_meter_remembers_no_more_subjects_than_its_capacity(service: Service) -> None:
    here = Environment(service.limits, capacity=10)
    for _ in range(50):
        here.take(subject(), NOW_MS)
    assert len(here.meter._buckets) == 10


# enforce


def forced(store: LimitStore, who: str, now_ms: int, limit: Limit = Limit.LINKS) -> ProtocolError | None:
    try:
        enforce(store, limit, who, now=Instant(now_ms))
    except ProtocolError as refused:
        return refused
    return None


def test_enforce_admits_exactly_the_burst_whatever_environment_asks(service: Service) -> None:
    who = subject()
    assert [forced(service.limits, who, NOW_MS) is None for _ in range(8)] == [True] * 6 + [False] * 2


@pytest.mark.parametrize("limit", list(Limit))
def test_enforce_tells_the_right_wait(service: Service, limit: Limit) -> None:
    who = subject()
    for _ in range(limit.burst):
        assert forced(service.limits, who, NOW_MS, limit) is None
    refused = forced(service.limits, who, NOW_MS, limit)
    assert refused is not None
    assert refused.code is ErrorCode.RATE_LIMITED
    wait = refused.retry_after_seconds
    assert wait == max(1, limit.interval_ms // 1000)
    assert forced(service.limits, who, NOW_MS + limit.interval_ms - 1, limit) is not None
    assert forced(service.limits, who, NOW_MS + wait * 1000, limit) is None


def test_enforce_stays_closed_when_the_table_cannot_be_reached(service: Service) -> None:
    flaky: Any = FlakyClient(service.client, {"update_item": 1})
    refused = forced(LimitStore(flaky, service.tables["limits"]), subject(), NOW_MS)
    assert refused is not None
    assert (refused.code, refused.retry_after_seconds) == (ErrorCode.UNAVAILABLE, 5)


def test_enforce_stays_closed_when_too_many_take_at_the_same_time() -> None:
    class Contended:
        def take(self, *_: object, **__: object) -> None:
            raise StoreUnavailable

    refused = forced(Contended(), "x", NOW_MS)  # type: ignore[arg-type]
    assert refused is not None
    assert refused.code is ErrorCode.UNAVAILABLE
