"""Reads audit chains by place, time, actor and action, and exports them for verification (docs/protocol/audit.md).

Auditors and an organisation's officers read the acts in their units and below. Platform administrators read their own
acts everywhere. Only callers who may read all entries of an organisation may export its chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sandes.administration.authority import MATRIX, Permission, places_seen
from sandes.administration.recorder import is_of_chain
from sandes.crypto.audit_chain import AuditKey, details_of, line
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model.administrator import Caller, Place, Role
from sandes.model.audit import Entry
from sandes.model.ids import OrganisationId, UnitId, administrator_text, base64url_text, id_text
from sandes.ports.objects import ObjectMissing, Objects
from sandes.protocol.admin_api import AuditEntry, AuditPage, PublicKey
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.organisations import OrganisationStore

HEADS_PREFIX = "heads/"
EXPORT_ENTRIES = 2_000
_LOOKED_AT = 500
"""The entries that are read for one filtered page. A page can be empty and still have a cursor."""


@dataclass(frozen=True, slots=True)
class AuditLogDependencies:
    store: AuditStore
    organisations: OrganisationStore
    heads: Objects
    key: AuditKey
    pepper: Pepper
    former: tuple[bytes, ...] = ()
    """Earlier public keys."""

    @property
    def publics(self) -> tuple[bytes, ...]:
        return (self.key.public, *self.former)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Selects entries of `unit` and the units below it. Times are epoch seconds, both included."""

    unit: UnitId | None = None
    since: int | None = None
    until: int | None = None
    actor: str | None = None
    action: str | None = None


def page(
    caller: Caller,
    organisation: OrganisationId | None,
    filters: Filters,
    *,
    after: str | None,
    limit: int,
    deps: AuditLogDependencies,
) -> AuditPage:
    """Return entries of an organisation's chain, by default the caller's, the newest first. This takes two queries.

    A page can have fewer than `limit`, even none, and still have a cursor. Each entry says whether its signature is
    valid. Only the verification of an export shows that none is missing and that the hashes connect. Raises
    ProtocolError invalid_cursor, and not_found for a chain or unit of which the caller may read nothing.
    """
    chain = organisation or caller.administrator.home.organisation
    sees = _seen_by(caller, chain, filters.unit, deps)
    of = f"audit {id_text(chain)}"
    before = int(position(after, owner=caller.id, of=of, pepper=deps.pepper)) if after else None
    found, more = deps.store.before(
        chain,
        before,
        from_ms=(filters.since or 0) * 1000,
        to_ms=filters.until * 1000 + 999 if filters.until is not None else None,
        limit=_LOOKED_AT if sees or filters.actor or filters.action else limit,
    )
    fitting = [entry for entry in found if (sees is None or sees(entry)) and _fits(entry, filters)]
    shown, last = fitting[:limit], found[-1].seq if found and more else None
    if len(fitting) > limit:
        last = shown[-1].seq
    return AuditPage(
        entries=tuple(_shown(entry, signed=is_of_chain(entry, chain, deps.publics)) for entry in shown),
        cursor=cursor(str(last), owner=caller.id, of=of, pepper=deps.pepper) if last else None,
    )


def export(caller: Caller, organisation: OrganisationId | None, *, after: int, deps: AuditLogDependencies) -> bytes:
    """Return the lines after the entry with this number, as many as fit into an answer; none at the chain's end.

    This takes one query. Raises ProtocolError not_found for a chain of which the caller may not read all entries.
    """
    chain = organisation or caller.administrator.home.organisation
    if chain not in _whole_chains(caller):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return b"".join(_lines(deps.store.after(chain, after, limit=EXPORT_ENTRIES)))


def heads(caller: Caller, at: int, *, deps: AuditLogDependencies) -> bytes:
    """Return the signed heads of all chains that were stored in the hour of `at` (epoch seconds).

    They reveal the activity of every organisation, so only callers who may export a chain get them, to verify it.
    Raises ProtocolError not_found for all others, and for an hour without a document.
    """
    if not _whole_chains(caller):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    try:
        return b"".join(deps.heads.read(heads_name(at), etag=None))
    except ObjectMissing:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def public_key(deps: AuditLogDependencies) -> PublicKey:
    return PublicKey(key=base64url_text(deps.key.public), id=deps.key.id)


def heads_name(at: int) -> str:
    """Return the object's name for the hour of `at` (epoch seconds): `heads/2026/11/25/22`."""
    return datetime.fromtimestamp(at, UTC).strftime(f"{HEADS_PREFIX}%Y/%m/%d/%H")


def _seen_by(
    caller: Caller, chain: OrganisationId, unit: UnitId | None, deps: AuditLogDependencies
) -> Callable[[Entry], bool] | None:
    """Return a test for the entries that the caller may see, or None if these are all entries of a chain.

    Raises ProtocolError not_found if the caller can see none.
    """
    seen = list(places_seen(caller, Permission.AUDIT))
    places = [one.place for one in seen if _all_of_it(one.role) and one.place.organisation == chain]
    own = any(not _all_of_it(one.role) for one in seen)
    actor = administrator_text(caller.id)
    everything = Place.root(chain) in places
    if everything and unit is None:
        return None
    if not places:
        if not own or unit is not None:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        return lambda entry: entry.actor == actor
    tree = deps.organisations.glance(chain)
    scopes = {place.unit for place in places}
    if tree is None or (unit is not None and not any(tree.within(unit, scope) for scope in scopes)):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    below = {one.id for top in ([unit] if unit is not None else scopes & tree.units.keys()) for one in tree.below(top)}
    return lambda entry: entry.unit in below or (own and unit is None and entry.actor == actor)


def _whole_chains(caller: Caller) -> set[OrganisationId]:
    """Return the organisations whose chains the caller may read completely."""
    return {
        one.place.organisation
        for one in places_seen(caller, Permission.AUDIT)
        if one.place == Place.root(one.place.organisation) and _all_of_it(one.role)
    }


def _all_of_it(role: Role) -> bool:
    """Tell whether the role may read more than the caller's own acts."""
    return MATRIX[Permission.AUDIT].get(role) != "own"


def _fits(entry: Entry, filters: Filters) -> bool:
    return filters.actor in (None, entry.actor) and filters.action in (None, entry.action)


def _lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in entries:
        yield line(entry.statement, entry.signature, entry.body) + b"\n"


def _shown(entry: Entry, *, signed: bool) -> AuditEntry:
    return AuditEntry(
        organisation=entry.chain,
        seq=entry.seq,
        at_ms=entry.at_ms,
        actor=entry.actor,
        role=entry.role,
        action=entry.action,
        unit=entry.unit,
        subject=entry.subject,
        case=entry.case,
        details=details_of(entry),
        signed=signed,
    )
