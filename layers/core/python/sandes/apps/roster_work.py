"""Makes the changes of a large roster, some at a time (docs/adr/0022).

The changes are stored encrypted. The roster's row counts how many have been made (in the transaction that makes them)
and how many have been reported to members. A repeated run therefore makes no change twice, and later changes by others
stay. The ids of events follow from the roster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandes import runtime
from sandes.apps.app_groups import actor_of, may_be_in
from sandes.apps.rosters import decode_changes
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import Deliver, new_event, post_of, recipients
from sandes.model.group import MAX_ADMINS, Actor, Group, GroupEvent, Member
from sandes.model.ids import (
    AccountId,
    AppId,
    GroupId,
    app_text,
    id_text,
    new_message_id,
    new_one_time_id,
    parse_app,
    parse_group,
)
from sandes.model.instant import Instant
from sandes.model.roster import Change, ChangeKind, Roster
from sandes.ports.objects import ObjectMissing, Objects
from sandes.ports.queues import Queue
from sandes.protocol.app_groups_api import MAX_ROSTER_ROWS
from sandes.protocol.errors import ErrorCode
from sandes.races import Raced, retry_raced
from sandes.store.apps import AppStore
from sandes.store.directory import DirectoryStore, Known
from sandes.store.dynamo import StoreUnavailable
from sandes.store.group_changes import GroupChangeStore
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import GroupStore, Tie
from sandes.store.membership_changes import Together
from sandes.store.rosters import RosterStore

START_AFTER_SECONDS = 1
"""The delay of the work, long enough for its roster to be written."""

ORPHAN_SECONDS = 120
"""Queued work that has no roster after this time belongs to a failed request."""

CHUNK = 30
"""The most changes in one transaction. There are fewer if they need more operations than it allows."""

TOLD_AT_ONCE = 8
"""The concurrent reports. Each is four calls, one after the other, and a client has ten connections."""

RUN_SECONDS = 8
"""How long a run takes. The rest is then queued again, behind the rosters of others."""

_MOST_OPERATIONS = 98
_NOT_YET_SECONDS = 5

MOST_LINKS = 2 * (2 * MAX_ROSTER_ROWS // CHUNK + ORPHAN_SECONDS // _NOT_YET_SECONDS)
"""The longest chain of queue entries: twice what a roster needs that replaces every member of the largest group, with
one chunk in each entry.
"""


TELLS = {
    ChangeKind.ADD: GroupChange.JOINED,
    ChangeKind.REMOVE: GroupChange.REMOVED,
    ChangeKind.SET_ROLE: GroupChange.ROLE,
}


class _Overtaken(Exception):
    """Reports that another run of the work has taken over."""


@dataclass(frozen=True, slots=True)
class RosterWorkDependencies:
    """Holds the dependencies. `clock` is read between chunks, because the work takes many seconds."""

    apps: AppStore
    directory: DirectoryStore
    groups: GroupStore
    changes: GroupChangeStore
    rosters: RosterStore
    objects: Objects
    work: Queue
    deliver: Deliver
    pepper: Pepper
    max_expiry_seconds: int
    clock: Callable[[], Instant]


def job(app: AppId, group: GroupId, roster: str, *, until: int) -> dict[str, Any]:
    """Build the queue's entry, which holds only references. `until` is epoch seconds."""
    return {"app": app_text(app), "group": id_text(group), "roster": roster, "until": until}


def object_name(app: AppId, group: GroupId, roster: str) -> str:
    """Return the name of the object with a roster's changes."""
    return f"rows/rosters/{app_text(app)}/{id_text(group)}/{roster}"


def object_owner(roster: str) -> bytes:
    """Return the context to which the changes are encrypted."""
    return f"roster/{roster}".encode()


def event_of(group: Group, change: Change, actor: Actor, *, now: Instant) -> GroupEvent:
    """Build the event for the member concerned and for admins."""
    joined = change.kind is ChangeKind.ADD
    return new_event(
        group.id,
        TELLS[change.kind],
        actor,
        now=now,
        subject=change.account,
        role=None if change.kind is ChangeKind.REMOVE else change.role,
        name=group.name if joined else None,
        narrow=True,
    )


def together_of(changes: Sequence[Change], ties: Mapping[AccountId, Tie], *, version: int, now: Instant) -> Together:
    """Select the changes that are not in effect yet. `version` is the group's before them."""
    add, remove, roles, invited = [], [], [], []
    for change in changes:
        member = ties[change.account].member
        if change.kind is ChangeKind.REMOVE:
            if member is not None:
                remove.append(member)
        elif member is None:
            if change.kind is ChangeKind.ADD:  # a member who has left before a change of role is not brought back
                add.append(Member(change.account, change.role, now.ms, version + 1))
                if ties[change.account].invitation is not None:
                    invited.append(change.account)
        elif member.role != change.role:
            roles.append((member, change.role))
    return Together(add, remove, roles, invited)


