"""Tests the first administrators: operators create them in units of the platform, with audit entries."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.operators import first_administrators
from sandes.administration.roles.admin_identity import identify
from sandes.crypto.audit_chain import details_of
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import AdministratorId, administrator_text, id_text, parse_administrator, parse_unit
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.audit import AuditStore
from sandes.store.transaction import transact
from tests.support.administration import Administration
from tests.support.dynamodb import OvertakenClient, memory_dynamodb
from tests.support.service import NOW, Service

ASHA = {"email": "asha@example.gov.in", "name": "Asha Rao", "unit": "Operations"}


@pytest.fixture
def service() -> Service:
    """Make a service with tables of its own, because there is only one platform."""
    client, tables, _ = memory_dynamodb()
    return Service(client, tables)


@pytest.fixture
def store(service: Service) -> AdministratorStore:
    return AdministratorStore(service.client, service.tables["directory"])


def create(service: Service, **changed: Any) -> Caller:
    """Create an administrator, and read it as the next call would."""
    made = service.operate("administrator.create", **ASHA | changed)
    store = AdministratorStore(service.client, service.tables["directory"])
    return identify(parse_administrator(made["administrator"]), signed_in_at=NOW, now_seconds=NOW, administrators=store)


def refused(service: Service, **changed: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        create(service, **changed)
    return error.value


def recorded(service: Service) -> list[tuple[str, str]]:
    entries = AuditStore(service.client, service.tables["audit"]).after(PLATFORM, 0, limit=100)
    return [(entry.action, entry.actor) for entry in entries]


def test_the_first_is_invited_and_administers_the_platform_from_a_unit_of_it(service: Service) -> None:
    caller = create(service)
    tree = service.organisations.tree(PLATFORM)
    assert tree is not None
    assert tree.units[caller.administrator.home.unit].name == "Operations"
    assert caller.administrator.home.organisation == PLATFORM
    assert caller.administrator.email == "asha@example.gov.in"
    assert [(one.role, one.place, one.granted_by, one.expires_at) for one in caller.assignments] == [
        (Role.PLATFORM_ADMIN, Place.root(PLATFORM), "operator", None)
    ]
    assert service.pool.invitations == ["asha@example.gov.in"]


def test_the_second_may_be_at_home_in_the_same_unit_or_in_another(service: Service) -> None:
    asha = create(service)
    ravi = create(service, email="ravi@example.gov.in", name="Ravi", unit="Security")
    mina = create(service, email="mina@example.gov.in", name="Mina")
    assert mina.administrator.home == asha.administrator.home != ravi.administrator.home
    assert len(service.operate("organisation.show", organisation=id_text(PLATFORM))["units"]) == 3


def test_making_one_again_changes_what_is_different_and_no_more(service: Service) -> None:
    first = create(service)
    again = create(service, email="Asha@Example.gov.in", name="Asha R. Rao", unit="Security")
    assert again.id == first.id
    assert (again.administrator.name, again.administrator.created_at) == ("Asha R. Rao", NOW)
    assert again.administrator.home != first.administrator.home
    assert again.assignments == first.assignments
    assert service.pool.invitations == ["asha@example.gov.in"] * 2


def test_every_step_is_on_the_record_of_the_platform_and_names_nobodys_address(service: Service) -> None:
    caller = create(service)
    assert recorded(service) == [
        ("organisation.create", "operator"),
        ("unit.create", "operator"),
        ("administrator.create", "operator"),
    ]
    create(service)
    create(service, unit="Security", name="Asha R. Rao")
    entries = AuditStore(service.client, service.tables["audit"]).after(PLATFORM, 0, limit=100)
    actions = ["administrator.invite", "unit.create", "administrator.change"]
    assert [entry.action for entry in entries[3:]] == actions
    home = caller.administrator.home.unit
    assert entries[3].unit == home != entries[5].unit
    moved = {"role": "platform_admin", "unit_before": id_text(home), "renamed": True}
    assert json.loads(entries[5].body or b"")["details"] == moved
    assert not any(b"@" in entry.statement + (entry.body or b"") for entry in entries)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.PLATFORM_ADMIN])
def test_who_has_a_role_in_an_organisation_does_not_become_a_platform_administrator(
    service: Service, store: AdministratorStore, role: Role
) -> None:
    organisation = service.organisation()
    id = service.pool.invite("asha@example.gov.in", "Asha Rao")
    who = Administrator(id, "asha@example.gov.in", "Asha Rao", Place.root(organisation), NOW)
    held = Assignment(id, role, Place.root(organisation), "x", NOW)
    transact(service.client, [store.putting(who), *store.granting(held, who)])
    units = service.organisations.tree(PLATFORM)
    assert refused(service, unit="A new one").code is ErrorCode.ROLES_APART
    assert service.organisations.tree(PLATFORM) == units
    assert store.read(id) == (who, [held])
    assert service.pool.invitations == ["asha@example.gov.in"]


def test_a_role_granted_in_the_same_moment_and_platform_administrator_do_not_come_together(
    service: Service, store: AdministratorStore
) -> None:
    asha = create(service, role="auditor")
    transact(service.client, list(store.taking(asha.assignments[0])))
    known = store.read(asha.id)
    assert known
    granted = Assignment(asha.id, Role.AUDITOR, Place.root(PLATFORM), "x", NOW)

    def grant() -> None:
        transact(service.client, [store.counting(known[0]), *store.granting(granted, known[0])])

    slow = OvertakenClient(service.client, "transact_write_items", grant)
    recorder = Administration(service, slow).recorder
    deps = replace(service.operator_deps.administrators, recorder=recorder)
    with pytest.raises(ProtocolError) as error:
        first_administrators.operate({"operation": "administrator.create"} | ASHA, now=Instant(NOW * 1000), deps=deps)
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert store.read(asha.id) == (known[0], [granted])


@pytest.mark.parametrize("role", ["auditor", "nodal_officer"])
def test_who_watches_the_platform_is_made_by_operators_too_and_is_none_of_its_administrators(
    service: Service, store: AdministratorStore, role: str
) -> None:
    watching = create(service, role=role)
    assert [(one.role, one.place) for one in watching.assignments] == [(Role(role), Place.root(PLATFORM))]
    assert store.officers(PLATFORM) == (1 if role == "nodal_officer" else 0)
    assert create(service, role=role).assignments == watching.assignments
    assert refused(service).code is ErrorCode.ROLES_APART
    ravi = {"email": "ravi@example.gov.in", "unit": "Security"}
    create(service, **ravi)
    assert refused(service, **ravi, role=role).code is ErrorCode.ROLES_APART


def test_an_address_that_somebody_has_taken_makes_them_nothing(service: Service, store: AdministratorStore) -> None:
    asha = create(service)
    service.pool.people["ravi@example.gov.in"] = asha.id
    error = refused(service, email="ravi@example.gov.in", unit="Security")
    assert (error.code, error.details["errors"][0]["pointer"]) == (ErrorCode.NOT_FOUND, "/email")
    assert store.read(asha.id) == (asha.administrator, list(asha.assignments))
    assert service.pool.invitations == ["asha@example.gov.in"]


def remove(service: Service, **who: str) -> dict[str, Any]:
    deps = service.operator_deps.administrators
    return first_administrators.operate({"operation": "administrator.remove"} | who, now=Instant(NOW * 1000), deps=deps)


def test_who_is_removed_has_no_role_and_no_sign_in_any_more_and_that_is_on_the_record(
    service: Service, store: AdministratorStore
) -> None:
    asha = create(service)
    assert remove(service, email="Asha@example.gov.in") == {"administrator": administrator_text(asha.id), "roles": 1}
    assert store.read(asha.id) == (asha.administrator, [])
    assert store.of_organisation(PLATFORM, limit=10) == ([], None)
    assert (service.pool.disabled, service.pool.signed_out) == ({asha.id}, [asha.id])
    (entry,) = AuditStore(service.client, service.tables["audit"]).after(PLATFORM, 3, limit=100)
    assert (entry.action, entry.actor, entry.subject) == (
        "administrator.remove",
        "operator",
        administrator_text(asha.id),
    )
    assert details_of(entry) == {"roles": ["platform_admin"]}
    assert remove(service, administrator=administrator_text(asha.id))["roles"] == 0
    assert service.pool.signed_out == [asha.id] * 2


def test_the_tokens_of_who_is_removed_are_refused_until_they_are_made_and_sign_in_again(
    service: Service, store: AdministratorStore
) -> None:
    asha = create(service)
    remove(service, email=ASHA["email"])
    service.operate("administrator.create", **ASHA)
    for before in (NOW - 5, NOW):
        with pytest.raises(ProtocolError) as error:
            identify(asha.id, signed_in_at=before, now_seconds=NOW + 1, administrators=store)
        assert error.value.code is ErrorCode.TOKEN_INVALID
    again = identify(asha.id, signed_in_at=NOW + 1, now_seconds=NOW + 1, administrators=store)
    assert again.roles == {Role.PLATFORM_ADMIN}


def test_who_is_removed_while_they_are_given_another_role_keeps_neither(
    service: Service, store: AdministratorStore
) -> None:
    asha = create(service, role="auditor")
    other = Assignment(asha.id, Role.AUDITOR, Place.root(service.organisation()), "x", NOW)

    def grant() -> None:
        transact(service.client, [store.counting(asha.administrator), *store.granting(other, asha.administrator)])

    slow = OvertakenClient(service.client, "transact_write_items", grant)
    deps = replace(service.operator_deps.administrators, recorder=Administration(service, slow).recorder)
    request = {"operation": "administrator.remove", "email": ASHA["email"]}
    with pytest.raises(ProtocolError) as error:
        first_administrators.operate(request, now=Instant(NOW * 1000), deps=deps)
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert remove(service, email=ASHA["email"])["roles"] == 2
    assert store.read(asha.id) == (asha.administrator, [])


def test_the_last_nodal_officer_is_not_removed_either(service: Service, store: AdministratorStore) -> None:
    asha = create(service, role="nodal_officer")
    with pytest.raises(ProtocolError) as error:
        remove(service, email=ASHA["email"])
    assert error.value.code is ErrorCode.LAST_OFFICER
    assert store.read(asha.id) == (asha.administrator, list(asha.assignments))
    assert service.pool.disabled == set()
    create(service, email="ravi@example.gov.in", role="nodal_officer")
    remove(service, email=ASHA["email"])
    assert store.officers(PLATFORM) == 1


def test_operators_remove_nobody_of_an_organisation_and_nobody_unknown(
    service: Service, store: AdministratorStore
) -> None:
    officer = Administration(service).appoint(Role.VERIFIER, Place.root(service.organisation()))
    service.pool.people[officer.administrator.email] = officer.id
    for who in (
        {"email": officer.administrator.email},
        {"administrator": administrator_text(officer.id)},
        {"email": "nobody@example.gov.in"},
        {"administrator": administrator_text(AdministratorId(bytes(16)))},
    ):
        with pytest.raises(ProtocolError) as error:
            remove(service, **who)
        assert error.value.code is ErrorCode.NOT_FOUND
    assert store.read(officer.id) == (officer.administrator, list(officer.assignments))
    assert service.pool.disabled == set()


@pytest.mark.parametrize("who", [{}, {"email": "a@b.in", "administrator": "0f3c1d6e-6f0e-4b60-9a55-3f8f5e2b8f10"}])
def test_who_is_removed_is_named_in_one_way(service: Service, who: dict[str, str]) -> None:
    with pytest.raises(ProtocolError) as error:
        remove(service, **who)
    assert error.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"email": "asha"}, "/email"),
        ({"email": "asha@localhost"}, "/email"),
        ({"email": "a b@example.gov.in"}, "/email"),
        ({"email": "a" * 65 + "@example.gov.in"}, "/email"),
        ({"email": "asha@example.gov.in\nbcc: x@example.com"}, "/email"),
        ({"name": ""}, "/name"),
        ({"name": "Asha ✔"}, "/name"),
        ({"unit": " "}, "/unit"),
        ({"role": "verifier"}, "/role"),
        ({"organisation": id_text(PLATFORM)}, "/organisation"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_invited(
    service: Service, changed: dict[str, Any], pointer: str
) -> None:
    error = refused(service, **changed)
    assert error.code is ErrorCode.INVALID_REQUEST
    assert [fault["pointer"] for fault in error.details["errors"]] == [pointer]
    assert service.pool.invitations == []


def test_the_answer_names_who_and_where(service: Service) -> None:
    made = service.operate("administrator.create", **ASHA)
    assert (made["organisation"], made["done"], made["unit_made"]) == ("aaaaaaaaaaaaa", "create", True)
    again = service.operate("administrator.create", **ASHA | {"name": "Asha R. Rao"})
    assert again == made | {
        "done": "change",
        "unit_made": False,
        "name_before": "Asha Rao",
        "unit_before": made["unit"],
    }
    tree = service.organisations.tree(PLATFORM)
    assert tree is not None
    assert parse_unit(made["unit"]) in tree.units


def test_operators_are_told_which_field_is_wrong(service: Service) -> None:
    asked = {"operation": "administrator.create", "email": "asha", "name": "", "unit": "Operations"}
    deps = service.operator_deps.administrators
    with pytest.raises(ProtocolError) as refusal:
        first_administrators.operate(asked, now=Instant(NOW * 1000), deps=deps)
    assert [fault["pointer"] for fault in refusal.value.details["errors"]] == ["/email", "/name"]
