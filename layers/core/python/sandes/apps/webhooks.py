"""Calls of apps about their webhooks: registering, changing, testing, deliveries, redelivery
(docs/apps/webhooks.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from sandes.apps import webhook_register
from sandes.apps.app_events import TELL_AFTER_SECONDS, new_event
from sandes.apps.webhook_address import AddressRule
from sandes.apps.webhook_delivery import entry
from sandes.apps.webhook_register import WebhookRegister
from sandes.crypto.codes import same
from sandes.crypto.pepper import Pepper
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.cursors import cursor, position
from sandes.identity.apps import AppCaller, AppRequest, first_answer, identify
from sandes.model.app import MAX_WEBHOOKS, Webhook
from sandes.model.ids import app_text
from sandes.model.instant import Instant
from sandes.model.webhook import WebhookDelivery
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.app_view import AppView, Wanted
from sandes.store.deliveries import ANSWER_IS_NEW, EVENT_KEEP_SECONDS, Answer, live_answer
from sandes.store.dynamo import ConditionFailed
from sandes.store.transaction import Operation
from sandes.store.webhooks import WebhookStore

_LIST_QUERIES = 10
"""The most pages that are read for one answer, if a filter leaves few rows of each."""


@dataclass(frozen=True, slots=True)
class WebhookDependencies:
    view: AppView
    store: WebhookStore
    queue: Queue
    pepper: Pepper
    keys: WebhookKeys
    addresses: AddressRule
    audience: str

    @property
    def register(self) -> WebhookRegister:
        return WebhookRegister(self.view.apps, self.keys, self.addresses)


def create(
    request: AppRequest, body: app_api.NewWebhook, *, now: Instant, deps: WebhookDependencies
) -> app_api.Webhook:
    """Register a webhook and return it with its secret, which no other answer has.

    A repeated request gets the first answer. Raises ProtocolError webhook_address, too_many_webhooks,
    idempotency_mismatch, and the errors of `identify`.
    """
    caller, by, fingerprint = _identify_post(request, now, deps)
    if caller.facts.answer:
        return _created(caller.facts.answer, fingerprint, deps)
    now_seconds = now.seconds
    hook = webhook_register.new(caller.app, body, test=caller.key.test, now_seconds=now_seconds, register=deps.register)
    answer = Answer(fingerprint, webhook_register.shown(hook, deps.register).model_dump_json(exclude_none=True))
    try:
        deps.store.deliveries.write(
            [
                deps.view.apps.adding_webhook(caller.app.id, hook, most=MAX_WEBHOOKS),
                deps.store.deliveries.remembering(caller.app.id, by, answer, now_seconds=now_seconds),
            ]
        )
    except ConditionFailed as failed:
        first = live_answer(failed.row(ANSWER_IS_NEW), now_seconds)
        if first is None:
            raise ProtocolError(ErrorCode.TOO_MANY_WEBHOOKS) from None
        return _created(first, fingerprint, deps)
    return _created(answer, fingerprint, deps)


def _created(answer: Answer, fingerprint: bytes, deps: WebhookDependencies) -> app_api.Webhook:
    """Repeat the first answer. Its stored form has no secret, which is derived again."""
    first = app_api.Webhook.model_validate_json(_first(answer, fingerprint))
    return webhook_register.with_secret(first, deps.register)


def all_of(request: AppRequest, *, now: Instant, deps: WebhookDependencies) -> app_api.WebhookList:
    """Return the webhooks, the oldest first. Raises ProtocolError like `identify`."""
    caller = _identify(request, Wanted(), now, deps)
    return app_api.WebhookList(webhooks=webhook_register.all_of(_hooks(caller), deps.register))


def one(request: AppRequest, id: str, *, now: Instant, deps: WebhookDependencies) -> app_api.Webhook:
    """Return a webhook. Raises ProtocolError not_found, and the errors of `identify`."""
    caller = _identify(request, Wanted(), now, deps)
    return webhook_register.shown(webhook_register.one(_hooks(caller), id), deps.register)


def change(
    request: AppRequest, id: str, body: app_api.ChangeWebhook, *, now: Instant, deps: WebhookDependencies
) -> app_api.Webhook:
    """Change the fields that the body has. Raises ProtocolError not_found, webhook_address, and the errors of
    `identify`.
    """
    caller = _identify(request, Wanted(), now, deps)
    hook = webhook_register.one(_hooks(caller), id)
    changed = webhook_register.change(hook, body, app=caller.app, register=deps.register)
    return webhook_register.shown(changed, deps.register)


def remove(request: AppRequest, id: str, *, now: Instant, deps: WebhookDependencies) -> None:
    """Remove a webhook. Nothing is sent to it any more, also no retries.

    Raises ProtocolError not_found, and the errors of `identify`.
    """
    caller = _identify(request, Wanted(), now, deps)
    webhook_register.remove(webhook_register.one(_hooks(caller), id), app=caller.app, register=deps.register)


def test(request: AppRequest, id: str, *, now: Instant, deps: WebhookDependencies) -> app_api.WebhookDelivery:
    """Send a `webhook.test` event to this webhook, whatever types it receives.

    Raises ProtocolError not_found, webhook_disabled, idempotency_mismatch, and the errors of `identify`.
    """
    caller, by, fingerprint = _identify_post(request, now, deps)
    if caller.facts.answer:
        return _delivery(caller.facts.answer, fingerprint)
    hook = _enabled(webhook_register.one(_hooks(caller), id))
    event = new_event(caller.app.id, "webhook.test", {"webhook": hook.id}, test=hook.test, now=now)
    now_seconds = now.seconds
    delivery = _new_delivery(caller, hook, event.id, event.type, run=1, at=now_seconds, event_at=now_seconds)
    return _start(
        caller, None, delivery, by=by, fingerprint=fingerprint, also=[deps.store.deliveries.recording(event)], deps=deps
    )


def redeliver(
    request: AppRequest, id: str, event: str, *, now: Instant, deps: WebhookDependencies
) -> app_api.WebhookDelivery:
    """Send an event of the last 30 days to this webhook again, with all attempts, whatever its delivery's state.

    Raises ProtocolError not_found, webhook_disabled, idempotency_mismatch, unavailable, and the errors of `identify`.
    """
    caller, by, fingerprint = _identify_post(request, now, deps)
    if caller.facts.answer:
        return _delivery(caller.facts.answer, fingerprint)
    hook = _enabled(webhook_register.one(_hooks(caller), id))
    now_seconds = now.seconds
    _, found, row = deps.store.read(caller.app.id, event, hook.id, test=hook.test, now_seconds=now_seconds)
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    run, event_at = (row.run if row else 1) + 1, found.at_ms // 1000
    delivery = _new_delivery(caller, hook, found.id, found.type, run=run, at=now_seconds, event_at=event_at)
    return _start(caller, row, delivery, by=by, fingerprint=fingerprint, also=[], deps=deps)


def _new_delivery(
    caller: AppCaller, hook: Webhook, event: str, type: str, *, run: int, at: int, event_at: int
) -> WebhookDelivery:
    return WebhookDelivery(
        app=caller.app.id,
        test=hook.test,
        webhook=hook.id,
        event=event,
        type=type,
        state="pending",
        run=run,
        attempts=0,
        last_status=None,
        last_error=None,
        next_attempt_at=at,
        updated_at=at,
        expires_at=event_at + EVENT_KEEP_SECONDS,
    )


def _start(
    caller: AppCaller,
    old: WebhookDelivery | None,
    new: WebhookDelivery,
    *,
    by: str,
    fingerprint: bytes,
    also: Sequence[Operation],
    deps: WebhookDependencies,
) -> app_api.WebhookDelivery:
    """Queue the first attempt, then record that it is due. An entry whose row is never written is dropped."""
    answer = Answer(fingerprint, _shown_delivery(new).model_dump_json(exclude_none=True))
    queued = entry(
        app_text(new.app), new.event, new.webhook, test=new.test, attempt=1, run=new.run, not_before=new.updated_at
    )
    deps.queue.send(queued, delay_seconds=TELL_AFTER_SECONDS)
    try:
        deps.store.deliveries.write(
            [
                *also,
                deps.store.restarting(old, new),
                deps.store.deliveries.remembering(caller.app.id, by, answer, now_seconds=new.updated_at),
            ]
        )
    except ConditionFailed as failed:
        first = live_answer(failed.row(ANSWER_IS_NEW), new.updated_at)
        if first is None:  # another request for the same event was faster
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
        return _delivery(first, fingerprint)
    return _delivery(answer, fingerprint)


def deliveries(
    request: AppRequest,
    id: str,
    *,
    state: str | None,
    after: str | None,
    limit: int,
    now: Instant,
    deps: WebhookDependencies,
) -> app_api.WebhookDeliveries:
    """Return a page of deliveries, the newest events first. It can be short or empty and still have a cursor.

    The reason is that `state` is checked after reading. Raises ProtocolError not_found, invalid_cursor, and the errors
    of `identify`.
    """
    caller = _identify(request, Wanted(), now, deps)
    hook = webhook_register.one(_hooks(caller), id)
    app, of = caller.app.id, f"deliveries {hook.id}"
    before = position(after, owner=app, of=of, pepper=deps.pepper) if after is not None else None
    found: list[WebhookDelivery] = []
    last: str | None = None
    pages = deps.store.pages(app, hook.id, test=hook.test, before=before, limit=limit, now_seconds=now.seconds)
    for rows, after_page in islice(pages, _LIST_QUERIES):
        passed = [row for row in rows if state is None or row.state == state]
        room = limit - len(found)
        found += passed[:room]
        last = after_page
        if len(passed) > room:
            last = found[-1].event
        if len(found) == limit:
            break
    return app_api.WebhookDeliveries(
        deliveries=[_shown_delivery(row) for row in found],
        cursor=cursor(last, owner=app, of=of, pepper=deps.pepper) if last else None,
    )


# Shared parts


def _identify(request: AppRequest, wanted: Wanted, now: Instant, deps: WebhookDependencies) -> AppCaller:
    return identify(request, wanted, scope="hook", audience=deps.audience, now=now, view=deps.view)


def _hooks(caller: AppCaller) -> Mapping[str, Webhook]:
    """Return the webhooks that the caller's key may see and change: those of its own kind."""
    return caller.app.hooks(test=caller.key.test)


