"""Delivers one event to one webhook: a signed post, retried for 75 hours (docs/apps/webhooks.md, "Retries").

The next attempt is queued before this one is recorded (docs/adr/0014). A crash in between leads to one post too many,
which receivers recognise by its id, but never to one too few.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from sandes.apps.webhook_address import AddressRefused, AddressRule, Destination
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.model.app import Webhook
from sandes.model.delivery import AppEvent
from sandes.model.ids import message_time_ms, parse_app, parse_message
from sandes.model.instant import Instant
from sandes.model.webhook import WebhookDelivery
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.store.deliveries import EVENT_KEEP_SECONDS
from sandes.store.webhooks import WebhookStore

MINUTE, HOUR = 60, 3600
RETRY_AFTER_SECONDS = (
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""The waits after failed attempts: the schedule of Standard Webhooks, 75 h 35 min in all."""

ATTEMPTS = len(RETRY_AFTER_SECONDS) + 1
LONGEST_DELAY_SECONDS = 900
"""The longest delay of SQS. Longer waits consist of several delays."""

ORPHAN_SECONDS = 120
"""A queued event that is absent after this time belongs to a failed change."""

NOT_YET_SECONDS = 5
_JITTER = 0.05
_LONGEST_JITTER_SECONDS = 60

MOST_LINKS = 2 * (
    sum(-(-(seconds + _LONGEST_JITTER_SECONDS) // LONGEST_DELAY_SECONDS) for seconds in RETRY_AFTER_SECONDS[1:])
    + -(-RETRY_AFTER_SECONDS[-1] // LONGEST_DELAY_SECONDS)
    + ATTEMPTS
    + ORPHAN_SECONDS // NOT_YET_SECONDS
)
"""The longest chain of queue entries: twice what a webhook needs that fails for 100 hours, the longest time that a
receiver can request by `Retry-After`.
"""

GONE = 410


@dataclass(frozen=True, slots=True)
class Reply:
    """Holds the answer to a post. `status` is None without an answer; `error` then says why.

    `retry_after_seconds` is the receiver's request.
    """

    status: int | None
    error: str | None = None
    retry_after_seconds: int | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Poster(Protocol):
    def post(self, to: Destination, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post once, within 15 s, to one of the destination's addresses, without following redirects. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookDeliveryDependencies:
    store: WebhookStore
    queue: Queue
    keys: WebhookKeys
    addresses: AddressRule
    poster: Poster
    random: Callable[[], float] = random.random


def entry(app: str, event: str, webhook: str, *, test: bool, attempt: int, run: int, not_before: int) -> dict[str, Any]:
    """Build a queue entry. `attempt` counts from 1 within a `run`, and is due at `not_before` (epoch seconds)."""
    made = {"app": app, "event": event, "webhook": webhook, "test": test}
    return made | {"attempt": attempt, "run": run, "not_before": not_before}


def deliver(queued: Mapping[str, Any], *, now: Instant, deps: WebhookDeliveryDependencies) -> str:
    """Make one attempt if it is due and still needed. Return the outcome for the log.

    A crash may repeat a post, with the same webhook-id. Raises StoreUnavailable.
    """
    now_seconds = now.seconds
    if queued["not_before"] > now_seconds:
        return _wait(queued, queued["not_before"] - now_seconds, "waiting", deps)
    attempt, run, test = queued["attempt"], queued.get("run", 1), queued["test"]
    app, event, row = deps.store.read(
        parse_app(queued["app"]), queued["event"], queued["webhook"], test=test, now_seconds=now_seconds
    )
    hook = app.hooks(test=test).get(queued["webhook"]) if app else None
    if hook is None:
        return "webhook_removed"
    stored_run = row.run if row else 1
    if event is None or run > stored_run:
        since = max(queued["not_before"], message_time_ms(parse_message(queued["event"])) // 1000)
        if now_seconds - since > ORPHAN_SECONDS:
            return "orphan"
        return _wait(queued, NOT_YET_SECONDS, "not_yet", deps)
    if run < stored_run or (row and (row.state != "pending" or row.attempts >= attempt)):
        return "done_before"
    delivery = WebhookDelivery(
        app=event.app,
        test=test,
        webhook=hook.id,
        event=event.id,
        type=event.type,
        state="pending",
        run=run,
        attempts=attempt,
        last_status=None,
        last_error=None,
        next_attempt_at=None,
        updated_at=now_seconds,
        expires_at=event.at_ms // 1000 + EVENT_KEEP_SECONDS,
    )
    if hook.disabled:
        failed = replace(delivery, state="failed", attempts=attempt - 1, last_error=f"webhook_{hook.disabled}")
        return _noted(failed, "webhook_disabled", deps)
    reply = _post(hook, event, now_seconds, deps)
    delivery = replace(delivery, last_status=reply.status, last_error=reply.error)
    if reply.taken:
        return _noted(replace(delivery, state="delivered"), "delivered", deps)
    if reply.status == GONE:
        deps.store.apps.disable_webhook(event.app, hook, "gone")
        return _noted(replace(delivery, state="failed"), "gone", deps)
    if attempt >= ATTEMPTS:
        return _noted(replace(delivery, state="failed"), "given_up", deps)
    next_at = now_seconds + _wait_seconds(attempt, reply.retry_after_seconds, deps.random)
    later = entry(queued["app"], event.id, hook.id, test=test, attempt=attempt + 1, run=run, not_before=next_at)
    deps.queue.send(later, delay_seconds=min(next_at - now_seconds, LONGEST_DELAY_SECONDS))
    return _noted(replace(delivery, next_attempt_at=next_at), "retry", deps)


def _post(hook: Webhook, event: AppEvent, now_seconds: int, deps: WebhookDeliveryDependencies) -> Reply:
    try:
        destination = deps.addresses.check(hook.url)
    except AddressRefused as refused:
        return Reply(None, refused.reason)
    body = event_body(event).model_dump_json().encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Sandes-Webhooks/1",
        "webhook-id": event.id,
        "webhook-timestamp": str(now_seconds),
        "webhook-signature": deps.keys.signature(hook.id, id=event.id, timestamp=now_seconds, body=body),
    }
    return deps.poster.post(destination, headers, body)


def event_body(event: AppEvent) -> app_api.Event:
    """Build the event's form for webhooks and the feed."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    return app_api.Event.model_validate({"id": event.id, "type": event.type, "timestamp": at, "data": dict(event.data)})


def _wait_seconds(attempt: int, asked: int | None, random: Callable[[], float]) -> int:
    """Return the wait after `attempt`. The receiver may ask for a longer one, up to the wait after the next attempt."""
    step = RETRY_AFTER_SECONDS[attempt - 1]
    most = RETRY_AFTER_SECONDS[min(attempt, len(RETRY_AFTER_SECONDS) - 1)]
    seconds = min(max(step, asked or 0), most)
    return seconds + int(random() * min(seconds * _JITTER, _LONGEST_JITTER_SECONDS))


def _wait(queued: Mapping[str, Any], seconds: int, outcome: str, deps: WebhookDeliveryDependencies) -> str:
    deps.queue.send(dict(queued), delay_seconds=min(seconds, LONGEST_DELAY_SECONDS))
    return outcome


def _noted(delivery: WebhookDelivery, outcome: str, deps: WebhookDeliveryDependencies) -> str:
    return outcome if deps.store.note(delivery) else f"{outcome}_but_superseded"
