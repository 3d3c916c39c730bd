"""Counting what happens too often to be written each time: in memory, by function environment (docs/adr/0026)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sandes.model.ids import OrganisationId
from sandes.model.statistics import hour_of
from sandes.store.dynamo import StoreUnavailable
from sandes.store.statistics import StatisticsStore, new_tally_name

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
    _pending: tuple[str, Counter[tuple[OrganisationId | None, int, str]]] | None = None
    """What a write was tried of whose outcome is not known: it is repeated under the same name."""
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
        self._write(self.store, now_ms)

    def _write(self, store: StatisticsStore, now_ms: int) -> None:
        """Write what is pending, then what came since. What cannot be written now is tried with the next counts."""
        while self._pending or self._counts:
            if self._pending is None:
                self._pending, self._counts = (new_tally_name(), self._counts), Counter()
            name, counts = self._pending
            try:
                store.put_tally(counts, now_seconds=now_ms // 1000, name=name)
            except StoreUnavailable:
                return
            self._pending = None
