"""API Gateway: websockets, of which it believes something and something else is true, and HTTP.

What the gateway believes of a socket and whether anybody is at its other end are two things: a phone that leaves its
network tells nobody. AWS documents `$disconnect` as best effort, and answers 410 to posts to sockets it has given up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import httpx
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Response

from tests.simulation.faults import Faults, Rates
from tests.simulation.functions import Attempt, Function, InvocationFailed
from tests.simulation.loop import VirtualLoop
from tests.support.memory.dynamodb import Refused

IDLE_SECONDS = 600.0
LIFE_SECONDS = 7200.0
INTEGRATION_SECONDS = 29.0

_ENDED = object()


@dataclass
class GatewayFaults:
    """Holds the rates of faults at a frame, at a post, at the end of a socket and at a call over HTTP."""

    frames: Rates = field(default_factory=lambda: {"socket breaks": 0.002, "socket breaks unnoticed": 0.002})
    posts: Rates = field(default_factory=lambda: {"gone though alive": 0.004, "post lost": 0.002, "post failed": 0.004})
    ends: Rates = field(
        default_factory=lambda: {"disconnect late": 0.3, "disconnect lost": 0.1, "disconnect twice": 0.1}
    )
    calls: Rates = field(default_factory=lambda: {"request lost": 0.004, "answer lost": 0.004})
    opens: Rates = field(default_factory=lambda: {"handshake lost": 0.01})


class Socket:
    """The client's end of a websocket, as the library `websockets` shows it to the SDK."""

    def __init__(self, gateway: WebSockets, id: str, context: Mapping[str, Any]) -> None:
        self.id = id
        self.gateway = gateway
        self.context = context
        self.is_alive = True
        """Whether bytes still get through."""
        self.is_believed = True
        """Whether the gateway still takes posts."""
        self.close_code: int | None = None
        self.transport = self
        self.used_at = gateway.loop.time()
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()

    async def send(self, message: str | Iterable[bytes], *, text: bool | None = None) -> None:  # as the library has it
        if self.close_code is not None:
            raise ConnectionClosedError(None, None)
        whole = message if isinstance(message, str) else b"".join(message).decode()
        if self.is_alive:
            self.gateway.take(self, whole)

    def __aiter__(self) -> AsyncIterator[str]:
        return self._read()

    async def _read(self) -> AsyncIterator[str]:
        while (message := await self._incoming.get()) is not _ENDED:
            yield message
        if self.close_code not in {1000, 1001}:
            raise ConnectionClosedError(None, None)

    async def close(self, code: int = 1000) -> None:
        self._end(code)
        await asyncio.sleep(0)

    def abort(self) -> None:
        self._end(1006)

    def receive(self, text: str) -> None:
        if self.is_alive and self.close_code is None:
            self._incoming.put_nowait(text)

    def _end(self, code: int) -> None:
        """The client's side ends the socket; the gateway learns of it if anything still gets through."""
        if self.close_code is None:
            self.close_code = code
            self._incoming.put_nowait(_ENDED)
            self.gateway.ended(self, told=self.is_alive)
            self.is_alive = False

    def cut(self, code: int) -> None:
        """The gateway's side, or the network, ends the socket, and the client notices."""
        if self.close_code is None:
            self.close_code = code
            self._incoming.put_nowait(_ENDED)
        self.is_alive = False

    def lose(self) -> None:
        """The network is gone, and nobody notices."""
        self.is_alive = False


