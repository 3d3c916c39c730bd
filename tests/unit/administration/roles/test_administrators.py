"""Tests stored administrators and roles: the read of a call, the lists, the last nodal officer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sandes.administration.roles.admin_identity import identify
from sandes.model.administrator import Administrator, Assignment, Place, Role
from sandes.model.ids import AdministratorId, OrganisationId
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.dynamo import ConditionFailed
from sandes.store.transaction import transact
from tests.support.service import NOW, Service


@pytest.fixture
def store(service: Service) -> AdministratorStore:
    return AdministratorStore(service.client, service.tables["directory"])


@pytest.fixture
def organisation(service: Service) -> OrganisationId:
    return service.organisation()


def someone(number: int, organisation: OrganisationId) -> Administrator:
    id = AdministratorId(organisation + number.to_bytes(8, "big"))
    return Administrator(id, f"officer{number}@example.gov.in", f"Officer {number}", Place.root(organisation), NOW)


def grant(store: AdministratorStore, who: Administrator, role: Role, place: Place, **changed: int) -> Assignment:
    made = Assignment(who.id, role, place, "operator", NOW, **changed)
    transact(store.client, [store.putting(who), *store.granting(made, who)])
    return made


def test_a_call_reads_who_it_is_and_the_roles_in_force(
    store: AdministratorStore, organisation: OrganisationId, service: Service
) -> None:
    who, unit = someone(1, organisation), Place(organisation, service.unit(organisation))
    kept = grant(store, who, Role.UNIT_ADMIN, unit, expires_at=NOW + 1)
    grant(store, who, Role.VERIFIER, unit, expires_at=NOW)
    caller = identify(who.id, signed_in_at=NOW - 5, now_seconds=NOW, administrators=store)
    assert (caller.administrator, caller.assignments, caller.signed_in_at) == (who, (kept,), NOW - 5)


def test_who_never_had_a_role_is_nobody(store: AdministratorStore) -> None:
    with pytest.raises(ProtocolError) as refused:
        identify(AdministratorId(bytes(16)), signed_in_at=NOW, now_seconds=NOW, administrators=store)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_role_that_was_taken_away_is_gone_with_the_next_call(
    store: AdministratorStore, organisation: OrganisationId
) -> None:
    who = someone(1, organisation)
    role = grant(store, who, Role.AUDITOR, Place.root(organisation))
    transact(store.client, list(store.taking(role)))
    assert identify(who.id, signed_in_at=NOW, now_seconds=NOW, administrators=store).assignments == ()
    assert store.of_organisation(organisation, limit=10) == ([], None)


def test_assignments_of_an_organisation_are_listed_by_unit_in_pages(
    store: AdministratorStore, organisation: OrganisationId, service: Service
) -> None:
    unit = service.unit(organisation)
    for number in range(3):
        grant(store, someone(number, organisation), Role.VERIFIER, Place(organisation, unit))
    grant(store, someone(9, organisation), Role.NODAL_OFFICER, Place.root(organisation))
    first, after = store.of_organisation(organisation, limit=3)
    rest, end = store.of_organisation(organisation, after=after, limit=3)
    assert sorted(one.name for one in first + rest) == ["Officer 0", "Officer 1", "Officer 2", "Officer 9"]
    assert end is None
    of_unit, _ = store.of_organisation(organisation, unit=unit, limit=10)
    assert {one.assignment.role for one in of_unit} == {Role.VERIFIER}


def test_the_same_role_at_the_same_place_is_given_once(store: AdministratorStore, organisation: OrganisationId) -> None:
    who = someone(1, organisation)
    made = grant(store, who, Role.NODAL_OFFICER, Place.root(organisation))
    with pytest.raises(ConditionFailed):
        transact(store.client, list(store.granting(replace(made, granted_at=NOW + 1), who)))


def test_the_last_nodal_officer_stays(store: AdministratorStore, organisation: OrganisationId) -> None:
    place = Place.root(organisation)
    roles = [grant(store, someone(number, organisation), Role.NODAL_OFFICER, place) for number in (1, 2)]
    transact(store.client, list(store.taking(roles[0])))
    with pytest.raises(ConditionFailed):
        transact(store.client, list(store.taking(roles[1])))
    assert store.read(roles[1].administrator) == (someone(2, organisation), [roles[1]])
