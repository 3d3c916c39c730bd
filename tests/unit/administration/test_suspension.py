"""Suspending, resuming, unlinking all devices: who may, whom, and that it holds whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandes.administration import suspension
from sandes.administration.suspension import SuspensionDependencies
from sandes.messaging import deliver
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, UnitId, account_text, new_account_id
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Hello
from tests.support.administration import Administration
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.people_administration import suspension_deps
from tests.support.service import NOW_MS, Person, Service

REASON = "the device was stolen"


@pytest.fixture
def of(service: Service) -> OrganisationId:
    return service.organisation()


@pytest.fixture
def admins(service: Service) -> Administration:
    return Administration(service)


@pytest.fixture
def officer(admins: Administration, of: OrganisationId) -> Caller:
    return admins.appoint(Role.NODAL_OFFICER, Place.root(of))


@pytest.fixture
def moderator(admins: Administration) -> Caller:
    return admins.appoint(Role.MODERATOR, Place.root(PLATFORM))


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def suspend(service: Service, caller: Caller, person: Person, deps: SuspensionDependencies | None = None) -> Any:
    deps = deps or suspension_deps(service)
    return suspension.suspend(caller, person.account, REASON, now_ms=NOW_MS, deps=deps)


def resume(service: Service, caller: Caller, person: Person) -> Any:
    return suspension.resume(caller, person.account, now_ms=NOW_MS, deps=suspension_deps(service))


def reset(service: Service, caller: Caller, person: Person, client: Any = None) -> int:
    deps = suspension_deps(service, client)
    return suspension.reset_devices(caller, person.account, now_ms=NOW_MS, deps=deps).devices


def is_suspended(service: Service, person: Person) -> bool:
    suspended = service.account(person.account).suspension is not None
    assert service.routes(person).suspended == suspended
    return suspended


def test_an_official_is_suspended_and_resumed_by_the_organisation_and_it_is_on_the_record(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person(device_count=2)
    service.verify(person, of)
    sockets = [service.online(person, index) for index in range(2)]
    made = suspend(service, officer, person)
    assert (made.suspended.organisation, made.suspended.unit, made.suspended.reason) == (of, UnitId(of), REASON)
    assert is_suspended(service, person)
    assert service.gateway.closed == sockets
    assert [service.gateway.received[socket][-1]["code"] for socket in sockets] == ["suspended"] * 2
    assert suspend(service, officer, person) == made
    assert resume(service, officer, person).suspended is None
    assert not is_suspended(service, person)
    resume(service, officer, person)
    entries = admins.entries(of)
    assert [entry.action for entry in entries] == ["person.suspend", "person.resume"]
    assert {entry.subject for entry in entries} == {account_text(person.account)}


def test_organisations_suspend_their_officials_and_the_platform_everybody_else(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, moderator: Caller
) -> None:
    official, citizen = service.person(), service.person()
    service.verify(official, of)
    assert refused(suspend, service, officer, citizen) is ErrorCode.NOT_FOUND
    assert refused(suspend, service, moderator, official) is ErrorCode.NOT_FOUND
    verifier = admins.appoint(Role.VERIFIER, Place.root(of))
    other = admins.appoint(Role.NODAL_OFFICER, Place.root(service.organisation("Other")))
    aside = admins.appoint(Role.UNIT_ADMIN, Place(of, service.unit(of)))
    platform_admin = admins.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    for caller in (verifier, other, aside, platform_admin):
        assert refused(suspend, service, caller, official) is ErrorCode.NOT_FOUND
        assert refused(reset, service, caller, official) is ErrorCode.NOT_FOUND
    nobody = Person(new_account_id(), citizen.phone)
    assert refused(suspend, service, moderator, nobody) is ErrorCode.NOT_FOUND
    assert not is_suspended(service, official)
    suspend(service, moderator, citizen)
    assert is_suspended(service, citizen)
    assert admins.actions(PLATFORM)[-1] == "person.suspend"


def test_whoever_suspended_resumes_whatever_has_become_of_the_verification(
    service: Service, of: OrganisationId, officer: Caller, moderator: Caller
) -> None:
    person = service.person()
    service.verify(person, of)
    suspend(service, officer, person)
    service.revoke(person)
    assert refused(resume, service, moderator, person) is ErrorCode.NOT_FOUND
    assert refused(suspend, service, moderator, person) is ErrorCode.ALREADY_SUSPENDED
    resume(service, officer, person)
    assert not is_suspended(service, person)


def test_who_is_revoked_or_verified_meanwhile_is_suspended_by_who_may_then(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, moderator: Caller
) -> None:
    official, citizen = service.person(), service.person()
    service.verify(official, of)
    changes: list[tuple[Caller, Person, Callable[[], Any]]] = [
        (officer, official, lambda: service.revoke(official)),
        (moderator, citizen, lambda: service.verify(citizen, of)),
    ]
    for caller, person, meanwhile in changes:
        client: Any = OvertakenClient(service.client, "transact_write_items", meanwhile)
        deps = suspension_deps(service, client)
        assert refused(suspend, service, caller, person, deps) is ErrorCode.NOT_FOUND
        assert client.overtaken
        assert not is_suspended(service, person)
    assert "person.suspend" not in admins.actions(of)


def test_a_socket_that_says_hello_while_its_account_is_suspended_is_closed(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    service.verify(person, of)
    sockets = []
    client: Any = OvertakenClient(
        service.client, "transact_write_items", lambda: sockets.append(service.online(person))
    )
    suspend(service, officer, person, suspension_deps(service, client))
    assert service.gateway.closed == sockets
    late = service.socket()
    hello = Hello(type="hello", protocol=1)
    answered = refused(deliver.hello, hello, person.principal(), late, now_ms=NOW_MS, deps=service.deliver_deps())
    assert answered is ErrorCode.SUSPENDED


def test_a_reset_unlinks_all_devices_closes_their_sockets_and_tells_the_groups(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person(device_count=3)
    service.verify(person, of)
    socket = service.online(person, 1)
    assert reset(service, officer, person) == 3
    assert service.account(person.account).devices == {}
    assert service.routes(person).devices == {}
    assert service.gateway.closed == [socket]
    assert service.gateway.received[socket][-1] == {"type": "revoked", "reason": "unlinked"}
    told = [entry for entry, _ in service.group_queue.sent if entry["job"] == "devices_changed"]
    assert {entry["registration"] for entry in told} == {device.registration for device in person.devices}
    assert service.account(person.account).standing is not None
    assert admins.actions(of) == ["person.reset_devices"]
    again = service.register(person.phone, DeviceKeys())
    assert again.account == person.account
    assert service.account(person.account).standing is None


def test_a_device_that_is_linked_while_all_are_unlinked_goes_too(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person()
    service.verify(person, of)
    client: Any = OvertakenClient(
        service.client, "transact_write_items", lambda: service.link(service.caller(person), DeviceKeys())
    )
    assert reset(service, officer, person, client) == 2
    assert client.overtaken
    assert service.account(person.account).devices == {}
    assert service.routes(person).devices == {}
    assert admins.actions(of) == ["person.reset_devices"]


def test_a_suspended_account_stays_so_when_its_devices_are_reset(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    service.verify(person, of)
    suspend(service, officer, person)
    reset(service, officer, person)
    assert is_suspended(service, person)
    assert refused(service.register, person.phone, DeviceKeys()) is ErrorCode.SUSPENDED
    resume(service, officer, person)
    assert service.register(person.phone, DeviceKeys()).account == person.account
