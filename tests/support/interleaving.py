"""Runs two pieces of code step by step in every possible order.

Each side runs in a thread of its own, but only one at a time. It stops before each of its calls to the outside (a store
or a socket) and continues when the schedule says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

WAIT_SECONDS = 30.0


class Side:
    """Runs one piece of code, call by call."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: BaseException | None = None
        self.done = False
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)

    def stop_before_call(self) -> None:
        self._stopped.release()
        if not self._go.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError(f"{self.name} was never allowed to continue")

    def start(self, code: Callable[[], object]) -> None:
        """Run up to the first call."""

        def run() -> None:
            try:
                code()
            except BaseException as error:  # noqa: BLE001  # handed to the test
                self.error = error
            finally:
                self.done = True
                self._stopped.release()

        threading.Thread(target=run, daemon=True).start()
        self._wait()

    def step(self) -> None:
        """Make the call before which the side waits, and run up to the next one, or to the end."""
        if not self.done:
            self._go.release()
            self._wait()

    def _wait(self) -> None:
        if not self._stopped.acquire(timeout=WAIT_SECONDS):
            raise TimeoutError(f"{self.name} neither stopped nor ended")


class Stepped:
    """Wraps `target`: each call of one of its methods is a step of `side`."""

    def __init__(self, target: Any, side: Side) -> None:
        self._target = target
        self._side = side

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value) or name.startswith("_"):
            return value

        def stepped(*args: Any, **kwargs: Any) -> Any:
            self._side.stop_before_call()
            return value(*args, **kwargs)

        return stepped


def schedules(left_steps: int, right_steps: int) -> Iterator[tuple[bool, ...]]:
    """Return every order of so many steps of two sides; True is a step of the left one."""
    total = left_steps + right_steps
    for chosen in combinations(range(total), left_steps):
        yield tuple(index in chosen for index in range(total))


def run_interleaved(
    left: tuple[Side, Callable[[], object]], right: tuple[Side, Callable[[], object]], schedule: Sequence[bool]
) -> None:
    """Run both sides in the order of `schedule`, then each to its end. Raises the exception of a side."""
    for side, code in (left, right):
        side.start(code)
    for is_left in schedule:
        (left if is_left else right)[0].step()
    for side, _ in (left, right):
        while not side.done:
            side.step()
    for side, _ in (left, right):
        if side.error is not None:
            raise side.error
