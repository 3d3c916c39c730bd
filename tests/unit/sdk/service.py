"""A small service in this process for tests of the client: real websocket, HTTP by a transport, the server's crypto.

Frames and bodies pass through the server's own models, so that a client that speaks another protocol fails here.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sandes.crypto.seal import (
    BodyPointer,
    Content,
    GroupChange,
    Kind,
    ReceiptKind,
    Sealing,
    encrypt_body,
    group_event_body,
    group_message_body,
    receipt_body,
)
from sandes.crypto.service_keys import ServiceKeys
from sandes.crypto.statements import (
    Actor,
    act_statement,
    add_device,
    open_socket,
    registration_statement,
    seal_key_statement,
    signed_by,
)
from sandes.crypto.tokens import TokenExpired, TokenInvalid, verify_token
from sandes.identity.signed_acts import ACT_HEADER, SKEW_MS
from sandes.model.app import AppSender
from sandes.model.envelope import HEADER, Envelope, envelope_id
from sandes.model.ids import (
    AccountId,
    AppId,
    BodyId,
    DeviceAddress,
    DeviceNumber,
    EnvelopeId,
    GroupId,
    MessageId,
    account_text,
    base64url_text,
    message_text,
    new_message_id,
    parse_base64url,
    parse_message,
)
from sandes.model.standing import AccountClass
from sandes.protocol.client_api import LinkDevice, NewDevice, SignedSealKey, VerifyRegistration
from sandes.protocol.errors import ProtocolError
from sandes.protocol.frames import Ack, Fetch, GroupSend, Send, bundle, parse_frame
from sandes_client import BodyCipher, DeviceClient, Endpoints, Retention, Store
from sandes_client.clock import Chance
from sandes_client.ids import DeviceAddress as ClientAddress
from sandes_client.ids import parse_account
from sandes_client.keys import IdentityKey, SealKey
from tests.support.acts import act_of

AUDIENCE = "sandes:test"
START_MS = 1_800_000_000_000
ALICE = AccountId(b"alice\0\0\0")
BOB = AccountId(b"bob\0\0\0\0\0")
PASSPORTS = AppId(bytes(BOB))  # an app may have the id that an account has
CAMP = GroupId(b"camp\0\0\0\0")
CAMP_ID = account_text(AccountId(bytes(CAMP)))
Answer = dict[str, Any] | None


class FakeClock:
    """Time that moves only when a test says so."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now = now_ms / 1000
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return round(self._now * 1000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, next(self._order), wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking sleepers in order and letting what they do settle."""
        end = self._now + seconds
        while due := sorted(s for s in self._sleepers if s[0] <= end and not s[2].done()):
            at, _, wake = due[0]
            self._now = max(self._now, at)
            wake.set_result(None)
            self._sleepers = [s for s in self._sleepers if not s[2].done()]
            await settle()
        self._now = end
        await settle()

    def jump(self, seconds: float) -> None:
        """Set the wall clock; who sleeps does not notice."""
        self._now += seconds
        self._sleepers = [(at + seconds, order, wake) for at, order, wake in self._sleepers]

    def waiting(self, seconds: float) -> bool:
        """True if somebody sleeps for exactly so long."""
        return any(abs(at - self._now - seconds) < 1e-6 for at, _, wake in self._sleepers if not wake.done())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


async def eventually(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that real sockets bring about."""
    end = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < end, "it did not happen"
        await asyncio.sleep(0.005)


@dataclass
class Connected:
    """One socket as the service sees it."""

    socket: ServerConnection
    frames: list[dict[str, Any]] = field(default_factory=list)
    fragments: list[int] = field(default_factory=list)

    async def post(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))