@dataclass
class WebSockets:
    """The websocket API. `functions` maps the frames' functions by name: Authorizer, Disconnect, Send, Deliver."""

    loop: VirtualLoop
    faults: Faults
    functions: Mapping[str, Function]
    rates: GatewayFaults = field(default_factory=GatewayFaults)
    sockets: dict[str, Socket] = field(default_factory=dict)
    frames: int = 0
    _made: int = 0
    _works: set[asyncio.Task[Any]] = field(default_factory=set)

    async def connect(self, url: str, *, additional_headers: Mapping[str, str], **_: Any) -> Socket:
        """Open a socket, as `websockets.asyncio.client.connect` does."""
        await asyncio.sleep(0.02)
        self._made += 1
        id = f"socket-{self._made}"
        site = self.faults.site("gateway", "open")
        if self.faults.draw(site, self.rates.opens, at_ms=self.loop.now_ms):
            await asyncio.sleep(10)
            raise TimeoutError
        event = {
            "headers": dict(additional_headers),
            "methodArn": "arn:aws:execute-api:::api",
            "requestContext": {"connectionId": id},
        }
        try:
            policy = await self.functions["Authorizer"].invoke(event)
        except InvocationFailed:
            raise self._refused(url, 500) from None
        if policy["policyDocument"]["Statement"][0]["Effect"] != "Allow":
            raise self._refused(url, 403)
        socket = self.sockets[id] = Socket(self, id, policy["context"])
        self._later(self._age(socket))
        return socket

    def _refused(self, url: str, status: int) -> InvalidStatus:
        headers = Headers({"Date": formatdate(self.loop.now_ms / 1000, usegmt=True)})
        return InvalidStatus(Response(status, "", headers))

    async def _age(self, socket: Socket) -> None:
        """Cut the socket when it is too old or idle."""
        born = self.loop.time()
        while socket.is_believed and socket.is_alive:
            ends = min(born + LIFE_SECONDS, socket.used_at + IDLE_SECONDS)
            if self.loop.time() >= ends:
                socket.cut(1001)
                self.ended(socket, told=True)
                return
            await asyncio.sleep(ends - self.loop.time())

    def take(self, socket: Socket, text: str) -> None:
        """Take a frame from a client."""
        self.frames += 1
        socket.used_at = self.loop.time()
        site = self.faults.site("gateway", "frame")
        fault = self.faults.draw(site, self.rates.frames, at_ms=self.loop.now_ms)
        if fault == "socket breaks":
            socket.cut(1006)
            self.ended(socket, told=True)
        elif fault == "socket breaks unnoticed":
            socket.lose()
        reaches = fault is None or self.faults.fraction(site, "reaches") < 0.5
        if reaches:
            self._later(self._serve(socket, text, self.faults.between(site, "latency", 0.005, 0.05)))

    async def _serve(self, socket: Socket, text: str, latency: float) -> None:
        await asyncio.sleep(latency)
        if not socket.is_believed:
            return
        kind = _kind(text)
        function = self.functions["Send" if kind == "send" else "Deliver"]
        request = {"connectionId": socket.id, "requestId": f"r{self.frames}", "authorizer": socket.context}
        try:
            answer = await asyncio.wait_for(
                function.invoke({"requestContext": request, "body": text}), INTEGRATION_SECONDS
            )
            body = answer["body"]
        except (InvocationFailed, TimeoutError):
            fault = {"message": "Internal server error", "connectionId": socket.id, "requestId": request["requestId"]}
            body = json.dumps(fault)
        await asyncio.sleep(latency)
        socket.receive(body)

    def ended(self, socket: Socket, *, told: bool) -> None:
        """The socket has ended on one side. `told`: the gateway knows."""
        if not told:
            return
        socket.is_believed = False
        site = self.faults.site("gateway", "end")
        fault = self.faults.draw(site, self.rates.ends, at_ms=self.loop.now_ms)
        if fault == "disconnect lost":
            return
        delay = self.faults.between(site, "late", 1, 120) if fault == "disconnect late" else 0.05
        self._later(self._disconnect(socket, delay))
        if fault == "disconnect twice":
            self._later(self._disconnect(socket, self.faults.between(site, "again", 0, 60)))

    async def _disconnect(self, socket: Socket, delay: float) -> None:
        await asyncio.sleep(delay)
        self.sockets.pop(socket.id, None)
        request = {"connectionId": socket.id, "authorizer": socket.context}
        try:
            await self.functions["Disconnect"].invoke({"requestContext": request})
        except InvocationFailed:
            return

    def perform(self, operation: str, arguments: dict[str, Any], _: Attempt) -> dict[str, Any]:
        """The management API: `@connections`."""
        socket = self.sockets.get(arguments["ConnectionId"])
        site = self.faults.site("gateway", operation)
        fault = self.faults.draw(site, self.rates.posts, at_ms=self.loop.now_ms)
        if socket is None or not socket.is_believed or fault == "gone though alive":
            raise Refused("GoneException", "")
        if fault == "post failed":
            raise Refused("ForbiddenException", "")
        if operation == "DeleteConnection":
            socket.cut(1000)
            self.ended(socket, told=True)
            return {}
        socket.used_at = self.loop.time()
        if fault != "post lost":
            text = arguments["Data"].decode()
            self.loop.call_later(self.faults.between(site, "latency", 0.005, 0.05), socket.receive, text)
        return {}

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)


def _kind(text: str) -> str:
    try:
        return str(json.loads(text).get("type"))
    except ValueError:
        return ""


class HttpApi(httpx.AsyncBaseTransport):
    """The HTTP API. `function_of` finds the function of a method and a path."""

    def __init__(
        self,
        loop: VirtualLoop,
        faults: Faults,
        function_of: Callable[[str, str], Function],
        rates: GatewayFaults | None = None,
    ) -> None:
        self._loop = loop
        self._faults = faults
        self._function_of = function_of
        self._rates = rates or GatewayFaults()
        self.reachable = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        site = self._faults.site("gateway", "http")
        fault = self._faults.draw(site, self._rates.calls, at_ms=self._loop.now_ms)
        await asyncio.sleep(self._faults.between(site, "latency", 0.01, 0.08))
        if fault == "request lost":
            await asyncio.sleep(30)
            raise httpx.ReadTimeout("no answer", request=request)
        function = self._function_of(request.method, request.url.path)
        try:
            answer = await asyncio.wait_for(function.invoke(self._event(request)), INTEGRATION_SECONDS)
        except (InvocationFailed, TimeoutError):
            return self._response(500, {}, b'{"message":"Internal Server Error"}')
        if fault == "answer lost":
            await asyncio.sleep(30)
            raise httpx.ReadTimeout("no answer", request=request)
        headers = dict(answer.get("headers") or {})
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            headers[name] = ", ".join(values)
        return self._response(answer["statusCode"], headers, (answer.get("body") or "").encode())

    def _response(self, status: int, headers: dict[str, str], content: bytes) -> httpx.Response:
        date = {"Date": formatdate(self._loop.now_ms / 1000, usegmt=True)}
        return httpx.Response(status, headers=headers | date, content=content)

    def _event(self, request: httpx.Request) -> dict[str, Any]:
        query = request.url.query.decode()
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": request.url.path,
            "rawQueryString": query,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "queryStringParameters": dict(parse_qsl(query)) or None,
            "requestContext": {
                "http": {"method": request.method, "path": request.url.path, "sourceIp": "203.0.113.7"},
                "stage": "$default",
                "requestId": "request",
                "timeEpoch": self._loop.now_ms,
            },
            "body": request.content.decode() or None,
            "isBase64Encoded": False,
        }
