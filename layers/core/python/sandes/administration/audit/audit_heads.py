"""Hourly heads: the ends of all audit chains in one signed document that nobody can remove (docs/adr/0025)."""

from __future__ import annotations

import io
from dataclasses import dataclass

from sandes import runtime
from sandes.administration.audit.audit_log import HEADS_PREFIX, heads_name
from sandes.administration.recorder import head_of, is_of_chain
from sandes.crypto.audit_chain import AuditKey, heads_statement, line, read_heads
from sandes.model.audit import Head
from sandes.model.ids import OrganisationId
from sandes.model.instant import Instant
from sandes.ports.objects import Objects
from sandes.store.audit import AuditStore

CHAINS_AT_ONCE = 8
"""The concurrent queries, fewer than the client's connections. One by one, 20,000 chains took the function's whole
time.
"""

RECENT_HOURS = 30 * 24
"""The hours in which the newest document is searched first."""


@dataclass(frozen=True, slots=True)
class HeadsDependencies:
    """Holds the dependencies. `former` are earlier public keys."""

    store: AuditStore
    objects: Objects
    key: AuditKey
    former: tuple[bytes, ...] = ()

    @property
    def publics(self) -> tuple[bytes, ...]:
        return (self.key.public, *self.former)


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """Holds the result. `broken` lists chains that no longer agree with the newest document.

    They are absent from the table or its list, shorter or different, or the key has not signed their last entry. The
    new document repeats their entries from the newest one. `unreadable` lists documents without a valid signature that
    are later than the newest valid one.
    """

    heads: int
    broken: tuple[OrganisationId, ...]
    unreadable: tuple[str, ...]
    already: bool


def keep_heads(*, now: Instant, deps: HeadsDependencies) -> KeptHeads:
    """Write the document of this hour. An existing one is not changed.

    It takes a query for each chain and another one for each that has grown, several at the same time. A chain that is
    once in a document is in all later ones, with at least the same length. If somebody deletes it from the table, or
    from the list of chains there, every hour reports it.
    """
    known, unreadable = _newest(now.seconds, deps)
    listed = set(deps.store.chains())
    heads: list[Head] = []
    broken: list[OrganisationId] = []
    chains = sorted(listed | known.keys())
    ends = runtime.together(lambda chain: _head(chain, known.get(chain), deps), chains, at_once=CHAINS_AT_ONCE)
    for chain, head in zip(chains, ends, strict=True):
        before = known.get(chain)
        if head is None or chain not in listed:
            broken.append(chain)
        if kept := head or before:
            heads.append(kept)
    statement = heads_statement(heads, at_ms=now.ms, key=deps.key.id)
    document = line(statement, deps.key.sign_heads(statement)) + b"\n"
    new = deps.objects.put_new(heads_name(now.seconds), io.BytesIO(document))
    return KeptHeads(len(heads), tuple(broken), tuple(unreadable), not new)


def _newest(now: int, deps: HeadsDependencies) -> tuple[dict[OrganisationId, Head], list[str]]:
    """Return the heads of the newest document by chain (empty before the first one), and the skipped documents."""
    passed: list[str] = []
    for after in (heads_name(max(now - RECENT_HOURS * 3600, 0)), ""):
        passed = []
        for name in reversed(deps.objects.names(HEADS_PREFIX, after=after)):
            if name > heads_name(now):
                continue
            document = b"".join(deps.objects.read(name, etag=None))
            try:
                return {head.chain: head for head in read_heads(document.removesuffix(b"\n"), deps.publics)}, passed
            except ValueError:
                passed.append(name)
    return {}, passed


def _head(chain: OrganisationId, before: Head | None, deps: HeadsDependencies) -> Head | None:
    """Return the end of a chain, or None if it is invalid or does not continue the previous end."""
    last = deps.store.last(chain)
    if last is None or not is_of_chain(last, chain, deps.publics):
        return None
    head = head_of(last)
    if before is None or (head.seq, head.hash) == (before.seq, before.hash):
        return head
    if head.seq <= before.seq:
        return None
    then = deps.store.after(chain, before.seq - 1, limit=1)
    return head if then and then[0].seq == before.seq and head_of(then[0]).hash == before.hash else None
