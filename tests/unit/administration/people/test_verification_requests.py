"""Tests verification requests: a device sends them, they are decided once, and they end with the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from sandes.administration.people import officials as administration_of_people
from sandes.administration.people import verification_requests as requests
from sandes.limits import Limit
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import OrganisationId, UnitId, new_request_id, new_unit_id, parse_request
from sandes.model.instant import Instant
from sandes.model.verification_request import KEPT_SECONDS, LAPSES_SECONDS, VerificationRequest
from sandes.people import verification_requests as asking
from sandes.protocol.admin_people_api import VerifyRequest
from sandes.protocol.client_api import NewVerificationRequest, OwnVerificationRequest
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.transaction import transact
from tests.support.administration import Administration
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.people_administration import people_deps
from tests.support.service import NOW, NOW_MS, Person, Service

YEAR = 365 * 86_400


@pytest.fixture
def of(service: Service) -> OrganisationId:
    return service.organisation()


@pytest.fixture
def admins(service: Service) -> Administration:
    return Administration(service)


@pytest.fixture
def officer(admins: Administration, of: OrganisationId) -> Caller:
    return admins.appoint(Role.NODAL_OFFICER, Place.root(of))


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def ask(
    service: Service, person: Person, of: OrganisationId, *, now_ms: int = NOW_MS, **changed: Any
) -> OwnVerificationRequest:
    body = NewVerificationRequest(**{"organisation": of, "name": "Asha Rao", "post": "Engineer"} | changed)
    return asking.ask(service.caller(person), body, now=Instant(now_ms), deps=service.device_deps)


def own(service: Service, person: Person, *, now_ms: int = NOW_MS) -> list[OwnVerificationRequest]:
    return asking.own(service.caller(person), now=Instant(now_ms), deps=service.device_deps).requests


def verify(service: Service, caller: Caller, id: str, *, client: Any = None, **changed: Any) -> Any:
    body = VerifyRequest(**{"expires_at": datetime.fromtimestamp(NOW + YEAR, UTC)} | changed)
    return requests.verify(caller, parse_request(id), body, now=Instant(NOW_MS), deps=people_deps(service, client))


def reject(service: Service, caller: Caller, id: str, *, client: Any = None) -> Any:
    deps = people_deps(service, client)
    return requests.reject(caller, parse_request(id), "unknown here", now=Instant(NOW_MS), deps=deps)


def listed(
    service: Service, caller: Caller, which: Any = "open", *, now_ms: int = NOW_MS, limit: int = 250
) -> list[Any]:
    found, cursor = [], None
    while True:
        page = requests.page(
            caller,
            caller.administrator.home,
            which,
            after=cursor,
            limit=limit,
            now=Instant(now_ms),
            deps=people_deps(service),
        )
        found += page.requests
        cursor = page.cursor
        if cursor is None:
            return found


def test_a_person_asks_and_the_officer_verifies_with_corrections_in_one_transaction(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person, unit = service.person(), service.unit(of)
    made = ask(service, person, of, email="asha@rail.example")
    assert (made.state, made.unit, made.source, made.lapses_at) == ("open", UnitId(of), "device", NOW + LAPSES_SECONDS)
    (entry,) = listed(service, officer)
    assert (entry.id, entry.account, entry.name, entry.email) == (made.id, person.account, "Asha Rao", made.email)
    verified = verify(service, officer, made.id, unit=unit, post="Chief Engineer", listed=True)
    assert (verified.unit, verified.name, verified.post, verified.listed) == (unit, "Asha Rao", "Chief Engineer", True)
    assert verified.email == "asha@rail.example"
    assert [one.state for one in own(service, person)] == ["verified"]
    assert listed(service, officer) == []
    assert [one.state for one in listed(service, officer, "decided")] == ["verified"]
    (act,) = admins.entries(of)
    assert (act.action, act.case, act.unit) == ("person.verify", made.id, unit)


def test_the_person_sees_why_they_were_rejected_and_may_ask_again(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person()
    made = ask(service, person, of)
    assert reject(service, officer, made.id).state == "rejected"
    assert [(one.state, one.reason) for one in own(service, person)] == [("rejected", "unknown here")]
    again = ask(service, person, of)
    assert again.id != made.id
    assert refused(verify, service, officer, made.id) is ErrorCode.NOT_FOUND
    assert [one.id for one in listed(service, officer)] == [again.id]
    assert [one.id for one in listed(service, officer, "decided")] == [made.id]
    assert admins.actions(of) == ["request.reject"]


def test_one_open_request_to_each_organisation(service: Service, of: OrganisationId) -> None:
    person, other = service.person(), service.organisation("Other")
    ask(service, person, of)
    assert refused(ask, service, person, of) is ErrorCode.ALREADY_REQUESTED
    ask(service, person, other, now_ms=NOW_MS + 5000)
    assert [one.organisation for one in own(service, person)] == [other, of]


def test_two_devices_that_ask_at_once_make_one_request(service: Service, of: OrganisationId, officer: Caller) -> None:
    person = service.person()
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: ask(service, person, of))
    deps = replace(service.device_deps, directory=replace(service.directory, client=client))
    body = NewVerificationRequest(organisation=of, name="Asha Rao", post="Engineer")
    assert (
        refused(asking.ask, service.caller(person), body, now=Instant(NOW_MS), deps=deps) is ErrorCode.ALREADY_REQUESTED
    )
    assert client.overtaken
    assert len(listed(service, officer)) == 1


def test_officials_ask_their_own_organisation_only(service: Service, of: OrganisationId, officer: Caller) -> None:
    person, other = service.person(), service.organisation("Other")
    service.verify(person, of)
    assert refused(ask, service, person, other) is ErrorCode.VERIFIED_ELSEWHERE
    renewed = verify(service, officer, ask(service, person, of, post="Director").id)
    assert (renewed.post, renewed.version) == ("Director", 2)


def test_what_is_asked_for_must_be_there(service: Service, of: OrganisationId) -> None:
    person = service.person()
    assert refused(ask, service, person, of, unit=new_unit_id()) is ErrorCode.NOT_FOUND
    assert refused(ask, service, person, OrganisationId(new_unit_id())) is ErrorCode.NOT_FOUND
    assert own(service, person) == []


def test_a_request_can_be_taken_back_while_it_is_open(service: Service, of: OrganisationId, officer: Caller) -> None:
    person, other = service.person(), service.person()
    made = ask(service, person, of)
    withdraw = partial(asking.withdraw, now=Instant(NOW_MS), deps=service.device_deps)
    assert refused(withdraw, service.caller(other), made.id) is ErrorCode.NOT_FOUND
    assert refused(withdraw, service.caller(person), "x" * 32) is ErrorCode.NOT_FOUND
    withdraw(service.caller(person), made.id)
    assert own(service, person) == listed(service, officer) == []
    assert refused(verify, service, officer, made.id) is ErrorCode.NOT_FOUND
    decided = ask(service, person, of)
    reject(service, officer, decided.id)
    assert refused(withdraw, service.caller(person), decided.id) is ErrorCode.REQUEST_STATE


@pytest.mark.parametrize(
    "decisions",
    [(verify, verify), (verify, reject), (reject, verify), (reject, reject)],
    ids=lambda two: " then ".join(one.__name__ for one in two),
)
def test_a_request_is_decided_once_whoever_decides_at_once(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, decisions: tuple[Any, Any]
) -> None:
    first, second = decisions
    person = service.person()
    id = ask(service, person, of).id
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: first(service, officer, id))
    assert refused(second, service, officer, id, client=client) is ErrorCode.REQUEST_STATE
    assert client.overtaken
    assert admins.actions(of) == ["person.verify" if first is verify else "request.reject"]
    assert refused(second, service, officer, id) is ErrorCode.REQUEST_STATE


def test_a_request_lapses_and_may_be_made_anew(service: Service, of: OrganisationId, officer: Caller) -> None:
    person = service.person()
    made = ask(service, person, of)
    after = (NOW + LAPSES_SECONDS) * 1000
    assert [one.state for one in own(service, person, now_ms=after)] == ["lapsed"]
    assert listed(service, officer, now_ms=after) == []
    body = VerifyRequest(expires_at=datetime.fromtimestamp(NOW + YEAR, UTC))
    lapsed = refused(
        requests.verify, officer, parse_request(made.id), body, now=Instant(after), deps=people_deps(service)
    )
    assert lapsed is ErrorCode.REQUEST_STATE
    assert ask(service, person, of, now_ms=after).state == "open"
    assert len(listed(service, officer, now_ms=after)) == 1
    assert KEPT_SECONDS == LAPSES_SECONDS


def test_whoever_registers_the_number_anew_is_not_verified_on_a_request_made_before(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person = service.person()
    id = ask(service, person, of).id
    keys = DeviceKeys()

    def again() -> None:
        service.register(person.phone, keys)

    client: Any = OvertakenClient(service.client, "transact_write_items", again)
    assert refused(verify, service, officer, id, client=client) is ErrorCode.REQUEST_STATE
    assert client.overtaken
    assert service.account(person.account).standing is None
    assert refused(verify, service, officer, id) is ErrorCode.REQUEST_STATE
    anew = Person(person.account, person.phone, list(service.account(person.account).devices.values()), [keys])
    assert [one.state for one in own(service, anew)] == ["lapsed"]
    assert ask(service, anew, of).state == "open"
    assert len(listed(service, officer)) == 1
    assert admins.entries(of) == []


def test_unlinking_the_device_that_asked_ends_the_request(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person(device_count=2)
    id = ask(service, person, of).id
    number = person.devices[0].number
    service.unlink(person, number)
    assert refused(verify, service, officer, id) is ErrorCode.REQUEST_STATE


def test_requests_are_decided_where_they_are_made_to_and_where_the_person_is_to_be(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    unit, beside = service.unit(of), service.unit(of, "Beside")
    person = service.person()
    id = ask(service, person, of, unit=unit).id
    mine, others = (admins.appoint(Role.VERIFIER, Place(of, place)) for place in (unit, beside))
    auditor = admins.appoint(Role.AUDITOR, Place.root(of))
    assert [one.id for one in listed(service, mine)] == [one.id for one in listed(service, auditor)] == [id]
    assert listed(service, others) == []
    for caller in (others, auditor):
        assert refused(verify, service, caller, id) is ErrorCode.NOT_FOUND
        assert refused(reject, service, caller, id) is ErrorCode.NOT_FOUND
    assert refused(verify, service, mine, id, unit=beside) is ErrorCode.NOT_FOUND
    read = administration_of_people.read
    deps = people_deps(service)
    assert read(mine, person.account, now=Instant(NOW_MS), deps=deps).state == "none"
    assert refused(read, others, person.account, now=Instant(NOW_MS), deps=deps) is ErrorCode.NOT_FOUND
    assert verify(service, mine, id).unit == unit


def test_pages_of_requests_hold_each_once(service: Service, of: OrganisationId, admins: Administration) -> None:
    unit = service.unit(of)
    units = [unit, *(service.unit(of, f"Below {n}", parent=unit) for n in range(2))]
    others = [service.unit(of, f"Beside {n}") for n in range(3)]
    mine = []
    for one in (*units, *others, unit):
        made = ask(service, service.person(), of, unit=one)
        mine += [made.id] if one in units else []
    caller = admins.appoint(Role.UNIT_ADMIN, Place(of, unit))
    for limit in (1, 2, 250):
        assert sorted(one.id for one in listed(service, caller, limit=limit)) == sorted(mine)


def test_a_request_that_an_import_opens_is_one_like_any_other(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    device = person.devices[0]
    made = VerificationRequest(
        id=new_request_id(of, person.account),
        unit=UnitId(of),
        name="Asha Rao",
        post="Engineer",
        email=None,
        source="import",
        device=device.number,
        registration=device.registration,
        requested_at=NOW,
    )
    transact(service.client, service.device_deps.requests.opening(made, previous=None))
    (entry,) = listed(service, officer)
    assert entry.source == own(service, person)[0].source == "import"
    assert verify(service, officer, entry.id).state == "verified"


def test_requests_are_limited(service: Service, of: OrganisationId) -> None:
    person = service.person()
    for _ in range(Limit.VERIFICATION_REQUESTS.burst):
        made = ask(service, person, of)
        asking.withdraw(service.caller(person), made.id, now=Instant(NOW_MS), deps=service.device_deps)
    assert refused(ask, service, person, of) is ErrorCode.RATE_LIMITED


def test_a_decided_request_is_gone_after_three_months_whether_it_was_deleted_or_not(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person = service.person()
    reject(service, officer, ask(service, person, of).id)
    late_ms = NOW_MS + KEPT_SECONDS * 1000
    assert [one.state for one in own(service, person, now_ms=late_ms - 1000)] == ["rejected"]
    assert own(service, person, now_ms=late_ms) == listed(service, officer, "decided", now_ms=late_ms) == []
    assert ask(service, person, of, now_ms=late_ms).state == "open"
