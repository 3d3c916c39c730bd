"""Permissions of administrators: one matrix for enforcement, documentation and the test of every cell.

A caller without the right gets the same answer, `not_found`, as for something that does not exist.
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
    """Lists the rows of the matrix. The value is the row's name in the documentation."""

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
"""The permission of a role. `act`: alone; `second`: with a second person; `own`: read the caller's own acts."""

Need = Literal["read", "act", "draft", "propose", "second"]
"""The permission that a route needs. `second`: to request or approve a change that needs two people."""

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
"""The roles that grant and take away each role. Nobody grants a role above their own, whose rights they do not have.

Only operators create platform administrators. Two platform administrators appoint an organisation's first two nodal
officers.
"""

TAKEN_BY_TWO = frozenset((Role.NODAL_OFFICER, Role.TRACE_REQUESTER, Role.TRACE_APPROVER, Role.AUDITOR))
"""Roles that oversee others. One officer alone cannot remove them."""

_ALONE = frozenset((Role.PLATFORM_ADMIN, Role.AUDITOR))

APART: Mapping[Role, frozenset[Role]] = {
    **dict.fromkeys(Role, _ALONE),
    **{role: frozenset(Role) - {role} for role in _ALONE},
    Role.TRACE_REQUESTER: _ALONE | {Role.TRACE_APPROVER},
    Role.TRACE_APPROVER: _ALONE | {Role.TRACE_REQUESTER},
}
"""Separation of duties: roles that one person never holds at the same time, at any place. A platform administrator, who
appoints officers, is not an officer, and an auditor has no other role.
"""


def everywhere(role: Role) -> bool:
    """Tell whether the role applies at every place. All others apply at their place and below it."""
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
    """Return the assignment that lets the caller do this at the place, or None.

    The units above the place are read only if necessary. If `among` is set, only these roles count.
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
    """Return the assignment that gives the right. Raises ProtocolError not_found without one."""
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

    `also` are further units to read, whether or not the caller may read there. Raises ProtocolError not_found.
    """
    tree = organisations.paths(place.organisation, [place.unit, *also])
    require_in(caller, permission, "read", place.unit, tree)
    if tree is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return tree


def require_in(caller: Caller, permission: Permission, need: Need, unit: UnitId, tree: Tree | None) -> Assignment:
    """Return the assignment that gives the right, by a tree that was read before. Raises ProtocolError not_found.

    This includes a unit that is not in the tree, and a missing tree.
    """
    if tree is not None and unit in tree.units:
        place = Place(tree.organisation.id, unit)
        for one in _able(caller, permission, need):
            if covers(one, place, tree):
                return one
    raise ProtocolError(ErrorCode.NOT_FOUND)


def of_platform(permission: Permission, need: Need, among: Collection[Role]) -> bool:
    """Tell whether platform administrators have the right everywhere, provided that their role is in `among`."""
    return Role.PLATFORM_ADMIN in among and MATRIX[permission].get(Role.PLATFORM_ADMIN) in _ENOUGH[need]


def _able(caller: Caller, permission: Permission, need: Need) -> list[Assignment]:
    return [one for one in caller.assignments if MATRIX[permission].get(one.role) in _ENOUGH[need]]


def places_seen(caller: Caller, permission: Permission) -> Iterable[Assignment]:
    """Return the assignments by which the caller may read something of this kind."""
    return _able(caller, permission, "read")


def covers(assignment: Assignment, place: Place, tree: Tree) -> bool:
    """Tell whether the place is the assignment's place or below it. The tree is that of the place's organisation."""
    if everywhere(assignment.role):
        return True
    return assignment.place.organisation == place.organisation and tree.within(place.unit, assignment.place.unit)
