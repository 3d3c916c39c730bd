"""The first administrators: made by operators, at home in units of the platform, on the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandes.administration.admin_identity import identify
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import id_text, parse_administrator, parse_unit
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.audit import AuditStore
from sandes.store.dynamo import transact
from tests.support.dynamodb import moto_dynamodb
from tests.support.service import NOW, Service

ASHA = {"email": "asha@example.gov.in", "name": "Asha Rao", "unit": "Operations"}


@pytest.fixture
def service() -> Iterator[Service]:
    """With tables of its own: there is one platform."""
    with moto_dynamodb() as (client, tables):
        yield Service(client, tables)


@pytest.fixture
def store(service: Service) -> AdministratorStore:
    return AdministratorStore(service.client, service.tables["directory"])


def create(service: Service, **changed: Any) -> Caller:
    """Make one, and read them as the next call would."""
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
    entries = AuditStore(service.client, service.tables["audit"]).after(PLATFORM, 0, limit=100)
    assert [entry.action for entry in entries[3:]] == ["administrator.create"]
    assert entries[3].unit == caller.administrator.home.unit
    assert not any(b"@" in entry.statement + (entry.body or b"") for entry in entries)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.TRACE_APPROVER, Role.TRACE_REQUESTER])
def test_who_watches_or_traces_does_not_become_a_platform_administrator(
    service: Service, store: AdministratorStore, role: Role
) -> None:
    organisation = service.organisation()
    id = service.pool.invite("asha@example.gov.in", "Asha Rao")
    who = Administrator(id, "asha@example.gov.in", "Asha Rao", Place.root(organisation), NOW)
    held = Assignment(id, role, Place.root(organisation), "x", NOW)
    transact(service.client, [store.putting(who), *store.granting(held, who)])
    assert refused(service).code is ErrorCode.ROLES_APART
    assert store.read(id) == (who, [held])


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
        ({"role": "auditor"}, "/role"),
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
    assert made["organisation"] == "aaaaaaaaaaaaa"
    tree = service.organisations.tree(PLATFORM)
    assert tree is not None
    assert parse_unit(made["unit"]) in tree.units
