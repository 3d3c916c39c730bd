"""New organisations. Two platform administrators create one with its first nodal officers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandes.administration import approvals
from sandes.administration.appointments import Appointment, Appointments
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.authority import Permission
from sandes.administration.sign_in import fresh
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Caller, Place, Role
from sandes.model.approval import Approval
from sandes.model.ids import OrganisationId, UnitId, new_organisation_id
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation, UnitKind
from sandes.protocol.admin_organisations_api import AskForOfficer, AskForOrganisation
from sandes.protocol.admin_roles_api import NewOfficer, NewPerson
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import OrganisationField, UnitField, Wire
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Operation


class CreateOrganisation(Wire):
    """Holds the parameters of an approval of a new organisation."""

    organisation: OrganisationField
    name: str
    kind: UnitKind
    officer: NewOfficer

    @property
    def wanted(self) -> Appointment:
        return _officer(self.organisation, self.officer, UnitId(self.organisation), "/officer")


class AppointOfficer(Wire):
    """Holds the parameters of an approval of another nodal officer."""

    organisation: OrganisationField
    officer: NewOfficer
    home: UnitField

    @property
    def wanted(self) -> Appointment:
        return _officer(self.organisation, self.officer, self.home, "")


@dataclass(frozen=True, slots=True)
class Founding(ApprovedOperation[CreateOrganisation]):
    """Executes `organisation.create`: creates it with its first nodal officer, who works at its root."""

    appointments: Appointments
    organisations: OrganisationStore
    permission = Permission.ORGANISATIONS
    model = CreateOrganisation

    def place(self, parameters: CreateOrganisation) -> Place:  # noqa: ARG002  # it is not there yet
        return Place.root(PLATFORM)

    def check(self, parameters: CreateOrganisation, by: Caller, *, now_seconds: int) -> None:
        """Check the request.

        Raises ProtocolError fresh_sign_in_required, own_roles, invalid_request, not_found, roles_apart.
        """
        fresh(by, now_seconds=now_seconds)
        self.appointments.check(parameters.wanted, by, now_seconds=now_seconds)

    def carry_out(self, parameters: CreateOrganisation, decision: Decision, write: Write) -> None:
        """Create the organisation. Raises ProtocolError own_roles, roles_apart, unavailable."""
        made = Organisation(parameters.organisation, parameters.name, decision.now.seconds, tree_version=1)
        store = self.appointments.administrators

        def parts(grant: Assignment, person: Administrator) -> Iterable[Operation]:
            yield from store.granting_uncounted(grant, person)
            yield from self.organisations.creating(made, parameters.kind, officers=1)

        self.appointments.make(parameters.wanted, decision, write, parts, ErrorCode.UNAVAILABLE)

    def asked_for(self, parameters: CreateOrganisation) -> dict[str, Any]:
        return parameters.model_dump(mode="json", exclude={"organisation"})

    def recorded(self, parameters: CreateOrganisation) -> dict[str, Any]:
        return parameters.model_dump(mode="json", exclude={"officer"})


@dataclass(frozen=True, slots=True)
class Appointing(ApprovedOperation[AppointOfficer]):
    """Executes `officer.appoint`. It is possible while an organisation has fewer than two nodal officers, who then
    appoint others themselves.
    """

    appointments: Appointments
    organisations: OrganisationStore
    permission = Permission.ORGANISATIONS
    model = AppointOfficer

    def place(self, parameters: AppointOfficer) -> Place:
        return Place.root(parameters.organisation)

    def check(self, parameters: AppointOfficer, by: Caller, *, now_seconds: int) -> None:
        """Check the request.

        Raises ProtocolError fresh_sign_in_required, not_found, has_officers, invalid_request, own_roles,
        mail_domain_not_allowed, roles_apart, already_assigned.
        """
        fresh(by, now_seconds=now_seconds)
        if self.organisations.unit(parameters.organisation, parameters.home) is None:
            tree = self.organisations.read(parameters.organisation)
            raise missing("/home", "unit in the organisation") if tree else ProtocolError(ErrorCode.NOT_FOUND)
        administrators = self.appointments.administrators
        if administrators.officers(parameters.organisation) >= 2:
            raise ProtocolError(ErrorCode.HAS_OFFICERS)
        if parameters.home in (one.home.unit for one in administrators.nodal_officers(parameters.organisation)):
            raise invalid(ErrorCode.INVALID_REQUEST, "/home", "unit_of_the_other")
        self.appointments.check(parameters.wanted, by, now_seconds=now_seconds)

    def carry_out(self, parameters: AppointOfficer, decision: Decision, write: Write) -> None:
        """Appoint the officer. Raises ProtocolError unavailable, and the errors of `check`."""
        store = self.appointments.administrators
        self.appointments.make(parameters.wanted, decision, write, store.granting_one_of_two, ErrorCode.HAS_OFFICERS)

    def recorded(self, parameters: AppointOfficer) -> dict[str, Any]:
        return parameters.model_dump(mode="json", exclude={"officer"})


def ask_to_create(caller: Caller, body: AskForOrganisation, *, now: Instant, deps: ApprovalDependencies) -> Approval:
    """Request a new organisation. Raises ProtocolError not_found without the right, and the errors of
    `Founding.check`.
    """
    wanted = CreateOrganisation(
        organisation=new_organisation_id(), name=body.name, kind=body.kind, officer=body.officer
    )
    return approvals.request(caller, "organisation.create", wanted, now=now, deps=deps)


def ask_to_appoint(
    caller: Caller, organisation: OrganisationId, body: AskForOfficer, *, now: Instant, deps: ApprovalDependencies
) -> Approval:
    """Request another nodal officer. Raises ProtocolError not_found without the right, and the errors of
    `Appointing.check`.
    """
    officer = NewOfficer(email=body.email, name=body.name)
    wanted = AppointOfficer(organisation=organisation, officer=officer, home=body.home)
    return approvals.request(caller, "officer.appoint", wanted, now=now, deps=deps)


def _officer(organisation: OrganisationId, officer: NewOfficer, home: UnitId, field: str) -> Appointment:
    person = NewPerson(email=officer.email, name=officer.name, home=home)
    root, works = Place.root(organisation), Place(organisation, home)
    return Appointment(person, Role.NODAL_OFFICER, root, works, field=field)
