"""Codes: wrong, expired, used and locked are told apart; attempts, sends and purposes are counted exactly."""

from __future__ import annotations

from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.crypto.statements import link_id
from sandes.model.challenge import Challenge
from sandes.model.phone import PhoneNumber
from sandes.people import devices, verification
from sandes.protocol.client_api import Registered, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.codes import code_key
from sandes.store.schema import CodeKind
from tests.support.keys import DeviceKeys
from tests.support.service import NOW, NOW_MS, PEPPER, Service, new_phone
from tests.support.sms import other_code


@pytest.fixture
def phone() -> PhoneNumber:
    return new_phone()


@pytest.fixture
def keys() -> DeviceKeys:
    return DeviceKeys()


def verify(service: Service, id: str, code: str, keys: DeviceKeys | None = None, *, now_ms: int = NOW_MS) -> Registered:
    body = VerifyRegistration(code=code, device=(keys or DeviceKeys()).new_device(id))
    return devices.register(id, body, now_ms=now_ms, deps=service.device_deps)


def resend(service: Service, id: str, *, now_ms: int) -> Challenge:
    return verification.send_next_code(id, now_ms=now_ms, deps=service.code_deps)


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
    gone = NOW_MS + verification.KEEP_SECONDS * 1000
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
    assert last.retry_after_seconds == verification.KEEP_SECONDS - 480
    assert len(service.sms.sent) == 5


def test_no_other_code_is_sent_once_one_was_used(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone)
    verify(service, id, service.sms.last_code)
    assert refusal(resend, service, id, now_ms=NOW_MS + 60_000).code is ErrorCode.CODE_USED


def test_a_link_has_no_number_to_send_codes_to(service: Service) -> None:
    asha = service.person()
    opened = link_id(bytes(service.open_link(asha).verify_key))
    assert refusal(resend, service, opened, now_ms=NOW_MS + 60_000).code is ErrorCode.NOT_FOUND


def test_a_number_gets_six_registrations_at_once_and_one_more_after_the_wait(
    service: Service, phone: PhoneNumber
) -> None:
    for _ in range(6):
        service.start(phone)
    error = refusal(service.start, phone)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 30)
    refusal(service.start, phone, now_ms=NOW_MS + 29_999)
    service.start(phone, now_ms=NOW_MS + 30_000)
    assert len(service.sms.sent) == 7


def test_one_network_address_gets_six_registrations_at_once_whatever_the_numbers(service: Service) -> None:
    def start() -> None:
        verification.send_first_code(
            new_phone(), "register", source_address="192.0.2.1", now_ms=NOW_MS, deps=service.code_deps
        )

    for _ in range(6):
        start()
    assert refusal(start).code is ErrorCode.RATE_LIMITED
    assert len(service.sms.sent) == 6


def test_ten_codes_are_all_a_number_gets_however_they_are_asked_for(service: Service, phone: PhoneNumber) -> None:
    now_ms, hour_ms = NOW_MS, 3_600_000
    for _ in range(2):
        id = service.start(phone, now_ms=now_ms)
        for wait_seconds in (30, 60, 120, 240):
            now_ms += wait_seconds * 1000
            resend(service, id, now_ms=now_ms)
    assert len(service.sms.sent) == 10
    error = refusal(service.start, phone, now_ms=now_ms)
    assert error.code is ErrorCode.RATE_LIMITED
    assert error.retry_after_seconds is not None
    assert error.retry_after_seconds > 2 * hour_ms // 1000 - 1_000
    service.start(phone, now_ms=now_ms + error.retry_after_seconds * 1000)
    assert len(service.sms.sent) == 11


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
    error = refusal(devices.link, body, now_ms=NOW_MS, deps=service.device_deps)
    assert error.code is ErrorCode.LINK_INVALID


def test_a_misdirected_guess_of_another_purpose_spends_no_attempt(service: Service, phone: PhoneNumber) -> None:
    id = service.start(phone, "change_phone")
    refusal(verify, service, id, "000000")
    challenge = service.codes.read(id, purpose="change_phone", now_seconds=NOW)
    assert challenge is not None
    assert challenge.attempts_left == verification.ATTEMPTS
