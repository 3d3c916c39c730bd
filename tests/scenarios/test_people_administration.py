"""Tests how an organisation administers one of its people on the deployed system, from the request to the leaving."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets

from sandes.model.administrator import PLATFORM, Place, Role
from sandes.model.ids import parse_organisation
from sandes_client.admin import AdminApiError, AdminClient
from tests.conftest import Deployed
from tests.support.administrators import administrator
from tests.support.raw_device import RawDevice, message, refill_limits, register

pytestmark = pytest.mark.engine

Json = dict[str, Any]


@pytest.fixture(scope="module")
def organisation(deployment: Deployed) -> str:
    return str(deployment.backstage.operate("organisation.create", name="Ministry of Railways")["organisation"])


def unit(deployment: Deployed, organisation: str, name: str) -> str:
    made = deployment.backstage.operate("unit.create", organisation=organisation, name=name, kind="department")
    return str(made["unit"])


@pytest.fixture(scope="module")
def officer(deployment: Deployed, organisation: str) -> AdminClient:
    root = Place.root(parse_organisation(organisation))
    return administrator(deployment, home=root, roles=[(Role.NODAL_OFFICER, root), (Role.MODERATOR, root)]).api


def until() -> str:
    return datetime.fromtimestamp(time.time() + 86_400, UTC).isoformat()


def refused(call: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(AdminApiError) as error:
        call(*args, **named)
    return error.value.code


async def called(device: RawDevice, method: str, path: str, body: Any = None) -> Any:
    answer = await device.call(method, path, body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def profile(viewer: RawDevice, person: RawDevice) -> Json:
    refill_limits(viewer.deployed)
    found: Json = await called(viewer, "GET", f"/v1/accounts/{person.account}")
    return found


async def connects(device: RawDevice) -> bool:
    try:
        async with device.socket():
            return True
    except websockets.InvalidStatus as refusal:
        if refusal.response.status_code != 403:
            raise
        return False


async def test_an_official_from_asking_to_leaving(
    deployment: Deployed, organisation: str, officer: AdminClient
) -> None:
    person, citizen = await register(deployment), await register(deployment)
    yard, depot = unit(deployment, organisation, "Yard"), unit(deployment, organisation, "Depot")

    # they request verification from the device, and are verified with a correction
    asking = {"organisation": organisation, "name": "Asha Rao", "post": "Engineer", "email": "asha@rail.example"}
    asked = await called(person, "POST", "/v1/verification-requests", asking)
    again = await person.call("POST", "/v1/verification-requests", asking)
    assert (again.status_code, again.json()["code"]) == (409, "already_requested")
    (request,) = officer.get("verification-requests", organisation=organisation)["requests"]
    assert (request["id"], request["account"], request["state"]) == (asked["id"], person.account, "open")
    terms = {"unit": yard, "post": "Yard Master", "listed": True, "expires_at": until()}
    made = officer.post("verification-requests", request["id"], "verify", body=terms)
    assert (made["state"], made["unit"], made["post"]) == ("verified", yard, "Yard Master")
    assert refused(officer.post, "verification-requests", request["id"], "reject", body={"reason": "late"}) == (
        "request_state"
    )
    (own,) = (await called(person, "GET", "/v1/verification-requests"))["requests"]
    assert own["state"] == "verified"
    seen = await profile(citizen, person)
    assert (seen["account_class"], seen["name"], seen["post"]) == ("verified", "Asha Rao", "Yard Master")
    assert {one["field"] for one in seen["attestation"]["disclosures"]} == {"name", "post", "unit"}

    # a field is hidden, at the version that was read
    tag = officer.call("GET", "people", person.account).headers["ETag"]
    hidden = officer.call(
        "PATCH", "people", person.account, "visibility", body={"fields": {"post": "nobody"}}, if_match=tag
    )
    assert hidden.json()["hidden"] == {"post": "nobody"}
    assert refused(
        officer.patch, "people", person.account, "visibility", body={"fields": {"post": None}}, if_match=tag
    ) == ("precondition_failed")
    seen = await profile(citizen, person)
    assert "post" not in seen
    assert {one["field"] for one in seen["attestation"]["disclosures"]} == {"name"}

    # they move to another unit, and everything else stays
    moved = officer.post("people", person.account, "transfer", body={"unit": depot})
    assert (moved["unit"], moved["post"], moved["hidden"]) == (depot, "Yard Master", {"post": "nobody"})
    assert officer.get("people", organisation=organisation, unit=yard)["people"] == []
    (listed,) = officer.get("people", organisation=organisation, unit=depot)["people"]
    assert (listed["account"], listed["post"]) == (person.account, "Yard Master")


async def test_an_official_is_suspended_resumed_unlinked_verified_anew_and_leaves(
    deployment: Deployed, organisation: str, officer: AdminClient
) -> None:
    person, citizen = await register(deployment), await register(deployment)
    said = {"organisation": organisation, "name": "Ravi Iyer", "post": "Guard", "listed": True, "expires_at": until()}
    stranger = await register(deployment)
    officer.post("people", body=said | {"account": stranger.account})
    body = {"reason": "is not wanted"}
    assert refused(officer.post, "people", stranger.account, "suspend", body=body) == "verified_lately"
    asking = {"organisation": organisation, "name": "Ravi Iyer", "post": "Guard"}
    asked = await called(person, "POST", "/v1/verification-requests", asking)
    terms = {"listed": True, "expires_at": until()}
    officer.post("verification-requests", asked["id"], "verify", body=terms)

    # they are suspended: the socket closes, nothing is accepted, and messages wait
    async with person.online() as socket:
        reason = {"reason": "the device was stolen"}
        state = officer.post("people", person.account, "suspend", body=reason)
        assert state["suspended"]["reason"] == "the device was stolen"
        assert (await socket.next_unasked("error"))["code"] == "suspended"
        await socket.closed()
    assert not await connects(person)
    answer = await person.call("GET", "/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "suspended")
    async with citizen.online() as sending:
        accepted = await sending.ask(**message(person, body=b"are you there?"))
        assert accepted["type"] == "accepted", accepted
    assert officer.get("people", person.account)["suspended"]["organisation"] == organisation

    # they are resumed, and find the messages
    officer.post("people", person.account, "resume")
    async with person.online() as socket:
        envelope = await socket.next_envelope()
        assert person.open(envelope).body == b"are you there?"
        await socket.ask(type="ack", ids=[envelope["id"]])

        # all devices are unlinked
        assert officer.post("people", person.account, "devices", "reset")["devices"] == 1
        assert (await socket.next_unasked("revoked"))["reason"] == "unlinked"
        await socket.closed()
    assert not await connects(person)
    assert officer.get("people", person.account)["devices"] == 0

    # they are verified again by number on a new device, and leave
    anew = await register(deployment, person.phone)
    assert officer.get("people", anew.account)["state"] == "replaced"
    assert officer.post("people", body=said | {"phone": anew.phone})["account"] == anew.account
    assert (await profile(citizen, anew))["account_class"] == "verified"
    left = officer.post("people", anew.account, "revoke", body={"reason": "has left the service"})
    assert (left["state"], left["reason"]) == ("revoked", "has left the service")
    assert (await profile(citizen, anew))["account_class"] == "public"
    listed = officer.get("people", organisation=organisation)["people"]
    assert anew.account not in {one["account"] for one in listed}

    actions = [one["action"] for one in officer.get("audit", organisation=organisation, limit=100)["entries"]]
    for action in ("verify", "suspend", "resume", "reset_devices", "revoke"):
        assert f"person.{action}" in actions


async def test_who_is_rejected_sees_why(deployment: Deployed, organisation: str, officer: AdminClient) -> None:
    person = await register(deployment)
    asking = {"organisation": organisation, "name": "Mallory", "post": "Minister"}
    asked = await called(person, "POST", "/v1/verification-requests", asking)
    officer.post("verification-requests", asked["id"], "reject", body={"reason": "unknown here"})
    (own,) = (await called(person, "GET", "/v1/verification-requests"))["requests"]
    assert (own["state"], own["reason"]) == ("rejected", "unknown here")
    second = await called(person, "POST", "/v1/verification-requests", asking)
    await called(person, "DELETE", f"/v1/verification-requests/{second['id']}")
    assert officer.get("verification-requests", organisation=organisation)["requests"] == []


async def test_a_complaint_reaches_the_moderator_without_who_complained(
    deployment: Deployed, organisation: str, officer: AdminClient
) -> None:
    official, citizen = await register(deployment), await register(deployment)
    said = {"account": official.account, "organisation": organisation, "name": "Bob", "post": "Guard"}
    officer.post("people", body=said | {"expires_at": until()})
    report = {"account": official.account, "category": "abuse", "text": "He shouts at everybody."}
    assert (await citizen.call("POST", "/v1/reports", report)).status_code == 204
    (entry,) = officer.get("complaints", organisation=organisation)["complaints"]
    read = officer.call("GET", "complaints", entry["id"])
    assert read.json()["text"] == "He shouts at everybody."
    assert citizen.account not in read.text
    officer.post("complaints", entry["id"], "assign", body={"administrator": officer.me()["administrator"]})
    done = officer.post("complaints", entry["id"], "resolve", body={"outcome": "upheld", "note": "Was warned."})
    assert (done["state"], done["note"]) == ("resolved", "Was warned.")
    again = {"outcome": "dismissed"}
    assert refused(officer.post, "complaints", entry["id"], "resolve", body=again) == "complaint_state"
    assert officer.get("complaints", organisation=organisation)["complaints"] == []


async def test_the_platform_suspends_whom_no_organisation_vouches_for(
    deployment: Deployed, organisation: str, officer: AdminClient
) -> None:
    citizen = await register(deployment)
    root = Place.root(PLATFORM)
    moderator = administrator(deployment, home=root, roles=[(Role.MODERATOR, root)]).api
    reason = {"reason": "sends fraud"}
    assert refused(officer.post, "people", citizen.account, "suspend", body=reason) == "not_found"
    moderator.post("people", citizen.account, "suspend", body=reason)
    assert not await connects(citizen)
    assert refused(officer.post, "people", citizen.account, "resume") == "not_found"
    moderator.post("people", citizen.account, "resume")
    assert await connects(citizen)
