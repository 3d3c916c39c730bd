"""Bodies of the HTTPS admin API."""

from __future__ import annotations

from sandes.model.administrator import Role
from sandes.protocol.fields import AdministratorField, OrganisationField, UnitField, Wire


class AdminPlace(Wire):
    """A unit of an organisation; the organisation itself as the unit of the same id."""

    organisation: OrganisationField
    unit: UnitField


class OwnAssignment(Wire):
    """`may`: what it gives, by the rows of the matrix. Times are epoch seconds; without `expires_at` it stays."""

    role: Role
    place: AdminPlace
    granted_at: int
    expires_at: int | None = None
    may: dict[str, str]


class AdminMe(Wire):
    """`home`: where they work. `signed_in_at`: epoch seconds of the sign-in."""

    administrator: AdministratorField
    name: str
    email: str
    home: AdminPlace
    signed_in_at: int
    assignments: tuple[OwnAssignment, ...]
