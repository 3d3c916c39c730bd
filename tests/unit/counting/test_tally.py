"""Tests counts in memory: how often they are written, and what is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from sandes.counting.tally import MOST_KEPT, WRITE_AFTER_MS, WRITE_EVERY, Tally
from sandes.model.ids import OrganisationId
from sandes.model.instant import Instant
from sandes.store.schema import StatisticRow
from sandes.store.statistics import StatisticsStore
from tests.support.dynamodb import memory_dynamodb, throttled
from tests.support.service import NOW_MS

MINISTRY, DEPARTMENT = OrganisationId(b"m" * 8), OrganisationId(b"d" * 8)


class Table:
    """Takes puts and keeps their content. It fails while `failing` is true."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.failing = False

    def put_item(self, **request: Any) -> dict[str, Any]:
        if self.failing:
            raise throttled("PutItem")
        self.rows.append(json.loads(request["Item"][StatisticRow.TALLY]["S"]))
        return {}

    @property
    def total(self) -> int:
        return sum(times for row in self.rows for *_, times in row)


class LostAnswers:
    """Passes puts on. While `losing` is true, their answers are lost."""

    def __init__(self, client: Any) -> None:
        self.client, self.losing, self.lost = client, False, 0

    def put_item(self, **request: Any) -> Any:
        answer = self.client.put_item(**request)
        if self.losing:
            self.lost += 1
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return answer


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def tally(table: Table) -> Tally:
    return Tally(StatisticsStore(table, "statistics"))  # type: ignore[arg-type]  # of a client, what it uses


def test_the_first_count_of_an_environment_is_written_at_once(table: Table, tally: Tally) -> None:
    tally.count("direct_messages", MINISTRY, now=Instant(NOW_MS))
    assert table.total == 1


def test_many_counts_cost_one_write_in_sixty_four_whoever_they_are_of(table: Table, tally: Tally) -> None:
    for number in range(1 + 10 * WRITE_EVERY):
        organisation = (MINISTRY, DEPARTMENT, None)[number % 3]
        tally.count("direct_messages", organisation, now=Instant(NOW_MS))
    assert len(table.rows) == 11
    assert table.total == 1 + 10 * WRITE_EVERY
    assert len(table.rows[1]) == 3


def test_few_counts_are_written_with_the_next_one_after_a_minute(table: Table, tally: Tally) -> None:
    for after in (0, 1, WRITE_AFTER_MS - 1):
        tally.count("active", None, now=Instant(NOW_MS + after))
    assert table.total == 1
    tally.count("active", None, now=Instant(NOW_MS + WRITE_AFTER_MS))
    assert (len(table.rows), table.total) == (2, 4)


def test_counts_of_two_hours_are_kept_apart(table: Table, tally: Tally) -> None:
    hour = 3_600_000
    tally.count("active", None, now=Instant(NOW_MS))
    tally.count("active", None, now=Instant(NOW_MS + 1))
    tally.count("active", None, now=Instant(NOW_MS + hour))
    assert sorted(row[1] for row in table.rows[1]) == [NOW_MS // hour, NOW_MS // hour + 1]


def test_what_cannot_be_written_is_written_later_and_no_message_fails_for_it(table: Table, tally: Tally) -> None:
    table.failing = True
    for _ in range(WRITE_EVERY - 1):
        tally.count("direct_messages", None, now=Instant(NOW_MS))
    table.failing = False
    for _ in range(2):
        tally.count("direct_messages", None, now=Instant(NOW_MS))
    assert table.total == WRITE_EVERY + 1
    assert len(table.rows) == 2  # the earlier attempt, and the later counts


def test_a_write_that_had_taken_effect_though_its_answer_got_lost_counts_once() -> None:
    client, tables, _ = memory_dynamodb()
    answers = LostAnswers(client)
    counting = Tally(StatisticsStore(answers, tables["statistics"]))  # type: ignore[arg-type]
    for number in range(3 * WRITE_EVERY):
        answers.losing = number in (0, WRITE_EVERY)
        counting.count("direct_messages", MINISTRY, now=Instant(NOW_MS + number))
    rows = client.scan(TableName=tables["statistics"])["Items"]
    counted = [entry[3] for row in rows for entry in json.loads(row[StatisticRow.TALLY]["S"])]
    assert answers.lost == 2
    assert sum(counted) == 2 * WRITE_EVERY + 1


def test_a_table_that_takes_nothing_for_long_does_not_fill_the_memory(table: Table, tally: Tally) -> None:
    table.failing = True
    for number in range(MOST_KEPT + 100):
        tally.count("active", OrganisationId(number.to_bytes(8)), now=Instant(NOW_MS))
    table.failing = False
    for _ in range(WRITE_EVERY):
        tally.count("active", OrganisationId(bytes(8)), now=Instant(NOW_MS))
    assert max(len(row) for row in table.rows) == MOST_KEPT
