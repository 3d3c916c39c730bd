"""Events that tell an app the status of what it sent. A change records its event, which webhooks then get.

The webhook queue gets an entry first, with a delay, and its worker looks for the event. A crash in between leaves an
entry without an event, which is dropped, but never an event that no webhook gets.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandes.model.app import App
from sandes.model.delivery import AppEvent, AppMessage, Status
from sandes.model.ids import AppId, app_text, message_text, new_message_id
from sandes.model.instant import Instant
from sandes.ports.queues import Queue

TELL_AFTER_SECONDS = 2
"""The delay of an entry, long enough for the change to be written."""


def message_event(message: AppMessage, status: Status, *, now: Instant, failure: str | None = None) -> AppEvent:
    """Build the event of a message that reaches `status`. It holds ids, status and times, but no content and no
    recipient.
    """
    data = {
        "id": message_text(message.id),
        "status": status.label,
        "seq": int(status),
        "client_ref": message.client_ref,
        "batch": message.batch,
        "failure": failure,
    }
    return new_event(message.app, f"message.{status.label}", data, test=message.test, now=now)


def new_event(app: AppId, type: str, data: dict[str, object], *, test: bool, now: Instant) -> AppEvent:
    """Build an event from those `data` that are not None. Its id sorts by time. `test` is true if a test key sent the
    subject.
    """
    return AppEvent(
        app,
        message_text(new_message_id(now.ms)),
        type,
        now.ms,
        {name: value for name, value in data.items() if value is not None},
        test,
    )


def tell_webhooks(app: App, events: Sequence[AppEvent], queue: Queue) -> None:
    """Queue each event for each webhook of its kind that receives its type. Raises StoreUnavailable."""
    entries = [
        {
            "app": app_text(app.id),
            "event": event.id,
            "webhook": hook.id,
            "test": event.test,
            "attempt": 1,
            "not_before": 0,
        }
        for event in events
        for hook in app.listeners(event.type, test=event.test)
    ]
    if entries:
        queue.send_many(entries, delay_seconds=TELL_AFTER_SECONDS)
