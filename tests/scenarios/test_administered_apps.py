"""Tests how a ministry's people bring an app from registration to live, and manage an official group, by the
admin API.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import cbor2
import pytest
from nacl.signing import SigningKey

from sandes.model.administrator import Place, Role
from sandes.model.ids import base64url_text, parse_base64url, parse_organisation, parse_unit
from sandes_client.admin import AdminClient
from sandes_client.admin.client import AdminApiError
from tests.conftest import Deployed
from tests.support.administrators import TestAdministrator, administrator
from tests.support.raw_app import RawApp, operate
from tests.support.raw_device import register

pytestmark = pytest.mark.engine

Json = dict[str, Any]
LOGIN = {"en": "{{ code }} is your code for {{ service }}.", "hi": "{{ service }} के लिए आपका कोड {{ code }} है।"}


@dataclass
class Ministry:
    """Holds a ministry. `manager` manages apps and `keeper` groups of the western zone; the officers are in different
    units.
    """

    organisation: str
    west: str
    east: str
    manager: AdminClient
    keeper: AdminClient
    officer: AdminClient
    second: AdminClient


@pytest.fixture(scope="module")
def ministry(deployment: Deployed) -> Ministry:
    organisation = str(operate(deployment, "organisation.create", name="Ministry of External Affairs")["organisation"])
    zones = [
        str(operate(deployment, "unit.create", organisation=organisation, name=name, kind="department")["unit"])
        for name in ("Western zone", "Eastern zone")
    ]
    western, eastern = (Place(parse_organisation(organisation), parse_unit(zone)) for zone in zones)
    root = Place.root(western.organisation)

    def appoint(role: Role, place: Place, home: Place) -> AdminClient:
        made: TestAdministrator = administrator(deployment, home=home, roles=[(role, place)])
        return made.api

    return Ministry(
        organisation,
        west=zones[0],
        east=zones[1],
        manager=appoint(Role.APP_MANAGER, western, western),
        keeper=appoint(Role.GROUP_MANAGER, western, western),
        officer=appoint(Role.NODAL_OFFICER, root, root),
        second=appoint(Role.NODAL_OFFICER, root, eastern),
    )


def refused(call: Any, *path: str, **named: Any) -> tuple[int, str]:
    with pytest.raises(AdminApiError) as caught:
        call(*path, **named)
    return caught.value.status, str(caught.value.code)


def approve(by: AdminClient, approval: Json) -> None:
    assert by.post("approvals", approval["id"], "approve")["state"] == "executed"


def own_key(deployed: Deployed, shown: Json) -> RawApp:
    """Return the app with the key that the server made."""
    return RawApp(deployed, shown["id"], SigningKey(parse_base64url(shown["private_key"])))


async def test_an_app_comes_from_its_registration_to_live(deployment: Deployed, ministry: Ministry) -> None:
    guest, citizen = await register(deployment), await register(deployment)
    of = {"organisation": ministry.organisation, "unit": ministry.west}
    new = {**of, "name": "Passport Seva", "scopes": ["otp", "msg"], "guests": [guest.phone], "key": {}}
    made = ministry.manager.post("apps", body=new)
    assert (made["mode"], made["per_day"], made["guests"]) == ("trial", 50, 1)
    id = made["app"]
    app = own_key(deployment, made["keys"][0])
    assert "private_key" not in ministry.manager.get("apps", id)["keys"][0]

    draft = {"app": id, "name": "login", "kind": "otp", "texts": LOGIN}
    drafted = ministry.manager.post("templates", body=draft)
    assert refused(ministry.manager.post, "approvals", drafted["id"], "approve") == (403, "own_request")
    approve(ministry.officer, drafted)
    assert ministry.manager.get("templates", app=id)["templates"][0]["version"] == 1
    assert ministry.manager.get("templates", id, "login")["templates"][0]["texts"] == LOGIN

    otp = {"template": "login", "variables": {"service": "passports"}}
    async with guest.online() as socket:
        sent = await app.call("POST", "/v1/otps", {"to": {"phone": guest.phone}, **otp})
        assert sent.status_code == 202, sent.text
        envelope = await socket.next_envelope()
        assert "passports" in str(cbor2.loads(guest.open(envelope).body))
        await socket.ask(type="ack", ids=[envelope["id"]])
    too_early = await app.call("POST", "/v1/otps", {"to": {"phone": citizen.phone}, **otp})
    assert (too_early.status_code, too_early.json()["code"]) == (403, "not_a_guest")

    assert refused(ministry.manager.post, "apps", id, "go-live") == (404, "not_found")
    approve(ministry.second, ministry.officer.post("apps", id, "go-live"))
    quota = ministry.second.post("apps", id, "quota", body={"per_minute": 9_000, "per_day": 1_000_000})
    approve(ministry.officer, quota)
    live = ministry.manager.get("apps", id)
    assert (live["mode"], live["per_minute"], live["per_day"]) == ("live", 9_000, 1_000_000)
    assert (await app.call("POST", "/v1/otps", {"to": {"phone": citizen.phone}, **otp})).status_code == 202

    pair = SigningKey.generate()
    public = base64url_text(bytes(pair.verify_key))
    successor = RawApp(deployment, ministry.manager.post("apps", id, "keys", body={"public": public})["id"], pair)
    assert refused(ministry.manager.post, "apps", id, "keys", body={"public": public}) == (409, "too_many_keys")
    assert (await successor.call("GET", "/v1/usage")).json()["per_day"]["limit"] == 1_000_000
    ministry.manager.delete("apps", id, "keys", app.id)
    assert (await app.call("GET", "/v1/usage")).status_code == 401
    assert (await successor.call("GET", "/v1/usage")).status_code == 200

    assert ministry.officer.post("apps", id, "trial", body={"reason": "complaints"})["mode"] == "trial"
    again = await successor.call("POST", "/v1/otps", {"to": {"phone": citizen.phone}, **otp})
    assert (again.status_code, again.json()["code"]) == (403, "not_a_guest")


def test_an_app_is_changed_as_it_was_read_and_by_its_unit_only(deployment: Deployed, ministry: Ministry) -> None:
    of = {"organisation": ministry.organisation, "unit": ministry.east}
    id = ministry.officer.post("apps", body={**of, "name": "Vahan", "scopes": ["hook"]})["app"]
    assert refused(ministry.manager.get, "apps", id) == (404, "not_found")
    assert refused(ministry.officer.patch, "apps", id, body={"name": "x"}) == (428, "precondition_required")
    changed = ministry.officer.patch("apps", id, body={"unit": ministry.west}, if_match='"1"')
    assert (changed["unit"], changed["version"]) == (ministry.west, 2)
    assert refused(ministry.manager.patch, "apps", id, body={"sms": True}, if_match='"1"') == (
        412,
        "precondition_failed",
    )
    assert refused(ministry.manager.patch, "apps", id, body={"mode": "live"}, if_match="*") == (400, "invalid_request")
    listed = ministry.manager.get("apps", organisation=ministry.organisation, unit=ministry.west)["apps"]
    assert id in {one["app"] for one in listed}
    guests = ministry.manager.put("apps", id, "guests", body={"guests": ["+919876543210"]}, if_match='"2"')
    assert guests["guests"] == 1
    events = {"url": "https://10.0.0.1/hook", "events": ["message.read"]}
    assert refused(ministry.manager.post, "apps", id, "webhooks", body=events) == (400, "webhook_address")
    made = ministry.manager.post("apps", id, "webhooks", body=events | {"url": "https://93.184.215.14/hook"})
    assert made["secret"]
    assert ministry.manager.patch("apps", id, "webhooks", made["id"], body={"paused": True})["disabled"] == "paused"
    ministry.manager.delete("apps", id, "webhooks", made["id"])
    assert ministry.manager.get("apps", id, "webhooks")["webhooks"] == []


async def test_an_official_group_is_made_moved_and_dissolved(deployment: Deployed, ministry: Ministry) -> None:
    asha, ravi = await register(deployment), await register(deployment)
    for person in (asha, ravi):
        terms = {"name": "Asha Rao", "post": "Section Officer", "expires_at": int(time.time()) + 86_400}
        operate(deployment, "person.verify", account=person.account, organisation=ministry.organisation, **terms)
    of = {"organisation": ministry.organisation, "unit": ministry.west}
    made = ministry.keeper.post("groups", body={**of, "name": "Flood relief", "admins": [asha.account]})
    id = made["group"]
    assert refused(ministry.manager.get, "groups", id) == (404, "not_found")
    named = ministry.keeper.put("groups", id, "admins", body={"admins": [ravi.account]})
    assert (named["admins"], named["members"]) == ([ravi.account], 2)
    stale = refused(ministry.keeper.patch, "groups", id, body={"open": True}, if_match='"1"')
    assert stale == (412, "precondition_failed")
    opened = ministry.keeper.patch("groups", id, body={"open": True}, if_match=f'"{named["version"]}"')
    assert opened["open"]
    listed = ministry.keeper.get("groups", organisation=ministry.organisation, unit=ministry.west)["groups"]
    assert [(one["group"], one["name"]) for one in listed] == [(id, "Flood relief")]
    assert refused(ministry.keeper.post, "groups", id, "transfer", body={"unit": ministry.east}) == (404, "not_found")
    assert ministry.officer.post("groups", id, "transfer", body={"unit": ministry.east})["unit"] == ministry.east
    assert refused(ministry.keeper.get, "groups", id) == (404, "not_found")
    ministry.officer.delete("groups", id)
    assert ministry.officer.get("groups", id)["state"] == "dissolved"
    assert (await ravi.call("GET", f"/v1/groups/{id}")).status_code == 404
