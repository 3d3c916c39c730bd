"""Hourly heads: how far every audit chain goes, in one signed document that nobody can take away (docs/adr/0025)."""

from __future__ import annotations

import io
from dataclasses import dataclass

from sandes import runtime
from sandes.administration.audit.audit_log import HEADS_PREFIX, heads_name
from sandes.administration.recorder import head_of, is_of_chain
from sandes.crypto.audit_chain import AuditKey, heads_statement, line, read_heads
from sandes.model.audit import Head
from sandes.model.ids import OrganisationId
from sandes.ports.objects import Objects
from sandes.store.audit import AuditStore

CHAINS_AT_ONCE = 8
"""Fewer than the client keeps connections. One after the other, 20,000 chains took all of the function's time."""

RECENT_HOURS = 30 * 24
"""The newest document is looked for among those of so many hours first."""


@dataclass(frozen=True, slots=True)
class HeadsDependencies:
    """`former`: public keys of before."""

    store: AuditStore
    objects: Objects
    key: AuditKey
    former: tuple[bytes, ...] = ()

    @property
    def publics(self) -> tuple[bytes, ...]:
        return (self.key.public, *self.former)


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """`broken`: chains that are gone from the table or from its list, are shorter than in the newest document or other
    than there, or whose last entry the key has not signed. What the newest document says of them stays in this one.

    `unreadable`: documents later than the newest that the key has signed.
    """

    heads: int
    broken: tuple[OrganisationId, ...]
    unreadable: tuple[str, ...]
    already: bool


def keep_heads(*, now_ms: int, deps: HeadsDependencies) -> KeptHeads:
    """Write the document of this hour; one that is there already stays as it is.

    It takes a query for each chain and another for each that has grown, several chains at a time.

    A chain once in a document is in all later ones, at least as far: whoever takes it out of the table, or of the list
    of chains there, is noticed every hour.
    """
    known, unreadable = _newest(now_ms // 1000, deps)
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
    statement = heads_statement(heads, at_ms=now_ms, key=deps.key.id)
    document = line(statement, deps.key.sign_heads(statement)) + b"\n"
    new = deps.objects.put_new(heads_name(now_ms // 1000), io.BytesIO(document))
    return KeptHeads(len(heads), tuple(broken), tuple(unreadable), not new)


def _newest(now: int, deps: HeadsDependencies) -> tuple[dict[OrganisationId, Head], list[str]]:
    """The heads of the newest document by chain, none before the first; and the documents passed over."""
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
    """Where the chain ends; None if that is no good, or does not go on from where it was."""
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
