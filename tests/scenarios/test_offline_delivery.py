"""Tests the main job between real devices over real sockets: written while offline, sealed, delivered, acked,
deleted.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandes.crypto.seal import Kind
from sandes.model.ids import base64url_text, message_time_ms, parse_base64url, parse_message
from sandes.store.schema import InboxRow
from tests.conftest import Deployed
from tests.support.raw_device import link, message, now_ms, register


def stored_rows(deployed: Deployed) -> list[dict[str, Any]]:
    """Return the stored rows of the inbox table, without expired ones."""
    pages = deployed.engine.client("dynamodb").get_paginator("scan").paginate(TableName=deployed.stack.tables["inbox"])
    rows = [row for page in pages for row in page["Items"]]
    return [row for row in rows if int(row[InboxRow.EXPIRES_AT]["N"]) > time.time()]


def rows_of(deployed: Deployed, message_id: str) -> list[dict[str, Any]]:
    return [row for row in stored_rows(deployed) if row[InboxRow.ENVELOPE]["B"][:16] == parse_message(message_id)]


def expire(deployed: Deployed, message_id: str) -> None:
    """Expire the rows of a message now, instead of waiting for a minute."""
    for row in rows_of(deployed, message_id):
        deployed.engine.client("dynamodb").update_item(
            TableName=deployed.stack.tables["inbox"],
            Key={InboxRow.INBOX: row[InboxRow.INBOX], InboxRow.ENVELOPE: row[InboxRow.ENVELOPE]},
            UpdateExpression=f"SET {InboxRow.EXPIRES_AT} = :now",
            ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
        )


async def test_a_message_waits_sealed_and_is_gone_once_acked(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    async with sender.online() as sender_socket:
        sent, asked_at = message(recipient, body=b"meet at noon"), int(time.time())
        accepted = await sender_socket.ask(**sent)
        assert accepted["type"] == "accepted"
        assert accepted["at"] == message_time_ms(parse_message(sent["id"]))

        (row,) = rows_of(deployment, sent["id"])
        assert b"meet at noon" not in row[InboxRow.SEALED]["B"]
        assert set(row) == {"i", "m", "k", "s", "x", "t", "b"}
        stored_at = int(row[InboxRow.EXPIRES_AT]["N"]) - 30 * 86_400
        assert asked_at <= stored_at <= int(time.time()), "kept for 30 days from when the service has it"

        async with recipient.online() as socket:
            envelope = await socket.next_envelope()
            content = recipient.open(envelope)
            assert content.body == b"meet at noon"
            assert str(content.sender) == sender.address
            assert content.at_ms == accepted["at"]
            assert content.kind is Kind.MESSAGE
            acked = await socket.ask(
                type="ack",
                ids=[envelope["id"]],
                receipts=[{"to": sender.account, "kind": "delivered", "ids": [sent["id"]]}],
            )
            assert acked["ids"] == [envelope["id"]]
        assert rows_of(deployment, sent["id"]) == []

        receipt = sender.open(await sender_socket.next_envelope())
        assert receipt.kind is Kind.RECEIPT
        assert str(receipt.sender) == recipient.address


async def test_undelivered_messages_survive_a_restart_of_the_engine(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    async with sender.online() as socket:
        await socket.ask(**message(recipient, body=b"before the restart"))
    deployment.engine.stop()
    deployment.engine.start()
    async with recipient.online() as socket:
        assert recipient.open(await socket.next_envelope()).body == b"before the restart"


async def test_an_expired_message_never_arrives(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    async with sender.online() as socket:
        short = await socket.ask(**message(recipient, body=b"short-lived", expires_in=60))
        await socket.ask(**message(recipient, body=b"long-lived"))
    expire(deployment, short["id"])
    async with recipient.online() as socket:
        assert recipient.open(await socket.next_envelope()).body == b"long-lived"
        assert socket.received_envelopes() == []
        pong = await socket.ask(type="ping")
        assert pong["inbox"] == {"pending": 1}


async def test_a_live_device_gets_the_message_at_once_and_again_until_it_acks(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    async with sender.online() as sender_socket:
        async with recipient.online() as socket:
            await sender_socket.ask(**message(recipient))
            live = await socket.next_envelope()
        async with recipient.online() as socket:
            again = await socket.next_envelope()
            assert again == live
            await socket.ask(type="ack", ids=[again["id"]])
        async with recipient.online() as socket:
            assert socket.unasked == []


async def test_a_retry_with_the_same_id_is_accepted_once(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    hours_old = message(recipient, at_ms=now_ms() - 5 * 3_600_000)
    async with sender.online() as socket:
        first = await socket.ask(**hours_old)
        second = await socket.ask(**hours_old)
    assert (first["type"], first["at"]) == ("accepted", second["at"])
    assert len(rows_of(deployment, hours_old["id"])) == 1


async def test_every_device_of_the_recipient_gets_a_copy_only_it_can_open(deployment: Deployed) -> None:
    sender, phone = await register(deployment), await register(deployment)
    tablet = await link(phone)
    frame = message(phone, tablet)
    frame["copies"][1]["body"] = base64url_text(b"for the tablet")
    async with sender.online() as socket:
        assert (await socket.ask(**frame))["type"] == "accepted"
    for device, body in ((phone, b"hello"), (tablet, b"for the tablet")):
        async with device.online() as socket:
            assert device.open(await socket.next_envelope()).body == body
            assert socket.received_envelopes() == []


async def test_writing_to_oneself_reaches_the_other_devices_only(deployment: Deployed) -> None:
    phone = await register(deployment)
    async with phone.online() as socket:
        alone = message(phone) | {"copies": []}
        assert (await socket.ask(**alone))["type"] == "accepted"
        tablet = await link(phone)
        note = message(tablet, body=b"note to self")
        assert (await socket.ask(**note))["type"] == "accepted"
        async with tablet.online() as other:
            assert tablet.open(await other.next_envelope()).body == b"note to self"
        assert socket.received_envelopes() == []


async def test_a_client_killed_in_the_middle_of_a_drain_loses_nothing(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    bodies = {f"message {number} {'x' * 900}".encode() for number in range(60)}
    async with sender.online() as socket:
        for body in sorted(bodies):
            assert (await socket.ask(**message(recipient, body=body)))["type"] == "accepted"

    async with recipient.socket() as socket:
        await socket.ws.send('{"type":"hello","protocol":1}')
        await socket.next_unasked("envelopes")
        socket.ws.transport.abort()

    seen: set[bytes] = set()
    async with recipient.online() as socket:
        envelopes = socket.received_envelopes()
        seen |= {recipient.open(envelope).body for envelope in envelopes}
        await socket.ask(type="ack", ids=[envelope["id"] for envelope in envelopes])
    assert seen == bodies
    async with recipient.online() as socket:
        assert socket.received_envelopes() == []


async def test_acking_an_id_of_somebody_elses_inbox_deletes_nothing_there(deployment: Deployed) -> None:
    sender, recipient, stranger = [await register(deployment) for _ in range(3)]
    async with sender.online() as socket:
        sent = message(recipient)
        await socket.ask(**sent)
    (row,) = rows_of(deployment, sent["id"])
    async with stranger.online() as socket:
        id = base64url_text(row[InboxRow.ENVELOPE]["B"])
        assert (await socket.ask(type="ack", ids=[id]))["ids"] == [id]
    assert len(rows_of(deployment, sent["id"])) == 1


async def test_a_drain_of_more_than_a_page_comes_in_bundles_oldest_first(deployment: Deployed) -> None:
    sender, recipient = await register(deployment), await register(deployment)
    first_ms = now_ms() - 60_000
    async with sender.online() as socket:
        for number in range(55):  # below the burst of the send limit
            frame = message(recipient, body=str(number).encode(), at_ms=first_ms + number)
            assert (await socket.ask(**frame))["type"] == "accepted"
    async with recipient.socket() as socket:
        await socket.ws.send('{"type":"hello","protocol":1,"ref":"h"}')
        drained = await socket.answer("h")
        assert drained == {"type": "drained", "ref": "h", "more": False}
        frames = [frame for frame in socket.unasked if frame["type"] == "envelopes"]
        order = [int(recipient.open(envelope).body) for envelope in socket.received_envelopes()]
        assert order == list(range(55))
        assert len(frames) < 10
        partial = await socket.ask(type="sync", limit=10)
        assert partial["more"] is True


@pytest.mark.parametrize("kind", ["older", "newer"])
async def test_a_second_socket_supersedes_the_first(deployment: Deployed, kind: str) -> None:
    device = await register(deployment)
    async with device.socket() as first, device.socket() as second:
        if kind == "newer":
            await first.hello()
            await second.hello()
            assert (await first.next_unasked("superseded"))["type"] == "superseded"
            await first.closed()
        else:  # the socket opened first says hello last
            await second.hello()
            refused = await first.ask(type="hello", protocol=1)
            assert refused["code"] == "superseded"
            assert (await first.ask(type="ping"))["code"] == "superseded"
        assert (await second.ask(type="ping"))["epoch"] == 1 + (kind == "newer")


async def test_two_senders_may_use_one_message_id(deployment: Deployed) -> None:
    one, two, recipient = [await register(deployment) for _ in range(3)]
    frame = message(recipient, body=b"from one")
    async with one.online() as socket:
        await socket.ask(**frame)
    async with two.online() as socket:
        await socket.ask(**frame | {"copies": [recipient.copy(b"from two")]})
    assert len(rows_of(deployment, frame["id"])) == 2
    async with recipient.online() as socket:
        envelopes = socket.received_envelopes()
        assert {recipient.open(envelope).body for envelope in envelopes} == {b"from one", b"from two"}
        assert len({parse_base64url(envelope["id"])[16:] for envelope in envelopes}) == 2
