"""Receives envelopes: open, store, notify the application, ack (docs/protocol/README.md, "Receiving")."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Literal, cast

from sandes_client.cipher import BodyCipher, BodyUnreadable
from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import (
    AppMessage,
    EnvelopeRefused,
    Event,
    MessageReceived,
    NoticeReceived,
    OtpReceived,
    Status,
    StatusChanged,
    Voided,
)
from sandes_client.group_incoming import GroupIncoming, Owner
from sandes_client.ids import AccountId, AppSender, EnvelopeId, parse_envelope
from sandes_client.link import Link
from sandes_client.seal import (
    OF_GROUPS,
    EnvelopeUnreadable,
    FormerFormat,
    Kind,
    NotFromService,
    Opened,
    ReceiptKind,
    SenderClass,
    UnknownServiceKey,
    open_envelope,
    parse_notice,
    parse_otp,
    parse_receipt,
    parse_void,
)
from sandes_client.service_keys import ServiceKeys
from sandes_client.socket import Frame, FrameRefused, SocketClosed
from sandes_client.store import Store

logger = logging.getLogger(__name__)

_STATUSES = {ReceiptKind.DELIVERED: Status.DELIVERED, ReceiptKind.READ: Status.READ}


class Incoming:
    """Turns envelopes into stored messages and acks. An ack is sent only after the message is on disk."""

    def __init__(
        self,
        store: Store,
        own: AccountId,
        *,
        owner: Owner,
        link: Link,
        service_keys: ServiceKeys,
        seal1_until_ms: int,
        cipher: BodyCipher,
        emit: Callable[[Event], None],
        clock: Clock,
        server_clock: ServerClock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._own = own
        self._owner = owner
        self._link = link
        self._service_keys = service_keys
        self._seal1_until_ms = seal1_until_ms
        self._cipher = cipher
        self._emit = emit
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._to_tell = asyncio.Event()
        self._told = asyncio.Event()
        self.auto_ack = True
        self.envelopes_taken = 0
        self._groups = GroupIncoming(
            store,
            own,
            owner=owner,
            link=link,
            cipher=cipher,
            emit=emit,
            has_news=self.has_news,
            clock=clock,
            server_clock=server_clock,
            chance=chance,
        )
        self.has_news()

    def take(self, envelopes: list[Frame]) -> None:
        """Store the content of one frame and queue its acks in one transaction, then notify the
        application.

        Raise sqlite3.Error. Nothing of the frame is then stored, acked or reported, and it will come again.
        """
        events: list[Event] = []
        with self._store.transaction():
            for envelope in envelopes:
                events.extend(self._take_one(envelope))
        self.envelopes_taken += len(envelopes)
        for event in events:
            self._emit(event)
        self.has_news()

    def has_news(self) -> None:
        """Wake the task that sends acks and receipts."""
        self._told.clear()
        self._to_tell.set()

    async def told(self) -> None:
        """Wait until everything received so far is acked."""
        await self._told.wait()

    async def keep_telling(self) -> None:
        """Send acks and receipts when they are due, up to 100 ids in a frame.

        Repeat each frame until it is answered.
        """
        try:
            while True:
                await self._to_tell.wait()
                self._to_tell.clear()
                try:
                    if self.auto_ack:
                        await self.tell()
                except sqlite3.Error as error:  # `has_news` is called when the store works again
                    self._owner.on_store_failed(error)
        finally:
            self._told.set()  # nothing that was awaited will arrive

    async def tell(self) -> None:
        """Send the acks and receipts that are due now. Raise DeviceStopped."""
        attempt = 0
        while batch := self._store.inbox.next_acks():
            frame: Frame = {"type": "ack", "ids": list(batch.envelopes)}
            if batch.receipts:
                frame["receipts"] = [group.to_json() for group in batch.receipts]
            try:
                await self._link.request(frame, "acked")
            except SocketClosed:
                continue  # retry on the next live socket
            except FrameRefused as refused:
                if refused.code == "invalid_frame":
                    logger.error("the server refuses an ack: %s", refused.details)
                    self._store.inbox.acked(batch)  # envelopes that still wait come again and are acked anew
                await self._clock.sleep(refused.retry_after or self._chance.full_jitter(attempt))
                attempt += 1
                continue
            self._store.inbox.acked(batch)
            attempt = 0
        if not self._groups.is_fetching:
            self._told.set()

    def _take_one(self, envelope: Frame) -> list[Event]:
        try:
            id = parse_envelope(envelope["id"])
        except (KeyError, TypeError, ValueError):
            logger.warning("an envelope without a usable id was ignored")
            return []
        events: list[Event] | None = []
        try:
            opened = self._open(id, envelope)
            if opened.to != self._own:
                raise EnvelopeUnreadable("sent to another account")
            events = self._groups.take(id, opened) if opened.kind in OF_GROUPS else self._take_opened(opened)
        except UnknownServiceKey as reason:
            logger.warning("an envelope was left for a new socket: %s", reason)
            self._service_keys.needs_news()
            return []
        except (EnvelopeUnreadable, BodyUnreadable) as reason:
            logger.warning("an envelope could not be opened and is acked: %s", reason)
            events = [self._refuse(id, reason)]
        if events is not None:
            self._store.inbox.add_ack(id)
        return events or []

    def _open(self, id: EnvelopeId, envelope: Frame) -> Opened:
        """Open an envelope.

        Raise UnknownServiceKey only if it may be opened after the service has named its keys again.
        """
        try:
            return open_envelope(
                id,
                str(envelope.get("header")),
                str(envelope.get("sealed")),
                secret_of=self._store.profile.seal_secret,
                service_key_of=self._service_keys.public,
                accept_seal1=self._server_clock.now_ms() < self._seal1_until_ms,
            )
        except UnknownServiceKey as reason:
            if self._service_keys.is_fresh:
                raise NotFromService(str(reason)) from reason
            raise

    def _refuse(self, id: EnvelopeId, why: Exception) -> EnvelopeRefused:
        reason: Literal["not_from_service", "former_format", "unreadable"] = "unreadable"
        if isinstance(why, NotFromService):
            reason = "not_from_service"
        elif isinstance(why, FormerFormat):
            reason = "former_format"
        refused = EnvelopeRefused(id, reason)
        self._store.service_keys.refuse(refused.reason, now_ms=self._clock.now_ms())
        return refused

    def _take_opened(self, opened: Opened) -> list[Event]:
        if isinstance(opened.sender, AppSender):
            return self._take_from_app(opened, opened.sender)
        sender = opened.sender
        receipt = parse_receipt(opened.body) if opened.kind is Kind.RECEIPT else None
        body = b"" if receipt else self._cipher.decrypt(opened.body, sender)
        if not self._store.inbox.is_new(sender.account, opened.id, now_ms=self._server_clock.latest_ms()):
            return []
        if receipt:
            events: list[Event] = []
            for message in receipt.ids:
                status = _STATUSES[receipt.kind]
                row = self._store.outbox.raise_status(message, sender.account, status)
                if row:
                    events.append(StatusChanged(row.number, row.id, status))
            return events
        message_received = MessageReceived(
            id=opened.id,
            sender=sender,
            sender_class=cast("SenderClass", opened.sender_class),
            to=opened.to,
            at_ms=opened.at_ms,
            body=body,
        )
        self._store.inbox.add(message_received)
        return [message_received]

    def _take_from_app(self, opened: Opened, app: AppSender) -> list[Event]:
        """Store a message of an app.

        The server's rules define its form, not a person's cipher. The store detects duplicates.
        """
        now_ms = self._server_clock.now_ms()
        void = parse_void(opened.body) if opened.kind is Kind.CONTROL else None
        message = None if void else _app_message(opened, app, now_ms)
        if void:
            ids = self._store.app_inbox.void(app.app, void.ids, void.reason, now_ms=self._server_clock.latest_ms())
            return [Voided(app.app, ids, void.reason)] if ids else []
        stored = self._store.app_inbox.add(message) if message else None
        return [stored] if stored else []


def _app_message(opened: Opened, app: AppSender, now_ms: int) -> AppMessage:
    if opened.kind is Kind.NOTICE:
        notice = parse_notice(opened.body)
        return NoticeReceived(
            id=opened.id,
            app=app,
            to=opened.to,
            at_ms=opened.at_ms,
            text=notice.text,
            category=notice.category,
            confidential=notice.confidential,
            priority=notice.priority,
            language=notice.language,
        )
    otp = parse_otp(opened.body)
    return OtpReceived(
        id=opened.id,
        app=app,
        to=opened.to,
        at_ms=opened.at_ms,
        text=otp.text,
        code=otp.code,
        expires_at=otp.expires_at,
        purpose=otp.purpose,
        void="expired" if otp.expires_at * 1000 <= now_ms else None,
    )
