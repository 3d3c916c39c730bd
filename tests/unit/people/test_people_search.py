"""Tests the search by name and post within the caller's organisation."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sandes.limits import Limit
from sandes.model.ids import AccountId, OrganisationId
from sandes.model.instant import Instant
from sandes.people import accounts, people_search, profiles
from sandes.protocol.client_api import ChangeProfile, Search, SearchResults
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault
from sandes.store.people import PEOPLE_AT_ONCE
from tests.support.service import NOW_MS, Person, Service


@pytest.fixture
def ministry(service: Service) -> OrganisationId:
    return service.organisation()


@pytest.fixture
def ravi(service: Service, ministry: OrganisationId) -> Person:
    return official(service, ministry, name="Ravi Kumar", post="Clerk")


def official(service: Service, organisation: OrganisationId, **changed: Any) -> Person:
    person = service.person()
    service.verify(person, organisation, **changed)
    return person


def search(service: Service, viewer: Person, query: str, *, now_ms: int = NOW_MS, limit: int = 25) -> SearchResults:
    asked = Search(query=query, limit=limit)
    return people_search.search(service.caller(viewer), asked, now=Instant(now_ms), deps=service.device_deps)


def found(service: Service, viewer: Person, query: str, **how: Any) -> set[AccountId]:
    return {person.account for person in search(service, viewer, query, **how).people}


def choose(service: Service, person: Person, **choices: Any) -> None:
    body = ChangeProfile.model_validate({"choices": choices})
    profiles.change_profile(service.caller(person), body, now=Instant(NOW_MS), deps=service.device_deps)


def test_people_are_found_by_the_beginnings_of_all_words_in_any_order_and_case(
    service: Service, ministry: OrganisationId, ravi: Person
) -> None:
    asha = official(service, ministry, name="Asha Rao", post="Chief Signal Engineer")
    other = official(service, ministry, name="Asha Mehta", post="Signal Inspector")
    assert found(service, ravi, "asha") == found(service, ravi, "ASHA sig") == {asha.account, other.account}
    assert found(service, ravi, "eng ash") == found(service, ravi, "Rao, Asha") == {asha.account}
    assert found(service, ravi, "sha") == set()
    assert found(service, ravi, "asha clerk") == set()


def test_what_is_found_is_a_profile_as_the_viewer_sees_it_without_the_photo(
    service: Service, ministry: OrganisationId, ravi: Person
) -> None:
    asha = official(service, ministry, name="Asha Rao", post="Engineer", email="asha@rail.example")
    photo = ChangeProfile(photo=b"\xff\xd8\xff" + bytes(9), choices={"email": "nobody"})
    profiles.change_profile(service.caller(asha), photo, now=Instant(NOW_MS), deps=service.device_deps)
    (profile,) = search(service, ravi, "asha").people
    seen = profiles.profile(service.caller(ravi), asha.account, now=Instant(NOW_MS), deps=service.device_deps)
    assert profile == seen.model_copy(update={"photo": None, "photo_type": None})
    assert (profile.number, profile.email) == (asha.phone, None)


def test_other_organisations_are_not_searched_even_for_listed_posts(service: Service, ravi: Person) -> None:
    official(service, service.organisation(), name="Asha Rao", listed=True)
    assert search(service, ravi, "asha") == SearchResults(people=[], more=False)


def test_a_word_of_a_hidden_field_finds_nobody(service: Service, ministry: OrganisationId, ravi: Person) -> None:
    asha = official(service, ministry, name="Asha Rao", post="Vigilance Officer")
    choose(service, asha, post="nobody")
    assert found(service, ravi, "vigilance") == found(service, ravi, "asha vigilance") == set()
    assert found(service, ravi, "asha") == {asha.account}
    assert found(service, asha, "vigilance") == {asha.account}
    choose(service, asha, name="nobody")
    assert found(service, ravi, "asha") == set()


def test_a_word_of_what_the_organisation_hides_of_a_person_finds_nobody(
    service: Service, ministry: OrganisationId, ravi: Person
) -> None:
    asha, other = (
        official(service, ministry, name=name, post="Vigilance Officer") for name in ("Asha Rao", "Asha Iyer")
    )
    made = service.verifications.read(asha.account)
    assert made is not None
    service.verifications.hide(made, {"post": "nobody"})
    assert found(service, ravi, "vigilance") == {other.account}
    assert found(service, ravi, "asha") == {asha.account, other.account}


def test_somebody_who_blocks_the_caller_is_not_found(service: Service, ministry: OrganisationId, ravi: Person) -> None:
    asha = official(service, ministry, name="Asha Rao")
    accounts.block(service.caller(asha), ravi.account, now=Instant(NOW_MS), deps=service.device_deps)
    assert found(service, ravi, "asha") == set()


def test_who_is_no_official_any_more_or_has_another_name_is_not_found_by_the_old_word(
    service: Service, ministry: OrganisationId, ravi: Person
) -> None:
    leaving, expiring, marrying = (official(service, ministry, name="Asha Rao", post="Clerk") for _ in range(3))
    service.verify(expiring, ministry, name="Asha Rao", post="Clerk", expires_in_seconds=60)
    service.verify(marrying, ministry, name="Asha Nair", post="Clerk")
    service.revoke(leaving)
    assert found(service, ravi, "rao") == {expiring.account}
    assert found(service, ravi, "asha nair") == {marrying.account}
    assert found(service, ravi, "rao", now_ms=NOW_MS + 60_000) == set()


def test_more_than_asked_for_is_cut_off_and_said(service: Service, ministry: OrganisationId, ravi: Person) -> None:
    everybody = {official(service, ministry, name=f"Asha {n:02}x").account for n in range(PEOPLE_AT_ONCE + 2)}
    whole = search(service, ravi, "asha")
    assert ({person.account for person in whole.people}, whole.more) == (everybody, False)
    assert (len(search(service, ravi, "asha", limit=3).people), search(service, ravi, "asha", limit=3).more) == (
        3,
        True,
    )
    exact = search(service, ravi, "asha", limit=len(everybody))
    assert (len(exact.people), exact.more) == (len(everybody), False)


def test_a_word_too_common_to_be_read_to_its_end_is_made_up_for_by_a_rarer_one(
    service: Service, ministry: OrganisationId, ravi: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_search, "MAX_ENTRIES_OF_A_WORD", 3)
    clerks = [official(service, ministry, name=f"Asha {name}", post="Clerk") for name in ("A", "B", "C", "D", "Zubin")]
    assert found(service, ravi, "clerk zubin") == {clerks[-1].account}
    assert search(service, ravi, "clerk zubin").more is False
    common = search(service, ravi, "asha clerk")
    assert common.more is True
    monkeypatch.setattr(people_search, "MAX_ENTRIES_OF_A_WORD", 100)
    monkeypatch.setattr(people_search, "MAX_CANDIDATES", 4)
    assert (len(search(service, ravi, "asha").people), search(service, ravi, "asha").more) == (4, True)


def test_citizens_search_nobody(service: Service, ministry: OrganisationId) -> None:
    official(service, ministry, name="Asha Rao", listed=True)
    citizen = service.person()
    with pytest.raises(ProtocolError) as caught:
        search(service, citizen, "asha")
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("query", ["", "a", "x" * 65, "as\nha"])
def test_a_query_that_does_not_fit_is_refused_at_the_door(query: str) -> None:
    with pytest.raises(ValidationError):
        Search(query=query)


def test_a_query_without_words_is_refused(service: Service, ravi: Person) -> None:
    with pytest.raises(ProtocolError) as caught:
        search(service, ravi, " .#!")
    assert caught.value.details["errors"] == [fault("/query", "no_words")]


def test_searches_are_limited(service: Service, ravi: Person) -> None:
    for _ in range(Limit.SEARCHES.burst):
        search(service, ravi, "zzz")
    with pytest.raises(ProtocolError) as caught:
        search(service, ravi, "zzz")
    assert caught.value.code is ErrorCode.RATE_LIMITED
