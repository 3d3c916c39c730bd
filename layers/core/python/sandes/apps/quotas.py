"""Enforces the quotas of an app for a minute and a day (docs/adr/0012).

An execution environment takes a share of the app's allowance with one conditional write and spends it in memory. The
count in the table never exceeds the quota. When an environment ends, the unspent rest of its share is lost for the
window.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sandes.model.app import App
from sandes.model.ids import AppId
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.deliveries import DeliveryStore
from sandes.store.transaction import Update

MINUTE, DAY = 60, 86_400
_SHARES = 100  # a hundredth of the quota, the most that is lost when an environment ends
_LARGEST_SHARE = 50
_KEEP_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Window:
    """Describes a window. `used` is the part of `limit` that environments have taken; `resets_at` is epoch seconds."""

    seconds: int
    limit: int
    used: int
    resets_at: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


class _Counted(NamedTuple):
    """Names a quota: the app, the kind of its keys, and the window."""

    app: AppId
    test: bool
    seconds: int


@dataclass(slots=True)
class _Share:
    window: int
    left: int
    used: int


@dataclass(slots=True)
class Quotas:
    """Takes from quotas. It lives as long as its execution environment."""

    store: DeliveryStore
    capacity: int = 1024
    _shares: OrderedDict[_Counted, _Share] = field(default_factory=OrderedDict)

    def take(self, app: App, count: int, *, test: bool, now_seconds: int) -> list[Window]:
        """Take `count` from both quotas of one kind of keys. Return the windows, the minute first.

        Raises ProtocolError quota_exceeded with the seconds until the window ends; nothing is taken from either then.
        """
        allowed = app.allowance(test=test)
        counted = _Counted(app.id, test, MINUTE)
        minute = self._take(counted, allowed.per_minute, count, now_seconds)
        try:
            return [minute, self._take(_Counted(app.id, test, DAY), allowed.per_day, count, now_seconds)]
        except ProtocolError:
            self._give_back(counted, minute, count)
            raise

    def give_back(self, app: App, windows: Sequence[Window], count: int, *, test: bool) -> list[Window]:
        """Give back what `take` has just taken, after a later refusal. Return the windows afterwards.

        This environment keeps it for its next request in the same window.
        """
        return [self._give_back(_Counted(app.id, test, window.seconds), window, count) for window in windows]

    def taking_day(self, app: App, count: int, *, test: bool, now_seconds: int) -> Update:
        """Build the operation that takes a whole batch from the day's quota, in the transaction that starts it.

        The transaction fails if the rest of the day is too small.
        """
        window = now_seconds // DAY
        return self.store.taking(
            app.id,
            _name(DAY, window),
            count,
            test=test,
            limit=app.allowance(test=test).per_day,
            keep_until=(window + 1) * DAY + _KEEP_SECONDS,
        )

    def take_minute(self, app: App, count: int, *, test: bool, now_seconds: int) -> None:
        """Take a part of a batch, at most `batch_pace`, from the minute. Raises ProtocolError quota_exceeded."""
        self._take(_Counted(app.id, test, MINUTE), batch_pace(app, test=test), count, now_seconds)

    def usage(self, app: App, *, test: bool, now_seconds: int) -> list[Window]:
        """Read both quotas of one kind of keys from the table, the minute first."""
        allowed = app.allowance(test=test)
        limits = {MINUTE: allowed.per_minute, DAY: allowed.per_day}
        names = {seconds: _name(seconds, now_seconds // seconds) for seconds in limits}
        counts = self.store.counts(app.id, list(names.values()), test=test)
        return [
            _window(seconds, limit, counts[names[seconds]], now_seconds // seconds) for seconds, limit in limits.items()
        ]

    def _take(self, counted: _Counted, limit: int, count: int, now_seconds: int) -> Window:
        seconds = counted.seconds
        window = now_seconds // seconds
        share = self._shares.get(counted)
        if share is None or share.window != window:
            share = self._shares[counted] = _Share(window, 0, 0)
            if len(self._shares) > self.capacity:
                self._shares.popitem(last=False)
        if share.left < count:
            self._refill(counted, limit, count=count, share=share, now_seconds=now_seconds)
        share.left -= count
        return _window(seconds, limit, share.used - share.left, window)

    def _give_back(self, counted: _Counted, taken: Window, count: int) -> Window:
        share = self._shares.get(counted)
        if share is None or (share.window + 1) * taken.seconds != taken.resets_at:
            return taken  # another window has begun, so there is nothing to give back to
        share.left += count
        return replace(taken, used=share.used - share.left)

    def _refill(self, counted: _Counted, limit: int, *, count: int, share: _Share, now_seconds: int) -> None:
        """Take another share or, if less is left, just as much as needed."""
        seconds = counted.seconds
        ends_at = (share.window + 1) * seconds
        whole = max(count, min(limit // _SHARES, _LARGEST_SHARE))
        for size in dict.fromkeys((whole, count - share.left)):
            used = self.store.take(
                counted.app,
                _name(seconds, share.window),
                size,
                test=counted.test,
                limit=limit,
                keep_until=ends_at + _KEEP_SECONDS,
            )
            if used is not None:
                share.left, share.used = share.left + size, used
                return
        raise ProtocolError(ErrorCode.QUOTA_EXCEEDED, retry_after_seconds=ends_at - now_seconds)


def batch_pace(app: App, *, test: bool) -> int:
    """Return how much of the app's minute its batches may use. A fifth is left to its codes and single messages."""
    return max(1, app.allowance(test=test).per_minute * 4 // 5)


def day_ends_in(now_seconds: int) -> int:
    """Return the seconds until the day's quota starts again."""
    return DAY - now_seconds % DAY


def _name(seconds: int, window: int) -> str:
    return f"{'minute' if seconds == MINUTE else 'day'}#{window}"


def _window(seconds: int, limit: int, used: int, window: int) -> Window:
    return Window(seconds, limit, used, (window + 1) * seconds)
