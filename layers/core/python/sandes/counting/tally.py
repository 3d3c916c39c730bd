"""Counts frequent events in memory, for each execution environment, to save writes (docs/adr/0026)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sandes.model.ids import OrganisationId
from sandes.model.instant import Instant
from sandes.model.statistics import hour_of
from sandes.store.dynamo import StoreUnavailable
from sandes.store.statistics import StatisticsStore, new_tally_name

WRITE_EVERY = 64
WRITE_AFTER_MS = 60_000
MOST_KEPT = 4_096
"""The most different counts in memory while the table cannot be written. Further ones are lost."""


@dataclass(slots=True)
class Tally:
    """Counts in memory. It writes the first count immediately, and then one row for every 64 counts, or with the next
    count after a minute.

    A count thus costs a 64th of a write if there are many, and each environment writes at most once a minute if there
    are few. When an environment ends, its unwritten counts are lost: at most 63, from less than a minute of work.
    Without a store, nothing is counted.
    """

    store: StatisticsStore | None
    _counts: Counter[tuple[OrganisationId | None, int, str]] = field(default_factory=Counter)
    _unwritten: int = 0
    _pending: tuple[str, Counter[tuple[OrganisationId | None, int, str]]] | None = None
    """A write with an unknown outcome. It is repeated under the same name."""
    _written_at_ms: int = 0

    def count(self, counter: str, organisation: OrganisationId | None, *, now: Instant) -> None:
        """Count one event, of an organisation or of none. Never fails: a write that fails is repeated later."""
        if self.store is None:
            return
        key = (organisation, hour_of(now.seconds), counter)
        if key in self._counts or len(self._counts) < MOST_KEPT:
            self._counts[key] += 1
        self._unwritten += 1
        if self._unwritten < WRITE_EVERY and now.ms - self._written_at_ms < WRITE_AFTER_MS:
            return
        self._unwritten, self._written_at_ms = 0, now.ms
        self._write(self.store, now)

    def _write(self, store: StatisticsStore, now: Instant) -> None:
        """Write the pending counts, then the later ones. Counts that cannot be written stay for the next attempt."""
        while self._pending or self._counts:
            if self._pending is None:
                self._pending, self._counts = (new_tally_name(), self._counts), Counter()
            name, counts = self._pending
            try:
                store.put_tally(counts, now_seconds=now.seconds, name=name)
            except StoreUnavailable:
                return
            self._pending = None
