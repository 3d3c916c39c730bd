"""Tests devices: registration, another registration, linking, unlinking, seal keys, change of number."""

from __future__ import annotations

from typing import Any

import pytest
from nacl.signing import SigningKey

from sandes.crypto import statements
from sandes.crypto.statements import registration_statement
from sandes.identity.signed_acts import SKEW_MS
from sandes.limits import Limit
from sandes.model.device import MAX_DEVICES
from sandes.model.ids import DeviceNumber
from sandes.model.instant import Instant
from sandes.people import accounts, devices
from sandes.protocol.client_api import ChangePhone, LinkDevice, OpenLink, Registered, VerifyRegistration
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.keys import DeviceKeys
from tests.support.service import NOW, NOW_MS, PEPPER, Person, Service, new_phone

SMALL_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
]
LATER_MS = NOW_MS + 60_000


def refusal(call: Any, *arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    error: ProtocolError = caught.value
    return error


def register(service: Service, id: str, device: Any) -> Registered:
    body = VerifyRegistration(code=service.sms.last_code, device=device)
    return devices.register(id, body, now=Instant(NOW_MS), deps=service.device_deps)


@pytest.fixture
def asha(service: Service) -> Person:
    return service.person()


# Registering


def test_a_new_number_gets_an_account_with_one_device(service: Service) -> None:
    phone, keys = new_phone(), DeviceKeys()
    made = service.register(phone, keys)
    account = service.account(made.account)
    (device,) = account.devices.values()
    assert (made.device, device.number, device.registration) == (1, 1, made.registration_id)
    assert (device.identity_key, device.name, device.platform) == (keys.identity_public, "Asha's phone", "android")
    assert (account.standing, account.created_at) == (None, NOW)
    assert service.directory.account_of_phone(PEPPER.index("phone", phone)) == made.account
    assert PEPPER.open_phone(account.phone_sealed, made.account) == phone
    routes = service.routing.read(made.account, now_seconds=NOW)
    assert routes is not None
    assert routes.devices[device.number].seal_key.public == keys.seal_public


def test_registering_again_keeps_the_account_and_replaces_every_device(service: Service) -> None:
    asha = service.person(3)
    sockets = [service.online(asha, index) for index in range(3)]
    new = DeviceKeys()
    again = service.register(asha.phone, new, now_ms=LATER_MS)
    assert again.account == asha.account
    account = service.account(asha.account)
    assert [device.identity_key for device in account.devices.values()] == [new.identity_public]
    assert again.device not in {device.number for device in asha.devices}
    assert list(service.routes(asha).devices) == [again.device]
    for socket in sockets:
        assert service.gateway.received[socket] == [{"type": "revoked", "reason": "replaced"}]
    assert sorted(service.gateway.closed) == sorted(sockets)


def test_a_device_that_registers_again_gets_a_new_registration_and_inbox(service: Service, asha: Person) -> None:
    service.register(asha.phone, asha.keys[0], now_ms=LATER_MS)
    (device,) = service.account(asha.account).devices.values()
    assert device.registration != asha.devices[0].registration
    assert device.inbox != asha.devices[0].inbox


@pytest.mark.parametrize("part", ["proof", "seal_key"])
def test_another_devices_public_keys_with_copied_signatures_are_refused(service: Service, part: str) -> None:
    """The keys and signatures of one registration cannot be registered in another one."""
    victim, thief = DeviceKeys(), DeviceKeys()
    shown = victim.new_device(service.start(new_phone()))
    id = service.start(new_phone())
    own_proof = thief.sign(registration_statement(id, victim.identity_public))
    replayed = shown if part == "proof" else shown.model_copy(update={"proof": own_proof})
    error = refusal(register, service, id, replayed)
    assert error.code is ErrorCode.BAD_SIGNATURE
    assert error.details["errors"][0]["pointer"] == "/device/proof"


def test_another_devices_seal_key_is_refused_under_ones_own_identity(service: Service) -> None:
    victim, thief = DeviceKeys(), DeviceKeys()
    id = service.start(new_phone())
    error = refusal(register, service, id, thief.new_device(id, seal_key=victim.seal_key()))
    assert error.code is ErrorCode.BAD_SIGNATURE
    assert error.details["errors"][0]["pointer"] == "/device/seal_key/signature"


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_a_seal_key_with_which_every_secret_is_the_same_is_refused(service: Service, public: bytes) -> None:
    keys, id = DeviceKeys(), service.start(new_phone())
    error = refusal(register, service, id, keys.new_device(id, seal_key=keys.seal_key(public=public)))
    assert error.code is ErrorCode.BAD_KEY


def test_a_refused_key_spends_no_attempt(service: Service) -> None:
    keys, id = DeviceKeys(), service.start(new_phone())
    for _ in range(5):
        refusal(register, service, id, keys.new_device(id, proof=bytes(64)))
    register(service, id, keys.new_device(id))


# Linking


def link_body(service: Service, person: Person, keys: DeviceKeys) -> LinkDevice:
    return keys.joining(service.open_link(person), person.account, at_ms=NOW_MS)


def test_a_linked_device_gets_the_next_number_and_is_written_to(service: Service, asha: Person) -> None:
    keys = DeviceKeys()
    linked = service.link(asha, keys)
    assert (linked.account, linked.device) == (asha.account, 2)
    assert sorted(service.routes(asha).devices) == [1, 2]
    assert service.account(asha.account).devices[DeviceNumber(2)].identity_key == keys.identity_public


def test_a_link_can_be_repeated_by_the_device_it_made_but_not_by_another(service: Service, asha: Person) -> None:
    keys, opened = DeviceKeys(), service.open_link(asha)
    body = keys.joining(opened, asha.account, at_ms=NOW_MS)
    first = devices.link(body, now=Instant(NOW_MS), deps=service.device_deps)
    assert devices.link(body, now=Instant(NOW_MS + 1), deps=service.device_deps) == first
    again = keys.joining(opened, asha.account, at_ms=NOW_MS + 60_000)
    assert devices.link(again, now=Instant(NOW_MS + 60_000), deps=service.device_deps) == first
    other = DeviceKeys().joining(opened, asha.account, at_ms=NOW_MS)
    assert refusal(devices.link, other, now=Instant(NOW_MS), deps=service.device_deps).code is ErrorCode.LINK_INVALID
    assert len(service.account(asha.account).devices) == 2


def test_a_link_of_another_key_or_too_late_or_of_another_account_is_invalid(service: Service, asha: Person) -> None:
    opened, ravi, keys = service.open_link(asha), service.person(), DeviceKeys()
    late = NOW_MS + devices.LINK_SECONDS * 1000
    for body, now_ms in (
        (keys.joining(SigningKey.generate(), asha.account, at_ms=NOW_MS), NOW_MS),
        (keys.joining(opened, ravi.account, at_ms=NOW_MS), NOW_MS),
        (keys.joining(opened, asha.account, at_ms=late), late),
    ):
        assert refusal(devices.link, body, now=Instant(now_ms), deps=service.device_deps).code is ErrorCode.LINK_INVALID
    service.unlink(ravi, 1)
    assert [len(service.account(one.account).devices) for one in (asha, ravi)] == [1, 0]
    devices.link(keys.joining(opened, asha.account, at_ms=late - 1), now=Instant(late - 1), deps=service.device_deps)


def test_who_does_not_hold_the_links_secret_joins_nothing_and_spends_no_attempt(service: Service, asha: Person) -> None:
    """The server, and whoever saw the opening call, know only the public half of a link."""
    opened, keys = service.open_link(asha), DeviceKeys()
    good = keys.joining(opened, asha.account, at_ms=NOW_MS)
    theirs = DeviceKeys().joining(opened, asha.account, at_ms=NOW_MS)
    unsigned = {
        "/signature": (
            good.model_copy(update={"signature": bytes(64)}),
            good.model_copy(update={"signature": good.device.proof}),
            good.model_copy(update={"device": theirs.device}),
            good.model_copy(update={"at": NOW_MS + 1}),
            good.model_copy(update={"account": service.person().account}),
        ),
        "/device/proof": (
            keys.joining(opened, asha.account, at_ms=NOW_MS, device={"proof": bytes(64)}),
            keys.joining(opened, asha.account, at_ms=NOW_MS, device={"proof": good.signature}),
        ),
    }
    for pointer, bodies in unsigned.items():
        for body in bodies:
            error = refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps)
            assert (error.code, pointers(error)) == (ErrorCode.BAD_SIGNATURE, [pointer])
    assert len(service.account(asha.account).devices) == 1
    devices.link(good, now=Instant(NOW_MS), deps=service.device_deps)


