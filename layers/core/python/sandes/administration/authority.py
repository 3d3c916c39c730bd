"""Who may do what where in administration: one matrix, read by enforcement, documentation and the test of every cell.

To a caller without the right, what is forbidden looks like what is not there: `not_found` in both cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Literal

from sandes.model.administrator import Assignment, Caller, Place, Role
from sandes.model.ids import UnitId
from sandes.model.organisation import Tree
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.organisations import OrganisationStore


class Permission(StrEnum):
    """The rows of the matrix; the value is what documentation calls it."""

    ORGANISATIONS = "create an organisation and appoint its first nodal officers"
    UNITS = "unit tree"
    ROLES = "grant roles not above one's own"
    ACCESS = "reset an administrator's access"
    PEOPLE = "verify and revoke people, import"
    SUSPENSION = "suspend, reset devices"
    VISIBILITY = "hide profile details"
    GROUPS = "official groups"
    APPS = "register apps, keys, webhooks"
    TERMS = "go live, raise quota"
    TEMPLATES = "templates"
    COMPLAINTS = "triage complaints"
    TRACES = "trace"
    STATISTICS = "statistics"
    AUDIT = "audit log"


Cell = Literal["act", "second", "read", "draft", "propose", "own"]
"""`act`: alone. `second`: with a second person. `own`: reads what is of the caller's own doing."""

Need = Literal["read", "act", "draft", "propose", "second"]
"""What a route asks for. `second`: to ask for or to approve what takes two."""

MATRIX: Mapping[Permission, Mapping[Role, Cell]] = {
    Permission.ORGANISATIONS: {Role.PLATFORM_ADMIN: "second", Role.AUDITOR: "read"},
    Permission.UNITS: {
        Role.PLATFORM_ADMIN: "read",
        Role.NODAL_OFFICER: "act",
        Role.UNIT_ADMIN: "act",
        Role.AUDITOR: "read",
    },
    Permission.ROLES: {Role.NODAL_OFFICER: "second", Role.UNIT_ADMIN: "second", Role.AUDITOR: "read"},
    Permission.ACCESS: {
        Role.PLATFORM_ADMIN: "second",
        Role.NODAL_OFFICER: "second",
        Role.UNIT_ADMIN: "second",
        Role.AUDITOR: "read",
    },
    Permission.PEOPLE: {
        Role.NODAL_OFFICER: "act",
        Role.UNIT_ADMIN: "act",
        Role.VERIFIER: "act",
        Role.AUDITOR: "read",
    },
    Permission.SUSPENSION: {
        Role.NODAL_OFFICER: "act",
        Role.UNIT_ADMIN: "act",
        Role.MODERATOR: "act",
        Role.AUDITOR: "read",
    },
    Permission.VISIBILITY: {Role.NODAL_OFFICER: "act", Role.UNIT_ADMIN: "act", Role.AUDITOR: "read"},
    Permission.GROUPS: {
        Role.NODAL_OFFICER: "act",
        Role.UNIT_ADMIN: "act",
        Role.GROUP_MANAGER: "act",
        Role.AUDITOR: "read",
    },
    Permission.APPS: {Role.NODAL_OFFICER: "act", Role.APP_MANAGER: "act", Role.AUDITOR: "read"},
    Permission.TERMS: {Role.PLATFORM_ADMIN: "second", Role.NODAL_OFFICER: "second", Role.AUDITOR: "read"},
    Permission.TEMPLATES: {Role.NODAL_OFFICER: "second", Role.APP_MANAGER: "draft", Role.AUDITOR: "read"},
    Permission.COMPLAINTS: {Role.NODAL_OFFICER: "read", Role.MODERATOR: "act", Role.AUDITOR: "read"},
    Permission.TRACES: {
        Role.MODERATOR: "propose",
        Role.TRACE_REQUESTER: "second",
        Role.TRACE_APPROVER: "second",
        Role.AUDITOR: "read",
    },
    Permission.STATISTICS: {
        Role.PLATFORM_ADMIN: "act",
        Role.NODAL_OFFICER: "act",
        Role.UNIT_ADMIN: "act",
        Role.VERIFIER: "read",
        Role.GROUP_MANAGER: "read",
        Role.APP_MANAGER: "read",
        Role.MODERATOR: "read",
        Role.AUDITOR: "read",
    },
    Permission.AUDIT: {
        Role.PLATFORM_ADMIN: "own",
        Role.NODAL_OFFICER: "read",
        Role.UNIT_ADMIN: "read",
        Role.TRACE_REQUESTER: "read",
        Role.TRACE_APPROVER: "read",
        Role.AUDITOR: "act",
    },
}

_ENOUGH: Mapping[Need, frozenset[Cell]] = {
    "read": frozenset(("act", "second", "read", "draft", "propose", "own")),
    "act": frozenset(("act",)),
    "draft": frozenset(("draft", "second")),
    "propose": frozenset(("propose", "second")),
    "second": frozenset(("second",)),
}

