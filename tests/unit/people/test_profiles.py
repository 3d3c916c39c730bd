"""Tests profiles: what each viewer sees, and what people change themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nacl.signing import VerifyKey
from pydantic import ValidationError

from sandes.crypto.attestation import commitment
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.ids import OrganisationId, new_account_id
from sandes.model.instant import Instant
from sandes.model.profile import FIELDS, MAX_PHOTO_BYTES, OFFICIAL_POLICY, PUBLIC_POLICY, photo_type
from sandes.people import accounts, profiles
from sandes.protocol.client_api import ChangeProfile, GroupMember, GroupMembers, OwnProfile, Profile
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault
from sandes.store.people import PEOPLE_AT_ONCE
from sandes.store.schema import VerificationRow
from sandes.store.verification_rows import verification_key
from tests.support.keys import DeviceKeys
from tests.support.service import ATTESTATION_KEYS, NOW, NOW_MS, Person, Service, new_phone

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
WEBP = b"RIFF\x64\x00\x00\x00WEBPVP8 " + bytes(100)


def seen(service: Service, viewer: Person, person: Person, *, now_ms: int = NOW_MS) -> Profile:
    return profiles.profile(service.caller(viewer), person.account, now=Instant(now_ms), deps=service.device_deps)


def own(service: Service, person: Person) -> OwnProfile:
    return profiles.own_profile(service.caller(person), now=Instant(NOW_MS), deps=service.device_deps)


def change(service: Service, person: Person, **changes: Any) -> OwnProfile:
    body = ChangeProfile(**changes)
    return profiles.change_profile(service.caller(person), body, now=Instant(NOW_MS), deps=service.device_deps)


def refused(service: Service, person: Person, **changes: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        change(service, person, **changes)
    return caught.value


def hidden(service: Service, viewer: Person, person: Person) -> bool:
    with pytest.raises(ProtocolError) as caught:
        seen(service, viewer, person)
    return (caught.value.code, caught.value.details) == (ErrorCode.NOT_FOUND, {})


def fields(profile: Profile) -> set[str]:
    return {field for field in FIELDS if getattr(profile, field) is not None}


@pytest.fixture
def ministry(service: Service) -> OrganisationId:
    return service.organisation("Ministry of Railways")


@pytest.fixture
def asha(service: Service, ministry: OrganisationId) -> Person:
    """Make an official with everything that a profile can hold, who was seen a minute ago."""
    asha = service.person()
    service.verify(asha, ministry, name="Asha Rao", post="Chief Engineer", email="asha@rail.example")
    change(service, asha, photo=JPEG)
    socket = service.online(asha, connected_at_ms=NOW_MS - 120_000)
    service.routing.disconnect(asha.address(), socket, now_seconds=NOW - 60)
    return asha


@pytest.fixture
def ravi(service: Service) -> Person:
    """Make a citizen."""
    return service.person()


def official(service: Service, organisation: OrganisationId | None = None, **changed: Any) -> Person:
    person = service.person()
    service.verify(person, organisation, **changed)
    return person


# What is shown to whom


def test_a_colleague_sees_everything_that_the_policy_gives_them(
    service: Service, asha: Person, ministry: OrganisationId
) -> None:
    profile = seen(service, official(service, ministry), asha)
    assert profile.account == asha.account
    assert profile.account_class == "verified"
    assert (profile.name, profile.post, profile.email) == ("Asha Rao", "Chief Engineer", "asha@rail.example")
    assert (profile.number, profile.last_seen) == (asha.phone, NOW - 60)
    assert (profile.photo, profile.photo_type) == (JPEG, "image/jpeg")
    assert (profile.organisation, profile.organisation_name) == (ministry, "Ministry of Railways")


def test_an_official_of_another_organisation_sees_neither_number_nor_when_one_was_there(
    service: Service, asha: Person
) -> None:
    assert fields(seen(service, official(service), asha)) == {"name", "post", "photo", "email"}


def test_a_citizen_sees_an_official_only_once_invited_or_listed_and_less_of_them(
    service: Service, asha: Person, ravi: Person, ministry: OrganisationId
) -> None:
    assert hidden(service, ravi, asha)
    service.directory.invite(owner=asha.account, invited=ravi.account, now_seconds=NOW)
    assert fields(seen(service, ravi, asha)) == {"name", "post", "photo"}
    service.directory.uninvite(owner=asha.account, invited=ravi.account)
    assert hidden(service, ravi, asha)
    service.verify(asha, ministry, listed=True)
    assert seen(service, ravi, asha).name == "Asha Rao"


def test_whoever_is_blocked_sees_nothing_and_may_block_back(service: Service, asha: Person, ravi: Person) -> None:
    deps = service.device_deps
    accounts.block(service.caller(ravi), asha.account, now=Instant(NOW_MS), deps=deps)
    assert hidden(service, asha, ravi)
    accounts.unblock(service.caller(ravi), asha.account, now=Instant(NOW_MS), deps=deps)
    assert seen(service, asha, ravi).account == ravi.account


def test_there_is_no_profile_of_nobody(service: Service, ravi: Person) -> None:
    nobody = Person(new_account_id(), ravi.phone)
    assert hidden(service, ravi, nobody)


def test_what_an_organisation_sets_holds_and_a_person_can_only_make_it_stricter(
    service: Service, asha: Person, ministry: OrganisationId
) -> None:
    colleague, other = official(service, ministry), official(service)
    service.organisations.set_audiences(ministry, {"number": "officials", "email": "organisation"})
    assert "number" in fields(seen(service, other, asha))
    assert "email" not in fields(seen(service, other, asha))
    change(service, asha, choices={"number": "organisation", "email": "everyone"})
    assert "number" not in fields(seen(service, other, asha))
    assert "email" not in fields(seen(service, other, asha))
    assert {"number", "email"} <= fields(seen(service, colleague, asha))
    change(service, asha, choices={"number": "nobody"})
    assert fields(seen(service, colleague, asha)) == set(FIELDS) - {"number"}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_shown_to_nobody_is_shown_to_oneself_alone(service: Service, asha: Person, field: Any) -> None:
    assert fields(seen(service, asha, asha)) == set(FIELDS)
    colleague = official(service, service.account(asha.account).standing.organisation)  # type: ignore[union-attr]
    assert field in fields(seen(service, colleague, asha))
    change(service, asha, choices={field: "nobody"})
    assert field not in fields(seen(service, colleague, asha))
    assert fields(own(service, asha)) == set(FIELDS)


def test_of_a_citizen_name_and_photo_are_all_that_others_see(service: Service, asha: Person, ravi: Person) -> None:
    change(service, ravi, name="Ravi Kumar", email="ravi@example.org", photo=PNG)
    service.online(ravi)
    for viewer in (asha, service.person()):
        profile = seen(service, viewer, ravi)
        assert fields(profile) == {"name", "photo"}
        assert (profile.account_class, profile.organisation, profile.attestation) == ("public", None, None)
    change(service, ravi, choices={"name": "officials"})
    assert fields(seen(service, asha, ravi)) == {"name", "photo"}
    assert fields(seen(service, service.person(), ravi)) == {"photo"}
    change(service, ravi, choices={"number": "everyone", "last_seen": "everyone"})
    assert fields(seen(service, asha, ravi)) == {"name", "photo"}


def test_who_is_connected_is_seen_now(service: Service, asha: Person, ministry: OrganisationId) -> None:
    colleague = official(service, ministry)
    service.online(asha)
    assert seen(service, colleague, asha, now_ms=NOW_MS + 90_000).last_seen == NOW + 90


# The end of a verification


def test_when_a_verification_expires_the_organisations_word_is_gone_that_second(
    service: Service, asha: Person, ravi: Person, ministry: OrganisationId
) -> None:
    service.verify(asha, ministry, expires_in_seconds=60, email="asha@rail.example")
    colleague = official(service, ministry)
    change(service, ravi, name="R")
    assert seen(service, colleague, asha, now_ms=NOW_MS + 59_000).post == "Section Officer"
    profile = seen(service, colleague, asha, now_ms=NOW_MS + 60_000)
    assert profile.account_class == "public"
    assert fields(profile) == {"photo"}
    assert (profile.organisation, profile.organisation_name, profile.attestation) == (None, None, None)


def test_when_a_verification_is_revoked_a_name_of_ones_own_comes_back(service: Service, ravi: Person) -> None:
    viewer = service.person()
    change(service, ravi, name="Ravi")
    service.verify(ravi, listed=True, name="Shri Ravi Kumar")
    assert seen(service, viewer, ravi).name == "Shri Ravi Kumar"
    service.revoke(ravi)
    assert (seen(service, viewer, ravi).name, seen(service, viewer, ravi).post) == ("Ravi", None)


def test_whoever_registers_the_number_anew_is_no_official(service: Service, asha: Person, ravi: Person) -> None:
    service.register(asha.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
    profile = seen(service, ravi, asha)
    assert (profile.account_class, fields(profile), profile.attestation) == ("public", set(), None)


def test_what_a_person_said_of_themselves_does_not_pass_on_with_their_number(service: Service, ravi: Person) -> None:
    viewer = service.person()
    change(service, ravi, name="Ravi", email="r@example.org", photo=PNG, choices={"name": "officials"})
    service.register(ravi.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
    assert fields(seen(service, viewer, ravi)) == set()
    account = service.account(ravi.account)
    mine = profiles.own_profile(
        Caller(account, *account.devices.values()), now=Instant(NOW_MS), deps=service.device_deps
    )
    assert (fields(mine), mine.choices) == ({"number"}, {"name": "officials"})


@pytest.mark.parametrize("ends", ["new-phone", "revoked", "expired"])
def test_what_was_hidden_of_an_official_does_not_reappear_when_they_are_verified_again(
    service: Service, ministry: OrganisationId, ends: str
) -> None:
    """The organisation hides one field and the person another one. Then the verification ends and is made again."""
    viewer, official = service.person(), service.person()
    made = service.verify(official, ministry, name="Asha Rao", post="Clerk", listed=True, expires_in_seconds=86_400)
    change(service, official, photo=PNG, choices={"photo": "nobody"})
    service.verifications.hide(made, {"post": "organisation"})
    assert fields(seen(service, viewer, official)) == {"name"}
    if ends == "new-phone":
        service.register(official.phone, DeviceKeys(), now_ms=NOW_MS + 60_000)
        account = service.account(official.account)
        profiles.change_profile(
            Caller(account, *account.devices.values()),
            ChangeProfile(photo=PNG),
            now=Instant(NOW_MS),
            deps=service.device_deps,
        )
    elif ends == "revoked":
        service.revoke(official)
    else:
        service.now_ms += 86_400_000
    service.verify(official, ministry, name="Asha Rao", post="Clerk", listed=True)
    assert fields(seen(service, viewer, official, now_ms=service.now_ms)) == {"name"}


def test_lookups_are_limited_and_only_those_of_a_number_count(service: Service, ravi: Person) -> None:
    def lookup(phone: str) -> ErrorCode | None:
        try:
            accounts.lookup(service.caller(ravi), phone, now=Instant(NOW_MS), deps=service.device_deps)
        except ProtocolError as error:
            return error.code
        return None

    assert {lookup("12") for _ in range(Limit.LOOKUPS.burst)} == {ErrorCode.INVALID_PHONE}
    assert {lookup(new_phone()) for _ in range(Limit.LOOKUPS.burst)} == {ErrorCode.NOT_FOUND}
    assert lookup(service.person().phone) is ErrorCode.RATE_LIMITED


def test_a_standing_and_a_verification_that_do_not_belong_together_show_no_name(
    service: Service, asha: Person, ministry: OrganisationId
) -> None:
    """One read returns several rows of different moments, so a renewal may fall between two of them."""
    service.client.update_item(
        TableName=service.tables["directory"],
        Key=verification_key(asha.account),
        UpdateExpression=f"SET {VerificationRow.EXPIRES_AT} = :later",
        ExpressionAttributeValues={":later": {"N": str(NOW + 10**9)}},
    )
    profile = seen(service, official(service, ministry), asha)
    assert (profile.account_class, profile.name, profile.attestation) == ("verified", None, None)


# Attestations


def test_an_attestation_discloses_what_the_viewer_may_see_and_stays_checkable(
    service: Service, asha: Person, ministry: OrganisationId
) -> None:
    colleague = official(service, ministry)
    change(service, asha, choices={"post": "nobody"})
    attestation = seen(service, colleague, asha).attestation
    assert attestation
    public = ATTESTATION_KEYS.at(0).public
    VerifyKey(public).verify(b"SANDES1/attestation\0" + attestation.statement, attestation.signature)
    (disclosure,) = attestation.disclosures
    assert (disclosure.field, disclosure.value) == ("name", "Asha Rao")
    assert commitment(disclosure.value, disclosure.salt) in attestation.statement
    assert b"Chief Engineer" not in seen(service, colleague, asha).model_dump_json().encode()
    mine = own(service, asha).attestation
    assert mine
    assert [part.field for part in mine.disclosures] == ["name", "post", "unit"]


# Members of groups


def test_members_of_a_group_are_named_to_those_who_may_see_them(
    service: Service, asha: Person, ravi: Person, ministry: OrganisationId
) -> None:
    change(service, ravi, name="Ravi")
    change(service, asha, choices={"post": "organisation"})
    others = [official(service, organisation) for organisation in (ministry, None)]
    blocking = service.person()
    accounts.block(service.caller(blocking), others[0].account, now=Instant(NOW_MS), deps=service.device_deps)
    everybody = [asha.account, ravi.account, blocking.account, new_account_id(), *(p.account for p in others)]
    crowd = everybody + [service.person().account for _ in range(PEOPLE_AT_ONCE)]
    members = [GroupMember(account=account, state="member", role="member") for account in crowd]
    page = GroupMembers(members=members, version=3, cursor="next")

    def named(viewer: Person) -> list[tuple[str | None, str | None, str | None]]:
        caller, deps = service.caller(viewer), service.device_deps
        shown = profiles.with_names(caller, page, now=Instant(NOW_MS), deps=deps)
        assert (shown.version, shown.cursor, [m.account for m in shown.members]) == (3, "next", crowd)
        return [(m.account_class, m.name, m.post) for m in shown.members[: len(everybody) - 2]]

    nobody, post = (None, None, None), "Chief Engineer"
    citizen, hidden_name = ("public", "Ravi", None), ("public", None, None)
    assert named(others[0]) == [("verified", "Asha Rao", post), citizen, hidden_name, nobody]
    assert named(others[1]) == [("verified", "Asha Rao", None), citizen, hidden_name, nobody]
    assert named(ravi) == [nobody, citizen, hidden_name, nobody]


def test_a_member_who_blocks_looks_like_one_who_shows_nothing(
    service: Service, ravi: Person, ministry: OrganisationId
) -> None:
    """Compare two equal people, one of whom blocks the viewer. Nothing reveals which of them does."""
    makes: tuple[Callable[[], Person], ...] = (
        service.person,
        lambda: official(service, ministry, name="Asha Rao", listed=True),
    )
    for viewer in (ravi, official(service, ministry)):
        for make in makes:
            blocking, silent = make(), make()
            accounts.block(service.caller(blocking), viewer.account, now=Instant(NOW_MS), deps=service.device_deps)
            change(service, silent, choices={"post": "nobody", "name": "nobody"})
            members = [GroupMember(account=one.account, state="member", role="member") for one in (blocking, silent)]
            page = GroupMembers(members=members, version=1)
            shown = profiles.with_names(service.caller(viewer), page, now=Instant(NOW_MS), deps=service.device_deps)
            seen_of = [member.model_dump(exclude={"account"}) for member in shown.members]
            assert seen_of[0] == seen_of[1]
            assert seen_of[0]["account_class"] is not None


def test_a_block_changes_nothing_of_a_member_whom_the_viewer_may_not_see(
    service: Service, ravi: Person, ministry: OrganisationId
) -> None:
    blocking, other = official(service, ministry), official(service, ministry)
    accounts.block(service.caller(blocking), ravi.account, now=Instant(NOW_MS), deps=service.device_deps)
    members = [GroupMember(account=one.account, state="member", role="member") for one in (blocking, other)]
    page = GroupMembers(members=members, version=1)
    assert profiles.with_names(service.caller(ravi), page, now=Instant(NOW_MS), deps=service.device_deps) == page


# One's own


def test_ones_own_profile_tells_to_whom_each_field_is_shown(
    service: Service, asha: Person, ravi: Person, ministry: OrganisationId
) -> None:
    service.organisations.set_audiences(ministry, {"number": "nobody"})
    change(service, asha, choices={"photo": "officials"})
    assert own(service, asha).policy == OFFICIAL_POLICY | {"number": "nobody"}
    assert own(service, asha).choices == {"photo": "officials"}
    assert own(service, ravi).policy == PUBLIC_POLICY
    assert own(service, ravi).choices == {}
    assert own(service, ravi).number == ravi.phone


def test_what_is_left_out_stays_and_what_is_empty_goes(service: Service, ravi: Person) -> None:
    changed = change(
        service, ravi, name="  Ravi\u0301 ", email="r@example.org", photo=PNG, choices={"name": "officials"}
    )
    assert (changed.name, changed.email, changed.photo_type) == ("Raví"[:3] + "\u00ed", "r@example.org", "image/png")
    assert change(service, ravi) == changed
    assert change(service, ravi, email="").email is None
    assert change(service, ravi, photo=b"").photo_type is None
    assert change(service, ravi, choices={"photo": "nobody"}).choices == {"name": "officials", "photo": "nobody"}
    gone = change(service, ravi, name="")
    assert (gone.name, gone.email, gone.photo) == (None, None, None)
    assert own(service, ravi) == gone


def test_two_devices_that_change_different_things_do_not_undo_each_other(service: Service) -> None:
    person = service.person(2)
    for index, field in enumerate(("name", "photo")):
        body = ChangeProfile(choices={field: "nobody"})  # type: ignore[dict-item]
        profiles.change_profile(service.caller(person, index), body, now=Instant(NOW_MS), deps=service.device_deps)
    assert own(service, person).choices == {"name": "nobody", "photo": "nobody"}


@pytest.mark.parametrize("changed", [{"name": "Somebody Else"}, {"email": ""}])
def test_an_officials_name_and_email_are_the_organisations(
    service: Service, asha: Person, changed: dict[str, Any]
) -> None:
    error = refused(service, asha, photo=PNG, **changed)
    assert error.code is ErrorCode.INVALID_REQUEST
    (field,) = changed
    assert error.details["errors"] == [fault(f"/{field}", "set_by_the_organisation")]
    assert own(service, asha).photo == JPEG


@pytest.mark.parametrize(("photo", "kind"), [(JPEG, "image/jpeg"), (PNG, "image/png"), (WEBP, "image/webp")])
def test_a_photo_is_known_by_how_it_begins(service: Service, ravi: Person, photo: bytes, kind: str) -> None:
    assert (change(service, ravi, photo=photo).photo_type, own(service, ravi).photo) == (kind, photo)


@pytest.mark.parametrize("photo", [b"GIF89a" + bytes(100), b"<svg/>", b"\xff\xd8", b"RIFF\0\0\0\0WAVE", PNG[1:]])
def test_what_is_no_photo_is_refused(service: Service, ravi: Person, photo: bytes) -> None:
    assert photo_type(photo) is None
    assert refused(service, ravi, photo=photo).details["errors"] == [fault("/photo", "not_jpeg_png_or_webp")]


def test_a_photo_of_16_kib_is_taken_and_a_byte_more_is_refused(service: Service, ravi: Person) -> None:
    largest = JPEG + bytes(MAX_PHOTO_BYTES - len(JPEG))
    assert change(service, ravi, photo=largest).photo == largest
    error = refused(service, ravi, photo=largest + b"\0")
    assert error.details["errors"] == [fault("/photo", "at_most_16384_bytes")]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Ravi\nKumar"},
        {"name": "Ravi\x00"},
        {"name": "\u202eivaR"},
        {"name": "\u2028"},
        {"name": "x" * 65},
        {"email": "no address"},
        {"email": "two@signs@example.org"},
        {"post": "Minister"},
        {"choices": {"shoe_size": "nobody"}},
        {"choices": {"name": "friends"}},
        {"photo": "no base64!"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_at_the_door(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChangeProfile.model_validate(body)


@pytest.mark.parametrize("name", ["राजेश कुमार", "क्‍ष", "O'Neill-D\u2019Souza", "李明"])
def test_names_of_all_scripts_are_taken(service: Service, ravi: Person, name: str) -> None:
    assert change(service, ravi, name=name).name == name


def test_profiles_are_limited(service: Service, ravi: Person) -> None:
    other = service.person()
    for _ in range(Limit.PROFILES.burst):
        seen(service, ravi, other)
    with pytest.raises(ProtocolError) as caught:
        seen(service, ravi, other)
    assert caught.value.code is ErrorCode.RATE_LIMITED


# What the organisation hides of one person


def test_what_an_organisation_hides_of_one_person_is_hidden_of_that_person_only(
    service: Service, asha: Person, ministry: OrganisationId, ravi: Person
) -> None:
    service.verify(asha, ministry, listed=True, name="Asha Rao", post="Chief Engineer")
    other = official(service, ministry, listed=True)
    made = service.verifications.read(asha.account)
    assert made is not None
    assert {"name", "post"} <= fields(seen(service, ravi, asha))
    service.verifications.hide(made, {"name": "organisation", "post": "nobody"})
    profile = seen(service, ravi, asha)
    assert fields(profile) == {"photo"}
    assert profile.attestation is not None
    assert profile.attestation.disclosures == []
    colleague = seen(service, other, asha)
    assert (colleague.name, colleague.post) == ("Asha Rao", None)
    assert {"name", "post"} <= fields(seen(service, ravi, other))


def test_hiding_a_field_of_one_person_shows_nothing_that_the_policy_hides(
    service: Service, asha: Person, ministry: OrganisationId, ravi: Person
) -> None:
    made = service.verify(asha, ministry, listed=True)
    service.verifications.hide(made, {"number": "everyone", "last_seen": "everyone"})
    assert {"number", "last_seen"} & fields(seen(service, ravi, asha)) == set()
    assert own(service, asha).policy == OFFICIAL_POLICY


def test_whose_field_is_hidden_sees_it_and_to_whom(service: Service, asha: Person, ministry: OrganisationId) -> None:
    made = service.verify(asha, ministry)
    service.verifications.hide(made, {"post": "nobody"})
    profile = own(service, asha)
    assert profile.post == "Section Officer"
    assert profile.policy == OFFICIAL_POLICY | {"post": "nobody"}
