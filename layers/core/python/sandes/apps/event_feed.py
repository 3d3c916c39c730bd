"""The feed of events, for apps that cannot be called: the same events as webhooks get, for 30 days
(docs/apps/webhooks.md, "The feed").
"""

from __future__ import annotations

from sandes.apps.messages import AppsDependencies
from sandes.apps.webhook_delivery import event_body
from sandes.cursors import cursor, position
from sandes.identity.apps import AppRequest, identify
from sandes.protocol import app_api
from sandes.store.app_view import Wanted
from sandes.store.deliveries import EVENT_KEEP_SECONDS

HOLD_BACK_MS = 5_000
"""Events younger than this are not given out yet: one with a smaller id may still be on its way into the table."""

_OF, _OF_TESTS = "events", "test events"


def page(
    request: AppRequest, *, after: str | None, limit: int, now_ms: int, deps: AppsDependencies
) -> app_api.EventPage:
    """Gives the events of what keys of the caller's kind did, the oldest first.

    The page begins behind the cursor, or 30 days ago, and always has a cursor to ask with again.

    Raises ProtocolError: what `identify` raises, invalid_cursor.
    """
    caller = identify(request, Wanted(), scope=None, audience=deps.audience, now_ms=now_ms, view=deps.view)
    app, test = caller.app.id, caller.key.test
    of = _OF_TESTS if test else _OF
    oldest = _before_ms(now_ms - EVENT_KEEP_SECONDS * 1000)
    start = position(after, owner=app, of=of, pepper=deps.pepper) if after is not None else oldest
    events, end = deps.view.deliveries.event_page(
        app,
        test=test,
        after=max(start, oldest),
        until=_before_ms(now_ms - HOLD_BACK_MS),
        limit=limit,
        now_seconds=now_ms // 1000,
    )
    last = end or (events[-1].id if events else start)
    return app_api.EventPage(
        events=[event_body(event) for event in events],
        cursor=cursor(last, owner=app, of=of, pepper=deps.pepper),
        more=end is not None,
    )


def _before_ms(at_ms: int) -> str:
    """Sorts before every event id of this millisecond and after all earlier ones: how a UUIDv7 of it begins."""
    digits = f"{max(at_ms, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"
