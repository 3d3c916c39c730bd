"""Tests registration, linking and tokens over HTTPS, with all their faults."""

from __future__ import annotations

import time
from typing import Any

import pytest
import websockets
from nacl.signing import SigningKey

from sandes.crypto import statements
from sandes.crypto.statements import link_id
from sandes.model.ids import base64url_text, new_one_time_id, parse_account
from sandes.protocol.client_api import LinkDevice
from sandes.store.codes import code_key
from sandes.store.schema import CodeKind, CodeRow
from tests.conftest import Deployed
from tests.support.acts import act_of
from tests.support.keys import DeviceKeys
from tests.support.raw_device import (
    RawDevice,
    code_for,
    http,
    link,
    make_token,
    message,
    new_phone,
    now_ms,
    refill_limits,
    register,
    start_registration,
)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


Answer = tuple[int, dict[str, Any]]


async def verify(deployed: Deployed, id: str, code: str, keys: DeviceKeys, **changed: Any) -> Answer:
    body = {"code": code, "device": keys.new_device(id)} | changed
    answer = await http(deployed, "PUT", f"/v1/registrations/{id}/verification", body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "phone", ["12", "9876543210", "+911", "+91 12345", "+999123456789", "nine", "+91987654321012345", ""]
)
async def test_what_is_no_phone_number_is_refused(deployment: Deployed, phone: str) -> None:
    answer = await http(deployment, "POST", "/v1/registrations", {"phone": phone})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] in {"invalid_phone", "invalid_request"}
    assert problem["errors"][0]["pointer"] == "/phone"


async def test_a_number_is_one_whatever_way_it_is_written(deployment: Deployed) -> None:
    refill_limits(deployment)
    started = await http(deployment, "POST", "/v1/registrations", {"phone": "+91 98765-00001"})
    assert started.status_code == 202
    assert code_for(deployment, "+919876500001")
    device = await register(deployment, "+919876500001")
    me = await device.call("GET", "/v1/me")
    assert me.json()["phone"] == "+919876500001"


async def test_the_answer_is_the_same_for_a_known_and_an_unknown_number(deployment: Deployed) -> None:
    known = (await register(deployment)).phone
    refill_limits(deployment)
    answers = [await http(deployment, "POST", "/v1/registrations", {"phone": phone}) for phone in (known, new_phone())]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json().keys() == answers[1].json().keys()
    assert answers[0].json()["attempts_left"] == answers[1].json()["attempts_left"]


async def test_wrong_codes_are_counted_and_then_locked(deployment: Deployed) -> None:
    phone, keys = new_phone(), DeviceKeys()
    id = await start_registration(deployment, phone)
    code = code_for(deployment, phone)
    answers = [await verify(deployment, id, wrong(code), keys) for _ in range(3)]
    assert [answer["code"] for _, answer in answers] == ["code_incorrect", "code_incorrect", "code_locked"]
    assert [answer["attempts_left"] for _, answer in answers] == [2, 1, 0]
    status, answer = await verify(deployment, id, code, keys)
    assert (status, answer["code"]) == (409, "code_locked")


def age(deployed: Deployed, id: str, **attributes: int) -> None:
    """Make a challenge older by changing its times, because the engine uses the machine's clock."""
    deployed.engine.client("dynamodb").update_item(
        TableName=deployed.stack.tables["codes"],
        Key=code_key(CodeKind.REGISTRATION, id),
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in attributes),
        ExpressionAttributeValues={f":{name}": {"N": str(value)} for name, value in attributes.items()},
    )


async def test_an_expired_code_says_so(deployment: Deployed) -> None:
    phone = new_phone()
    id = await start_registration(deployment, phone)
    age(deployment, id, **{CodeRow.CODE_EXPIRES_AT: int(time.time())})
    status, answer = await verify(deployment, id, code_for(deployment, phone), DeviceKeys())
    assert (status, answer["code"]) == (409, "code_expired")


async def test_a_used_code_says_so_unless_the_same_device_repeats_itself(deployment: Deployed) -> None:
    phone, keys = new_phone(), DeviceKeys()
    id = await start_registration(deployment, phone)
    code = code_for(deployment, phone)
    first = await verify(deployment, id, code, keys)
    assert first == await verify(deployment, id, code, keys)
    status, answer = await verify(deployment, id, code, DeviceKeys())
    assert (status, answer["code"]) == (409, "code_used")


