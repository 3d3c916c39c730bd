"""People's devices: the real client over simulated sockets, with an application that shows what it is given.

A device can crash at any moment, which keeps its profile and nothing else, and it can be out of reach. Its clock may be
wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from sandes_client import DeviceClient, Endpoints, Store
from sandes_client.clock import Chance
from sandes_client.enrolment import Enrolment
from sandes_client.events import Event, GroupMessageReceived, MessageReceived, State
from sandes_client.ids import DeviceAddress, MessageId
from sandes_client.store.groups import StoredGroupMessage
from tests.simulation.gateway import HttpApi, Socket, WebSockets
from tests.simulation.loop import VirtualLoop

ENDPOINTS = Endpoints("https://api.test", "wss://sockets.test", "sandes:test")


@dataclass
class Shown:
    """A message as the application showed it. `at_ms` is the time that everybody sees."""

    id: MessageId
    sender: DeviceAddress
    at_ms: int
    body: bytes


class DeviceClock:
    """A device's wall clock, `skew_ms` ahead of the true time."""

    def __init__(self, loop: VirtualLoop, skew_ms: int) -> None:
        self._loop = loop
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return self._loop.now_ms + self.skew_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Network(httpx.AsyncBaseTransport):
    """Connects a device to the service, until the device loses it."""

    def __init__(self, sockets: WebSockets, http: HttpApi) -> None:
        self._sockets = sockets
        self._http = http
        self.is_up = True
        self.open: list[Socket] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.is_up:
            raise httpx.ConnectError("no network", request=request)
        return await self._http.handle_async_request(request)

    async def connect(self, url: str, *, additional_headers: Mapping[str, str], **more: Any) -> Socket:
        if not self.is_up:
            raise OSError("no network")
        socket = await self._sockets.connect(url, additional_headers=additional_headers, **more)
        self.open.append(socket)
        return socket

    def lose_sockets(self) -> None:
        """Cut every socket as a phone does that leaves its network: the other side is not told."""
        for socket in self.open:
            socket.lose()
        self.open.clear()


@dataclass
class Device:
    """One device and its application."""

    name: str
    profile: Path
    network: Network
    clock: DeviceClock
    random: Random
    address: DeviceAddress | None = None
    shown: list[Shown] = field(default_factory=list)
    group_shown: list[GroupMessageReceived] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    client: DeviceClient | None = None
    crashes: int = 0
    _application: asyncio.Task[None] | None = None

    @property
    def chance(self) -> Chance:
        return Chance(self.random.random, self.random.randbytes)

    @property
    def is_running(self) -> bool:
        return self.client is not None

    @property
    def state(self) -> State:
        return self.client.state if self.client else State.CLOSED

    def enrolment(self, store: Store) -> Enrolment:
        return Enrolment(store, ENDPOINTS, clock=self.clock, chance=self.chance, transport=self.network)

    async def start(self) -> None:
        """Open the client of the profile, show what was not shown yet, and go on showing what comes."""
        store = Store.open(self.profile)
        self.client = DeviceClient.open(
            store,
            clock=self.clock,
            chance=self.chance,
            transport=self.network,
            connect=self.network.connect,  # type: ignore[arg-type]  # a socket of the simulation
        )
        self.address = self.client.address
        await self.client.__aenter__()
        for stored in store.inbox.unshown():
            self._show(stored.received)
        for waiting in store.group_inbox.unshown():
            if isinstance(waiting, StoredGroupMessage):
                self._show_in_group(waiting.received)
        self._application = asyncio.create_task(self._follow(self.client))

    async def _follow(self, client: DeviceClient) -> None:
        async for event in client.events():
            self.events.append(event)
            if isinstance(event, MessageReceived):
                self._show(event)
            elif isinstance(event, GroupMessageReceived):
                self._show_in_group(event)

    def _show(self, message: MessageReceived) -> None:
        assert self.client is not None
        self.shown.append(Shown(message.id, message.sender, message.at_ms, message.body))
        self.client.mark_read(message.sender.account, [message.id])

    def _show_in_group(self, message: GroupMessageReceived) -> None:
        assert self.client is not None
        self.group_shown.append(message)
        self.client.groups.mark_shown(message.group, [message.id])

    async def crash(self) -> None:
        """End the program in the middle of whatever it does."""
        client, self.client = self.client, None
        if client is None:
            return
        self.crashes += 1
        tasks = [*client._tasks, *([self._application] if self._application else [])]
        for task in tasks:
            task.cancel()
        self.network.lose_sockets()
        await asyncio.gather(*tasks, return_exceptions=True)
        client.store.close()

    async def stop(self) -> None:
        """End the program as a person does."""
        client, self.client = self.client, None
        if client is None:
            return
        await client.__aexit__(None, None, None)
        if self._application:
            self._application.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._application
        client.store.close()
