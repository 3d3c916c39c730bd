"""Receives from groups: messages, events, and bodies that are stored separately (docs/protocol/groups.md).

A body to which a message points is fetched and stored before the envelope is acked. If that is not possible now, the
envelope stays unacked, so that it comes again with the next connection.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from sandes_client.cipher import BodyCipher, BodyUnreadable
from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import Event, GroupEvent, GroupMessageReceived
from sandes_client.group_bodies import (
    BodyPointer,
    GroupChange,
    GroupMessage,
    parse_group_event,
    parse_group_message,
)
from sandes_client.ids import AccountId, AppSender, EnvelopeId, GroupId, parse_base64url
from sandes_client.link import DeviceStopped, Link
from sandes_client.seal import EnvelopeUnreadable, Kind, Opened, parse_notice
from sandes_client.socket import FrameRefused, SocketClosed
from sandes_client.store import Store

logger = logging.getLogger(__name__)

FETCHED_AT_ONCE = 4
FETCH_TRIES = 4
"""Number of refusals after which a body waits until the envelope comes again."""


class _NotNow(Exception):
    """Reports that the service did not give the body. It may do so the next time."""


class Owner(Protocol):
    """Defines what receiving from groups needs from its device client."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...

    def on_group_version(self, group: GroupId, *, at_once: bool = False) -> None:
        """Refresh the group, because a newer version is known. With `at_once`, do so however many members it has."""
        ...

    def on_store_failed(self, error: sqlite3.Error) -> None:
        """Stop receiving until the store works again, because nothing can be stored."""
        ...


class GroupIncoming:
    """Turns opened envelopes of groups into stored messages and events."""

    def __init__(
        self,
        store: Store,
        own: AccountId,
        *,
        owner: Owner,
        link: Link,
        cipher: BodyCipher,
        emit: Callable[[Event], None],
        has_news: Callable[[], None],
        clock: Clock,
        server_clock: ServerClock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._own = own
        self._owner = owner
        self._link = link
        self._cipher = cipher
        self._emit = emit
        self._has_news = has_news
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._fetching: set[EnvelopeId] = set()
        self._slots = asyncio.Semaphore(FETCHED_AT_ONCE)

    @property
    def is_fetching(self) -> bool:
        return bool(self._fetching)

    def take(self, envelope: EnvelopeId, opened: Opened) -> list[Event] | None:
        """Store an envelope in the caller's transaction.

        Return None if its body is being fetched and it must not be acked yet.

        Raise EnvelopeUnreadable or BodyUnreadable.
        """
        if envelope in self._fetching:
            return None
        if opened.kind is Kind.GROUP_EVENT:
            return self._take_event(opened)
        message = parse_group_message(opened.body)
        if self._store.group_inbox.has_seen(opened.sender, opened.id):
            return []
        if isinstance(message.body, BodyPointer):
            self._fetching.add(envelope)
            self._owner.spawn(self._fetch(envelope, opened, message, message.body))
            return None
        return [self._add(opened, message, message.body)]

    def _take_event(self, opened: Opened) -> list[Event]:
        changed = parse_group_event(opened.body)
        if self._store.group_inbox.has_seen(opened.sender, opened.id):
            return []
        event = GroupEvent(
            id=opened.id,
            group=changed.group,
            version=changed.version,
            change=changed.change,
            at_ms=opened.at_ms,
            actor=changed.actor,
            subject=changed.subject,
            role=changed.role,
            name=changed.name,
        )
        self._store.group_inbox.add_event(event, opened.sender, now_ms=self._server_clock.latest_ms())
        if event.rotates_keys or self._missed_changes(event.group, before=event.version - 1):
            self._cipher.rotate(event.group)
        is_stale = self._store.groups.heard(event.group, event.version)
        if event.change is GroupChange.DISSOLVED:
            self._store.groups.left_at(event.group, event.version, now_ms=self._server_clock.latest_ms())
        elif is_stale:
            self._owner.on_group_version(event.group, at_once=self._is_own_end(event))
        return [event]

    def _is_own_end(self, event: GroupEvent) -> bool:
        """Return whether the event ends the own membership. The group is read nevertheless.

        Events carry the version at which they are sent. An account that was removed and added again gets both with the
        same version.
        """
        return event.change in (GroupChange.LEFT, GroupChange.REMOVED) and event.subject == self._own

    def _add(self, opened: Opened, message: GroupMessage, body: bytes | None) -> GroupMessageReceived:
        """Store the message, without a body if that is gone."""
        notice = None
        if isinstance(opened.sender, AppSender):
            notice = parse_notice(body) if body is not None else None
            body = notice.text.encode() if notice else None
        elif body is not None:
            body = self._cipher.decrypt_from_group(body, message.group, opened.sender)
        received = GroupMessageReceived(
            id=opened.id,
            group=message.group,
            version=message.version,
            sender=opened.sender,
            sender_class=opened.sender_class,
            to=opened.to,
            at_ms=opened.at_ms,
            body=body,
            notice=notice,
        )
        self._store.group_inbox.add_message(received, now_ms=self._server_clock.latest_ms())
        if self._missed_changes(message.group, before=message.version):
            self._cipher.rotate(message.group)
        if self._store.groups.heard(message.group, message.version):
            self._owner.on_group_version(message.group)
        return received

    def _missed_changes(self, group: GroupId, *, before: int) -> bool:
        """Return whether the group is known and has reached the version by changes that this device did not see."""
        known = self._store.groups.read(group)
        return known is not None and known.heard_version < before

    async def _fetch(self, envelope: EnvelopeId, opened: Opened, message: GroupMessage, pointer: BodyPointer) -> None:
        try:
            async with self._slots:
                body = await self._body(pointer)
            self._store_fetched(envelope, opened, message, body)
        except _NotNow as reason:
            logger.warning("a body was not fetched, so its envelope is not acked: %s", reason)
        except sqlite3.Error as error:
            logger.error("a body could not be stored, so its envelope is not acked: %s", error)
            self._owner.on_store_failed(error)
        except asyncio.CancelledError:
            self._fetching.discard(envelope)
            raise
        except DeviceStopped:
            self._fetching.discard(envelope)
            self._has_news()  # nothing that was awaited will arrive
            raise
        self._fetching.discard(envelope)
        self._has_news()

    def _store_fetched(self, envelope: EnvelopeId, opened: Opened, message: GroupMessage, body: bytes | None) -> None:
        received = None
        with self._store.transaction():
            try:
                received = self._add(opened, message, body)
            except (EnvelopeUnreadable, BodyUnreadable) as reason:
                logger.warning("a body could not be read and its envelope is acked: %s", reason)
            self._store.inbox.add_ack(envelope)
        if received:
            self._emit(received)

    async def _body(self, pointer: BodyPointer) -> bytes | None:
        """Return the opened body, or None if it is permanently gone. Raise _NotNow or DeviceStopped."""
        refusals = 0
        while True:
            try:
                answer = await self._link.request({"type": "fetch", "body": pointer.text}, "body")
                return pointer.open(parse_base64url(str(answer.get("data"))))
            except SocketClosed:
                continue  # retry on the next live socket
            except FrameRefused as refused:
                if refused.code == "not_found":
                    return None
                refusals += 1
                if refusals >= FETCH_TRIES:
                    raise _NotNow(refused.code) from refused
                await self._clock.sleep(refused.retry_after or self._chance.full_jitter(refusals))
            except (EnvelopeUnreadable, ValueError) as reason:
                logger.error("a body does not open, and is shown as gone: %s", reason)
                return None
