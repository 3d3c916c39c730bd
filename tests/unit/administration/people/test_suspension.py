"""Tests suspending, resuming and unlinking all devices: rights, subjects, and concurrent changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandes.administration.people import suspension
from sandes.administration.people import verification_requests as decisions
from sandes.administration.people.suspension import SuspensionDependencies
from sandes.messaging import deliver
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, UnitId, account_text, new_account_id, parse_request
from sandes.model.instant import Instant
from sandes.model.verification import UNASKED_SECONDS
from sandes.people import verification_requests
from sandes.protocol.admin_people_api import VerifyRequest
from sandes.protocol.client_api import NewVerificationRequest
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Hello
from tests.support.administration import Administration
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.people_administration import people_deps, suspension_deps
from tests.support.service import NOW, NOW_MS, Person, Service

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
    return suspension.suspend(caller, person.account, REASON, now=Instant(NOW_MS), deps=deps)


def resume(service: Service, caller: Caller, person: Person) -> Any:
    return suspension.resume(caller, person.account, now=Instant(NOW_MS), deps=suspension_deps(service))


def reset(service: Service, caller: Caller, person: Person, client: Any = None) -> int:
    deps = suspension_deps(service, client)
    return suspension.reset_devices(caller, person.account, now=Instant(NOW_MS), deps=deps).devices


def vouched(service: Service, person: Person, of: OrganisationId) -> None:
    """Verify a person long enough ago for the organisation to suspend them although they did not request it."""
    service.verify(person, of, now_ms=NOW_MS - UNASKED_SECONDS * 1000)


def is_suspended(service: Service, person: Person) -> bool:
    suspended = service.account(person.account).suspension is not None
    assert service.routes(person).suspended == suspended
    return suspended


def test_an_official_is_suspended_and_resumed_by_the_organisation_and_it_is_on_the_record(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person(device_count=2)
    vouched(service, person, of)
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
    vouched(service, official, of)
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


def test_an_organisation_does_not_switch_off_whom_it_has_just_verified_unasked(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    stranger = service.person()
    service.verify(stranger, of, now_ms=NOW_MS - UNASKED_SECONDS * 1000 + 1000)
    service.verify(stranger, of, now_ms=NOW_MS)
    service.online(stranger)
    assert refused(suspend, service, officer, stranger) is ErrorCode.VERIFIED_LATELY
    assert refused(reset, service, officer, stranger) is ErrorCode.VERIFIED_LATELY
    assert not is_suspended(service, stranger)
    assert len(service.account(stranger.account).devices) == 1
    assert resume(service, officer, stranger).suspended is None  # it is not
    assert admins.actions(of) == []
    outsider = admins.appoint(Role.NODAL_OFFICER, Place.root(service.organisation("Other")))
    assert refused(suspend, service, outsider, stranger) is ErrorCode.NOT_FOUND


def test_an_organisation_suspends_whom_it_verifies_since_seven_days_whatever_was_renewed(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    vouched(service, person, of)
    service.verify(person, of, post="Chief Engineer", unit=service.unit(of))
    assert suspend(service, officer, person).suspended.reason == REASON


def test_seven_days_begin_anew_with_a_verification_that_had_ended(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    revoked, expired, moved = (service.person() for _ in range(3))
    before = NOW_MS - UNASKED_SECONDS * 1000
    service.verify(revoked, of, now_ms=before)
    service.revoke(revoked, now_ms=before + 1000)
    service.verify(expired, of, now_ms=before, expires_in_seconds=10)
    service.verify(moved, service.organisation("Other"), now_ms=before)
    service.revoke(moved, now_ms=before + 1000)
    service.memberships_have_ended(moved)
    for person in (revoked, expired, moved):
        service.verify(person, of)
        assert refused(suspend, service, officer, person) is ErrorCode.VERIFIED_LATELY


def test_who_has_asked_to_be_verified_is_suspended_at_once_and_after_renewals(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    asker = service.person()
    asking = NewVerificationRequest(organisation=of, name="Asha Rao", post="Engineer")
    asked = verification_requests.ask(service.caller(asker), asking, now=Instant(NOW_MS), deps=service.device_deps)
    body = VerifyRequest(expires_at=datetime.fromtimestamp(NOW + 86_400, UTC))
    decisions.verify(officer, parse_request(asked.id), body, now=Instant(NOW_MS), deps=people_deps(service))
    service.verify(asker, of)
    suspend(service, officer, asker)
    assert is_suspended(service, asker)


def test_a_suspension_outlives_the_verification_and_then_the_platform_too_ends_it(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, moderator: Caller
) -> None:
    one, two = service.person(), service.person()
    for person in (one, two):
        vouched(service, person, of)
        suspend(service, officer, person)
        assert refused(resume, service, moderator, person) is ErrorCode.NOT_FOUND
        assert refused(suspend, service, moderator, person) is ErrorCode.NOT_FOUND
        service.revoke(person)
        assert is_suspended(service, person)
        assert suspend(service, moderator, person).suspended.organisation == of
    resume(service, officer, one)
    resume(service, moderator, two)
    assert not is_suspended(service, one)
    assert not is_suspended(service, two)
    assert admins.actions(PLATFORM)[-1] == "person.resume"


def test_vouching_anew_does_not_take_a_suspension_back_from_the_platform(
    service: Service, of: OrganisationId, officer: Caller, moderator: Caller
) -> None:
    person = service.person()
    vouched(service, person, of)
    suspend(service, officer, person)
    service.revoke(person)
    service.verify(person, of, now_ms=NOW_MS + 1000)
    deps = suspension_deps(service)
    suspension.resume(moderator, person.account, now=Instant(NOW_MS + 2000), deps=deps)
    assert not is_suspended(service, person)


def test_an_organisation_that_vouches_later_does_not_end_what_others_have_suspended(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, moderator: Caller
) -> None:
    person, citizen = service.person(), service.person()
    vouched(service, person, of)
    suspend(service, officer, person)
    suspend(service, moderator, citizen)
    service.revoke(person)
    service.memberships_have_ended(person)
    other = service.organisation("Other")
    their_officer = admins.appoint(Role.NODAL_OFFICER, Place.root(other))
    for suspended in (person, citizen):
        service.verify(suspended, other)
        assert refused(resume, service, their_officer, suspended) is ErrorCode.NOT_FOUND
    resume(service, moderator, person)
    resume(service, moderator, citizen)


def test_the_platform_does_not_end_a_suspension_whose_organisation_vouches_again_meanwhile(
    service: Service, of: OrganisationId, officer: Caller, moderator: Caller
) -> None:
    person = service.person()
    vouched(service, person, of)
    suspend(service, officer, person)
    service.revoke(person)
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: service.verify(person, of))
    deps = suspension_deps(service, client)
    assert refused(suspension.resume, moderator, person.account, now=Instant(NOW_MS), deps=deps) is ErrorCode.NOT_FOUND
    assert client.overtaken
    assert is_suspended(service, person)


def test_who_is_revoked_or_verified_meanwhile_is_suspended_by_who_may_then(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, moderator: Caller
) -> None:
    official, citizen = service.person(), service.person()
    vouched(service, official, of)
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
    vouched(service, person, of)
    sockets = []
    client: Any = OvertakenClient(
        service.client, "transact_write_items", lambda: sockets.append(service.online(person))
    )
    suspend(service, officer, person, suspension_deps(service, client))
    assert service.gateway.closed == sockets
    late = service.socket()
    hello = Hello(type="hello", protocol=1)
    answered = refused(deliver.hello, hello, person.principal(), late, now=Instant(NOW_MS), deps=service.deliver_deps())
    assert answered is ErrorCode.SUSPENDED


def test_a_reset_unlinks_all_devices_closes_their_sockets_and_tells_the_groups(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person(device_count=3)
    vouched(service, person, of)
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
    vouched(service, person, of)
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: service.link(person, DeviceKeys()))
    assert reset(service, officer, person, client) == 2
    assert client.overtaken
    assert service.account(person.account).devices == {}
    assert service.routes(person).devices == {}
    assert admins.actions(of) == ["person.reset_devices"]


def test_a_suspended_account_stays_so_when_its_devices_are_reset(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    vouched(service, person, of)
    suspend(service, officer, person)
    reset(service, officer, person)
    assert is_suspended(service, person)
    assert refused(service.register, person.phone, DeviceKeys()) is ErrorCode.SUSPENDED
    resume(service, officer, person)
    assert service.register(person.phone, DeviceKeys()).account == person.account
