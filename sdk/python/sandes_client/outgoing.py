"""Sends messages: outbox first, then the same id until the server accepts (docs/protocol/README.md,
"Sending").

Messages to one account or group are sent one after another, so that the server's times keep their order. Accounts and
groups do not wait for each other. A post to a group has one body for all members.

Once a frame with a message's id has left this device, the message keeps that id, unless the server said that it stored
nothing. Under another id it could be stored twice. Until then, the id is provisional, and is renewed if it is too old
or ahead of the clock.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

from sandes_client.api import ApiError, ClientApi, Unreachable
from sandes_client.cipher import BodyCipher, RecipientDevice
from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import Event, Status, StatusChanged
from sandes_client.ids import AccountId, DeviceAddress, MessageId, base64url_text, message_time_ms, new_message_id
from sandes_client.link import Link
from sandes_client.socket import FrameRefused, SocketClosed
from sandes_client.store import Outgoing, Store

logger = logging.getLogger(__name__)

RETRY_MS = 7 * 24 * 3600 * 1000
"""Time for which the server recognises a repeated id."""

MIN_EXPIRY_SECONDS = 60
"""Shortest time for which the server keeps an undelivered message."""

AHEAD_MS = 2 * 60 * 1000
"""Furthest that an id may be ahead of the server's clock."""

MOST_AHEAD_MS = 60_000
"""Furthest that the client lets an id be ahead of the server's clock. The server allows twice as much."""

WAIT_FOR_CLOCK_MS = 10 * 60 * 1000
"""Limit above which a message that has left under an id too far ahead has failed. Until then it blocks the messages
behind it.
"""

_STORED_NOTHING = {
    "clock_skew",
    "id_too_old",
    "invalid_frame",
    "not_permitted",
    "posting_restricted",
    "rate_limited",
    "revoked",
    "suspended",
    "too_large",
}
"""Refusals that come before the server stores anything. With others, something may be stored."""

_PASSING = {"rate_limited", "unavailable", "internal", "token_expired"}
"""Refusals after which the same message may be sent again."""

_TRIES_BEFORE_PAUSE = 3

MAX_MESSAGE_BYTES = 128 * 1024
"""Size above which API Gateway closes the socket."""


_BY_THE_CLOCK = {"clock_skew", "id_too_old"}
MAX_RENEWALS = 3
"""Number of ids in a row that do not fit the server's clock after which the message has failed."""

_SOCKET_CLOSED = "socket_closed"


class _Next(Enum):
    """Lists what follows a refusal: nothing, a retry now or after a pause, or the next live socket."""

    END = auto()
    AGAIN = auto()
    LATER = auto()
    NEXT_SOCKET = auto()


@dataclass(frozen=True, slots=True)
class _Refused:
    code: str
    retry_after: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


class _AcceptedMeanwhile(Exception):
    """Reports that a receipt has shown that the server has the message, so it is not sent again."""


