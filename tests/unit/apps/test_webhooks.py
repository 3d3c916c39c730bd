"""Tests an app's calls about its webhooks: registering, changing, testing, listing, redelivering."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sandes.apps import webhooks
from sandes.apps.webhook_delivery import Reply
from sandes.model.app import MAX_WEBHOOKS
from sandes.model.ids import message_text, new_message_id, new_one_time_id
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault
from tests.support.cursors import edited
from tests.support.webhooks import KEYS, PUBLIC_ADDRESS, URL, Hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

DAY = 86_400


@pytest.fixture
def hooks(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> Hooks:
    return Hooks(*dynamodb)


def refused(call: Callable[[], Any]) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call()
    return caught.value


# Registering


def test_a_webhook_is_registered_and_its_secret_shown_once(hooks: Hooks) -> None:
    made = hooks.create(events=["message.read", "message.failed", "message.read"])
    assert (made.url, made.events, made.disabled) == (URL, ["message.read", "message.failed"], None)
    assert made.secret == KEYS.secret(made.id)
    assert made.public_key == KEYS.public_key(made.id)
    assert hooks.show(made.id) == made.model_copy(update={"secret": None})
    assert hooks.all() == [hooks.show(made.id)]


def test_a_repeated_request_gets_the_first_answer_with_the_secret_and_makes_no_second_webhook(hooks: Hooks) -> None:
    first = hooks.create(key="once")
    assert hooks.create(key="once") == first
    assert len(hooks.all()) == 1


def test_a_repeated_request_gets_the_first_answer_whatever_has_become_of_the_webhook(hooks: Hooks) -> None:
    first = hooks.create(key="once")
    hooks.change(first.id, events=["message.read"])
    assert hooks.create(key="once") == first
    hooks.remove(first.id)
    assert hooks.create(key="once") == first
    assert hooks.all() == []


def test_a_repeated_request_with_another_body_is_refused(hooks: Hooks) -> None:
    hooks.create(key="once")
    assert refused(lambda: hooks.create(events=["message.read"], key="once")).code is ErrorCode.IDEMPOTENCY_MISMATCH
    assert len(hooks.all()) == 1


def test_an_idempotency_key_may_be_used_anew_after_a_day(hooks: Hooks) -> None:
    first = hooks.create(key="once")
    hooks.clock.ms += (DAY + 1) * 1000
    assert hooks.create(key="once").id != first.id


def test_no_secret_is_stored(hooks: Hooks) -> None:
    made = hooks.create(key="once")
    assert made.secret
    for table in ("directory", "deliveries"):
        for item in hooks.store.apps.client.scan(TableName=table)["Items"]:
            assert made.secret not in str(item)


def test_copies_of_a_request_at_the_same_time_make_one_webhook(hooks: Hooks) -> None:
    made = at_once(6, lambda _: hooks.create(key="once"))
    assert len({one.id for one in made}) == 1
    assert len(hooks.all()) == 1


def test_five_webhooks_are_the_most_even_if_asked_for_at_once(hooks: Hooks) -> None:
    def create(number: int) -> Any:
        try:
            return hooks.create(key=f"key-{number}")
        except ProtocolError as error:
            return error.code

    made = at_once(MAX_WEBHOOKS + 4, create)
    assert made.count(ErrorCode.TOO_MANY_WEBHOOKS) == 4
    assert len(hooks.all()) == MAX_WEBHOOKS
    hooks.remove(hooks.all()[0].id)
    assert hooks.create()


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda n=number: results.append(call(n))) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


def test_an_address_inside_is_refused_with_the_reason_and_registers_nothing(hooks: Hooks) -> None:
    error = refused(lambda: hooks.create("https://169.254.169.254/latest/meta-data"))
    assert error.code is ErrorCode.WEBHOOK_ADDRESS
    assert error.details["errors"] == [fault("/url", "private_address")]
    hooks.names.known["inside.example"] = ["10.0.0.1"]
    assert refused(lambda: hooks.create("https://inside.example/")).code is ErrorCode.WEBHOOK_ADDRESS
    assert hooks.all() == []


def test_nothing_is_resolved_for_an_app_that_has_all_its_webhooks_or_no_right_to_any(
    dynamodb: tuple[DynamoDBClient, dict[str, str]], hooks: Hooks
) -> None:
    for _ in range(MAX_WEBHOOKS):
        hooks.create()
    hooks.names.asked.clear()
    assert refused(hooks.create).code is ErrorCode.TOO_MANY_WEBHOOKS
    assert hooks.names.asked == []
    without = Hooks(*dynamodb, scopes=["msg"])
    assert refused(without.create).code is ErrorCode.SCOPE_MISSING
    assert without.names.asked == []


# Who may


def test_every_call_needs_the_scope_but_the_feed(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> None:
    hooks, id, event = Hooks(*dynamodb, scopes=["msg"]), new_one_time_id(), message_text(new_message_id(1))
    calls: list[Callable[[], Any]] = [
        hooks.create,
        hooks.all,
        lambda: hooks.show(id),
        lambda: hooks.change(id, paused=True),
        lambda: hooks.remove(id),
        lambda: hooks.test(id),
        lambda: hooks.deliveries(id),
        lambda: hooks.redeliver(id, event),
    ]
    assert {refused(call).code for call in calls} == {ErrorCode.SCOPE_MISSING}
    assert hooks.feed().events == []


def test_another_apps_webhook_looks_like_none(dynamodb: tuple[DynamoDBClient, dict[str, str]], hooks: Hooks) -> None:
    stranger, theirs = Hooks(*dynamodb), hooks.create()
    event = hooks.happen()
    calls: list[Callable[[], Any]] = [
        lambda: stranger.show(theirs.id),
        lambda: stranger.change(theirs.id, paused=True),
        lambda: stranger.remove(theirs.id),
        lambda: stranger.test(theirs.id),
        lambda: stranger.deliveries(theirs.id),
        lambda: stranger.redeliver(theirs.id, event.id),
    ]
    assert {refused(call).code for call in calls} == {ErrorCode.NOT_FOUND}
    assert stranger.queue.entries == []
    assert hooks.show(theirs.id).disabled is None


def test_a_removed_webhook_is_gone_from_every_call(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.remove(made.id)
    assert hooks.all() == []
    assert {refused(lambda: hooks.show(made.id)).code, refused(lambda: hooks.remove(made.id)).code} == {
        ErrorCode.NOT_FOUND
    }


# Changing


def test_a_change_touches_only_what_it_names(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.names.known["new.example"] = [PUBLIC_ADDRESS]
    changed = hooks.change(made.id, url="https://new.example/")
    assert (changed.url, changed.events, changed.secret) == ("https://new.example/", made.events, None)
    changed = hooks.change(made.id, events=["message.read", "message.read"])
    assert (changed.url, changed.events) == ("https://new.example/", ["message.read"])
    assert hooks.change(made.id) == changed == hooks.show(made.id)
    assert changed.public_key == made.public_key


def test_two_changes_of_different_fields_at_the_same_time_both_hold(hooks: Hooks) -> None:
    made = hooks.create()
    changes: list[dict[str, Any]] = [{"events": ["message.read"]}, {"paused": True}, {"url": "https://8.8.8.8/"}]
    at_once(3, lambda number: hooks.change(made.id, **changes[number]))
    shown = hooks.show(made.id)
    assert (shown.url, shown.events, shown.disabled) == ("https://8.8.8.8/", ["message.read"], "paused")


def test_an_address_inside_is_refused_in_a_change_too(hooks: Hooks) -> None:
    made = hooks.create()
    assert refused(lambda: hooks.change(made.id, url="https://10.0.0.1/")).code is ErrorCode.WEBHOOK_ADDRESS
    assert hooks.show(made.id).url == URL


def test_pausing_and_resuming(hooks: Hooks) -> None:
    made = hooks.create()
    assert hooks.change(made.id, paused=True).disabled == "paused"
    hooks.happen()
    assert hooks.queue.entries == []
    assert hooks.change(made.id, paused=False).disabled is None
    hooks.happen()
    assert hooks.after(5) == ["delivered"]


def test_a_webhook_that_was_gone_stays_so_when_paused_and_works_again_when_resumed(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.receiver.replies = [Reply(410)]
    hooks.happen()
    hooks.after(5)
    assert hooks.change(made.id, paused=True).disabled == "gone"
    assert hooks.change(made.id, url="https://8.8.8.8/").disabled == "gone"
    assert hooks.change(made.id, paused=False).disabled is None


# Testing


def test_a_test_event_reaches_this_webhook_and_no_other(hooks: Hooks) -> None:
    hooks.create(events=["webhook.test"])
    made = hooks.create(events=["message.read"])
    queued = hooks.test(made.id)
    assert (queued.type, queued.state, queued.attempts) == ("webhook.test", "pending", 0)
    assert hooks.only(made.id) == queued
    assert hooks.after(5) == ["delivered"]
    (post,) = hooks.receiver.posts
    assert post.event["data"] == {"webhook": made.id}
    assert hooks.only(made.id).state == "delivered"


def test_a_repeated_test_sends_one_event(hooks: Hooks) -> None:
    made = hooks.create()
    first = hooks.test(made.id, key="once")
    assert hooks.test(made.id, key="once") == first
    hooks.after(5)
    assert len(hooks.receiver.posts) == 1
    assert hooks.test(made.id, key="once") == first
    assert len(hooks.deliveries(made.id).deliveries) == 1


def test_copies_of_a_test_at_the_same_time_send_one_event(hooks: Hooks) -> None:
    made = hooks.create()
    queued = at_once(5, lambda _: hooks.test(made.id, key="once"))
    assert len({one.event for one in queued}) == 1
    hooks.after(300)
    assert [post.event["id"] for post in hooks.receiver.posts] == [queued[0].event]


def test_a_disabled_webhook_is_neither_tested_nor_redelivered_to(hooks: Hooks) -> None:
    made = hooks.create()
    event = hooks.happen()
    hooks.change(made.id, paused=True)
    codes = {refused(lambda: hooks.test(made.id)).code, refused(lambda: hooks.redeliver(made.id, event.id)).code}
    assert codes == {ErrorCode.WEBHOOK_DISABLED}


# Asking again


def test_a_failed_delivery_is_sent_again_with_all_its_attempts(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.receiver.otherwise = Reply(500)
    event = hooks.happen()
    hooks.after(4 * DAY)
    assert [row.event for row in hooks.deliveries(made.id, state="failed").deliveries] == [event.id]
    hooks.receiver.posts.clear()
    again = hooks.redeliver(made.id, event.id)
    assert (again.state, again.attempts, again.last_status) == ("pending", 0, None)
    hooks.receiver.replies = [Reply(500)]
    hooks.receiver.otherwise = Reply(200)
    assert [outcome for outcome in hooks.after(60) if outcome != "waiting"] == ["retry", "delivered"]
    assert [post.event["id"] for post in hooks.receiver.posts] == [event.id] * 2
    assert (hooks.only(made.id).state, hooks.only(made.id).attempts) == ("delivered", 2)


def test_what_was_delivered_may_be_asked_for_again(hooks: Hooks) -> None:
    made, event = hooks.create(), hooks.happen()
    hooks.after(5)
    hooks.redeliver(made.id, event.id)
    assert hooks.after(5) == ["delivered"]
    assert len(hooks.receiver.posts) == 2


def test_asking_again_ends_the_retries_under_way(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.receiver.replies = [Reply(500), Reply(500)]
    event = hooks.happen()
    hooks.after(60)
    hooks.redeliver(made.id, event.id)
    outcomes = [outcome for outcome in hooks.after(4 * DAY) if outcome != "waiting"]
    assert sorted(outcomes) == ["delivered", "done_before"]
    assert len(hooks.receiver.posts) == 3


def test_an_event_that_this_webhook_never_heard_of_can_be_asked_for(hooks: Hooks) -> None:
    event = hooks.happen()
    made = hooks.create()
    hooks.redeliver(made.id, event.id)
    assert hooks.after(5) == ["delivered"]


def test_an_event_that_is_none_of_the_apps_or_too_old_is_not_found(
    dynamodb: tuple[DynamoDBClient, dict[str, str]], hooks: Hooks
) -> None:
    made, foreign = hooks.create(), Hooks(*dynamodb).happen()
    assert refused(lambda: hooks.redeliver(made.id, foreign.id)).code is ErrorCode.NOT_FOUND
    own = hooks.happen()
    hooks.clock.ms += 30 * DAY * 1000
    assert refused(lambda: hooks.redeliver(made.id, own.id)).code is ErrorCode.NOT_FOUND


def test_a_repeated_redelivery_sends_once(hooks: Hooks) -> None:
    made, event = hooks.create(), hooks.happen()
    hooks.after(5)
    first = hooks.redeliver(made.id, event.id, key="once")
    hooks.after(5)
    assert hooks.redeliver(made.id, event.id, key="once") == first
    hooks.after(300)
    assert len(hooks.receiver.posts) == 2
    assert hooks.only(made.id).state == "delivered"


def test_an_entry_of_a_redelivery_that_was_never_written_down_is_dropped(hooks: Hooks) -> None:
    made, event = hooks.create(), hooks.happen()
    hooks.after(5)
    failing = hooks.deps.store.deliveries
    queue_only = {"app": hooks.keys.app, "event": event.id, "webhook": made.id, "test": False, "attempt": 1, "run": 2}
    hooks.queue.send(queue_only | {"not_before": hooks.clock.seconds}, delay_seconds=2)
    outcomes = hooks.after(DAY)
    assert outcomes[-1] == "orphan"
    assert len(hooks.receiver.posts) == 1
    assert failing.event(hooks.id, event.id, test=False, now_seconds=hooks.clock.seconds)


# Listing


def test_deliveries_are_listed_from_the_newest_event_on_over_pages(hooks: Hooks) -> None:
    made, events = hooks.create(), []
    for _ in range(7):
        events.append(hooks.happen().id)
        hooks.clock.ms += 1000
    hooks.after(5)
    found: list[app_api.WebhookDelivery] = []
    cursor = None
    for _ in range(5):
        page = hooks.deliveries(made.id, cursor=cursor, limit=3)
        assert len(page.deliveries) <= 3
        found += page.deliveries
        cursor = page.cursor
        if cursor is None:
            break
    assert [row.event for row in found] == events[::-1]


def test_a_state_is_looked_for_over_pages_and_none_is_left_out_or_repeated(hooks: Hooks) -> None:
    made, failed = hooks.create(), []
    for number in range(40):
        hooks.receiver.replies = [Reply(410 if number % 3 == 0 else 200)]
        event = hooks.happen()
        hooks.after(3)
        if number % 3 == 0:
            failed.append(event.id)
            hooks.change(made.id, paused=False)
    found, cursor = [], None
    while True:
        page = hooks.deliveries(made.id, state="failed", cursor=cursor, limit=2)
        found += [row.event for row in page.deliveries]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == failed[::-1]


def test_a_cursor_of_one_webhook_is_none_of_another_and_an_edited_one_is_refused(hooks: Hooks) -> None:
    one, two = hooks.create(), hooks.create()
    for _ in range(3):
        hooks.happen()
    hooks.after(5)
    cursor = hooks.deliveries(one.id, limit=1).cursor
    assert cursor
    for hook, given in ((two, cursor), (one, edited(cursor)), (one, "x"), (one, "")):
        assert refused(partial(hooks.deliveries, hook.id, cursor=given)).code is ErrorCode.INVALID_CURSOR


def test_deliveries_are_listed_for_thirty_days(hooks: Hooks) -> None:
    made = hooks.create()
    hooks.happen()
    hooks.after(5)
    hooks.clock.ms += int(timedelta(days=30).total_seconds() - 10) * 1000
    assert len(hooks.deliveries(made.id).deliveries) == 1
    hooks.clock.ms += 10_000
    assert hooks.deliveries(made.id).deliveries == []


def test_a_name_that_does_not_resolve_is_refused_at_once(hooks: Hooks) -> None:
    request = hooks.request("POST", "/v1/webhooks", {})
    body = app_api.NewWebhook(url="https://nowhere.example/", events=["message.read"])
    error = refused(lambda: webhooks.create(request, body, now=Instant(hooks.clock.ms), deps=hooks.deps))
    assert error.details["errors"][0]["code"] == "not_resolved"
