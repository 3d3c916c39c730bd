"""Provides the device client, the application's interface for sending and receiving."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Literal, Self, cast

import httpx
from websockets.asyncio.client import connect

from sandes_client.api import ApiError, ClientApi, Unreachable, learn_date
from sandes_client.attestation_keys import AttestationKeys
from sandes_client.cipher import BodyCipher, PlainBody
from sandes_client.clock import Chance, Clock, ServerClock, SystemClock
from sandes_client.connection import Connection
from sandes_client.endpoints import Endpoints
from sandes_client.events import (
    AttestationKeysRejected,
    ConnectionChanged,
    Event,
    GroupMessageReceived,
    MessageReceived,
    Revoked,
    ServiceKeysRejected,
    State,
    Status,
    StatusChanged,
    Superseded,
)
from sandes_client.group_calls import GroupCalls
from sandes_client.groups import Groups
from sandes_client.ids import AppId, DeviceAddress, GroupId, MessageId, parse_account
from sandes_client.incoming import Incoming
from sandes_client.link import DeviceStopped
from sandes_client.low_level import LowLevel
from sandes_client.outgoing import Sender
from sandes_client.people import People
from sandes_client.retention import Retention
from sandes_client.seal import SEAL1_UNTIL_MS
from sandes_client.seal_keys import SealKeyRotation
from sandes_client.service_keys import ServiceKeys
from sandes_client.socket import Connect
from sandes_client.statements import ACT_HEADER, Signer, open_socket
from sandes_client.store import Outgoing, Store
from sandes_client.tokens import sign_token

logger = logging.getLogger(__name__)

__all__ = ["DeviceClient", "DeviceStopped", "NotRegistered", "SendFailed", "Sent"]

BUFFERED_EVENTS = 10_000
"""Above this, an unread stream loses its oldest events. Their content is in the store."""

_ORDER = [Status.QUEUED, Status.ACCEPTED, Status.DELIVERED, Status.READ]


class NotRegistered(Exception):
    """Reports a profile without an account, or whose device was revoked. Register or link first."""


class SendFailed(Exception):
    """Reports that the server refuses the message. `code` is from the protocol's registry.

    `errors` are the fields at fault (`pointer`, `code`, sometimes `message`), known until the client is closed.
    `undetermined` means that an earlier answer was lost, so the server may have the message nevertheless.
    """

    def __init__(self, code: str, errors: Sequence[dict[str, Any]] = (), *, undetermined: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors
        self.undetermined = undetermined


@dataclass(frozen=True, slots=True)
class Sent:
    """Holds a message that the server has accepted. `at_ms` is the time that everybody sees, epoch milliseconds."""

    number: int
    id: MessageId
    at_ms: int
    status: Status


class DeviceClient:
    """Is one device, connected for as long as the `async with` block lasts. See `open`."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
        cipher: BodyCipher | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        connect: Connect = connect,
        auto_ack: bool = True,
        owns_store: bool = False,
        endpoints: Endpoints | None = None,
        seal1_until_ms: int = SEAL1_UNTIL_MS,
        retention: Retention | None = None,
    ) -> None:
        account, endpoints = store.profile.account(), endpoints or store.profile.endpoints()
        if account is None or endpoints is None:
            raise NotRegistered
        self.store = store
        self.address = account.address
        self._identity = account.identity
        self._signer = Signer(account.identity, account.address, account.registration_id)
        self._endpoints: Endpoints = endpoints
        self._owns_store = owns_store
        self._retention = retention or Retention()
        clock, chance, cipher = clock or SystemClock(), chance or Chance(), cipher or PlainBody()
        self.clock = ServerClock(
            clock, offset_ms=store.profile.clock_offset_ms(), remember=store.profile.set_clock_offset_ms
        )
        self.api = ClientApi(
            endpoints.http_url,
            clock=self.clock,
            token=self.token,
            signer=self._signer,
            chance=chance,
            transport=transport,
        )
        self._connection = Connection(
            self,
            endpoints.websocket_url,
            epoch=store.profile.epoch(),
            remember_epoch=store.profile.set_epoch,
            clock=clock,
            server_clock=self.clock,
            chance=chance,
            connect=connect,
        )
        self.service_keys = ServiceKeys(store, clock=clock)
        self.incoming = Incoming(
            store,
            self.address.account,
            owner=self,
            link=self._connection,
            service_keys=self.service_keys,
            seal1_until_ms=seal1_until_ms,
            cipher=cipher,
            emit=self._emit,
            clock=clock,
            server_clock=self.clock,
            chance=chance,
        )
        self.incoming.auto_ack = auto_ack
        self.seal_keys = SealKeyRotation(store, self._identity, api=self.api, server_clock=self.clock, chance=chance)
        self._sender = Sender(
            store,
            self.address,
            link=self._connection,
            api=self.api,
            cipher=cipher,
            emit=self._emit,
            spawn=self.spawn,
            clock=clock,
            server_clock=self.clock,
            chance=chance,
        )
        attestation_keys = AttestationKeys(
            store, api=self.api, clock=self.clock, on_refused=lambda reason: self._emit(AttestationKeysRejected(reason))
        )
        self.people = People(store, api=self.api, clock=self.clock, keys=attestation_keys)
        self.groups = Groups(
            store,
            self.address.account,
            calls=GroupCalls(self.api),
            sender=self._sender,
            cipher=cipher,
            emit=self._emit,
            spawn=self.spawn,
            clock=clock,
            server_clock=self.clock,
            chance=chance,
        )
        self.low_level = LowLevel(self._connection, self.incoming)
        self.state = State.WAITING
        self._tasks: set[asyncio.Task[None]] = set()
        self._unclaimed: asyncio.Queue[Event | None] | None = asyncio.Queue()
        self._streams: list[asyncio.Queue[Event | None]] = [self._unclaimed]
        self._news: list[asyncio.Future[None]] = []

    @classmethod
    def open(
        cls,
        profile: Path | Store,
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
        cipher: BodyCipher | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        connect: Connect = connect,
        auto_ack: bool = True,
        endpoints: Endpoints | None = None,
        seal1_until_ms: int = SEAL1_UNTIL_MS,
        retention: Retention | None = None,
    ) -> Self:
        """Return the client of the profile at a path, or of an open store, which the caller must close.

        `endpoints` replace the profile's addresses. `seal1_until_ms` is until when, epoch milliseconds, envelopes of
        the former format are accepted; anybody who can write to the inbox can forge them. `retention` is how long
        one-time passwords and left groups are kept, instead of a day and 90 days.

        Entering the `async with` block starts connecting and does not wait for it: `send` and `post` work offline.
        Raise NotRegistered or StoreUnusable.
        """
        store = profile if isinstance(profile, Store) else Store.open(profile)
        try:
            return cls(
                store,
                clock=clock,
                chance=chance,
                cipher=cipher,
                transport=transport,
                connect=connect,
                auto_ack=auto_ack,
                owns_store=store is not profile,
                endpoints=endpoints,
                seal1_until_ms=seal1_until_ms,
                retention=retention,
            )
        except NotRegistered:
            if store is not profile:
                store.close()
            raise

    async def __aenter__(self) -> Self:
        self.spawn(self._connection.run())
        self.spawn(self.incoming.keep_telling())
        self._sender.resume()
        self.groups.refresh_stale()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.stop(State.CLOSED)
        await self._connection.close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.api.close()
        if self._owns_store:
            self.store.close()

    def post(self, account: str, body: bytes, *, expires_in: int | None = None) -> Outgoing:
        """Write a message into the outbox.

        It is sent as soon as there is a connection, also by a later run.

        Raise ValueError for a text that is not an account id.
        """
        return self._sender.put(parse_account(account), body, expires_in=expires_in)

    def queue(self, account: str, body: bytes, *, expires_in: int | None = None) -> Outgoing:
        """Write a message into the outbox and leave sending to another run.

        Raise ValueError for a text that is not an account id.
        """
        return self._sender.queue(parse_account(account), body, expires_in=expires_in)

    def send_waiting(self) -> None:
        """Send messages that other programs have written into the outbox of this profile."""
        self._sender.resume()

    async def send(self, account: str, body: bytes, *, expires_in: int | None = None) -> Sent:
        """Post a message, then wait until the server has accepted it. Raise SendFailed or DeviceStopped.

        If the wait is cancelled, the message stays in the outbox.
        """
        return await self.wait_for(self.post(account, body, expires_in=expires_in).number)

    async def wait_for(self, number: int, status: Status = Status.ACCEPTED) -> Sent:
        """Wait until message `number` of the outbox has reached `status`. Raise SendFailed or DeviceStopped."""
        while True:
            row = self.store.outbox.read(number)
            if row.status is Status.FAILED:
                faults = self._sender.faults.get(number, ())
                raise SendFailed(row.code or "failed", faults, undetermined=row.is_undetermined)
            if row.at_ms is not None and _ORDER.index(row.status) >= _ORDER.index(status):
                return Sent(row.number, row.id, row.at_ms, row.status)
            if self._connection.stopped:
                raise DeviceStopped(self._connection.stopped)
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._news.append(news)
            await news

    def events(self) -> AsyncIterator[Event]:
        """Yield all events from this call on. The first call also yields those since the client was opened.

        The iterator ends after a final state (`State`).
        """
        stream: asyncio.Queue[Event | None] = self._unclaimed or asyncio.Queue()
        if stream is self._unclaimed:
            self._unclaimed = None
        else:
            self._streams.append(stream)
            if self._connection.stopped:
                stream.put_nowait(None)
        return self._read(stream)

    async def _read(self, stream: asyncio.Queue[Event | None]) -> AsyncIterator[Event]:
        try:
            while event := await stream.get():
                yield event
        finally:
            self._streams.remove(stream)

    def mark_read(self, account: str, messages: Sequence[MessageId]) -> None:
        """Note that these messages of `account` were shown. Its devices get one `read` receipt."""
        self.store.inbox.mark_shown(parse_account(account), messages)
        self.incoming.has_news()

    def mark_app_messages_read(self, app: str, messages: Sequence[MessageId]) -> None:
        """Note that these messages of a governance app were shown. For its notices, the app gets one `read` receipt."""
        self.store.app_inbox.mark_shown(AppId(parse_account(app)), messages)
        self.incoming.has_news()

    async def connected(self) -> None:
        """Wait for a live connection. Raise DeviceStopped."""
        await self._connection.live()

    async def drained(self) -> None:
        """Wait until everything that the server had stored has arrived. Raise DeviceStopped."""
        await self._connection.drained()

    async def settled(self) -> None:
        """Wait until all received envelopes are acked and all receipts are sent. Raise DeviceStopped."""
        await self.incoming.told()
        if self._connection.stopped:
            raise DeviceStopped(self._connection.stopped)

    # Callbacks of the client's parts

    def handshake(self) -> dict[str, str]:
        """Make a fresh token and the signed act of a handshake, which binds the socket to this device."""
        token = self.token()
        act = self._signer.header(open_socket(token), at_ms=self.clock.now_ms())
        return {"Authorization": f"Bearer {token}", ACT_HEADER: act}

    def token(self) -> str:
        return sign_token(
            self._identity,
            self.address,
            audience=self._endpoints.audience,
            now_seconds=self.clock.now_ms() // 1000,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def on_group_version(self, group: GroupId, *, at_once: bool = False) -> None:
        self.groups.refresh(group, at_once=at_once)

    def on_state(self, state: State) -> None:
        self.state = state
        self._emit(ConnectionChanged(state))
        if self._connection.stopped:
            for stream in self._streams:
                stream.put_nowait(None)
            self._wake_waiting()

    def on_superseded(self) -> None:
        self._emit(Superseded())
        self._connection.stop(State.SUPERSEDED)

    def on_service_keys_refused(self, reason: str) -> None:
        self._emit(ServiceKeysRejected(reason))

    def on_revoked(self, reason: str) -> None:
        """Stop. The server's word destroys the keys; `unknown` is the client's own guess, and does not."""
        known = reason if reason in ("unlinked", "replaced", "refused") else "unknown"
        if known != "unknown":
            self.store.forget_keys()
        self._emit(Revoked(cast(Literal["unlinked", "replaced", "refused", "unknown"], known)))
        self._connection.stop(State.REVOKED)

    def on_server_time(self, server_time_ms: int) -> None:
        """Forget old data by the server's time, and repeat failed work."""
        self.store.forget_old(now_ms=server_time_ms, retention=self._retention)
        self.groups.refresh_stale()

    def store_works(self) -> bool:
        return self.store.works()

    def on_store_failed(self, error: sqlite3.Error) -> None:
        self._connection.on_store_failed(error)

    def on_store_works(self) -> None:
        self.incoming.has_news()
        self._sender.resume()

    async def on_handshake_refused(self, status: int, date: str | None) -> None:
        """Correct a wrong clock. After 401 and 403, ask the client API, which gives reasons."""
        if learn_date(self.clock, date) or status not in (401, 403):
            return
        try:
            await self.api.me()
        except ApiError as error:
            if error.code == "revoked":
                self._connection.on_revoked(error.reason or "refused")
            elif error.code == "token_audience":
                self._connection.stop(State.WRONG_SERVICE)
            elif error.code == "token_invalid":
                self._connection.on_revoked("unknown")
        except Unreachable:
            return

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or isinstance(task.exception(), DeviceStopped | NoneType):
            return
        error = task.exception()
        if isinstance(error, sqlite3.Error):
            self._connection.on_store_failed(error)
            return
        logger.error("the client failed", exc_info=error)
        self._connection.stop(State.FAILED)

    def _emit(self, event: Event) -> None:
        match event:
            case MessageReceived() | GroupMessageReceived(sender=DeviceAddress()) if event.sender_class:
                self.people.heard(cast("DeviceAddress", event.sender).account, event.sender_class)
        for stream in self._streams:
            if stream.qsize() >= BUFFERED_EVENTS:
                stream.get_nowait()
            stream.put_nowait(event)
        if isinstance(event, StatusChanged):
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        waiting, self._news = self._news, []
        for news in waiting:
            if not news.done():
                news.set_result(None)
