"""Who calls the admin API: an administrator whose roles are read on each call, so that what is taken away is gone."""

from __future__ import annotations

from sandes.administration.authority import MATRIX
from sandes.model.administrator import Caller, Place
from sandes.model.ids import AdministratorId
from sandes.protocol.admin_api import AdminMe, AdminPlace, OwnAssignment, utc
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore


def identify(id: AdministratorId, *, signed_in_at: int, now_seconds: int, administrators: AdministratorStore) -> Caller:
    """One query. `signed_in_at`: epoch seconds. Raises ProtocolError not_found for who was never given a role."""
    known = administrators.read(id)
    if known is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    administrator, assignments = known
    return Caller(administrator, tuple(one for one in assignments if one.in_force(now_seconds)), signed_in_at)


def me(caller: Caller) -> AdminMe:
    """What the caller is told of themselves: with every role what it lets them do."""
    return AdminMe(
        administrator=caller.id,
        name=caller.administrator.name,
        email=caller.administrator.email,
        home=_place(caller.administrator.home),
        signed_in_at=utc(caller.signed_in_at),
        assignments=tuple(
            OwnAssignment(
                role=one.role,
                place=_place(one.place),
                granted_at=utc(one.granted_at),
                expires_at=utc(one.expires_at) if one.expires_at else None,
                may={row.name.lower(): cells[one.role] for row, cells in MATRIX.items() if one.role in cells},
            )
            for one in caller.assignments
        ),
    )


def _place(place: Place) -> AdminPlace:
    return AdminPlace(organisation=place.organisation, unit=place.unit)