def _identify_post(request: AppRequest, now: Instant, deps: WebhookDependencies) -> tuple[AppCaller, str, bytes]:
    """Identify the caller. Return the keyed hashes that recognise a repetition and its body, too."""
    by = request.request_hash(deps.pepper)
    caller = _identify(request, Wanted(request=by), now, deps)
    answer = first_answer(request, caller, pepper=deps.pepper, now_seconds=now.seconds, view=deps.view)
    caller = replace(caller, facts=replace(caller.facts, answer=answer))
    return caller, by, request.body_fingerprint(deps.pepper, answer.fingerprint if answer else None)


def _first(answer: Answer, fingerprint: bytes) -> str:
    if not same(answer.fingerprint, fingerprint):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return answer.answer


def _delivery(answer: Answer, fingerprint: bytes) -> app_api.WebhookDelivery:
    return app_api.WebhookDelivery.model_validate_json(_first(answer, fingerprint))


def _enabled(hook: Webhook) -> Webhook:
    if hook.disabled:
        raise ProtocolError(ErrorCode.WEBHOOK_DISABLED)
    return hook


def _shown_delivery(row: WebhookDelivery) -> app_api.WebhookDelivery:
    next_at = row.next_attempt_at
    return app_api.WebhookDelivery(
        event=row.event,
        type=cast("Any", row.type),
        state=row.state,
        attempts=row.attempts,
        last_status=row.last_status,
        last_error=row.last_error,
        next_attempt_at=datetime.fromtimestamp(next_at, UTC) if next_at is not None else None,
        updated_at=datetime.fromtimestamp(row.updated_at, UTC),
    )
