"""The statistics table."""

from __future__ import annotations

from sandes.store.schema.table import Key, Table


class StatisticRow:
    """Counts by scope (`platform`, `O#organisation`, `APP#app`) and hour or day in UTC (`hour#2026-11-25T23`).

    Other rows are tallies of functions, which are added up from the stream (partition `T#` and a random id, sort "0");
    marks of batches that were added up (`M#table#sequence number`); and the lengths of the queues (`queues`).
    """

    SCOPE = "p"  # S
    PERIOD = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    COUNT = "n-"  # N each, followed by the name of the counter
    TALLY = "b"  # S JSON
    AT_MS = "t"  # N epoch milliseconds, for the queues


STATISTICS = Table(
    "statistics",
    Key(StatisticRow.SCOPE, "S"),
    Key(StatisticRow.PERIOD, "S"),
    ttl=StatisticRow.EXPIRES_AT,
    backup=False,
    stream="NEW_IMAGE",
)
