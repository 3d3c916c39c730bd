"""Identifies the caller of the admin API. The roles are read for each call, so that a removed role ends immediately."""

from __future__ import annotations

from collections.abc import Mapping

from sandes.administration.authority import MATRIX
from sandes.model.administrator import Caller, Place
from sandes.model.ids import AdministratorId
from sandes.protocol.admin_api import AdminMe, AdminPlace, OwnAssignment, utc
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.organisations import OrganisationStore


def identify(id: AdministratorId, *, signed_in_at: int, now_seconds: int, administrators: AdministratorStore) -> Caller:
    """Return the caller with one query. The token's session began at `signed_in_at` (epoch seconds).

    Raises ProtocolError not_found for somebody who never had a role, and token_invalid for a session that was ended.
    """
    caller = with_roles(id, signed_in_at=signed_in_at, now_seconds=now_seconds, administrators=administrators)
    if signed_in_at < caller.administrator.sessions_from:
        raise ProtocolError(ErrorCode.TOKEN_INVALID)
    return caller


def with_roles(
    id: AdministratorId, *, signed_in_at: int, now_seconds: int, administrators: AdministratorStore
) -> Caller:
    """Return a person with the roles in force, with or without a session. This takes one query.

    Raises ProtocolError not_found.
    """
    known = administrators.read(id)
    if known is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    administrator, assignments = known
    return Caller(administrator, tuple(one for one in assignments if one.in_force(now_seconds)), signed_in_at)


def me(caller: Caller, organisations: OrganisationStore) -> AdminMe:
    """Return the caller's data and, for each role, what it permits. This takes one call, for names of places."""
    places = [caller.administrator.home, *(one.place for one in caller.assignments)]
    names = organisations.names([*places, *(Place.root(one.organisation) for one in places)])
    return AdminMe(
        administrator=caller.id,
        name=caller.administrator.name,
        email=caller.administrator.email,
        home=_place(caller.administrator.home, names),
        signed_in_at=utc(caller.signed_in_at),
        assignments=tuple(
            OwnAssignment(
                role=one.role,
                place=_place(one.place, names),
                granted_at=utc(one.granted_at),
                expires_at=utc(one.expires_at) if one.expires_at else None,
                may={row.name.lower(): cells[one.role] for row, cells in MATRIX.items() if one.role in cells},
            )
            for one in caller.assignments
        ),
    )


def _place(place: Place, names: Mapping[Place, str]) -> AdminPlace:
    return AdminPlace(
        organisation=place.organisation,
        unit=place.unit,
        organisation_name=names.get(Place.root(place.organisation)),
        unit_name=names.get(place),
    )
