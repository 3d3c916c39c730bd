"""The limits table."""

from __future__ import annotations

from sandes.store.schema.table import Key, Table


class LimitRow:
    """Token buckets as one number, the time at which the bucket is full again, and counts of an hour (sort
    `hour#n`).
    """

    SUBJECT = "j"  # S
    LIMIT = "l"  # S
    FULL_AT_MS = "v"  # N epoch milliseconds, for a bucket
    COUNT = "n"  # N, for an hour
    EXPIRES_AT = "x"  # N epoch seconds


LIMITS = Table("limits", Key(LimitRow.SUBJECT, "S"), Key(LimitRow.LIMIT, "S"), ttl=LimitRow.EXPIRES_AT, backup=False)
