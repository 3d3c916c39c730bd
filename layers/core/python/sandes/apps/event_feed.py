"""The feed of events, for apps that cannot receive webhooks: the same events, for 30 days.

This module implements docs/apps/webhooks.md, "The feed".
"""

from __future__ import annotations

from sandes.apps.messages import AppsDependencies
from sandes.apps.webhook_delivery import event_body
from sandes.cursors import cursor, position
from sandes.identity.apps import AppRequest, identify
from sandes.model.instant import Instant
from sandes.protocol import app_api
from sandes.store.app_view import Wanted
from sandes.store.deliveries import EVENT_KEEP_SECONDS

HOLD_BACK_MS = 5_000
"""The age below which events are held back, because one with a smaller id may still be on its way into the table."""

_OF, _OF_TESTS = "events", "test events"


def page(
    request: AppRequest, *, after: str | None, limit: int, now: Instant, deps: AppsDependencies
) -> app_api.EventPage:
    """Return the events about messages and codes that keys of the caller's kind sent, the oldest first.

    The page begins after the cursor, or 30 days ago, and always has a cursor for the next call. Raises ProtocolError
    invalid_cursor, and the errors of `identify`.
    """
    caller = identify(request, Wanted(), scope=None, audience=deps.audience, now=now, view=deps.view)
    app, test = caller.app.id, caller.key.test
    of = _OF_TESTS if test else _OF
    oldest = _before_ms(now.ms - EVENT_KEEP_SECONDS * 1000)
    start = position(after, owner=app, of=of, pepper=deps.pepper) if after is not None else oldest
    events, end = deps.view.deliveries.event_page(
        app,
        test=test,
        after=max(start, oldest),
        until=_before_ms(now.ms - HOLD_BACK_MS),
        limit=limit,
        now_seconds=now.seconds,
    )
    last = end or (events[-1].id if events else start)
    return app_api.EventPage(
        events=[event_body(event) for event in events],
        cursor=cursor(last, owner=app, of=of, pepper=deps.pepper),
        more=end is not None,
    )


def _before_ms(at_ms: int) -> str:
    """Return a text that sorts before every event id of this millisecond and after all earlier ones: a UUIDv7's
    beginning.
    """
    digits = f"{max(at_ms, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"
