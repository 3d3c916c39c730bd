"""Tests the stores of webhooks on moto and on the engine's DynamoDB."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from sandes.apps.app_events import new_event
from sandes.model.app import App, Webhook
from sandes.model.delivery import AppEvent
from sandes.model.ids import new_app_id, new_one_time_id
from sandes.model.instant import Instant
from sandes.model.webhook import WebhookDelivery
from sandes.store.apps import AppStore
from sandes.store.deliveries import ANSWER_IS_NEW, EVENT_KEEP_SECONDS, Answer, DeliveryStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.webhooks import WebhookStore
from tests.support.service import Service

URL = "https://hooks.example/"


class World:
    """Holds an app of its own in the backend's tables."""

    def __init__(self, backend: Service) -> None:
        self.apps = AppStore(backend.client, backend.tables["directory"])
        self.deliveries = DeliveryStore(backend.client, backend.tables["deliveries"])
        self.webhooks = WebhookStore(self.apps, self.deliveries)
        self.now_ms = backend.now_ms
        self.app = App(
            id=new_app_id(),
            name="Seva",
            organisation="MEA",
            mode="live",
            scopes=frozenset(["hook"]),
            sms=False,
            per_minute=1,
            per_day=1,
            guests=frozenset(),
            keys={},
            webhooks={},
            created_at=1,
        )
        assert self.apps.create(self.app)

    @property
    def now(self) -> int:
        return self.now_ms // 1000

    @property
    def hooks(self) -> dict[str, Webhook]:
        app = self.apps.read(self.app.id)
        assert app is not None
        return dict(app.webhooks)

    def add(self, *, most: int = 5) -> Webhook:
        hook = Webhook(new_one_time_id(), URL, ("message.read",), self.now, test=False)
        self.deliveries.write([self.apps.adding_webhook(self.app.id, hook, most=most)])
        return hook

    def record(self, *, at_ms: int | None = None) -> AppEvent:
        event = new_event(self.app.id, "message.read", {"seq": 5}, test=False, now=Instant(at_ms or self.now_ms))
        self.deliveries.write([self.deliveries.recording(event)])
        return event

    def delivery(self, event: str, hook: str, **changed: Any) -> WebhookDelivery:
        made = WebhookDelivery(
            app=self.app.id,
            test=False,
            webhook=hook,
            event=event,
            type="message.read",
            state="pending",
            run=1,
            attempts=1,
            last_status=500,
            last_error=None,
            next_attempt_at=self.now + 5,
            updated_at=self.now,
            expires_at=self.now + 1_000,
        )
        return replace(made, **changed)

    def read(self, event: str, hook: str) -> WebhookDelivery | None:
        return self.webhooks.read(self.app.id, event, hook, test=False, now_seconds=self.now)[2]


@pytest.fixture
def world(store_backend: Service) -> World:
    return World(store_backend)


def test_no_more_webhooks_are_added_than_there_may_be_however_many_try_at_once(world: World) -> None:
    added = []

    def add() -> None:
        try:
            added.append(world.add(most=3))
        except ConditionFailed:
            return

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.hooks == {hook.id: hook for hook in added}
    assert len(added) == 3


def test_a_webhook_of_an_app_that_is_gone_is_not_added(world: World) -> None:
    hook = Webhook(new_one_time_id(), URL, ("message.read",), 1, test=False)
    with pytest.raises(ConditionFailed):
        world.deliveries.write([world.apps.adding_webhook(new_app_id(), hook, most=5)])


def test_a_change_keeps_what_it_does_not_name(world: World) -> None:
    hook, other = world.add(), world.add()
    change = world.apps.change_webhook
    nothing: dict[str, Any] = {"test": False, "url": None, "events": None, "paused": None}
    assert change(world.app.id, hook.id, **nothing | {"url": "https://b/"}) == replace(hook, url="https://b/")
    paused = change(world.app.id, hook.id, **nothing | {"events": ["message.failed"], "paused": True})
    assert paused == replace(hook, url="https://b/", events=("message.failed",), disabled="paused")
    resumed = change(world.app.id, hook.id, **nothing | {"paused": False, "url": URL})
    assert resumed == replace(hook, events=("message.failed",))
    assert change(world.app.id, hook.id, **nothing | {"paused": False}) == resumed
    assert world.hooks == {hook.id: resumed, other.id: other}


def test_a_webhook_that_is_not_there_is_neither_changed_nor_disabled(world: World) -> None:
    absent = Webhook(new_one_time_id(), URL, ("message.read",), 1, test=False)
    assert (
        world.apps.change_webhook(world.app.id, absent.id, test=False, url="https://b/", events=None, paused=True)
        is None
    )
    assert world.apps.change_webhook(world.app.id, absent.id, test=False, url=None, events=None, paused=False) is None
    assert not world.apps.disable_webhook(world.app.id, absent, "gone")
    assert world.hooks == {}


def test_a_webhook_is_disabled_once_and_only_with_the_address_that_was_read(world: World) -> None:
    hook = world.add()
    assert not world.apps.disable_webhook(world.app.id, replace(hook, url="https://before/"), "gone")
    assert world.apps.disable_webhook(world.app.id, hook, "gone")
    assert not world.apps.disable_webhook(world.app.id, hook, "gone")
    paused = world.apps.change_webhook(world.app.id, hook.id, test=False, url=None, events=None, paused=True)
    assert paused == replace(hook, disabled="gone")


