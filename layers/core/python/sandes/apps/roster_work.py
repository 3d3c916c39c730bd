"""Making the changes of a large roster, some at a time (docs/adr/0022).

What is to change is kept sealed; what has been changed is read from the group itself. So a chunk may be made again:
who is in already is not added again, who is out is not removed again, and events have ids that follow from the roster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

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
from sandes.model.roster import Change, ChangeKind, Roster
from sandes.objects import ObjectMissing, Objects
from sandes.protocol.app_groups_api import MAX_ROSTER_ROWS
from sandes.protocol.errors import ErrorCode
from sandes.queues import Queue
from sandes.store.apps import AppStore
from sandes.store.directory import DirectoryStore, Known
from sandes.store.dynamo import StoreUnavailable
from sandes.store.group_changes import GroupChangeStore, GroupRaced, Together
from sandes.store.groups import GroupStore, Tie
from sandes.store.rosters import RosterStore

START_AFTER_SECONDS = 1
"""Long enough for the roster to be written that calls for the work."""

ORPHAN_SECONDS = 120
"""Queued work whose roster is not there after this time belongs to a request that failed."""

CHUNK = 30
"""Changes in one transaction: at most three operations each, the invitations of a few, the group, the roster."""

TOLD_AT_ONCE = 8
"""Each is four calls, one after the other; a client keeps ten connections."""

RUN_SECONDS = 8
"""After so long the rest is queued anew, behind the rosters of others."""

_MOST_OPERATIONS = 98
_NOT_YET_SECONDS = 5

MOST_LINKS = 2 * (2 * MAX_ROSTER_ROWS // CHUNK + ORPHAN_SECONDS // _NOT_YET_SECONDS)
"""Bounds how many queue entries may lead to one another: twice what a roster needs that replaces every member of the
largest group, at one chunk an entry."""

_TRIES = 4

TELLS = {
    ChangeKind.ADD: GroupChange.JOINED,
    ChangeKind.REMOVE: GroupChange.REMOVED,
    ChangeKind.SET_ROLE: GroupChange.ROLE,
}


class _Overtaken(Exception):
    """Another run of the work has come in between, and goes on."""


@dataclass(frozen=True, slots=True)
class RosterWorkDependencies:
    """`clock_ms` is asked between chunks: work goes on for many seconds."""

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
    clock_ms: Callable[[], int]


def job(app: AppId, group: GroupId, roster: str, *, until: int) -> dict[str, Any]:
    """The queue's entry: references only. `until`: epoch seconds."""
    return {"app": app_text(app), "group": id_text(group), "roster": roster, "until": until}


def object_name(app: AppId, group: GroupId, roster: str) -> str:
    """Of the changes that a roster makes."""
    return f"rows/{app_text(app)}/{id_text(group)}/{roster}"


def object_owner(roster: str) -> bytes:
    """What the sealed changes are bound to."""
    return f"roster/{roster}".encode()


def event_of(group: Group, change: Change, actor: Actor, *, now_ms: int) -> GroupEvent:
    """For the one whom it is about, and for admins."""
    joined = change.kind is ChangeKind.ADD
    return new_event(
        group.id,
        TELLS[change.kind],
        actor,
        now_ms=now_ms,
        subject=change.account,
        role=None if change.kind is ChangeKind.REMOVE else change.role,
        name=group.name if joined else None,
        narrow=True,
    )


def together_of(changes: Sequence[Change], ties: Mapping[AccountId, Tie], *, now_ms: int) -> Together:
    """What of the changes is not so already."""
    add, remove, roles, invited = [], [], [], []
    for change in changes:
        member = ties[change.account].member
        if change.kind is ChangeKind.REMOVE:
            if member is not None:
                remove.append(member)
        elif member is None:
            if change.kind is ChangeKind.ADD:  # whose role was to change and who has left is not brought back
                add.append(Member(change.account, change.role, now_ms))
                if ties[change.account].invitation is not None:
                    invited.append(change.account)
        elif member.role != change.role:
            roles.append((member, change.role))
    return Together(add, remove, roles, invited)


def work(queued: Mapping[str, Any], *, deps: RosterWorkDependencies) -> str:
    """Make changes for some seconds and queue the rest; what was done, for the log. Raises StoreUnavailable.

    An entry may come twice: the run that another one overtakes queues nothing, or there would be two from then on.
    """
    app, group = parse_app(queued["app"]), parse_group(queued["group"])
    name = object_name(app, group, queued["roster"])
    roster = deps.rosters.read(group)
    if roster is None or roster.id != queued["roster"]:
        if deps.clock_ms() // 1000 <= queued["until"]:
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
    """The roster as it stands after this run. Raises _Overtaken."""
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
    run, until_ms = new_one_time_id(), deps.clock_ms() + RUN_SECONDS * 1000
    while roster.state == "applying" and deps.clock_ms() < until_ms:
        roster = _Chunk(roster, changes, run, telling, deps).make()
    return roster


def _failed(roster: Roster, code: ErrorCode, deps: RosterWorkDependencies) -> Roster:
    """Another run may have been faster: then it stands as that one has left it."""
    if deps.rosters.fail(roster, code.value, now_ms=deps.clock_ms()):
        return replace(roster, state="failed", failure=code.value)
    return deps.rosters.read(roster.group) or roster


