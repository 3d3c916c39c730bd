"""Time and chance, injected so that tests need neither, and the server's clock as this device knows it."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from sandes_client.ids import RandomBytes

T = TypeVar("T")

FIRST_LIMIT_SECONDS = 1.0
LAST_LIMIT_SECONDS = 60.0
_NOTEWORTHY_MS = 500
"""Smaller corrections of the clock are not written down: answers take about as long to travel."""


class Clock(Protocol):
    def now_ms(self) -> int:
        """This machine's wall clock, epoch milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Chance:
    """`fraction` gives numbers from 0 up to 1, for waiting times; `secret_bytes` is for keys and ids."""

    fraction: Callable[[], float] = field(default=random.SystemRandom().random)
    secret_bytes: RandomBytes = secrets.token_bytes

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.fraction()

    def full_jitter(self, attempt: int) -> float:
        """Seconds to wait before attempt number `attempt` + 1: 0 up to a limit that doubles from 1 s to 60 s."""
        return self.fraction() * self.limit(attempt)

    def limit(self, attempt: int) -> float:
        """Return the longest wait of `full_jitter` for `attempt`, in seconds."""
        return float(min(LAST_LIMIT_SECONDS, FIRST_LIMIT_SECONDS * 2 ** min(attempt, 16)))


class ServerClock:
    """The server's time: this machine's clock and an offset, learnt from every `server_time` that passes by."""

    def __init__(self, clock: Clock, *, offset_ms: int, remember: Callable[[int], None]) -> None:
        self._clock = clock
        self._offset_ms = offset_ms
        self._remember = remember
        self._heard_ms = 0

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._offset_ms

    def latest_ms(self) -> int:
        """Now, and never before the last time that the server told: for notes of when something may be forgotten."""
        return max(self.now_ms(), self._heard_ms)

    def learn(self, server_time_ms: int) -> None:
        """Take over the server's time and, if it moved noticeably, write the offset down for the next start."""
        self._heard_ms = server_time_ms
        offset_ms = server_time_ms - self._clock.now_ms()
        if abs(offset_ms - self._offset_ms) >= _NOTEWORTHY_MS:
            self._offset_ms = offset_ms
            self._remember(offset_ms)


async def within(clock: Clock, seconds: float, awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`. Raises TimeoutError after `seconds` of `clock`; `awaitable` is cancelled then."""
    work = asyncio.ensure_future(awaitable)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise TimeoutError
    finally:
        work.cancel()
        timer.cancel()
