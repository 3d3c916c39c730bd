"""Tests what use cases rely on in challenges and in the transactions that make, link and move devices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.model.challenge import Challenge, Purpose
from sandes.model.device import Account, SealKey
from sandes.model.ids import DeviceNumber, new_account_id, new_one_time_id
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people import devices
from sandes.protocol.client_api import Registered, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.codes import ChallengeChanged
from sandes.store.enrolment import EnrolmentRaced
from tests.support.keys import DeviceKeys
from tests.support.service import PEPPER, Person, Service, new_phone
from tests.support.sms import other_code


def all_at_once(how_many: int, call: Callable[[int], Any]) -> list[Any]:
    """Return the result of each call, or the code of its refusal."""

    def one(number: int) -> Any:
        try:
            return call(number)
        except ProtocolError as refused:
            return refused.code

    with ThreadPoolExecutor(min(how_many, 16)) as pool:
        return list(pool.map(one, range(how_many)))


def challenge(service: Service, **changed: Any) -> Challenge:
    now = service.now_ms // 1000
    fields: dict[str, Any] = {
        "id": new_one_time_id(),
        "purpose": "register",
        "subject": PEPPER.index("phone", new_phone()),
        "phone_sealed": b"sealed",
        "hash": b"h" * 32,
        "attempts_left": 3,
        "sends": 1,
        "code_expires_at": now + 300,
        "resend_after": now + 30,
        "expires_at": now + 3_600,
    }
    return Challenge(**fields | changed)


def created(service: Service, **changed: Any) -> Challenge:
    made = challenge(service, **changed)
    service.codes.create(made)
    return made


def spend(service: Service, id: str, *, purpose: Purpose = "register", later_seconds: int = 0) -> Challenge:
    return service.codes.spend_attempt(id, purpose=purpose, now_seconds=service.now_ms // 1000 + later_seconds)


# Challenges


@pytest.mark.parametrize("sealed", [b"sealed", None])
def test_a_challenge_comes_back_as_it_was_created(store_backend: Service, sealed: bytes | None) -> None:
    made = created(store_backend, phone_sealed=sealed)
    assert store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=store_backend.now_ms // 1000) == made


def test_a_challenge_whose_row_outlived_it_is_gone(store_backend: Service) -> None:
    made = created(store_backend)
    assert store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=made.expires_at - 1) is not None
    assert store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=made.expires_at) is None


def test_attempts_are_counted_down_to_none_and_no_further(store_backend: Service) -> None:
    made = created(store_backend)
    assert [spend(store_backend, made.id).attempts_left for _ in range(3)] == [2, 1, 0]
    with pytest.raises(ChallengeChanged) as caught:
        spend(store_backend, made.id)
    assert caught.value.challenge == replace(made, attempts_left=0)


def test_an_attempt_is_not_spent_on_what_is_missing_expired_or_of_another_purpose(store_backend: Service) -> None:
    made = created(store_backend)
    with pytest.raises(ChallengeChanged) as missing:
        spend(store_backend, "A" * 22)
    assert missing.value.challenge is None
    others: list[dict[str, Any]] = [{"purpose": "change_phone"}, {"later_seconds": 300}]
    for how in others:
        with pytest.raises(ChallengeChanged) as caught:
            spend(store_backend, made.id, **how)
        assert caught.value.challenge == made
    with pytest.raises(ChallengeChanged) as of_another_kind:
        spend(store_backend, made.id, purpose="link")
    assert of_another_kind.value.challenge is None
    spend(store_backend, made.id, later_seconds=299)


def test_only_one_of_two_renewals_of_the_same_reading_is_taken(store_backend: Service) -> None:
    made = created(store_backend)
    spend(store_backend, made.id)
    first = replace(made, hash=b"1" * 32, sends=2)
    store_backend.codes.renew(made, first)
    with pytest.raises(ChallengeChanged):
        store_backend.codes.renew(made, replace(made, hash=b"2" * 32, sends=2))
    assert store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=store_backend.now_ms // 1000) == first


# Transactions


def enrolment(service: Service, challenge: Challenge) -> tuple[Account, Any, SealKey, Challenge]:
    """Build an account with one device that is not stored yet."""
    keys = DeviceKeys()
    new = keys.new_device(challenge.id)
    id = new_account_id()
    device = devices._device(id, DeviceNumber(1), new, Instant(service.now_ms))
    account = Account(id, challenge.subject, b"sealed", service.now_ms // 1000, device.number, {1: device})  # type: ignore[dict-item]
    return account, device, SealKey(1, keys.seal_public), challenge


def is_stored(service: Service, account: Account) -> tuple[bool, bool]:
    now = service.now_ms // 1000
    return service.directory.account(account.id) is not None, service.routing.read(
        account.id, now_seconds=now
    ) is not None


def test_an_account_is_made_in_directory_and_routing_and_uses_its_code_up(store_backend: Service) -> None:
    made = created(store_backend)
    account, device, key, _ = parts = enrolment(store_backend, made)
    store_backend.enrolment.create(*parts)
    assert store_backend.directory.account(account.id) == account
    assert store_backend.directory.account_of_phone(account.phone_index) == account.id
    used = store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=store_backend.now_ms // 1000)
    assert used is not None
    assert (used.used, used.used_by) == (True, device.identity_key)
    assert used.outcome is not None
    assert (used.outcome.address.account, used.outcome.registration) == (account.id, device.registration)
    routes = store_backend.routing.read(account.id, now_seconds=0)
    assert routes is not None
    assert routes.devices[device.number].seal_key == key


@pytest.mark.parametrize("spoiled", ["used", "renewed", "taken"])
def test_a_transaction_with_one_failing_condition_does_nothing_at_all(store_backend: Service, spoiled: str) -> None:
    made = created(store_backend)
    if spoiled == "used":
        store_backend.enrolment.create(*enrolment(store_backend, made))
    elif spoiled == "renewed":
        store_backend.codes.renew(made, replace(made, hash=b"n" * 32, sends=2))
    else:
        first = created(store_backend, subject=made.subject)
        store_backend.enrolment.create(*enrolment(store_backend, first))
    owner = store_backend.directory.account_of_phone(made.subject)
    account, *_ = parts = enrolment(store_backend, made)
    with pytest.raises(EnrolmentRaced):
        store_backend.enrolment.create(*parts)
    assert is_stored(store_backend, account) == (False, False)
    assert store_backend.directory.account_of_phone(made.subject) == owner
    now = store_backend.codes.read(made.id, purpose=made.purpose, now_seconds=store_backend.now_ms // 1000)
    assert now is not None
    assert now.used is (spoiled == "used")


def test_a_device_is_linked_on_the_account_as_it_was_read_or_not_at_all(store_backend: Service) -> None:
    asha = store_backend.person()
    read = store_backend.account(asha.account)
    store_backend.link(asha, DeviceKeys())
    made = created(store_backend, purpose="link")
    device = devices._device(asha.account, DeviceNumber(2), DeviceKeys().new_device(made.id), Instant(0))
    with pytest.raises(EnrolmentRaced):
        store_backend.enrolment.link(read, asha.devices[0], device, SealKey(1, bytes(32)), made)
    assert store_backend.account(asha.account).devices[DeviceNumber(2)] != device


# Races


def register(service: Service, id: str, code: str, keys: DeviceKeys) -> Registered:
    body = VerifyRegistration(code=code, device=keys.new_device(id))
    return devices.register(id, body, now=Instant(service.now_ms), deps=service.device_deps)


@pytest.fixture
def phone() -> PhoneNumber:
    return new_phone()


def test_fifty_wrong_guesses_at_once_use_exactly_the_three_attempts(store_backend: Service, phone: PhoneNumber) -> None:
    id = store_backend.start(phone)
    right = store_backend.sms.last_code
    wrong = other_code(right)
    outcomes = all_at_once(50, lambda _: register(store_backend, id, wrong, DeviceKeys()))
    assert outcomes.count(ErrorCode.CODE_INCORRECT) == 2
    assert outcomes.count(ErrorCode.CODE_LOCKED) == 48
    stands = store_backend.codes.read(id, purpose="register", now_seconds=store_backend.now_ms // 1000)
    assert stands is not None
    assert stands.attempts_left == 0
    assert all_at_once(1, lambda _: register(store_backend, id, right, DeviceKeys())) == [ErrorCode.CODE_LOCKED]


def test_the_same_code_given_by_many_devices_at_once_makes_one_account_with_one_device(
    store_backend: Service, phone: PhoneNumber
) -> None:
    id = store_backend.start(phone)
    code = store_backend.sms.last_code
    outcomes = all_at_once(8, lambda _: register(store_backend, id, code, DeviceKeys()))
    made = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
    assert len(made) == 1
    assert set(outcomes) - set(made) <= {ErrorCode.CODE_USED, ErrorCode.CODE_LOCKED, ErrorCode.UNAVAILABLE}
    account = store_backend.account(made[0].account)
    assert [device.registration for device in account.devices.values()] == [made[0].registration_id]
    assert store_backend.directory.account_of_phone(PEPPER.index("phone", phone)) == account.id


def test_one_device_that_repeats_itself_at_once_gets_one_answer(store_backend: Service, phone: PhoneNumber) -> None:
    id, keys = store_backend.start(phone), DeviceKeys()
    code = store_backend.sms.last_code
    outcomes = all_at_once(3, lambda _: register(store_backend, id, code, keys))
    assert len(set(map(str, outcomes))) == 1
    assert isinstance(outcomes[0], Registered)


def test_two_registrations_of_one_number_at_once_leave_one_account_with_one_device(
    store_backend: Service, phone: PhoneNumber
) -> None:
    codes = []
    for _ in range(2):
        id = store_backend.start(phone)
        codes.append((id, store_backend.sms.last_code))
    outcomes = all_at_once(2, lambda number: register(store_backend, *codes[number], DeviceKeys()))
    assert {outcome.account for outcome in outcomes} == {
        store_backend.directory.account_of_phone(PEPPER.index("phone", phone))
    }
    account = store_backend.account(outcomes[0].account)
    routes = store_backend.routing.read(account.id, now_seconds=0)
    assert routes is not None
    assert len(account.devices) == 1
    assert list(routes.devices) == list(account.devices)


def link(service: Service, person: Person, opened: SigningKey) -> Registered:
    body = DeviceKeys().joining(opened, person.account, at_ms=service.now_ms)
    return devices.link(body, now=Instant(service.now_ms), deps=service.device_deps)


def test_one_link_used_by_several_devices_at_once_makes_one_device(store_backend: Service) -> None:
    asha = store_backend.person()
    opened = store_backend.open_link(asha)
    outcomes = all_at_once(3, lambda _: link(store_backend, asha, opened))
    made = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
    assert len(made) == 1
    assert sorted(store_backend.account(asha.account).devices) == [1, made[0].device]
    assert sorted(store_backend.routes(asha).devices) == [1, made[0].device]


def test_links_used_at_once_never_go_beyond_six_devices(store_backend: Service) -> None:
    asha = store_backend.person(3)
    opened = [store_backend.open_link(asha) for _ in range(4)]
    outcomes = all_at_once(4, lambda number: link(store_backend, asha, opened[number]))
    made = [outcome.device for outcome in outcomes if isinstance(outcome, Registered)]
    assert len(set(made)) == len(made) <= 3
    account = store_backend.account(asha.account)
    assert len(account.devices) == 3 + len(made) <= 6
    assert sorted(account.devices) == sorted(store_backend.routes(asha).devices)
