"""Tests periods, buckets and percentiles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.model.statistics import day_of, hour_of, period, period_start, periods, took, took_counter

AT = datetime(2026, 11, 25, 23, 59, tzinfo=UTC)
HOUR = hour_of(int(AT.timestamp()))


def test_an_occurrence_falls_into_its_hour_and_its_day_of_utc() -> None:
    assert period("hour", HOUR) == "hour#2026-11-25T23"
    assert period("day", HOUR) == "day#2026-11-25"
    assert period("day", HOUR + 1) == "day#2026-11-26"


def test_periods_are_read_back_and_sort_as_text_in_the_order_of_time() -> None:
    names = [period("hour", HOUR + more) for more in range(200)]
    assert names == sorted(names)
    assert period_start(names[0]) == datetime(2026, 11, 25, 23, tzinfo=UTC)
    assert period_start("day#2026-11-25") == datetime(2026, 11, 25, tzinfo=UTC)


def test_every_period_of_a_range_is_named_both_ends_included() -> None:
    first, last = datetime(2026, 12, 30, 13, 5, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
    assert list(periods("day", first, last)) == ["day#2026-12-30", "day#2026-12-31", "day#2027-01-01"]
    assert len(list(periods("hour", first, last))) == 11 + 24 + 1


def test_a_day_begins_at_midnight_utc() -> None:
    midnight = 1_790_035_200_000
    assert midnight % 86_400_000 == 0
    assert day_of(midnight) == day_of(midnight - 1) + 1


def test_percentiles_of_no_times_are_unknown() -> None:
    assert took({"registered": 7}).p50_ms is None
    assert took({"registered": 7}).count == 0


def counted(times: list[int]) -> dict[str, int]:
    found: dict[str, int] = {"otps": 3}
    for milliseconds in times:
        found[took_counter(milliseconds)] = found.get(took_counter(milliseconds), 0) + 1
    return found


def test_percentiles_name_the_time_that_so_many_of_a_hundred_had_at_most() -> None:
    times = [100] * 90 + [5_000] * 8 + [600_000] * 2
    summary = took(counted(times))
    assert summary.count == 100
    assert summary.p50_ms == pytest.approx(100, rel=0.19)
    assert summary.p95_ms == pytest.approx(5_000, rel=0.19)
    assert summary.p99_ms == pytest.approx(600_000, rel=0.19)


@given(st.lists(st.integers(1, 2_592_000_000), min_size=1, max_size=60))
def test_a_percentile_is_at_most_19_percent_off(times: list[int]) -> None:
    summary, ordered = took(counted(times)), sorted(times)
    for percent, found in ((50, summary.p50_ms), (95, summary.p95_ms), (99, summary.p99_ms)):
        exact = ordered[-(-len(times) * percent // 100) - 1]
        assert found is not None
        assert abs(found - exact) <= 0.19 * exact + 1


def test_a_clock_that_ran_back_is_counted_as_no_time_at_all() -> None:
    assert took_counter(-5) == took_counter(0) == took_counter(1)
