"""Hourly heads: how far every audit chain goes, in one signed document that nobody can take away (docs/adr/0025)."""

from __future__ import annotations

import io
from dataclasses import dataclass

from sandes.administration.audit import head_of
from sandes.administration.audit_log import heads_name
from sandes.crypto.audit_chain import AuditKey, heads_statement, is_signed_entry, line
from sandes.model.audit import Head
from sandes.model.ids import OrganisationId
from sandes.objects import Objects
from sandes.store.audit import AuditStore


@dataclass(frozen=True, slots=True)
class HeadsDependencies:
    store: AuditStore
    objects: Objects
    key: AuditKey


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """`broken`: chains whose last entry the key has not signed. They have no head in the document."""

    heads: int
    broken: tuple[OrganisationId, ...]
    already: bool


def keep_heads(*, now_ms: int, deps: HeadsDependencies) -> KeptHeads:
    """Write the document of this hour; one that is there already stays as it is. A query for each chain."""
    heads: list[Head] = []
    broken: list[OrganisationId] = []
    for chain in deps.store.chains():
        last = deps.store.last(chain)
        if last and last.chain == chain and is_signed_entry(last.statement, last.signature, deps.key.public):
            heads.append(head_of(last))
        else:
            broken.append(chain)
    statement = heads_statement(heads, at_ms=now_ms, key=deps.key.id)
    document = line(statement, deps.key.sign_heads(statement)) + b"\n"
    new = deps.objects.put_new(heads_name(now_ms // 1000), io.BytesIO(document))
    return KeptHeads(len(heads), tuple(broken), not new)
