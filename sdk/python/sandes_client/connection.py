"""Keeps one live socket: hello, drain, ping, rotation, reconnecting.

It implements docs/protocol/README.md, "Receiving", rules 1 and 5 to 9, and "Reconnecting".
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.exceptions import InvalidStatus, WebSocketException

from sandes_client.backoff import Backoff
from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import State
from sandes_client.incoming import Incoming
from sandes_client.introductions import KeysRefused
from sandes_client.link import DeviceStopped
from sandes_client.seal_keys import SealKeyRotation
from sandes_client.service_keys import ServiceKeys
from sandes_client.socket import (
    ANSWER_SECONDS,
    CLOSE_REVOKED,
    CLOSE_SUPERSEDED,
    DRAIN_SECONDS,
    Connect,
    Frame,
    FrameRefused,
    Hello,
    Socket,
    SocketClosed,
    closing,
)

logger = logging.getLogger(__name__)

APP = "sandes-client/0.1"
PING_SECONDS = (300.0, 480.0)
"""Range of the wait between pings. Sockets that are idle for ten minutes are cut."""

SETTLED_SECONDS = 180.0
"""Age of a connection that resets the backoff."""

ROTATE_AGAIN_SECONDS = 60.0
"""Wait after a failed rotation. The old socket still works."""

HELLO_TRIES = 6
"""Number of new sockets in a row that must be refused as superseded before the client stops."""

OWN_HELLO_MS = 60_000
"""Time after the next welcome for which an unanswered `hello` may still be accepted. A frame on its way lives at most
for the 29 s of an integration.
"""

FRUITLESS_SYNCS = 60
"""Number of answers `more` in a row without an envelope after which the socket is closed. A single such answer can be
correct, if the server has met only expired rows, 2,000 of them.
"""

QUICK_SYNCS = 30
"""Number of them after which the pauses grow from at most 1 s to 8 s, to spare a server that never ends."""

FRUITLESS_ATTEMPT = 3
"""Number of the attempt that has a pause of up to 8 s."""

_NOT_REACHED = {"superseded", "hello_first"}
"""Refusals of any request that say that this socket does not reach the device."""

_FAILURES = (OSError, TimeoutError, WebSocketException, SocketClosed, FrameRefused)


class Owner(Protocol):
    """Defines what the connection needs from its device client."""

    incoming: Incoming
    seal_keys: SealKeyRotation
    service_keys: ServiceKeys

    def handshake(self) -> dict[str, str]:
        """Build the headers of a handshake at this time."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def on_state(self, state: State) -> None: ...

    def on_superseded(self) -> None: ...

    def on_service_keys_refused(self, reason: str) -> None: ...

    def on_revoked(self, reason: str) -> None: ...

    def on_server_time(self, server_time_ms: int) -> None:
        """Forget old data and repeat failed work. It is called after an answer of the server."""
        ...

    def store_works(self) -> bool:
        """Return whether the store can be written to."""
        ...

    def on_store_works(self) -> None:
        """Continue work that failed with the store. It is called when the store can be written to again."""
        ...

    async def on_handshake_refused(self, status: int, date: str | None) -> None:
        """Find the reason by other means, because a refused handshake gives none."""
        ...


@dataclass(frozen=True, slots=True)
class Live:
    socket: Socket
    drained: asyncio.Future[Frame] | None
    reconnect_after: float