@dataclass
class Service:
    """Serves one account, alice, whose device 1 is under test. `answers` replaces the answer to a frame type."""

    clock: FakeClock
    identity: IdentityKey
    seal_keys: list[SealKey]
    inbox: bytes = b"i" * 16
    connections: list[Connected] = field(default_factory=list)
    stored: dict[bytes, Envelope] = field(default_factory=dict)
    accepted: list[Send] = field(default_factory=list)
    posts: list[GroupSend] = field(default_factory=list)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    acks: list[Ack] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    devices: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    classes: dict[AccountId, AccountClass] = field(default_factory=dict)
    answers: dict[str, Callable[[Connected, dict[str, Any]], Answer]] = field(default_factory=dict)
    http_answers: dict[tuple[str, str], Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)
    more: list[Callable[[httpx.Request, str, list[str]], httpx.Response | None]] = field(default_factory=list)
    refuse_handshake: bool = False
    handshake_status: int = 403
    handshake_headers: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    reconnect_after: int = 6300
    server_ahead_ms: int = 0
    code: str = "123456"
    service_keys: ServiceKeys = field(default_factory=lambda: ServiceKeys.of(secrets.token_bytes(32).hex().encode()))
    _server: Server | None = None
    _works: set[asyncio.Task[None]] = field(default_factory=set)
    url: str = ""

    async def __aenter__(self) -> Service:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._check, max_size=128 * 1024)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close(close_connections=True)
        await self._server.wait_closed()

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints("https://service.test", self.url, AUDIENCE)

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms() + self.server_ahead_ms

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [frame for connection in self.connections for frame in connection.frames]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside, for answers that take more than one frame."""
        task = asyncio.ensure_future(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    # Websocket

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            verify_token(token, identity_key=self.identity.public, audience=AUDIENCE, now_seconds=self.now_ms // 1000)
            if not self.refuse_handshake and self._opens(token, request.headers.get(ACT_HEADER)):
                return None
        except (TokenInvalid, TokenExpired):
            pass
        self.log.append("refused")
        response = connection.respond(HTTPStatus(self.handshake_status), "")
        for name, value in self.handshake_headers.items():
            response.headers[name] = value
        del response.headers["Date"]
        response.headers["Date"] = formatdate(self.now_ms / 1000, usegmt=True)
        return response

    def _opens(self, token: str, act: str | None) -> bool:
        """Tell whether the signed act of the handshake is for this token and recent."""
        at_ms, _, signature = (act or "0.").partition(".")
        statement = act_statement(open_socket(token), Actor(ALICE, 1, 7), at_ms=int(at_ms))
        fresh = abs(int(at_ms) - self.now_ms) <= SKEW_MS
        return fresh and signed_by(self.identity.public, statement, parse_base64url(signature))

    async def _serve(self, socket: ServerConnection) -> None:
        connected = Connected(socket)
        number = len(self.connections)
        self.connections.append(connected)
        self.log.append(f"open {number}")
        try:
            while True:
                parts = [part async for part in socket.recv_streaming(decode=False)]
                connected.fragments.extend(len(part) for part in parts)
                await self._take(connected, b"".join(bytes(part) for part in parts).decode())
        except ConnectionClosed:
            self.log.append(f"close {number}")

    async def _take(self, connected: Connected, text: str) -> None:
        frame = json.loads(text)
        connected.frames.append(frame)
        kind = frame["type"]
        try:
            parsed = parse_frame(text)
        except ProtocolError as error:
            await connected.post({"type": "error", "ref": frame.get("ref"), "code": error.code, "message": ""})
            raise AssertionError(f"the client sent a frame that does not parse: {error.details}") from error
        if kind in self.answers:
            answer = self.answers[kind](connected, frame)
        elif isinstance(parsed, Send):
            self.accepted.append(parsed)
            answer = {"type": "accepted", "id": frame["id"], "at": self.now_ms}
        elif isinstance(parsed, GroupSend):
            self.posts.append(parsed)
            answer = {"type": "accepted", "id": frame["id"], "at": self.now_ms}
        elif isinstance(parsed, Fetch):
            answer = self.fetched(parsed.body)
        elif isinstance(parsed, Ack):
            self.acks.append(parsed)
            for id in parsed.ids:
                self.stored.pop(id, None)
            answer = {"type": "acked", "ids": frame["ids"]}
        elif kind == "ping":
            answer = {**self.presence(), "type": "pong"}
        elif kind == "hello":
            await self.welcome(connected, frame)
            return
        else:
            await self.post_stored(connected)
            answer = {"type": "drained", "more": False}
        if answer is not None:
            await connected.post({"ref": frame.get("ref"), **answer})

    def fetched(self, body: bytes) -> dict[str, Any]:
        data = self.bodies.get(body)
        if data is None:
            return refusal("not_found")
        return {"type": "body", "id": base64url_text(body), "data": base64url_text(data)}

    def presence(self) -> dict[str, Any]:
        return {"server_time": self.now_ms, "epoch": len(self.connections), "inbox": {"pending": len(self.stored)}}

    async def welcome(self, connected: Connected, frame: dict[str, Any]) -> None:
        before = [other for other in self.connections if other is not connected]
        limits = {"max_body_bytes": 65536, "max_expiry_seconds": 2592000, "max_ack_ids": 100, "max_devices": 6}
        waiting = bool(self.stored)
        await connected.post(
            {
                **self.presence(),
                "type": "welcome",
                "ref": frame["ref"],
                "limits": limits,
                "service_keys": self.introduced(),
                "reconnect_after": self.reconnect_after,
            }
        )
        for other in before:
            try:
                await other.post({"type": "superseded"})
                self.log.append(f"superseded {self.connections.index(other)}")
            except ConnectionClosed:
                continue
        if waiting:
            await self.post_stored(connected)
            await connected.post({"type": "drained", "ref": frame["ref"], "more": False})

    def introduced(self) -> dict[str, Any]:
        introductions = [
            {"statement": base64url_text(one.statement)}
            | ({"signature": base64url_text(one.signature)} if one.signature else {})
            for one in self.service_keys.introductions
        ]
        return {"oldest": self.service_keys.oldest, "introductions": introductions}

    async def post_stored(self, connected: Connected) -> None:
        for text in bundle(list(self.stored.values())):
            await connected.socket.send(text)

    # Messages to the device

    def store(
        self,
        body: bytes,
        *,
        id: MessageId | None = None,
        key: SealKey | None = None,
        sender: AccountId = BOB,
        kind: Kind = Kind.MESSAGE,
        to: AccountId = ALICE,
    ) -> Envelope:
        """Seal a message to the device and keep it until it is acked."""
        id, device = id or new_message_id(self.now_ms), DeviceAddress(sender, DeviceNumber(1))
        return self._store(Content(id, device, self.classes.get(sender, "public"), to, kind, self.now_ms, body), key)

    def store_from_app(
        self, kind: Kind, body: bytes, *, id: MessageId | None = None, app: AppId = PASSPORTS, name: str = "Passports"
    ) -> Envelope:
        id = id or new_message_id(self.now_ms)
        return self._store(Content(id, AppSender(app, name), None, ALICE, kind, self.now_ms, body))

    def store_to_group(
        self,
        body: bytes,
        *,
        version: int = 1,
        apart: bool = False,
        sender: AccountId = BOB,
        app: AppSender | None = None,
        group: GroupId = CAMP,
    ) -> Envelope:
        """A message to a group, with its body in it, or `apart`."""
        held: bytes | BodyPointer = body
        if apart:
            held = BodyPointer(BodyId(secrets.token_bytes(16)), secrets.token_bytes(32), len(body))
            self.bodies[held.id] = encrypt_body(body, held)
        content = group_message_body(group, version, held)
        return self._store_of_group(Kind.GROUP_MESSAGE, content, sender, app)

    def store_event(
        self, change: GroupChange, *, version: int = 1, sender: AccountId = BOB, group: GroupId = CAMP, **said: Any
    ) -> Envelope:
        body = group_event_body(group, version, change, **said)
        return self._store_of_group(Kind.GROUP_EVENT, body, sender, None)

    def _store_of_group(self, kind: Kind, body: bytes, sender: AccountId, app: AppSender | None) -> Envelope:
        author = app or DeviceAddress(sender, DeviceNumber(1))
        id = new_message_id(self.now_ms)
        sender_class = None if app else self.classes.get(sender, "public")
        return self._store(Content(id, author, sender_class, ALICE, kind, self.now_ms, body))

    def _store(self, content: Content, key: SealKey | None = None) -> Envelope:
        key = key or self.seal_keys[-1]
        expires_at = self.now_ms // 1000 + 60
        sealing = Sealing.by(self.service_keys, now_ms=self.now_ms)
        header = HEADER.pack(2, content.id, self.inbox, key.number, expires_at, sealing.service.number)
        named = content.sender.app if isinstance(content.sender, AppSender) else content.sender.account
        tail = hashlib.blake2b(named, digest_size=8).digest()
        sealed = sealing(content.encode(), seal_public=key.public, header=header)
        id, number = envelope_id(content.id, tail), sealing.service.number
        envelope = Envelope(self.inbox, id, key.number, number, expires_at, self.now_ms, sealed)  # type: ignore[arg-type]
        self.stored[envelope.id] = envelope
        return envelope

    def store_receipt(self, kind: ReceiptKind, *ids: str, reader: AccountId = BOB) -> Envelope:
        return self.store(receipt_body(kind, tuple(parse_message(id) for id in ids)), kind=Kind.RECEIPT, sender=reader)

    def store_rubbish(self) -> EnvelopeId:
        envelope = self.store(b"lost", key=SealKey.new(99, secrets.token_bytes))
        return envelope.id

    async def push(self, envelope: Envelope, connection: int = -1) -> None:
        for text in bundle([envelope]):
            await self.connections[connection].socket.send(text)

    # HTTPS

    def http(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.path
        self.calls.append((method, path))
        if (method, path) in self.http_answers:
            return self.http_answers[method, path](request)
        body = request.content
        match method, path.split("/")[2:]:
            case "POST", ["registrations"]:
                return httpx.Response(202, json=self._started())
            case "PUT", ["registrations", id, "verification"]:
                given = VerifyRegistration.model_validate_json(body)
                if given.code != self.code:
                    return problem("code_incorrect", 409, title="The code is wrong.", attempts_left=2)
                return self._registered(given.device, id, 200)
            case "POST", ["devices"]:
                return self._linked(LinkDevice.model_validate_json(body))
        try:
            token = request.headers["Authorization"].removeprefix("Bearer ")
            verify_token(token, identity_key=self.identity.public, audience=AUDIENCE, now_seconds=self.now_ms // 1000)
        except TokenExpired:
            return problem("token_expired", 401, server_time=self.now_ms)
        except (KeyError, TokenInvalid):
            return problem("token_invalid", 401)
        if (refused := self._unsigned(request)) is not None:
            return refused
        for answer in self.more:
            if (answered := answer(request, method, path.split("/")[2:])) is not None:
                return answered
        return self._signed_call(method, path.split("/")[2:], body)

    def _unsigned(self, request: httpx.Request) -> httpx.Response | None:
        """A refusal unless the device has signed an act that must be signed, by the service's clock."""
        body = json.loads(request.content) if request.content else None
        act = act_of(request.method, request.url.path, body, registration=7)
        if act is None:
            return None
        at_ms, _, signature = request.headers.get("Sandes-Act", "").partition(".")
        if not at_ms:
            return problem("signature_required", 403)
        statement = act_statement(act, Actor(ALICE, 1, 7), at_ms=int(at_ms))
        assert signed_by(self.identity.public, statement, parse_base64url(signature))
        if abs(int(at_ms) - self.now_ms) > 120_000:
            return problem("clock_skew", 400, server_time=self.now_ms)
        return None

    def _linked(self, given: LinkDevice) -> httpx.Response:
        act = add_device(given.device.identity_key, given.link)
        statement = act_statement(act, Actor(given.account, 0, 0), at_ms=given.at)
        assert given.account == ALICE
        assert signed_by(given.link, statement, given.signature)
        assert signed_by(given.device.identity_key, statement, given.device.proof)
        if abs(given.at - self.now_ms) > 120_000:
            return problem("clock_skew", 400, server_time=self.now_ms)
        return self._made(given.device, 201)

    def _signed_call(self, method: str, path: list[str], body: bytes) -> httpx.Response:
        match method, path:
            case "GET", ["accounts", account, "keys"]:
                if account not in self.devices:
                    return problem("not_found", 404)
                key = base64url_text(self.identity.public)
                listed = [
                    {"device": number, "registration_id": id, "identity_key": key}
                    for number, id in self.devices[account]
                ]
                return httpx.Response(200, json={"account": account, "devices": listed})
            case "POST", ["accounts", "lookup"]:
                return httpx.Response(200, json={"account": account_text(BOB)})
            case "PUT", ["devices", "self", "seal-key"]:
                key_given = SignedSealKey.model_validate_json(body)
                statement = seal_key_statement(key_given.number, key_given.public)
                assert signed_by(self.identity.public, statement, key_given.signature)
                self.log.append(f"seal key {key_given.number}")
                return httpx.Response(204)
            case "GET", ["devices"]:
                row = {
                    "device": 1,
                    "registration_id": 7,
                    "name": "laptop",
                    "platform": "python",
                    "linked_at": START_MS // 1000,
                    "current": True,
                }
                return httpx.Response(200, json={"devices": [row]})
            case "POST", ["devices", "links"]:
                opened = {"id": "l" * 21 + "A", "expires_at": self.now_ms // 1000 + 600}
                return httpx.Response(201, json=opened)
        return problem("not_found", 404)

    def _started(self) -> dict[str, Any]:
        return {
            "id": "r" * 21 + "A",
            "phone": "+919876543210",
            "code_expires_at": self.now_ms // 1000 + 300,
            "resend_after": self.now_ms // 1000 + 30,
            "attempts_left": 3,
            "server_time": self.now_ms,
        }

    def _registered(self, device: NewDevice, subject: str, status: int) -> httpx.Response:
        statement = registration_statement(subject, device.identity_key)
        assert signed_by(device.identity_key, statement, device.proof)
        return self._made(device, status)

    def _made(self, device: NewDevice, status: int) -> httpx.Response:
        signed = seal_key_statement(device.seal_key.number, device.seal_key.public)
        assert signed_by(device.identity_key, signed, device.seal_key.signature)
        return httpx.Response(status, json={"account": account_text(ALICE), "device": 1, "registration_id": 7})

    # The client under test

    def profile(self, path: Path) -> Store:
        """A profile that is registered as alice's device 1."""
        store = Store.open(path)
        store.profile.set_endpoints(self.endpoints)
        store.profile.begin(self.identity, self.seal_keys[0], now_ms=self.clock.now_ms())
        store.profile.become(ClientAddress(parse_account(account_text(ALICE)), 1), 7, now_ms=self.clock.now_ms())
        return store

    def client(
        self,
        profile: Path | Store,
        *,
        fraction: float = 0.5,
        auto_ack: bool = True,
        cipher: BodyCipher | None = None,
        seal1_until_ms: int = 0,
        retention: Retention | None = None,
    ) -> DeviceClient:
        return DeviceClient.open(
            profile,
            clock=self.clock,
            cipher=cipher,
            chance=Chance(fraction=lambda: fraction),
            transport=httpx.MockTransport(self.http),
            auto_ack=auto_ack,
            seal1_until_ms=seal1_until_ms,
            retention=retention,
        )


def new_service() -> Service:
    service = Service(FakeClock(), IdentityKey.new(secrets.token_bytes), [SealKey.new(1, secrets.token_bytes)])
    service.devices[account_text(BOB)] = [(1, 11), (2, 22)]
    return service


def problem(code: str, status: int, **fields: Any) -> httpx.Response:
    body = {"type": f"urn:sandes:error:{code}", "title": code, "status": status, "code": code, "request_id": "r"}
    return httpx.Response(status, json={**body, **fields}, headers={"content-type": "application/problem+json"})


def refusal(code: str, **fields: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": code, **fields}


def text_of(id: bytes) -> str:
    return message_text(MessageId(id[:16]))
