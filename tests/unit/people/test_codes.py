"""Tests codes: wrong, expired, used and locked ones differ, and attempts, sends and purposes are counted exactly."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.crypto.statements import link_id
from sandes.model.challenge import Challenge
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.people import codes, devices
from sandes.people.codes import CodeDependencies
from sandes.protocol.client_api import Registered, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import SmsRules
from sandes.store.codes import code_key
from sandes.store.schema import CodeKind
from tests.support.keys import DeviceKeys
from tests.support.service import NOW, NOW_MS, PEPPER, REGISTRATIONS_PER_ADDRESS, Service, new_phone
from tests.support.sms import other_code


@pytest.fixture
def phone() -> PhoneNumber:
    return new_phone()


@pytest.fixture
def keys() -> DeviceKeys:
    return DeviceKeys()


def verify(service: Service, id: str, code: str, keys: DeviceKeys | None = None, *, now_ms: int = NOW_MS) -> Registered:
    body = VerifyRegistration(code=code, device=(keys or DeviceKeys()).new_device(id))
    return devices.register(id, body, now=Instant(now_ms), deps=service.device_deps)


def resend(service: Service, id: str, *, now_ms: int) -> Challenge:
    return codes.send_next_code(id, now=Instant(now_ms), deps=service.code_deps)


def refusal(call: Any, *arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    error: ProtocolError = caught.value
    return error


def test_a_code_goes_to_the_number_and_only_its_hash_is_kept(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    ((number, code),) = service.sms.sent
    assert number == phone
    assert len(code) == 6
    assert code.isdigit()
    row = service.client.get_item(TableName=service.tables["codes"], Key=code_key(CodeKind.REGISTRATION, id))["Item"]
    assert code not in repr(row)
    assert phone[1:] not in repr(row)
    assert phone[-8:].encode() not in b"".join(value["B"] for value in row.values() if "B" in value)


def test_a_wrong_code_says_how_many_attempts_are_left_and_the_third_locks(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    wrong = other_code(service.sms.last_code)
    answers = [refusal(verify, service, id, wrong) for _ in range(3)]
    assert [(error.code, error.details["attempts_left"]) for error in answers] == [
        (ErrorCode.CODE_INCORRECT, 2),
        (ErrorCode.CODE_INCORRECT, 1),
        (ErrorCode.CODE_LOCKED, 0),
    ]


def test_a_locked_challenge_refuses_the_right_code_too(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    right = service.sms.last_code
    for _ in range(3):
        refusal(verify, service, id, other_code(right))
    assert refusal(verify, service, id, right).code is ErrorCode.CODE_LOCKED
    assert service.directory.account_of_phone(PEPPER.index("phone", phone)) is None


def test_the_third_attempt_may_be_the_right_one(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    right = service.sms.last_code
    for _ in range(2):
        refusal(verify, service, id, other_code(right))
    assert verify(service, id, right).device == 1


def test_a_code_is_good_until_the_last_millisecond_of_its_300_seconds(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    code = service.sms.last_code
    assert refusal(verify, service, id, code, now_ms=NOW_MS + 300_000).code is ErrorCode.CODE_EXPIRED
    assert refusal(verify, service, id, other_code(code), now_ms=NOW_MS + 300_000).code is ErrorCode.CODE_EXPIRED
    verify(service, id, code, now_ms=NOW_MS + 299_999)


def test_a_used_code_looks_used_to_another_device_whether_right_or_wrong(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    code = service.sms.last_code
    verify(service, id, code)
    assert refusal(verify, service, id, code).code is ErrorCode.CODE_USED
    assert refusal(verify, service, id, other_code(code)).code is ErrorCode.CODE_USED
    assert refusal(verify, service, id, code, now_ms=NOW_MS + 400_000).code is ErrorCode.CODE_USED


def test_a_repeated_request_gets_the_same_answer(service: Service, phone: PhoneNumber, keys: DeviceKeys) -> None:
    id = service.start(phone)
    code = service.sms.last_code
    first = verify(service, id, code, keys)
    assert verify(service, id, code, keys, now_ms=NOW_MS + 20_000) == first
    assert len(service.account(first.account).devices) == 1


def test_a_repeated_request_with_a_wrong_code_gets_no_answer(
    service: Service, phone: PhoneNumber, keys: DeviceKeys
) -> None:
    id = service.start(phone)
    code = service.sms.last_code
    verify(service, id, code, keys)
    assert refusal(verify, service, id, other_code(code), keys).code is ErrorCode.CODE_USED


def test_an_unknown_or_forgotten_registration_is_not_found(service: Service, phone: PhoneNumber) -> None:
    assert refusal(verify, service, "A" * 22, "123456").code is ErrorCode.NOT_FOUND
    assert refusal(resend, service, "A" * 22, now_ms=NOW_MS).code is ErrorCode.NOT_FOUND
    id = service.start(phone)
    gone = NOW_MS + codes.KEEP_SECONDS * 1000
    assert refusal(verify, service, id, service.sms.last_code, now_ms=gone).code is ErrorCode.NOT_FOUND
    assert refusal(resend, service, id, now_ms=gone).code is ErrorCode.NOT_FOUND


# Sending again


def test_another_code_voids_the_one_before_and_brings_new_attempts(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    first = service.sms.last_code
    for _ in range(3):
        refusal(verify, service, id, other_code(first))
    renewed = resend(service, id, now_ms=NOW_MS + 30_000)
    assert renewed.attempts_left == 3
    second = service.sms.last_code
    if first != second:
        assert refusal(verify, service, id, first, now_ms=NOW_MS + 30_000).details == {"attempts_left": 2}
    verify(service, id, second, now_ms=NOW_MS + 30_000)


def test_the_wait_between_codes_doubles_and_the_sixth_is_refused(service: Service, phone: PhoneNumber) -> None:
    id, now_ms = service.start(phone), NOW_MS
    for wait_seconds in (30, 60, 120, 240):
        early = refusal(resend, service, id, now_ms=now_ms)
        assert (early.code, early.retry_after_seconds) == (ErrorCode.RATE_LIMITED, wait_seconds)
        almost = refusal(resend, service, id, now_ms=now_ms + wait_seconds * 1000 - 1)
        assert almost.retry_after_seconds == 1
        now_ms += wait_seconds * 1000
        renewed = resend(service, id, now_ms=now_ms)
        assert renewed.code_expires_at == now_ms // 1000 + 300
    assert len(service.sms.sent) == 5
    last = refusal(resend, service, id, now_ms=now_ms + 480_000)
    assert last.code is ErrorCode.RATE_LIMITED
    assert last.retry_after_seconds == codes.KEEP_SECONDS - 480
    assert len(service.sms.sent) == 5


def test_no_other_code_is_sent_once_one_was_used(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    verify(service, id, service.sms.last_code)
    assert refusal(resend, service, id, now_ms=NOW_MS + 60_000).code is ErrorCode.CODE_USED


def test_a_link_has_no_number_to_send_codes_to(service: Service) -> None:
    asha = service.person()
    opened = link_id(bytes(service.open_link(asha).verify_key))
    assert refusal(resend, service, opened, now_ms=NOW_MS + 60_000).code is ErrorCode.NOT_FOUND


# Limits

_numbers = count(1)


def new_source() -> str:
    """Return a network address that no other test uses."""
    return f"10.0.{next(_numbers)}.1"


def start_from(service: Service, source: str, phone: PhoneNumber | None = None, *, now_ms: int = NOW_MS) -> None:
    codes.send_first_code(
        phone or new_phone(), "register", source_address=source, now=Instant(now_ms), deps=service.code_deps
    )


def test_a_number_gets_eight_codes_at_once_and_one_more_every_five_minutes(
    service: Service, phone: PhoneNumber
) -> None:
    for _ in range(8):
        service.start(phone)
    error = refusal(service.start, phone)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 300)
    refusal(service.start, phone, now_ms=NOW_MS + 299_999)
    service.start(phone, now_ms=NOW_MS + 300_000)
    assert len(service.sms.sent) == 9


def test_further_codes_of_a_registration_count_for_its_number(service: Service, phone: PhoneNumber) -> None:
    now_ms = NOW_MS
    id = service.start(phone, now_ms=now_ms)
    for wait_seconds in (30, 60, 120, 240):
        now_ms += wait_seconds * 1000
        resend(service, id, now_ms=now_ms)
    for _ in range(4):  # one has been refilled
        service.start(phone, now_ms=now_ms)
    assert refusal(service.start, phone, now_ms=now_ms).code is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("source", ["192.0.2.77", "2001:db8::77"])
def test_many_people_register_behind_one_address(service: Service, source: str) -> None:
    for _ in range(REGISTRATIONS_PER_ADDRESS):
        start_from(service, source)
    error = refusal(start_from, service, source)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 36)
    start_from(service, new_source())


def test_addresses_of_one_network_in_ipv6_count_together(service: Service) -> None:
    for number in range(REGISTRATIONS_PER_ADDRESS):
        start_from(service, f"2001:db8:1:2:{number:x}::{number:x}")
    assert refusal(start_from, service, "2001:db8:1:2::ffff").code is ErrorCode.RATE_LIMITED
    start_from(service, "2001:db8:1:3::1")


def test_an_ipv4_address_is_the_same_when_it_is_written_as_ipv6(service: Service) -> None:
    for _ in range(REGISTRATIONS_PER_ADDRESS):
        start_from(service, "192.0.2.55")
    assert refusal(start_from, service, "::ffff:192.0.2.55").code is ErrorCode.RATE_LIMITED


def test_a_stranger_holds_up_the_holder_of_a_number_for_minutes_at_most(service: Service, phone: PhoneNumber) -> None:
    """A stranger asks as often as the limits allow, for a day, from one address. The holder asks from another one."""
    sent, day = 0, range(NOW_MS, NOW_MS + 86_400_000, 60_000)
    for now_ms in day:
        with suppress(ProtocolError):
            start_from(service, "192.0.2.1", phone, now_ms=now_ms)
            sent += 1
        if now_ms % 7_200_000 < 60_000:
            start_from(service, "198.51.100.7", phone, now_ms=now_ms)
    assert sent <= 4 + 6 * 24
    end = day[-1]
    with suppress(ProtocolError):
        start_from(service, "192.0.2.1", phone, now_ms=end)
    error = refusal(start_from, service, "192.0.2.1", phone, now_ms=end)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds <= 600


def test_strangers_at_many_addresses_hold_up_the_holder_for_five_minutes_at_most(
    service: Service, phone: PhoneNumber
) -> None:
    with suppress(ProtocolError):
        for number in range(1_000):
            start_from(service, f"172.16.{number % 250}.1", phone)
    error = refusal(start_from, service, new_source(), phone)
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds <= 300
    assert len(service.sms.sent) == 8


# Which numbers SMS go to, and how many


@pytest.mark.parametrize(
    "number",
    [
        "+18765551234",  # Jamaica, in the calling code of North America
        "+447911123456",  # mobile, of another country
        "+870773111632",  # satellite
        "+881612345678",  # satellite
        "+9118001234567",  # toll-free
        "+911860123456",  # shared cost
        "+911122334455",  # fixed line
    ],
)
def test_no_sms_goes_to_another_country_or_to_a_special_number(service: Service, number: str) -> None:
    error = refusal(start_from, service, new_source(), PhoneNumber(number))
    assert error.code is ErrorCode.PHONE_NOT_SERVED
    assert error.details["errors"][0]["pointer"] == "/phone"
    assert service.sms.sent == []


def test_a_stage_may_serve_more_countries(service: Service) -> None:
    more = replace(service.code_deps, sms_rules=SmsRules.of("+91,+977"))
    phone = PhoneNumber("+9779841234567")
    codes.send_first_code(phone, "register", source_address=new_source(), now=Instant(NOW_MS), deps=more)
    assert [number for number, _ in service.sms.sent] == [phone]


def budgeted(service: Service, **limits: int) -> CodeDependencies:
    """Return dependencies with an SMS budget that no other test uses."""
    return replace(service.code_deps, sms_budget=service.sms_budget(f"budget {next(_numbers)}", **limits))


def test_no_more_sms_go_to_one_prefix_than_allowed_in_an_hour(service: Service) -> None:
    deps = budgeted(service, per_prefix=3)

    def start(phone: str, now_ms: int = NOW_MS) -> None:
        codes.send_first_code(
            PhoneNumber(phone), "register", source_address=new_source(), now=Instant(now_ms), deps=deps
        )

    for number in range(3):
        start(f"+9198123{number:05}")
    error = refusal(start, "+919812300009")
    assert error.code is ErrorCode.SMS_LIMITED
    assert error.retry_after_seconds == 3_600 - NOW % 3_600
    assert len(service.stops) == 1
    start("+919812400000")
    start("+919812300009", NOW_MS + error.retry_after_seconds * 1000)


def test_no_more_sms_go_out_than_allowed_in_an_hour(service: Service) -> None:
    deps = budgeted(service, per_hour=2)

    def start(now_ms: int = NOW_MS) -> str:
        return codes.send_first_code(
            new_phone(), "register", source_address=new_source(), now=Instant(now_ms), deps=deps
        ).id

    start()
    id = start()
    assert refusal(start).code is ErrorCode.SMS_LIMITED
    assert refusal(codes.send_next_code, id, now=Instant(NOW_MS + 30_000), deps=deps).code is ErrorCode.SMS_LIMITED
    start(NOW_MS + 3_600_000)


def test_a_budget_of_none_stops_all_registrations(service: Service) -> None:
    deps = budgeted(service, per_hour=0)
    error = refusal(
        codes.send_first_code, new_phone(), "register", source_address=new_source(), now=Instant(NOW_MS), deps=deps
    )
    assert error.code is ErrorCode.SMS_LIMITED
    assert service.sms.sent == []


def test_a_refusal_does_not_tell_whether_the_number_has_an_account(service: Service) -> None:
    deps = budgeted(service, per_hour=0)
    known, unknown = service.person().phone, new_phone()
    refusals = [
        refusal(codes.send_first_code, one, "register", source_address=new_source(), now=Instant(NOW_MS), deps=deps)
        for one in (known, unknown)
    ]
    assert len({(error.code, error.retry_after_seconds, str(error.details)) for error in refusals}) == 1


def test_an_sms_that_cannot_be_handed_over_is_said_so(service: Service, phone: PhoneNumber) -> None:
    service.sms.failing = True
    assert refusal(service.start, phone).code is ErrorCode.SMS_UNAVAILABLE


# Purposes


def test_a_code_for_a_change_of_number_registers_nothing(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone, "change_phone")
    assert refusal(verify, service, id, service.sms.last_code).code is ErrorCode.NOT_FOUND


def test_a_code_for_registering_changes_no_number(service: Service, phone: PhoneNumber) -> None:
    asha = service.person()
    id = service.start(phone, "register")
    error = refusal(service.change_phone, asha, phone, id=id)
    assert error.code is ErrorCode.NOT_FOUND


def test_a_link_is_no_registration_and_a_registration_no_link(
    service: Service, phone: PhoneNumber, keys: DeviceKeys
) -> None:
    asha = service.person()
    opened = link_id(bytes(service.open_link(asha).verify_key))
    assert refusal(verify, service, opened, "123456").code is ErrorCode.NOT_FOUND
    service.start(phone)
    body = keys.joining(SigningKey.generate(), asha.account, at_ms=NOW_MS)
    error = refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps)
    assert error.code is ErrorCode.LINK_INVALID


def test_a_misdirected_guess_of_another_purpose_spends_no_attempt(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone, "change_phone")
    refusal(verify, service, id, "000000")
    challenge = service.codes.read(id, purpose="change_phone", now_seconds=NOW)
    assert challenge is not None
    assert challenge.attempts_left == codes.ATTEMPTS
