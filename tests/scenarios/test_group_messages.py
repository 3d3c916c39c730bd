"""Tests messages to groups on the deployed system: immediately to few, by the queue to many, with large bodies
fetched.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandes.crypto.seal import Kind
from sandes.crypto.service_keys import ServiceKeys
from sandes.groups.fanout import INLINE_MEMBERS
from sandes.model.group import Group, Member
from sandes.model.ids import base64url_text, id_text, parse_account, parse_base64url
from sandes.store.inbox import InboxStore
from tests.conftest import Deployed
from tests.support.fanouts import JOINED_MS, group_message, read, seed_group, seed_people
from tests.support.opening import decrypt_body
from tests.support.raw_device import Json, RawDevice, Socket, link, register
from tests.support.service import Person
from tools.backstage import secret_of

pytestmark = pytest.mark.engine

PATIENCE_SECONDS = 60


def group_of(deployed: Deployed, devices: list[RawDevice], others: list[Person], **changed: Any) -> Group:
    accounts = [parse_account(device.account) for device in devices] + [person.account for person in others]
    members = [Member(account, "member", JOINED_MS) for account in accounts]
    return seed_group(deployed.engine.client("dynamodb"), deployed.stack.tables["directory"], members, **changed)


async def body_of(device: RawDevice, socket: Socket, envelope: Json) -> bytes:
    """Return the body of a group message. Fetch it if it is stored separately."""
    content = device.open(envelope)
    assert content.kind is Kind.GROUP_MESSAGE
    received = read(content)
    if received.pointer is None:
        assert received.body is not None
        return received.body
    answer = await socket.ask(type="fetch", body=base64url_text(received.pointer.id))
    assert answer["type"] == "body", answer
    return decrypt_body(parse_base64url(answer["data"]), received.pointer)


async def test_few_members_have_it_before_it_is_accepted_and_large_bodies_are_fetched(deployment: Deployed) -> None:
    asha, ravi = await register(deployment), await register(deployment)
    tablet = await link(asha)
    group = group_of(deployment, [asha, ravi], [])
    async with asha.online() as sending, ravi.online() as receiving, tablet.online() as own:
        for body in (b"namaste", bytes(range(256)) * 8):
            accepted = await sending.ask(**group_message(group, body))
            assert accepted["type"] == "accepted", accepted
            for device, socket in ((ravi, receiving), (tablet, own)):
                envelope = await socket.next_envelope()
                assert device.open(envelope).at_ms == accepted["at"]
                assert await body_of(device, socket, envelope) == body
                assert (await socket.ask(type="ack", ids=[envelope["id"]]))["type"] == "acked"
        assert sending.received_envelopes() == []
        unknown = await receiving.ask(type="fetch", body=base64url_text(bytes(16)))
        assert unknown["code"] == "not_found"


async def test_a_message_to_many_is_accepted_at_once_and_comes_by_the_queue_to_everybody(deployment: Deployed) -> None:
    client, tables = deployment.engine.client("dynamodb"), deployment.stack.tables
    asha, ravi, late = await register(deployment), await register(deployment), await register(deployment)
    others = seed_people(client, tables["routing"], 130 - 3)
    group = group_of(deployment, [asha, ravi, late], others, audience="members", kind="official")
    assert group.members > INLINE_MEMBERS
    service_keys = ServiceKeys.of(secret_of(deployment.engine, "SealSecret"))
    body = b"The office is closed tomorrow. " * 40
    frame = group_message(group, body)
    async with asha.online() as sending, ravi.online() as receiving:
        accepted = await sending.ask(**frame)
        assert accepted["type"] == "accepted", accepted
        again = await sending.ask(**frame)
        assert (again["type"], again["at"]) == ("accepted", accepted["at"])
        envelope = await receiving.next_envelope()
        assert await body_of(ravi, receiving, envelope) == body
        path = f"/v1/groups/{id_text(group.id)}/messages/{frame['id']}"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (state := (await asha.call("GET", path)).json())["complete"]:
                await asyncio.sleep(0.3)
        assert (state["members"], state["devices"], state["waiting"]) == (130, 129, 129)
        await receiving.ask(type="ack", ids=[envelope["id"]])
        state = (await asha.call("GET", path)).json()
        assert (state["devices"], state["waiting"]) == (129, 128)
        assert (await ravi.call("GET", path)).json()["code"] == "not_found"
    async with late.online() as drained:
        assert await body_of(late, drained, await drained.next_envelope()) == body
    inbox = InboxStore(client, tables["inbox"])
    for person in others:
        stored = [one for page in inbox.pages(person.devices[0].inbox, now_seconds=0) for one in page]
        (content,) = [person.keys[0].open_sealed(one.sealed, one.header, service_keys) for one in stored]
        pointer = read(content).pointer
        assert pointer is not None
        assert (content.at_ms, pointer.size) == (accepted["at"], len(body))


async def test_who_may_not_post_is_refused_as_the_group_allows(deployment: Deployed) -> None:
    asha, ravi, outsider = await register(deployment), await register(deployment), await register(deployment)
    group = group_of(deployment, [asha, ravi], [], posting="admins")
    async with ravi.online() as reading, outsider.online() as outside:
        assert (await reading.ask(**group_message(group, b"x")))["code"] == "posting_restricted"
        assert (await outside.ask(**group_message(group, b"x")))["code"] == "not_permitted"
