"""Changes the status of an app's message after it was sent: on receipts of devices, and on its expiry.

The change and the event that reports it to the app are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from sandes.apps.app_events import message_event, tell_webhooks
from sandes.model.app import App
from sandes.model.delivery import AppMessage, Status
from sandes.model.ids import AccountId, AppId, MessageId
from sandes.model.instant import Instant
from sandes.ports.queues import Queue
from sandes.store.apps import AppStore
from sandes.store.deliveries import HOUR_SECONDS, MESSAGE_KEEP_SECONDS, DeliveryStore
from sandes.store.dynamo import ConditionFailed

LOOK_BACK_SECONDS = 86_400
SWEEP_SECONDS = 20.0
SLICE = 25


@dataclass(frozen=True, slots=True)
class StatusDependencies:
    apps: AppStore
    deliveries: DeliveryStore
    webhook_queue: Queue


def take_receipt(
    app_id: AppId, reader: AccountId, to: Status, ids: Sequence[MessageId], *, now: Instant, deps: StatusDependencies
) -> None:
    """Record the receipt for those of `ids` that were sent to `reader` and have a lower status. Ignore all others.

    An expired message stays expired, because the app has been told so.
    """
    now_seconds = now.seconds
    moving = [
        message
        for message in deps.deliveries.messages(app_id, ids, now_seconds=now_seconds)
        if message.account == reader and message.status_at(now_seconds) < to
    ]
    app = deps.apps.read(app_id) if moving else None
    if app is None:
        return
    _move(app, moving, to, now=now, deps=deps)


def expire_due(*, now: Instant, deps: StatusDependencies, elapsed: Callable[[], float]) -> int:
    """Expire the messages that are due, and return their number. Stop after 20 seconds; the next call continues.

    It begins where the last sweep ended, and at least a day earlier, because the index may show rows late. A paused
    schedule therefore loses nothing until the rows themselves expire, 30 days after their deadline. Concurrent calls
    are harmless.
    """
    began, moved, now_seconds = elapsed(), 0, now.seconds
    this_hour = now_seconds // HOUR_SECONDS
    noted = deps.deliveries.swept_before()
    oldest = (now_seconds - MESSAGE_KEEP_SECONDS) // HOUR_SECONDS
    hour = oldest if noted is None else max(oldest, min(noted, (now_seconds - LOOK_BACK_SECONDS) // HOUR_SECONDS))
    apps: dict[AppId, App | None] = {}
    late = False
    while hour <= this_hour and not late:
        for app_id, messages in _slices(deps.deliveries.due(hour, now_seconds=now_seconds)):
            if app_id not in apps:
                apps[app_id] = deps.apps.read(app_id)
            if app := apps[app_id]:
                taken_ms = int((elapsed() - began) * 1000)  # the id of an event contains its time
                _move(app, messages, Status.EXPIRED, now=Instant(now.ms + taken_ms), deps=deps)
            moved += len(messages)
            late = elapsed() - began > SWEEP_SECONDS
            if late:
                break
        else:
            late = elapsed() - began > SWEEP_SECONDS
            hour += 1
    swept = min(hour, this_hour)  # some deadlines of this hour are still ahead
    if noted is None or swept > noted:
        deps.deliveries.note_swept(swept)
    return moved


def _slices(pages: Iterable[Sequence[AppMessage]]) -> Iterator[tuple[AppId, Sequence[AppMessage]]]:
    """Yield a few messages of one app at a time, because an unfinished slice reports its events again."""
    for page in pages:
        for app, messages in groupby(sorted(page, key=attrgetter("app")), key=attrgetter("app")):
            of_app = list(messages)
            for start in range(0, len(of_app), SLICE):
                yield app, of_app[start : start + SLICE]


def _move(app: App, messages: Sequence[AppMessage], to: Status, *, now: Instant, deps: StatusDependencies) -> None:
    events = [message_event(message, to, now=now) for message in messages]
    tell_webhooks(app, events, deps.webhook_queue)
    for message, event in zip(messages, events, strict=True):
        below = Status.DELIVERED if to is Status.EXPIRED else to
        moving = deps.deliveries.advancing(message.app, message.id, to, now_ms=now.ms, below=below)
        try:
            deps.deliveries.write([moving, deps.deliveries.recording(event)])
        except ConditionFailed:
            continue  # another device, the app's recall or another sweep was faster
