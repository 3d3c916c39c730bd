"""Assignments of roles: two people grant a role, and one or two people take it away (docs/adr/0027)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sandes.administration import approvals
from sandes.administration.appointments import Appointment, Appointments
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.authority import GRANTED_BY, TAKEN_BY_TWO, Permission, grants, path_seen, require, require_in
from sandes.administration.recorder import Acts
from sandes.administration.sign_in import fresh
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.model.administrator import Assignment, AssignmentKey, Caller, Place, Role
from sandes.model.approval import Approval
from sandes.model.audit import Act
from sandes.model.ids import UnitId, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation
from sandes.protocol.admin_roles_api import NewAssignment, NewPerson, RoleField
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import AdministratorField, Moment, OrganisationField, UnitField, Wire, seconds_of
from sandes.store.administrators import ASSIGNED, AdministratorStore, Listed
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore

MAX_SECONDS = 2 * 365 * 86_400
"""The longest duration of a role that has an end."""

ROOT_ONLY = frozenset((Role.NODAL_OFFICER, Role.TRACE_REQUESTER, Role.TRACE_APPROVER, Role.AUDITOR))
"""The roles that are granted only for a whole organisation."""


class GrantRole(Wire):
    """Holds the parameters of an approval of a grant."""

    organisation: OrganisationField
    unit: UnitField
    role: RoleField
    administrator: AdministratorField | None = None
    person: NewPerson | None = None
    expires_at: Moment | None = None

    @property
    def wanted(self) -> Appointment:
        who = self.person or self.administrator
        if who is None:
            raise ValueError("nobody to grant the role to")
        home = Place(self.organisation, self.person.home if self.person else self.unit)
        return Appointment(who, self.role, Place(self.organisation, self.unit), home, seconds_of(self.expires_at))


@dataclass(frozen=True, slots=True)
class Granting(ApprovedOperation[GrantRole]):
    """Executes `assignment.grant`. Two people who may grant the role there give it to a third one."""

    appointments: Appointments
    organisations: OrganisationStore
    permission = Permission.ROLES
    model = GrantRole

    def place(self, parameters: GrantRole) -> Place:
        return Place(parameters.organisation, parameters.unit)

    def roles(self, parameters: GrantRole) -> Collection[Role]:
        return GRANTED_BY[parameters.role]

    def check(self, parameters: GrantRole, by: Caller, *, now_seconds: int) -> None:
        """Check the request.

        Raises ProtocolError fresh_sign_in_required, role_above_own, invalid_request, not_found, own_roles,
        mail_domain_not_allowed, roles_apart, already_assigned.
        """
        fresh(by, now_seconds=now_seconds)
        wanted = parameters.wanted
        _granted_by(by, wanted.role, wanted.place, self.organisations)
        _check_form(wanted, now_seconds)
        self._check_units(wanted, by)
        self.appointments.check(wanted, by, now_seconds=now_seconds)

    def _check_units(self, wanted: Appointment, by: Caller) -> None:
        """Check that `by` may grant roles in the person's home, so that nobody invites accomplices into other units."""
        tree = self.organisations.paths(wanted.place.organisation, [wanted.place.unit, wanted.home.unit])
        if tree is None or wanted.place.unit not in tree.units:
            raise missing("/unit", "unit in the organisation")
        try:
            require_in(by, self.permission, "second", wanted.home.unit, tree)
        except ProtocolError:
            raise missing("/person/home", "unit in the organisation") from None

    def carry_out(self, parameters: GrantRole, decision: Decision, write: Write) -> None:
        """Grant the role. Raises ProtocolError unavailable, and the errors of `check`."""
        wanted, store = parameters.wanted, self.appointments.administrators
        place = wanted.place
        there = [] if place.is_root else [self.organisations.there(place.organisation, place.unit)]  # the root stays
        self.appointments.make(
            wanted,
            decision,
            write,
            lambda grant, person: [*store.granting(grant, person), *there],
            ErrorCode.NOT_FOUND,
        )

    def recorded(self, parameters: GrantRole) -> dict[str, Any]:
        return parameters.model_dump(mode="json", exclude_none=True, exclude={"person"})


class TakeRole(Wire):
    """Holds the parameters of an approval that takes a role away."""

    organisation: OrganisationField
    unit: UnitField
    role: RoleField
    administrator: AdministratorField

    @property
    def key(self) -> AssignmentKey:
        return AssignmentKey(self.administrator, self.role, Place(self.organisation, self.unit))


@dataclass(frozen=True, slots=True)
class Taking(ApprovedOperation[TakeRole]):
    """Executes `assignment.take`. Two people who may grant the role there take it away from a third one."""

    administrators: AdministratorStore
    permission = Permission.ROLES
    model = TakeRole

    def place(self, parameters: TakeRole) -> Place:
        return parameters.key.place

    def roles(self, parameters: TakeRole) -> Collection[Role]:
        return GRANTED_BY[parameters.role]

    def check(self, parameters: TakeRole, by: Caller, *, now_seconds: int) -> None:
        """Check the request. Raises ProtocolError fresh_sign_in_required, own_roles, not_found, last_officer."""
        fresh(by, now_seconds=now_seconds)
        _held(by, parameters.key, self.administrators)
        if parameters.role is Role.NODAL_OFFICER and self.administrators.officers(parameters.organisation) < 2:
            raise ProtocolError(ErrorCode.LAST_OFFICER)

    def carry_out(self, parameters: TakeRole, decision: Decision, write: Write) -> None:
        """Take the role away. Raises ProtocolError like `check`."""
        found = _held(decision.approver, parameters.key, self.administrators)
        try:
            write(list(self.administrators.taking(found)), subject=administrator_text(found.administrator))
        except ConditionFailed as failed:
            raise ProtocolError(ErrorCode.NOT_FOUND if failed.is_(ASSIGNED) else ErrorCode.LAST_OFFICER) from None


