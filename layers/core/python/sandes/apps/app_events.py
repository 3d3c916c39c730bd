"""Events by which apps hear what became of what they sent: recorded with the change itself, then told to webhooks.

The webhook queue is told first, with a delay: whoever takes the entry looks for the event, so a crash between the two
leaves an entry for an event that never was, which is dropped, and never an event that no webhook hears of.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandes.model.app import App
from sandes.model.delivery import AppEvent, AppMessage, Status
from sandes.model.ids import AppId, app_text, message_text, new_message_id
from sandes.ports.queues import Queue

TELL_AFTER_SECONDS = 2
"""Long enough for the change to be written."""


def message_event(message: AppMessage, status: Status, *, now_ms: int, failure: str | None = None) -> AppEvent:
    """What is said of a message that reaches `status`: ids, status, times; nothing of its content or recipient."""
    data = {
        "id": message_text(message.id),
        "status": status.label,
        "seq": int(status),
        "client_ref": message.client_ref,
        "batch": message.batch,
        "failure": failure,
    }
    return new_event(message.app, f"message.{status.label}", data, test=message.test, now_ms=now_ms)


def new_event(app: AppId, type: str, data: dict[str, object], *, test: bool, now_ms: int) -> AppEvent:
    """Makes an event of `data` without what is None; the id sorts by time. `test`: of a test key's doing."""
    return AppEvent(
        app,
        message_text(new_message_id(now_ms)),
        type,
        now_ms,
        {name: value for name, value in data.items() if value is not None},
        test,
    )


def tell_webhooks(app: App, events: Sequence[AppEvent], queue: Queue) -> None:
    """Queue each event for each webhook of its kind that wants it. Raises StoreUnavailable."""
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
