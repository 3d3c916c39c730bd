"""Tests groups over HTTPS from creation to dissolution: rights, and the events that members' devices get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import cbor2
import httpx
import pytest

from sandes.crypto.seal import GroupChange, Kind
from sandes.model.app import AppSender
from sandes.model.ids import account_text, base64url_text, new_one_time_id, parse_account, parse_group
from tests.conftest import Deployed
from tests.support.raw_app import operate
from tests.support.raw_device import RawDevice, Socket, link, message, now_ms, register

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60.0
Json = dict[str, Any]


async def call(device: RawDevice, method: str, path: str, body: Any = None, *, status: int = 200) -> Json:
    answer = await device.act(method, path, body)
    assert answer.status_code == status, answer.text
    return dict(answer.json()) if answer.content else {}


async def refused(device: RawDevice, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = await device.act(method, path, body)
    return answer.status_code, answer.json()["code"]


async def make(owner: RawDevice, name: str = "Flood relief") -> str:
    made = await call(owner, "POST", "/v1/groups", {"ref": new_one_time_id(), "name": name}, status=201)
    return f"/v1/groups/{made['group']}"


async def join(owner: RawDevice, path: str, *others: RawDevice) -> None:
    for other in others:
        await call(owner, "PUT", f"{path}/members/{other.account}", {})
        await call(other, "PUT", f"{path}/members/{other.account}", {})


_TOLD: set[tuple[str, str]] = set()
"""The received envelopes of events, by account."""


async def told(socket: Socket, device: RawDevice, path: str) -> tuple[GroupChange, Json, Any]:
    """Return and acknowledge the next event of the group: the change, the body's further fields, the sealed content.

    An event that comes again is skipped, as clients do: a waiting envelope may be drained and pushed at the same
    moment.
    """
    while True:
        envelope = await socket.next_envelope()
        assert (await socket.ask(type="ack", ids=[envelope["id"]]))["type"] == "acked"
        if (device.account, envelope["id"]) not in _TOLD:
            break
    _TOLD.add((device.account, envelope["id"]))
    content = device.open(envelope)
    assert content.kind is Kind.GROUP_EVENT
    names = {2: "version", 4: "actor", 5: "subject", 6: "role", 7: "name"}
    fields = cbor2.loads(content.body)
    assert fields[1] == parse_group(path.rpartition("/")[2])
    body = {names[number]: value for number, value in fields.items() if number in names}
    for name in ("actor", "subject"):
        if name in body:
            body[name] = account_text(body[name])
    return GroupChange(fields[3]), body, content


def hurry(deployed: Deployed, job: Json) -> None:
    """Queue now what is due in some minutes."""
    client = deployed.engine.client("sqs")
    (url,) = [url for url in client.list_queues()["QueueUrls"] if "GroupWorkQueue" in url]
    client.send_message(QueueUrl=url, MessageBody=json.dumps(job))


def rows(deployed: Deployed, path: str, *people: RawDevice) -> int:
    """Return how many memberships of a group do not expire, counted in the partitions of the group and of each
    person.
    """
    group = path.rpartition("/")[2]
    ranges = [(f"G#{group}", "M#"), *((f"A#{person.account}", f"G#{group}") for person in people)]
    return sum(
        deployed.engine.client("dynamodb").query(
            TableName=deployed.stack.tables["directory"],
            KeyConditionExpression="p = :p AND begins_with(s, :s)",
            FilterExpression="attribute_not_exists(tt)",
            ExpressionAttributeValues={":p": {"S": partition}, ":s": {"S": sort}},
            ConsistentRead=True,
        )["Count"]
        for partition, sort in ranges
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.2)


async def test_the_life_of_an_informal_group(deployment: Deployed) -> None:
    asha, ravi, mira = await register(deployment), await register(deployment), await register(deployment)
    tablet = await link(asha)
    async with tablet.online() as second, ravi.online() as his, mira.online() as hers:
        path = await make(asha)
        assert (await told(second, tablet, path))[:2] == (
            GroupChange.JOINED,
            {
                "version": 1,
                "actor": asha.account,
                "subject": asha.account,
                "role": "owner",
                "name": "Flood relief",
            },
        )

        invited = await call(asha, "PUT", f"{path}/members/{ravi.account}", {})
        assert (invited["state"], invited["role"]) == ("invited", "member")
        change, body, content = await told(his, ravi, path)
        assert (change, body["name"], body["actor"]) == (GroupChange.INVITED, "Flood relief", asha.account)
        assert (account_text(content.sender.account), content.sender_class) == (asha.account, "public")
        assert (await told(second, tablet, path))[0] is GroupChange.INVITED
        (entry,) = (await call(ravi, "GET", "/v1/groups"))["groups"]
        assert (entry["name"], entry["expires_at"] > now_ms() // 1000) == ("Flood relief", True)
        assert "role" not in entry
        assert (await call(ravi, "PUT", f"{path}/members/{ravi.account}", {}))["state"] == "member"
        assert (await told(second, tablet, path))[:2] == (
            GroupChange.JOINED,
            {
                "version": 2,
                "actor": ravi.account,
                "subject": ravi.account,
                "role": "member",
                "name": "Flood relief",
            },
        )

        renamed = await asha.call("PATCH", path, {"name": "Cyclone relief"})
        assert (renamed.status_code, renamed.headers["etag"], renamed.json()["version"]) == (200, '"3"', 3)
        change, body, _ = await told(his, ravi, path)
        assert (change, body["name"], body["version"]) == (GroupChange.CHANGED, "Cyclone relief", 3)
        stale = await _if_match(asha, path, '"2"')
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
        assert await refused(ravi, "PATCH", path, {"name": "Mine"}) == (403, "not_permitted")

        assert (await call(asha, "PUT", f"{path}/members/{ravi.account}", {"role": "admin"}))["role"] == "admin"
        assert (await told(his, ravi, path))[1]["role"] == "admin"
        await join(ravi, path, mira)
        assert (await told(hers, mira, path))[0] is GroupChange.INVITED
        assert (await told(his, ravi, path))[0] is GroupChange.JOINED
        members = (await call(mira, "GET", f"{path}/members"))["members"]
        assert {(one["account"], one["role"]) for one in members} == {
            (asha.account, "owner"),
            (ravi.account, "admin"),
            (mira.account, "member"),
        }

        assert await refused(asha, "DELETE", f"{path}/members/{asha.account}") == (409, "owner_stays")
        await call(asha, "PUT", f"{path}/members/{ravi.account}", {"role": "owner"})
        assert (await told(his, ravi, path))[1]["role"] == "owner"
        assert (await told(hers, mira, path))[1]["role"] == "owner"
        await call(asha, "DELETE", f"{path}/members/{asha.account}", status=204)
        change, body, _ = await told(his, ravi, path)
        assert (change, body["subject"]) == (GroupChange.LEFT, asha.account)
        assert (await told(hers, mira, path))[0] is GroupChange.LEFT
        assert await refused(asha, "GET", path) == (404, "not_found")

        await call(ravi, "DELETE", f"{path}/members/{mira.account}", status=204)
        change, body, _ = await told(hers, mira, path)
        assert (change, body["subject"]) == (GroupChange.REMOVED, mira.account)
        assert await refused(mira, "PUT", f"{path}/members/{mira.account}", {}) == (404, "not_found")


async def _if_match(device: RawDevice, path: str, tag: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=device.deployed.stack.http_url, timeout=20) as client:
        headers = {"Authorization": f"Bearer {device.token()}", "If-Match": tag}
        return await client.patch(path, json={"name": "x"}, headers=headers)


async def test_what_was_accepted_before_a_group_was_dissolved_still_arrives(deployment: Deployed) -> None:
    asha, ravi = await register(deployment), await register(deployment)
    path = await make(asha)
    await join(asha, path, ravi)
    post = message(ravi, body=b"x") | {"to": {"group": path.rpartition("/")[2]}, "body": base64url_text(b"last words")}
    del post["copies"]
    async with asha.online() as socket:
        assert (await socket.ask(**post))["type"] == "accepted"
        await call(asha, "DELETE", path, status=204)
        late = await socket.ask(**post | {"id": message(ravi, at_ms=now_ms())["id"]})
        assert (late["type"], late["code"]) == ("error", "not_permitted")
    assert await refused(ravi, "GET", path) == (404, "not_found")
    kinds = []
    async with ravi.online() as socket:
        while "dissolved" not in kinds:
            envelope = await socket.next_envelope()
            content = ravi.open(envelope)
            fields = cbor2.loads(content.body)
            if content.kind is Kind.GROUP_MESSAGE:
                assert fields[3] == b"last words"
                kinds.append("message")
            elif fields[3] == GroupChange.DISSOLVED:
                kinds.append("dissolved")
    assert sorted(kinds) == ["dissolved", "message"]
    hurry(deployment, {"job": "dissolve", "group": path.rpartition("/")[2]})
    await until(lambda: rows(deployment, path, asha, ravi) == 0)


async def test_bad_ids_and_accounts_that_are_not_there_are_not_found(deployment: Deployed) -> None:
    asha, ravi = await register(deployment), await register(deployment)
    path = await make(asha)
    unknown = "aaaaaaaaaaaaa"
    assert await refused(asha, "PUT", f"{path}/members/{unknown}", {}) == (404, "not_found")
    assert await refused(asha, "DELETE", f"{path}/members/{ravi.account}") == (404, "not_found")
    assert await refused(ravi, "GET", path) == (404, "not_found")
    assert await refused(ravi, "GET", f"/v1/groups/{unknown}") == (404, "not_found")
    for no_id in ("short", "aaaaaaaaaaaab", "aaaaaaaaaaaaA"):  # the second spells an id with a left-over bit
        assert await refused(ravi, "GET", f"/v1/groups/{no_id}") == (400, "invalid_request")
    assert await refused(asha, "PUT", f"{path}/members/{ravi.account}", {"role": "admin"}) == (400, "invalid_request")
    assert await refused(asha, "PATCH", path, {"name": ""}) == (400, "invalid_request")
    assert await refused(asha, "GET", "/v1/groups?cursor=AAAA") == (400, "invalid_cursor")


async def test_an_official_group_is_made_by_operators_filled_by_its_admin_and_left_with_the_verification(
    deployment: Deployed,
) -> None:
    ministry = operate(deployment, "organisation.create", name="Ministry of Railways")["organisation"]
    admin, officer = await register(deployment), await register(deployment)
    for device in (admin, officer):
        operate(
            deployment,
            "person.verify",
            account=device.account,
            organisation=ministry,
            name="Asha",
            post="Officer",
            expires_at=now_ms() // 1000 + 86_400,
        )
    made = operate(deployment, "group.create", organisation=ministry, name="Officers", admins=[admin.account])
    path = f"/v1/groups/{made['group']}"
    async with admin.online() as socket, officer.online() as other:
        change, body, content = await told(socket, admin, path)
        assert (change, body["role"], content.sender) == (
            GroupChange.JOINED,
            "admin",
            AppSender(parse_account("aaaaaaaaaaaaa"), "Sandes"),  # type: ignore[arg-type]
        )
        assert (await call(admin, "PUT", f"{path}/members/{officer.account}", {}))["state"] == "member"
        assert (await told(other, officer, path))[0] is GroupChange.JOINED
        assert (await call(officer, "GET", path))["role"] == "member"
        operate(deployment, "person.revoke", account=officer.account, reason="left")
        assert await refused(officer, "GET", path) == (404, "not_found")
        assert rows(deployment, path, officer) == 3
        entry = {"job": "end_memberships", "account": officer.account, "organisation": ministry, "version": 2}
        hurry(deployment, entry)
        await until(lambda: rows(deployment, path, officer) == 1)
        change, body, _ = await told(socket, admin, path)
        assert (change, body["subject"], "actor" in body) == (GroupChange.REMOVED, officer.account, False)
