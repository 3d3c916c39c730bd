"""Measures send to receive over real websockets on the local engine, beside a bare echo function on the
same engine.

Ours and the echo take turns message by message, so that other load of the machine affects both alike.
"""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import os
import re
import shutil
import statistics
import sys
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from nacl.public import PrivateKey
from nacl.signing import SigningKey
from websockets.asyncio.client import ClientConnection, connect

from sandes.crypto.statements import registration_statement, seal_key_statement
from sandes.model.ids import base64url_text, message_text, new_message_id
from sandes.store.schema import LimitRow, RoutingRow
from sandes_client.ids import DeviceAddress
from sandes_client.keys import IdentityKey
from sandes_client.statements import ACT_HEADER, Signer, open_socket
from tools.engine import ROOT, STACK, Deployment, Engine, EngineError, deploy, free_port

FOLDER = ROOT / ".local" / "bench"
ECHO_STAGE = "v1"
PAIRS = 10
WAIT_SECONDS = 30
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Latency:
    """Holds milliseconds, and messages a second with PAIRS pairs. A pair of values is ours, echo."""

    count: int
    p50: tuple[float, float]
    p95: tuple[float, float]
    rate: tuple[float, float]
    first_ms: float


@dataclass(slots=True)
class Member:
    """Holds a registered device with its socket, and a socket of the echo."""

    account: str
    device: int
    registration_id: int
    key: SigningKey
    address: str
    socket: ClientConnection
    echo: ClientConnection | None = None
    echo_connection: str = ""

    async def ask(self, frame: dict[str, Any], answer: str) -> dict[str, Any]:
        await self.socket.send(json.dumps(frame))
        return await self.expect(answer)

    async def expect(self, kind: str) -> dict[str, Any]:
        """Return the next frame of that type. Ignore others; an error ends the measurement."""
        while True:
            frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), WAIT_SECONDS))
            if frame["type"] == kind:
                return frame
            if frame["type"] == "error":
                raise RuntimeError(f"refused: {frame}")


def measure(count: int, body_bytes: int, say: Say) -> Latency:
    """Start a separate engine, deploy, measure, stop."""
    shutil.rmtree(FOLDER / "engine", ignore_errors=True)
    engine = Engine(FOLDER / "engine", free_port())
    say("starting an engine")
    engine.start()
    try:
        deployment = deploy(engine, say)
        say("deploying the echo function beside it")
        echo_url = _deploy_echo(engine)
        latency = asyncio.run(_measure(engine, deployment, echo_url, count=count, body_bytes=body_bytes, say=say))
        _wait_for_disconnects(engine, deployment)
        return latency
    finally:
        with suppress(EngineError):  # its state is not needed
            engine.stop()


def _deploy_echo(engine: Engine) -> str:
    """Deploy function, table and websocket API of the echo, with the vendor layer of our own functions."""
    callback = f"{engine.url}/_aws/execute-api/{{api}}/{ECHO_STAGE}"
    functions = engine.client("lambda")
    ours = next(f for f in functions.list_functions()["Functions"] if f["FunctionName"].startswith(f"{STACK}-Send"))
    engine.client("dynamodb").create_table(
        TableName="bench-echo",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    gateway = engine.client("apigatewayv2")
    api = gateway.create_api(
        Name="bench-echo", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.type"
    )["ApiId"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(Path(__file__).parent / "echo" / "handler.py", "handler.py")
    function = functions.create_function(
        FunctionName="bench-echo",
        Runtime=ours["Runtime"],
        Handler="handler.handler",
        Role=ours["Role"],
        Code={"ZipFile": code.getvalue()},
        MemorySize=ours["MemorySize"],
        Timeout=20,
        Layers=[layer["Arn"] for layer in ours["Layers"]],
        Environment={"Variables": {"TABLE": "bench-echo", "CALLBACK_URL": callback.format(api=api)}},
    )["FunctionArn"]
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations",
    )["IntegrationId"]
    for route in ("whoami", "echo"):
        gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName=ECHO_STAGE, AutoDeploy=True)
    return callback.format(api=api).replace("http://", "ws://")


