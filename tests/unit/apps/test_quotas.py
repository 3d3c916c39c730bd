"""Tests quotas: concurrent environments never exceed them, and what is given back stays in its window."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from sandes.apps.quotas import DAY, MINUTE, Quotas
from sandes.model.app import App
from sandes.model.ids import new_app_id
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import ConditionFailed
from tests.support.dynamodb import FlakyClient
from tests.support.service import NOW, Service

START = NOW - NOW % DAY
"""The first second of a day, and of a minute."""


def app(per_minute: int, per_day: int) -> App:
    return App(
        id=new_app_id(),
        name="a",
        organisation="o",
        mode="live",
        scopes=frozenset(),
        sms=False,
        per_minute=per_minute,
        per_day=per_day,
        guests=frozenset(),
        keys={},
        webhooks={},
        created_at=0,
    )


def environment(service: Service, client: Any = None) -> Quotas:
    return Quotas(service.app_view(client).deliveries)


def taken(quotas: Quotas, of: App, *, at: int = START, tries: int, count: int = 1) -> int:
    """Return how many of `tries` were allowed."""
    through = 0
    for _ in range(tries):
        try:
            quotas.take(of, count, test=False, now_seconds=at)
        except ProtocolError as refused:
            if refused.code is not ErrorCode.QUOTA_EXCEEDED:
                raise
        else:
            through += 1
    return through


def test_exactly_as_many_as_the_quota_go_through_one_environment(service: Service) -> None:
    assert taken(environment(service), app(120, 10_000), tries=200) == 120
    assert taken(environment(service), app(10_000, 120), tries=200) == 120
    assert taken(environment(service), app(1, 1), tries=3) == 1


@pytest.mark.parametrize(("per_minute", "per_day"), [(300, 10_000), (10_000, 300), (7, 10_000), (250, 240)])
def test_many_environments_together_never_pass_the_quota(service: Service, per_minute: int, per_day: int) -> None:
    limited, environments = app(per_minute, per_day), [environment(service) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        through = sum(pool.map(lambda quotas: taken(quotas, limited, tries=60), environments))
    assert through <= min(per_minute, per_day)
    assert through >= min(per_minute, per_day) - 8 * (min(per_minute, per_day) // 100)  # the rest is in shares
    (minute, day) = environment(service).usage(limited, test=False, now_seconds=START)
    assert minute.used <= per_minute
    assert day.used <= per_day


def test_environments_that_end_lose_a_hundredth_each_and_never_give_it_out_twice(service: Service) -> None:
    limited = app(1_000, 100_000)
    through = sum(taken(environment(service), limited, tries=1) for _ in range(150))
    assert through == 100  # each took ten and used one
    assert taken(environment(service), limited, tries=1) == 0


def test_small_quotas_are_exact_over_any_number_of_environments(service: Service) -> None:
    trial = app(50, 50)
    assert sum(taken(environment(service), trial, tries=1) for _ in range(60)) == 50


def test_a_minute_and_a_day_begin_anew(service: Service) -> None:
    limited, quotas = app(10, 25), environment(service)
    assert taken(quotas, limited, tries=20) == 10
    assert taken(quotas, limited, tries=20, at=START + 59) == 0
    assert taken(quotas, limited, tries=20, at=START + 60) == 10
    assert taken(quotas, limited, tries=20, at=START + 120) == 5
    assert taken(quotas, limited, tries=20, at=START + DAY - 1) == 0
    assert taken(quotas, limited, tries=20, at=START + DAY) == 10


@pytest.mark.parametrize(("per_minute", "per_day", "second", "wait"), [(1, 9, 13, 47), (9, 1, 13, DAY - 13)])
def test_the_refusal_says_when_the_window_ends(
    service: Service, per_minute: int, per_day: int, second: int, wait: int
) -> None:
    limited, quotas = app(per_minute, per_day), environment(service)
    quotas.take(limited, 1, test=False, now_seconds=START + second)
    with pytest.raises(ProtocolError) as caught:
        quotas.take(limited, 1, test=False, now_seconds=START + second)
    assert caught.value.retry_after_seconds == wait


def test_what_is_left_is_told_with_every_take(service: Service) -> None:
    limited, quotas = app(3_000, 250_000), environment(service)
    for number in range(1, 65):
        minute, day = quotas.take(limited, 1, test=False, now_seconds=START + 20)
        assert (minute.limit, minute.left, minute.resets_at) == (3_000, 3_000 - number, START + MINUTE)
        assert (day.limit, day.left, day.resets_at) == (250_000, 250_000 - number, START + DAY)


def test_a_share_costs_two_writes_for_many_takes(service: Service) -> None:
    client = FlakyClient(service.client)
    quotas = environment(service, client)
    assert taken(quotas, app(3_000, 250_000), tries=30) == 30
    assert len(client.calls) == 2


def test_a_large_take_is_all_or_nothing(service: Service) -> None:
    limited, quotas = app(100_000, 1_000), environment(service)

    def take(count: int) -> None:
        quotas.store.write([quotas.taking_day(limited, count, test=False, now_seconds=START)])

    take(700)
    with pytest.raises(ConditionFailed):
        take(400)
    take(300)
    with pytest.raises(ConditionFailed):
        take(1)


def test_more_than_the_whole_quota_at_once_is_refused_and_takes_nothing(service: Service) -> None:
    limited, quotas = app(100, 100), environment(service)
    with pytest.raises(ProtocolError):
        quotas.take(limited, 101, test=False, now_seconds=START)
    assert taken(quotas, limited, tries=1, count=100) == 1


def test_a_quota_that_was_raised_or_lowered_counts_from_the_next_share_on(service: Service) -> None:
    limited, quotas = app(5, 1_000), environment(service)
    assert taken(quotas, limited, tries=9) == 5
    raised = replace(limited, per_minute=8)
    assert taken(quotas, raised, tries=9) == 3
    assert taken(quotas, limited, tries=1) == 0


def test_apps_do_not_share_quotas(service: Service) -> None:
    quotas = environment(service)
    assert [taken(quotas, app(3, 3), tries=5) for _ in range(3)] == [3, 3, 3]


def test_an_app_pushed_out_of_memory_gets_no_second_quota(service: Service) -> None:
    quotas = Quotas(service.app_view().deliveries, capacity=2)
    limited = app(10, 100)
    assert taken(quotas, limited, tries=4) == 4
    for _ in range(3):
        taken(quotas, app(5, 5), tries=1)
    assert taken(quotas, limited, tries=20) == 6


def test_what_a_used_up_day_refuses_takes_nothing_of_the_minute(service: Service) -> None:
    limited, quotas = app(3, 1), environment(service)
    assert taken(quotas, limited, tries=3) == 1
    raised = replace(limited, per_day=10)
    assert taken(quotas, raised, tries=5) == 2


def test_what_is_given_back_may_be_taken_again_in_the_same_window(service: Service) -> None:
    limited, quotas = app(2, 100), environment(service)
    windows = quotas.take(limited, 2, test=False, now_seconds=START)
    assert [window.used for window in windows] == [2, 2]
    assert [window.used for window in quotas.give_back(limited, windows, 1, test=False)] == [1, 1]
    assert taken(quotas, limited, tries=3) == 1
    quotas.take(limited, 1, test=False, now_seconds=START + MINUTE)
    quotas.give_back(limited, windows[:1], 1, test=False)  # the minute is over
    assert taken(quotas, limited, tries=3, at=START + MINUTE) == 1
