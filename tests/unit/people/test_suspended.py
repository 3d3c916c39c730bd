"""Tests that a suspended account can do nothing until it is resumed, while messages to it wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandes.crypto import statements
from sandes.identity.devices import authenticate
from sandes.messaging import deliver
from sandes.messaging.send import send
from sandes.model.ids import new_app_id, new_body_id, new_message_id
from sandes.model.instant import Instant
from sandes.model.suspension import Suspension
from sandes.people import devices
from sandes.protocol.client_api import ChangePhone, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Ack, Fetch, Hello, Ping, Receipt, Sync
from sandes.store.directory import DirectoryStore
from sandes.store.enrolment import EnrolmentStore
from sandes.store.suspensions import SuspensionRaced, SuspensionStore
from tests.support.dynamodb import OvertakenClient
from tests.support.keys import DeviceKeys
from tests.support.service import AUDIENCE, NOW, NOW_MS, Person, Service, new_phone


def store(service: Service) -> SuspensionStore:
    return SuspensionStore(service.client, service.tables["directory"], service.tables["routing"])


def suspend(service: Service, person: Person) -> Suspension:
    of = service.organisation()
    made = Suspension(of, service.unit(of), NOW, "the device was stolen")
    store(service).suspend(person.account, made)
    return made


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def test_a_suspension_is_kept_with_the_account_and_its_routing_item(service: Service) -> None:
    person = service.person()
    made = suspend(service, person)
    assert service.account(person.account).suspension == made
    assert service.routes(person).suspended
    store(service).resume(person.account, made)
    assert service.account(person.account).suspension is None
    assert not service.routes(person).suspended


def test_one_suspension_at_a_time_and_only_the_one_in_force_is_ended(service: Service) -> None:
    person = service.person()
    made = suspend(service, person)
    with pytest.raises(SuspensionRaced):
        suspend(service, person)
    other = Suspension(made.organisation, made.unit, NOW + 1, made.reason)
    with pytest.raises(SuspensionRaced):
        store(service).resume(person.account, other)
    assert service.account(person.account).suspension == made


def test_the_token_of_a_suspended_account_is_refused_with_the_reason_and_a_bad_one_without(service: Service) -> None:
    person = service.person()
    token = person.keys[0].token(str(person.address()), now_seconds=NOW, audience=AUDIENCE)
    forged = DeviceKeys().token(str(person.address()), now_seconds=NOW, audience=AUDIENCE)
    named: dict[str, Any] = {"audience": AUDIENCE, "now": Instant(NOW_MS), "directory": service.directory}
    assert authenticate(token, **named).account.id == person.account
    made = suspend(service, person)
    assert refused(authenticate, token, **named) is ErrorCode.SUSPENDED
    assert refused(authenticate, forged, **named) is ErrorCode.TOKEN_INVALID
    store(service).resume(person.account, made)
    assert authenticate(token, **named).account.id == person.account


def test_no_frame_of_a_suspended_account_is_taken(service: Service) -> None:
    person, other = service.person(), service.person()
    socket = service.online(person)
    suspend(service, person)
    principal, deps = person.principal(), service.deliver_deps()
    frames: list[Any] = [
        Hello(type="hello", protocol=1),
        Sync(type="sync"),
        Ping(type="ping"),
        Fetch(type="fetch", body=new_body_id()),
        Ack(type="ack", ids=(), receipts=(Receipt(kind="read", to=other.account, ids=(new_message_id(NOW_MS),)),)),
        Ack(type="ack", ids=(), receipts=(Receipt(kind="read", app=new_app_id(), ids=(new_message_id(NOW_MS),)),)),
    ]
    for frame in frames:
        assert refused(deliver.receive, frame, principal, socket, now=Instant(NOW_MS), deps=deps) is ErrorCode.SUSPENDED
    message = service.message(other)
    assert refused(send, message, principal, now=Instant(NOW_MS), deps=service.send_deps()) is ErrorCode.SUSPENDED
    assert service.stored(other) == []


def test_what_is_sent_to_a_suspended_account_waits_for_it(service: Service) -> None:
    person, other = service.person(), service.person()
    made = suspend(service, person)
    send(service.message(person), other.principal(), now=Instant(NOW_MS), deps=service.send_deps())
    assert len(service.stored(person)) == 1
    store(service).resume(person.account, made)
    hello, deps = Hello(type="hello", protocol=1), service.deliver_deps()
    answer = deliver.hello(hello, person.principal(), service.socket(), now=Instant(NOW_MS), deps=deps)
    assert answer.type == "drained"


def test_a_suspended_account_does_not_come_back_by_its_number_or_by_a_link(service: Service) -> None:
    person = service.person()
    opened = service.open_link(person)
    made = suspend(service, person)
    assert refused(service.register, person.phone, DeviceKeys()) is ErrorCode.SUSPENDED
    more = DeviceKeys().joining(opened, person.account, at_ms=NOW_MS)
    assert refused(devices.link, more, now=Instant(NOW_MS), deps=service.device_deps) is ErrorCode.LINK_INVALID
    assert len(service.account(person.account).devices) == 1
    store(service).resume(person.account, made)
    assert service.register(person.phone, DeviceKeys()).account == person.account


def test_a_registration_that_was_under_way_when_the_account_was_suspended_is_refused(service: Service) -> None:
    person, keys = service.person(), DeviceKeys()
    id = service.start(person.phone)
    body = VerifyRegistration(code=service.sms.last_code, device=keys.new_device(id))
    late: Any = OvertakenClient(service.client, "transact_write_items", lambda: suspend(service, person))
    directory = DirectoryStore(late, service.tables["directory"])
    deps = replace(service.device_deps, enrolment=EnrolmentStore(directory, service.routing, service.codes))
    assert refused(devices.register, id, body, now=Instant(NOW_MS), deps=deps) is ErrorCode.SUSPENDED
    assert service.routes(person).suspended


def test_a_change_of_number_that_was_under_way_when_the_account_was_suspended_is_not_made(service: Service) -> None:
    person, phone = service.person(), new_phone()
    caller, id = service.caller(person), service.start(phone, "change_phone")
    body = ChangePhone(registration=id, phone=phone, code=service.sms.last_code)
    signed = service.signed(person, statements.change_phone(id, phone))
    late: Any = OvertakenClient(service.client, "transact_write_items", lambda: suspend(service, person))
    directory = DirectoryStore(late, service.tables["directory"])
    deps = replace(service.device_deps, enrolment=EnrolmentStore(directory, service.routing, service.codes))
    before = service.account(person.account).phone_index
    assert refused(devices.change_phone, caller, body, signed, now=Instant(NOW_MS), deps=deps) is ErrorCode.UNAVAILABLE
    assert late.overtaken
    assert service.account(person.account).phone_index == before
