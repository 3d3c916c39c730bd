"""The inbox table."""

from __future__ import annotations

from sandes.store.schema.table import Key, Table


class InboxRow:
    """Encrypted envelopes, one in each row. The table has no backup, which would keep them beyond the promised time."""

    INBOX = "i"  # B 16
    ENVELOPE = "m"  # B 24: message id, sender hash
    SEAL_KEY_NUMBER = "k"  # N
    SERVICE_KEY = "s"  # N number of the service's key; absent in rows of seal1
    EXPIRES_AT = "x"  # N epoch seconds
    ACCEPTED_AT_MS = "t"  # N epoch milliseconds
    SEALED = "b"  # B
    # a body that many envelopes point to: INBOX is its id, ENVELOPE is BODY_SORT
    BODY = "b"  # B encrypted under a key that only the envelopes hold


BODY_SORT = bytes(24)
"""The sort key of a body, where other rows of the inbox table have an envelope id."""


INBOX = Table("inbox", Key(InboxRow.INBOX, "B"), Key(InboxRow.ENVELOPE, "B"), ttl=InboxRow.EXPIRES_AT, backup=False)
