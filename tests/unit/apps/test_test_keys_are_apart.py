"""Tests that test keys and live keys neither see, change nor use up anything of each other (docs/adr/0037)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from sandes.apps.quotas import Quotas
from sandes.model.app import MAX_WEBHOOKS, TEST_ALLOWANCE
from sandes.model.ids import is_test_key, new_app_key_id, parse_app
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.changes import occurrences
from sandes.store.schema import DeliveryRow
from tests.support.otps import cancel, check, resend, send, state
from tests.support.service import Service, new_phone
from tests.support.webhooks import Hooks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAGIC = "+990000000001"


@pytest.fixture
def hooks(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> Hooks:
    return Hooks(*dynamodb)


def refused(call: Callable[..., Any], *given: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*given, **named)
    return caught.value.code


# Webhooks


@pytest.mark.parametrize("live_first", [True, False])
def test_neither_kind_of_key_finds_the_webhooks_of_the_other(hooks: Hooks, live_first: bool) -> None:
    live, test = hooks, hooks.with_test_key()
    own, other = (live, test) if live_first else (test, live)
    hook = own.create()
    event = own.happen()
    assert [one.id for one in own.all()] == [hook.id]
    assert other.all() == []
    for call in (other.show, other.remove, other.test, other.deliveries):
        assert refused(call, hook.id) is ErrorCode.NOT_FOUND
    assert refused(other.change, hook.id, url="https://hooks.example/mine") is ErrorCode.NOT_FOUND
    assert refused(other.redeliver, hook.id, event.id) is ErrorCode.NOT_FOUND
    assert own.show(hook.id) == own.all()[0]


def test_the_answer_says_which_kind_a_webhook_is_of(hooks: Hooks) -> None:
    assert not hooks.create().test
    assert hooks.with_test_key().create().test


def test_a_test_webhook_gets_the_events_of_tests_and_no_others(hooks: Hooks) -> None:
    live, test = hooks, hooks.with_test_key()
    kept = {live.create("https://hooks.example/live").id, test.create("https://hooks.example/test").id}
    assert len(kept) == 2
    of_live, of_test = live.happen(), test.happen()
    hooks.after(10)
    told = {post.to.target: post.event["id"] for post in hooks.receiver.posts}
    assert told == {"/live": of_live.id, "/test": of_test.id}


def test_an_event_of_the_other_kind_is_not_sent_again(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    mine = test.create()
    assert refused(test.redeliver, mine.id, hooks.happen().id) is ErrorCode.NOT_FOUND


def test_a_test_event_of_a_test_webhook_is_told_in_the_feed_of_tests_alone(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    event = test.test(test.create().id).event
    hooks.after(60)
    assert [one.id for one in test.feed().events] == [event]
    assert hooks.feed().events == []


def test_test_webhooks_take_no_room_from_live_ones(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    for _ in range(MAX_WEBHOOKS):
        test.create()
    assert refused(test.create) is ErrorCode.TOO_MANY_WEBHOOKS
    for _ in range(MAX_WEBHOOKS):
        hooks.create()
    assert refused(hooks.create) is ErrorCode.TOO_MANY_WEBHOOKS


def test_a_test_webhook_that_is_gone_is_disabled_and_no_other(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    live, mine = hooks.create(), test.create()
    hooks.receiver.otherwise = hooks.receiver.otherwise.__class__(410)
    test.happen()
    hooks.after(10)
    assert (test.show(mine.id).disabled, hooks.show(live.id).disabled) == ("gone", None)


def test_deliveries_to_test_webhooks_are_not_counted_in_statistics(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    hook = test.create()
    test.happen()
    hooks.after(10)
    (row,) = test.deliveries(hook.id).deliveries
    partition = f"WT#{test.keys.app}#{hook.id}"
    keys = {DeliveryRow.PARTITION: {"S": partition}, DeliveryRow.SORT: {"S": row.event}}
    client, table = hooks.store.deliveries.client, hooks.store.deliveries.table
    image = client.get_item(TableName=table, Key=keys)["Item"]
    change = {"Keys": keys, "NewImage": image, "ApproximateCreationDateTime": 1}
    assert occurrences("deliveries", {"eventName": "INSERT", "dynamodb": change}) == []


# The feed


def test_each_kind_of_key_has_a_feed_of_its_own(hooks: Hooks) -> None:
    test = hooks.with_test_key()
    of_live, of_test = hooks.happen(), test.happen()
    hooks.after(60)
    assert [event.id for event in hooks.feed().events] == [of_live.id]
    assert [event.id for event in test.feed().events] == [of_test.id]
    assert refused(test.feed, hooks.feed().cursor) is ErrorCode.INVALID_CURSOR
    assert refused(hooks.feed, test.feed().cursor) is ErrorCode.INVALID_CURSOR


# Quotas


def test_tests_count_by_themselves(service: Service) -> None:
    live = service.app(mode="trial")
    test = service.more_keys(live, test=True)
    for _ in range(5):
        send(service, test, MAGIC)
    app = service.app_view().apps.read(parse_app(live.app))
    assert app is not None
    quotas, now_seconds = Quotas(service.app_view().deliveries), service.now_ms // 1000
    minute, day = quotas.usage(app, test=False, now_seconds=now_seconds)
    assert (minute.used, day.used, day.limit) == (0, 0, 50)
    minute, day = quotas.usage(app, test=True, now_seconds=now_seconds)
    assert (day.limit, minute.limit) == (TEST_ALLOWANCE.per_day, TEST_ALLOWANCE.per_minute)
    assert day.used >= 5


def test_a_spent_quota_stops_no_test(service: Service) -> None:
    guest = service.person()
    live = service.app(guests=[guest.phone])
    service.operate("app.terms", app=live.app, mode="live", per_minute=1, per_day=1)
    send(service, live, new_phone())
    assert refused(send, service, live, new_phone()) is ErrorCode.QUOTA_EXCEEDED
    assert send(service, service.more_keys(live, test=True), guest).status == "pending"


def test_codes_that_tests_sent_to_a_guest_keep_no_live_code_back(service: Service) -> None:
    guest = service.person()
    live = service.app(guests=[guest.phone])
    test = service.more_keys(live, test=True)
    for _ in range(5):
        send(service, test, guest)
    assert refused(send, service, test, guest) is ErrorCode.RECIPIENT_LIMITED
    assert send(service, live, guest).status == "pending"


# OTPs


@pytest.mark.parametrize("live_first", [True, False])
def test_neither_kind_of_key_finds_the_otps_of_the_other(service: Service, live_first: bool) -> None:
    guest = service.person()
    live = service.app(guests=[guest.phone])
    test = service.more_keys(live, test=True)
    own, other = (live, test) if live_first else (test, live)
    id = send(service, own, guest).id
    for call in (state, cancel, resend):
        assert refused(call, service, other, id) is ErrorCode.NOT_FOUND
    assert refused(check, service, other, id, "123456") is ErrorCode.NOT_FOUND
    assert state(service, own, id).attempts_left == 3


# Key ids


def test_a_key_id_says_which_kind_it_is_of() -> None:
    assert all(is_test_key(new_app_key_id(test=True)) for _ in range(200))
    assert not any(is_test_key(new_app_key_id()) for _ in range(2_000))