def test_app_event_and_delivery_are_read_together(world: World) -> None:
    hook, event = world.add(), world.record()
    delivery = world.delivery(event.id, hook.id, last_status=None, last_error="timeout")
    assert world.webhooks.note(delivery)
    app, found, row = world.webhooks.read(world.app.id, event.id, hook.id, test=False, now_seconds=world.now)
    assert app
    assert (app.id, found, row) == (world.app.id, event, delivery)
    other = world.webhooks.read(new_app_id(), event.id, hook.id, test=False, now_seconds=world.now)
    assert other == (None, None, None)


def test_what_has_expired_is_not_read(world: World) -> None:
    hook, event = world.add(), world.record()
    world.webhooks.note(world.delivery(event.id, hook.id))
    assert world.webhooks.read(world.app.id, event.id, hook.id, test=False, now_seconds=world.now + 1_000)[2] is None
    later = world.now + EVENT_KEEP_SECONDS
    assert world.webhooks.read(world.app.id, event.id, hook.id, test=False, now_seconds=later)[1] is None


@pytest.mark.parametrize(
    ("there", "comes", "written"),
    [
        (None, {}, True),
        ({}, {"attempts": 2}, True),
        ({}, {}, True),
        ({"attempts": 3}, {"attempts": 2}, False),
        ({"state": "delivered"}, {"attempts": 2}, False),
        ({"state": "failed"}, {"attempts": 10}, False),
        ({"state": "failed", "attempts": 10}, {"state": "delivered", "attempts": 3}, True),
        ({"run": 2, "attempts": 0}, {"attempts": 5}, False),
        ({"run": 2, "attempts": 0}, {"state": "delivered"}, False),
        ({"run": 2, "attempts": 0}, {"run": 2}, True),
    ],
)
def test_an_attempt_is_noted_unless_a_later_one_is_there(
    world: World, there: dict[str, Any] | None, comes: dict[str, Any], *, written: bool
) -> None:
    hook, event = new_one_time_id(), world.record().id
    before = None
    if there is not None:
        before = world.delivery(event, hook, **there)
        assert world.webhooks.note(before)
    after = world.delivery(event, hook, **comes)
    assert world.webhooks.note(after) is written
    assert world.read(event, hook) == (after if written else before)


def test_a_run_is_started_again_once(world: World) -> None:
    hook, event = new_one_time_id(), world.record().id
    first = world.delivery(event, hook, attempts=0)
    world.deliveries.write([world.webhooks.restarting(None, first)])
    second = replace(first, run=2, updated_at=world.now + 1)
    for _ in range(2):
        with pytest.raises(ConditionFailed):
            world.deliveries.write([world.webhooks.restarting(None, second)])
    world.deliveries.write([world.webhooks.restarting(first, second)])
    with pytest.raises(ConditionFailed):
        world.deliveries.write([world.webhooks.restarting(first, replace(second, updated_at=world.now + 2))])
    assert world.read(event, hook) == second


def test_deliveries_come_newest_event_first_in_pages(world: World) -> None:
    hook = new_one_time_id()
    events = [world.record(at_ms=world.now_ms + number).id for number in range(7)]
    for event in events:
        world.webhooks.note(world.delivery(event, hook))
    world.webhooks.note(world.delivery(events[0], new_one_time_id()))
    pages = list(world.webhooks.pages(world.app.id, hook, test=False, before=events[6], limit=4, now_seconds=world.now))
    assert [[row.event for row in rows] for rows, _ in pages][:2] == [events[5:1:-1], events[1::-1]]
    assert pages[0][1] == events[2]


def test_events_come_oldest_first_between_two_times(world: World) -> None:
    events = sorted(world.record(at_ms=world.now_ms + number).id for number in range(6))
    page = world.deliveries.event_page(
        world.app.id, test=False, after="0", until=f"{events[4][:13]}", limit=10, now_seconds=world.now
    )
    assert [event.id for event in page[0]] == events[:4]
    page = world.deliveries.event_page(
        world.app.id, test=False, after=events[1], until="f", limit=2, now_seconds=world.now
    )
    assert ([event.id for event in page[0]], page[1]) == (events[2:4], events[3])
    empty = world.deliveries.event_page(
        world.app.id, test=False, after=events[5], until=events[2], limit=2, now_seconds=world.now
    )
    assert empty == ([], None)


def test_an_answer_is_remembered_once_and_anew_when_its_day_is_over(world: World) -> None:
    request, first = new_one_time_id(), Answer(b"f" * 16, "{}")
    remembering = world.deliveries.remembering
    world.deliveries.write([remembering(world.app.id, request, first, now_seconds=world.now)])
    second = Answer(b"g" * 16, "[]")
    with pytest.raises(ConditionFailed) as caught:
        world.deliveries.write([remembering(world.app.id, request, second, now_seconds=world.now + 86_399)])
    assert caught.value.row(ANSWER_IS_NEW)
    world.deliveries.write([remembering(world.app.id, request, second, now_seconds=world.now + 86_400)])
    assert world.deliveries.remembered(world.app.id, request, now_seconds=world.now + 86_400) == second
