"""A steady rate of posts. API Gateway has one budget for all sockets, of which large posts to groups get a share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from sandes import runtime
from sandes.model.ids import ConnectionId
from sandes.ports.sockets import Posted, Pusher


@dataclass
class Pace:
    """Lets `per_second` calls through in every second, evenly spaced, and makes the others wait.

    It is one environment's share. Unused calls are not saved up: no period of a second has more. It is safe for
    threads.
    """

    per_second: int
    clock: Callable[[], float] = runtime.elapsed
    sleep: Callable[[float], None] = runtime.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _next: float = 0.0

    def wait(self) -> None:
        """Wait for the caller's turn."""
        with self._lock:
            now = self.clock()
            turn = max(now, self._next)
            self._next = turn + 1 / self.per_second
        if turn > now:
            self.sleep(turn - now)


@dataclass(frozen=True, slots=True)
class PacedPusher:
    """Posts at a limited pace."""

    pusher: Pusher
    pace: Pace

    def post(self, connection: ConnectionId, text: str) -> Posted:
        self.pace.wait()
        return self.pusher.post(connection, text)

    def close(self, connection: ConnectionId) -> None:
        self.pace.wait()
        self.pusher.close(connection)
