"""The dependencies of functions/admin, each made when a call first needs it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sandes.edge.settings import AdminSettings
from sandes.edge.wiring import _administrator_pool, _client, _recorder, _secret, wire_administrators
from sandes.store.organisations import OrganisationStore

if TYPE_CHECKING:
    from sandes.administration.approvals import ApprovalDependencies
    from sandes.administration.organisations.places import PlaceDependencies
    from sandes.administration.people.complaints import ComplaintDependencies
    from sandes.administration.roles.assignments import AssignmentDependencies
    from sandes.crypto.pepper import Pepper


@cache
def _pepper() -> Pepper:
    from sandes.crypto.pepper import Pepper

    return Pepper.of(_secret(AdminSettings.load().pepper_secret))


def _organisations() -> OrganisationStore:
    return OrganisationStore(_client("dynamodb"), AdminSettings.load().directory_table)


@cache
def wire_places() -> PlaceDependencies:
    from sandes.administration.organisations.places import PlaceDependencies

    return PlaceDependencies(_organisations(), wire_administrators(), _recorder(), _pepper())


@cache
def wire_assignments() -> AssignmentDependencies:
    from sandes.administration.roles.assignments import AssignmentDependencies

    return AssignmentDependencies(wire_administrators(), _organisations(), _recorder(), _pepper())


@cache
def wire_complaints() -> ComplaintDependencies:
    from sandes.administration.people.complaints import ComplaintDependencies
    from sandes.store.complaints import ComplaintStore

    store = ComplaintStore(_client("dynamodb"), AdminSettings.load().directory_table)
    return ComplaintDependencies(store, wire_administrators(), _organisations(), _recorder(), _pepper())


@cache
def wire_approvals() -> ApprovalDependencies:
    """With everything that takes two people, by its name in stored requests."""
    from sandes.administration.approvals import ApprovalDependencies
    from sandes.administration.apps.app_operations import app_operations
    from sandes.administration.apps.app_registry import RegistryDependencies
    from sandes.administration.organisations.new_organisations import Appointing, Founding
    from sandes.administration.roles.appointments import Appointments
    from sandes.administration.roles.assignments import Granting, Taking, TakingOneOfTwo
    from sandes.store.approvals import ApprovalStore
    from sandes.store.apps import AppStore

    dynamodb, table, organisations = _client("dynamodb"), AdminSettings.load().directory_table, _organisations()
    appointments = Appointments(wire_administrators(), _administrator_pool())
    registry = RegistryDependencies(AppStore(dynamodb, table), organisations, _pepper())
    return ApprovalDependencies(
        store=ApprovalStore(dynamodb, table),
        administrators=wire_administrators(),
        organisations=organisations,
        recorder=_recorder(),
        pepper=_pepper(),
        operations={
            "organisation.create": Founding(appointments, organisations),
            "officer.appoint": Appointing(appointments, organisations),
            "assignment.grant": Granting(appointments, organisations),
            "assignment.take": Taking(wire_administrators()),
            "officer.take": TakingOneOfTwo(wire_administrators()),
            **app_operations(registry),
        },
    )