def _no_room(before: Group, after: Group) -> ErrorCode | None:
    """Others may have joined, or been made admins, since the roster was compared with the group."""
    if after.members > before.limit:
        return ErrorCode.GROUP_FULL
    if len(after.admins) > MAX_ADMINS and after.admins - before.admins:
        return ErrorCode.TOO_MANY_ADMINS
    return None


class _Chunk:
    """The next changes of a roster: made in one transaction or a few, told, and then counted as done."""

    def __init__(
        self, roster: Roster, changes: Sequence[Change], run: str, telling: _Telling, deps: RosterWorkDependencies
    ) -> None:
        self._roster = roster
        self._changes = changes[roster.done : roster.done + CHUNK]
        self._is_last = roster.done + len(self._changes) == len(changes)
        self._run = run
        self._telling = telling
        self._now_ms = deps.clock_ms()
        self._deps = deps

    def make(self) -> Roster:
        """The roster after it. Raises _Overtaken, or StoreUnavailable."""
        for _ in range(_TRIES):
            try:
                return self._try()
            except GroupRaced:  # somebody joined or left, or another run was faster
                stands = self._deps.rosters.read(self._roster.group)
                if (
                    stands is not None
                    and (stands.id, stands.run) == (self._roster.id, self._run)
                    and (stands.done == self._roster.done + len(self._changes))
                ):
                    return stands  # counted by this run, whose answer was lost
                if stands is None or (stands.id, stands.done) != (self._roster.id, self._roster.done):
                    raise _Overtaken from None
        raise StoreUnavailable

    def _try(self) -> Roster:
        deps, roster, now_seconds = self._deps, self._roster, self._now_ms // 1000
        accounts = [change.account for change in self._changes]
        group, ties = deps.groups.ties(roster.group, accounts, now_seconds=now_seconds)
        if group is None or not group.live:
            return _failed(roster, ErrorCode.NOT_FOUND, deps)
        changes = list(self._permitted(group))
        together = together_of(changes, ties, now_ms=self._now_ms)
        if (failure := _no_room(group, together.applied_to(group))) is not None:
            self._telling.that_members_changed(group)
            return _failed(roster, failure, deps)
        for some in together.pieces(group, _MOST_OPERATIONS):
            group = deps.changes.together(group, some, now_seconds=now_seconds, beside=[deps.rosters.checking(roster)])
        left = {account for account, tie in ties.items() if tie.member is None}
        there = [one for one in changes if one.kind is not ChangeKind.SET_ROLE or one.account not in left]
        self._telling.each(group, there, now_ms=self._now_ms)
        if self._is_last:
            self._telling.that_members_changed(group)
        done = roster.done + len(self._changes)
        if not deps.rosters.advance(roster, done, run=self._run, now_ms=deps.clock_ms()):
            raise GroupRaced
        return replace(roster, done=done, state="done" if self._is_last else "applying", run=self._run)

    def _permitted(self, group: Group) -> Iterator[Change]:
        """Without those whom the group is not for any more: an official's verification may have ended meanwhile."""
        asked = [change.account for change in self._changes if change.kind is not ChangeKind.REMOVE]
        people: Mapping[AccountId, Known] = self._deps.directory.people(asked)
        for change in self._changes:
            known = people.get(change.account)
            standing = known.standing_at(self._now_ms // 1000) if known else None
            if change.kind is ChangeKind.REMOVE or may_be_in(group, change.role, standing):
                yield change


class _Telling:
    """What a roster changes. Told again, it is told once: ids follow from the roster and from whom it is about."""

    def __init__(self, roster: Roster, actor: Actor, deps: RosterWorkDependencies) -> None:
        self._roster = roster
        self._actor = actor
        self._deps = deps

    def each(self, group: Group, changes: Sequence[Change], *, now_ms: int) -> None:
        """To everybody whom one of the changes is about."""

        def tell(change: Change) -> None:
            event = self._named(event_of(group, change, self._actor, now_ms=now_ms), change.account)
            self._post(group, event, [change.account], now_ms)

        with ThreadPoolExecutor(TOLD_AT_ONCE) as pool:
            for _ in pool.map(tell, changes):
                pass  # or raise what it raised

    def that_members_changed(self, group: Group | None) -> None:
        """To those who stay, once the roster ends, however it ends. A group that is gone has nobody to tell."""
        if group is None or not group.live:
            return
        now_ms = self._deps.clock_ms()
        members = new_event(group.id, GroupChange.MEMBERS, self._actor, now_ms=now_ms)
        event = self._named(members, b"")
        for message, to in recipients(group, event):
            self._post(group, replace(event, message=message), to, now_ms)

    def _named(self, event: GroupEvent, about: bytes) -> GroupEvent:
        chosen = self._deps.pepper.fingerprint("roster-event", self._roster.id.encode(), about)[:10]
        return replace(event, message=new_message_id(self._roster.started_at_ms, chosen))

    def _post(self, group: Group, event: GroupEvent, to: Sequence[AccountId] | None, now_ms: int) -> None:
        post = post_of(group, event, event.message, self._deps.max_expiry_seconds)
        self._deps.deliver(post, to=to, now_ms=now_ms)
