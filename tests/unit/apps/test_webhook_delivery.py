"""Tests deliveries of one event to one webhook: success, retries for three days, failure, and refused addresses."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from nacl.signing import VerifyKey
from standardwebhooks.webhooks import Webhook

from sandes.apps.webhook_delivery import ATTEMPTS, RETRY_AFTER_SECONDS, Reply, entry
from sandes.model.ids import app_text, message_text, new_message_id
from sandes.store.dynamo import StoreUnavailable
from tests.support.dynamodb import FlakyClient
from tests.support.webhooks import ALL_EVENTS, NOW_MS, PUBLIC_ADDRESS, Hooks

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FAILED = Reply(500)
DAY = 86_400


@pytest.fixture
def hooks(dynamodb: tuple[DynamoDBClient, dict[str, str]]) -> Hooks:
    return Hooks(*dynamodb)


def first_entry(hooks: Hooks, webhook: str, event: str, **changed: Any) -> dict[str, Any]:
    return entry(app_text(hooks.id), event, webhook, test=False, attempt=1, run=1, not_before=0) | changed


# Delivered


def test_an_event_arrives_as_json_with_both_signatures(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen()
    assert hooks.after(5) == ["delivered"]
    (post,) = hooks.receiver.posts
    at = datetime.fromtimestamp(NOW_MS / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = {"status": "delivered", "seq": 4}
    assert post.event == {"id": event.id, "type": "message.delivered", "timestamp": at, "data": data}
    assert (post.to.host, post.to.target, post.to.addresses) == (
        "hooks.example",
        "/sandes?tenant=1",
        (PUBLIC_ADDRESS,),
    )
    assert post.headers["webhook-id"] == event.id
    assert post.headers["webhook-timestamp"] == str(post.at_ms // 1000)
    assert post.headers["Content-Type"] == "application/json"
    v1a, v1 = post.headers["webhook-signature"].split(" ")
    signed = f"{event.id}.{post.headers['webhook-timestamp']}.".encode() + post.body
    public = VerifyKey(base64.b64decode(hook.public_key.removeprefix("whpk_")))
    public.verify(signed, base64.b64decode(v1a.removeprefix("v1a,")))
    assert hook.secret
    library = Webhook(hook.secret)
    assert library.sign(event.id, datetime.fromtimestamp(post.at_ms // 1000, UTC), post.body.decode()) == v1


def test_a_delivery_is_listed_with_its_answer(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen()
    hooks.after(5)
    delivery = hooks.only(hook.id)
    assert (delivery.event, delivery.type, delivery.state) == (event.id, "message.delivered", "delivered")
    assert (delivery.attempts, delivery.last_status, delivery.next_attempt_at) == (1, 200, None)


def test_only_webhooks_that_asked_for_the_type_hear_of_it(hooks: Hooks) -> None:
    hooks.create(events=["message.read"])
    wanted = hooks.create(events=ALL_EVENTS)
    hooks.happen("message.failed")
    assert hooks.after(5) == ["delivered"]
    assert hooks.only(wanted.id).state == "delivered"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_answer_of_the_two_hundreds_is_delivered(hooks: Hooks, status: int) -> None:
    hooks.create()
    hooks.receiver.replies = [Reply(status)]
    hooks.happen()
    assert hooks.after(DAY) == ["delivered"]


def test_an_entry_that_comes_twice_is_posted_once(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen()
    hooks.after(5)
    assert hooks.deliver(first_entry(hooks, hook.id, event.id)) == "done_before"
    assert len(hooks.receiver.posts) == 1


# Retried


def test_the_whole_schedule_takes_75_hours_and_35_minutes_and_ends_in_failed(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.receiver.otherwise = FAILED
    event = hooks.happen()
    outcomes = hooks.after(4 * DAY)
    assert [outcome for outcome in outcomes if outcome != "waiting"] == ["retry"] * 9 + ["given_up"]
    times = [post.at_ms // 1000 for post in hooks.receiver.posts]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    hour = 3600
    assert waits == [5, 300, 1800, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour]
    assert times[-1] - times[0] == 75 * hour + 35 * 60 + 5
    assert {post.headers["webhook-id"] for post in hooks.receiver.posts} == {event.id}
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("failed", ATTEMPTS, 500)
    assert delivery.next_attempt_at is None
    assert hooks.queue.entries == []


def test_each_attempt_is_signed_at_its_own_time(hooks: Hooks) -> None:
    hooks.create()
    hooks.receiver.replies = [FAILED]
    hooks.happen()
    hooks.after(60)
    first, second = hooks.receiver.posts
    assert second.body == first.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert second.headers["webhook-signature"] != first.headers["webhook-signature"]


def test_a_delivery_under_way_says_when_it_is_tried_next(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.receiver.otherwise = Reply(None, "timeout")
    hooks.happen()
    hooks.after(10)
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.attempts) == ("pending", 2)
    assert (delivery.last_status, delivery.last_error) == (None, "timeout")
    tried_at = hooks.receiver.posts[-1].at_ms // 1000
    assert delivery.next_attempt_at == datetime.fromtimestamp(tried_at + 300, UTC)


def test_success_after_failures_ends_the_retries(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.receiver.replies = [FAILED, Reply(302), Reply(404)]
    hooks.happen()
    outcomes = [outcome for outcome in hooks.after(4 * DAY) if outcome != "waiting"]
    assert outcomes == ["retry", "retry", "retry", "delivered"]
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 4, 200)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(0, 5), (3, 5), (60, 60), (10_000, 300)],
    ids=["nothing", "less than the step", "more than the step", "more than the step after it"],
)
def test_retry_after_lengthens_a_step_up_to_the_next_one(hooks: Hooks, asked: int, waited: int) -> None:
    hooks.create()
    hooks.receiver.replies = [Reply(429, retry_after_seconds=asked)]
    hooks.happen()
    hooks.after(DAY)
    first, second = hooks.receiver.posts
    assert (second.at_ms - first.at_ms) // 1000 == waited


@pytest.mark.parametrize("step", range(len(RETRY_AFTER_SECONDS)))
def test_jitter_adds_at_most_a_twentieth_and_at_most_a_minute(hooks: Hooks, step: int) -> None:
    hook, event = hooks.create(), hooks.happen()
    hooks.queue.entries.clear()
    hooks.receiver.otherwise = FAILED
    queued = first_entry(hooks, hook.id, event.id, attempt=step + 1)
    assert hooks.deliver(queued, random=lambda: 0.999) == "retry"
    ((_, later),) = hooks.queue.entries
    waits = later["not_before"] - hooks.clock.seconds
    assert 0 <= waits - RETRY_AFTER_SECONDS[step] <= min(RETRY_AFTER_SECONDS[step] / 20, 60)


def test_a_wait_longer_than_the_queue_allows_is_made_of_hops_that_post_nothing(hooks: Hooks) -> None:
    hook, event = hooks.create(), hooks.happen()
    hooks.queue.entries.clear()
    at = hooks.clock.seconds + 2_000
    assert hooks.deliver(first_entry(hooks, hook.id, event.id, not_before=at)) == "waiting"
    assert hooks.after(1_999) == ["waiting", "waiting"]
    assert hooks.receiver.posts == []
    assert hooks.after(1) == ["delivered"]


# Ends otherwise


def test_gone_disables_the_webhook_and_ends(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.receiver.replies = [Reply(410)]
    hooks.happen()
    assert hooks.after(DAY) == ["gone"]
    assert hooks.show(hook.id).disabled == "gone"
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.last_status) == ("failed", 410)
    hooks.happen()
    assert hooks.after(DAY) == []


def test_gone_said_by_an_address_that_was_replaced_meanwhile_does_not_disable_the_new_one(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.names.known["new.example"] = [PUBLIC_ADDRESS]
    hooks.receiver.replies = [Reply(410)]
    hooks.receiver.meanwhile = lambda: hooks.change(hook.id, url="https://new.example/")
    hooks.happen()
    hooks.after(5)
    assert hooks.show(hook.id).disabled is None


def test_a_removed_webhook_is_not_posted_to_again(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.receiver.otherwise = FAILED
    hooks.happen()
    hooks.after(4)
    hooks.remove(hook.id)
    assert hooks.after(4 * DAY) == ["webhook_removed"]
    assert len(hooks.receiver.posts) == 1


def test_what_falls_due_while_a_webhook_is_paused_is_listed_as_failed_and_can_be_asked_for_again(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen()
    hooks.change(hook.id, paused=True)
    assert hooks.after(5) == ["webhook_disabled"]
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("failed", 0, "webhook_paused")
    assert hooks.receiver.posts == []
    hooks.change(hook.id, paused=False)
    hooks.redeliver(hook.id, event.id)
    assert hooks.after(5) == ["delivered"]


def test_a_change_of_address_holds_for_retries_under_way(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.names.known["new.example"] = [PUBLIC_ADDRESS]
    hooks.receiver.replies = [FAILED]
    hooks.happen()
    hooks.after(2)
    hooks.change(hook.id, url="https://new.example/")
    hooks.after(60)
    assert [post.to.host for post in hooks.receiver.posts] == ["hooks.example", "new.example"]


def test_a_name_that_leads_inside_since_it_was_registered_is_not_posted_to(hooks: Hooks) -> None:
    hook = hooks.create()
    hooks.names.known["hooks.example"] = ["169.254.169.254"]
    hooks.happen()
    hooks.after(5)
    delivery = hooks.only(hook.id)
    assert (delivery.state, delivery.last_error) == ("pending", "private_address")
    hooks.names.known["hooks.example"] = []
    hooks.after(10)
    assert hooks.only(hook.id).last_error == "not_resolved"
    assert hooks.receiver.posts == []
    hooks.names.known["hooks.example"] = [PUBLIC_ADDRESS]
    hooks.after(600)
    assert hooks.only(hook.id).state == "delivered"


# Crashes and races


def test_an_event_that_is_not_stored_yet_is_waited_for(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen()
    key = {"p": {"S": f"E#{app_text(hooks.id)}"}, "s": {"S": event.id}}
    item = hooks.store.apps.client.get_item(TableName="deliveries", Key=key)["Item"]
    hooks.store.apps.client.delete_item(TableName="deliveries", Key=key)
    assert hooks.after(8) == ["not_yet", "not_yet"]
    hooks.store.apps.client.put_item(TableName="deliveries", Item=item)
    assert hooks.after(5) == ["delivered"]
    assert hooks.only(hook.id).attempts == 1


def test_an_entry_for_an_event_that_never_came_is_dropped_after_two_minutes(hooks: Hooks) -> None:
    hook = hooks.create()
    never = message_text(new_message_id(hooks.clock.ms))
    hooks.queue.send(first_entry(hooks, hook.id, never), delay_seconds=2)
    outcomes = hooks.after(DAY)
    assert outcomes[-1] == "orphan"
    assert set(outcomes[:-1]) == {"not_yet"}
    assert 20 <= len(outcomes) <= 30
    assert hooks.queue.entries == []


def test_a_crash_before_the_attempt_is_written_down_neither_loses_it_nor_forks_the_retries(
    dynamodb: tuple[DynamoDBClient, dict[str, str]],
) -> None:
    """The next attempt is in the queue already, and the interrupted entry comes again too."""
    client, tables = dynamodb
    hooks = Hooks(client, tables)
    hook, event = hooks.create(), hooks.happen()
    hooks.queue.entries.clear()
    hooks.receiver.replies = [FAILED]
    flaky = FlakyClient(client)
    crashing = Hooks(flaky, tables)  # type: ignore[arg-type]
    flaky.failures["put_item"] = 1
    queued = first_entry(hooks, hook.id, event.id)
    with pytest.raises(ClientError, match="slow down"):
        hooks.deliver(queued, store=crashing.store)
    assert hooks.after(DAY) == ["delivered"]
    assert hooks.deliver(queued) == "done_before"
    assert [len(hooks.receiver.posts), hooks.only(hook.id).attempts] == [2, 2]


def test_an_attempt_whose_successor_cannot_be_queued_comes_again(hooks: Hooks) -> None:
    class Broken:
        def send(self, body: dict[str, Any], *, delay_seconds: int = 0) -> None:
            raise StoreUnavailable

        send_many = send

    hook, event = hooks.create(), hooks.happen()
    hooks.receiver.replies = [FAILED]
    queued = first_entry(hooks, hook.id, event.id)
    with pytest.raises(StoreUnavailable):
        hooks.deliver(queued, queue=Broken())
    assert hooks.deliveries(hook.id).deliveries == []
    assert hooks.deliver(queued) == "delivered"


def test_of_two_copies_of_an_entry_at_the_same_time_the_success_is_what_stays(hooks: Hooks) -> None:
    hook, event = hooks.create(), hooks.happen()
    hooks.queue.entries.clear()
    queued = first_entry(hooks, hook.id, event.id)
    hooks.receiver.replies = [FAILED, Reply(200)]

    def second_copy() -> None:
        hooks.receiver.meanwhile = None
        hooks.receiver.replies.reverse()
        assert hooks.deliver(queued) == "delivered"

    hooks.receiver.meanwhile = second_copy
    assert hooks.deliver(queued) == "retry_but_superseded"
    assert hooks.after(DAY) == ["done_before"]
    assert hooks.only(hook.id).state == "delivered"


def test_a_success_is_written_down_over_a_failure_of_another_copy(hooks: Hooks) -> None:
    hook, event = hooks.create(), hooks.happen()
    hooks.queue.entries.clear()
    queued = first_entry(hooks, hook.id, event.id, attempt=ATTEMPTS)

    def second_copy() -> None:
        hooks.receiver.meanwhile = None
        hooks.receiver.replies = [FAILED]
        assert hooks.deliver(queued) == "given_up"

    hooks.receiver.meanwhile = second_copy
    assert hooks.deliver(queued) == "delivered"
    assert hooks.only(hook.id).state == "delivered"


def test_an_event_older_than_thirty_days_is_not_sent_any_more(hooks: Hooks) -> None:
    hook = hooks.create()
    event = hooks.happen(at_ms=hooks.clock.ms - 30 * DAY * 1000)
    assert hooks.deliver(first_entry(hooks, hook.id, event.id)) == "orphan"
    assert hooks.receiver.posts == []