GRANTED_BY: Mapping[Role, frozenset[Role]] = {
    Role.PLATFORM_ADMIN: frozenset(),
    Role.NODAL_OFFICER: frozenset((Role.NODAL_OFFICER,)),
    Role.UNIT_ADMIN: frozenset((Role.NODAL_OFFICER, Role.UNIT_ADMIN)),
    Role.VERIFIER: frozenset((Role.NODAL_OFFICER, Role.UNIT_ADMIN)),
    Role.GROUP_MANAGER: frozenset((Role.NODAL_OFFICER, Role.UNIT_ADMIN)),
    Role.APP_MANAGER: frozenset((Role.NODAL_OFFICER,)),
    Role.MODERATOR: frozenset((Role.NODAL_OFFICER,)),
    Role.TRACE_REQUESTER: frozenset((Role.NODAL_OFFICER,)),
    Role.TRACE_APPROVER: frozenset((Role.NODAL_OFFICER,)),
    Role.AUDITOR: frozenset((Role.NODAL_OFFICER,)),
}
"""By whom a role is granted and taken away: nobody grants above their own, which is what they may not do themselves.
Platform administrators are made by operators only; an organisation's first two nodal officers by two platform
administrators.
"""

TAKEN_BY_TWO = frozenset((Role.NODAL_OFFICER, Role.TRACE_REQUESTER, Role.TRACE_APPROVER, Role.AUDITOR))
"""Roles that hold others in check: one officer alone does not get rid of them."""

_ALONE = frozenset((Role.PLATFORM_ADMIN, Role.AUDITOR))

APART: Mapping[Role, frozenset[Role]] = {
    **dict.fromkeys(Role, _ALONE),
    **{role: frozenset(Role) - {role} for role in _ALONE},
    Role.TRACE_REQUESTER: _ALONE | {Role.TRACE_APPROVER},
    Role.TRACE_APPROVER: _ALONE | {Role.TRACE_REQUESTER},
}
"""Separation of duties: roles that one person never holds together, wherever. Who appoints officers of organisations is
none, and who watches does nothing else.
"""


def everywhere(role: Role) -> bool:
    """Whether the role counts at every place; all others at theirs and below it."""
    return role is Role.PLATFORM_ADMIN


def grants(
    caller: Caller,
    permission: Permission,
    need: Need,
    place: Place,
    organisations: OrganisationStore,
    *,
    among: Collection[Role] = frozenset(Role),
) -> Assignment | None:
    """The assignment that lets the caller do this at the place, or None. What is above the place is read only if it
    matters.

    `among`: only by one of these roles.
    """
    able = [one for one in _able(caller, permission, need) if one.role in among]
    for one in able:
        if everywhere(one.role) or one.place == place or one.place == Place.root(place.organisation):
            return one
    within = [one for one in able if one.place.organisation == place.organisation]
    if not within or place.is_root:
        return None
    tree = organisations.paths(place.organisation, [place.unit])
    return next((one for one in within if tree and tree.within(place.unit, one.place.unit)), None)


def require(
    caller: Caller,
    permission: Permission,
    need: Need,
    place: Place,
    organisations: OrganisationStore,
    *,
    among: Collection[Role] = frozenset(Role),
) -> Assignment:
    """The assignment that gives the right. Raises ProtocolError not_found where there is none."""
    found = grants(caller, permission, need, place, organisations, among=among)
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return found


def path_seen(
    caller: Caller,
    permission: Permission,
    place: Place,
    organisations: OrganisationStore,
    *,
    also: Iterable[UnitId] = (),
) -> Tree:
    """Read the unit with its path, for a caller who may read this kind of thing there.

    `also`: units to read with it, whether the caller may read there or not. Raises ProtocolError not_found.
    """
    tree = organisations.paths(place.organisation, [place.unit, *also])
    require_in(caller, permission, "read", place.unit, tree)
    if tree is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return tree


def require_in(caller: Caller, permission: Permission, need: Need, unit: UnitId, tree: Tree | None) -> Assignment:
    """As `require`, for who has read the tree; a unit that is not in it, or no tree, is not found by anybody."""
    if tree is not None and unit in tree.units:
        place = Place(tree.organisation.id, unit)
        for one in _able(caller, permission, need):
            if covers(one, place, tree):
                return one
    raise ProtocolError(ErrorCode.NOT_FOUND)


def of_platform(permission: Permission, need: Need, among: Collection[Role]) -> bool:
    """Whether platform administrators have the right everywhere, if it counts by one of these roles."""
    return Role.PLATFORM_ADMIN in among and MATRIX[permission].get(Role.PLATFORM_ADMIN) in _ENOUGH[need]


def _able(caller: Caller, permission: Permission, need: Need) -> list[Assignment]:
    return [one for one in caller.assignments if MATRIX[permission].get(one.role) in _ENOUGH[need]]


def places_seen(caller: Caller, permission: Permission) -> Iterable[Assignment]:
    """The assignments by which the caller may read something of this kind."""
    return _able(caller, permission, "read")


def covers(assignment: Assignment, place: Place, tree: Tree) -> bool:
    """Whether the place, of the organisation whose tree it is, lies within what the assignment is for."""
    if everywhere(assignment.role):
        return True
    return assignment.place.organisation == place.organisation and tree.within(place.unit, assignment.place.unit)
