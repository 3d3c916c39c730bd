"""Tests an app's group on the deployed system: a roster tried and applied, an announcement, a shorter roster."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import cbor2
import pytest

from sandes.crypto.seal import Content, GroupChange, Kind
from sandes.model.ids import AccountId, account_text, new_account_id
from sandes.store.directory import account_key
from sandes.store.dynamo import batch_write
from sandes.store.schema import DirectoryRow
from tests.conftest import Deployed
from tests.support.raw_app import RawApp, create_app
from tests.support.raw_device import RawDevice, Socket, new_phone, register

pytestmark = pytest.mark.engine

Json = dict[str, Any]
PATIENCE_SECONDS = 120


def seed_accounts(deployed: Deployed, count: int) -> list[AccountId]:
    """Make people without devices, who are only in the directory."""
    accounts = [new_account_id() for _ in range(count)]
    fields: Json = {
        DirectoryRow.PHONE_SEALED: {"B": b"x"},
        DirectoryRow.CREATED_AT: {"N": "1"},
        DirectoryRow.LAST_DEVICE: {"N": "1"},
    }
    rows = [account_key(one) | fields | {DirectoryRow.PHONE_INDEX: {"S": account_text(one)}} for one in accounts]
    client, table = deployed.engine.client("dynamodb"), deployed.stack.tables["directory"]
    batch_write(client, table, [{"PutRequest": {"Item": row}} for row in rows])
    return accounts


async def done(app: RawApp, path: str) -> Json:
    """Return the roster after it was applied."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await app.call("GET", f"{path}/roster")
            assert answer.status_code == 200, answer.text
            if answer.json()["state"] != "applying":
                return dict(answer.json())
            await asyncio.sleep(0.5)


async def received(device: RawDevice, socket: Socket, kind: Kind) -> tuple[Content, dict[int, Any]]:
    """Return the next envelope of a kind, opened, and acknowledge everything up to it."""
    while True:
        envelope = await socket.next_envelope()
        answer = await socket.ask(type="ack", ids=[envelope["id"]])
        assert answer["type"] == "acked", answer
        content = device.open(envelope)
        if content.kind is kind:
            return content, cbor2.loads(content.body)


async def test_a_roster_makes_the_members_who_get_what_the_app_announces(deployment: Deployed) -> None:
    app, asha = create_app(deployment, name="Relief desk"), await register(deployment)
    others = seed_accounts(deployment, 245)
    made = await app.call("POST", "/v1/app-groups", {"name": "Relief", "audience": "citizens", "client_ref": "r"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"'), made.text
    path = f"/v1/app-groups/{made.json()['id']}"
    bad: list[Json] = [{"phone": "98765"}, {"phone": new_phone()}, {"account": "nobody"}, {"phone": asha.phone}]
    everybody = [{"phone": asha.phone}, *({"account": account_text(one)} for one in others), *bad]
    assert len(everybody) == 250

    tried = await app.call("PUT", f"{path}/roster", {"members": everybody, "dry_run": True}, if_match='"1"')
    assert tried.status_code == 200, tried.text
    said = tried.json()
    assert (said["state"], said["added"], said["removed"], said["invalid"]) == ("checked", 246, 0, 4)
    assert [(fault["row"], fault["code"]) for fault in said["faults"]] == [
        (247, "invalid_phone"),
        (248, "unknown_recipient"),
        (249, "bad_account"),
        (250, "duplicate"),
    ]
    assert (await app.call("GET", path)).json()["members"] == 0

    async with asha.online() as socket:
        started = await app.call("PUT", f"{path}/roster", {"members": everybody}, if_match='"1"')
        assert (started.status_code, started.json()["state"]) == (200, "applying"), started.text
        applied = await done(app, path)
        assert (applied["state"], applied["done"], applied["total"]) == ("done", 246, 246)
        _, joined = await received(asha, socket, Kind.GROUP_EVENT)
        assert (joined[3], joined[7]) == (GroupChange.JOINED, "Relief")

        to = {"to": {"group": made.json()["id"]}, "body": "The camp opens at 8", "category": "alert"}
        sent = await app.call("POST", "/v1/messages", to)
        assert sent.status_code == 202, sent.text
        content, message = await received(asha, socket, Kind.GROUP_MESSAGE)
        assert (content.sender.name, cbor2.loads(message[3])[1]) == ("Relief desk", "The camp opens at 8")  # type: ignore[union-attr]

        stale = await app.call("PUT", f"{path}/roster", {"members": []}, if_match='"1"')
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
        none = await app.call("PUT", f"{path}/roster", {"members": []})
        assert (none.status_code, none.json()["code"]) == (428, "precondition_required")

        version = (await app.call("GET", path)).headers["ETag"]
        without = everybody[1:-4]
        shorter = await app.call("PUT", f"{path}/roster", {"members": without}, if_match=version)
        assert (shorter.json()["state"], shorter.json()["removed"]) == ("done", 1), shorter.text
        _, removed = await received(asha, socket, Kind.GROUP_EVENT)
        assert removed[3] == GroupChange.REMOVED
        again = await app.call("POST", "/v1/messages", to)
        assert again.status_code == 202, again.text
        state = await app.call("GET", f"/v1/messages/{again.json()['id']}")
        assert state.json()["group"]["members"] == 245
        assert socket.received_envelopes() == []


DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "apps" / "groups.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```json\n(POST|PATCH|PUT) (\S+)\n(?:If-Match: (\S+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED_PHONE = "+919812345678"


async def test_the_examples_of_the_documentation_work_as_they_are_written(deployment: Deployed) -> None:
    app, id, answers = create_app(deployment), "", []
    await register(deployment, phone=DOCUMENTED_PHONE)
    for method, path, if_match, body in EXAMPLE.findall(DOCUMENT):
        sent = json.loads(body.replace("{id}", id))
        answer = await app.call(method, path.replace("{id}", id), sent, if_match=if_match or None)
        id = id or answer.json()["id"]
        answers.append(answer)
    assert [answer.status_code for answer in answers] == [201, 200, 200, 202]
    tried = answers[1].json()
    assert (tried["state"], tried["added"]) == ("checked", 1)
    assert [fault["code"] for fault in tried["faults"]] == ["invalid_phone", "unknown_recipient"]