def test_a_request_to_join_that_was_signed_long_ago_or_ahead_is_refused_with_the_time(
    service: Service, asha: Person
) -> None:
    opened, keys = service.open_link(asha), DeviceKeys()
    for at_ms in (NOW_MS - SKEW_MS - 1, NOW_MS + SKEW_MS + 1):
        body = keys.joining(opened, asha.account, at_ms=at_ms)
        error = refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps)
        assert (error.code, error.details) == (ErrorCode.CLOCK_SKEW, {"server_time": NOW_MS})
    body = keys.joining(opened, asha.account, at_ms=NOW_MS - SKEW_MS)
    devices.link(body, now=Instant(NOW_MS), deps=service.device_deps)


def test_faults_of_a_joining_devices_keys_are_named_where_they_stand(service: Service, asha: Person) -> None:
    opened, keys = service.open_link(asha), DeviceKeys()
    for seal_key, code, pointer in (
        (DeviceKeys().seal_key(), ErrorCode.BAD_SIGNATURE, "/device/seal_key/signature"),
        (keys.seal_key(public=bytes(32)), ErrorCode.BAD_KEY, "/device/seal_key/public"),
    ):
        body = keys.joining(opened, asha.account, at_ms=NOW_MS, device={"seal_key": seal_key})
        error = refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps)
        assert (error.code, pointers(error)) == (code, [pointer])
        id = service.start(new_phone())
        error = refusal(register, service, id, keys.new_device(id, seal_key=seal_key))
        assert (error.code, pointers(error)) == (code, [pointer])
        error = refusal(devices.rotate_seal_key, service.caller(asha), seal_key, deps=service.device_deps)
        assert pointers(error)[0] in ("/signature", "/public")


