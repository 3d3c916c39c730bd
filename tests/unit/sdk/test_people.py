"""Profiles on a device: who is shown as verified, what is kept and for how long."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandes.crypto.attestation import AttestationKeys
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.ids import account_text
from sandes.protocol.client_api import ChangeProfile
from sandes_client import ApiError, AttestationKeysRejected, DeviceClient, Store, Unreachable
from sandes_client.attestation_keys import MAX_AGE_MS, MIN_AGE_MS
from sandes_client.people import MAX_AGE_SECONDS
from tests.unit.sdk.people_service import RAILWAYS, PeopleService
from tests.unit.sdk.service import ALICE, BOB, START_MS, Service, problem, settle
from tools.service_keys import next_secret

ALICE_ID, BOB_ID = account_text(ALICE), account_text(BOB)
KEY = ("GET", "/v1/attestation-key")
BOBS = ("GET", f"/v1/accounts/{BOB_ID}")


@pytest.fixture
def people(service: Service) -> PeopleService:
    return PeopleService(service)


async def test_an_official_is_verified_by_an_attestation_that_holds(
    service: Service, store: Store, people: PeopleService
) -> None:
    async with service.client(store) as device:
        bob, alice = await device.people.profile(BOB_ID), await device.people.profile(ALICE_ID)
    assert bob.verified
    assert bob.attested is not None
    assert (bob.attested.name, bob.attested.post, bob.attested.unit) == ("Bob Rao", "Section Officer", "Signalling")
    assert (bob.attested.organisation, bob.attested.organisation_name) == (
        account_text(RAILWAYS),
        "Ministry of Railways",
    )
    assert (alice.name, alice.verified) == ("Alice", False)


def _another_key(people: PeopleService) -> dict[str, Any]:
    return people.official(
        BOB, attestation=people.attestation(BOB, key=AttestationKeys.of(secrets.token_hex(32).encode()).at(0))
    )


def _another_account(people: PeopleService) -> dict[str, Any]:
    return people.official(BOB, attestation=people.attestation(ALICE))


def _expired(people: PeopleService) -> dict[str, Any]:
    return people.official(BOB, attestation=people.attestation(BOB, expires_at=START_MS // 1000))


def _another_post(people: PeopleService) -> dict[str, Any]:
    attestation = people.attestation(BOB)
    attestation["disclosures"][1]["value"] = "Minister"
    return people.official(BOB, post="Minister", attestation=attestation)


def _none(people: PeopleService) -> dict[str, Any]:
    return people.official(BOB, attestation=None)


def _rubbish(people: PeopleService) -> dict[str, Any]:
    return people.official(BOB, attestation={"statement": "??", "signature": 5})


@pytest.mark.parametrize("forged", [_another_key, _another_account, _expired, _another_post, _none, _rubbish])
async def test_who_is_called_an_official_without_an_attestation_that_holds_is_not_verified(
    service: Service,
    store: Store,
    people: PeopleService,
    forged: Callable[[PeopleService], dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    people.profiles[BOB_ID] = forged(people)
    with caplog.at_level(logging.WARNING):
        async with service.client(store) as device:
            bob = await device.people.profile(BOB_ID)
            known = device.people.known(BOB_ID)
    assert (bob.verified, bob.attested, known) == (False, None, bob)
    assert ("not shown as verified" in caplog.text) is (forged is not _none)


async def test_what_is_not_disclosed_is_not_attested_and_the_rest_is(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.profiles[BOB_ID]["attestation"]["disclosures"] = people.profiles[BOB_ID]["attestation"]["disclosures"][1:]
    async with service.client(store) as device:
        bob = await device.people.profile(BOB_ID)
    assert bob.attested is not None
    assert (bob.attested.name, bob.attested.post) == (None, "Section Officer")


async def test_the_key_is_asked_for_once_and_pinned(service: Service, store: Store, people: PeopleService) -> None:
    async with service.client(store) as device:
        await device.people.profile(ALICE_ID)
        assert KEY not in service.calls, "who is no official needs no key"
        assert (await device.people.profile(BOB_ID)).verified
    people.keys = AttestationKeys.of(secrets.token_hex(32).encode())
    people.profiles[BOB_ID] = people.official(BOB)
    async with service.client(store) as device:
        assert not (await device.people.profile(BOB_ID, max_age_seconds=0)).verified, "by another key"
    assert service.calls.count(KEY) == 1


async def test_a_profile_is_kept_for_its_time_and_its_attestation_no_longer_than_it_holds(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.profiles[BOB_ID] = people.official(
        BOB, attestation=people.attestation(BOB, expires_at=START_MS // 1000 + MAX_AGE_SECONDS // 2)
    )
    async with service.client(store) as device:
        assert device.people.known(BOB_ID) is None
        assert (await device.people.profile(BOB_ID)).verified
        await service.clock.advance(MAX_AGE_SECONDS / 2 - 1)
        assert (await device.people.profile(BOB_ID)).verified
        await service.clock.advance(2)
        bob = await device.people.profile(BOB_ID)
        assert (bob.verified, bob.name) == (False, "Bob Rao")
        assert service.calls.count(BOBS) == 2
        await service.clock.advance(MAX_AGE_SECONDS - 1)
        await device.people.profile(BOB_ID)
        assert service.calls.count(BOBS) == 2
        await service.clock.advance(2)
        await device.people.profile(BOB_ID)
        assert service.calls.count(BOBS) == 3
        assert device.people.known(BOB_ID) is not None


async def test_somebody_who_may_not_be_seen_any_more_is_forgotten(
    service: Service, store: Store, people: PeopleService
) -> None:
    async with service.client(store) as device:
        await device.people.profile(BOB_ID)
        people.profiles.clear()
        with pytest.raises(ApiError, match="not_found"):
            await device.people.profile(BOB_ID, max_age_seconds=0)
        assert device.people.known(BOB_ID) is None


async def test_a_profile_of_somebody_else_than_asked_for_is_not_kept(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.profiles[BOB_ID] = people.profiles[ALICE_ID]
    async with service.client(store) as device:
        with pytest.raises(Unreachable):
            await device.people.profile(BOB_ID)
        assert device.people.known(BOB_ID) is None


@pytest.mark.parametrize("fields", [{"account": "me"}, {"name": 5}, {"photo": "?"}, {"account_class": None}])
async def test_a_profile_that_is_not_in_its_form_is_unreachable_or_public(
    service: Service, store: Store, people: PeopleService, fields: dict[str, Any]
) -> None:
    people.profiles[BOB_ID] |= fields
    async with service.client(store) as device:
        if "account_class" in fields:
            assert (await device.people.profile(BOB_ID)).account_class == "public"
        else:
            with pytest.raises(Unreachable):
                await device.people.profile(BOB_ID)


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        {"oldest": 1, "introductions": []},
        {"oldest": 1, "introductions": ["AAAA"]},
        {"oldest": 1, "introductions": [{"statement": "AAAA"}]},
    ],
)
async def test_keys_in_another_form_are_not_pinned_and_verify_nobody(
    service: Service, store: Store, people: PeopleService, told: Any
) -> None:
    service.http_answers[KEY] = lambda _: httpx.Response(200, json=told)
    async with service.client(store) as device:
        assert not (await device.people.profile(BOB_ID)).verified
    assert store.attestation_keys.statements() == {}
    assert people.profiles


async def test_search_checks_everybody_it_finds(service: Service, store: Store, people: PeopleService) -> None:
    async with service.client(store) as device:
        found = await device.people.search("Bob", limit=1)
        nobody = await device.people.search("Xx")
    assert ([one.verified for one in found.people], found.more) == ([True], True)
    assert (nobody.people, nobody.more) == ([], False)
    assert people.profiles


async def test_the_own_profile_is_read_and_changed(service: Service, store: Store, people: PeopleService) -> None:
    async with service.client(store) as device:
        own = await device.people.own()
        await device.people.change(name="A", photo=b"", choices={"photo": "nobody"})
    assert (own.profile.name, own.policy, own.choices) == ("Alice", {"number": "officials"}, {"photo": "nobody"})
    assert people.changes == [ChangeProfile(name="A", photo=b"", choices={"photo": "nobody"})]


async def test_citizens_are_invited_and_invitations_listed_to_their_end(
    service: Service, store: Store, people: PeopleService
) -> None:
    async with service.client(store) as device:
        await device.people.invite(BOB_ID)
        await device.people.withdraw(BOB_ID)
        await device.people.block(BOB_ID)
        await device.people.unblock(BOB_ID)
        assert [(one.account, one.created_at) for one in await device.people.invitations()] == [
            (ALICE_ID, 7),
            (BOB_ID, 7),
        ]
        assert await device.people.lookup("+919876543210") == BOB_ID
        with pytest.raises(ValueError, match="account id"):
            await device.people.invite("../me")
    assert service.calls[:4] == [
        ("PUT", f"/v1/invitations/{BOB_ID}"),
        ("DELETE", f"/v1/invitations/{BOB_ID}"),
        ("PUT", f"/v1/blocks/{BOB_ID}"),
        ("DELETE", f"/v1/blocks/{BOB_ID}"),
    ]
    assert people.profiles


async def test_a_new_registration_forgets_people_and_the_pinned_key(
    service: Service, store: Store, people: PeopleService
) -> None:
    async with service.client(store) as device:
        await device.people.profile(BOB_ID)
    store.profile.begin(service.identity, service.seal_keys[0].__class__.new(9, secrets.token_bytes), now_ms=1)
    assert store.attestation_keys.statements() == {}
    assert store.people.kept(BOB_ID) is None  # type: ignore[arg-type]
    assert people.profiles


async def test_an_unreachable_service_leaves_what_is_known(
    service: Service, store: Store, people: PeopleService
) -> None:
    async with service.client(store) as device:
        await device.people.profile(BOB_ID)
        service.http_answers[BOBS] = lambda _: problem("unavailable", 503)
        with pytest.raises(ApiError):
            await device.people.profile(BOB_ID, max_age_seconds=0)
        known = device.people.known(BOB_ID)
    assert known is not None
    assert known.verified
    assert people.profiles


async def test_a_person_asks_to_be_verified_sees_what_became_of_it_and_takes_it_back(
    service: Service, store: Store, people: PeopleService
) -> None:
    railways = account_text(RAILWAYS)
    async with service.client(store) as device:
        made = await device.people.ask_for_verification(
            railways, name="Alice", post="Clerk", email="alice@rail.example"
        )
        assert (made.organisation, made.unit, made.state, made.email) == (
            railways,
            railways,
            "open",
            "alice@rail.example",
        )
        assert made.lapses_at == made.requested_at + 86_400
        people.requests[0] = people.requests[0].model_copy(
            update={"state": "rejected", "decided_at": 5, "reason": "unknown here"}
        )
        (now,) = await device.people.verification_requests()
        assert (now.id, now.state, now.decided_at, now.reason) == (made.id, "rejected", 5, "unknown here")
        await device.people.withdraw_request(made.id)
        assert await device.people.verification_requests() == []


async def test_an_answer_that_no_service_of_this_version_gives_is_none(
    service: Service, store: Store, people: PeopleService
) -> None:
    service.http_answers["GET", "/v1/verification-requests"] = lambda _: httpx.Response(
        200, json={"requests": [{"id": "x", "state": "haunted"}]}
    )
    async with service.client(store) as device:
        with pytest.raises(Unreachable):
            await device.people.verification_requests()
    assert people.requests == []


async def test_a_report_is_about_one_thing(service: Service, store: Store, people: PeopleService) -> None:
    async with service.client(store) as device:
        await device.people.report(account=BOB_ID, category="abuse", text="He shouts.")
        await device.people.report(group=BOB_ID, category="spam")
    first, second = people.reports
    assert (first.account, first.category, first.text) == (BOB, "abuse", "He shouts.")
    assert (second.account, bytes(second.group or b""), second.text) == (None, BOB, "")


# An attestation that expires while it is kept


async def test_a_renewed_official_is_verified_as_soon_as_the_old_attestation_has_expired(
    service: Service, store: Store, people: PeopleService
) -> None:
    ends = START_MS // 1000 + 600
    people.profiles[BOB_ID] = people.official(BOB, attestation=people.attestation(BOB, expires_at=ends))
    async with service.client(store) as device:
        await device.drained()
        await settle()
        assert (await device.people.profile(BOB_ID)).verified
        people.profiles[BOB_ID] = people.official(BOB)  # verified again
        await service.clock.advance(599)
        assert (await device.people.profile(BOB_ID)).verified
        assert service.calls.count(BOBS) == 1
        await service.clock.advance(1)
        assert (await device.people.profile(BOB_ID)).verified
        assert (await device.people.profile(BOB_ID)).verified
    assert service.calls.count(BOBS) == 2


async def test_an_official_who_was_not_renewed_is_asked_about_once(
    service: Service, store: Store, people: PeopleService
) -> None:
    ends = START_MS // 1000 + 600
    people.profiles[BOB_ID] = people.official(BOB, attestation=people.attestation(BOB, expires_at=ends))
    async with service.client(store) as device:
        await device.drained()
        await settle()
        await device.people.profile(BOB_ID)
        await service.clock.advance(601)
        for _ in range(5):
            assert not (await device.people.profile(BOB_ID)).verified
    assert service.calls.count(BOBS) == 2


async def test_an_expired_official_is_shown_as_not_verified_while_the_service_is_out_of_reach(
    service: Service, store: Store, people: PeopleService
) -> None:
    ends = START_MS // 1000 + 600
    people.profiles[BOB_ID] = people.official(BOB, attestation=people.attestation(BOB, expires_at=ends))
    async with service.client(store) as device:
        await device.drained()
        await settle()
        await device.people.profile(BOB_ID)
        service.http_answers[BOBS] = lambda _: httpx.Response(502)
        await service.clock.advance(601)
        shown = await device.people.profile(BOB_ID)
    assert (shown.name, shown.verified) == ("Bob Rao", False)


async def test_a_profile_kept_by_a_clock_that_was_ahead_is_asked_for_again(
    service: Service, store: Store, people: PeopleService
) -> None:
    store.people.save(BOB_ID, {"account": BOB_ID, "account_class": "public"}, now_ms=START_MS + 86_400_000)  # type: ignore[arg-type]
    async with service.client(store) as device:
        await device.drained()
        await settle()
        assert (await device.people.profile(BOB_ID)).verified


# How a key of attestations is replaced

FIRST = "the secret of the first key, as the deployment makes it"
SECOND = next_secret(FIRST, now_seconds=START_MS // 1000, in_force_from=START_MS // 1000 + 600, of=AttestationKeys)
MINUTE = MIN_AGE_MS / 1000


def _keys(secret: str) -> AttestationKeys:
    return AttestationKeys.of(secret.encode())


def _rejections(device: DeviceClient) -> list[str]:
    told: list[str] = []

    async def listen() -> None:
        async for event in device.events():
            told.extend([event.reason] if isinstance(event, AttestationKeysRejected) else [])

    device.spawn(listen())
    return told


async def _is_verified(device: DeviceClient) -> bool:
    return (await device.people.profile(BOB_ID, max_age_seconds=0)).verified


async def test_a_key_that_the_pinned_one_introduces_is_accepted_and_the_former_one_too(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.keys = _keys(FIRST)
    people.profiles[BOB_ID] = people.official(BOB)
    async with service.client(store) as device:
        assert await _is_verified(device)
        people.keys = _keys(SECOND)
        people.profiles[BOB_ID] = people.official(BOB, attestation=people.attestation(BOB, key=people.keys.keys[-1]))
        assert not await _is_verified(device), "the service has just said which keys it has"
        await service.clock.advance(MINUTE)
        assert await _is_verified(device)
        assert sorted(store.attestation_keys.statements()) == [1, 2]
        people.profiles[BOB_ID] = people.official(BOB, attestation=people.attestation(BOB, key=people.keys.keys[0]))
        assert await _is_verified(device)
    assert service.calls.count(KEY) == 2


async def test_an_ended_key_is_refused_within_the_hour_for_kept_profiles_too_and_never_comes_back(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.keys = _keys(FIRST)
    people.profiles[BOB_ID] = people.official(BOB)
    async with service.client(store) as device:
        assert await _is_verified(device)
        people.keys = _keys(next_secret(FIRST, now_seconds=0, in_force_from=0, leaked=True, of=AttestationKeys))
        await service.clock.advance(MAX_AGE_MS / 1000 - 1)
        assert (await device.people.profile(BOB_ID)).verified
        await service.clock.advance(1)
        assert not (await device.people.profile(BOB_ID, max_age_seconds=2 * MAX_AGE_SECONDS)).verified
        known = device.people.known(BOB_ID)
        assert known is not None
        assert not known.verified
    people.keys = _keys(FIRST)  # which says that the first key is good
    async with service.client(store) as device:
        await service.clock.advance(MAX_AGE_MS / 1000)
        assert not await _is_verified(device)
    assert store.attestation_keys.oldest() == 2


@pytest.mark.parametrize("rogue", ["first", "second", "seal"])
async def test_keys_that_do_not_follow_are_refused_and_reported_and_the_pinned_ones_stay(
    service: Service, store: Store, people: PeopleService, rogue: str
) -> None:
    people.keys = _keys(FIRST)
    people.profiles[BOB_ID] = people.official(BOB)
    async with service.client(store) as device:
        rejections = _rejections(device)
        assert await _is_verified(device)
        pinned, genuine = store.attestation_keys.statements(), people.profiles[BOB_ID]
        theirs = "the secret of somebody who answers in the service's name"
        if rogue == "first":
            people.keys = _keys(theirs)
        elif rogue == "second":
            people.keys = _keys(next_secret(theirs, now_seconds=0, in_force_from=0, of=AttestationKeys))
        else:  # a list of the keys that seal envelopes
            keys = ServiceKeys.of(next_secret(FIRST, now_seconds=0, in_force_from=0).encode())
            people.keys = AttestationKeys(keys.keys, keys.introductions, keys.oldest)
        forged = people.attestation(BOB, key=_keys(theirs).at(0))
        people.profiles[BOB_ID] = people.official(BOB, attestation=forged)
        await service.clock.advance(MINUTE)
        assert not await _is_verified(device)
        await settle()
        assert len(rejections) == 1
        assert not await _is_verified(device)
        await settle()
        assert len(rejections) == 1, "the service is asked once a minute at most"
        assert (store.attestation_keys.statements(), store.attestation_keys.oldest()) == (pinned, 1)
        people.profiles[BOB_ID] = genuine
        assert await _is_verified(device)


async def test_pinned_keys_are_used_while_the_list_cannot_be_read(
    service: Service, store: Store, people: PeopleService
) -> None:
    people.keys = _keys(FIRST)
    people.profiles[BOB_ID] = people.official(BOB)
    service.http_answers[KEY] = lambda _: problem("unavailable", 503)
    async with service.client(store) as device:
        with pytest.raises((ApiError, Unreachable)):
            await device.people.profile(BOB_ID)
        del service.http_answers[KEY]
        assert await _is_verified(device)
        service.http_answers[KEY] = lambda _: problem("unavailable", 503)
        await service.clock.advance(MAX_AGE_MS / 1000)
        assert await _is_verified(device)
