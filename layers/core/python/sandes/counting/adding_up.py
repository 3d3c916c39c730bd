"""Adds the changes in the streams of tables to the statistics, each batch once, by hour and day (docs/adr/0026)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandes.model.ids import AppId, OrganisationId
from sandes.model.statistics import (
    PLATFORM,
    Batch,
    Counted,
    Occurrence,
    app_scope,
    hour_of,
    organisation_scope,
    took_counter,
)
from sandes.store.apps import AppStore
from sandes.store.changes import occurrences
from sandes.store.statistics import StatisticsStore

APP_KEPT_SECONDS = 600
"""How long the organisation of an app is cached."""

_MALFORMED = (KeyError, ValueError, TypeError, AttributeError)


@dataclass(slots=True)
class Owners:
    """Caches the organisations of apps. Each environment reads one once in ten minutes."""

    apps: AppStore
    _known: dict[AppId, tuple[int, OrganisationId | None]] = field(default_factory=dict)

    def of(self, app: AppId, *, now_seconds: int) -> OrganisationId | None:
        """Return the organisation of an app, or None if it has none or the app does not exist."""
        until, organisation = self._known.get(app, (0, None))
        if until <= now_seconds:
            read = self.apps.read(app)
            organisation = read.organisation_id if read else None
            self._known[app] = (now_seconds + APP_KEPT_SECONDS, organisation)
        return organisation


@dataclass(frozen=True, slots=True)
class AddingDependencies:
    """Holds the dependencies. `tables` maps the tables' names in this deployment to their names in the schema."""

    tables: Mapping[str, str]
    store: StatisticsStore
    owners: Owners


@dataclass(frozen=True, slots=True)
class Added:
    """Describes a processed batch. `skipped` counts unreadable records. `repeated`: the batch was already added
    before.
    """

    records: int
    skipped: int
    repeated: bool
    occurrences: Sequence[Occurrence]


def add_up(table: str, records: Sequence[Mapping[str, Any]], *, now_seconds: int, deps: AddingDependencies) -> Added:
    """Add one batch of a table's stream to the counts of platform, organisations and apps.

    `table` is the name in this deployment. The same batch may be added again. A malformed record is skipped, because it
    would otherwise block all later ones. Raises StoreUnavailable; then the batch must come again.
    """
    found: list[Occurrence] = []
    table, skipped = deps.tables[table], 0
    for record in records:
        try:
            found += occurrences(table, record)
        except _MALFORMED:
            skipped += 1
    counts: Counter[Counted] = Counter()
    for one in found:
        for scope in _scopes(one, now_seconds, deps.owners):
            counts[Counted(scope, hour_of(one.at_seconds), one.counter)] += one.times
            if one.took_ms is not None:
                counts[Counted(scope, hour_of(one.at_seconds), took_counter(one.took_ms))] += one.times
    added = True
    if counts:
        first, last = (records[at]["dynamodb"]["SequenceNumber"] for at in (0, -1))
        added = deps.store.add_once(Batch(table, first, last), counts, now_seconds=now_seconds)
    return Added(len(records), skipped, repeated=not added, occurrences=found if added else [])


def _scopes(one: Occurrence, now_seconds: int, owners: Owners) -> list[str]:
    organisation = one.organisation
    if organisation is None and one.app is not None:
        organisation = owners.of(one.app, now_seconds=now_seconds)
    scopes = [PLATFORM]
    if organisation is not None:
        scopes.append(organisation_scope(organisation))
    return scopes + ([app_scope(one.app)] if one.app is not None else [])