def pointers(error: ProtocolError) -> list[str]:
    return [one["pointer"] for one in error.details["errors"]]


def test_opening_the_same_link_again_answers_the_same(service: Service, asha: Person) -> None:
    """A repeated request opens no second link, and somebody who replays it learns nothing with which they could
    join.
    """
    opened = SigningKey.generate()
    body = OpenLink(link=bytes(opened.verify_key))
    answers = [
        devices.open_link(
            service.caller(asha),
            body,
            service.signed(asha, statements.open_link(body.link), at_ms=now_ms),
            now=Instant(now_ms),
            deps=service.device_deps,
        )
        for now_ms in (NOW_MS, NOW_MS + 60_000)
    ]
    assert answers[0] == answers[1]
    assert answers[0].id == statements.link_id(body.link)
    devices.link(
        DeviceKeys().joining(opened, asha.account, at_ms=NOW_MS), now=Instant(NOW_MS), deps=service.device_deps
    )


def test_a_link_that_another_device_has_opened_is_not_opened_again(service: Service) -> None:
    asha, ravi = service.person(2), service.person()
    opened = service.open_link(asha)
    for person, by in ((ravi, 0), (asha, 1)):
        assert refusal(service.open_link, person, by, link=opened).code is ErrorCode.LINK_INVALID
    late = NOW_MS + devices.LINK_SECONDS * 1000
    assert refusal(service.open_link, asha, link=opened, now_ms=late).code is ErrorCode.LINK_INVALID


def test_a_seventh_device_is_refused_when_opening_the_link_and_when_using_it(service: Service) -> None:
    asha = service.person(MAX_DEVICES - 1)
    spare = LATER_MS + Limit.LINKS.depth_ms
    two = [service.open_link(asha, now_ms=spare) for _ in range(2)]
    bodies = [DeviceKeys().joining(one, asha.account, at_ms=spare) for one in two]
    devices.link(bodies[0], now=Instant(spare), deps=service.device_deps)
    error = refusal(devices.link, bodies[1], now=Instant(spare), deps=service.device_deps)
    assert error.code is ErrorCode.TOO_MANY_DEVICES
    error = refusal(service.open_link, asha, now_ms=spare)
    assert error.code is ErrorCode.TOO_MANY_DEVICES
    assert len(service.account(asha.account).devices) == MAX_DEVICES


def test_an_unlinked_devices_number_is_not_given_out_again_at_once(service: Service) -> None:
    asha = service.person(2)
    service.unlink(asha, 2)
    assert service.link(asha, DeviceKeys()).device == 3


# Unlinking


def test_unlinking_ends_token_route_and_socket_with_a_last_word(service: Service) -> None:
    asha = service.person(2)
    socket, other = service.online(asha, 1), service.online(asha, 0)
    service.unlink(asha, 2)
    assert service.gateway.received[socket] == [{"type": "revoked", "reason": "unlinked"}]
    assert service.gateway.closed == [socket]
    assert other in service.gateway.open
    assert list(service.routes(asha).devices) == [1]
    assert list(service.account(asha.account).devices) == [1]


def test_unlinking_a_device_that_is_not_there_is_not_found(service: Service, asha: Person) -> None:
    error = refusal(service.unlink, asha, 9)
    assert error.code is ErrorCode.NOT_FOUND


def test_a_link_ends_with_the_device_that_opened_it(service: Service) -> None:
    """This holds whether the device was unlinked or replaced: a removed device must not return by its own link."""
    asha = service.person(2)
    opened = service.open_link(asha, 1)
    service.unlink(asha, 2)
    keys = DeviceKeys()
    body = keys.joining(opened, asha.account, at_ms=NOW_MS)
    assert refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps).code is ErrorCode.LINK_INVALID

    opened = service.open_link(asha)
    service.register(asha.phone, DeviceKeys(), now_ms=LATER_MS)
    body = keys.joining(opened, asha.account, at_ms=NOW_MS)
    assert refusal(devices.link, body, now=Instant(NOW_MS), deps=service.device_deps).code is ErrorCode.LINK_INVALID
    assert len(service.account(asha.account).devices) == 1


