"""Tests acts of administrators on people: within their places, each complete and recorded, also when concurrent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from sandes.administration.people import officials, suspension
from sandes.crypto.audit_chain import details_of
from sandes.limits import Limit
from sandes.model.administrator import PLATFORM, Assignment, Caller, Place, Role
from sandes.model.ids import (
    OrganisationId,
    UnitId,
    account_text,
    administrator_text,
    id_text,
    new_account_id,
    new_organisation_id,
    new_unit_id,
)
from sandes.model.instant import Instant
from sandes.model.profile import OFFICIAL_POLICY
from sandes.model.suspension import Suspension
from sandes.model.verification import UNASKED_SECONDS
from sandes.protocol.admin_people_api import AdminPerson, ChangePerson, FindPerson, HidePerson, VerifyPerson
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.administration import Administration
from tests.support.dynamodb import CountingClient, OvertakenClient
from tests.support.people_administration import people_deps, suspension_deps
from tests.support.service import NOW, NOW_MS, Person, Service, new_phone

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


def until(seconds: int = NOW + YEAR) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def terms(person: Person, **changed: Any) -> VerifyPerson:
    given: dict[str, Any] = {"account": person.account, "name": "Asha Rao", "post": "Engineer", "expires_at": until()}
    return VerifyPerson(**given | changed)


def verify(service: Service, caller: Caller, person: Person, *, client: Any = None, **changed: Any) -> AdminPerson:
    return officials.verify(caller, terms(person, **changed), now=Instant(NOW_MS), deps=people_deps(service, client))


def everybody(service: Service, caller: Caller, place: Place | None = None, *, limit: int = 250) -> list[Any]:
    """Return all pages of a list, by default of the caller's place."""
    found, cursor, pages = [], None, 0
    while True:
        page = officials.page(
            caller,
            place or caller.administrator.home,
            after=cursor,
            limit=limit,
            now=Instant(NOW_MS),
            deps=people_deps(service),
        )
        found += page.people
        cursor, pages = page.cursor, pages + 1
        assert pages < 50
        if cursor is None:
            return found


# Verifying