@dataclass(frozen=True, slots=True)
class TakingOneOfTwo(Taking):
    """Executes `officer.take`. A platform administrator approves it if there is no third nodal officer."""

    permission = Permission.ORGANISATIONS
    asked_by = Permission.ROLES

    def roles(self, parameters: TakeRole) -> Collection[Role]:
        return GRANTED_BY[parameters.role] | {Role.PLATFORM_ADMIN}


@dataclass(frozen=True, slots=True)
class AssignmentDependencies(Acts):
    organisations: OrganisationStore
    pepper: Pepper


def ask_to_grant(caller: Caller, body: NewAssignment, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Request a grant. Raises ProtocolError not_found without the right, and the errors of `Granting.check`."""
    wanted = GrantRole(
        organisation=body.organisation,
        unit=body.unit or UnitId(body.organisation),
        role=body.role,
        administrator=body.administrator,
        person=body.person,
        expires_at=body.expires_at,
    )
    return approvals.request(caller, "assignment.grant", wanted, now=now, deps=deps)


def page(
    caller: Caller,
    place: Place,
    *,
    after: str | None,
    limit: int,
    now_seconds: int,
    deps: AssignmentDependencies,
) -> tuple[list[Listed], Organisation, str | None]:
    """Return the assignments in force at the place and below it, their organisation, and the cursor of the next page.

    A page can have fewer than `limit`, even none, and still have a cursor. Raises ProtocolError not_found,
    invalid_cursor.
    """
    tree = path_seen(caller, Permission.ROLES, place, deps.organisations)
    owner, of = caller.id, f"assignments {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=owner, of=of, pepper=deps.pepper) if after else None
    alone = None if tree.units[place.unit].children or place.is_root else place.unit
    found, last = deps.administrators.of_organisation(place.organisation, unit=alone, after=start, limit=limit)
    more = make_cursor(last, owner=owner, of=of, pepper=deps.pepper) if last else None
    live = [one for one in found if one.assignment.in_force(now_seconds)]
    if alone or place.is_root:
        return live, tree.organisation, more
    paths = deps.organisations.paths(place.organisation, {one.assignment.place.unit for one in live})
    within = [one for one in live if paths and paths.within(one.assignment.place.unit, place.unit)]
    return within, tree.organisation, more


def take(
    caller: Caller, key: AssignmentKey, *, now: Instant, deps: AssignmentDependencies, asking: ApprovalDependencies
) -> Approval | None:
    """Take a role away immediately, or request it for roles in TAKEN_BY_TWO and return the approval.

    Raises ProtocolError not_found, role_above_own, own_roles, and the errors of `Taking.check`.
    """
    require(caller, Permission.ROLES, "second", key.place, deps.organisations)
    right = _granted_by(caller, key.role, key.place, deps.organisations)
    if key.role in TAKEN_BY_TWO:
        return _ask_to_take(caller, key, now=now, deps=asking)
    found = _held(caller, key, deps.administrators)
    act = Act(
        action="assignment.revoke",
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=key.place.organisation,
        unit=key.place.unit,
        subject=administrator_text(key.administrator),
        details={"role": key.role.value},
    )
    try:
        deps.by_right(act, right, now=now)(list(deps.administrators.taking(found)))
    except ConditionFailed:  # the assignment was removed at the same moment
        raise ProtocolError(ErrorCode.NOT_FOUND) from None
    return None


def _ask_to_take(caller: Caller, key: AssignmentKey, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    few = key.role is Role.NODAL_OFFICER and deps.administrators.officers(key.place.organisation) <= 2
    wanted = TakeRole(
        organisation=key.place.organisation, unit=key.place.unit, role=key.role, administrator=key.administrator
    )
    return approvals.request(caller, "officer.take" if few else "assignment.take", wanted, now=now, deps=deps)


def _held(by: Caller, key: AssignmentKey, administrators: AdministratorStore) -> Assignment:
    """Return another person's assignment. Raises ProtocolError own_roles, not_found."""
    if key.administrator == by.id:
        raise ProtocolError(ErrorCode.OWN_ROLES)
    _, held = administrators.read(key.administrator) or (None, [])
    found = next((one for one in held if one.key == key), None)
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return found


def _granted_by(caller: Caller, role: Role, place: Place, organisations: OrganisationStore) -> Assignment:
    """Return the right by which the caller may grant this role. Raises ProtocolError role_above_own."""
    right = grants(caller, Permission.ROLES, "second", place, organisations, among=GRANTED_BY[role])
    if right is None:
        raise ProtocolError(ErrorCode.ROLE_ABOVE_OWN)
    return right


def _check_form(wanted: Appointment, now_seconds: int) -> None:
    if wanted.role in ROOT_ONLY and not wanted.place.is_root:
        raise invalid(ErrorCode.INVALID_REQUEST, "/unit", "root_only")
    if wanted.expires_at is None:
        return
    if wanted.role is Role.NODAL_OFFICER:
        raise invalid(ErrorCode.INVALID_REQUEST, "/expires_at", "until_taken_away")
    if not now_seconds < wanted.expires_at <= now_seconds + MAX_SECONDS:
        raise invalid(ErrorCode.INVALID_REQUEST, "/expires_at", "within_two_years")
