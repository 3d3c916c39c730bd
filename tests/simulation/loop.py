"""Virtual time: an event loop that never waits, and functions that stop at each call of AWS.

A handler is ordinary code that blocks. It runs in a greenlet: where it would wait, it gives an awaitable to the loop
and goes on once that is done. All handlers and clients share one thread, so a run depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

START_MS = 1_800_000_000_000
"""The epoch millisecond at which every run begins."""


class Stuck(Exception):
    """Nothing is left to happen although the run has not ended."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer as soon as nothing else is to be done."""

    def __init__(self) -> None:
        self._virtual_seconds = 0.0
        super().__init__(_NoWaiting(self._passed))

    def time(self) -> float:
        return self._virtual_seconds

    @property
    def now_ms(self) -> int:
        return START_MS + round(self._virtual_seconds * 1000)

    def _passed(self, seconds: float | None) -> None:
        if seconds is None:
            raise Stuck
        self._virtual_seconds += max(0.0, seconds)


class _NoWaiting(selectors.BaseSelector):
    """Has no file ready, ever, and says how long it was asked to wait."""

    def __init__(self, passed: Callable[[float | None], None]) -> None:
        self._passed = passed
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0:
            self._passed(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of its own. Raises Stuck if it can never end."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        rest = asyncio.all_tasks(loop)
        for task in rest:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()


async def blocking(work: Callable[[], T], *, cut_short: Callable[[], None]) -> T:
    """Run code that blocks, such as a handler. It may call `wait_for` wherever it would block.

    `cut_short` is called if this is cancelled, before the code hears of it.
    """
    worker = greenlet(work)
    worker.gr_context = contextvars.copy_context()
    given = worker.switch()
    while not worker.dead:
        try:
            result = await given
        except asyncio.CancelledError as error:
            cut_short()
            given = worker.throw(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, the code that waits gets it
            given = worker.throw(error)
        else:
            given = worker.switch(result)
    return given  # type: ignore[no-any-return]  # what `work` returned


def wait_for(awaitable: Awaitable[T]) -> T:
    """Wait inside `blocking` until the loop has done something, and return its result."""
    parent = getcurrent().parent
    assert parent is not None, "only code that runs in `blocking` can wait"
    return parent.switch(awaitable)  # type: ignore[no-any-return]  # the result of the awaitable
