"""Computes how long to wait before connecting again (docs/protocol/README.md, "Reconnecting")."""

from __future__ import annotations

from sandes_client.clock import Chance

SPREAD_ATTEMPT = 3
"""Attempt number that follows a cut or an overload. Its wait of 0 to 8 s spreads devices that are cut at once."""

LONGEST_RETRY_AFTER = 600.0


class Backoff:
    """Computes waits with full jitter.

    The limit doubles from 1 s to 60 s, and is reset only after minutes of connection.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._attempt = 0
        self._not_before = 0.0

    def next_seconds(self, *, at_least_half: bool = False) -> float:
        """Return the wait before the next attempt. `at_least_half` avoids the short waits of full jitter."""
        seconds = self._chance.full_jitter(self._attempt)
        if at_least_half:
            seconds = (self._chance.limit(self._attempt) + seconds) / 2
        self._attempt += 1
        seconds, self._not_before = self._not_before + seconds, 0.0
        return seconds

    def was_cut(self) -> None:
        """Note the end of a connection. Usually many others end at the same moment."""
        self._attempt = max(self._attempt, SPREAD_ATTEMPT)

    def overloaded(self, *, retry_after: str | None) -> None:
        """Note that the service is overloaded. `retry_after` is the header, in seconds."""
        self._attempt = max(self._attempt, SPREAD_ATTEMPT)
        if retry_after is not None and retry_after.isdecimal():
            self._not_before = min(float(retry_after), LONGEST_RETRY_AFTER)

    def settled(self) -> None:
        """Note that the connection has lasted for minutes."""
        self._attempt = 0
