"""Provides injectable time and randomness for tests, and the server's clock as this device knows it."""

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
"""Corrections below this are not stored, because answers take about as long to arrive."""


class Clock(Protocol):
    def now_ms(self) -> int:
        """Return this machine's wall clock, epoch milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Chance:
    """Provides randomness. `fraction` gives numbers from 0 up to 1, for waits; `secret_bytes` is for keys and ids."""

    fraction: Callable[[], float] = field(default=random.SystemRandom().random)
    secret_bytes: RandomBytes = secrets.token_bytes

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.fraction()

    def full_jitter(self, attempt: int) -> float:
        """Return the seconds to wait before attempt number `attempt` + 1: 0 up to a limit that doubles from 1 s to 60
        s.
        """
        return self.fraction() * self.limit(attempt)

    def limit(self, attempt: int) -> float:
        """Return the longest wait of `full_jitter` for `attempt`, in seconds."""
        return float(min(LAST_LIMIT_SECONDS, FIRST_LIMIT_SECONDS * 2 ** min(attempt, 16)))


class ServerClock:
    """Computes the server's time from this machine's clock and an offset, which every `server_time` corrects."""

    def __init__(self, clock: Clock, *, offset_ms: int, remember: Callable[[int], None]) -> None:
        self._clock = clock
        self._offset_ms = offset_ms
        self._remember = remember
        self._heard_ms = 0

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._offset_ms

    def latest_ms(self) -> int:
        """Return the time, never before the last time that the server gave.

        It is for notes of when to forget something.
        """
        return max(self.now_ms(), self._heard_ms)

    def learn(self, server_time_ms: int) -> None:
        """Learn the server's time. If it has moved noticeably, store the offset for the next start."""
        self._heard_ms = server_time_ms
        offset_ms = server_time_ms - self._clock.now_ms()
        if abs(offset_ms - self._offset_ms) >= _NOTEWORTHY_MS:
            self._offset_ms = offset_ms
            self._remember(offset_ms)


async def within(clock: Clock, seconds: float, awaitable: Awaitable[T]) -> T:
    """Return the result of `awaitable`. After `seconds` of `clock`, cancel it and raise TimeoutError."""
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
