"""Keeping one live socket: hello, drain, ping, rotation, reconnecting
(docs/protocol/README.md, "Receiving", rules 1 and 5 to 9).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.exceptions import InvalidStatus, WebSocketException

from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import State
from sandes_client.incoming import Incoming
from sandes_client.link import DeviceStopped
from sandes_client.seal_keys import SealKeyRotation
from sandes_client.socket import (
    CLOSE_REVOKED,
    CLOSE_SUPERSEDED,
    DRAIN_SECONDS,
    Frame,
    FrameRefused,
    Socket,
    SocketClosed,
    closing,
)

logger = logging.getLogger(__name__)

APP = "sandes-client/0.1"
PING_SECONDS = (300.0, 480.0)
"""Sockets idle for ten minutes are cut."""

_FAILURES = (OSError, TimeoutError, WebSocketException, SocketClosed, FrameRefused)


class Owner(Protocol):
    """What the connection asks of the device client it belongs to."""

    incoming: Incoming
    seal_keys: SealKeyRotation

    def token(self) -> str: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def on_state(self, state: State) -> None: ...

    def on_superseded(self) -> None: ...

    def on_revoked(self, reason: str) -> None: ...

    async def on_handshake_refused(self, date: str | None) -> None:
        """Find out why, by other means: a handshake is refused without a reason."""
        ...


@dataclass(frozen=True, slots=True)
class Live:
    socket: Socket
    drained: asyncio.Future[Frame] | None
    reconnect_after: float


class Connection:
    """The device's live socket, whichever it is. `run` keeps it up until `stop`."""

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
    ) -> None:
        self._owner = owner
        self._url = url
        self._epoch = epoch
        self._remember_epoch = remember_epoch
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._sockets: set[Socket] = set()
        self._newest: Socket | None = None  # the last one to say hello
        self._live: Socket | None = None  # the last one to be welcomed
        self._live_or_stopped = asyncio.Event()
        self._drained = asyncio.Event()
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self.stopped: State | None = None

    async def run(self) -> None:
        """Connect and stay connected, reconnecting with full jitter. Returns once stopped."""
        attempt = 0
        while not self.stopped:
            await self.may_connect.wait()
            self._owner.on_state(State.CONNECTING)
            try:
                live = await self._connect()
                attempt = 0
                await self._serve(live)
            except InvalidStatus as error:
                await self._owner.on_handshake_refused(error.response.headers.get("Date"))
            except _FAILURES as error:
                logger.info("no connection: %s", type(error).__name__)
            await self.close_all()
            if self.stopped:
                return
            self._owner.on_state(State.WAITING)
            await self._clock.sleep(self._chance.full_jitter(attempt))
            attempt += 1

    async def request(self, frame: Frame, answer: str) -> Frame:
        """Wait for a live socket and ask over it. Raises SocketClosed, FrameRefused or DeviceStopped."""
        socket = await self.live()
        try:
            return await socket.request(frame, answer)
        except FrameRefused as refused:
            self._check_revoked(refused)
            raise

    async def live(self) -> Socket:
        """The live socket, as soon as there is one. Raises DeviceStopped."""
        while True:
            if self.stopped:
                raise DeviceStopped(self.stopped)
            if self._live and not self._live.closed.done():
                return self._live
            self._live_or_stopped.clear()
            await self._live_or_stopped.wait()

    async def drained(self) -> None:
        """Wait until what the server had stored has come. Raises DeviceStopped."""
        while not self._drained.is_set():
            if self.stopped:
                raise DeviceStopped(self.stopped)
            await self._drained.wait()
        if self.stopped:
            raise DeviceStopped(self.stopped)

    def stop(self, state: State) -> None:
        """Do nothing more; `close_all` ends the sockets."""
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

    # What sockets report

    def on_envelopes(self, envelopes: list[Frame]) -> None:
        if not self.stopped:
            self._owner.incoming.take(envelopes)

    def on_superseded(self, socket: Socket) -> None:
        """Expected on an older socket of ours; on the newest, another process has taken over."""
        if not socket.closed.done():
            self._owner.spawn(closing(socket, CLOSE_SUPERSEDED))
        if socket is self._newest and not self.stopped:
            self._owner.on_superseded()

    def on_revoked(self, reason: str) -> None:
        if not self.stopped:
            self._owner.on_revoked(reason)
            self._owner.spawn(self.close_all(CLOSE_REVOKED))

    # One socket after another

    async def _connect(self) -> Live:
        """Open a socket and say hello: from the welcome on it is the live one."""
        socket = await Socket.open(self._url, self._owner.token(), listener=self, clock=self._clock)
        self._sockets.add(socket)
        socket.closed.add_done_callback(lambda _: self._gone(socket))
        before, self._newest = self._newest, socket
        try:
            hello = await socket.hello(app=APP, epoch=self._epoch)
        except BaseException as error:
            self._newest = before
            socket.abort()
            if isinstance(error, FrameRefused):
                self._check_revoked(error)
                if error.code == "superseded":
                    self._owner.on_superseded()
            raise
        self._server_clock.learn(int(hello.welcome["server_time"]))
        self._epoch = int(hello.welcome["epoch"])
        self._remember_epoch(self._epoch)
        self._live = socket
        self._drained.clear()
        self._live_or_stopped.set()
        self._owner.on_state(State.CONNECTED)
        return Live(socket, hello.drained, float(hello.welcome["reconnect_after"]))

    def _gone(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if socket is self._live and not self.stopped:
            self._live = None
            self._drained.clear()

    async def _serve(self, live: Live) -> None:
        """Returns when the socket, or the last of those that took its place, is gone."""
        upkeep = self._upkeep(live, drain=True)
        while True:
            rotate_in = live.reconnect_after * self._chance.between(0.9, 1.0)
            await self._while_open(live.socket, self._for_seconds(rotate_in, upkeep))
            if live.socket.closed.done() or self.stopped:
                return
            fresh = await self._rotate(live)
            if fresh is None:
                upkeep = self._upkeep(live, drain=False)
                live = Live(live.socket, None, 60.0)  # the old one still works: try again within a minute
            else:
                upkeep = self._upkeep(fresh, drain=False)
                live = fresh

    async def _rotate(self, old: Live) -> Live | None:
        """Open the next socket, say hello, drain it, and only then close the old one. None if it did not open."""
        try:
            fresh = await self._connect()
        except _FAILURES as error:
            logger.info("the socket could not be replaced: %s", type(error).__name__)
            return None
        await self._while_open(fresh.socket, self._drain(fresh))
        await closing(old.socket, 1000)
        return fresh

    async def _for_seconds(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            task.cancel()
            timer.cancel()

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
        """Drain, then keep the socket from being cut. Ends the socket if the device is not reached by it."""
        if drain:
            await self._drain(live)
        await self._owner.seal_keys.rotate_if_due()
        while True:
            await self._clock.sleep(self._chance.between(*PING_SECONDS))
            try:
                await self._look_into_inbox(live.socket)
            except FrameRefused as refused:
                self._check_revoked(refused)
                if refused.code == "superseded":
                    await closing(live.socket, 1000)
                    return
            await self._owner.seal_keys.rotate_if_due()

    async def _drain(self, live: Live) -> None:
        """Have everything sent that the server has stored, and see to it that it is acked."""
        incoming, attempt = self._owner.incoming, 0
        more, drained = live.drained is not None, live.drained
        while more:
            before = incoming.envelopes_taken
            try:
                if drained is None:
                    await incoming.told()
                    answer = await live.socket.request({"type": "sync"}, "drained", seconds=DRAIN_SECONDS)
                else:
                    answer = await live.socket.drained(drained)
                more = bool(answer["more"]) and incoming.auto_ack
            except FrameRefused as refused:
                self._check_revoked(refused)
            if more and drained is None and incoming.envelopes_taken == before:
                await self._clock.sleep(self._chance.full_jitter(attempt))
                attempt += 1
            drained = None
        self._drained.set()
        if self._owner.seal_keys.due():
            await self._look_into_inbox(live.socket)

    async def _look_into_inbox(self, socket: Socket) -> None:
        """Ping; if something waits although all is acked, have it sent."""
        asked_at_ms = self._server_clock.now_ms()
        if self._owner.incoming.auto_ack:
            await self._owner.incoming.told()
        pong = await socket.request({"type": "ping", "epoch": self._epoch}, "pong")
        self._server_clock.learn(int(pong["server_time"]))
        if pong["inbox"]["pending"] == 0:
            self._owner.seal_keys.inbox_was_empty(asked_at_ms=asked_at_ms)
        else:
            await socket.request({"type": "sync"}, "drained", seconds=DRAIN_SECONDS)

    def _check_revoked(self, refused: FrameRefused) -> None:
        if refused.code == "revoked":
            self.on_revoked("refused")
            raise DeviceStopped(State.REVOKED) from refused
