"""Sending: outbox first, then the same id until the server accepts (docs/protocol/README.md, "Sending").

Messages to one account or group leave one after another, so that the server's times keep their order; accounts and
groups do not wait for each other. A post to a group has one body for all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
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
"""For so long the server recognises a repeated id."""

MIN_EXPIRY_SECONDS = 60
"""The shortest time for which the server keeps an undelivered message."""

MOST_AHEAD_MS = 60_000
"""Ids follow a time that lies this far ahead of the server's clock at most; the server allows twice as much."""

_PASSING = {"rate_limited", "unavailable", "internal", "superseded", "token_expired"}
"""Refusals after which the same message may be sent again."""

_TRIES_BEFORE_PAUSE = 3

MAX_MESSAGE_BYTES = 128 * 1024
"""API Gateway closes the socket above it."""


class Sender:
    """Works off the outbox."""

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
        """What the server found wrong with a failed message, by its number."""

    def resume(self) -> None:
        """Take up what an earlier run left in the outbox."""
        for recipient in self._store.outbox.waiting_recipients():
            self._work_for(recipient)

    def put(self, recipient: str, body: bytes, *, expires_in: int | None) -> Outgoing:
        """Write the message into the outbox and start sending it. On disk when this returns.

        `recipient` is an account id, or what `group_recipient` makes of a group. Raises ValueError for an `expires_in`
        below MIN_EXPIRY_SECONDS, which the service refuses.
        """
        if expires_in is not None and expires_in < MIN_EXPIRY_SECONDS:
            raise ValueError(f"expires_in is at least {MIN_EXPIRY_SECONDS} seconds")
        now_ms = self._server_clock.now_ms()
        id = self._new_id(recipient)
        row = self._store.outbox.add(id, recipient, body, expires_in=expires_in, queued_at_ms=now_ms)
        self._work_for(recipient)
        return row

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
        """Returns once the server has answered for good. Raises DeviceStopped."""
        attempt = mismatches = 0
        while True:
            row = self._renew_or_fail_if_old(self._store.outbox.read(row.number))
            if row.status is Status.FAILED:
                return
            try:
                copies = row.copies if row.copies is not None else await self._copies(row, fresh=mismatches > 0)
                frame = _frame(row, copies)
                if len(json.dumps(frame)) > MAX_MESSAGE_BYTES:
                    self._failed(row, "too_large")
                    return
                self._accepted(row, (await self._link.request(frame, "accepted"))["at"])
                return
            except SocketClosed:
                continue  # the next live socket, the same id and copies
            except FrameRefused as refused:
                code, retry_after, details = refused.code, refused.retry_after, refused.details
            except ApiError as error:
                code = "not_permitted" if error.code == "not_found" else error.code
                retry_after, details = error.retry_after, {"errors": error.errors}
            except Unreachable:
                code, retry_after, details = "unavailable", None, {}
            match code:
                case "device_mismatch":
                    mismatches += 1
                    self._store.outbox.renew(row.number, row.id)
                    if mismatches < _TRIES_BEFORE_PAUSE:
                        continue
                case "clock_skew":
                    self._server_clock.learn(int(details["server_time"]))
                    self._store.outbox.renew(row.number, self._new_id(row.recipient))
                    if attempt == 0:
                        attempt += 1
                        continue
                case _ if code not in _PASSING:
                    self._failed(row, code, details.get("errors"))
                    return
            await self._clock.sleep(retry_after or self._chance.full_jitter(attempt))
            attempt += 1

    def _renew_or_fail_if_old(self, row: Outgoing) -> Outgoing:
        """A message that waited 7 days: with a new id if it was never sent, else it has failed."""
        if message_time_ms(row.id) > self._server_clock.now_ms() - RETRY_MS:
            return row
        if row.copies is None:
            self._store.outbox.renew(row.number, self._new_id(row.recipient))
        else:
            self._failed(row, "id_too_old")
        return self._store.outbox.read(row.number)

    async def _copies(self, row: Outgoing, *, fresh: bool) -> list[dict[str, Any]]:
        """Make the copies and write them down: every try sends the same."""
        if row.group is None:
            account = AccountId(row.recipient)
            devices = await self._devices(account, fresh=fresh)
            copies = [self._copy(row, device) for device in devices if not self._is_own(account, device)]
        else:
            copies = [{"body": base64url_text(self._cipher.encrypt_for_group(row.body, row.group))}]
        self._store.outbox.set_copies(row.number, copies)
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
        seen_ms = self._store.newest_at_ms(recipient)
        last = self._store.outbox.newest_id()
        before_ms = (seen_ms or 0, message_time_ms(last) if last else 0)
        followed = [ms + 1 for ms in before_ms if ms < now_ms + MOST_AHEAD_MS]
        return new_message_id(max(now_ms, *followed) if followed else now_ms, self._chance.secret_bytes)

    def _accepted(self, row: Outgoing, at_ms: int) -> None:
        self._store.outbox.accepted(row.number, at_ms=at_ms)
        self._emit(StatusChanged(row.number, row.id, self._store.outbox.read(row.number).status))

    def _failed(self, row: Outgoing, code: str, faults: list[dict[str, Any]] | None = None) -> None:
        logger.info("message %d failed: %s", row.number, code)
        if faults:
            self.faults[row.number] = faults
        self._store.outbox.failed(row.number, code)
        self._emit(StatusChanged(row.number, row.id, Status.FAILED, code))


def _frame(row: Outgoing, copies: list[dict[str, Any]]) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "send", "id": row.id, "kind": "message"}
    if row.group is None:
        frame |= {"to": {"account": row.recipient}, "copies": copies}
    else:
        frame |= {"to": {"group": row.group}, "body": copies[0]["body"]}
    if row.expires_in is not None:
        frame["expires_in"] = row.expires_in
    return frame
