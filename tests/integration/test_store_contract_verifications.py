"""Tests what use cases rely on in verifications: complete transactions, and the index of due endings."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from sandes.model.ids import OrganisationId, UnitId, account_text, id_text, new_unit_id
from sandes.model.instant import Instant
from sandes.model.verification import Ending, Official, Verification
from sandes.people import devices
from sandes.protocol.client_api import VerifyRegistration
from sandes.protocol.errors import ProtocolError
from sandes.store.enrolment import EnrolmentStore
from sandes.store.verification_endings import SHARDS
from sandes.store.verifications import VerificationRaced
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.service import Person, Service

HOUR = 3_600


def now_of(service: Service) -> int:
    return service.now_ms // 1000


def state(service: Service, person: Person) -> tuple[Any, ...]:
    """Return all parts of a verification: its row, both standings, words, the planned ending."""
    account = service.account(person.account)
    verification = service.verifications.read(person.account)
    organisation = verification.organisation if verification else None
    return (
        verification,
        account.standing,
        service.routes(person).standing,
        words(service, organisation) if organisation else [],
        due(service, person, at=now_of(service) + 6 * 366 * 86_400),
    )


def words(service: Service, organisation: OrganisationId) -> list[str]:
    answer = service.client.query(
        TableName=service.tables["directory"],
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": f"S#{id_text(organisation)}"}},
    )
    return [item["s"]["S"] for item in answer["Items"]]


def due(service: Service, person: Person, *, at: int) -> list[Ending]:
    pages = service.verifications.due(now_seconds=at)
    return [ending for page in pages for ending in page if ending.account == person.account]


def officials(service: Service, organisation: OrganisationId, unit: UnitId | None = None) -> int:
    found = service.organisations.unit(organisation, unit or UnitId(organisation))
    assert found is not None
    return found[1].officials


def register_again(service: Service, person: Person) -> Person:
    keys = DeviceKeys()
    made = service.register(person.phone, keys)
    assert made.account == person.account
    return Person(made.account, person.phone, list(service.account(made.account).devices.values()), [keys])


def listed(
    service: Service, organisation: OrganisationId, unit: UnitId | None = None, limit: int = 250
) -> list[Official]:
    """Read all pages of the list of an organisation's officials, or of one unit's."""
    found, after = [], None
    while True:
        page, after = service.verifications.officials(organisation, unit=unit, after=after, limit=limit)
        found += page
        if after is None:
            return found


def test_an_official_is_in_the_list_of_their_unit_from_verification_to_its_end(store_backend: Service) -> None:
    service = store_backend
    of, person = service.organisation(), service.person()
    first, second = service.unit(of, "First"), service.unit(of, "Second")
    made = service.verify(person, of, unit=first, listed=True)
    expected = Official(person.account, first, made.name, made.post, listed=True, expires_at=made.expires_at)
    assert listed(service, of, first) == [expected]
    assert listed(service, of, second) == []
    moved = service.verify(person, of, unit=second, name="Asha Devi")
    assert listed(service, of, first) == []
    assert listed(service, of) == [replace(expected, unit=second, name="Asha Devi", listed=False)]
    service.verifications.end(moved, "expired", now_seconds=now_of(service))
    assert listed(service, of) == []
    assert service.verify(person, of).version == 4
    assert [one.unit for one in listed(service, of)] == [UnitId(of)]
    register_again(service, person)
    assert listed(service, of) == []


def test_pages_of_officials_hold_everybody_once_in_the_order_of_units(store_backend: Service) -> None:
    service = store_backend
    of = service.organisation()
    units = sorted((service.unit(of, name) for name in "ABC"), key=id_text)
    people = [service.person() for _ in range(5)]
    for number, person in enumerate(people):
        service.verify(person, of, unit=units[number % 3])
    whole = listed(service, of)
    assert sorted(one.account for one in whole) == sorted(person.account for person in people)
    assert [one.unit for one in whole] == sorted((one.unit for one in whole), key=id_text)
    assert listed(service, of, limit=2) == whole
    assert listed(service, of, units[1], limit=1) == [one for one in whole if one.unit == units[1]]


def test_what_is_hidden_of_a_person_outlives_the_verification(store_backend: Service) -> None:
    service = store_backend
    of, person = service.organisation(), service.person()
    made = service.verify(person, of)
    hidden = {"post": "organisation", "number": "nobody"}
    service.verifications.hide(made, hidden)  # type: ignore[arg-type]
    assert service.verifications.read(person.account) == replace(made, hidden=hidden, version=2)  # type: ignore[arg-type]
    with pytest.raises(VerificationRaced):
        service.verifications.hide(made, {})
    assert service.verify(person, of, post="Station Master").hidden == hidden
    service.revoke(person, now_ms=service.now_ms)
    again = service.verify(person, of)
    assert again.hidden == hidden
    service.verifications.hide(again, {})
    service.revoke(person, now_ms=service.now_ms)
    assert service.verify(person, of).hidden == {}, "what was shown again stays shown"


def test_each_organisation_finds_its_own_fields_hidden_when_it_verifies_somebody_again(store_backend: Service) -> None:
    service = store_backend
    first, second, person = service.organisation(), service.organisation(), service.person()
    service.verifications.hide(service.verify(person, first), {"number": "nobody"})
    service.revoke(person, now_ms=service.now_ms)
    service.memberships_have_ended(person)
    moved = service.verify(person, second)
    assert (moved.hidden, moved.hidden_by_others) == ({}, {first: {"number": "nobody"}})
    service.verifications.hide(moved, {"photo": "officials"})
    service.revoke(person, now_ms=service.now_ms)
    service.memberships_have_ended(person)
    back = service.verify(person, first)
    assert (back.hidden, back.hidden_by_others) == ({"number": "nobody"}, {second: {"photo": "officials"}})
    assert service.verifications.read(person.account) == back


def test_a_verification_comes_back_as_it_was_stored(store_backend: Service) -> None:
    person = store_backend.person()
    made = store_backend.verify(person, email="asha@rail.example", listed=True)
    ended = replace(made, ended="revoked", ended_at=now_of(store_backend), reason="left", words=(), version=2)
    store_backend.verifications.end(made, "revoked", reason="left", now_seconds=now_of(store_backend))
    assert store_backend.verifications.read(person.account) == ended


def test_a_verification_is_due_from_the_second_it_ends(store_backend: Service) -> None:
    person, now = store_backend.person(), now_of(store_backend)
    made = store_backend.verify(person, expires_in_seconds=HOUR)
    assert due(store_backend, person, at=now + HOUR - 1) == []
    expected = [Ending(person.account, made.organisation, now + HOUR, 1)]
    assert due(store_backend, person, at=now + HOUR) == expected
    assert due(store_backend, person, at=now + 3_650 * 86_400) == expected
    store_backend.revoke(person)
    assert due(store_backend, person, at=now) == [Ending(person.account, made.organisation, now, 2)]


def test_renewing_puts_off_what_is_due(store_backend: Service) -> None:
    of, person, now = store_backend.organisation(), store_backend.person(), now_of(store_backend)
    store_backend.verify(person, of, expires_in_seconds=HOUR)
    store_backend.verify(person, of, expires_in_seconds=2 * HOUR)
    assert due(store_backend, person, at=now + HOUR) == []
    assert due(store_backend, person, at=now + 2 * HOUR) == [Ending(person.account, of, now + 2 * HOUR, 2)]


def test_no_organisation_vouches_before_what_is_due_of_another_is_done(store_backend: Service) -> None:
    of, other, person = store_backend.organisation(), store_backend.organisation(), store_backend.person()
    made, now = store_backend.verify(person, of), now_of(store_backend)
    store_backend.revoke(person)
    ended, store = store_backend.verifications.read(person.account), store_backend.verifications
    elsewhere = replace(made, organisation=other, unit=UnitId(other), version=3, words=())
    index = store_backend.account(person.account).phone_index
    with pytest.raises(VerificationRaced):
        store.put(elsewhere, previous=ended, phone_indexes=[index])
    assert due(store_backend, person, at=now) == [Ending(person.account, of, now, 2)]
    assert store.is_ending(person.account, of)
    assert store.done(person.account, of, 2)
    assert not store.is_ending(person.account, of)
    store.put(elsewhere, previous=ended, phone_indexes=[index])
    assert store.read(person.account) == elsewhere


def test_what_is_due_is_put_off_unless_it_has_changed(store_backend: Service) -> None:
    of, person, now = store_backend.organisation(), store_backend.person(), now_of(store_backend)
    store_backend.verify(person, of)
    store_backend.revoke(person)
    (ending,) = due(store_backend, person, at=now)
    assert store_backend.verifications.postpone(ending, until=now + 300)
    assert not store_backend.verifications.postpone(ending, until=now + 600)
    assert due(store_backend, person, at=now + 299) == []
    (again,) = due(store_backend, person, at=now + 300)
    assert again == replace(ending, at=now + 300)
    store_backend.verify(person, of, expires_in_seconds=300)  # due at the same second, and another
    assert not store_backend.verifications.postpone(again, until=now + 600)


@pytest.mark.parametrize("first", [0, 5, 15])
def test_what_is_due_is_read_from_any_shard_on(store_backend: Service, first: int) -> None:
    of, now = store_backend.organisation(), now_of(store_backend)
    people = [store_backend.person() for _ in range(6)]
    for person in people:
        store_backend.verify(person, of)
        store_backend.revoke(person)
    mine = {person.account for person in people}
    pages = store_backend.verifications.due(now_seconds=now, first_shard=first)
    found = [ending.account for page in pages for ending in page if ending.account in mine]
    assert set(found) == mine
    places = [(account[-1] % SHARDS - first) % SHARDS for account in found]
    assert places == sorted(places)


def test_only_what_is_due_as_it_was_read_is_done(store_backend: Service) -> None:
    of, person, now = store_backend.organisation(), store_backend.person(), now_of(store_backend)
    store_backend.verify(person, of)
    store_backend.revoke(person)
    (ending,) = due(store_backend, person, at=now)
    store_backend.verify(person, of)
    done = partial(store_backend.verifications.done, person.account, of)
    assert not done(ending.version)
    store_backend.revoke(person)
    assert not done(ending.version)
    (ending,) = due(store_backend, person, at=now)
    assert done(ending.version)
    assert not done(ending.version)
    assert due(store_backend, person, at=now) == []


@pytest.mark.parametrize("change", ["renewed", "revoked", "replaced"])
def test_a_verification_that_has_changed_since_it_was_read_is_left_as_it_is(
    store_backend: Service, change: str
) -> None:
    of, person = store_backend.organisation(), store_backend.person()
    read = store_backend.verify(person, of)
    changes: dict[str, Callable[[], Any]] = {
        "renewed": lambda: store_backend.verify(person, of, post="Director"),
        "revoked": lambda: store_backend.revoke(person),
        "replaced": lambda: register_again(store_backend, person),
    }
    changes[change]()
    before = state(store_backend, person)
    with pytest.raises(VerificationRaced):
        store_backend.verifications.end(read, "revoked", now_seconds=now_of(store_backend))
    new = replace(read, name="Somebody Else", version=read.version + 1)
    phone_index = store_backend.account(person.account).phone_index
    with pytest.raises(VerificationRaced):
        store_backend.verifications.put(new, previous=read, phone_indexes=[phone_index])
    assert state(store_backend, person) == before


@pytest.mark.parametrize("spoiled", ["phone", "unit", "account"])
def test_a_verification_with_one_failing_condition_leaves_nothing_behind(store_backend: Service, spoiled: str) -> None:
    of, person, other = store_backend.organisation(), store_backend.person(), store_backend.person()
    made = store_backend.verify(other, of)
    phone_index = store_backend.account(person.account).phone_index
    new = replace(made, account=person.account, words=(f"asha#n#{account_text(person.account)}",), version=1)
    previous: Verification | None = None
    if spoiled == "phone":
        phone_index = "A" * 22
    elif spoiled == "unit":
        new = replace(new, unit=new_unit_id())
    else:
        previous = replace(new, version=7)
    before = state(store_backend, person)
    with pytest.raises(VerificationRaced):
        store_backend.verifications.put(new, previous=previous, phone_indexes=[phone_index])
    assert state(store_backend, person) == before == (None, None, None, [], [])
    assert officials(store_backend, of) == 1


def test_many_verifications_at_once_are_all_counted(store_backend: Service) -> None:
    of = store_backend.organisation()
    people = [store_backend.person() for _ in range(6)]

    def verify(person: Person) -> None:
        for _ in range(20):  # all people share the unit's row
            with suppress(ProtocolError):
                store_backend.verify(person, of)
                return

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(verify, people))
    assert officials(store_backend, of) == 6
    for person in people:
        store_backend.revoke(person)
    assert officials(store_backend, of) == 0
    assert words(store_backend, of) == []


# Registering anew


def test_registering_the_number_anew_ends_the_verification_in_the_same_moment(store_backend: Service) -> None:
    of, person, now = store_backend.organisation(), store_backend.person(2), now_of(store_backend)
    made = store_backend.verify(person, of)
    anew = register_again(store_backend, person)
    verification, *standings, found_by, to_do = state(store_backend, anew)
    assert standings == [None, None]
    assert (verification.ended, verification.ended_at, verification.version) == ("replaced", now, made.version + 1)
    assert found_by == []
    assert to_do == [Ending(person.account, of, now, 2)]
    assert officials(store_backend, of) == 0


def test_after_registering_anew_an_organisation_may_vouch_for_the_person_again(store_backend: Service) -> None:
    of, other, person = store_backend.organisation(), store_backend.organisation(), store_backend.person()
    store_backend.verify(person, of)
    anew = register_again(store_backend, person)
    store_backend.memberships_have_ended(anew)
    made = store_backend.verify(anew, other)
    assert state(store_backend, anew)[:3] == (made, made.standing, made.standing)
    assert (officials(store_backend, of), officials(store_backend, other)) == (0, 1)


def test_a_number_without_a_verification_is_registered_anew_as_ever(store_backend: Service) -> None:
    person = store_backend.person()
    anew = register_again(store_backend, person)
    assert state(store_backend, anew) == (None, None, None, [], [])


@pytest.mark.parametrize(
    ("meanwhile", "before"),
    [
        ("verified", "transact_write_items"),
        *((change, call) for change in ("renewed", "revoked") for call in ("get_item", "transact_write_items")),
    ],
)
def test_whatever_an_organisation_does_meanwhile_nobody_keeps_a_verification_of_another_device(
    store_backend: Service, meanwhile: str, before: str
) -> None:
    """The change comes before the verification is read, or between the read and the write."""
    of, person = store_backend.organisation(), store_backend.person()
    if meanwhile != "verified":
        store_backend.verify(person, of)
    changes: dict[str, Callable[[], Any]] = {
        "verified": lambda: store_backend.verify(person, of),
        "renewed": lambda: store_backend.verify(person, of, post="Director"),
        "revoked": lambda: store_backend.revoke(person),
    }
    client: Any = OvertakenClient(store_backend.client, before, changes[meanwhile])
    register_again_on(client, store_backend, person)
    assert client.overtaken
    verification, *standings, found_by, to_do = state(store_backend, person)
    assert standings == [None, None]
    assert verification.ended == ("revoked" if meanwhile == "revoked" else "replaced")
    assert found_by == []
    assert len(to_do) == 1
    assert officials(store_backend, of) == 0


def register_again_on(client: Any, service: Service, person: Person) -> None:
    late = EnrolmentStore(replace(service.directory, client=client), service.routing, service.codes)
    id, keys = service.start(person.phone), DeviceKeys()
    body = VerifyRegistration(code=service.sms.last_code, device=keys.new_device(id))
    deps = replace(service.device_deps, enrolment=late)
    devices.register(id, body, now=Instant(service.now_ms), deps=deps)


def test_who_is_revoked_and_verified_again_meanwhile_is_no_official_on_another_device(store_backend: Service) -> None:
    of, person = store_backend.organisation(), store_backend.person()
    store_backend.verify(person, of)
    verifying: Any = OvertakenClient(
        store_backend.client, "transact_write_items", lambda: store_backend.verify(person, of)
    )
    client: Any = OvertakenClient(verifying, "get_item", lambda: store_backend.revoke(person))
    register_again_on(client, store_backend, person)
    assert client.overtaken
    assert verifying.overtaken
    verification, *standings, found_by, _ = state(store_backend, person)
    assert standings == [None, None]
    assert (verification.ended, found_by) == ("replaced", [])
    assert officials(store_backend, of) == 0


# The key that attestations are checked with


def test_the_published_key_is_the_one_that_signs(store_backend: Service) -> None:
    store_backend.verify(store_backend.person())
    told = store_backend.verification_deps().keys.told
    assert store_backend.verifications.attestation_keys() == told
    ended = replace(told, oldest=2)
    assert not store_backend.verifications.publish_attestation_keys(ended, previous=None)
    assert not store_backend.verifications.publish_attestation_keys(ended, previous=ended)
    assert store_backend.verifications.publish_attestation_keys(ended, previous=told)
    assert store_backend.verifications.attestation_keys() == ended
    assert store_backend.verifications.publish_attestation_keys(told, previous=ended)
