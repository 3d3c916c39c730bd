"""Tests a citizen and officials on the deployed system: hidden, invited by a message, blocked, listed, found."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandes.model.ids import account_text, base64url_text, new_account_id
from tests.conftest import Deployed
from tests.support.raw_app import operate
from tests.support.raw_device import RawDevice, message, new_phone, refill_limits, register

pytestmark = pytest.mark.engine

Json = dict[str, Any]
JPEG = b"\xff\xd8\xff\xe0" + bytes(2_000)


async def official(deployed: Deployed, organisation: str, **changed: Any) -> RawDevice:
    person = await register(deployed)
    terms: Json = {"name": "Asha Rao", "post": "Section Officer", "expires_at": int(time.time()) + 86_400}
    operate(deployed, "person.verify", account=person.account, organisation=organisation, **terms | changed)
    return person


async def told(viewer: RawDevice, method: str, path: str, body: Any = None) -> tuple[int, Json]:
    """Return status and body, without the id of the request."""
    refill_limits(viewer.deployed)
    answer = await viewer.call(method, path, body)
    said: Json = answer.json() if answer.content else {}
    return answer.status_code, {name: value for name, value in said.items() if name != "request_id"}


async def reached(viewer: RawDevice, account: str, phone: str) -> list[tuple[int, Json]]:
    """Return the answers of each call of the viewer about another person."""
    return [
        await told(viewer, "POST", "/v1/accounts/lookup", {"phone": phone}),
        await told(viewer, "GET", f"/v1/accounts/{account}"),
        await told(viewer, "GET", f"/v1/accounts/{account}/keys"),
    ]


async def write(sender: RawDevice, recipient: RawDevice, **changed: Any) -> Json:
    async with sender.online() as socket:
        answer = await socket.ask(**message(recipient, **changed))
    return {name: value for name, value in answer.items() if name not in {"ref", "id", "at"}}


async def test_from_hidden_to_invited_to_blocked_and_listed(deployment: Deployed) -> None:
    organisation = operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"]
    asha, ravi = await official(deployment, organisation), await register(deployment)
    absent = account_text(new_account_id())
    statuses = [404, 404, 404]

    nobody = await reached(ravi, absent, new_phone())
    refused = await write(ravi, asha, to={"account": absent})
    assert [status for status, _ in nobody] == statuses
    assert refused["code"] == "not_permitted"

    # An official whose post is not listed is invisible
    assert await reached(ravi, asha.account, asha.phone) == nobody
    assert await write(ravi, asha) == refused
    assert await told(ravi, "PUT", f"/v1/invitations/{asha.account}") == nobody[1]
    assert (await told(ravi, "POST", "/v1/accounts/search", {"query": "asha"}))[0] == 404

    # The official writes first: the citizen sees them and may answer
    assert (await write(asha, ravi))["type"] == "accepted"
    assert (await write(ravi, asha))["type"] == "accepted"
    status, profile = await told(ravi, "GET", f"/v1/accounts/{asha.account}")
    assert status == 200
    assert (profile["name"], profile["organisation_name"]) == ("Asha Rao", "Ministry of Railways")
    assert not {"number", "email", "last_seen"} & {name for name, value in profile.items() if value is not None}
    _, listed = await told(asha, "GET", "/v1/invitations")
    assert [entry["account"] for entry in listed["invitations"]] == [ravi.account]

    # The invitation is withdrawn, given explicitly, and then overridden by a block
    assert (await told(asha, "DELETE", f"/v1/invitations/{ravi.account}"))[0] == 204
    assert await write(ravi, asha) == refused
    assert (await told(asha, "PUT", f"/v1/invitations/{ravi.account}"))[0] == 204
    assert (await write(ravi, asha))["type"] == "accepted"
    assert (await told(asha, "PUT", f"/v1/blocks/{ravi.account}"))[0] == 204
    assert await write(ravi, asha) == refused
    assert await reached(ravi, asha.account, asha.phone) == nobody

    # A listed post is visible to everybody
    head = await official(deployment, organisation, name="Meena Nair", post="Station Master", listed=True)
    assert [status for status, _ in await reached(ravi, head.account, head.phone)] == [200, 200, 200]
    assert (await write(ravi, head))["type"] == "accepted"


async def test_colleagues_find_each_other_and_see_what_each_shows(deployment: Deployed) -> None:
    organisation = operate(deployment, "organisation.create", name="Ministry of Shipping")["organisation"]
    farida = await official(deployment, organisation, name="Farida Khan", post="Harbour Pilot")
    joseph = await official(deployment, organisation, name="Joseph Dsouza", post="Clerk")
    body = {"photo": base64url_text(JPEG), "choices": {"number": "nobody"}}
    status, own = await told(farida, "PATCH", "/v1/me/profile", body)
    assert (status, own["photo_type"], own["choices"]) == (200, "image/jpeg", {"number": "nobody"})
    assert own["number"] == farida.phone
    assert (await told(farida, "PATCH", "/v1/me/profile", {"name": "Somebody"}))[0] == 400

    _, found = await told(joseph, "POST", "/v1/accounts/search", {"query": "harb far"})
    (person,) = found["people"]
    assert (person["account"], person["post"], person.get("number")) == (farida.account, "Harbour Pilot", None)
    async with farida.online():
        _, profile = await told(joseph, "GET", f"/v1/accounts/{farida.account}")
        assert abs(profile["last_seen"] - time.time()) < 30
        assert profile["photo"] == base64url_text(JPEG)
    _, own = await told(farida, "PATCH", "/v1/me/profile", {"photo": "", "choices": {"post": "nobody"}})
    assert (own.get("photo"), own["choices"]) == (None, {"number": "nobody", "post": "nobody"})
    assert (await told(joseph, "POST", "/v1/accounts/search", {"query": "harb far"}))[1]["people"] == []
    stranger = await official(deployment, operate(deployment, "organisation.create", name="Mint")["organisation"])
    assert (await told(stranger, "POST", "/v1/accounts/search", {"query": "farida"}))[1]["people"] == []