def test_whoever_is_blocked_finds_nobody(service: Service, asha: Person) -> None:
    ravi = service.person()
    caller, deps = service.caller(ravi), service.device_deps
    assert accounts.lookup(caller, asha.phone, now=Instant(NOW_MS), deps=deps).account == asha.account
    assert accounts.keys(caller, asha.account, now=Instant(NOW_MS), deps=deps).account == asha.account
    accounts.block(service.caller(asha), ravi.account, now=Instant(NOW_MS), deps=deps)
    assert refusal(accounts.lookup, caller, asha.phone, now=Instant(NOW_MS), deps=deps).code is ErrorCode.NOT_FOUND
    assert refusal(accounts.keys, caller, asha.account, now=Instant(NOW_MS), deps=deps).code is ErrorCode.NOT_FOUND


def test_the_last_device_may_go_and_the_number_registers_the_same_account_again(service: Service, asha: Person) -> None:
    service.unlink(asha, 1)
    again = service.register(asha.phone, DeviceKeys(), now_ms=LATER_MS)
    assert (again.account, again.device) == (asha.account, 2)


# Seal keys


def test_messages_are_sealed_to_the_new_key_after_a_rotation(service: Service, asha: Person) -> None:
    new = DeviceKeys(identity=asha.keys[0].identity)
    devices.rotate_seal_key(service.caller(asha), new.seal_key(2), deps=service.device_deps)
    key = service.routes(asha).devices[DeviceNumber(1)].seal_key
    assert (key.number, key.public) == (2, new.seal_public)
    me = accounts.me(service.caller(asha), now=Instant(NOW_MS), deps=service.device_deps)
    assert me.seal_key_number == 2


def test_an_older_seal_key_played_again_is_stale(service: Service, asha: Person) -> None:
    keys = asha.keys[0]
    first, newer = keys.seal_key(1), DeviceKeys(identity=keys.identity).seal_key(5)
    devices.rotate_seal_key(service.caller(asha), newer, deps=service.device_deps)
    for played in (first, keys.seal_key(4), DeviceKeys(identity=keys.identity).seal_key(5)):
        error = refusal(devices.rotate_seal_key, service.caller(asha), played, deps=service.device_deps)
        assert error.code is ErrorCode.STALE_KEY
    assert service.routes(asha).devices[DeviceNumber(1)].seal_key.public == newer.public


def test_a_seal_key_whose_answer_was_lost_may_be_put_again(service: Service, asha: Person) -> None:
    newer = DeviceKeys(identity=asha.keys[0].identity).seal_key(5)
    devices.rotate_seal_key(service.caller(asha), newer, deps=service.device_deps)
    devices.rotate_seal_key(service.caller(asha), newer, deps=service.device_deps)
    assert service.routes(asha).devices[DeviceNumber(1)].seal_key.public == newer.public


def test_a_seal_key_signed_by_somebody_else_or_for_another_number_is_refused(service: Service, asha: Person) -> None:
    signed = asha.keys[0].seal_key(2)
    for forged in (DeviceKeys().seal_key(2), signed.model_copy(update={"number": 3})):
        error = refusal(devices.rotate_seal_key, service.caller(asha), forged, deps=service.device_deps)
        assert error.code is ErrorCode.BAD_SIGNATURE


# Change of number


def change(service: Service, person: Person, phone: Any) -> ChangePhone:
    return service.change_phone(person, phone)


def test_a_change_of_number_keeps_the_account_and_frees_the_old_number(service: Service, asha: Person) -> None:
    phone = new_phone()
    change(service, asha, phone)
    assert accounts.me(service.caller(asha), now=Instant(NOW_MS), deps=service.device_deps).phone == phone
    assert service.directory.account_of_phone(PEPPER.index("phone", phone)) == asha.account
    newcomer = service.register(asha.phone, DeviceKeys(), now_ms=LATER_MS)
    assert newcomer.account != asha.account
    assert list(service.account(asha.account).devices) == [1]


def test_a_change_of_number_may_be_repeated_by_its_device_only(service: Service) -> None:
    asha, ravi = service.person(), service.person()
    body = change(service, asha, new_phone())
    service.give_code(asha, body, now_ms=NOW_MS + 1)
    error = refusal(service.give_code, ravi, body, now_ms=NOW_MS + 1)
    assert error.code is ErrorCode.CODE_USED


def test_another_accounts_number_is_taken(service: Service, asha: Person) -> None:
    ravi = service.person()
    assert refusal(change, service, asha, ravi.phone).code is ErrorCode.PHONE_TAKEN
    assert service.directory.account_of_phone(PEPPER.index("phone", ravi.phone)) == ravi.account
