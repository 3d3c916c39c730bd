"""The statistics table."""

from __future__ import annotations

from sandes.store.schema.table import Key, Table


class StatisticRow:
    """Counts by scope (`platform`, `O#organisation`, `APP#app`) and hour or day of UTC (`hour#2026-11-25T23`).

    Besides: tallies of functions, which are added up from the stream (partition `T#` and a random id, sort "0"); marks
    of what has been added up (`M#table#sequence number`); and how deep the queues are (`queues`).
    """

    SCOPE = "p"  # S
    PERIOD = "s"  # S
    EXPIRES_AT = "x"  # N epoch seconds
    COUNT = "n-"  # N each, with the name of what is counted
    TALLY = "b"  # S JSON
    AT_MS = "t"  # N epoch milliseconds; of the queues


STATISTICS = Table(
    "statistics",
    Key(StatisticRow.SCOPE, "S"),
    Key(StatisticRow.PERIOD, "S"),
    ttl=StatisticRow.EXPIRES_AT,
    backup=False,
    stream="NEW_IMAGE",
)
