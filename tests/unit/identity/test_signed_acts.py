"""Tests that a stolen token cannot give or take control of an account or group, because such acts need a signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from nacl.signing import SigningKey

from sandes.crypto import statements
from sandes.crypto.statements import Act, Actor, act_statement
from sandes.groups import group_members, groups
from sandes.identity.signed_acts import SKEW_MS, Signed
from sandes.model.ids import DeviceNumber, GroupId, RegistrationId
from sandes.model.instant import Instant
from sandes.people import devices
from sandes.protocol.client_api import ChangeGroup, ChangePhone, OpenLink
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.groups import Groups
from tests.support.keys import DeviceKeys
from tests.support.service import NOW_MS, Person, Service, new_phone

Do = Callable[[Signed | None], object]


@dataclass(frozen=True)
class Case:
    """Holds an act that would succeed, and others that the same device might have signed."""

    act: Act
    do: Do
    others: list[Act]


LINK = bytes(SigningKey(b"l" * 32).verify_key)
OTHER_LINK = bytes(SigningKey(b"m" * 32).verify_key)


def unlinking(service: Service, asha: Person, world: Groups) -> Case:
    number, registration = asha.devices[1].number, asha.devices[1].registration
    return Case(
        statements.remove_device(number, registration),
        lambda signed: devices.unlink(
            service.caller(asha), DeviceNumber(number), signed, now=Instant(NOW_MS), deps=service.device_deps
        ),
        [
            statements.remove_device(number + 1, registration),
            statements.remove_device(number, registration ^ 1),
            Act(statements.ActKind.DISSOLVE_GROUP, statements.remove_device(number, registration).object),
        ],
    )


def unlinking_itself(service: Service, asha: Person, world: Groups) -> Case:
    number, registration = asha.devices[0].number, asha.devices[0].registration
    return Case(
        statements.remove_device(number, registration),
        lambda signed: devices.unlink(
            service.caller(asha), DeviceNumber(number), signed, now=Instant(NOW_MS), deps=service.device_deps
        ),
        [statements.remove_device(asha.devices[1].number, asha.devices[1].registration)],
    )


def opening_a_link(service: Service, asha: Person, world: Groups) -> Case:
    return Case(
        statements.open_link(LINK),
        lambda signed: devices.open_link(
            service.caller(asha), OpenLink(link=LINK), signed, now=Instant(NOW_MS), deps=service.device_deps
        ),
        [statements.open_link(OTHER_LINK), Act(statements.ActKind.DISSOLVE_GROUP, LINK)],
    )


def changing_the_number(service: Service, asha: Person, world: Groups) -> Case:
    phone = new_phone()
    id = service.start(phone, "change_phone")
    body = ChangePhone(registration=id, phone=phone, code=service.sms.last_code)
    return Case(
        statements.change_phone(id, phone),
        lambda signed: devices.change_phone(
            service.caller(asha), body, signed, now=Instant(NOW_MS), deps=service.device_deps
        ),
        [statements.change_phone("A" * 22, phone), statements.change_phone(id, new_phone())],
    )


def handing_a_group_over(service: Service, asha: Person, world: Groups) -> Case:
    ravi, mira = service.person(), service.person()
    group = world.create(asha, ravi, mira)
    return Case(
        statements.put_member(group, ravi.account, "owner"),
        lambda signed: group_members.put_member(
            service.caller(asha), group, ravi.account, "owner", signed, now=Instant(NOW_MS), deps=world.deps
        ),
        [
            statements.put_member(group, ravi.account, "admin"),
            statements.put_member(group, mira.account, "owner"),
            statements.put_member(GroupId(bytes(8)), ravi.account, "owner"),
            statements.remove_member(group, ravi.account),
        ],
    )


def joining_a_group(service: Service, asha: Person, world: Groups) -> Case:
    ravi = service.person()
    group = world.create(ravi)
    world.put(ravi, group, asha)
    return Case(
        statements.put_member(group, asha.account, "member"),
        lambda signed: group_members.put_member(
            service.caller(asha), group, asha.account, "member", signed, now=Instant(NOW_MS), deps=world.deps
        ),
        [statements.put_member(GroupId(bytes(8)), asha.account, "member")],
    )


def removing_a_member(service: Service, asha: Person, world: Groups) -> Case:
    ravi, mira = service.person(), service.person()
    group = world.create(asha, ravi, mira)
    return Case(
        statements.remove_member(group, ravi.account),
        lambda signed: group_members.remove_member(
            service.caller(asha), group, ravi.account, signed, now=Instant(NOW_MS), deps=world.deps
        ),
        [
            statements.remove_member(group, mira.account),
            statements.remove_member(GroupId(bytes(8)), ravi.account),
            statements.put_member(group, ravi.account, "member"),
        ],
    )


def dissolving_a_group(service: Service, asha: Person, world: Groups) -> Case:
    group, other = world.create(asha), world.create(asha)
    return Case(
        statements.dissolve_group(group),
        lambda signed: groups.dissolve(service.caller(asha), group, signed, now=Instant(NOW_MS), deps=world.deps),
        [statements.dissolve_group(other), statements.open_group(group, is_open=False)],
    )


def opening_a_group(service: Service, asha: Person, world: Groups) -> Case:
    ministry = service.organisation()
    service.verify(asha, ministry)
    group = world.official_group(ministry, asha)
    return Case(
        statements.open_group(group, is_open=True),
        lambda signed: groups.change(
            service.caller(asha), group, ChangeGroup(open=True), signed, now=Instant(NOW_MS), deps=world.deps
        ),
        [statements.open_group(group, is_open=False), statements.open_group(GroupId(bytes(8)), is_open=True)],
    )


MADE = {
    one.__name__: one
    for one in (
        *(unlinking, unlinking_itself, opening_a_link, changing_the_number),
        *(handing_a_group_over, joining_a_group, removing_a_member, dissolving_a_group, opening_a_group),
    )
}


@pytest.mark.parametrize("name", MADE)
def test_an_act_is_done_only_with_its_own_signature_by_the_device_itself_just_now(service: Service, name: str) -> None:
    """Everything that somebody could use instead of the signature is tried first, and changes nothing."""
    asha = service.person(2)
    world = Groups(service)
    case = MADE[name](service, asha, world)
    good = service.signed(asha, case.act, at_ms=NOW_MS)
    assert refused(case.do, None) is ErrorCode.SIGNATURE_REQUIRED
    for forged in forgeries(service, asha, case, good):
        assert refused(case.do, forged) is ErrorCode.BAD_SIGNATURE
    for at_ms in (NOW_MS - SKEW_MS - 1, NOW_MS + SKEW_MS + 1):
        error = refusal(case.do, service.signed(asha, case.act, at_ms=at_ms))
        assert (error.code, error.details) == (ErrorCode.CLOCK_SKEW, {"server_time": NOW_MS})
    case.do(service.signed(asha, case.act, at_ms=NOW_MS - SKEW_MS))


def forgeries(service: Service, asha: Person, case: Case, good: Signed) -> list[Signed]:
    device, keys = asha.devices[0], asha.keys[0]
    by = Actor(asha.account, device.number, device.registration)
    actors = [
        replace(by, account=service.person().account),
        replace(by, device=device.number + 1),
        replace(by, registration=device.registration ^ 1),
        Actor(asha.account, asha.devices[1].number, asha.devices[1].registration),
    ]
    statement = act_statement(case.act, by, at_ms=NOW_MS)
    return [
        Signed(good.at_ms + 1, good.signature),
        Signed(good.at_ms, bytes(64)),
        Signed(good.at_ms, good.signature[:63]),
        service.signed(asha, case.act, by=1, at_ms=NOW_MS),
        Signed(NOW_MS, DeviceKeys().sign(statement)),
        Signed(NOW_MS, keys.sign(statement.removeprefix(b"SANDES1/act\0"))),
        Signed(NOW_MS, keys.sign(b"SANDES1/register\0" + statement.removeprefix(b"SANDES1/act\0"))),
        *(Signed(NOW_MS, keys.sign(act_statement(case.act, actor, at_ms=NOW_MS))) for actor in actors),
        *(service.signed(asha, other, at_ms=NOW_MS) for other in case.others),
    ]


def test_the_name_of_a_group_is_changed_without_a_signature(service: Service) -> None:
    """A name is content, like the photo of a profile: a manager of the group can change it back."""
    asha, world = service.person(), Groups(service)
    group = world.create(asha)
    changed = groups.change(
        service.caller(asha), group, ChangeGroup(name="Camp"), None, now=Instant(NOW_MS), deps=world.deps
    )
    assert changed.name == "Camp"


def test_a_signature_to_unlink_a_device_does_not_reach_the_next_one_of_its_number(service: Service) -> None:
    asha = service.person(2)
    device = asha.devices[1]
    earlier = replace(device, registration=RegistrationId(device.registration ^ 1))
    old = service.signed(asha, statements.remove_device(earlier.number, earlier.registration))
    with pytest.raises(ProtocolError) as caught:
        devices.unlink(service.caller(asha), device.number, old, now=Instant(NOW_MS), deps=service.device_deps)
    assert caught.value.code is ErrorCode.BAD_SIGNATURE
    assert sorted(service.account(asha.account).devices) == [1, 2]


def test_a_number_that_is_not_the_registrations_is_refused_and_the_account_keeps_its_own(service: Service) -> None:
    asha, phone, other = service.person(), new_phone(), new_phone()
    id = service.start(phone, "change_phone")
    body = ChangePhone(registration=id, phone=other, code=service.sms.last_code)
    error = refusal(service.give_code, asha, body)
    assert (error.code, error.details["errors"][0]["pointer"]) == (ErrorCode.INVALID_REQUEST, "/phone")
    service.give_code(asha, body.model_copy(update={"phone": phone}))


def refusal(do: Callable[..., object], *arguments: object) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        do(*arguments)
    return caught.value


def refused(do: Do, signed: Signed | None) -> ErrorCode:
    return refusal(do, signed).code
