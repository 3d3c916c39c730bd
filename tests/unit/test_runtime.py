"""Tests the execution environment: its clock, what it makes once, and that two environments share nothing."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator

import pytest

from sandes import runtime
from sandes.runtime import Runtime, once


class Elsewhere(Runtime):
    def now_ms(self) -> int:
        return 5

    def elapsed(self) -> float:
        return 0.5


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    runtime.forget()
    yield
    runtime.forget()


made: list[str] = []


@once
def thing(name: str) -> list[str]:
    made.append(name)
    return [name]


def test_a_thing_is_made_once_for_each_argument_until_it_is_forgotten() -> None:
    made.clear()
    assert thing("a") is thing("a")
    assert thing("b") == ["b"]
    assert made == ["a", "b"]
    runtime.forget()
    thing("a")
    assert made == ["a", "b", "a"]


def test_an_environment_has_a_clock_and_things_of_its_own() -> None:
    def elsewhere() -> tuple[int, float, list[str]]:
        runtime.use(Elsewhere())
        return runtime.now_ms(), runtime.elapsed(), thing("a")

    here = thing("a")
    now_ms, elapsed, there = contextvars.copy_context().run(elsewhere)
    assert (now_ms, elapsed) == (5, 0.5)
    assert there == here
    assert there is not here
    assert runtime.now_ms() > 10**12
    assert thing("a") is here


def test_what_fails_to_be_made_is_made_again() -> None:
    tries = []

    @once
    def flaky() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no")
        return 7

    with pytest.raises(OSError, match="no"):
        flaky()
    assert flaky() == 7


def test_work_done_together_keeps_its_order() -> None:
    assert runtime.together(lambda n: n * n, range(20), at_once=4) == [n * n for n in range(20)]
