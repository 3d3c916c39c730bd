"""Tests one-time passwords on a real database with concurrent callers: attempts, codes and caps are counted exactly."""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from sandes.crypto.statements import link_id
from sandes.model.ids import parse_app
from sandes.model.instant import Instant
from sandes.people import codes, devices
from sandes.protocol.client_api import VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import SmsRules
from sandes.store import schema
from sandes.store.otps import otp_key
from tests.support.app_keys import AppKeys
from tests.support.keys import DeviceKeys
from tests.support.otps import bubbles, by_account, cancel, check, code_for, other, resend, send, state, work_off
from tests.support.service import Person, Service, new_phone

DAY = 86_400


@pytest.fixture(scope="module")
def app(store_backend: Service) -> AppKeys:
    return store_backend.app()


@pytest.fixture
def service(store_backend: Service) -> Service:
    store_backend.sms_queue.sent.clear()
    store_backend.sms.texts.clear()
    return store_backend


@pytest.fixture
def person(service: Service) -> Person:
    return service.person()


def refusal(call: Any, *arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    error: ProtocolError = caught.value
    return error


def all_at_once(how_many: int, call: Callable[[int], Any]) -> Counter[Any]:
    """Count each answer or refusal. `unavailable` is tried again, as an app would do."""

    def one(number: int) -> Any:
        for _ in range(20):
            try:
                return call(number)
            except ProtocolError as refused:
                if refused.code is not ErrorCode.UNAVAILABLE:
                    return refused.code
        raise AssertionError("unavailable for good")

    with ThreadPoolExecutor(min(how_many, 16)) as pool:
        return Counter(pool.map(one, range(how_many)))


def otp_row(service: Service, id: str) -> dict[str, Any]:
    key: Any = otp_key(id)
    return dict(service.client.get_item(TableName=service.tables["codes"], Key=key, ConsistentRead=True)["Item"])


# SMS


def test_a_code_over_the_budget_of_the_hour_is_not_sent_by_sms(service: Service) -> None:
    app = service.app()
    id = send(service, app, new_phone()).id
    none_left = service.sms_deps(sms_budget=service.sms_budget("spent", per_hour=0))
    assert work_off(service, at=1, deps=none_left) == ["over_budget"]
    assert service.stops == ["spent"]
    assert state(service, app, id).status == "pending"


def test_a_number_that_gets_no_sms_is_written_to_in_the_app_alone(service: Service) -> None:
    app = service.app()
    assert send(service, app, "+447911123456").channel == "app"
    assert service.sms_queue.sent == []
    assert send(service, app, new_phone()).channel == "app_then_sms"


def test_an_account_whose_number_is_served_no_more_gets_no_sms(service: Service, person: Person) -> None:
    app = service.app()
    send(service, app, by_account(person))
    elsewhere = service.sms_deps(sms_rules=SmsRules.of("+44"))
    assert work_off(service, at=10, deps=elsewhere) == ["not_served"]


# Other kinds of codes


@pytest.mark.parametrize("purpose", ["register", "change_phone", "link", "login"])
def test_no_call_about_registrations_or_links_finds_an_otp(service: Service, person: Person, purpose: str) -> None:
    id = send(service, service.app(), person).id
    service.client.update_item(  # as if an app could still choose a purpose of the platform
        TableName=service.tables["codes"],
        Key=otp_key(id),
        UpdateExpression="SET u = :purpose",
        ExpressionAttributeValues={":purpose": {"S": purpose}},
    )
    before = otp_row(service, id)
    keys = DeviceKeys()
    device = keys.new_device(id)
    registering = VerifyRegistration(code="123456", device=device)
    known, now_ms = service.device_deps, service.now_ms
    refusals = [
        refusal(devices.register, id, registering, now=Instant(now_ms), deps=known),
        refusal(service.change_phone, person, person.phone, id=id),
        refusal(codes.send_next_code, id, now=Instant(now_ms + 60_000), deps=service.code_deps),
    ]
    assert [refused.code.value for refused in refusals] == ["not_found", "not_found", "not_found"]
    assert otp_row(service, id) == before


@pytest.mark.parametrize("kind", ["register", "change_phone", "link"])
def test_no_call_about_otps_finds_a_registration_or_a_link(
    service: Service, app: AppKeys, person: Person, kind: str
) -> None:
    id = link_id(bytes(service.open_link(person).verify_key)) if kind == "link" else service.start(new_phone(), kind)
    calls: list[Callable[..., Any]] = [state, cancel, resend, partial(check, code="123456")]
    assert {refusal(call, service, app, id).code for call in calls} == {ErrorCode.NOT_FOUND}


# Checks


def test_fifty_parallel_wrong_guesses_consume_exactly_three_attempts(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    guesses = [f"{(int(code) + 1 + number) % 10**6:06}" for number in range(50)]
    answers = all_at_once(50, lambda number: check(service, app, id, guesses[number], key=f"g{number}"))
    counted = {("incorrect", 2): 1, ("incorrect", 1): 1}
    assert {answer: answers[answer] for answer in counted} == counted
    assert answers["locked", 0] == 48
    assert len(otp_row(service, id)[schema.OtpRow.CHECKS]["M"]) == 3
    assert check(service, app, id, code) == ("locked", 0)


def test_fifty_parallel_right_codes_approve_exactly_once(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    answers = all_at_once(50, lambda number: check(service, app, id, code, key=f"r{number}")[0])
    assert answers["approved"] == 1
    assert set(answers) <= {"approved", "used", "locked"}
    assert check(service, app, id, code)[0] == "used"
    assert [bubble["void"] for bubble in bubbles(service, person)] == ["used"]


def test_one_request_repeated_in_parallel_is_one_attempt_with_one_answer(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    assert all_at_once(20, lambda _: check(service, app, id, other(code), key="g")) == {("incorrect", 2): 20}
    assert all_at_once(20, lambda _: check(service, app, id, code, key="r")) == {("approved", 1): 20}


def test_the_third_attempt_may_be_the_right_one(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    assert [check(service, app, id, other(code))[1] for _ in range(2)] == [2, 1]
    assert check(service, app, id, code) == ("approved", 0)


def test_an_expired_used_locked_or_cancelled_code_is_told_from_a_wrong_one(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person, ttl=120).id
    code = code_for(service, person)
    for given in (code, other(code)):
        assert check(service, app, id, given, at=120) == ("expired", 3)
    assert state(service, app, id, at=120).status == "expired"
    assert check(service, app, id, code, at=119) == ("approved", 2)
    for given in (code, other(code)):
        assert check(service, app, id, given, at=119) == ("used", 2)
        assert check(service, app, id, given, at=500) == ("used", 2)
    assert refusal(cancel, service, app, id).code is ErrorCode.CODE_USED
    assert refusal(resend, service, app, id, at=40).code is ErrorCode.CODE_USED

    locked = send(service, app, person).id
    code = code_for(service, person)
    for _ in range(3):
        check(service, app, locked, other(code))
    assert check(service, app, locked, code) == ("locked", 0)
    assert state(service, app, locked).status == "locked"
    cancel(service, app, locked)

    cancelled = send(service, app, person).id
    code = code_for(service, person)
    cancel(service, app, cancelled)
    cancel(service, app, cancelled)
    for given in (code, other(code)):
        assert check(service, app, cancelled, given) == ("cancelled", 3)
    assert refusal(resend, service, app, cancelled, at=40).code is ErrorCode.CODE_CANCELLED


def test_a_code_for_one_purpose_is_none_for_another(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person, purpose="payment.new").id
    code = code_for(service, person)
    assert check(service, app, id, code) == ("incorrect", 2)
    assert check(service, app, id, code, purpose="payment") == ("incorrect", 1)
    assert check(service, app, id, code, purpose="payment.new") == ("approved", 0)


def test_a_code_of_one_otp_is_none_for_another(service: Service, app: AppKeys) -> None:
    one, two = service.person(), service.person()
    first, second = send(service, app, one).id, send(service, app, two, length=8).id
    assert check(service, app, second, code_for(service, one)) == ("incorrect", 2)
    assert check(service, app, first, code_for(service, two)) == ("incorrect", 2)
    assert len(code_for(service, two)) == 8


def test_another_apps_otp_is_not_there(service: Service, app: AppKeys, person: Person) -> None:
    id, stranger = send(service, app, person).id, service.app()
    code = code_for(service, person)
    calls: list[Callable[[str], Any]] = [
        lambda some: check(service, stranger, some, code),
        lambda some: resend(service, stranger, some, at=60),
        lambda some: cancel(service, stranger, some),
        lambda some: state(service, stranger, some),
    ]
    for call in calls:
        errors = [refusal(call, some) for some in (id, "A" * 22)]
        assert {(error.code, str(error.details)) for error in errors} == {(ErrorCode.NOT_FOUND, "{}")}
    assert check(service, app, id, code) == ("approved", 2)


def test_the_state_is_kept_for_a_day_after_the_code_has_expired(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person, client_ref="case 7").id
    shown = state(service, app, id, at=300 + DAY - 1)
    assert (shown.status, shown.client_ref) == ("expired", "case 7")
    assert refusal(state, service, app, id, at=300 + DAY).code is ErrorCode.NOT_FOUND
    assert refusal(check, service, app, id, "123456", at=300 + DAY).code is ErrorCode.NOT_FOUND


# Resends


def test_another_code_takes_the_place_of_the_first_whose_bubble_turns_void(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    old = code_for(service, person)
    check(service, app, id, other(old))
    again = resend(service, app, id, at=30)
    assert (again.id, again.status, again.attempts_left) == (id, "pending", 3)
    first, second = sorted(bubbles(service, person), key=lambda bubble: bubble["void"] is None)
    assert (first["code"], first["void"], second["void"]) == (old, "replaced", None)
    if second["code"] != old:
        assert check(service, app, id, old, at=31) == ("incorrect", 2)
    assert check(service, app, id, second["code"], at=31)[0] == "approved"
    assert {bubble["void"] for bubble in bubbles(service, person)} == {"replaced", "used"}


def test_of_parallel_resends_one_makes_a_code_and_that_one_is_right(
    service: Service, app: AppKeys, person: Person
) -> None:
    id = send(service, app, person).id
    answers = all_at_once(8, lambda number: resend(service, app, id, at=30, key=f"again{number}").status)
    assert answers == {"pending": 1, ErrorCode.RESEND_TOO_SOON: 7}
    assert [bubble["void"] for bubble in bubbles(service, person)].count(None) == 1
    assert len(bubbles(service, person)) == 2
    assert check(service, app, id, code_for(service, person), at=31) == ("approved", 2)


def test_one_resend_repeated_in_parallel_makes_one_code(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    answers = all_at_once(8, lambda _: resend(service, app, id, at=30, key="again").model_dump_json())
    assert len(answers) == 1
    assert len(bubbles(service, person)) == 2
    assert check(service, app, id, code_for(service, person), at=31) == ("approved", 2)


def test_a_check_and_a_resend_at_once_never_accept_a_code_that_was_replaced(service: Service, app: AppKeys) -> None:
    for number in range(6):
        person = service.person()
        id = send(service, app, person).id
        code = code_for(service, person)
        results: dict[str, Any] = {}

        def call(which: int, id: str = id, code: str = code, results: dict[str, Any] = results) -> str:
            if which:
                results["check"] = check(service, app, id, code, at=30)[0]
            else:
                results["resend"] = resend(service, app, id, at=30).status
            return "done"

        answers = all_at_once(2, call)
        voids = [bubble["void"] for bubble in bubbles(service, person)]
        if results.get("check") == "approved":
            assert answers[ErrorCode.CODE_USED] == 1, number
            assert voids == ["used"]
        else:
            assert results == {"check": "incorrect", "resend": "pending"}
            assert sorted(voids, key=str) == [None, "replaced"]


def test_cool_downs_are_30_60_120_240_seconds_and_then_it_is_over(
    service: Service, app: AppKeys, person: Person
) -> None:
    id, at = send(service, app, person).id, 0
    for wait in (30, 60, 120, 240):
        error = refusal(resend, service, app, id, at=at + wait - 1)
        assert (error.code, error.retry_after_seconds) == (ErrorCode.RESEND_TOO_SOON, 1)
        assert refusal(resend, service, app, id, at=at).retry_after_seconds == wait
        at += wait
        assert resend(service, app, id, at=at).resend_after.timestamp() == service.now_ms // 1000 + at + 2 * wait
    assert refusal(resend, service, app, id, at=at + 100_000).code in {
        ErrorCode.RECIPIENT_LIMITED,
        ErrorCode.NOT_FOUND,
    }
    assert refusal(resend, service, app, id, at=at + 480).code is ErrorCode.RECIPIENT_LIMITED
    assert len(bubbles(service, person)) == 5


# Caps


def test_five_codes_in_fifteen_minutes_per_app_and_recipient(service: Service, app: AppKeys, person: Person) -> None:
    for number in range(5):
        send(service, app, person, at=number * 10)
    error = refusal(send, service, app, person, at=100)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RECIPIENT_LIMITED, 800)
    assert refusal(send, service, app, person, at=899).retry_after_seconds == 1
    send(service, app, person, at=900)
    assert refusal(send, service, app, person, at=900).retry_after_seconds == 10
    send(service, service.app(), person, at=900)  # another app's codes are counted by themselves


def test_what_is_refused_uses_up_no_quota(service: Service, person: Person) -> None:
    trial = service.app(mode="trial", guests=[person.phone])

    def used() -> int:
        app = service.app_view().apps.read(parse_app(trial.app))
        assert app
        return service.otp_deps().quotas.usage(app, test=False, now_seconds=service.now_ms // 1000)[1].used

    for _ in range(5):
        send(service, trial, person)
    for _ in range(3):
        assert refusal(send, service, trial, person).code is ErrorCode.RECIPIENT_LIMITED
    assert used() == 5


def test_a_resend_takes_one_of_the_quota_and_a_refused_one_nothing(service: Service, person: Person) -> None:
    trial = service.app(mode="trial", guests=[person.phone])

    def used() -> int:
        app = service.app_view().apps.read(parse_app(trial.app))
        assert app
        return service.otp_deps().quotas.usage(app, test=False, now_seconds=service.now_ms // 1000)[1].used

    id = send(service, trial, person).id
    for _ in range(3):
        send(service, trial, person)
    assert used() == 4
    resend(service, trial, id, at=30)
    assert used() == 5
    assert refusal(resend, service, trial, id, at=31).code is ErrorCode.RESEND_TOO_SOON
    assert refusal(resend, service, trial, id, at=90).code is ErrorCode.RECIPIENT_LIMITED
    assert used() == 5


def test_resends_count_as_codes(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    for _ in range(3):
        send(service, app, person)
    resend(service, app, id, at=30)
    assert refusal(resend, service, app, id, at=90).code is ErrorCode.RECIPIENT_LIMITED
    assert refusal(send, service, app, person, at=90).code is ErrorCode.RECIPIENT_LIMITED


def test_ten_codes_a_day_per_app_and_recipient(service: Service, app: AppKeys, person: Person) -> None:
    for number in range(10):
        send(service, app, person, at=number * 300)
    error = refusal(send, service, app, person, at=10_000)
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RECIPIENT_LIMITED, DAY - 10_000)
    send(service, app, person, at=DAY)
    assert refusal(send, service, app, person, at=DAY).retry_after_seconds == 300


def test_thirty_codes_a_day_per_recipient_over_all_apps(service: Service, person: Person) -> None:
    apps = [service.app() for _ in range(4)]
    for number in range(30):
        send(service, apps[number // 9], person, at=number * 300)
    assert [refusal(send, service, one, person, at=10_000).code for one in (apps[3], service.app())] == [
        ErrorCode.RECIPIENT_LIMITED
    ] * 2
    assert len(bubbles(service, person)) == 30
    send(service, service.app(), person, at=DAY)


def test_parallel_sends_never_pass_the_cap(service: Service, app: AppKeys, person: Person) -> None:
    answers = all_at_once(12, lambda number: send(service, app, person, key=f"p{number}").status)
    assert answers == {"pending": 5, ErrorCode.RECIPIENT_LIMITED: 7}
    assert len(bubbles(service, person)) == 5


def test_parallel_sends_of_many_apps_never_pass_the_cap_over_all(service: Service, person: Person) -> None:
    apps = [service.app() for _ in range(4)]
    for number in range(24):
        send(service, apps[number % 4], person, at=-43_200 + number * 300)
    answers = all_at_once(12, lambda number: send(service, apps[number % 4], person, key=f"p{number}").status)
    assert answers == {"pending": 6, ErrorCode.RECIPIENT_LIMITED: 6}


def test_a_number_and_the_account_behind_it_share_one_cap(service: Service, app: AppKeys, person: Person) -> None:
    for number in range(5):
        send(service, app, person if number % 2 else by_account(person))
    assert refusal(send, service, app, person).code is ErrorCode.RECIPIENT_LIMITED
    assert refusal(send, service, app, by_account(person)).code is ErrorCode.RECIPIENT_LIMITED


def test_people_without_the_app_have_the_same_caps(service: Service, app: AppKeys) -> None:
    phone = new_phone()
    for _ in range(5):
        send(service, app, phone)
    spelled = f"+91 {phone[3:8]} {phone[8:]}"
    assert refusal(send, service, app, spelled).code is ErrorCode.RECIPIENT_LIMITED


# SMS


def test_an_sms_goes_out_only_when_no_device_has_acknowledged(service: Service, app: AppKeys) -> None:
    silent, reading = service.person(2), service.person(2)
    send(service, app, silent)
    send(service, app, reading)
    service.inbox.remove(reading.devices[1].inbox, [service.stored(reading, 1)[0].id])
    assert [delay for _, delay in service.sms_queue.sent] == [8, 8]
    assert work_off(service, at=8) == ["sent", "acknowledged"]
    (sms,) = service.sms.texts
    assert (sms.phone, sms.entity_id, sms.template_id) == (silent.phone, "1101000000000000001", "1107000000000000001")
    assert sms.text == f"{code_for(service, silent)} is your code for passports. Tell it to nobody."


def test_somebody_without_a_device_gets_the_sms_at_once(service: Service, app: AppKeys) -> None:
    phone = new_phone()
    id = send(service, app, phone).id
    assert [delay for _, delay in service.sms_queue.sent] == [1]
    assert work_off(service, at=1) == ["sent"]
    assert service.sms.texts[0].phone == phone
    assert check(service, app, id, service.sms.texts[0].text[:6], at=2) == ("approved", 2)


def test_an_sms_to_an_account_goes_to_its_number(service: Service, app: AppKeys, person: Person) -> None:
    send(service, app, by_account(person))
    assert work_off(service, at=8) == ["sent"]
    assert service.sms.texts[0].phone == person.phone


def test_an_account_that_does_not_exist_gets_none(service: Service, app: AppKeys) -> None:
    send(service, app, {"account": "aaaaaaaaaaaaa"})
    assert work_off(service, at=8) == ["no_number"]


@pytest.mark.parametrize("after", ["use", "cancel", "resend", "expiry", "lock"])
def test_no_sms_goes_out_with_a_code_that_is_of_no_more_use(
    service: Service, app: AppKeys, person: Person, after: str
) -> None:
    id = send(service, app, person).id
    code = code_for(service, person)
    queued = list(service.sms_queue.sent)
    if after == "use":
        check(service, app, id, code)
    if after == "cancel":
        cancel(service, app, id)
    if after == "resend":
        resend(service, app, id, at=30)
    if after == "lock":
        for _ in range(3):
            check(service, app, id, other(code))
    service.sms_queue.sent[:] = queued
    assert work_off(service, at=300 if after == "expiry" else 40) == ["no_longer_needed"]
    assert service.sms.texts == []


def test_an_sms_delivered_twice_by_the_queue_is_sent_once(service: Service, app: AppKeys, person: Person) -> None:
    send(service, app, person)
    assert work_off(service, at=8, again=True) == ["sent"]
    assert work_off(service, at=9) == ["sent_before"]
    assert len(service.sms.texts) == 1


def test_each_resend_has_an_sms_of_its_own(service: Service, app: AppKeys, person: Person) -> None:
    id = send(service, app, person).id
    assert work_off(service, at=8) == ["sent"]
    resend(service, app, id, at=30)
    assert work_off(service, at=38) == ["sent"]
    assert [sms.text[:6] for sms in service.sms.texts][1] == code_for(service, person)


@pytest.mark.parametrize("why", ["the app has no SMS", "no DLT ids", "no DLT id for the language"])
def test_no_sms_is_queued_where_it_may_not_go_out(service: Service, why: str) -> None:
    app = service.app(sms=why != "the app has no SMS")
    language = "hi" if why.endswith("language") else "en"
    if why == "no DLT ids":
        service.operate("template.put", app=app.app, name="login", kind="otp", texts={"en": "{{ code }} {{ service }}"})
    made = send(service, app, new_phone(), language=language)
    assert (made.channel, service.sms_queue.sent) == ("app", [])


def test_the_queue_holds_no_code_number_or_variable_in_clear(service: Service, app: AppKeys) -> None:
    canary = f"canary{secrets.token_hex(6)}"
    person, phone = service.person(), new_phone()
    for to in (person, phone):
        send(service, app, to, variables={"service": canary}, purpose=canary)
    bodies = repr([(body, b64decode(body["sealed"])) for body, _ in service.sms_queue.sent])
    for secret in (code_for(service, person), canary, phone[1:], person.phone[1:]):
        assert secret not in bodies
    assert set(service.sms_queue.sent[0][0]) == {"app", "otp", "send", "hash", "sealed", "envelopes"}


def test_the_table_holds_no_code_number_or_variable_in_clear(service: Service, app: AppKeys, person: Person) -> None:
    canary = f"canary{secrets.token_hex(6)}"
    id = send(service, app, person, variables={"service": canary}).id
    code = code_for(service, person)
    check(service, app, id, other(code))
    row = repr(otp_row(service, id))
    for secret in (f"'{code}'", f"'{other(code)}'", canary, person.phone[1:]):
        assert secret not in row