async def _measure(
    engine: Engine, deployment: Deployment, echo_url: str, *, count: int, body_bytes: int, say: Say
) -> Latency:
    async with AsyncExitStack() as stack:
        say(f"registering {2 * PAIRS} devices")
        members = []
        async with httpx.AsyncClient(base_url=deployment.http_url, timeout=WAIT_SECONDS) as client:
            for number in range(2 * PAIRS):
                _forget_limits(engine, deployment)
                member = await _register(engine, deployment, client, f"+9198765{43000 + number}", stack)
                member.echo = await stack.enter_async_context(connect(echo_url, compression=None))
                await member.echo.send('{"type":"whoami"}')
                member.echo_connection = str(await asyncio.wait_for(member.echo.recv(), WAIT_SECONDS))
                members.append(member)
        pairs = list(zip(members[::2], members[1::2], strict=True))
        directions = itertools.cycle(pairs + [(right, left) for left, right in pairs])
        body = os.urandom(body_bytes)
        first_ms = await _ours(*next(directions), body)
        await _echo(*pairs[0], body)
        for _ in range(20):
            left, right = next(directions)
            await _ours(left, right, body)
            await _echo(left, right, body)
        ours, echo = await _latencies(directions, count, body, say)
        _forget_limits(engine, deployment)
        rates = await _rates(pairs, max(5, count // 16), body, say)
        return Latency(
            count=count,
            p50=(statistics.median(ours), statistics.median(echo)),
            p95=(_percentile(ours, 0.95), _percentile(echo, 0.95)),
            rate=rates,
            first_ms=first_ms,
        )


async def _latencies(
    directions: Iterator[tuple[Member, Member]], count: int, body: bytes, say: Say
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    echo: list[float] = []
    for number in range(count):
        left, right = next(directions)
        turns = [(_ours, ours), (_echo, echo)]
        for send, taken in turns if number % 2 else reversed(turns):
            taken.append(await send(left, right, body))
        if number % 50 == 49:
            say(f"{number + 1} of {count} messages each way")
    return ours, echo


async def _ours(left: Member, right: Member, body: bytes) -> float:
    """Return the milliseconds until the device has the envelope. The device then acks, untimed."""
    frame = _send_frame(right, body)
    text = json.dumps(frame)
    started = time.perf_counter()
    await left.socket.send(text)
    envelopes = await right.expect("envelopes")
    taken = (time.perf_counter() - started) * 1000
    await left.expect("accepted")
    await right.ask({"type": "ack", "ref": "a", "ids": [envelopes["envelopes"][0]["id"]]}, "acked")
    return taken


async def _echo(left: Member, right: Member, body: bytes) -> float:
    text = json.dumps(_echo_frame(right, body))
    if left.echo is None or right.echo is None:
        raise RuntimeError("the echo sockets are not open")
    started = time.perf_counter()
    await left.echo.send(text)
    await asyncio.wait_for(right.echo.recv(), WAIT_SECONDS)
    taken = (time.perf_counter() - started) * 1000
    await asyncio.wait_for(left.echo.recv(), WAIT_SECONDS)
    return taken


async def _rates(pairs: list[tuple[Member, Member]], each: int, body: bytes, say: Say) -> tuple[float, float]:
    """Return the messages a second when every pair sends its next one after the last was received and accepted."""

    async def ours(left: Member, right: Member) -> None:
        for _ in range(each):
            await left.socket.send(json.dumps(_send_frame(right, body)))
            await asyncio.gather(right.expect("envelopes"), left.expect("accepted"))

    async def echo(left: Member, right: Member) -> None:
        for _ in range(each):
            await _echo(left, right, body)

    async def rate(run: Callable[[Member, Member], Awaitable[None]]) -> float:
        started = time.perf_counter()
        await asyncio.gather(*(run(left, right) for left, right in pairs))
        return each * len(pairs) / (time.perf_counter() - started)

    say(f"{len(pairs)} pairs at once, {each} messages each")
    return await rate(ours), await rate(echo)


def _send_frame(to: Member, body: bytes) -> dict[str, Any]:
    return {
        "type": "send",
        "ref": "s",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": {"account": to.account},
        "kind": "message",
        "copies": [{"device": to.device, "registration_id": to.registration_id, "body": base64url_text(body)}],
    }


def _echo_frame(to: Member, body: bytes) -> dict[str, Any]:
    return {
        "type": "echo",
        "id": message_text(new_message_id(time.time_ns() // 1_000_000)),
        "to": to.echo_connection,
        "body": base64.b64encode(body).decode(),
    }


async def _register(
    engine: Engine, deployment: Deployment, client: httpx.AsyncClient, phone: str, stack: AsyncExitStack
) -> Member:
    """Register a device as clients do: code by SMS, proof of possession, token, `hello`."""
    started = await client.post("/v1/registrations", json={"phone": phone})
    started.raise_for_status()
    id = started.json()["id"]
    code = re.match(r"\d{6}", engine.sms_to(phone)[-1])
    key, seal = SigningKey.generate(), bytes(PrivateKey.generate().public_key)
    identity = bytes(key.verify_key)
    registered = await client.put(
        f"/v1/registrations/{id}/verification",
        json={
            "code": code[0] if code else "",
            "device": {
                "identity_key": base64url_text(identity),
                "seal_key": {
                    "number": 1,
                    "public": base64url_text(seal),
                    "signature": base64url_text(key.sign(seal_key_statement(1, seal)).signature),
                },
                "name": "bench",
                "platform": "bench",
                "proof": base64url_text(key.sign(registration_statement(id, identity)).signature),
            },
        },
    )
    registered.raise_for_status()
    answer = registered.json()
    address = f"{answer['account']}.{answer['device']}"
    token = _token(key, address, deployment.audience)
    signer = Signer(
        IdentityKey(bytes(key)), DeviceAddress(answer["account"], answer["device"]), answer["registration_id"]
    )
    act = signer.header(open_socket(token), at_ms=time.time_ns() // 1_000_000)
    socket = await stack.enter_async_context(
        connect(
            deployment.websocket_url,
            additional_headers={"Authorization": f"Bearer {token}", ACT_HEADER: act},
            compression=None,
            open_timeout=WAIT_SECONDS,
        )
    )
    member = Member(answer["account"], answer["device"], answer["registration_id"], key, address, socket)
    await member.ask({"type": "hello", "ref": "h", "protocol": 1}, "welcome")
    return member


def _token(key: SigningKey, address: str, audience: str) -> str:
    now = int(time.time())
    parts = ({"alg": "EdDSA", "kid": address}, {"iss": address, "aud": audience, "iat": now, "exp": now + 300})
    text = ".".join(base64url_text(json.dumps(part).encode()) for part in parts)
    return f"{text}.{base64url_text(key.sign(text.encode()).signature)}"


def _forget_limits(engine: Engine, deployment: Deployment) -> None:
    """Delete rate limits, because twenty registrations from one address are more than a minute allows."""
    client = engine.client("dynamodb")
    table = deployment.tables["limits"]
    for item in client.scan(TableName=table)["Items"]:
        client.delete_item(TableName=table, Key={name: item[name] for name in (LimitRow.SUBJECT, LimitRow.LIMIT)})


def _wait_for_disconnects(engine: Engine, deployment: Deployment) -> None:
    """Wait for `$disconnect`, which runs once for each socket and would slow down stopping the engine."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        items = engine.client("dynamodb").scan(TableName=deployment.tables["routing"])["Items"]
        devices = [entry["M"] for item in items for entry in item[RoutingRow.DEVICES]["M"].values()]
        if not any(RoutingRow.CONNECTION in device for device in devices):
            return
        time.sleep(0.2)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def say_to_stderr(text: str) -> None:
    with suppress(OSError):
        print(f"  {text}", file=sys.stderr, flush=True)
