"""Tests that no table and no log contains one of the canaries of a whole workload."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cbor2

from sandes.groups.fanout import INLINE_MEMBERS
from sandes.model.group import Member
from sandes.model.ids import base64url_text, id_text, parse_account
from sandes.store.schema import TABLES, RoutingRow
from tests.conftest import Deployed
from tests.support.fanouts import JOINED_MS, group_message, seed_group, seed_people
from tests.support.keys import DeviceKeys
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import (
    Json,
    RawDevice,
    Socket,
    code_for,
    http,
    link,
    message,
    new_phone,
    now_ms,
    register,
    start_registration,
)

CANARY_BODY = b"canary-sparrow-71f3"
CANARY_VARIABLE = "canary-wren-4c1d"
CANARY_URL = "canary-swift-77e0"
CANARY_TEMPLATE = "canary-template"
CANARY_NAME_IN_BAD_FRAME = "canary-finch-90aa"


def spellings(canary: bytes) -> set[bytes]:
    """Return the encodings in which something may have been written."""
    return {canary, canary.hex().encode(), base64.b64encode(canary).rstrip(b"="), base64url_text(canary).encode()}


def raw_values(attribute: Any) -> Iterator[bytes]:
    """Yield every scalar of a DynamoDB item, as bytes."""
    if isinstance(attribute, dict):
        for value in attribute.values():
            yield from raw_values(value)
    elif isinstance(attribute, list):
        for value in attribute:
            yield from raw_values(value)
    else:
        yield attribute if isinstance(attribute, bytes) else str(attribute).encode()


def table_dump(deployed: Deployed, name: str) -> bytes:
    pages = deployed.engine.client("dynamodb").get_paginator("scan").paginate(TableName=deployed.stack.tables[name])
    return b"\0".join(value for page in pages for item in page["Items"] for value in raw_values(item))


def stream_dump(deployed: Deployed, name: str) -> bytes:
    """Return every record in the stream of a table."""
    table = deployed.engine.client("dynamodb").describe_table(TableName=deployed.stack.tables[name])["Table"]
    client, arn = deployed.engine.client("dynamodbstreams"), table["LatestStreamArn"]
    found: list[bytes] = []
    for shard in client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        at = client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        iterator = at["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator)
            iterator = page.get("NextShardIterator") if page["Records"] else None
            found += [value for record in page["Records"] for value in raw_values(record["dynamodb"])]
    return b"\0".join(found)


def bucket_dump(deployed: Deployed) -> bytes:
    """Return every object of every bucket, except those of the CDK and those that are deleted during the read."""
    client = deployed.engine.client("s3")
    names = [bucket["Name"] for bucket in client.list_buckets()["Buckets"] if not bucket["Name"].startswith("cdk-")]
    assert names
    objects = [(name, one["Key"]) for name in names for one in client.list_objects_v2(Bucket=name).get("Contents", [])]
    found = []
    for name, key in objects:
        with suppress(client.exceptions.NoSuchKey):
            found.append(client.get_object(Bucket=name, Key=key)["Body"].read())
    return b"\0".join(found)


def log_dump(deployed: Deployed) -> bytes:
    """Return every log line of every function, as CloudWatch Logs has it."""
    logs = deployed.engine.client("logs")
    lines: list[bytes] = []
    for groups in logs.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                lines += [event["message"].encode() for event in page["events"]]
    return b"\n".join(lines)


async def invoke_logged(deployed: Deployed, folder: str, device: RawDevice, *frames: str) -> list[dict[str, Any]]:
    """Invoke the deployed function with frames through Lambda's own API.

    The engine keeps the log lines of such invocations, but not those of invocations by websocket.
    """
    context = {
        "device": device.address,
        "registration": str(device.registration_id),
        "connected": str(now_ms()),
        **await _principal(deployed, device),
    }
    client = deployed.engine.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    (name,) = [name for name in names if f"-{folder.capitalize()}Function" in name]
    answers = []
    for frame in frames:
        event = {"requestContext": {"connectionId": "canary", "authorizer": context}, "body": frame}
        payload = client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read()
        answers.append(json.loads(json.loads(payload)["body"]))
    return answers


async def _principal(deployed: Deployed, device: RawDevice) -> dict[str, str]:
    """Read the authorizer's context of the device's next socket from the routing table."""
    key = {RoutingRow.ACCOUNT: {"B": parse_account(device.account)}}
    item = deployed.engine.client("dynamodb").get_item(TableName=deployed.stack.tables["routing"], Key=key)["Item"]
    entry = item[RoutingRow.DEVICES]["M"][str(device.number)]["M"]
    return {
        "inbox": base64url_text(entry[RoutingRow.INBOX]["B"]),
        "socket": str(int(entry[RoutingRow.SOCKET]["N"]) + 1),
    }


async def workload(deployed: Deployed) -> tuple[RawDevice, RawDevice, list[bytes]]:
    """Register, link, send, fail, change number, retry. Return two people and the secrets that were used."""
    secrets: list[bytes] = []
    sender, recipient = await register(deployed), await register(deployed)
    secrets += [code_for(deployed, person.phone).encode() for person in (sender, recipient)]
    tablet = await link(recipient)
    unfinished, phone = await start_registration(deployed, new_phone()), new_phone()
    await http(
        deployed,
        "PUT",
        f"/v1/registrations/{unfinished}/verification",
        {"code": "000000", "device": DeviceKeys().new_device(unfinished)},
    )
    change = await start_registration(deployed, phone, "change_phone")
    code = code_for(deployed, phone)
    changed = await recipient.change_phone(change, phone, code)
    assert changed.status_code == 204
    token = sender.token()
    async with sender.socket(token=token) as socket:
        await socket.hello()
        delivered = message(recipient, tablet, body=CANARY_BODY)
        assert (await socket.ask(**delivered))["type"] == "accepted"
        async with recipient.online() as receiving:
            envelope = await receiving.next_envelope()
            await receiving.ask(
                type="ack",
                ids=[envelope["id"]],
                receipts=[{"to": sender.account, "kind": "delivered", "ids": [delivered["id"]]}],
            )
        waiting = message(recipient, tablet, body=CANARY_BODY * 20)
        assert (await socket.ask(**waiting))["type"] == "accepted"
        await socket.ask(**waiting | {CANARY_NAME_IN_BAD_FRAME: CANARY_NAME_IN_BAD_FRAME})
        await socket.ask_raw(CANARY_NAME_IN_BAD_FRAME)
        groups = await group_workload(deployed, sender, recipient, socket)
        await socket.ask(**waiting | {"copies": [recipient.copy(CANARY_BODY) | {"body": CANARY_NAME_IN_BAD_FRAME}]})
    assert [answer["type"] for answer in await invoke_logged(deployed, "send", sender, *map(json.dumps, groups))] == [
        "accepted"
    ] * len(groups)
    sends = [waiting, waiting | {CANARY_NAME_IN_BAD_FRAME: CANARY_NAME_IN_BAD_FRAME}, waiting | {"copies": []}]
    answers = await invoke_logged(deployed, "send", sender, *map(json.dumps, sends), CANARY_NAME_IN_BAD_FRAME)
    assert [answer.get("code", answer["type"]) for answer in answers] == [
        "accepted",
        "invalid_frame",
        "device_mismatch",
        "malformed_json",
    ]
    hello, bad = '{"type":"hello","protocol":1}', f'{{"type":"ack","ids":["{CANARY_NAME_IN_BAD_FRAME}"]}}'
    answers = await invoke_logged(deployed, "deliver", recipient, hello, bad, '{"type":"ping"}')
    assert [answer["type"] for answer in answers] == ["drained", "error", "pong"]  # no socket is behind `hello`
    await http(deployed, "POST", "/v1/accounts/lookup", {"phone": CANARY_NAME_IN_BAD_FRAME})
    secrets += [code.encode(), token.encode(), token.rpartition(".")[2].encode()]
    phones = {sender.phone, recipient.phone, phone}
    secrets += [number.encode() for number in phones] + [number[1:].encode() for number in phones]
    return sender, recipient, secrets


async def group_workload(deployed: Deployed, sender: RawDevice, recipient: RawDevice, socket: Socket) -> list[Json]:
    """Send a small and a large message to a group of two, and to one that needs the queue. Return further messages."""
    frames = []
    for others in (0, INLINE_MEMBERS):
        crowd = seed_people(deployed.engine.client("dynamodb"), deployed.stack.tables["routing"], others)
        accounts = [parse_account(device.account) for device in (sender, recipient)]
        accounts += [person.account for person in crowd]
        members = [Member(account, "member", JOINED_MS) for account in accounts]
        group = seed_group(deployed.engine.client("dynamodb"), deployed.stack.tables["directory"], members)
        for body in (CANARY_BODY, CANARY_BODY * 100):
            frame = group_message(group, body)
            assert (await socket.ask(**frame))["type"] == "accepted"
            path = f"/v1/groups/{id_text(group.id)}/messages/{frame['id']}"
            while not (await sender.call("GET", path)).json()["complete"]:
                await asyncio.sleep(0.2)
            frames.append(group_message(group, body))
    return frames


async def app_group_workload(app: RawApp, numbers: list[str]) -> None:
    """Make the first of the numbers a member of a group, with the others as invalid rows, and write to the group."""
    made = (await app.call("POST", "/v1/app-groups", {"name": "Relief", "audience": "citizens"})).json()["id"]
    roster = {"members": [{"phone": number} for number in numbers]}
    applied = await app.call("PUT", f"/v1/app-groups/{made}/roster", roster, if_match="*")
    assert (applied.status_code, applied.json()["added"]) == (200, 1), applied.text
    sent = await app.call("POST", "/v1/messages", {"to": {"group": made}, "body": CANARY_VARIABLE})
    assert sent.status_code == 202


async def app_workload(deployed: Deployed) -> list[bytes]:
    """Send codes and messages as an app, valid and invalid, and check codes. Return the secrets."""
    app, recipient, stranger = create_app(deployed), await register(deployed), new_phone()
    texts = {"en": f"{CANARY_TEMPLATE} {{{{ file }}}}"}
    operate(deployed, "template.put", app=app.app, name="file", kind="message", texts=texts)
    otp = {"template": "login", "variables": {"service": CANARY_VARIABLE}, "length": 8}
    message_body = {"template": "file", "variables": {"file": CANARY_VARIABLE}}
    codes = []
    async with recipient.online() as socket:
        made = await app.call("POST", "/v1/otps", otp | {"to": {"phone": recipient.phone}})
        body = cbor2.loads(recipient.open(await socket.next_envelope()).body)
        codes.append(body[2])
        for code in ("00000000", body[2]):
            await app.call("POST", f"/v1/otps/{made.json()['id']}/checks", {"code": code})
    by_sms = (await app.call("POST", "/v1/otps", otp | {"to": {"phone": stranger}})).json()["id"]
    while not (sent := deployed.engine.sms_to(stranger)):
        await asyncio.sleep(0.2)
    codes.append(sent[-1][:8])
    await app.call("POST", f"/v1/otps/{by_sms}/checks", {"code": codes[-1]})
    for to in (recipient.phone, stranger):
        accepted = await app.call("POST", "/v1/messages", message_body | {"to": {"phone": to}})
        assert accepted.status_code == 202
    await app.call("POST", "/v1/messages", {"to": {"phone": recipient.phone}, "body": CANARY_VARIABLE})
    refused = await app.call("POST", "/v1/messages", message_body | {"to": {"phone": CANARY_VARIABLE}})
    assert refused.status_code == 400
    rows = [{"to": {"phone": to}, "variables": {"file": CANARY_VARIABLE}} for to in (recipient.phone, stranger)]
    batch = (await app.call("POST", "/v1/batches", {"template": "file", "rows": rows})).json()["id"]
    while (await app.call("GET", f"/v1/batches/{batch}")).json()["state"] != "completed":
        assert CANARY_VARIABLE.encode() not in bucket_dump(deployed)
        await asyncio.sleep(0.2)
    await app_group_workload(app, [recipient.phone, stranger, CANARY_VARIABLE])
    hook = {"url": "http://127.0.0.1:9/" + CANARY_URL, "events": ["message.delivered"]}
    made = await app.call("POST", "/v1/webhooks", hook)
    assert made.status_code == 201
    await app.call("POST", f"/v1/webhooks/{made.json()['id']}/test")
    webhook_secret = made.json()["secret"]
    token = app.token("GET", "/v1/usage", b"", None)
    assert (await app.call("GET", "/v1/usage", token=token)).status_code == 200
    phones = [number[start:].encode() for number in (recipient.phone, stranger) for start in (0, 1)]
    held = (CANARY_VARIABLE, token, webhook_secret.removeprefix("whsec_"), *codes)
    return [*(text.encode() for text in held), *phones]


async def test_tables_and_logs_hold_no_body_code_token_number_or_sender(deployment: Deployed) -> None:
    sender, recipient, secrets = await workload(deployment)
    app_secrets = await app_workload(deployment)
    canaries = {CANARY_BODY, CANARY_NAME_IN_BAD_FRAME.encode(), *secrets, *app_secrets}
    dumps = {name: table_dump(deployment, name) for name in deployment.stack.tables}
    dumps |= {f"{table.name}.stream": stream_dump(deployment, table.name) for table in TABLES if table.stream}
    assert dumps.keys() >= {"directory.stream", "codes.stream", "deliveries.stream", "statistics.stream"}
    dumps["logs"] = log_dump(deployment)
    assert CANARY_URL.encode() not in dumps["logs"], "addresses of webhooks may hold secrets"
    empty = {name for name, dump in dumps.items() if not dump}
    assert empty <= {"audit"}, "an empty dump proves nothing"  # nobody administers anything here
    assert CANARY_TEMPLATE.encode() in dumps["directory"], "templates are no secret: the sweep must find them"
    for outcome in (b"accepted", b"pong", b"allowed", b"sent", b"planned", b"delivered"):
        assert b'"outcome":"' + outcome + b'"' in dumps["logs"], "the functions' own lines are missing"
    for place, dump in dumps.items():
        for canary in canaries:
            for spelling in spellings(canary):
                if len(spelling) <= 8 and place not in {
                    "codes",
                    "codes.stream",
                }:  # digits can be part of other numbers by chance
                    assert not re.search(rb"(?<!\d)" + spelling + rb"(?!\d)", dump), f"{spelling!r} in {place}"
                else:
                    assert spelling not in dump, f"{spelling!r} in {place}"

    people = {parse_account(person.account) for person in (sender, recipient)}
    for person in people:
        for spelling in spellings(person) | {base64.b32encode(person).rstrip(b"=").lower()}:
            assert spelling not in dumps["inbox"], "the inbox names an account"


async def test_the_sweep_notices_what_is_planted(deployment: Deployed) -> None:
    """The dump really reads a table: it finds a canary that is put there by hand."""
    client, table = deployment.engine.client("dynamodb"), deployment.stack.tables["inbox"]
    key = {"i": {"B": b"0" * 16}, "m": {"B": b"0" * 24}}
    client.put_item(TableName=table, Item=key | {"b": {"B": b"..." + CANARY_BODY}})
    assert CANARY_BODY in table_dump(deployment, "inbox")
    client.delete_item(TableName=table, Key=key)
