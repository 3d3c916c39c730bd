"""Runs a device that speaks the protocol frame by frame, so that tests can send frames that the SDK never would."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from nacl.signing import SigningKey
from pydantic_core import to_jsonable_python

from sandes.crypto.seal import Content
from sandes.crypto.service_keys import ServiceKeys
from sandes.crypto.statements import Act, open_socket
from sandes.identity.signed_acts import ACT_HEADER
from sandes.model.ids import (
    base64url_text,
    message_text,
    new_message_id,
    parse_account,
    parse_base64url,
)
from sandes.store import schema
from tests.conftest import Deployed
from tests.support.acts import act_of
from tests.support.keys import DeviceKeys
from tools.backstage import secret_of

ANSWER_SECONDS = 20.0
_phones = itertools.count(9_800_000_000 + int(time.time()) % 90_000_000)

Json = dict[str, Any]


def new_phone() -> str:
    return f"+91{next(_phones)}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def make_token(key: SigningKey, device: str, audience: str, **changed: Any) -> str:
    """Make a token as the protocol requires it. `changed` replaces claims, and also `header` and `signature`."""
    issued = int(time.time())
    header = {"alg": "EdDSA", "kid": device, "typ": "JWT"} | changed.pop("header", {})
    signature = changed.pop("signature", None)
    claims = {"iss": device, "aud": audience, "iat": issued, "exp": issued + 300} | changed
    signed = ".".join(base64url_text(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url_text(signature or key.sign(signed.encode()).signature)}"


@dataclass
class Socket:
    """Holds an open websocket. `answers` gets the answers to frames, and `inbox` everything else."""

    ws: websockets.ClientConnection
    _refs: itertools.count[int] = field(default_factory=itertools.count)
    unasked: list[Json] = field(default_factory=list)

    async def ask(self, **frame: Any) -> Json:
        """Send a frame and wait for the answer with its ref."""
        ref = f"r{next(self._refs)}"
        await self.ws.send(json.dumps(frame | {"ref": ref}))
        return await self.answer(ref)

    async def answer(self, ref: str) -> Json:
        while True:
            frame = await self._receive()
            if frame.get("ref") == ref and frame["type"] != "welcome":
                return frame
            if frame["type"] == "welcome" and not frame["inbox"]["pending"]:
                return frame
            self.unasked.append(frame)

    async def ask_raw(self, text: str | bytes) -> Json:
        """Send anything, and take the next frame as the answer."""
        await self.ws.send(text)
        return await self._receive()

    async def hello(self) -> Json:
        return await self.ask(type="hello", protocol=1)

    async def next_unasked(self, kind: str) -> Json:
        while True:
            for index, frame in enumerate(self.unasked):
                if frame["type"] == kind:
                    return self.unasked.pop(index)
            self.unasked.append(await self._receive())

    async def next_envelope(self) -> Json:
        frame = await self.next_unasked("envelopes")
        first, *rest = frame["envelopes"]
        if rest:
            self.unasked.insert(0, {"type": "envelopes", "envelopes": rest})
        return dict(first)

    def received_envelopes(self) -> list[Json]:
        return [envelope for frame in self.unasked if frame["type"] == "envelopes" for envelope in frame["envelopes"]]

    async def closed(self) -> None:
        """Wait until the server has closed the socket."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self.ws.wait_closed()

    async def _receive(self) -> Json:
        async with asyncio.timeout(ANSWER_SECONDS):
            return dict(json.loads(await self.ws.recv()))


