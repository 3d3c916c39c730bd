"""Tests one-time passwords from app to device and back: approved, wrong, replaced, cancelled, by SMS."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import cbor2
import pytest

from sandes.crypto.seal import Kind
from sandes.model.app import AppSender
from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app
from tests.support.raw_device import RawDevice, Socket, new_phone, register

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def app(deployment: Deployed) -> RawApp:
    return create_app(deployment)


def login(phone: str, **changed: Any) -> dict[str, Any]:
    return {"to": {"phone": phone}, "template": "login", "variables": {"service": "passports"}} | changed


async def send(app: RawApp, phone: str, **changed: Any) -> dict[str, Any]:
    answer = await app.call("POST", "/v1/otps", login(phone, **changed))
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def check(app: RawApp, id: str, code: str, **options: Any) -> dict[str, Any]:
    answer = await app.call("POST", f"/v1/otps/{id}/checks", {"code": code}, **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def take(socket: Socket, device: RawDevice) -> tuple[Any, dict[int, Any]]:
    """Open and acknowledge the next envelope. Return its content and its decoded body."""
    envelope = await socket.next_envelope()
    content = device.open(envelope)
    assert (await socket.ask(type="ack", ids=[envelope["id"]]))["type"] == "acked"
    return content, cbor2.loads(content.body)


async def sms_code(app: RawApp, phone: str) -> str:
    for _ in range(300):
        texts = app.deployed.engine.sms_to(phone)
        if found := [match[0] for text in texts if (match := re.match(r"\d{6,8}", text))]:
            return found[-1]
        await asyncio.sleep(0.1)
    raise AssertionError("no SMS came")


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


async def test_a_code_reaches_the_device_is_approved_once_and_its_bubble_turns_void(
    deployment: Deployed, app: RawApp
) -> None:
    device = await register(deployment)
    async with device.online() as socket:
        made = await send(app, device.phone)
        content, body = await take(socket, device)
        assert content.kind is Kind.OTP
        assert isinstance(content.sender, AppSender)
        assert content.sender.name == "Passport Seva"
        code = body[2]
        assert body[1] == f"{code} is your code for passports. Tell it to nobody."
        assert await check(app, made["id"], other(code)) == {"result": "incorrect", "attempts_left": 2}
        assert await check(app, made["id"], code) == {"result": "approved", "attempts_left": 1}
        void, void_body = await take(socket, device)
        assert void.kind is Kind.CONTROL
        assert void_body == {1: 1, 2: [content.id], 3: "used"}
        assert (await check(app, made["id"], code))["result"] == "used"


async def test_a_repeated_check_gets_the_first_answer_and_counts_once(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    async with device.online() as socket:
        made = await send(app, device.phone)
        code = (await take(socket, device))[1][2]
        for _ in range(3):
            assert await check(app, made["id"], other(code), key="guess") == {"result": "incorrect", "attempts_left": 2}
        mismatch = await app.call("POST", f"/v1/otps/{made['id']}/checks", {"code": code}, key="guess")
        assert (mismatch.status_code, mismatch.json()["code"]) == (422, "idempotency_mismatch")
        for _ in range(2):
            assert await check(app, made["id"], code, key="right") == {"result": "approved", "attempts_left": 1}


async def test_a_repeated_send_makes_no_second_code(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    answers = [await app.call("POST", "/v1/otps", login(device.phone), key="same-send") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    changed = await app.call("POST", "/v1/otps", login(device.phone, length=8), key="same-send")
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_mismatch")
    async with device.online() as socket:
        await take(socket, device)
        assert (await socket.ask(type="ping"))["inbox"]["pending"] == 0


async def test_somebody_without_the_app_gets_the_same_answer_and_the_code_by_sms(
    deployment: Deployed, app: RawApp
) -> None:
    device, stranger = await register(deployment), new_phone()
    known, unknown = await send(app, device.phone), await send(app, stranger)
    differ = {"id", "expires_at", "resend_after"}
    assert {name: value for name, value in known.items() if name not in differ} == {
        name: value for name, value in unknown.items() if name not in differ
    }
    code = await sms_code(app, stranger)
    assert (await check(app, unknown["id"], code))["result"] == "approved"


async def test_no_sms_goes_out_once_a_device_has_acknowledged(deployment: Deployed, app: RawApp) -> None:
    device, silent = await register(deployment), await register(deployment)
    before = len(deployment.engine.sms_to(device.phone))
    async with device.online() as socket:
        await send(app, device.phone)
        await take(socket, device)
        waiting = await send(app, silent.phone)
        code = ""
        while not code:  # the recipient whose phone is off gets an SMS in time
            await asyncio.sleep(0.5)
            code = next((text[:6] for text in deployment.engine.sms_to(silent.phone) if "passports" in text), "")
        assert (await check(app, waiting["id"], code))["result"] == "approved"
        assert len(deployment.engine.sms_to(device.phone)) == before


async def test_a_cancelled_code_is_not_accepted_and_its_bubble_turns_void(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    async with device.online() as socket:
        made = await send(app, device.phone)
        content, body = await take(socket, device)
        for _ in range(2):
            assert (await app.call("DELETE", f"/v1/otps/{made['id']}")).status_code == 204
        assert (await take(socket, device))[1] == {1: 1, 2: [content.id], 3: "cancelled"}
        assert await check(app, made["id"], body[2]) == {"result": "cancelled", "attempts_left": 3}
        assert (await app.call("GET", f"/v1/otps/{made['id']}")).json()["status"] == "cancelled"
