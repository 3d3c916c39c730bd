"""Administrators, the roles they have and where: what every call of the admin API is judged by (docs/adr/0027)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sandes.model.ids import AdministratorId, OrganisationId, UnitId, base64url_text, parse_base64url

PLATFORM = OrganisationId(bytes(8))
"""The organisation that runs the platform: its administrators have their home in its units."""


class Role(StrEnum):
    PLATFORM_ADMIN = "platform_admin"
    NODAL_OFFICER = "nodal_officer"
    UNIT_ADMIN = "unit_admin"
    VERIFIER = "verifier"
    GROUP_MANAGER = "group_manager"
    APP_MANAGER = "app_manager"
    MODERATOR = "moderator"
    TRACE_REQUESTER = "trace_requester"
    TRACE_APPROVER = "trace_approver"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Place:
    """A unit of an organisation; the organisation itself as its root unit."""

    organisation: OrganisationId
    unit: UnitId

    @classmethod
    def root(cls, organisation: OrganisationId) -> Place:
        return cls(organisation, UnitId(organisation))

    @property
    def is_root(self) -> bool:
        return self.unit == UnitId(self.organisation)


@dataclass(frozen=True, slots=True)
class Administrator:
    """`home`: the unit a person works in. Two people of one unit are not two for what takes two.

    `version` rises with each role granted, and with name and home. `sessions_from`: epoch second; sessions that began
    before it have been ended.
    """

    id: AdministratorId
    email: str
    name: str
    home: Place
    created_at: int
    version: int = field(default=0, compare=False)
    sessions_from: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role at a place and everything below it, until `expires_at` (epoch seconds; None: until it is taken away)."""

    administrator: AdministratorId
    role: Role
    place: Place
    granted_by: str
    granted_at: int
    expires_at: int | None = None

    def in_force(self, now_seconds: int) -> bool:
        return self.expires_at is None or self.expires_at > now_seconds

    @property
    def key(self) -> AssignmentKey:
        return AssignmentKey(self.administrator, self.role, self.place)


@dataclass(frozen=True, slots=True)
class AssignmentKey:
    """What tells one assignment from all others. Its text is its id on the wire: organisation (8 bytes), unit (8),
    administrator (16) and the role's name in base64url.
    """

    administrator: AdministratorId
    role: Role
    place: Place

    def __str__(self) -> str:
        place = self.place.organisation + self.place.unit
        return base64url_text(place + self.administrator + self.role.value.encode())

    @classmethod
    def parse(cls, text: str) -> AssignmentKey:
        """Raises ValueError unless `text` is exactly what `str()` gives."""
        data = parse_base64url(text)
        organisation, unit, administrator = data[:8], data[8:16], data[16:32]
        role = Role(data[32:].decode())
        return cls(AdministratorId(administrator), role, Place(OrganisationId(organisation), UnitId(unit)))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls the admin API, with the assignments in force. `signed_in_at`: epoch second of the last sign-in."""

    administrator: Administrator
    assignments: tuple[Assignment, ...]
    signed_in_at: int

    @property
    def id(self) -> AdministratorId:
        return self.administrator.id

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(assignment.role for assignment in self.assignments)
