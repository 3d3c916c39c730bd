"""Counting what happens too often to be written each time: in memory, by function environment (docs/adr/0026)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sandes.model.ids import OrganisationId
from sandes.model.statistics import hour_of
from sandes.store.dynamo import StoreUnavailable
from sandes.store.statistics import StatisticsStore

WRITE_EVERY = 64
WRITE_AFTER_MS = 60_000
MOST_KEPT = 4_096
"""Different counts in memory while the table takes none: what comes then is lost."""


@dataclass(slots=True)
class Tally:
    """Counts in memory, written as one row every 64 or, when the next one comes, after a minute; the first at once.

    So a count costs a 64th of a write where there are many, and an environment at most one write a minute where there
    are few. Lost is what an environment has counted since it last wrote and before it ends: at most 63, of less than a
    minute of work. Without a store nothing is counted.
    """

    store: StatisticsStore | None
    _counts: Counter[tuple[OrganisationId | None, int, str]] = field(default_factory=Counter)
    _unwritten: int = 0
    _written_at_ms: int = 0

    def count(self, counter: str, organisation: OrganisationId | None, *, now_ms: int) -> None:
        """One more, of an organisation or of nobody's. Never fails: what cannot be written now is tried again later."""
        if self.store is None:
            return
        key = (organisation, hour_of(now_ms // 1000), counter)
        if key in self._counts or len(self._counts) < MOST_KEPT:
            self._counts[key] += 1
            self._unwritten += 1
        if self._unwritten < WRITE_EVERY and now_ms - self._written_at_ms < WRITE_AFTER_MS:
            return
        self._unwritten, self._written_at_ms = 0, now_ms
        try:
            self.store.put_tally(self._counts, now_seconds=now_ms // 1000)
        except StoreUnavailable:
            return  # with the next sixty-four, or in a minute
        self._counts.clear()