def work(queued: Mapping[str, Any], *, deps: RosterWorkDependencies) -> str:
    """Make changes for some seconds and queue the rest. Return the outcome for the log. Raises StoreUnavailable.

    An entry may come twice. A run that another one has overtaken queues nothing, so that there are never two of them.
    """
    app, group = parse_app(queued["app"]), parse_group(queued["group"])
    name = object_name(app, group, queued["roster"])
    roster = deps.rosters.read(group)
    if roster is None or roster.id != queued["roster"]:
        if deps.clock().seconds <= queued["until"]:
            deps.work.send(dict(queued), delay_seconds=_NOT_YET_SECONDS)
            return "not_yet"
        deps.objects.delete(name)
        return "orphan"
    if roster.state == "applying":
        try:
            roster = _apply(roster, app, name, deps)
        except _Overtaken:
            return "overtaken"
    if roster.state == "applying":
        deps.work.send(dict(queued))
    else:
        deps.objects.delete(name)
    return roster.state


def _apply(roster: Roster, app_id: AppId, name: str, deps: RosterWorkDependencies) -> Roster:
    """Return the roster after this run. Raises _Overtaken."""
    app = deps.apps.read(app_id)
    if app is None:
        return _failed(roster, ErrorCode.NOT_FOUND, deps)
    telling = _Telling(roster, actor_of(app), deps)
    try:
        sealed = b"".join(deps.objects.read(name, etag=None))
    except ObjectMissing:
        telling.that_members_changed(deps.groups.read(roster.group))
        return _failed(roster, ErrorCode.INTERNAL, deps)
    changes = decode_changes(deps.pepper.open(sealed, object_owner(roster.id)))
    run, until_ms = new_one_time_id(), deps.clock().ms + RUN_SECONDS * 1000
    while roster.state == "applying" and deps.clock().ms < until_ms:
        roster = _Chunk(roster, changes, run, telling, deps).make()
    return roster


def _failed(roster: Roster, code: ErrorCode, deps: RosterWorkDependencies) -> Roster:
    """Mark the roster as failed. If another run was faster, return the roster as that run has left it."""
    if deps.rosters.fail(roster, code.value, now_ms=deps.clock().ms):
        return replace(roster, state="failed", failure=code.value)
    return deps.rosters.read(roster.group) or roster


def _no_room(before: Group, after: Group) -> ErrorCode | None:
    """Return why the group has no room, or None. Others may have joined or become admins since the comparison."""
    if after.members > before.limit:
        return ErrorCode.GROUP_FULL
    if len(after.admins) > MAX_ADMINS and after.admins - before.admins:
        return ErrorCode.TOO_MANY_ADMINS
    return None


def _as_they_stand(changes: Sequence[Change], ties: Mapping[AccountId, Tie]) -> list[Change]:
    """Return the changes that an earlier run has made and nobody has reverted since."""
    standing = []
    for change in changes:
        member = ties[change.account].member
        if (change.kind is ChangeKind.REMOVE) != (member is None):
            continue
        if change.kind is ChangeKind.SET_ROLE and member and member.role != change.role:
            continue
        standing.append(replace(change, role=member.role) if member else change)
    return standing


