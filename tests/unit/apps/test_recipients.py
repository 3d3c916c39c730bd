"""Tests whom an app may write to: everybody, its guests, or only magic numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandes.apps.recipients import MAGIC, read_address
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.app_keys import AppKeys
from tests.support.otps import bubbles, by_account, cancel, check, resend, send, state, work_off
from tests.support.service import PEPPER, Service, new_phone


def refusal(service: Service, *arguments: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        send(service, *arguments)
    return caught.value.code


def test_a_live_key_reaches_anybody_by_number_or_account(service: Service) -> None:
    app, person = service.app(), service.person()
    send(service, app, person)
    send(service, app, by_account(person))
    send(service, app, new_phone())
    assert len(bubbles(service, person)) == 2


def test_a_trial_app_reaches_its_guests_by_number_and_nobody_else(service: Service) -> None:
    guest, stranger = service.person(), service.person()
    app = service.app(mode="trial", guests=[guest.phone])
    send(service, app, guest)
    assert refusal(service, app, stranger) is ErrorCode.NOT_A_GUEST
    assert refusal(service, app, new_phone()) is ErrorCode.NOT_A_GUEST
    assert refusal(service, app, by_account(guest)) is ErrorCode.NOT_A_GUEST
    assert service.stored(stranger) == []
    assert len(service.sms_queue.sent) == 1


def test_the_test_key_of_a_live_app_reaches_its_guests_and_magic_numbers_only(service: Service) -> None:
    guest, stranger = service.person(), service.person()
    app = service.more_keys(service.app(guests=[guest.phone]), test=True)
    send(service, app, guest)
    send(service, app, "+990000000001")
    assert refusal(service, app, stranger) is ErrorCode.NOT_A_GUEST
    assert refusal(service, app, by_account(stranger)) is ErrorCode.NOT_A_GUEST


@pytest.mark.parametrize("number", MAGIC)
def test_a_live_key_does_not_reach_magic_numbers(service: Service, number: str) -> None:
    assert refusal(service, service.app(), number) is ErrorCode.NOT_A_GUEST
    assert refusal(service, service.app(mode="trial"), number) is ErrorCode.NOT_A_GUEST


def test_guests_can_be_changed_and_their_numbers_are_not_kept(service: Service) -> None:
    one, two = service.person(), service.person()
    app = service.app(mode="trial", guests=[one.phone])
    service.operate("app.guests", app=app.app, guests=[two.phone])
    assert refusal(service, app, one) is ErrorCode.NOT_A_GUEST
    send(service, app, two)
    rows = service.client.scan(TableName=service.tables["directory"])["Items"]
    assert two.phone[3:] not in repr(rows)


def test_somebody_who_is_no_guest_any_more_gets_no_further_code(service: Service) -> None:
    guest = service.person()
    app = service.app(mode="trial", guests=[guest.phone])
    id = send(service, app, guest).id
    resend(service, app, id, at=30)
    service.operate("app.guests", app=app.app, guests=[])
    with pytest.raises(ProtocolError) as caught:
        resend(service, app, id, at=90)
    assert caught.value.code is ErrorCode.NOT_A_GUEST
    assert len(bubbles(service, guest)) == 2


@pytest.mark.parametrize(("number", "outcome"), MAGIC.items())
def test_a_magic_number_takes_the_known_code_or_simulates_that_it_has_expired(
    service: Service, number: str, outcome: str
) -> None:
    app = service.app(test=True)
    made = send(service, app, number)
    assert made.status == "pending"
    expected = ("expired", 3) if outcome == "expired" else ("approved", 2)
    assert check(service, app, made.id, "123456") == expected
    assert service.sms_queue.sent == []
    assert work_off(service) == []


@pytest.mark.parametrize("number", MAGIC)
def test_a_magic_number_stays_what_it_is_when_another_code_is_sent(service: Service, number: str) -> None:
    app = service.app(test=True)
    made = send(service, app, number, length=8)
    resend(service, app, made.id, at=30)
    expired = MAGIC[number] == "expired"
    assert state(service, app, made.id, at=31).status == ("expired" if expired else "pending")
    assert check(service, app, made.id, "12345678", at=31)[0] == ("expired" if expired else "approved")


def test_magic_numbers_have_no_limits(service: Service) -> None:
    app = service.app(test=True)
    for _ in range(12):
        cancel(service, app, send(service, app, "+990000000001").id)


def all_refused(service: Service, app: AppKeys, id: str) -> list[ErrorCode]:
    """Return the refusals of all calls about an OTP."""
    calls: list[Callable[[], Any]] = [
        lambda: state(service, app, id),
        lambda: check(service, app, id, "123456"),
        lambda: resend(service, app, id, at=30),
        lambda: cancel(service, app, id),
    ]
    codes = []
    for call in calls:
        with pytest.raises(ProtocolError) as caught:
            call()
        codes.append(caught.value.code)
    return codes


def test_what_a_test_key_sent_is_not_there_for_live_keys_and_the_other_way_round(service: Service) -> None:
    guest = service.person()
    live = service.app(guests=[guest.phone])
    test = service.more_keys(live, test=True)
    for mine, others in ((live, test), (test, live)):
        id = send(service, mine, guest).id
        for refused in all_refused(service, others, id):
            assert refused is ErrorCode.NOT_FOUND
        assert state(service, mine, id).status == "pending"


@pytest.mark.parametrize(
    "text",
    ["9876543210", "+91", "+1234", "+910000000000", "tel:+919876543210", "+9198765432101", "+91 98765 43210 ext 5"],
)
def test_what_is_no_number_is_refused_with_its_pointer(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_address(app_api.Recipient(phone=text), PEPPER)
    assert caught.value.code is ErrorCode.INVALID_PHONE
    assert [fault["pointer"] for fault in caught.value.details["errors"]] == ["/to/phone"]
    assert text not in str(caught.value.details)


def test_a_number_has_one_pseudonym_however_it_is_written() -> None:
    spellings = ["+919876543210", "+91 98765 43210", "+91-98765-43210"]
    addresses = {read_address(app_api.Recipient(phone=text), PEPPER) for text in spellings}
    assert len(addresses) == 1
