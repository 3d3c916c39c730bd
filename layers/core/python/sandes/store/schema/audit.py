"""The audit table."""

from __future__ import annotations

from sandes.store.schema.table import Index, Key, Table


class AuditRow:
    """An entry of an organisation's audit chain (docs/adr/0025). It is put and read, never changed or deleted.

    The partition CHAINS lists the chains, by organisation as a number. It is written with the first entry.
    """

    CHAIN = "c"  # S
    SEQ = "n"  # N from 1 without gaps
    AT_MS = "t"  # N epoch milliseconds, rises with SEQ
    STATEMENT = "e"  # S the signed bytes
    SIGNATURE = "f"  # B 64
    BODY = "b"  # S

    CHAINS = "chains"


TIME = Index("time", Key(AuditRow.CHAIN, "S"), Key(AuditRow.AT_MS, "N"))


AUDIT = Table(
    "audit",
    Key(AuditRow.CHAIN, "S"),
    Key(AuditRow.SEQ, "N"),
    ttl=None,
    backup=True,
    indexes=(TIME,),
)