class _Chunk:
    """Holds the next changes of a roster. They are made in one transaction, reported, and then counted as done."""

    def __init__(
        self, roster: Roster, changes: Sequence[Change], run: str, telling: _Telling, deps: RosterWorkDependencies
    ) -> None:
        self._roster = roster
        self._all = changes
        self._run = run
        self._telling = telling
        self._now = deps.clock()
        self._deps = deps

    def make(self) -> Roster:
        """Return the roster afterwards. Raises _Overtaken, or StoreUnavailable."""
        return retry_raced(self._attempt, otherwise=StoreUnavailable())

    def _attempt(self) -> Roster:
        try:
            return self._try()
        except GroupRaced:  # somebody joined or left, or another run was faster
            stands = self._deps.rosters.read(self._roster.group)
            if stands is None or stands.id != self._roster.id:
                raise _Overtaken from None
            if (stands.done, stands.made) == (self._roster.done, self._roster.made):
                if stands.state != "applying":
                    return stands
                raise Raced from None
            if stands.run != self._run:
                raise _Overtaken from None
            if stands.done > self._roster.done:
                return stands  # this run has counted them, but its answer was lost
            self._roster = stands  # this run has made them, but its answer was lost
            raise Raced from None

    def _try(self) -> Roster:
        roster = self._roster
        first_to_make, made_before = roster.done, roster.made > roster.done
        some = self._all[first_to_make : roster.made if made_before else first_to_make + CHUNK]
        accounts = [change.account for change in some]
        group, ties = self._deps.groups.ties(roster.group, accounts, now_seconds=self._now.seconds)
        if group is None or not group.live:
            return _failed(roster, ErrorCode.NOT_FOUND, self._deps)
        if made_before:
            there = _as_they_stand(some, ties)
        else:
            some, together = self._fitting(group, some, ties)
            if (failure := _no_room(group, together.applied_to(group))) is not None:
                self._telling.that_members_changed(group)
                return _failed(roster, failure, self._deps)
            group = self._made(group, together, roster.made + len(some))
            left = {account for account, tie in ties.items() if tie.member is None}
            there = [
                one
                for one in self._permitted(group, some)
                if one.kind is not ChangeKind.SET_ROLE or one.account not in left
            ]
        return self._told(group, there)

    def _fitting(
        self, group: Group, some: Sequence[Change], ties: Mapping[AccountId, Tie]
    ) -> tuple[Sequence[Change], Together]:
        """Return as many of the changes as one transaction allows, and the part of them to make."""
        permitted = list(self._permitted(group, some))
        while True:
            together = together_of(
                [one for one in permitted if one in some], ties, version=group.version, now=self._now
            )
            if together.operations(group) <= _MOST_OPERATIONS:
                return some, together
            some = some[:-1]

    def _made(self, group: Group, together: Together, made: int) -> Group:
        """Make changes and record in the same transaction that they are made. Raises GroupRaced."""
        noting = self._deps.rosters.making(self._roster, made, run=self._run)
        if together.operations(group):
            group = self._deps.changes.together(group, together, now_seconds=self._now.seconds, beside=[noting])
        elif not self._deps.rosters.make(noting):
            raise GroupRaced
        self._roster = replace(self._roster, made=made, run=self._run)
        return group

    def _told(self, group: Group, changes: Sequence[Change]) -> Roster:
        """Report the made changes to everybody concerned, and count them as done. Raises GroupRaced."""
        roster, is_last = self._roster, self._roster.made == len(self._all)
        self._telling.each(group, changes, now=self._now)
        if is_last:
            self._telling.that_members_changed(group)
        if not self._deps.rosters.advance(roster, roster.made, run=self._run, now_ms=self._deps.clock().ms):
            raise GroupRaced
        return replace(roster, done=roster.made, state="done" if is_last else "applying", run=self._run)

    def _permitted(self, group: Group, changes: Sequence[Change]) -> Iterator[Change]:
        """Yield the changes without those for people who may not be in the group. A verification may have ended
        meanwhile.
        """
        asked = [change.account for change in changes if change.kind is not ChangeKind.REMOVE]
        people: Mapping[AccountId, Known] = self._deps.directory.people(asked)
        for change in changes:
            known = people.get(change.account)
            standing = known.standing_at(self._now.seconds) if known else None
            if change.kind is ChangeKind.REMOVE or may_be_in(group, change.role, standing):
                yield change


class _Telling:
    """Reports a roster's changes. A repeated report has the same ids, which follow from roster and subject."""

    def __init__(self, roster: Roster, actor: Actor, deps: RosterWorkDependencies) -> None:
        self._roster = roster
        self._actor = actor
        self._deps = deps

    def each(self, group: Group, changes: Sequence[Change], *, now: Instant) -> None:
        """Report each change to the member concerned."""

        def tell(change: Change) -> None:
            event = self._named(event_of(group, change, self._actor, now=now), change.account)
            self._post(group, event, [change.account], now)

        runtime.together(tell, changes, at_once=TOLD_AT_ONCE)

    def that_members_changed(self, group: Group | None) -> None:
        """Report the end of the roster to the remaining members, also after a failure. Do nothing if the group
        is gone.
        """
        if group is None or not group.live:
            return
        now = self._deps.clock()
        members = new_event(group.id, GroupChange.MEMBERS, self._actor, now=now)
        event = self._named(members, b"")
        for message, to in recipients(group, event):
            self._post(group, replace(event, message=message), to, now)

    def _named(self, event: GroupEvent, about: bytes) -> GroupEvent:
        key = self._roster.id.encode()
        chosen = hashlib.blake2b(about, key=key, digest_size=10, person=b"sandes-roster").digest()
        return replace(event, message=new_message_id(self._roster.started_at_ms, chosen))

    def _post(self, group: Group, event: GroupEvent, to: Sequence[AccountId] | None, now: Instant) -> None:
        post = post_of(group, event, event.message, self._deps.max_expiry_seconds)
        self._deps.deliver(post, to=to, now=now)