@dataclass
class RawDevice:
    """Holds a registered device and its system."""

    deployed: Deployed
    keys: DeviceKeys
    phone: str
    account: str
    number: int
    registration_id: int

    @property
    def address(self) -> str:
        return f"{self.account}.{self.number}"

    def token(self, **changed: Any) -> str:
        return make_token(self.keys.identity, self.address, self.deployed.stack.audience, **changed)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, act: Act | str | None = None
    ) -> httpx.Response:
        """Call the client API. `act` is the act that the device signs for the call, or the value of the header
        itself.
        """
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        if act is not None:
            headers[ACT_HEADER] = self.signature(act) if isinstance(act, Act) else act
        return await http(self.deployed, method, path, body, headers=headers)

    def signature(self, act: Act, *, at_ms: int | None = None) -> str:
        """Return the value of Sandes-Act."""
        signed = self.keys.act(
            act,
            parse_account(self.account),
            device=self.number,
            registration=self.registration_id,
            at_ms=now_ms() if at_ms is None else at_ms,
        )
        return f"{signed.at_ms}.{base64url_text(signed.signature)}"

    async def act(self, method: str, path: str, body: Any = None, *, registration: int = 0) -> httpx.Response:
        """Make a call, with a signature if it needs one."""
        return await self.call(method, path, body, act=act_of(method, path, body, registration=registration))

    async def unlink(self, other: RawDevice) -> httpx.Response:
        return await self.act("DELETE", f"/v1/devices/{other.number}", registration=other.registration_id)

    async def open_link(self, link: SigningKey) -> httpx.Response:
        return await self.act("POST", "/v1/devices/links", {"link": base64url_text(bytes(link.verify_key))})

    async def change_phone(self, registration: str, phone: str, code: str) -> httpx.Response:
        body = {"registration": registration, "phone": phone, "code": code}
        return await self.act("PUT", "/v1/me/phone", body)

    def handshake(self, token: str | None = None) -> dict[str, str]:
        """Return the headers that open a socket."""
        shown = token or self.token()
        return {"Authorization": f"Bearer {shown}", ACT_HEADER: self.signature(open_socket(shown))}

    @asynccontextmanager
    async def socket(self, *, token: str | None = None) -> AsyncIterator[Socket]:
        headers = self.handshake(token)
        async with websockets.connect(
            self.deployed.stack.websocket_url,
            additional_headers=headers,
            open_timeout=ANSWER_SECONDS,  # the first one waits for the authorizer's cold start
            ping_interval=None,
            max_size=None,
        ) as ws:
            yield Socket(ws)

    @asynccontextmanager
    async def online(self) -> AsyncIterator[Socket]:
        """Open a socket, send `hello` and receive the stored envelopes."""
        async with self.socket() as socket:
            answer = await socket.hello()
            assert answer["type"] in {"welcome", "drained"}, answer
            yield socket

    def copy(self, body: bytes) -> Json:
        return {"device": self.number, "registration_id": self.registration_id, "body": base64url_text(body)}

    def open(self, envelope: Json) -> Content:
        keys = ServiceKeys.of(secret_of(self.deployed.engine, "SealSecret"))
        return self.keys.open_sealed(
            parse_base64url(envelope["sealed"]), parse_base64url(envelope["header"]), service_keys=keys
        )


def message(*recipients: RawDevice, body: bytes = b"hello", at_ms: int | None = None, **changed: Any) -> Json:
    """Build a `send` frame to the account of `recipients`, with a copy for each of them."""
    return {
        "type": "send",
        "id": message_text(new_message_id(now_ms() if at_ms is None else at_ms)),
        "to": {"account": recipients[0].account},
        "kind": "message",
        "copies": [recipient.copy(body) for recipient in recipients],
    } | changed


async def http(
    deployed: Deployed, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
) -> httpx.Response:
    async with httpx.AsyncClient(base_url=deployed.stack.http_url, timeout=ANSWER_SECONDS) as client:
        return await client.request(method, path, json=to_jsonable_python(body), headers=headers)


def code_for(deployed: Deployed, phone: str) -> str:
    """Return the code in the last SMS to a number, from the engine's record of SMS."""
    found = re.match(r"\d{6}", deployed.engine.sms_to(phone)[-1])
    assert found
    return found[0]


def refill_limits(deployed: Deployed) -> None:
    """Fill every bucket again, because all calls of a test run come from one network address."""
    client, table = deployed.engine.client("dynamodb"), deployed.stack.tables["limits"]
    names = [schema.LIMITS.partition.name, schema.LIMITS.sort.name]  # type: ignore[union-attr]
    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            client.delete_item(TableName=table, Key={name: item[name] for name in names})


async def start_registration(deployed: Deployed, phone: str, purpose: str = "register") -> str:
    refill_limits(deployed)
    answer = await http(deployed, "POST", "/v1/registrations", {"phone": phone, "purpose": purpose})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def register(deployed: Deployed, phone: str | None = None, keys: DeviceKeys | None = None) -> RawDevice:
    phone, keys = phone or new_phone(), keys or DeviceKeys()
    id = await start_registration(deployed, phone)
    body = {"code": code_for(deployed, phone), "device": keys.new_device(id)}
    answer = await http(deployed, "PUT", f"/v1/registrations/{id}/verification", body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    return RawDevice(deployed, keys, phone, made["account"], made["device"], made["registration_id"])


async def link(device: RawDevice) -> RawDevice:
    """Link one more device to the same account."""
    opened, keys = SigningKey.generate(), DeviceKeys()
    answer = await device.open_link(opened)
    assert answer.status_code == 201, answer.text
    body = keys.joining(opened, parse_account(device.account), at_ms=now_ms(), device={"name": "test tablet"})
    answer = await http(device.deployed, "POST", "/v1/devices", body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return RawDevice(device.deployed, keys, device.phone, made["account"], made["device"], made["registration_id"])
