"""Lists over a part of an organisation: the units that a caller may look into, in the order in which rows are kept.

A list whose rows stand by unit is read by one query a page, over the stretch from the first to the last of them; where
a page runs into units of others, the next one begins behind these.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandes.administration.authority import Permission, covers, places_seen
from sandes.model.administrator import Caller, Place
from sandes.model.ids import OrganisationId, UnitId, id_text
from sandes.model.organisation import Unit
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.store.organisations import OrganisationStore


@dataclass(frozen=True, slots=True)
class Scope:
    """Units by their text, which is how they are sorted."""

    organisation: OrganisationId
    units: Sequence[str]

    def holds(self, unit: UnitId) -> bool:
        at = bisect_left(self.units, id_text(unit))
        return at < len(self.units) and self.units[at] == id_text(unit)

    def behind(self, unit: UnitId) -> str | None:
        """The next unit after this one, or None."""
        at = bisect_right(self.units, id_text(unit))
        return self.units[at] if at < len(self.units) else None


def scope(
    caller: Caller,
    permission: Permission,
    organisation: OrganisationId,
    unit: UnitId | None,
    *,
    organisations: OrganisationStore,
    if_any: Callable[[Unit], bool] = lambda _: True,
) -> Scope:
    """Where the caller may read something of this kind: in this very unit, or in all units of theirs. One query.

    `if_any`: units without are left out. Raises ProtocolError not_found where the caller may read nothing.
    """
    rights = list(places_seen(caller, permission))
    tree = organisations.glance(organisation) if rights else None
    if tree is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    seen = [
        one for one in tree.units.values() if any(covers(right, Place(organisation, one.id), tree) for right in rights)
    ]
    if not seen:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if unit is not None:
        seen = [one for one in seen if one.id == unit]
        if not seen:
            raise missing("/unit", "unit in the organisation")
    return Scope(organisation, sorted(id_text(one.id) for one in seen if if_any(one)))
