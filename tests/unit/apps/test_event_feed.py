"""Tests the feed: every event once, in order, for thirty days, without skipping late ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandes.cursors import cursor
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.webhooks import PEPPER, Hooks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY = 86_400


@pytest.fixture
def hooks(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> Hooks:
    return Hooks(*dynamodb)


def happen(hooks: Hooks, count: int, *, apart_ms: int = 10) -> list[str]:
    ids = []
    for _ in range(count):
        ids.append(hooks.happen().id)
        hooks.clock.ms += apart_ms
    return ids


def test_events_come_oldest_first_in_pages_each_once(hooks: Hooks) -> None:
    ids = happen(hooks, 10)
    hooks.clock.ms += 10_000
    seen, page = [], hooks.feed(limit=4)
    while True:
        seen += [event.id for event in page.events]
        if not page.more:
            break
        page = hooks.feed(page.cursor, limit=4)
    assert seen == ids
    assert hooks.feed(page.cursor).events == []


def test_an_event_of_the_feed_is_what_webhooks_get(hooks: Hooks) -> None:
    hooks.create()
    hooks.happen()
    hooks.after(20)
    (event,) = hooks.feed().events
    assert hooks.receiver.posts[0].body == event.model_dump_json().encode()


def test_the_cursor_of_an_empty_page_brings_what_comes_later(hooks: Hooks) -> None:
    nothing = hooks.feed()
    assert (nothing.events, nothing.more) == ([], False)
    ids = happen(hooks, 2)
    hooks.clock.ms += 10_000
    assert [event.id for event in hooks.feed(nothing.cursor).events] == ids


def test_an_event_written_late_with_a_smaller_id_is_not_skipped(hooks: Hooks) -> None:
    """Write the first of two concurrent changes last."""
    began = hooks.clock.ms
    hooks.clock.ms += 500
    second = hooks.happen().id
    hooks.clock.ms += 2_000
    early = hooks.feed()
    assert early.events == []
    first = hooks.happen(at_ms=began).id
    hooks.clock.ms += 10_000
    assert [event.id for event in hooks.feed(early.cursor).events] == [first, second]


def test_events_of_one_millisecond_are_all_given_out(hooks: Hooks) -> None:
    ids = sorted(happen(hooks, 9, apart_ms=0))
    hooks.clock.ms += 10_000
    seen, page = [], hooks.feed(limit=2)
    for _ in range(6):
        seen += [event.id for event in page.events]
        page = hooks.feed(page.cursor, limit=2)
    assert seen == ids


def test_events_end_after_thirty_days_and_a_cursor_older_than_that_still_works(hooks: Hooks) -> None:
    before = hooks.feed().cursor
    happen(hooks, 3)
    hooks.clock.ms += 10_000
    old = hooks.feed(before, limit=1).cursor
    hooks.clock.ms += 30 * DAY * 1000
    assert hooks.feed().events == []
    (late,) = happen(hooks, 1)
    hooks.clock.ms += 10_000
    assert [event.id for event in hooks.feed(old).events] == [late]


def test_another_apps_events_and_cursors_are_of_no_use(
    dynamodb: tuple[DynamoDBClient, dict[str, str]], hooks: Hooks
) -> None:
    other = Hooks(*dynamodb)
    happen(hooks, 2)
    hooks.clock.ms += 10_000
    other.clock.ms = hooks.clock.ms
    assert other.feed().events == []
    with pytest.raises(ProtocolError) as caught:
        other.feed(hooks.feed().cursor)
    assert caught.value.code is ErrorCode.INVALID_CURSOR


def test_an_edited_cursor_and_one_of_another_list_are_refused(hooks: Hooks) -> None:
    happen(hooks, 2)
    hooks.clock.ms += 10_000
    good = hooks.feed(limit=1).cursor
    edited = [good[:index] + ("A" if good[index] != "A" else "B") + good[index + 1 :] for index in range(len(good))]
    foreign = cursor("0", owner=hooks.id, of="messages", pepper=PEPPER)
    for bad in (*edited, good + "AAAA", good[:-4], foreign, "", "=", "é", "A" * 100):
        with pytest.raises(ProtocolError) as caught:
            hooks.feed(bad)
        assert caught.value.code is ErrorCode.INVALID_CURSOR, bad


def test_any_key_of_the_app_reads_the_feed_whatever_its_scopes(
    dynamodb: tuple[DynamoDBClient, dict[str, str]],
) -> None:
    hooks = Hooks(*dynamodb, scopes=["otp"])
    happen(hooks, 1)
    hooks.clock.ms += 10_000
    assert len(hooks.feed().events) == 1
