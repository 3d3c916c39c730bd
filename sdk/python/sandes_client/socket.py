"""Handles one websocket: frames, their answers, and fragments small enough for API Gateway.

It implements docs/protocol/README.md, "The websocket".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sandes_client.clock import Clock, within

logger = logging.getLogger(__name__)

FRAGMENT_BYTES = 32 * 1024
"""Size of a fragment. API Gateway accepts websocket frames of up to 32 KiB and messages of up to 128 KiB."""

ANSWER_SECONDS = 10.0
DRAIN_SECONDS = 30.0
"""Timeout of a drain. API Gateway gives up after 29 s."""

CLOSE_SUPERSEDED = 4409
CLOSE_REVOKED = 4401

GATEWAY_FAULT = "unavailable"
"""Code for API Gateway's own messages, such as `Internal server error` and `Too Many Requests`. They do not name the
frame at fault, so the frame that is taken for it may have been carried out.
"""

Frame = dict[str, Any]


class SocketClosed(Exception):
    """Reports that the socket is gone, or was closed for being too slow. Repeat on the next one."""


class FrameRefused(Exception):
    """Reports that the server answered `error`. Switch on `code`; `retry_after` is seconds."""

    def __init__(self, code: str, *, retry_after: int | None, details: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.details = details


class Listener(Protocol):
    """Handles what arrives on a socket without a request."""

    def on_envelopes(self, envelopes: list[Frame]) -> None:
        """Handle envelopes.

        It is called in the order of arrival, after `on_welcome`. sqlite3.Error from it ends the socket.
        """
        ...

    def on_store_failed(self, error: sqlite3.Error) -> None:
        """Note that the envelopes were not stored. The server keeps them and sends them again."""
        ...

    def on_welcome(self, welcome: Frame) -> None:
        """Handle the welcome, before the socket's first envelope. sqlite3.Error from it ends the socket."""
        ...

    def on_superseded(self, socket: Socket) -> None: ...

    def on_revoked(self, reason: str) -> None: ...


Connect = Callable[..., Awaitable[ClientConnection]]
"""Opens a websocket as `websockets.asyncio.client.connect` does, and is that outside tests."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Holds the answer to `hello`. `drained` is the end of the drain that it began, or None if nothing waited."""

    welcome: Frame
    drained: asyncio.Future[Frame] | None