class Sender:
    """Sends the messages of the outbox."""

    def __init__(
        self,
        store: Store,
        own: DeviceAddress,
        *,
        link: Link,
        api: ClientApi,
        cipher: BodyCipher,
        emit: Callable[[Event], None],
        spawn: Callable[[Any], asyncio.Task[None]],
        clock: Clock,
        server_clock: ServerClock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._own = own
        self._link = link
        self._api = api
        self._cipher = cipher
        self._emit = emit
        self._spawn = spawn
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._busy: set[str] = set()
        self.faults: dict[int, list[dict[str, Any]]] = {}
        """The faults that the server found in a failed message, by its number."""

    def resume(self) -> None:
        """Continue with messages that an earlier run left in the outbox."""
        for recipient in self._store.outbox.waiting_recipients():
            self._work_for(recipient)

    def put(self, recipient: str, body: bytes, *, expires_in: int | None) -> Outgoing:
        """Write the message into the outbox and start sending it. See `queue`."""
        row = self.queue(recipient, body, expires_in=expires_in)
        self._work_for(recipient)
        return row

    def queue(self, recipient: str, body: bytes, *, expires_in: int | None) -> Outgoing:
        """Write the message into the outbox for any run to send. It is on disk when this returns.

        `recipient` is an account id, or the result of `group_recipient` for a group. Raise ValueError for an
        `expires_in` below MIN_EXPIRY_SECONDS, which the service refuses.
        """
        if expires_in is not None and expires_in < MIN_EXPIRY_SECONDS:
            raise ValueError(f"expires_in is at least {MIN_EXPIRY_SECONDS} seconds")
        now_ms = self._server_clock.now_ms()
        id = self._new_id(recipient)
        return self._store.outbox.add(id, recipient, body, expires_in=expires_in, queued_at_ms=now_ms)

    def _work_for(self, recipient: str) -> None:
        if recipient not in self._busy:
            self._busy.add(recipient)
            self._spawn(self._send_all(recipient))

    async def _send_all(self, recipient: str) -> None:
        try:
            while row := self._store.outbox.next_waiting(recipient):
                await self._send(row)
        finally:
            self._busy.discard(recipient)

    async def _send(self, row: Outgoing) -> None:
        """Send a message until the server has given a final answer. Raise DeviceStopped."""
        attempt = mismatches = renewals = 0
        while True:
            row = self._with_usable_id(self._store.outbox.read(row.number))
            if row.at_ms is not None:  # a receipt came instead of the answer
                return
            refused = await self._try(row, fresh=mismatches > 0)
            if refused is None:
                return
            mismatches += refused.code == "device_mismatch"
            renewals += refused.code in _BY_THE_CLOCK
            match self._after(row, refused, renewals):
                case _Next.END:
                    return
                case _Next.AGAIN if attempt + mismatches < _TRIES_BEFORE_PAUSE:
                    attempt += refused.code != "device_mismatch"
                case _Next.NEXT_SOCKET:
                    continue
                case _:
                    await self._clock.sleep(refused.retry_after or self._chance.full_jitter(attempt))
                    attempt += 1

    async def _try(self, row: Outgoing, *, fresh: bool) -> _Refused | None:
        """Send the message once. Return None if there is nothing more to do for it."""
        try:
            copies = row.copies if row.copies is not None else await self._copies(row, fresh=fresh)
            frame = _frame(row, copies)
            if len(json.dumps(frame)) > MAX_MESSAGE_BYTES:
                self._failed(row, "too_large")
                return None
            leaving = partial(self._leaves, row.number, copies)
            answer = await self._link.request(frame, "accepted", leaving=leaving)
        except _AcceptedMeanwhile:
            return None
        except SocketClosed:
            return _Refused(_SOCKET_CLOSED)
        except FrameRefused as refused:
            if refused.code in _STORED_NOTHING and not row.has_left:
                self._store.outbox.came_back(row.number)
            return _Refused(refused.code, refused.retry_after, refused.details)
        except ApiError as error:
            code = "not_permitted" if error.code == "not_found" else error.code
            return _Refused(code, error.retry_after, {"errors": error.errors})
        except Unreachable:
            return _Refused("unavailable")
        self._accepted(row, answer["at"])
        return None

    def _after(self, row: Outgoing, refused: _Refused, renewals: int) -> _Next:
        code = refused.code
        if code == _SOCKET_CLOSED:
            return _Next.NEXT_SOCKET  # with the same id and copies
        if code in _PASSING:
            return _Next.LATER
        if code == "device_mismatch":
            self._store.outbox.forget_copies(row.number)
            return _Next.AGAIN
        if code in _BY_THE_CLOCK:
            self._learn(refused.details.get("server_time"))
            if renewals <= MAX_RENEWALS and self._store.outbox.renew(row.number, self._new_id(row.recipient)):
                return _Next.AGAIN
            if code == "clock_skew" and self._ahead_ms(row) <= WAIT_FOR_CLOCK_MS:
                return _Next.LATER
        self._failed(row, code, refused.details.get("errors"))
        return _Next.END

    def _leaves(self, number: int, copies: list[dict[str, Any]]) -> None:
        if not self._store.outbox.leaves(number, copies):
            raise _AcceptedMeanwhile

    def _with_usable_id(self, row: Outgoing) -> Outgoing:
        """Give a new id to an old message, or to one with a wrong clock, unless a frame with its id has left."""
        age_ms = self._server_clock.now_ms() - message_time_ms(row.id)
        if -AHEAD_MS < age_ms < RETRY_MS or not self._store.outbox.renew(row.number, self._new_id(row.recipient)):
            return row
        return self._store.outbox.read(row.number)

    def _ahead_ms(self, row: Outgoing) -> int:
        """Return the time until the server accepts the message's id."""
        return message_time_ms(row.id) - self._server_clock.now_ms() - AHEAD_MS

    def _learn(self, server_time: Any) -> None:
        if isinstance(server_time, int):
            self._server_clock.learn(server_time)

    async def _copies(self, row: Outgoing, *, fresh: bool) -> list[dict[str, Any]]:
        """Make the copies. They are stored when they leave, so that every later frame has the same ones."""
        if row.group is None:
            account = AccountId(row.recipient)
            devices = await self._devices(account, fresh=fresh)
            copies = [self._copy(row, device) for device in devices if not self._is_own(account, device)]
        else:
            copies = [{"body": base64url_text(self._cipher.encrypt_for_group(row.body, row.group))}]
        return copies

    async def _devices(self, account: AccountId, *, fresh: bool) -> tuple[RecipientDevice, ...]:
        devices = None if fresh else self._store.profile.devices(account)
        if devices is None:
            devices = await self._api.keys(account)
            self._store.profile.set_devices(account, devices)
        return devices

    def _copy(self, row: Outgoing, device: RecipientDevice) -> dict[str, Any]:
        return {
            "device": device.device,
            "registration_id": device.registration_id,
            "body": base64url_text(self._cipher.encrypt(row.body, device)),
        }

    def _is_own(self, recipient: AccountId, device: RecipientDevice) -> bool:
        return recipient == self._own.account and device.device == self._own.device

    def _new_id(self, recipient: str) -> MessageId:
        """Make an id later than the last one and than the newest message of the chat, by which chats are ordered.

        A time far ahead of the server's clock, which the service would refuse, is not followed.
        """
        now_ms = self._server_clock.now_ms()
        limit_ms = now_ms + MOST_AHEAD_MS
        last = self._store.outbox.newest_id(before_ms=limit_ms)
        before_ms = (self._store.newest_at_ms(recipient) or 0, message_time_ms(last) if last else 0)
        followed = [ms + 1 for ms in before_ms if ms < limit_ms]
        return new_message_id(max([now_ms, *followed]), self._chance.secret_bytes)

    def _accepted(self, row: Outgoing, at_ms: int) -> None:
        self._store.outbox.accepted(row.number, at_ms=at_ms)
        self._emit(StatusChanged(row.number, row.id, self._store.outbox.read(row.number).status))

    def _failed(self, row: Outgoing, code: str, faults: list[dict[str, Any]] | None = None) -> None:
        logger.info("message %d failed: %s", row.number, code)
        if faults:
            self.faults[row.number] = faults
        if self._store.outbox.failed(row.number, code):
            undetermined = self._store.outbox.read(row.number).is_undetermined
            self._emit(StatusChanged(row.number, row.id, Status.FAILED, code, undetermined))


def _frame(row: Outgoing, copies: list[dict[str, Any]]) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "send", "id": row.id, "kind": "message"}
    if row.group is None:
        frame |= {"to": {"account": row.recipient}, "copies": copies}
    else:
        frame |= {"to": {"group": row.group}, "body": copies[0]["body"]}
    if row.expires_in is not None:
        frame["expires_in"] = row.expires_in
    return frame
