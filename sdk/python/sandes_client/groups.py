"""Provides the application's interface for groups: `DeviceClient.groups`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any

from sandes_client.api import ApiError, Unreachable
from sandes_client.backoff import SPREAD_ATTEMPT
from sandes_client.cipher import BodyCipher
from sandes_client.clock import Chance, Clock, ServerClock
from sandes_client.events import Event, GroupRefreshed
from sandes_client.group_calls import Delivery, Group, GroupCalls, GroupEntry, Member, Posting, Role, group_of
from sandes_client.ids import AccountId, GroupId, MessageId, base64url_text, parse_account, parse_group
from sandes_client.outgoing import Sender
from sandes_client.paging import every
from sandes_client.store import Outgoing, Store
from sandes_client.store.outbox import group_recipient

logger = logging.getLogger(__name__)

REF_BYTES = 16
LARGE_MEMBERS = 500
READ_TRIES = 4
SPREAD_SECONDS = 600.0
"""Time over which members spread their requests for a new version of a large group, of which they all hear at once."""


class Groups:
    """Calls the service about groups and stores the answers.

    Calls raise ApiError or Unreachable, and ValueError for a malformed id.
    """

    def __init__(
        self,
        store: Store,
        own: AccountId,
        *,
        calls: GroupCalls,
        sender: Sender,
        cipher: BodyCipher,
        emit: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        clock: Clock,
        server_clock: ServerClock,
        chance: Chance,
    ) -> None:
        self._store = store
        self._own = own
        self._calls = calls
        self._sender = sender
        self._cipher = cipher
        self._emit = emit
        self._spawn = spawn
        self._clock = clock
        self._server_clock = server_clock
        self._chance = chance
        self._refreshing: set[GroupId] = set()

    def post(self, group: str, body: bytes, *, expires_in: int | None = None) -> Outgoing:
        """Write a message to the group into the outbox. `DeviceClient.wait_for` waits until it is accepted.

        Its status ends with `accepted`. `delivery` returns whom it has reached.
        """
        return self._sender.put(group_recipient(parse_group(group)), body, expires_in=expires_in)

    def queue(self, group: str, body: bytes, *, expires_in: int | None = None) -> Outgoing:
        """Write a message to the group into the outbox and leave sending to another run."""
        return self._sender.queue(group_recipient(parse_group(group)), body, expires_in=expires_in)

    def mark_shown(self, group: str, ids: Sequence[MessageId]) -> None:
        """Note that these messages and events were shown. Nobody is notified."""
        self._store.group_inbox.mark_shown(parse_group(group), ids)

    async def delivery(self, group: str, message: str) -> Delivery:
        """Return how far an own message to the group was delivered, over all members."""
        id, waiting, cursor = parse_group(group), 0, None
        while True:
            page, cursor = await self._calls.delivery(id, MessageId(message), cursor)
            waiting += page.waiting
            if cursor is None:
                return Delivery(page.members, page.devices, waiting, page.complete)

    async def create(self, name: str, *, posting: Posting = "all", ref: str | None = None) -> Group:
        """Create an informal group with the caller as its owner.

        `ref` (22 characters of base64url, random by default) names the operation. Repeat the operation with the same
        one.
        """
        ref = ref or base64url_text(self._chance.secret_bytes(REF_BYTES))
        return self._keep(await self._calls.create(ref, name, posting))

    async def mine(self) -> list[GroupEntry]:
        """List the groups that the account is in or invited to."""
        return await every(self._calls.page)

    async def show(self, group: str) -> Group:
        return self._keep(await self._calls.show(parse_group(group)))

    def known(self, group: str) -> Group | None:
        """Return what this device knows of the group without asking, or None if nothing, or if the account is not in
        it.
        """
        stored = self._store.groups.read(parse_group(group))
        return group_of(stored.details) if stored and stored.details and not stored.is_left else None

    async def change(
        self,
        group: str,
        *,
        name: str | None = None,
        posting: Posting | None = None,
        open: bool | None = None,
        version: int | None = None,
    ) -> Group:
        """Change a group.

        Raise ApiError `precondition_failed` if it has changed since `version`, by default the last one read.
        """
        changes = {"name": name, "posting": posting, "open": open}
        if version is None:
            version = (self.known(group) or await self.show(group)).version
        given = {field: value for field, value in changes.items() if value is not None}
        return self._keep(await self._calls.change(parse_group(group), given, version=version))

    async def dissolve(self, group: str) -> None:
        """Dissolve an informal group for all its members."""
        await self._calls.dissolve(parse_group(group))
        self._gone(parse_group(group))

    async def members(self, group: str) -> list[Member]:
        id = parse_group(group)
        return await every(lambda cursor: self._calls.members(id, cursor))

    async def invite(self, group: str, account: str) -> Member:
        """Invite an account, which becomes a member once it calls `join`.

        In an official group, an admin may add officials directly.

        Return the member as it is then. A member's role does not change.
        """
        return await self._put(group, parse_account(account), "member")

    async def join(self, group: str) -> Group:
        """Accept an invitation, or join a group that is open to the account."""
        await self._put(group, self._own, "member")
        return await self.show(group)

    async def set_role(self, group: str, account: str, role: Role) -> Member:
        """Set a member's role and return the member as it is then. Nobody changes their own role."""
        return await self._put(group, parse_account(account), role)

    async def hand_over(self, group: str, account: str) -> Member:
        """Make a member the owner of an informal group. The caller becomes an admin."""
        return await self._put(group, parse_account(account), "owner")

    async def remove(self, group: str, account: str) -> None:
        """Remove a member, or withdraw an invitation. Removing the own account is leaving."""
        await self._calls.remove_member(parse_group(group), parse_account(account))
        if parse_account(account) == self._own:  # the device that leaves gets no event of it
            self._gone(parse_group(group))

    async def leave(self, group: str) -> None:
        """Leave the group, or decline its invitation."""
        await self._calls.remove_member(parse_group(group), self._own)
        self._gone(parse_group(group))

    # Keep stored groups fresh

    def refresh_stale(self) -> None:
        """Refresh groups whose newer version is not read yet, because of an earlier run or a failed request."""
        for group in self._store.groups.stale():
            self.refresh(group)

    def refresh(self, group: GroupId, *, at_once: bool = False) -> None:
        """Read the group anew in the background. A large group is read later, unless `at_once` is true."""
        if group not in self._refreshing:
            self._refreshing.add(group)
            self._spawn(self._refresh(group, at_once))

    async def _refresh(self, group: GroupId, at_once: bool) -> None:
        try:
            known = self.known(group)
            if known and known.members > LARGE_MEMBERS and not at_once:
                await self._clock.sleep(self._chance.between(0, SPREAD_SECONDS))
            await self._refresh_until_fresh(group)
        finally:
            self._refreshing.discard(group)

    async def _refresh_until_fresh(self, group: GroupId) -> None:
        """Read until the group is fresh, `READ_TRIES` times at most.

        The next welcome or ping continues (`refresh_stale`).
        """
        tried = 0
        while (stored := self._store.groups.read(group)) and stored.is_stale:
            try:
                version = await self._read_anew(group)
            except (ApiError, Unreachable) as error:
                logger.warning("a group could not be refreshed now and is read later: %s", error)
                tried += 1
                if tried >= READ_TRIES:
                    return
                told = error.retry_after if isinstance(error, ApiError) else None
                await self._clock.sleep(told or self._chance.full_jitter(tried + SPREAD_ATTEMPT))
                continue
            stored = self._store.groups.read(group)
            self._emit(GroupRefreshed(group, version, left=bool(stored and stored.is_left)))

    async def _read_anew(self, group: GroupId) -> int:
        """Read the group and return the version that is known now. Raise ApiError or Unreachable."""
        stored = self._store.groups.read(group)
        heard = stored.heard_version if stored else 0
        try:
            fresh = await self._calls.show(group)
        except ApiError as error:
            if error.code != "not_found":
                raise
            self._store.groups.left_at(group, heard, now_ms=self._server_clock.now_ms())
            return heard
        if fresh.version < heard:
            self._keep(fresh)
            raise Unreachable("the service answered with an older version than it has announced")
        was_in = stored is not None and (stored.details or {}).get("role") is not None
        if was_in and fresh.role is None:  # an open group is visible to people outside it
            self._store.groups.left_at(group, fresh.version, now_ms=self._server_clock.now_ms())
        else:
            self._keep(fresh)
        return fresh.version

    def _keep(self, group: Group) -> Group:
        stored = self._store.groups.read(group.group)
        if stored and stored.heard_version < group.version:
            self._cipher.rotate(group.group)
        self._store.groups.save(group.group, group.version, asdict(group))
        return group

    def _gone(self, group: GroupId) -> None:
        stored = self._store.groups.read(group)
        if stored:
            self._store.groups.left_at(group, stored.heard_version + 1, now_ms=self._server_clock.now_ms())

    async def _put(self, group: str, account: AccountId, role: Role) -> Member:
        return await self._calls.put_member(parse_group(group), account, role)