class Socket:
    """Is a connected socket. `closed` is done once nothing more comes from it."""

    def __init__(self, connection: ClientConnection, listener: Listener, clock: Clock) -> None:
        self._connection = connection
        self._listener = listener
        self._clock = clock
        self._answers: dict[tuple[str, str], asyncio.Future[Frame]] = {}
        self._refs = 0
        self._before_welcome: list[Frame] | None = []  # None after the welcome
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, url: str, headers: Mapping[str, str], *, listener: Listener, clock: Clock, connect: Connect
    ) -> Socket:
        """Open a socket. `headers` prove who opens it.

        Raise OSError, TimeoutError or a WebSocketException; InvalidStatus if the server refused.
        """
        connection = await connect(
            url,
            additional_headers=headers,
            user_agent_header="sandes-client",
            compression=None,
            ping_interval=None,  # API Gateway counts only messages as activity; `ping` frames are ours
            open_timeout=ANSWER_SECONDS,
            close_timeout=2,
            max_size=1024 * 1024,
        )
        return cls(connection, listener, clock)

    async def hello(self, *, app: str, epoch: int) -> Hello:
        """Make this the device's live socket. Raise SocketClosed or FrameRefused."""
        ref = self._new_ref()
        welcome, drained = self._expect(ref, "welcome"), self._expect(ref, "drained")
        await self._send({"type": "hello", "ref": ref, "protocol": 1, "app": app, "epoch": epoch})
        answer = await self._await(welcome, ANSWER_SECONDS)
        if answer["inbox"]["pending"] > 0:
            return Hello(answer, drained)
        drained.cancel()
        return Hello(answer, None)

    async def request(
        self,
        frame: Frame,
        answer: str,
        *,
        seconds: float = ANSWER_SECONDS,
        leaving: Callable[[], None] | None = None,
    ) -> Frame:
        """Send `frame` and await the answer of type `answer`.

        `leaving` is called just before the frame may leave.

        Raise FrameRefused, or SocketClosed, also when no answer comes in time: the socket is closed then.
        """
        if self.closed.done():
            raise SocketClosed
        if leaving:
            leaving()
        ref = self._new_ref()
        expected = self._expect(ref, answer)
        await self._send({**frame, "ref": ref})
        return await self._await(expected, seconds)

    async def drained(self, drained: asyncio.Future[Frame]) -> Frame:
        return await self._await(drained, DRAIN_SECONDS)

    async def send_text(self, text: str) -> None:
        """Send `text` as one message, in fragments of at most 32 KiB. Raise SocketClosed."""
        try:
            if len(text) <= FRAGMENT_BYTES and text.isascii():
                await self._connection.send(text)
            else:
                await self._connection.send(fragments(text), text=True)
        except ConnectionClosed as error:
            await asyncio.wait({self._reader})  # frames before the end are still read
            raise SocketClosed from error

    async def close(self, code: int = 1000) -> None:
        await self._connection.close(code)
        await asyncio.gather(self._reader, return_exceptions=True)

    def abort(self) -> None:
        """Abort the connection without a close frame."""
        self._connection.transport.abort()
        self._reader.cancel()
        self._end()

    async def _send(self, frame: Frame) -> None:
        await self.send_text(json.dumps(frame, separators=(",", ":")))

    async def _await(self, answer: asyncio.Future[Frame], seconds: float) -> Frame:
        try:
            return await within(self._clock, seconds, answer)
        except TimeoutError:
            self.abort()
            raise SocketClosed("no answer in time") from None

    def _new_ref(self) -> str:
        self._refs += 1
        return str(self._refs)

    def _expect(self, ref: str, type: str) -> asyncio.Future[Frame]:
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        if self.closed.done():
            raise SocketClosed
        self._answers[ref, type] = answer
        answer.add_done_callback(lambda _: self._answers.pop((ref, type), None))
        answer.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # the answer may be awaited by nobody
        return answer

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                self._take(text)
        except ConnectionClosed:
            pass
        except sqlite3.Error as error:
            self._connection.transport.abort()
            self._listener.on_store_failed(error)
        finally:
            self._end()

    def _end(self) -> None:
        for answer in list(self._answers.values()):
            if not answer.done():
                answer.set_exception(SocketClosed())
        if not self.closed.done():
            self._tell_close_code()
            self.closed.set_result(None)

    def _tell_close_code(self) -> None:
        """Report the close code. A last frame may get lost, but the close code does not."""
        code = self._connection.close_code
        if code == CLOSE_SUPERSEDED:
            self._listener.on_superseded(self)
        elif code == CLOSE_REVOKED:
            self._listener.on_revoked("unknown")

    def _take(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
        except ValueError:  # also UnicodeDecodeError
            frame = None
        if not isinstance(frame, dict):
            logger.warning("a message that is not a frame was ignored")
            return
        kind, ref = frame.get("type"), frame.get("ref")
        match kind:
            case None:
                self._take_from_gateway(frame)
            case "envelopes":
                envelopes = frame.get("envelopes")
                self._take_envelopes(envelopes if isinstance(envelopes, list) else [])
            case "superseded":
                self._listener.on_superseded(self)
            case "revoked":
                self._listener.on_revoked(str(frame.get("reason")))
            case "error":
                self._refuse(frame, ref)
            case _:
                answer = self._answers.get((ref, kind)) if isinstance(ref, str) and isinstance(kind, str) else None
                if answer and not answer.done():
                    if kind == "welcome":
                        self._welcomed(frame)
                    answer.set_result(frame)

    def _take_envelopes(self, envelopes: list[Frame]) -> None:
        """Pass the envelopes on, or keep them until the welcome, which names the keys that open them.

        The server pushes to a socket as soon as it has accepted `hello`, so an envelope may overtake the welcome. It
        may have been stored after the drain was read, and then only this push brings it.
        """
        if self._before_welcome is None:
            self._listener.on_envelopes(envelopes)
        else:
            self._before_welcome.extend(envelopes)

    def _welcomed(self, welcome: Frame) -> None:
        self._listener.on_welcome(welcome)
        early, self._before_welcome = self._before_welcome, None
        if early:
            self._listener.on_envelopes(early)

    def _take_from_gateway(self, frame: Frame) -> None:
        """Handle a fault that API Gateway reports: `{message, connectionId, requestId}`, without `type` and
        `ref`.

        The oldest frame without an answer counts as refused. If another one was at fault, that one is repeated when its
        answer does not come, which every frame allows.
        """
        if not isinstance(frame.get("message"), str):
            logger.warning("a message that is not a frame was ignored")
            return
        logger.warning("API Gateway reports %r (request %r)", frame["message"][:100], frame.get("requestId"))
        oldest = next((ref for (ref, _), answer in self._answers.items() if not answer.done()), None)
        if oldest is not None:
            self._settle(oldest, FrameRefused(GATEWAY_FAULT, retry_after=None, details={}))

    def _refuse(self, frame: Frame, ref: Any) -> None:
        retry_after, details = frame.get("retry_after"), frame.get("details")
        refused = FrameRefused(
            str(frame.get("code")),
            retry_after=retry_after if isinstance(retry_after, int) and retry_after >= 0 else None,
            details=details if isinstance(details, dict) else {},
        )
        if ref is None:
            logger.warning("the server refused a frame without naming it: %s", refused.code)
        self._settle(ref, refused)

    def _settle(self, ref: Any, refused: FrameRefused) -> None:
        for key, answer in list(self._answers.items()):
            if key[0] == ref and not answer.done():
                answer.set_exception(refused)


def fragments(text: str) -> Iterator[bytes]:
    """Yield the UTF-8 of `text` in pieces of at most 32 KiB."""
    data = text.encode()
    for start in range(0, len(data), FRAGMENT_BYTES):
        yield data[start : start + FRAGMENT_BYTES]


async def closing(socket: Socket, code: int) -> None:
    """Close `socket` in any state."""
    with contextlib.suppress(ConnectionClosed, OSError):
        await socket.close(code)
