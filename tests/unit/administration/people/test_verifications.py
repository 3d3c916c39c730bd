"""Tests verifications of officials: all effects of a verification begin and end together and immediately."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from sandes.crypto.attestation import ATTESTING, commitment
from sandes.crypto.introductions import check_introductions
from sandes.crypto.statements import signed_by
from sandes.model.ids import OrganisationId, UnitId, account_text, id_text, new_account_id, new_unit_id
from sandes.model.introduction import Introduction
from sandes.model.standing import Standing
from sandes.model.verification import ATTESTED, MAX_SECONDS, Verification
from sandes.people.attestations import attestation_keys, disclosed
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.keys import DeviceKeys
from tests.support.service import NOW, Person, Service, new_phone

YEAR = 365 * 86_400


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def standings(service: Service, person: Person, *, at: int = NOW) -> tuple[Standing | None, Standing | None]:
    """Return the standing in the directory and in the routing table."""
    return service.account(person.account).standing_at(at), service.routes(person, now_ms=at * 1000).standing


def words(service: Service, organisation: OrganisationId) -> list[str]:
    """Return the search index of an organisation."""
    answer = service.client.query(
        TableName=service.tables["directory"],
        KeyConditionExpression="p = :p",
        ExpressionAttributeValues={":p": {"S": f"S#{id_text(organisation)}"}},
    )
    return [item["s"]["S"] for item in answer["Items"]]


def officials(service: Service, organisation: OrganisationId, unit: UnitId | None = None) -> int:
    found = service.organisations.unit(organisation, unit or UnitId(organisation))
    assert found is not None
    return found[1].officials


def shown(service: Service, person: Person, *, at: int = NOW) -> dict[str, Any]:
    return service.operate_at(at * 1000, "person.show", account=account_text(person.account))


def test_a_verified_person_stands_for_the_organisation_until_the_day_given(service: Service) -> None:
    of, person = service.organisation(), service.person()
    unit = service.unit(of)
    service.verify(person, of, unit=unit, listed=True)
    standing = Standing(of, unit, NOW + YEAR, listed=True)
    assert standings(service, person) == (standing, standing)
    assert standings(service, person, at=NOW + YEAR - 1) == (standing, standing)
    assert standings(service, person, at=NOW + YEAR) == (None, None)
    assert officials(service, of, unit) == 1


def test_what_was_verified_is_shown(service: Service) -> None:
    of, person = service.organisation(), service.person()
    made = service.operate(
        "person.verify",
        phone=person.phone,
        organisation=id_text(of),
        name="Asha Rao",
        post="Station Master",
        email="asha@rail.example",
        expires_at=NOW + YEAR,
    )
    assert made == {
        "account": account_text(person.account),
        "state": "verified",
        "organisation": id_text(of),
        "unit": id_text(of),
        "name": "Asha Rao",
        "post": "Station Master",
        "email": "asha@rail.example",
        "listed": False,
        "issued_at": NOW,
        "expires_at": NOW + YEAR,
        "ended_at": None,
        "reason": None,
    }
    assert shown(service, person) == made
    assert service.operate("person.show", phone=person.phone) == made
    assert shown(service, person, at=NOW + YEAR)["state"] == "expired"


def test_nobody_is_verified_who_has_not_been(service: Service) -> None:
    person = service.person()
    assert shown(service, person) == {"account": account_text(person.account), "state": "none"}


def test_who_and_where_must_be_there(service: Service) -> None:
    of, person = service.organisation(), service.person()
    terms: dict[str, Any] = {"organisation": id_text(of), "name": "A", "post": "B", "expires_at": NOW + YEAR}
    account = account_text(person.account)
    assert refused(service.operate, "person.verify", phone=new_phone(), **terms) is ErrorCode.NOT_FOUND
    unknown = account_text(new_account_id())
    assert refused(service.operate, "person.verify", account=unknown, **terms) is ErrorCode.NOT_FOUND
    elsewhere = terms | {"organisation": id_text(new_unit_id())}
    assert refused(service.operate, "person.verify", account=account, **elsewhere) is ErrorCode.NOT_FOUND
    in_no_unit = terms | {"unit": id_text(new_unit_id())}
    assert refused(service.operate, "person.verify", account=account, **in_no_unit) is ErrorCode.NOT_FOUND
    assert refused(service.operate, "person.verify", phone="12", **terms) is ErrorCode.INVALID_PHONE
    assert refused(service.operate, "person.verify", **terms) is ErrorCode.INVALID_REQUEST
    both = terms | {"account": account, "phone": person.phone}
    assert refused(service.operate, "person.verify", **both) is ErrorCode.INVALID_REQUEST
    assert standings(service, person) == (None, None)


@pytest.mark.parametrize("expires_in", [-1, 0, MAX_SECONDS + 1])
def test_a_verification_ends_later_than_now_and_within_five_years(service: Service, expires_in: int) -> None:
    person = service.person()
    assert refused(service.verify, person, expires_in_seconds=expires_in) is ErrorCode.INVALID_REQUEST
    service.verify(person, expires_in_seconds=MAX_SECONDS)


def test_a_person_is_found_by_the_words_of_name_and_post_in_one_spelling(service: Service) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of, name="ASHA  d'Souza-राव", post="Dy. Secretary (ﬁnance)")
    account = account_text(person.account)
    expected = [f"{word}#n#{account}" for word in ("asha", "d", "souza", "राव")]
    expected += [f"{word}#p#{account}" for word in ("dy", "secretary", "finance")]
    assert sorted(words(service, of)) == sorted(expected)


def test_at_most_sixteen_words_are_kept(service: Service) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of, name=" ".join("abcdefghijkl"), post=" ".join("mnopqrstuvwx"))
    assert len(words(service, of)) == 16


def test_renewing_changes_what_is_attested_and_counts_nobody_twice(service: Service) -> None:
    of, person = service.organisation(), service.person()
    one, other = service.unit(of), service.unit(of)
    service.verify(person, of, unit=one, name="Asha Rao", post="Clerk")
    made = service.verify(person, of, unit=one, name="Asha Rao", post="Clerk", expires_in_seconds=2 * YEAR)
    assert (officials(service, of, one), made.version) == (1, 2)
    service.verify(person, of, unit=other, name="Asha Bose", post="Clerk", expires_in_seconds=2 * YEAR)
    assert (officials(service, of, one), officials(service, of, other)) == (0, 1)
    account = account_text(person.account)
    assert sorted(words(service, of)) == sorted(f"{word}#{account}" for word in ("asha#n", "bose#n", "clerk#p"))
    standing = Standing(of, other, NOW + 2 * YEAR, listed=False)
    assert standings(service, person) == (standing, standing)


def test_another_organisation_cannot_take_an_official_over(service: Service) -> None:
    of, other, person = service.organisation(), service.organisation(), service.person()
    service.verify(person, of)
    assert refused(service.verify, person, other) is ErrorCode.VERIFIED_ELSEWHERE
    assert officials(service, other) == 0
    service.revoke(person)
    assert refused(service.verify, person, other) is ErrorCode.UNAVAILABLE
    assert (standings(service, person), officials(service, other)) == ((None, None), 0)
    service.memberships_have_ended(person)
    service.verify(person, other)
    assert standings(service, person)[0] == Standing(other, UnitId(other), NOW + YEAR, listed=False)


def test_another_organisation_may_verify_whom_the_first_has_let_lapse(service: Service) -> None:
    of, other, person = service.organisation(), service.organisation(), service.person()
    service.verify(person, of, expires_in_seconds=60)
    service.memberships_have_ended(person)
    service.verify(person, other, now_ms=(NOW + 60) * 1000)
    assert (officials(service, of), officials(service, other)) == (0, 1)
    assert words(service, of) == []
    assert len(words(service, other)) == 4


def test_a_revoked_official_is_public_at_once(service: Service) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of)
    service.revoke(person, "transferred to the state")
    assert standings(service, person) == (None, None)
    assert officials(service, of) == 0
    assert words(service, of) == []
    ended = shown(service, person)
    assert (ended["state"], ended["reason"], ended["ended_at"]) == ("revoked", "transferred to the state", NOW)


def test_revoking_twice_does_nothing_more(service: Service) -> None:
    of, person = service.organisation(), service.person()
    service.verify(person, of)
    service.revoke(person, "first")
    service.revoke(person, "second")
    assert shown(service, person)["reason"] == "first"
    assert officials(service, of) == 0


def test_what_is_not_in_force_cannot_be_revoked(service: Service) -> None:
    person, lapsed = service.person(), service.person()
    service.verify(lapsed, expires_in_seconds=60)
    assert refused(service.revoke, person) is ErrorCode.NOT_FOUND
    assert refused(service.revoke, lapsed, now_ms=(NOW + 60) * 1000) is ErrorCode.NOT_FOUND


def test_a_device_linked_later_is_an_officials_too(service: Service) -> None:
    person = service.person()
    made = service.verify(person)
    service.link(person, DeviceKeys())
    assert standings(service, person) == (made.standing, made.standing)


def test_an_official_who_changes_number_or_loses_a_device_stays_one(service: Service) -> None:
    person, new = service.person(2), new_phone()
    made = service.verify(person)
    service.change_phone(person, new)
    service.unlink(person, person.devices[1].number)
    assert standings(service, person) == (made.standing, made.standing)
    assert service.operate("person.show", phone=new)["state"] == "verified"
    assert refused(service.operate, "person.revoke", phone=person.phone, reason="left") is ErrorCode.NOT_FOUND
    assert service.operate("person.revoke", phone=new, reason="left")["state"] == "revoked"
    assert standings(service, person) == (None, None)


def test_the_stored_verification_comes_back_as_it_was_made(service: Service) -> None:
    made = service.verify(service.person(), email="a@b.example", listed=True)
    assert isinstance(made, Verification)
    assert set(made.attestation.salts) == {"name", "post", "unit"}
    assert {len(salt) for salt in made.attestation.salts.values()} == {16}
    assert len(set(made.attestation.salts.values())) == 3
    assert made.attestation.values == {"name": "Asha Rao", "post": "Section Officer", "unit": "Ministry of Railways"}
    assert (made.email, made.listed, made.ended, made.reason, made.version) == ("a@b.example", True, None, None, 1)


def test_a_viewer_checks_what_is_disclosed_with_the_published_key(service: Service) -> None:
    made = service.verify(service.person())
    told = attestation_keys(service.verifications)
    introduced = [Introduction(one.statement, one.signature) for one in told.introductions]
    public = check_introductions(introduced, ATTESTING)[told.oldest]
    shown = disclosed(made, {"post"})
    assert signed_by(public, b"SANDES1/attestation\0" + shown.statement, shown.signature)
    ((field, salt, value),) = [(one.field, one.salt, one.value) for one in shown.disclosures]
    assert (field, value) == ("post", "Section Officer")
    commitments = cbor2.loads(shown.statement)[7]
    assert commitments == {
        number: commitment(made.attestation.values[name], made.attestation.salts[name])
        for number, name in enumerate(ATTESTED, start=1)
    }
    assert commitments[2] == commitment(value, salt)
    for hidden in ("Asha Rao", "Section Officer"):
        assert hidden.encode() not in shown.statement


def test_there_is_no_key_before_anything_was_attested(service: Service) -> None:
    service.client.delete_item(
        TableName=service.tables["directory"], Key={"p": {"S": "K#attestation"}, "s": {"S": "0"}}
    )
    assert refused(attestation_keys, service.verifications) is ErrorCode.NOT_FOUND
    service.verify(service.person())
    assert service.verifications.attestation_keys() == service.verification_deps().keys.told