def test_an_officer_verifies_by_number_and_the_act_is_on_the_record_without_it(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    made = verify(service, officer, person, account=None, phone=person.phone, email="asha@rail.example", listed=True)
    assert (made.account, made.state, made.organisation, made.unit) == (person.account, "verified", of, UnitId(of))
    assert (made.name, made.email, made.listed, made.expires_at) == ("Asha Rao", "asha@rail.example", True, until())
    assert service.account(person.account).standing_at(NOW) is not None
    (entry,) = admins.entries(of)
    assert (entry.action, entry.subject, entry.unit) == ("person.verify", account_text(person.account), UnitId(of))
    assert (entry.actor, entry.role) == (administrator_text(officer.id), "nodal_officer")
    assert details_of(entry) == {"listed": True, "expires_at": NOW + YEAR}


def test_what_is_recorded_of_a_renewal_is_which_words_changed_and_not_what_they_are(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    verify(service, officer, person)
    verify(service, officer, person, name="Asha Devi", email="asha@rail.example")
    entry = admins.entries(of)[-1]
    assert details_of(entry) == {"listed": False, "expires_at": NOW + YEAR, "changed": ["name", "email"]}
    assert b"Asha" not in (entry.body or b"")


def test_a_unit_admin_verifies_in_the_own_subtree_only(
    service: Service, of: OrganisationId, admins: Administration
) -> None:
    unit = service.unit(of)
    below, beside = service.unit(of, "Below", parent=unit), service.unit(of, "Beside")
    caller = admins.appoint(Role.UNIT_ADMIN, Place(of, unit))
    for allowed in (unit, below):
        assert verify(service, caller, service.person(), unit=allowed).unit == allowed
    for elsewhere in (beside, None, new_unit_id()):
        person = service.person()
        assert refused(verify, service, caller, person, unit=elsewhere) is ErrorCode.NOT_FOUND
        assert service.verifications.read(person.account) is None
    other = service.organisation("Other")
    assert refused(verify, service, caller, service.person(), organisation=other) is ErrorCode.NOT_FOUND


def test_whoever_is_in_a_unit_of_others_is_not_drawn_into_ones_own(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    mine, theirs = service.unit(of), service.unit(of, "Theirs")
    person = service.person()
    verify(service, officer, person, unit=theirs)
    caller = admins.appoint(Role.VERIFIER, Place(of, mine))
    assert refused(verify, service, caller, person, unit=mine) is ErrorCode.NOT_FOUND
    found = service.verifications.read(person.account)
    assert found is not None
    assert found.unit == theirs


def test_bad_terms_are_refused(service: Service, officer: Caller, of: OrganisationId, admins: Administration) -> None:
    person = service.person()
    assert refused(verify, service, officer, person, unit=new_unit_id()) is ErrorCode.NOT_FOUND
    assert refused(verify, service, officer, person, expires_at=until(NOW)) is ErrorCode.INVALID_REQUEST
    assert refused(verify, service, officer, person, expires_at=until(NOW + 6 * YEAR)) is ErrorCode.INVALID_REQUEST
    assert refused(verify, service, officer, person, account=None, phone=new_phone()) is ErrorCode.NOT_FOUND
    assert refused(verify, service, officer, person, account=None, phone="12") is ErrorCode.INVALID_PHONE
    other = service.organisation("Other")
    service.verify(person, other)
    assert refused(verify, service, officer, person) is ErrorCode.VERIFIED_ELSEWHERE
    assert set(admins.actions(of)) == {"person.find"}  # of the number that nobody has


def test_bad_terms_are_refused_before_it_is_looked_who_has_the_number(
    service: Service, officer: Caller, of: OrganisationId
) -> None:
    somebody, official = service.person(), service.person()
    service.verify(official, service.organisation("Other"))

    def told(phone: str, **changed: Any) -> tuple[ErrorCode, dict[str, Any]]:
        with pytest.raises(ProtocolError) as caught:
            verify(service, officer, somebody, account=None, phone=phone, **changed)
        return caught.value.code, caught.value.details

    for bad in ({"expires_at": until(NOW + 80 * YEAR)}, {"unit": new_unit_id()}):
        refusals = [told(phone, **bad) for phone in (new_phone(), somebody.phone, official.phone)]
        assert refusals[0] == refusals[1] == refusals[2]
        assert refusals[0][1]["errors"][0]["pointer"] in ("/expires_at", "/unit")


def test_verifying_by_number_is_limited_as_looking_up_is_and_leaves_what_came_to_nothing_on_the_record(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    official, phone = service.person(), new_phone()
    service.verify(official, service.organisation("Other"))
    assert refused(verify, service, officer, official, account=None, phone=phone) is ErrorCode.NOT_FOUND
    given = {"account": None, "phone": official.phone}
    assert refused(verify, service, officer, official, **given) is ErrorCode.VERIFIED_ELSEWHERE
    first, second = admins.entries(of)
    assert (first.action, first.subject, details_of(first)) == ("person.find", None, {"refused": "not_found"})
    assert (second.action, details_of(second)) == ("person.find", {"refused": "verified_elsewhere"})
    for _ in range(Limit.ADMIN_LOOKUPS.burst - 2):
        refused(officials.find, officer, FindPerson(phone="12"), now=Instant(NOW_MS), deps=people_deps(service))
    assert refused(verify, service, officer, official, account=None, phone=phone) is ErrorCode.RATE_LIMITED
    assert verify(service, officer, service.person()).state == "verified"


def test_two_officers_verify_the_same_person_at_once_and_both_acts_are_recorded(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person, colleague = service.person(), admins.appoint(Role.VERIFIER, Place.root(of))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda caller: verify(service, caller, person), (officer, colleague)))
    found = service.verifications.read(person.account)
    assert found is not None
    assert found.version == 2
    assert admins.actions(of) == ["person.verify"] * 2
    unit = service.organisations.unit(of, UnitId(of))
    assert unit is not None
    assert unit[1].officials == 1


def test_who_is_verified_elsewhere_meanwhile_is_not_verified_here(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person, other = service.person(), service.organisation("Other")
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: service.verify(person, other))
    assert refused(verify, service, officer, person, client=client) is ErrorCode.VERIFIED_ELSEWHERE
    assert client.overtaken
    assert admins.entries(of) == []


# Changing, transferring, revoking, hiding


def change(
    service: Service, caller: Caller, person: Person, *, version: int | None = None, **fields: Any
) -> AdminPerson:
    deps = people_deps(service)
    return officials.change(
        caller, person.account, ChangePerson(**fields), version=version, now=Instant(NOW_MS + 1000), deps=deps
    )


def test_a_change_keeps_what_it_does_not_name_and_makes_a_new_attestation(service: Service, officer: Caller) -> None:
    person = service.person()
    verify(service, officer, person, email="asha@rail.example", listed=True)
    before = service.verifications.read(person.account)
    made = change(service, officer, person, post="Chief Engineer", email="", version=1)
    after = service.verifications.read(person.account)
    assert before is not None
    assert after is not None
    assert (made.name, made.post, made.email, made.listed) == ("Asha Rao", "Chief Engineer", None, True)
    assert (made.version, after.expires_at) == (2, before.expires_at)
    assert before.attestation.statement != after.attestation.statement


def test_a_change_of_what_was_changed_meanwhile_is_refused(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    verify(service, officer, person)
    change(service, officer, person, post="Director", version=1)
    assert refused(change, service, officer, person, post="Driver", version=1) is ErrorCode.PRECONDITION_FAILED
    assert admins.actions(of) == ["person.verify", "person.change"]


def transfer(service: Service, caller: Caller, person: Person, unit: UnitId) -> AdminPerson:
    return officials.transfer(caller, person.account, unit, now=Instant(NOW_MS), deps=people_deps(service))


@pytest.mark.parametrize("meanwhile", ["changed", "hidden", "revoked", "transferred"])
def test_a_change_decided_on_what_is_no_longer_so_is_not_made(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, meanwhile: str
) -> None:
    person, there = service.person(), service.unit(of)
    verify(service, officer, person)
    others: dict[str, Callable[[], Any]] = {
        "changed": lambda: change(service, officer, person, post="Director", version=1),
        "hidden": lambda: hide(service, officer, person, version=1, post="nobody"),
        "revoked": lambda: revoke(service, officer, person),
        "transferred": lambda: officials.transfer(
            officer, person.account, there, now=Instant(NOW_MS), deps=people_deps(service)
        ),
    }
    client: Any = OvertakenClient(service.client, "transact_write_items", others[meanwhile])
    deps, body = people_deps(service, client), ChangePerson(post="Driver")
    code = refused(officials.change, officer, person.account, body, version=1, now=Instant(NOW_MS), deps=deps)
    assert client.overtaken
    assert code is (ErrorCode.NOT_FOUND if meanwhile == "revoked" else ErrorCode.PRECONDITION_FAILED)
    found = service.verifications.read(person.account)
    assert found is not None
    assert (found.version, found.post) == (2, "Director" if meanwhile == "changed" else "Engineer")
    assert len(admins.actions(of)) == 2


def test_a_transfer_needs_the_right_at_both_units_and_keeps_the_rest(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    here, there = service.unit(of), service.unit(of, "There")
    person = service.person()
    verify(service, officer, person, unit=here, listed=True)
    deps = people_deps(service)
    for place in (here, there):
        one_of_them = admins.appoint(Role.UNIT_ADMIN, Place(of, place))
        code = refused(officials.transfer, one_of_them, person.account, there, now=Instant(NOW_MS), deps=deps)
        assert code is (ErrorCode.NOT_FOUND)
    both = admins.also(admins.appoint(Role.UNIT_ADMIN, Place(of, here)), Role.VERIFIER, Place(of, there))
    made = officials.transfer(both, person.account, there, now=Instant(NOW_MS), deps=deps)
    assert (made.unit, made.listed, made.version) == (there, True, 2)
    entry = admins.entries(of)[-1]
    assert (entry.action, entry.unit) == ("person.transfer", there)
    assert (details_of(entry) or {})["from_unit"] == id_text(here)
    assert refused(officials.transfer, officer, person.account, new_unit_id(), now=Instant(NOW_MS), deps=deps) is (
        ErrorCode.NOT_FOUND
    )


def revoke(service: Service, caller: Caller, person: Person, client: Any = None) -> AdminPerson:
    deps = people_deps(service, client)
    return officials.revoke(caller, person.account, "has left the service", now=Instant(NOW_MS), deps=deps)


def test_who_is_revoked_is_no_official_at_once_and_once_on_the_record(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    verify(service, officer, person)
    made = revoke(service, officer, person)
    assert (made.state, made.reason, made.ended_at) == ("revoked", "has left the service", until(NOW))
    assert service.account(person.account).standing is None
    assert revoke(service, officer, person) == made
    assert admins.actions(of) == ["person.verify", "person.revoke"]
    assert refused(change, service, officer, person, post="Director") is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("act", ["verify", "revoke", "suspend", "reset_devices"])
def test_who_loses_the_right_in_the_same_moment_does_nothing(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller, act: str
) -> None:
    person = service.person()
    service.verify(person, of, now_ms=NOW_MS - UNASKED_SECONDS * 1000)
    before = (service.account(person.account), service.verifications.read(person.account))
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: admins.take(officer))
    suspending = suspension_deps(service, client)
    acts: dict[str, Callable[[], Any]] = {
        "verify": lambda: verify(service, officer, person, client=client),
        "revoke": lambda: revoke(service, officer, person, client),
        "suspend": lambda: suspension.suspend(officer, person.account, "stolen", now=Instant(NOW_MS), deps=suspending),
        "reset_devices": lambda: suspension.reset_devices(
            officer, person.account, now=Instant(NOW_MS), deps=suspending
        ),
    }
    colleague = admins.appoint(Role.NODAL_OFFICER, Place.root(of))
    assert colleague.id != officer.id
    assert refused(acts[act]) is ErrorCode.NOT_FOUND
    assert client.overtaken
    assert (service.account(person.account), service.verifications.read(person.account)) == before
    assert admins.actions(of) == []


def test_a_right_that_is_over_by_now_does_nothing(service: Service, of: OrganisationId, admins: Administration) -> None:
    caller, person = admins.appoint(Role.VERIFIER, Place.root(of), expires_at=NOW), service.person()
    right = Assignment(caller.id, Role.VERIFIER, Place.root(of), "operator", NOW, expires_at=NOW)
    late = Caller(caller.administrator, (right,), signed_in_at=NOW)
    assert refused(verify, service, late, person) is ErrorCode.NOT_FOUND
    assert service.verifications.read(person.account) is None


def test_of_two_officers_who_revoke_at_once_one_has_done_it(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    verify(service, officer, person)
    client: Any = OvertakenClient(service.client, "transact_write_items", lambda: revoke(service, officer, person))
    assert revoke(service, officer, person, client).state == "revoked"
    assert client.overtaken
    assert admins.actions(of) == ["person.verify", "person.revoke"]


def test_nobody_is_revoked_from_outside_their_unit(
    service: Service, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    service.verify(person, of)
    outside = [
        admins.appoint(Role.UNIT_ADMIN, Place(of, service.unit(of))),
        admins.appoint(Role.NODAL_OFFICER, Place.root(service.organisation("Other"))),
        admins.appoint(Role.AUDITOR, Place.root(of)),
    ]
    for caller in outside:
        assert refused(revoke, service, caller, person) is ErrorCode.NOT_FOUND
    assert refused(revoke, service, outside[0], service.person()) is ErrorCode.NOT_FOUND
    assert service.account(person.account).standing is not None


def hide(service: Service, caller: Caller, person: Person, *, version: int | None = None, **fields: Any) -> AdminPerson:
    body, deps = HidePerson.model_validate({"fields": fields}), people_deps(service)
    return officials.hide(caller, person.account, body, version=version, now=Instant(NOW_MS), deps=deps)


def test_fields_are_hidden_and_shown_again_one_by_one(
    service: Service, officer: Caller, of: OrganisationId, admins: Administration
) -> None:
    person = service.person()
    verify(service, officer, person)
    assert hide(service, officer, person, post="nobody", number="nobody", version=1).hidden == {
        "post": "nobody",
        "number": "nobody",
    }
    assert hide(service, officer, person, number=None, version=2).hidden == {"post": "nobody"}
    assert refused(hide, service, officer, person, version=2, post=None) is ErrorCode.PRECONDITION_FAILED
    assert details_of(admins.entries(of)[-1]) == {"fields": {"number": None}}
    verifier = admins.appoint(Role.VERIFIER, Place.root(of))
    assert refused(hide, service, verifier, person, post=None) is ErrorCode.NOT_FOUND
    assert OFFICIAL_POLICY["post"] == "everyone"


# Lists and look-ups


def test_a_unit_admin_sees_the_people_of_the_own_subtree_whatever_lies_between(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    unit = service.unit(of)
    units = [unit, *(service.unit(of, f"Below {n}", parent=unit) for n in range(3))]
    others = [service.unit(of, f"Beside {n}") for n in range(4)]
    mine = []
    for one in (*units[:3], *others, units[0]):  # one of the units below has nobody
        person = service.person()
        verify(service, officer, person, unit=one)
        mine += [person.account] if one in units else []
    caller = admins.appoint(Role.UNIT_ADMIN, Place(of, unit))
    for limit in (1, 2, 250):
        assert sorted(one.account for one in everybody(service, caller, limit=limit)) == sorted(mine)
        assert len(everybody(service, officer, limit=limit)) == 8
    assert [one.unit for one in everybody(service, caller, Place(of, units[1]))] == [units[1]]
    for elsewhere in (Place(of, others[0]), Place.root(of), Place(of, new_unit_id())):
        assert refused(everybody, service, caller, elsewhere) is ErrorCode.NOT_FOUND
    assert everybody(service, caller, Place(of, units[3])) == []


def test_a_page_of_an_organisation_costs_a_read_of_its_root_and_a_query(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    verify(service, officer, service.person())
    client: Any = CountingClient(service.client)
    officials.page(
        officer, Place.root(of), after=None, limit=10, now=Instant(NOW_MS), deps=people_deps(service, client)
    )
    assert [operation for operation, _ in client.calls] == ["batch_get_item", "query"]


def test_who_may_read_nothing_of_an_organisation_is_told_that_nothing_is_there(
    service: Service, of: OrganisationId, admins: Administration
) -> None:
    strangers = [
        admins.appoint(Role.NODAL_OFFICER, Place.root(service.organisation("Other"))),
        admins.appoint(Role.MODERATOR, Place.root(of)),
        admins.appoint(Role.PLATFORM_ADMIN, Place.root(of)),
    ]
    for caller in strangers:
        assert refused(everybody, service, caller, Place.root(of)) is ErrorCode.NOT_FOUND
    assert refused(everybody, service, strangers[0], Place.root(new_organisation_id())) is ErrorCode.NOT_FOUND


def test_a_cursor_is_of_no_use_to_another_or_for_another_list(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    for _ in range(2):
        verify(service, officer, service.person())
    page = officials.page(officer, Place.root(of), after=None, limit=1, now=Instant(NOW_MS), deps=people_deps(service))
    assert page.cursor
    other = admins.appoint(Role.AUDITOR, Place.root(of))

    unit = service.unit(of)
    verify(service, officer, service.person(), unit=unit)

    def read(caller: Caller, unit: UnitId, cursor: str) -> Any:
        return officials.page(
            caller, Place(of, unit), after=cursor, limit=1, now=Instant(NOW_MS), deps=people_deps(service)
        )

    assert refused(read, other, UnitId(of), page.cursor) is ErrorCode.INVALID_CURSOR
    assert refused(read, officer, unit, page.cursor) is ErrorCode.INVALID_CURSOR
    assert refused(read, officer, UnitId(of), page.cursor[:-1] + "!") is ErrorCode.INVALID_CURSOR


def test_whose_time_is_over_is_not_listed_although_the_sweep_has_not_come_by(service: Service, officer: Caller) -> None:
    verify(service, officer, service.person(), expires_at=until(NOW + 10))
    deps = people_deps(service)
    page = officials.page(
        officer, officer.administrator.home, after=None, limit=9, now=Instant((NOW + 10) * 1000), deps=deps
    )
    assert page.people == []


def test_a_person_is_shown_where_the_caller_may_see_them_and_nowhere_else(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    person, stranger = service.person(), service.person()
    verify(service, officer, person)
    deps = people_deps(service)
    assert officials.read(officer, person.account, now=Instant(NOW_MS), deps=deps).name == "Asha Rao"
    assert officials.read(officer, person.account, now=Instant((NOW + YEAR) * 1000), deps=deps).state == "expired"
    for account in (stranger.account, new_account_id()):
        assert refused(officials.read, officer, account, now=Instant(NOW_MS), deps=deps) is ErrorCode.NOT_FOUND
    elsewhere = admins.appoint(Role.UNIT_ADMIN, Place(of, service.unit(of)))
    assert refused(officials.read, elsewhere, person.account, now=Instant(NOW_MS), deps=deps) is ErrorCode.NOT_FOUND


def test_what_is_not_to_be_seen_takes_the_reads_of_what_is_not_there(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    unit, beside = service.unit(of), service.unit(of, "Beside")
    here, aside, elsewhere, citizen = (service.person() for _ in range(4))
    verify(service, officer, here, unit=unit)
    verify(service, officer, aside, unit=beside)
    service.verify(elsewhere, service.organisation("Other"))
    for caller in (admins.appoint(Role.UNIT_ADMIN, Place(of, unit)), officer):
        calls = set()
        for account in (here.account, aside.account, elsewhere.account, citizen.account, new_account_id()):
            client: Any = CountingClient(service.client)
            with suppress(ProtocolError):
                officials.read(caller, account, now=Instant(NOW_MS), deps=people_deps(service, client))
            calls.add(tuple(operation for operation, _ in client.calls))
        assert len(calls) == 1


def test_a_former_organisation_sees_neither_devices_nor_suspensions(
    service: Service, of: OrganisationId, officer: Caller
) -> None:
    person, deps = service.person(), people_deps(service)
    verify(service, officer, person)

    def seen(suspended_by: OrganisationId) -> AdminPerson:
        store = suspension_deps(service).suspensions
        made = Suspension(suspended_by, UnitId(suspended_by), NOW, "the phone was stolen")
        store.suspend(person.account, made)
        found = officials.read(officer, person.account, now=Instant(NOW_MS), deps=deps)
        store.resume(person.account, made)
        return found

    own = seen(of)
    assert own.suspended is not None
    assert own.devices == 1
    assert seen(PLATFORM).suspended is None
    revoke(service, officer, person)
    for by in (of, PLATFORM):
        former = seen(by)
        assert (former.state, former.devices, former.suspended) == ("revoked", None, None)


def test_a_look_up_by_number_is_recorded_and_tells_who_vouches(
    service: Service, of: OrganisationId, admins: Administration, officer: Caller
) -> None:
    here, elsewhere, citizen = service.person(), service.person(), service.person()
    verify(service, officer, here)
    service.verify(elsewhere, service.organisation("Other"))
    deps = people_deps(service)

    def find(caller: Caller, phone: str) -> Any:
        return officials.find(caller, FindPerson(phone=phone), now=Instant(NOW_MS), deps=deps)

    states = [find(officer, person.phone).state for person in (here, elsewhere, citizen)]
    assert states == ["here", "elsewhere", "none"]
    assert refused(find, officer, new_phone()) is ErrorCode.NOT_FOUND
    assert admins.actions(of) == ["person.verify", *["person.find"] * 4]
    assert admins.entries(of)[-1].subject is None
    assert all(citizen.phone.encode() not in (entry.body or b"") for entry in admins.entries(of))
    auditor = admins.appoint(Role.AUDITOR, Place.root(of))
    assert refused(find, auditor, citizen.phone) is ErrorCode.NOT_FOUND


def test_numbers_are_not_counted_through(service: Service, officer: Caller) -> None:
    citizen, deps = service.person(), people_deps(service)
    for _ in range(Limit.ADMIN_LOOKUPS.burst):
        officials.find(officer, FindPerson(phone=citizen.phone), now=Instant(NOW_MS), deps=deps)
    body = FindPerson(phone=citizen.phone)
    assert refused(officials.find, officer, body, now=Instant(NOW_MS), deps=deps) is ErrorCode.RATE_LIMITED


# Bodies


@pytest.mark.parametrize(
    "bad",
    [
        {"phone": "+919876543210"},
        {"account": None},
        {"name": "Asha ✔"},
        {"name": ""},
        {"post": "x" * 129},
        {"email": "no address"},
        {"listed": "yes"},
        {"expires_at": "2027-01-01T00:00:00"},
        {"expires_at": "for ever"},
        {"version": 7},
        {"standing": {"listed": True}},
        {"hidden": {}},
        {"unit": "nowhere"},
    ],
    ids=str,
)
def test_a_body_that_says_more_or_less_or_worse_than_it_may_is_refused(bad: dict[str, Any]) -> None:
    good = {"account": "aaaaaaaaaaaaa", "name": "Asha Rao", "post": "Engineer", "expires_at": "2027-01-01T00:00:00Z"}
    assert VerifyPerson.model_validate(good).listed is False
    with pytest.raises(ValidationError):
        VerifyPerson.model_validate({name: value for name, value in (good | bad).items() if value is not None})


def test_nothing_is_changed_or_hidden_by_a_body_that_says_nothing_or_something_unknown() -> None:
    for model, bad in (
        (ChangePerson, {}),
        (ChangePerson, {"unit": "aaaaaaaaaaaaa"}),
        (ChangePerson, {"organisation": "aaaaaaaaaaaaa"}),
        (HidePerson, {"fields": {}}),
        (HidePerson, {"fields": {"photo_type": "nobody"}}),
        (HidePerson, {"fields": {"post": "friends"}}),
    ):
        with pytest.raises(ValidationError):
            model.model_validate(bad)
