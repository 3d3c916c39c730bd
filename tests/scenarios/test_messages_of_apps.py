"""Tests messages of apps from the call to the receipt: every device, status, recall, outcomes of test keys."""

from __future__ import annotations

import asyncio
from typing import Any

import cbor2
import pytest
from nacl.signing import SigningKey

from sandes.crypto.seal import Kind
from sandes.model.ids import base64url_text, message_text
from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import RawDevice, Socket, link, new_phone, register

pytestmark = pytest.mark.engine

Json = dict[str, Any]


@pytest.fixture(scope="module")
def app(deployment: Deployed) -> RawApp:
    made = create_app(deployment)
    texts = {"en": "Your file {{ file }} is ready.", "mr": "तुमची फाइल {{ file }} तयार आहे."}
    operate(deployment, "template.put", app=made.app, name="ready", kind="message", texts=texts)
    return made


def notice(to: RawDevice, **changed: Any) -> Json:
    return {"to": {"phone": to.phone}, "template": "ready", "variables": {"file": "A<1>&2"}} | changed


async def send(app: RawApp, body: Json, **options: Any) -> Json:
    answer = await app.call("POST", "/v1/messages", body, **options)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def status(app: RawApp, id: str) -> Json:
    answer = await app.call("GET", f"/v1/messages/{id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def take(socket: Socket, device: RawDevice, app: RawApp, *kinds: str) -> tuple[Any, dict[int, Any]]:
    """Open and acknowledge the next envelope, with receipts of these kinds to the app."""
    envelope = await socket.next_envelope()
    content = device.open(envelope)
    receipts = [{"app": app.app, "kind": kind, "ids": [message_text(content.id)]} for kind in kinds]
    answer = await socket.ask(type="ack", ids=[envelope["id"]], receipts=receipts)
    assert answer["type"] == "acked", answer
    return content, cbor2.loads(content.body)


async def test_a_notice_reaches_every_device_and_its_status_follows_their_receipts(
    deployment: Deployed, app: RawApp
) -> None:
    phone = await register(deployment)
    tablet = await link(phone)
    async with phone.online() as first, tablet.online() as second:
        made = await send(app, notice(phone, category="alert", confidential=True, priority="high", client_ref="F-1"))
        assert (await status(app, made["id"]))["status"] == "sent"
        content, body = await take(first, phone, app, "delivered")
        assert content.kind is Kind.NOTICE
        assert body == {1: "Your file A<1>&2 is ready.", 2: "alert", 3: True, 4: "high", 5: "en"}
        assert (await status(app, made["id"]))["status"] == "delivered"
        await take(second, tablet, app, "delivered", "read")
        final = await status(app, made["id"])
        assert (final["status"], final["seq"], final["client_ref"]) == ("read", 5, "F-1")
        assert list(final["times"]) == ["accepted", "queued", "sent", "delivered", "read"]


async def test_receipts_of_somebody_else_move_nothing(deployment: Deployed, app: RawApp) -> None:
    recipient, stranger = await register(deployment), await register(deployment)
    made = await send(app, notice(recipient))
    async with stranger.online() as socket:
        receipt = {"app": app.app, "kind": "read", "ids": [made["id"]]}
        assert (await socket.ask(type="ack", ids=[], receipts=[receipt]))["type"] == "acked"
    assert (await status(app, made["id"]))["status"] == "queued"


async def test_a_repeated_message_is_stored_once(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    answers = await asyncio.gather(*(send(app, notice(device), key=f"same-{device.phone}") for _ in range(4)))
    assert len({answer["id"] for answer in answers}) == 1
    async with device.online() as socket:
        await take(socket, device, app)
        assert (await socket.ask(type="ping"))["inbox"]["pending"] == 0
    other = await app.call("POST", "/v1/messages", notice(device, language="mr"), key=f"same-{device.phone}")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_message_is_recalled_while_nobody_has_it_and_not_afterwards(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    recalled, read = await send(app, notice(device)), await send(app, notice(device))
    for _ in range(2):
        assert (await app.call("DELETE", f"/v1/messages/{recalled['id']}")).status_code == 204
    async with device.online() as socket:
        kinds = {(await take(socket, device, app, "delivered"))[0].kind for _ in range(2)}
        assert kinds == {Kind.NOTICE, Kind.CONTROL}
    assert (await status(app, recalled["id"]))["status"] == "recalled"
    late = await app.call("DELETE", f"/v1/messages/{read['id']}")
    assert (late.status_code, late.json()["code"]) == (409, "already_delivered")


async def test_somebody_who_is_not_there_is_a_failed_message(app: RawApp) -> None:
    made = await send(app, {"to": {"phone": new_phone()}, "body": "hello"})
    gone = await status(app, made["id"])
    assert (gone["status"], gone["failure"]) == ("failed", "unknown_recipient")


@pytest.mark.parametrize(
    ("phone", "outcome"),
    [
        ("+990000000001", "delivered"),
        ("+990000000002", "read"),
        ("+990000000003", "failed"),
        ("+990000000004", "expired"),
        ("+990000000005", "failed"),
    ],
)
async def test_a_test_key_sees_each_outcome_with_magic_recipients(
    deployment: Deployed, phone: str, outcome: str
) -> None:
    tester = create_app(deployment, test=True)
    made = await send(tester, {"to": {"phone": phone}, "body": "hello"})
    assert (await status(tester, made["id"]))["status"] == outcome
    real = await tester.call("POST", "/v1/messages", {"to": {"phone": new_phone()}, "body": "hello"})
    assert (real.status_code, real.json()["code"]) == (403, "not_a_guest")


async def test_a_live_key_repeats_nothing_of_a_test_key(deployment: Deployed, app: RawApp) -> None:
    test_key, device = SigningKey.generate(), await register(deployment)
    made = operate(deployment, "key.add", app=app.app, public=base64url_text(bytes(test_key.verify_key)), test=True)
    operate(deployment, "app.guests", app=app.app, guests=[device.phone])
    tester = RawApp(deployment, made["key"], test_key)
    for path, body in (("/v1/messages", notice(device)), ("/v1/batches", {"body": "x", "upload": "csv"})):
        first, repeated, live, again = [
            await key.call("POST", path, body, key="both") for key in (tester, tester, app, app)
        ]
        assert {answer.status_code for answer in (first, repeated, live, again)} <= {201, 202}
        assert first.json()["id"] == repeated.json()["id"]
        assert live.json()["id"] == again.json()["id"] != first.json()["id"]


async def test_the_list_is_filtered_paged_and_nobody_elses(deployment: Deployed, app: RawApp) -> None:
    own, device = create_app(deployment), await register(deployment)
    ids = [
        (await send(own, {"to": {"phone": device.phone}, "body": "x", "client_ref": f"r{n}"}))["id"] for n in range(5)
    ]
    first = (await own.call("GET", "/v1/messages?limit=3")).json()
    second = (await own.call("GET", f"/v1/messages?limit=3&cursor={first['cursor']}")).json()
    assert [message["id"] for message in first["messages"] + second["messages"]] == ids[::-1]
    assert "cursor" not in second
    one = (await own.call("GET", "/v1/messages?client_ref=r2")).json()
    assert [message["id"] for message in one["messages"]] == [ids[2]]
    stolen = await app.call("GET", f"/v1/messages?cursor={first['cursor']}")
    assert (stolen.status_code, stolen.json()["code"]) == (400, "invalid_cursor")
    assert (await app.call("GET", f"/v1/messages/{ids[0]}")).status_code == 404