class Connection:
    """Holds the device's live socket, which changes over time. `run` keeps it connected until `stop`."""

    def __init__(
        self,
        owner: Owner,
        url: str,
        *,
        epoch: int,
        remember_epoch: Callable[[int], None],
        clock: Clock,
        server_clock: ServerClock,
        chance: Chance,
        connect: Connect,
    ) -> None:
        self._owner = owner
        self._url = url
        self._open_websocket = connect
        self._epoch = epoch
        self._remember_epoch = remember_epoch
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._backoff = Backoff(chance)
        self._sockets: set[Socket] = set()
        self._newest: Socket | None = None  # the last one that sent hello
        self._live: Socket | None = None  # the last one that got a welcome
        self._live_or_stopped = asyncio.Event()
        self._drained = asyncio.Event()
        self._own_hellos = OwnHellos(clock)
        self._store_failed = False
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self.stopped: State | None = None

    async def run(self) -> None:
        """Connect and stay connected, reconnecting with full jitter. Return once stopped."""
        while not self.stopped:
            await self.may_connect.wait()
            await self._until_store_works()
            if self.stopped:
                return
            self._owner.on_state(State.CONNECTING)
            try:
                await self._serve(await self._connect())
            except InvalidStatus as error:
                await self._handshake_refused(error)
            except sqlite3.Error as error:
                self.on_store_failed(error)
            except _FAILURES as error:
                logger.info("no connection: %s", type(error).__name__)
            await self.close_all()
            if self.stopped:
                return
            if not self._store_failed:
                self._owner.on_state(State.WAITING)
            await self._clock.sleep(self._backoff.next_seconds(at_least_half=self._store_failed))

    async def request(self, frame: Frame, answer: str, *, leaving: Callable[[], None] | None = None) -> Frame:
        """Send a request: see `Link.request`."""
        return await self._ask(await self.live(), frame, answer, leaving=leaving)

    async def live(self) -> Socket:
        """Return the live socket as soon as there is one. Raise DeviceStopped."""
        while True:
            if self.stopped:
                raise DeviceStopped(self.stopped)
            if self._live and not self._live.closed.done():
                return self._live
            self._live_or_stopped.clear()
            await self._live_or_stopped.wait()

    async def drained(self) -> None:
        """Wait until everything that the server had stored has arrived. Raise DeviceStopped."""
        while not self._drained.is_set():
            if self.stopped:
                raise DeviceStopped(self.stopped)
            await self._drained.wait()
        if self.stopped:
            raise DeviceStopped(self.stopped)

    def stop(self, state: State) -> None:
        """Stop. `close_all` then ends the sockets."""
        if not self.stopped:
            self.stopped = state
            self._live_or_stopped.set()
            self._drained.set()
            self._owner.on_state(state)

    async def close_all(self, code: int = 1000) -> None:
        await asyncio.gather(*(closing(socket, code) for socket in list(self._sockets)))

    def abort_all(self) -> None:
        for socket in list(self._sockets):
            socket.abort()

    # Reports of sockets

    def on_envelopes(self, envelopes: list[Frame]) -> None:
        if not self.stopped:
            self._owner.incoming.take(envelopes)

    def on_welcome(self, welcome: Frame) -> None:
        """Learn the service's keys before the first envelope comes."""
        try:
            self._owner.service_keys.learn(welcome.get("service_keys"))
        except KeysRefused as reason:
            logger.error("the keys of the service were refused: %s", reason)
            self._owner.on_service_keys_refused(str(reason))

    def on_superseded(self, socket: Socket) -> None:
        """Handle `superseded`.

        It is expected on an older socket; on the newest, another process has taken over.

        If one of our own `hello` frames may have been accepted without an answer, it is the cause. The loss of this
        socket then leads to the next.
        """
        if not socket.closed.done():
            self._owner.spawn(closing(socket, CLOSE_SUPERSEDED))
        if socket is self._newest and not self.stopped and not self._own_hellos.is_any_unknown:
            self._owner.on_superseded()

    def on_revoked(self, reason: str) -> None:
        if not self.stopped:
            self._owner.on_revoked(reason)
            self._owner.spawn(self.close_all(CLOSE_REVOKED))

    def on_store_failed(self, error: sqlite3.Error) -> None:
        """Close the sockets until the store can be written to again. `run` waits for that."""
        if self.stopped:
            return
        if isinstance(error, sqlite3.ProgrammingError):  # the application closed it, or this program has a bug
            logger.error("the store cannot be used", exc_info=error)
            self.stop(State.FAILED)
        elif not self._store_failed:
            logger.error("the store failed, and nothing is received until it works again: %s", error)
            self._store_failed = True
            self._owner.on_state(State.STORE_FAILED)
        self.abort_all()

    async def _until_store_works(self) -> None:
        while self._store_failed and not self.stopped:
            if self._owner.store_works():
                self._store_failed = False
                self._owner.on_store_works()
            else:
                await self._clock.sleep(self._backoff.next_seconds(at_least_half=True))

    # Sequence of sockets

    async def _connect(self) -> Live:
        """Open a socket and say hello. It is the live one from the welcome on."""
        socket = await Socket.open(
            self._url, self._owner.handshake(), listener=self, clock=self._clock, connect=self._open_websocket
        )
        if self._store_failed:  # while connecting
            socket.abort()
            raise SocketClosed
        self._sockets.add(socket)
        socket.closed.add_done_callback(lambda _: self._gone(socket))
        before, self._newest = self._newest, socket
        try:
            hello = await self._hello(socket)
        except BaseException:
            self._newest = before
            socket.abort()
            raise
        server_time_ms = int(hello.welcome["server_time"])
        self._server_clock.learn(server_time_ms)
        self._epoch = int(hello.welcome["epoch"])
        self._remember_epoch(self._epoch)
        if socket.closed.done():  # cut, or closed because the store failed, before this task continued
            self._backoff.was_cut()
            raise SocketClosed
        self._live = socket
        self._drained.clear()
        self._live_or_stopped.set()
        self._owner.on_state(State.CONNECTED)
        self._owner.on_server_time(server_time_ms)
        return Live(socket, hello.drained, float(hello.welcome["reconnect_after"]))

    async def _hello(self, socket: Socket) -> Hello:
        """Say hello.

        Raise DeviceStopped if so many new sockets were refused that another process must have taken over.
        """
        self._own_hellos.sent()
        try:
            hello = await socket.hello(app=APP, epoch=self._epoch)
        except FrameRefused as refused:
            self._own_hellos.refused(refused.code)
            self._check_revoked(refused)
            if self._own_hellos.refused_in_a_row >= HELLO_TRIES and not self.stopped:
                self._owner.on_superseded()
            raise
        self._own_hellos.welcomed()
        return hello

    def _gone(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._no_longer_live(socket)

    def _no_longer_live(self, socket: Socket) -> None:
        if socket is self._live and not self.stopped:
            self._live = None
            self._drained.clear()

    async def _serve(self, live: Live) -> None:
        """Serve until the socket, or the last of its successors, is gone."""
        settling = asyncio.ensure_future(self._settle())
        try:
            await self._serve_one_after_another(live)
        finally:
            settling.cancel()
            self._backoff.was_cut()

    async def _settle(self) -> None:
        await self._clock.sleep(SETTLED_SECONDS)
        self._backoff.settled()

    async def _serve_one_after_another(self, live: Live) -> None:
        upkeep = self._upkeep(live, drain=True)
        while True:
            rotate_in = live.reconnect_after * self._chance.between(0.9, 1.0)
            await self._while_open(live.socket, self._for_seconds(rotate_in, upkeep))
            if live.socket.closed.done() or self.stopped:
                return
            fresh = await self._rotate(live)
            if self.stopped:
                return
            if fresh is None:
                upkeep = self._upkeep(live, drain=False)
                live = Live(live.socket, None, self._rotate_again_seconds())
            else:
                upkeep = self._upkeep(fresh, drain=False)
                live = fresh

    def _rotate_again_seconds(self) -> float:
        refused = self._own_hellos.refused_in_a_row
        return min(ROTATE_AGAIN_SECONDS, self._chance.full_jitter(refused)) if refused else ROTATE_AGAIN_SECONDS

    async def _rotate(self, old: Live) -> Live | None:
        """Open the next socket, say hello, drain it, and only then close the old one.

        Return None if it did not open.
        """
        try:
            fresh = await self._connect()
        except InvalidStatus as error:
            await self._handshake_refused(error)
            return None
        except _FAILURES as error:
            logger.info("the socket could not be replaced: %s", type(error).__name__)
            return None
        await self._while_open(fresh.socket, self._drain(fresh))
        await closing(old.socket, 1000)
        return fresh

    async def _handshake_refused(self, error: InvalidStatus) -> None:
        """Handle a refusal: 401 and 403 concern this device; 429 and 5xx mean that the service is overloaded."""
        status, headers = error.response.status_code, error.response.headers
        logger.info("the handshake was refused with status %d", status)
        if status == 429 or status >= 500:
            self._backoff.overloaded(retry_after=headers.get("Retry-After"))
        await self._owner.on_handshake_refused(status, headers.get("Date"))

    async def _for_seconds(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        """Work for so long, or until keys of the service are requested, which the next socket brings."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        stale = asyncio.ensure_future(self._owner.service_keys.stale.wait())
        try:
            await asyncio.wait({task, timer, stale}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for one in (task, timer, stale):
                one.cancel()
            self._owner.service_keys.stale.clear()  # whatever the result, the next envelope asks again

    async def _while_open(self, socket: Socket, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` until it ends or the socket does."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, socket.closed}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        except SocketClosed:
            return
        finally:
            task.cancel()

    async def _upkeep(self, live: Live, *, drain: bool) -> None:
        """Drain, then keep the socket from being cut. End the socket if it does not reach the device."""
        if drain:
            await self._drain(live)
        await self._owner.seal_keys.rotate_if_due()
        while True:
            await self._clock.sleep(self._chance.between(*PING_SECONDS))
            await self._look_into_inbox(live.socket)
            await self._owner.seal_keys.rotate_if_due()

    async def _drain(self, live: Live) -> None:
        """Request everything that the server has stored, and make sure that it is acked."""
        if live.drained is not None:
            await self._sync_until_empty(live.socket, live.drained)
        self._drained.set()
        if self._owner.seal_keys.due():
            await self._look_into_inbox(live.socket)

    async def _sync_until_empty(self, socket: Socket, drained: asyncio.Future[Frame] | None = None) -> None:
        """Request stored envelopes until there are no more.

        `drained` is the end of a drain that has begun already.

        Raise SocketClosed also if the socket brings nothing although the server says that there is more.
        """
        incoming, fruitless, more = self._owner.incoming, 0, True
        while more:
            before, refused = incoming.envelopes_taken, None
            try:
                if drained is None:
                    if incoming.auto_ack:
                        await incoming.told()
                    answer = await self._ask(socket, {"type": "sync"}, "drained", seconds=DRAIN_SECONDS)
                else:
                    answer = await self._answered(socket, socket.drained(drained))
                more = bool(answer["more"]) and incoming.auto_ack
            except FrameRefused as error:
                refused = error
            if more and incoming.envelopes_taken == before and (drained is None or refused):
                fruitless += 1
                if fruitless >= FRUITLESS_SYNCS:
                    await self._give_up(socket)
                attempt = fruitless if refused else min(max(0, fruitless - QUICK_SYNCS), FRUITLESS_ATTEMPT)
                told = refused.retry_after if refused else None
                await self._clock.sleep(told or self._chance.full_jitter(attempt))
            elif incoming.envelopes_taken > before:
                fruitless = 0
            drained = None

    async def _look_into_inbox(self, socket: Socket) -> None:
        """Ping. If envelopes wait although all are acked, request them."""
        if self._owner.incoming.auto_ack:
            await self._owner.incoming.told()
        try:
            pong = await self._ask(socket, {"type": "ping", "epoch": self._epoch}, "pong")
        except FrameRefused as refused:
            logger.info("a ping was refused and is repeated with the next: %s", refused.code)
            return
        server_time_ms = int(pong["server_time"])
        self._server_clock.learn(server_time_ms)
        self._owner.on_server_time(server_time_ms)
        if pong["inbox"]["pending"] > 0:
            await self._sync_until_empty(socket)
        else:
            self._owner.seal_keys.inbox_was_empty(server_time_ms=server_time_ms)

    # Requests over a socket that may no longer be the live one

    async def _ask(
        self,
        socket: Socket,
        frame: Frame,
        answer: str,
        *,
        seconds: float = ANSWER_SECONDS,
        leaving: Callable[[], None] | None = None,
    ) -> Frame:
        return await self._answered(socket, socket.request(frame, answer, seconds=seconds, leaving=leaving))

    async def _answered(self, socket: Socket, answer: Coroutine[Any, Any, Frame]) -> Frame:
        """Return the answer.

        `superseded` ends the socket for any request, because the socket does not reach the device.

        Raise SocketClosed, DeviceStopped, or FrameRefused for every other refusal.
        """
        try:
            return await answer
        except FrameRefused as refused:
            self._check_revoked(refused)
            if refused.code in _NOT_REACHED:
                await self._give_up(socket)
            raise

    async def _give_up(self, socket: Socket) -> None:
        """Close the socket, so that the next takes its place. Raise SocketClosed."""
        logger.info("the socket does not reach the device, and is closed")
        self._no_longer_live(socket)
        await closing(socket, 1000)
        raise SocketClosed

    def _check_revoked(self, refused: FrameRefused) -> None:
        if refused.code == "revoked":
            self.on_revoked("refused")
            raise DeviceStopped(State.REVOKED) from refused


class OwnHellos:
    """Holds the results of this process's `hello` frames, as far as they are known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unanswered = 0
        self._unknown_until_ms = 0
        self.refused_in_a_row = 0

    @property
    def is_any_unknown(self) -> bool:
        """Return whether one of our `hello` frames may have been accepted without an answer."""
        return self._unanswered > 0 or self._clock.now_ms() < self._unknown_until_ms

    def sent(self) -> None:
        self._unanswered += 1

    def refused(self, code: str) -> None:
        """Note a refusal. Only some refusals say that the socket did not become the live one."""
        if code in _NOT_LIVE:
            self._unanswered -= 1
        self.refused_in_a_row = self.refused_in_a_row + 1 if code == "superseded" else 0

    def welcomed(self) -> None:
        self._unanswered -= 1
        if self._unanswered:  # an earlier one may still be on its way
            self._unknown_until_ms = self._clock.now_ms() + OWN_HELLO_MS
        self._unanswered = self.refused_in_a_row = 0


_NOT_LIVE = {"superseded", "revoked", "suspended", "rate_limited", "invalid_frame", "unknown_type"}
"""Refusals of a `hello` that the server sends before it writes anything. Others may follow the write."""
