"""Tests expired messages of apps: marked once, reported once, and never delivered afterwards."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count

import pytest

from sandes.apps.app_status import SWEEP_SECONDS, StatusDependencies, expire_due, take_receipt
from sandes.model.app import App, Webhook
from sandes.model.delivery import AppMessage, Envelopes, Status
from sandes.model.ids import MessageId, app_text, new_account_id, new_app_id, new_message_id
from sandes.model.instant import Instant
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore, key
from tests.support.queue import FakeQueue
from tests.support.service import Service


@pytest.fixture
def deps(store_backend: Service) -> StatusDependencies:
    tables = store_backend.tables
    return StatusDependencies(
        AppStore(store_backend.client, tables["directory"]),
        DeliveryStore(store_backend.client, tables["deliveries"]),
        FakeQueue(),
    )


@pytest.fixture
def app(deps: StatusDependencies, store_backend: Service) -> App:
    hook = Webhook("h" * 22, "https://example.org", ("message.expired",), 0, test=False)
    made = App(
        id=new_app_id(),
        name="Rail",
        organisation="Railways",
        mode="live",
        scopes=frozenset({"msg"}),
        sms=False,
        per_minute=10,
        per_day=10,
        guests=frozenset(),
        keys={},
        webhooks={hook.id: hook},
        created_at=0,
    )
    assert deps.apps.create(made)
    return made


def stored(app: App, deps: StatusDependencies, service: Service, *, deadline: int) -> AppMessage:
    message = AppMessage(
        app=app.id,
        id=new_message_id(service.now_ms),
        status=Status.QUEUED,
        account=new_account_id(),
        envelopes=Envelopes(()),
        deadline=deadline,
        category="notice",
        language="en",
        template=None,
        client_ref="F-7",
        batch=None,
        failure=None,
        test=False,
        times_ms={Status.QUEUED: service.now_ms},
    )
    deps.deliveries.write([deps.deliveries.creating(message)])
    return message


def status(app: App, id: MessageId, deps: StatusDependencies, service: Service) -> Status:
    message = deps.deliveries.message(app.id, id, now_seconds=service.now_ms // 1000)
    assert message
    return message.status


def sweep(service: Service, deps: StatusDependencies, *, later: int = 0) -> int:
    return expire_due(now=Instant(service.now_ms + later * 1000), deps=deps, elapsed=lambda: 0.0)


def test_a_message_expires_at_its_deadline_and_its_webhook_is_told_once(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    due, not_due = (stored(app, deps, store_backend, deadline=now + seconds) for seconds in (5, 500))
    sweep(store_backend, deps)
    assert status(app, due.id, deps, store_backend) is Status.QUEUED
    sweep(store_backend, deps, later=5)
    sweep(store_backend, deps, later=65)
    assert status(app, due.id, deps, store_backend) is Status.EXPIRED
    assert status(app, not_due.id, deps, store_backend) is Status.QUEUED
    queue = deps.webhook_queue
    assert isinstance(queue, FakeQueue)
    (entry,) = [body for body, _ in queue.sent]
    event = deps.deliveries.event(app.id, entry["event"], test=False, now_seconds=now)
    assert event
    assert (event.type, event.data["client_ref"]) == ("message.expired", "F-7")


def test_a_message_that_was_delivered_or_is_hours_overdue(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    read = stored(app, deps, store_backend, deadline=now + 5)
    overdue = stored(app, deps, store_backend, deadline=now - 20 * 3600)
    assert read.account
    take_receipt(app.id, read.account, Status.DELIVERED, [read.id], now=Instant(store_backend.now_ms), deps=deps)
    sweep(store_backend, deps, later=10)
    assert status(app, read.id, deps, store_backend) is Status.DELIVERED
    assert status(app, overdue.id, deps, store_backend) is Status.EXPIRED


@pytest.mark.parametrize("days", [2, 10, 29])
def test_a_long_pause_of_the_sweep_loses_nothing(
    app: App, deps: StatusDependencies, store_backend: Service, days: int
) -> None:
    now = store_backend.now_ms // 1000
    deps.deliveries.note_swept(now // 3600)
    message = stored(app, deps, store_backend, deadline=now + 60)
    sweep(store_backend, deps, later=days * 86_400)
    assert status(app, message.id, deps, store_backend) is Status.EXPIRED
    queue = deps.webhook_queue
    assert isinstance(queue, FakeQueue)
    assert len([entry for entry, _ in queue.sent if entry["app"] == app_text(app.id)]) == 1


def test_a_sweep_that_runs_out_of_time_goes_on_where_it_ended(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    """Each call has time for a few hours, and the backlog of a pause of twenty days is still processed."""
    now = store_backend.now_ms // 1000
    deps.deliveries.note_swept(now // 3600)
    messages = [stored(app, deps, store_backend, deadline=now + hours * 3600) for hours in (1, 30, 31, 300)]
    later_ms, calls = store_backend.now_ms + 20 * 86_400_000, 0
    while any(status(app, one.id, deps, store_backend) is not Status.EXPIRED for one in messages):
        expire_due(now=Instant(later_ms), deps=deps, elapsed=partial(next, count(step=SWEEP_SECONDS / 50)))
        calls += 1
        assert calls < 50, "the sweep makes no progress"
    assert calls > 3


def test_the_first_sweep_of_all_looks_back_as_long_as_messages_are_kept(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    deps.deliveries.client.delete_item(TableName=deps.deliveries.table, Key=key("D#swept", "0"))
    message = stored(app, deps, store_backend, deadline=now - 29 * 86_400)
    sweep(store_backend, deps)
    assert status(app, message.id, deps, store_backend) is Status.EXPIRED
    assert deps.deliveries.swept_before() == now // 3600


def test_a_receipt_after_the_deadline_does_not_take_the_expiry_back(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    now = store_backend.now_ms // 1000
    late = stored(app, deps, store_backend, deadline=now - 1)
    assert late.account
    for _ in range(2):
        take_receipt(app.id, late.account, Status.READ, [late.id], now=Instant(store_backend.now_ms), deps=deps)
        sweep(store_backend, deps)
    assert status(app, late.id, deps, store_backend) is Status.EXPIRED


def test_two_receipts_of_two_devices_tell_the_app_once(
    app: App, deps: StatusDependencies, store_backend: Service
) -> None:
    message = stored(app, deps, store_backend, deadline=store_backend.now_ms // 1000 + 60)
    assert message.account
    listening = replace(app.webhooks["h" * 22], events=("message.delivered",))
    assert deps.apps.set_entry(app.id, listening, replaces=True)
    for _ in range(2):
        take_receipt(
            app.id, message.account, Status.DELIVERED, [message.id], now=Instant(store_backend.now_ms), deps=deps
        )
    queue = deps.webhook_queue
    assert isinstance(queue, FakeQueue)
    assert len(queue.sent) == 1
