"""Tests that an attempt that lost a race is repeated, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.races import Raced, retry_raced, retry_until_written


class Overtaken(Exception):
    pass


def losing(times: int, error: type[Exception] = Raced) -> Callable[[], int]:
    """Return an attempt that raises so often, and then returns how often it was called."""
    calls: Iterator[int] = iter(range(1, times + 2))

    def attempt() -> int:
        call = next(calls)
        if call <= times:
            raise error
        return call

    return attempt


def test_an_attempt_that_nobody_overtakes_is_made_once() -> None:
    assert retry_raced(losing(0)) == 1


def test_an_attempt_that_was_overtaken_is_repeated_up_to_four_times_in_all() -> None:
    assert retry_raced(losing(3)) == 4
    with pytest.raises(ProtocolError) as refused:
        retry_raced(losing(4))
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert refused.value.retry_after_seconds == 1


def test_a_caller_says_how_often_and_which_error_follows() -> None:
    assert retry_raced(losing(7), tries=8) == 8
    with pytest.raises(LookupError, match="too busy"):
        retry_raced(losing(3), tries=3, otherwise=LookupError("too busy"))


def test_only_the_errors_of_a_race_are_repeated() -> None:
    assert retry_raced(losing(1, Overtaken), on=Overtaken) == 2
    assert retry_raced(losing(1, Overtaken), on=(Raced, Overtaken)) == 2
    with pytest.raises(Overtaken):
        retry_raced(losing(1, Overtaken))
    with pytest.raises(Raced):
        retry_raced(losing(1), on=Overtaken)


def test_a_write_is_repeated_until_it_succeeds() -> None:
    answers = [False, False, True, True]
    retry_until_written(lambda: answers.pop(0))
    assert answers == [True]
    with pytest.raises(ProtocolError) as refused:
        retry_until_written(lambda: False)
    assert refused.value.code is ErrorCode.UNAVAILABLE
