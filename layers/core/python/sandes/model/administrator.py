"""Administrators and their roles at places. The service checks every call of the admin API with them
(docs/adr/0027).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sandes.model.ids import AdministratorId, OrganisationId, UnitId, base64url_text, parse_base64url

PLATFORM = OrganisationId(bytes(8))
"""The organisation that runs the platform. The platform's administrators have their home in its units."""


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
    """Names a unit of an organisation. The root unit stands for the organisation itself."""

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
    """Holds an administrator. `home` is the unit where the person works.

    Two administrators with the same home cannot together make a change that needs two people. `version` rises with each
    granted role and with each change of the name or home. Sessions that began before `sessions_from` (epoch seconds)
    have been ended.
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
    """Holds a role at a place and everything below it. `expires_at` is epoch seconds, or None without an end."""

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
    """Identifies an assignment. Its text is the id on the wire: organisation (8 bytes), unit (8), administrator (16)
    and the name of the role, in base64url.
    """

    administrator: AdministratorId
    role: Role
    place: Place

    def __str__(self) -> str:
        place = self.place.organisation + self.place.unit
        return base64url_text(place + self.administrator + self.role.value.encode())

    @classmethod
    def parse(cls, text: str) -> AssignmentKey:
        """Parse the id of an assignment. Raises ValueError unless `text` is in the form that `str()` returns."""
        data = parse_base64url(text)
        organisation, unit, administrator = data[:8], data[8:16], data[16:32]
        role = Role(data[32:].decode())
        return cls(AdministratorId(administrator), role, Place(OrganisationId(organisation), UnitId(unit)))


@dataclass(frozen=True, slots=True)
class Caller:
    """Holds the administrator who calls the admin API, and the assignments in force.

    `signed_in_at` is the time of the last sign-in in epoch seconds.
    """

    administrator: Administrator
    assignments: tuple[Assignment, ...]
    signed_in_at: int

    @property
    def id(self) -> AdministratorId:
        return self.administrator.id

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(assignment.role for assignment in self.assignments)
