"""Gives code access to its execution environment: time, pauses, threads, and values that are made once.

Lambda runs one environment in a process, so the default is the process itself. The simulation (tests/simulation) runs
many environments with clocks of their own in one process, and replaces the default with `use`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from sandes.model.instant import Instant

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class Runtime:
    """Gives the time, pauses and threads of the process, and holds the values that `once` has made."""

    def __init__(self) -> None:
        self.made: dict[Hashable, Any] = {}
        """The values that `once` has made in this environment."""

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def elapsed(self) -> float:
        """Return the seconds since an unspecified start. The value never decreases."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def together(self, work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> list[R]:
        """Do `work` on each item in up to `at_once` threads. Return the results in the order of the items."""
        from concurrent.futures import ThreadPoolExecutor  # functions that start often do not need it

        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(work, items))


_PROCESS = Runtime()
_current: ContextVar[Runtime] = ContextVar("runtime", default=_PROCESS)


def current() -> Runtime:
    return _current.get()


def use(runtime: Runtime) -> None:
    """Use `runtime` in this context from now on."""
    _current.set(runtime)


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return _current.get().now_ms()


def now() -> Instant:
    """Return the present moment."""
    return Instant(_current.get().now_ms())


def elapsed() -> float:
    """Return the seconds since an unspecified start. The value never decreases."""
    return _current.get().elapsed()


def sleep(seconds: float) -> None:
    _current.get().sleep(seconds)


def together(work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> list[R]:
    """Do `work` on each item in up to `at_once` threads. Return the results in the order of the items."""
    return _current.get().together(work, items, at_once=at_once)


def once(make: Callable[P, T]) -> Callable[P, T]:
    """Call `make` once for each combination of positional arguments in an environment, and keep its results."""

    @wraps(make)
    def made(*arguments: P.args, **named: P.kwargs) -> T:
        kept = _current.get().made
        key = (make, arguments)
        if key not in kept:
            kept[key] = make(*arguments, **named)
        return cast("T", kept[key])

    return made


def forget() -> None:
    """Forget everything that `once` has made in this environment. Tests need this after they change settings."""
    _current.get().made.clear()
