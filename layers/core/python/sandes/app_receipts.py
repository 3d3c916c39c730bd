"""Receipts of devices for messages of apps: they move a message's status on, and its app hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandes.app_events import message_event, tell_webhooks
from sandes.model.delivery import AppMessage, Status
from sandes.model.ids import AccountId, AppId, MessageId
from sandes.queues import Queue
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.dynamo import ConditionFailed


@dataclass(frozen=True, slots=True)
class AppReceiptDependencies:
    apps: AppStore
    deliveries: DeliveryStore
    webhook_queue: Queue


def take_receipt(
    app_id: AppId, reader: AccountId, to: Status, ids: Sequence[MessageId], *, now_ms: int, deps: AppReceiptDependencies
) -> None:
    """Move those of `ids` on that were sent to `reader` and are not as far; pass over all others.

    A message whose time is over stays expired: what was said of it once is not taken back.
    """
    now_seconds = now_ms // 1000
    moving = [
        message
        for message in deps.deliveries.messages(app_id, ids, now_seconds=now_seconds)
        if message.account == reader and message.status_at(now_seconds) < to
    ]
    app = deps.apps.read(app_id) if moving else None
    if app is None:
        return
    events = {message.id: message_event(message, to, now_ms=now_ms) for message in moving}
    tell_webhooks(app, list(events.values()), deps.webhook_queue)
    for message in moving:
        _move(message, to, now_ms, [deps.deliveries.recording(events[message.id])], deps)


def _move(
    message: AppMessage, to: Status, now_ms: int, with_it: list[dict[str, object]], deps: AppReceiptDependencies
) -> None:
    try:
        deps.deliveries.write([deps.deliveries.advancing(message.app, message.id, to, now_ms=now_ms), *with_it])
    except ConditionFailed:
        return  # another device of the reader was faster, or the app has recalled it
