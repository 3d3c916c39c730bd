"""Tests the rate of a fan-out's posts: no second ever has more than its share."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sandes.groups.pace import Pace, PacedPusher
from sandes.model.ids import ConnectionId
from sandes.ports.sockets import Posted
from sandes.protocol.frames import Superseded, render
from tests.support.gateway import FakeGateway

FRAME = render(Superseded())


class Clock:
    """Holds a clock on which time passes only during sleeps, or when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def most_in_a_second(times: Sequence[float]) -> int:
    """Return the most posts in any window of one second that begins with a post."""
    return max(sum(start <= time < start + 1 - 1e-6 for time in times) for start in times)


@given(
    per_second=st.integers(1, 50),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.4, 3.0]), min_size=1, max_size=150),
)
def test_no_second_has_more_posts_than_allowed_however_they_come(per_second: int, pauses: list[float]) -> None:
    clock = Clock()
    pace = Pace(per_second, clock, clock.sleep)
    times = []
    for pause in pauses:
        clock.now += pause
        pace.wait()
        times.append(clock.now)
    assert most_in_a_second(times) <= per_second


def test_who_posts_slower_than_the_pace_never_waits() -> None:
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    for _ in range(50):
        before = clock.now
        pace.wait()
        assert clock.now == before
        clock.now += 0.11


def test_threads_share_one_pace() -> None:
    """Each thread gets a turn of its own. The turns are a tenth of a second apart."""
    waits: list[float] = []
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            waits.append(seconds)

    pace = Pace(10, lambda: 0.0, sleep)
    threads = [threading.Thread(target=pace.wait) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [round(wait, 6) for wait in sorted(waits)] == [round(turn / 10, 6) for turn in range(1, 40)]


def test_a_paced_pusher_posts_and_closes_at_the_pace() -> None:
    clock, gateway = Clock(), FakeGateway()
    socket = ConnectionId("socket")
    gateway.open.add(socket)
    pusher = PacedPusher(gateway, Pace(2, clock, clock.sleep))
    assert pusher.post(socket, FRAME) is Posted.YES
    assert pusher.post(ConnectionId("other"), FRAME) is Posted.GONE
    pusher.close(socket)
    assert clock.now == 1_001.0
    assert gateway.closed == [socket]