async def test_a_new_code_voids_the_one_before_and_may_not_be_asked_for_at_once(deployment: Deployed) -> None:
    phone, keys = new_phone(), DeviceKeys()
    id = await start_registration(deployment, phone)
    first = code_for(deployment, phone)
    soon = await http(deployment, "POST", f"/v1/registrations/{id}/codes")
    assert (soon.status_code, soon.json()["code"]) == (429, "rate_limited")
    assert 0 < int(soon.headers["retry-after"]) <= 30
    age(deployment, id, **{CodeRow.RESEND_AFTER: int(time.time())})
    assert (await http(deployment, "POST", f"/v1/registrations/{id}/codes")).status_code == 202
    second = code_for(deployment, phone)
    if first != second:
        assert (await verify(deployment, id, first, keys))[1]["code"] == "code_incorrect"
    assert (await verify(deployment, id, second, keys))[0] == 200


async def test_registrations_are_limited_by_number_for_minutes(deployment: Deployed) -> None:
    refill_limits(deployment)
    phone = new_phone()
    answers = [await http(deployment, "POST", "/v1/registrations", {"phone": phone}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [202] * 4 + [429]
    assert 1 <= answers[-1].json()["retry_after"] <= 600
    refill_limits(deployment)


async def test_an_office_registers_from_one_address(deployment: Deployed) -> None:
    refill_limits(deployment)
    answers = [await http(deployment, "POST", "/v1/registrations", {"phone": new_phone()}) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {202}


async def test_no_code_goes_abroad(deployment: Deployed) -> None:
    answer = await http(deployment, "POST", "/v1/registrations", {"phone": "+447911123456"})
    assert (answer.status_code, answer.json()["code"]) == (400, "phone_not_served")
    assert deployment.engine.sms_to("+447911123456") == []


async def test_another_devices_keys_cannot_be_registered(deployment: Deployed) -> None:
    """The test replays public keys and old signatures of another device."""
    phone, theirs = new_phone(), DeviceKeys()
    copied = theirs.new_device(await start_registration(deployment, new_phone()))
    id = await start_registration(deployment, phone)
    status, answer = await verify(deployment, id, code_for(deployment, phone), DeviceKeys(), device=copied)
    assert (status, answer["code"]) == (400, "bad_signature")


async def test_a_seal_key_that_cannot_be_sealed_to_is_refused(deployment: Deployed) -> None:
    device = await register(deployment)
    zero = bytes(32)
    statement = b"SANDES1/seal-key\0" + (2).to_bytes(4, "big") + zero
    signature = base64url_text(device.keys.identity.sign(statement).signature)
    body = {"number": 2, "public": base64url_text(zero), "signature": signature}
    answer = await device.call("PUT", "/v1/devices/self/seal-key", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_key")


async def test_an_old_seal_key_cannot_be_played_again(deployment: Deployed) -> None:
    device = await register(deployment)
    first = device.keys.seal_key(2)
    assert (await device.call("PUT", "/v1/devices/self/seal-key", first)).status_code == 204
    assert (await device.call("PUT", "/v1/devices/self/seal-key", device.keys.seal_key(3))).status_code == 204
    answer = await device.call("PUT", "/v1/devices/self/seal-key", first)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_key")


async def test_what_is_sent_after_a_rotation_is_sealed_to_the_new_key(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    recipient.keys.seal = DeviceKeys().seal
    assert (await recipient.call("PUT", "/v1/devices/self/seal-key", recipient.keys.seal_key(2))).status_code == 204
    async with sender.online() as socket:
        await socket.ask(**message(recipient, body=b"after the rotation"))
    async with recipient.online() as socket:
        assert recipient.open(await socket.next_envelope()).body == b"after the rotation"


def tokens(device: RawDevice) -> dict[str, str]:
    now = int(time.time())
    unsigned = {"header": {"alg": "none"}, "signature": b""}
    return {
        "expired": device.token(iat=now - 400, exp=now - 100),
        "of the future": device.token(iat=now + 120, exp=now + 300),
        "too long": device.token(exp=now + 3600),
        "wrong audience": device.token(aud="sandes:prod"),
        "another's key": make_token(SigningKey.generate(), device.address, device.deployed.stack.audience),
        "other algorithm": device.token(header={"alg": "HS256"}),
        "no algorithm": device.token(**unsigned),
        "issuer other than key": device.token(iss="aaaaaaaaaaaaa.1"),
        "unknown device": device.token(iss=f"{device.account}.9", header={"kid": f"{device.account}.9"}),
        "garbage": "a.b.c",
    }


async def test_no_bad_token_gets_in(deployment: Deployed) -> None:
    device = await register(deployment)
    for name, token in tokens(device).items():
        answer = await http(deployment, "GET", "/v1/me", headers={"Authorization": f"Bearer {token}"})
        expected = "token_expired" if name in {"expired", "of the future"} else "token_invalid"
        expected = "token_audience" if name == "wrong audience" else expected
        assert (answer.status_code, answer.json()["code"]) == (401, expected), name
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with device.socket(token=token):
                pass
        assert refused.value.response.status_code in {401, 403}, name
    with pytest.raises(websockets.InvalidStatus):
        async with websockets.connect(deployment.stack.websocket_url):
            pass


async def test_an_expired_token_is_told_the_time(deployment: Deployed) -> None:
    device = await register(deployment)
    now = int(time.time())
    answer = await device.call("GET", "/v1/me", token=device.token(iat=now - 400, exp=now - 100))
    assert abs(answer.json()["server_time"] - now_ms()) < 60_000


async def test_unlinking_closes_the_socket_and_ends_the_token(deployment: Deployed) -> None:
    phone, friend = await register(deployment), await register(deployment)
    tablet = await link(phone)
    async with tablet.online() as socket:
        assert (await phone.unlink(tablet)).status_code == 204
        assert (await socket.next_unasked("revoked"))["reason"] == "unlinked"
        await socket.closed()
    problem = (await tablet.call("GET", "/v1/me")).json()
    assert (problem["code"], problem["reason"]) == ("revoked", "unlinked")
    async with friend.online() as socket:
        assert (await socket.ask(**message(phone, tablet)))["details"]["extra"] == [tablet.number]
        assert (await socket.ask(**message(phone)))["type"] == "accepted"
    assert (await phone.unlink(tablet)).status_code == 404


async def test_a_socket_opened_before_the_unlinking_says_nothing_any_more(deployment: Deployed) -> None:
    phone = await register(deployment)
    tablet = await link(phone)
    async with tablet.socket() as socket:
        assert (await phone.unlink(tablet)).status_code == 204
        assert (await socket.ask(type="hello", protocol=1))["code"] == "revoked"
        assert (await socket.ask(**message(phone)))["code"] == "revoked"
        assert (await socket.ask(type="ping"))["code"] == "revoked"


async def test_registering_the_number_again_replaces_the_devices_and_keeps_the_account(deployment: Deployed) -> None:
    before = await register(deployment)
    async with before.online() as socket:
        after = await register(deployment, before.phone)
        assert (await socket.next_unasked("revoked"))["reason"] == "replaced"
        await socket.closed()
    assert after.account == before.account
    problem = (await before.call("GET", "/v1/me")).json()
    assert (problem["code"], problem["reason"]) == ("revoked", "replaced")
    devices = (await after.call("GET", "/v1/devices")).json()["devices"]
    assert [(device["device"], device["current"]) for device in devices] == [(after.number, True)]


async def test_a_link_works_once_and_only_with_its_secret(deployment: Deployed) -> None:
    phone, link_key, keys = await register(deployment), SigningKey.generate(), DeviceKeys()
    first_opened, again = [(await phone.open_link(link_key)).json() for _ in range(2)]
    assert first_opened == again
    assert first_opened["id"] == link_id(bytes(link_key.verify_key))

    async def join(body: LinkDevice) -> Answer:
        answer = await http(deployment, "POST", "/v1/devices", body)
        return answer.status_code, answer.json()

    def by(keys: DeviceKeys, **changed: Any) -> LinkDevice:
        return keys.joining(link_key, parse_account(phone.account), at_ms=now_ms(), **changed)

    assert (await join(by(keys, signature=bytes(64))))[1]["code"] == "bad_signature"
    late = keys.joining(link_key, parse_account(phone.account), at_ms=now_ms() - 130_000)
    refused = (await join(late))[1]
    assert (refused["code"], abs(refused["server_time"] - now_ms()) < 60_000) == ("clock_skew", True)
    first = await join(by(keys))
    assert first[0] == 201
    assert await join(by(keys)) == first
    status, answer = await join(by(DeviceKeys()))
    assert (status, answer["code"]) == (409, "link_invalid")


async def test_a_token_alone_gives_no_lasting_control_of_the_account(deployment: Deployed) -> None:
    """A token together with signatures for another act, of another time or in another form gives no control either."""
    phone, thief = await register(deployment), await register(deployment)
    tablet = await link(phone)
    new = new_phone()
    id = await start_registration(deployment, new, "change_phone")
    made = await phone.call("POST", "/v1/groups", {"ref": new_one_time_id(), "name": "Flood relief"})
    group = made.json()["group"]
    change = {"registration": id, "phone": new, "code": code_for(deployment, new)}
    calls: list[tuple[str, str, Any, int]] = [
        ("POST", "/v1/devices/links", {"link": base64url_text(bytes(SigningKey.generate().verify_key))}, 0),
        ("DELETE", f"/v1/devices/{tablet.number}", None, tablet.registration_id),
        ("DELETE", f"/v1/devices/{phone.number}", None, phone.registration_id),
        ("PUT", "/v1/me/phone", change, 0),
        ("PUT", f"/v1/groups/{group}/members/{thief.account}", {"role": "owner"}, 0),
        ("PUT", f"/v1/groups/{group}/members/{thief.account}", {}, 0),
        ("DELETE", f"/v1/groups/{group}/members/{thief.account}", None, 0),
        ("DELETE", f"/v1/groups/{group}", None, 0),
        ("PATCH", f"/v1/groups/{group}", {"open": True}, 0),
    ]
    elsewhere = statements.dissolve_group(bytes(8))
    for method, path, body, registration in calls:
        act = act_of(method, path, body, registration=registration)
        assert act is not None
        good = phone.signature(act)
        tampered = good[:40] + ("A" if good[40] != "A" else "B") + good[41:]
        for header, expected in {
            None: (403, "signature_required"),
            thief.signature(act): (400, "bad_signature"),
            tablet.signature(act): (400, "bad_signature"),
            phone.signature(elsewhere): (400, "bad_signature"),
            tampered: (400, "bad_signature"),
            good[:-1]: (400, "invalid_request"),
            f"{now_ms() + 1}.{good.partition('.')[2]}": (400, "bad_signature"),
            f"0{good}": (400, "invalid_request"),
            f"{good}, {good}": (400, "invalid_request"),
            "": (400, "invalid_request"),
            phone.signature(act, at_ms=now_ms() - 130_000): (400, "clock_skew"),
            phone.signature(act, at_ms=now_ms() + 130_000): (400, "clock_skew"),
        }.items():
            answer = await phone.call(method, path, body, act=header)
            assert (answer.status_code, answer.json()["code"]) == expected, (method, path, header)
    assert len((await phone.call("GET", "/v1/devices")).json()["devices"]) == 2
    assert (await phone.call("GET", "/v1/me")).json()["phone"] == phone.phone
    assert (await phone.call("GET", f"/v1/groups/{group}")).json()["members"] == 1


async def test_an_account_has_at_most_six_devices(deployment: Deployed) -> None:
    phone = await register(deployment)
    for _ in range(5):
        refill_limits(deployment)
        await link(phone)
    answer = await phone.open_link(SigningKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_devices")


async def test_a_change_of_number_keeps_the_account(deployment: Deployed) -> None:
    device, other = await register(deployment), await register(deployment)
    new = new_phone()
    id, code = await start_registration(deployment, new, "change_phone"), code_for(deployment, new)
    assert (await device.change_phone(id, new, code)).status_code == 204
    assert (await device.change_phone(id, new, code)).status_code == 204
    assert (await device.call("GET", "/v1/me")).json()["phone"] == new
    found = await other.call("POST", "/v1/accounts/lookup", {"phone": new})
    assert found.json() == {"account": device.account}
    assert (await other.call("POST", "/v1/accounts/lookup", {"phone": device.phone})).status_code == 404

    taken = await start_registration(deployment, other.phone, "change_phone")
    answer = await device.change_phone(taken, other.phone, code_for(deployment, other.phone))
    assert (answer.status_code, answer.json()["code"]) == (409, "phone_taken")


async def test_a_code_for_changing_the_number_registers_nobody(deployment: Deployed) -> None:
    phone = new_phone()
    id = await start_registration(deployment, phone, "change_phone")
    status, answer = await verify(deployment, id, code_for(deployment, phone), DeviceKeys())
    assert (status, answer["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", None, 404),
        ("DELETE", "/v1/me", None, 404),
        ("GET", "/v1/accounts/short/keys", None, 400),
        ("GET", f"/v1/accounts/{'a' * 13}/keys", None, 404),
        ("DELETE", "/v1/devices/0", None, 400),
        ("DELETE", "/v1/devices/77", None, 404),
        ("POST", "/v1/accounts/lookup", {"phone": 5}, 400),
        ("POST", "/v1/accounts/lookup", {"phone": "+919876543210", "more": 1}, 400),
        ("PUT", "/v1/devices/self/seal-key", {}, 400),
    ],
)
async def test_every_refusal_is_problem_json_with_a_code(
    deployment: Deployed, method: str, path: str, body: Any, status: int
) -> None:
    device = await register(deployment)
    answer = await device.call(method, path, body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "request_id"} <= answer.json().keys()


async def test_look_ups_are_limited_hard(deployment: Deployed) -> None:
    device = await register(deployment)
    answers, started = [200], time.monotonic()
    while answers[-1] == 200:
        answers.append((await device.call("POST", "/v1/accounts/lookup", {"phone": device.phone})).status_code)
    allowed, refilled = len(answers) - 2, (time.monotonic() - started) / 10
    assert answers[-1] == 429
    assert 20 <= allowed <= 20 + refilled, "one more for each ten seconds"
