"""Measures messages to groups on the local engine: until accepted, until stored for the last device or
received by it.

A few devices are really registered and online. The other members are rows of routing, one device each, offline.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from nacl.public import PrivateKey

from sandes.model.device import Device, SealKey
from sandes.model.group import Group
from sandes.model.group import Member as GroupMember
from sandes.model.ids import (
    AccountId,
    DeviceNumber,
    base64url_text,
    id_text,
    message_text,
    new_account_id,
    new_group_id,
    new_inbox_id,
    new_message_id,
    new_registration_id,
    parse_account,
)
from sandes.store.dynamo import batch_write
from sandes.store.groups import group_item, member_item
from sandes.store.routing import RoutingStore
from tools.bench.latency import FOLDER, WAIT_SECONDS, Member, Say, _forget_limits, _register
from tools.engine import Deployment, Engine, EngineError, deploy, free_port

LIVE = 6
LAST_WITHIN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Holds milliseconds: `accepted` and `live` by number of members, and `last` until the largest group's last
    envelope.
    """

    accepted: dict[int, float]
    live: dict[int, float]
    last: float


def measure(sizes: tuple[int, ...], repetitions: int, say: Say) -> GroupFigures:
    """Start a separate engine, deploy, seed, send, stop. Raise EngineError."""
    shutil.rmtree(FOLDER / "engine", ignore_errors=True)
    engine = Engine(FOLDER / "engine", free_port())
    say("starting an engine")
    engine.start()
    try:
        deployment = deploy(engine, say)
        return asyncio.run(_measure(engine, deployment, sizes, repetitions, say))
    finally:
        with suppress(EngineError):  # its state is not needed
            engine.stop()


async def _measure(
    engine: Engine, deployment: Deployment, sizes: tuple[int, ...], repetitions: int, say: Say
) -> GroupFigures:
    accepted: dict[int, float] = {}
    live: dict[int, float] = {}
    last = 0.0
    async with AsyncExitStack() as stack:
        say(f"registering {LIVE} devices")
        members: list[Member] = []
        async with httpx.AsyncClient(base_url=deployment.http_url, timeout=WAIT_SECONDS) as client:
            for number in range(LIVE):
                _forget_limits(engine, deployment)
                members.append(await _register(engine, deployment, client, f"+9198765{53000 + number}", stack))
        crowd = _seed_people(engine, deployment, max(sizes) - LIVE)
        for size in sizes:
            group = _seed_group(engine, deployment, [parse_account(one.account) for one in members], crowd, size)
            times = []
            for _ in range(repetitions if size < max(sizes) else 1):
                _forget_limits(engine, deployment)
                before = _rows(engine, deployment) if size == max(sizes) else 0
                members.append(members.pop(0))  # members post in turn, because a device may post 20 times at once
                times.append(await _send(members, group))
            accepted[size] = statistics.median(one[0] for one in times)
            live[size] = statistics.median(one[1] for one in times)
            say(f"{size} members: accepted after {accepted[size]:.0f} ms, at the last live one {live[size]:.0f} ms")
        started = time.perf_counter()
        while (missing := before + max(sizes) - 1 - _rows(engine, deployment)) > 0:
            if time.perf_counter() - started > LAST_WITHIN_SECONDS:
                raise EngineError(f"{missing} envelopes are still missing")
            await asyncio.sleep(0.1)
        last = live[max(sizes)] + (time.perf_counter() - started) * 1000
    return GroupFigures(accepted, live, last)


async def _send(members: list[Member], group: Group) -> tuple[float, float]:
    """Return the milliseconds until `accepted`, and until the last live device has the message."""
    sender, *others = members
    frame = {
        "type": "send",
        "ref": "g",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": {"group": id_text(group.id)},
        "kind": "message",
        "body": base64url_text(os.urandom(2_048)),
    }
    started = time.perf_counter()

    async def receive(member: Member) -> None:
        await member.expect("envelopes")

    waiting = [asyncio.create_task(receive(member)) for member in others]
    await sender.socket.send(json.dumps(frame))
    await sender.expect("accepted")
    accepted = (time.perf_counter() - started) * 1000
    await asyncio.gather(*waiting)
    return accepted, (time.perf_counter() - started) * 1000


def _seed_people(engine: Engine, deployment: Deployment, count: int) -> list[AccountId]:
    """Create people who share a seal key whose secret nobody has."""
    client, table = engine.client("dynamodb"), deployment.tables["routing"]
    routing, key, accounts = RoutingStore(client, table), SealKey(1, bytes(PrivateKey.generate().public_key)), []
    requests: list[Any] = []
    for _ in range(count):
        account = new_account_id()
        device = Device(account, DeviceNumber(1), new_registration_id(), new_inbox_id(), b"", "", "", 0)
        requests.append({"PutRequest": {"Item": routing.replacing(device, key).item}})
        accounts.append(account)
    batch_write(client, table, requests)
    return accounts


def _seed_group(
    engine: Engine, deployment: Deployment, live: list[AccountId], crowd: list[AccountId], size: int
) -> Group:
    now = int(time.time())
    group = Group(
        id=new_group_id(),
        name="bench",
        kind="official",
        audience="members",
        posting="all",
        open=False,
        members=size,
        limit=100_000,
        version=1,
        state="live",
        created_at=now,
    )
    accounts = [*live, *crowd[: size - len(live)]]
    rows = [group_item(group)] + [member_item(group.id, GroupMember(one, "member", now * 1000)) for one in accounts]
    requests = [{"PutRequest": {"Item": row}} for row in rows]
    batch_write(engine.client("dynamodb"), deployment.tables["directory"], requests)
    return group


def _rows(engine: Engine, deployment: Deployment) -> int:
    pages = (
        engine.client("dynamodb").get_paginator("scan").paginate(TableName=deployment.tables["inbox"], Select="COUNT")
    )
    return sum(page["Count"] for page in pages)
