"""Tries every id of one kind in every call that takes an id of another kind: nothing is found, nothing changes.

The calls come from the published specifications, so a new route is tried without being named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from nacl.signing import SigningKey

from sandes.crypto.statements import Act
from sandes.model.ids import message_text, new_message_id
from sandes.store.schema import OtpRow
from tests.conftest import Deployed
from tests.support.acts import act_of
from tests.support.keys import DeviceKeys
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import RawDevice, message, new_phone, now_ms, register, start_registration
from tools.specs.https import app_openapi, client_openapi, operations_of

Json = dict[str, Any]
Ids = dict[str, str]

UNCHANGED = ("codes", "deliveries", "directory")
OWN = {
    "registrations": {"registration", "change_of_number"},
    "accounts": {"account"},
    "blocks": {"account"},
    "invitations": {"account"},
    "groups": {"group"},
    "app-groups": {"app_group"},
    "batches": {"batch"},
    "messages": {"message"},
    "otps": {"otp"},
    "webhooks": {"webhook"},
    "verification-requests": {"request"},
}
"""The kinds of ids that a call is about, by the first word of its path."""

WITHOUT_IDS = {"devices", "templates"}
"""Their paths hold a number or a name."""

BODIES: dict[str, Json] = {
    "PATCH /v1/groups/{group}": {"name": "Another"},
    "PUT /v1/groups/{group}/members/{account}": {"role": "member"},
    "PATCH /v1/app-groups/{id}": {"name": "Another"},
    "PUT /v1/app-groups/{id}/members/{account}": {"role": "member"},
    "POST /v1/batches/{id}/commit": {},
    "POST /v1/otps/{id}/checks": {"code": "123456", "purpose": "login"},
    "PATCH /v1/webhooks/{id}": {"paused": True},
}
REFUSALS = {"not_found", "link_invalid", "invalid_request"}


WORKED_ON = ("E#", "F#", "D#swept")
"""The beginnings of the rows that queues and schedules change: events of groups, their posts, the position of a
sweep.
"""


def rows(deployed: Deployed) -> set[str]:
    """Read all rows except those that queues and schedules change, without the note of an SMS."""
    client, found = deployed.engine.client("dynamodb"), set()
    for name in UNCHANGED:
        for page in client.get_paginator("scan").paginate(TableName=deployed.stack.tables[name]):
            for item in page["Items"]:
                if not any(item.get(key, {}).get("S", "").startswith(WORKED_ON) for key in ("p", "s")):
                    item.pop(OtpRow.SMS_SEND, None)
                    found.add(f"{name} {json.dumps(item, default=str, sort_keys=True)}")
    return found


@pytest.fixture(scope="module")
async def device(deployment: Deployed) -> RawDevice:
    return await register(deployment)


@pytest.fixture(scope="module")
def app(deployment: Deployed) -> RawApp:
    return create_app(deployment)


@pytest.fixture(scope="module")
async def ids(deployment: Deployed, device: RawDevice, app: RawApp) -> Ids:
    """Return one id of each kind. All of them name existing things that the callers own."""
    other = await register(deployment)
    organisation = operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"]
    unit = operate(deployment, "unit.create", organisation=organisation, name="Signalling", kind="department")["unit"]

    async def made(answer: httpx.Response, field: str = "id") -> str:
        assert answer.is_success, answer.text
        return str(answer.json()[field])

    otp = {"to": {"phone": other.phone}, "template": "login", "variables": {"service": "x"}}
    hook = {"url": "https://1.1.1.1/hook", "events": ["batch.completed"]}
    group = {"ref": "AAAAAAAAAAAAAAAAAAAAAA", "name": "Walkers"}
    async with device.socket() as socket:
        await socket.hello()
        from_device = message(other)
        assert (await socket.ask(**from_device))["type"] == "accepted"
    return {
        "registration": await start_registration(deployment, new_phone()),
        "change_of_number": await start_registration(deployment, new_phone(), "change_phone"),
        "link": await made(await device.open_link(SigningKey.generate())),
        "otp": await made(await app.call("POST", "/v1/otps", otp)),
        "batch": await made(await app.call("POST", "/v1/batches", {"upload": "csv", "body": "hello"})),
        "webhook": await made(await app.call("POST", "/v1/webhooks", hook)),
        "message": await made(await app.call("POST", "/v1/messages", {"to": {"phone": other.phone}, "body": "hello"})),
        "message_of_a_device": from_device["id"],
        "unused_message": message_text(new_message_id(now_ms())),
        "account": other.account,
        "app": app.app,
        "organisation": organisation,
        "unit": unit,
        "group": await made(await device.call("POST", "/v1/groups", group), "group"),
    }


def calls(document: Json) -> Iterator[tuple[str, str]]:
    for path, method, _ in operations_of(document):
        if "{" in path and path.split("/")[2] not in WITHOUT_IDS:
            yield method.upper(), path


def tried(path: str, ids: Ids) -> Iterator[tuple[str, str]]:
    """Return the path with each id at each place for ids of another kind, and valid ids at its other places."""
    steps = path.split("/")
    places = [at for at, step in enumerate(steps) if step.startswith("{")]
    good = {"{account}": ids["account"], "{group}": ids["group"], "{event}": ids["unused_message"]}
    good |= {"{message}": ids["unused_message"]}
    at = places[0]
    own = OWN[steps[2]]
    for kind, id in ids.items():
        if kind not in own:
            filled = [good[step] if step.startswith("{") and place != at else step for place, step in enumerate(steps)]
            filled[at] = id
            yield kind, "/".join(filled)


def wrong_kind(answer: httpx.Response) -> bool:
    """Tell whether the answer says that nothing was found, or that the id does not have the form of this kind."""
    return not answer.is_success and answer.json()["code"] in REFUSALS


def act_for(method: str, path: str, body: Json | None) -> Act | None:
    """Return the act that the device signs for the call, or None if an id does not have a form that can be signed."""
    try:
        return act_of(method, path, body)
    except ValueError:
        return None


SILENT = {"PUT /v1/blocks/{account}", "DELETE /v1/blocks/{account}", "DELETE /v1/invitations/{account}"}
"""The calls that do not reveal whether an account exists. A block of an account that does not exist is harmless."""


@pytest.mark.parametrize(("method", "path"), list(calls(client_openapi())))
async def test_no_call_of_the_client_api_takes_an_id_of_another_kind(
    deployment: Deployed, device: RawDevice, ids: Ids, method: str, path: str
) -> None:
    before = rows(deployment)
    called = f"{method} {path}"
    for kind, filled in tried(path, ids):
        body = BODIES.get(called)
        if path.endswith("verification"):
            body = {"code": "123456", "device": DeviceKeys().new_device(ids[kind])}
        answer = await device.call(method, filled, body, act=act_for(method, filled, body))
        assert wrong_kind(answer) or (called in SILENT and answer.status_code == 204), (called, kind, answer.text)
    if called not in SILENT:
        assert rows(deployment) == before


@pytest.mark.parametrize(("method", "path"), list(calls(app_openapi())))
async def test_no_call_of_the_app_api_takes_an_id_of_another_kind(
    deployment: Deployed, app: RawApp, ids: Ids, method: str, path: str
) -> None:
    before = rows(deployment)
    called = f"{method} {path}"
    for kind, filled in tried(path, ids):
        body = BODIES.get(called)
        if called == "PUT /v1/app-groups/{id}/roster":
            body = {"rows": [{"phone": new_phone()}]}
        answer = await app.call(method, filled, body, if_match="*")
        assert wrong_kind(answer), (called, kind, answer.status_code, answer.text)
    assert rows(deployment) == before


async def test_no_id_of_another_kind_moves_a_number(deployment: Deployed, device: RawDevice, ids: Ids) -> None:
    before = rows(deployment)
    for kind, id in ids.items():
        if kind != "change_of_number":
            answer = await device.change_phone(id, new_phone(), "123456")
            assert wrong_kind(answer), (kind, answer.text)
    assert rows(deployment) == before


@pytest.mark.parametrize("purpose", ["register", "change_phone", "link"])
async def test_an_app_may_not_use_a_purpose_of_the_platform(app: RawApp, purpose: str) -> None:
    otp = {"to": {"phone": new_phone()}, "template": "login", "variables": {"service": "x"}, "purpose": purpose}
    refused = await app.call("POST", "/v1/otps", otp)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert refused.json()["errors"][0]["pointer"] == "/purpose"
