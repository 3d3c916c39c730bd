"""Rosters: comparing a complete list of members with a group, and starting the changes.

This module implements docs/apps/groups.md, "Rosters", and docs/adr/0022. Few changes are one transaction, including
their events. Many changes are stored encrypted in an object, and `roster_work` makes them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sandes.apps.app_groups import (
    AppGroupDependencies,
    actor_of,
    check_version,
    is_guest,
    is_unbound,
    may_be_in,
    own,
    pay,
)
from sandes.apps.quotas import day_ends_in
from sandes.apps.roster_work import (
    ORPHAN_SECONDS,
    START_AFTER_SECONDS,
    event_of,
    job,
    object_name,
    object_owner,
    together_of,
)
from sandes.apps.rosters import (
    NOT_A_GUEST,
    UNKNOWN_RECIPIENT,
    Difference,
    Entry,
    Wanted,
    difference,
    encode_changes,
    read_rows,
    settle,
)
from sandes.crypto.codes import same
from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import all_told, new_event
from sandes.identity.apps import AppCaller, AppRequest
from sandes.model.group import MAX_ADMINS, Actor, Group, Role
from sandes.model.ids import AccountId, GroupId, new_one_time_id
from sandes.model.instant import Instant
from sandes.model.roster import Change, Roster, RosterFault
from sandes.protocol import app_groups_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.directory import Known
from sandes.store.dynamo import ConditionFailed
from sandes.store.group_operations import GroupRaced
from sandes.store.membership_changes import Together

AT_ONCE = 20
"""The most changes that are made immediately. They fit into one transaction of 100 operations, each with its event."""

MOST_OPERATIONS = 97
"""The most operations of the changes. The others are the group, the roster, and the event for the remaining members."""

NO_GOOD_ROW = "no_good_row"


def put(
    request: AppRequest,
    id: GroupId,
    body: app_groups_api.PutRoster,
    version: int | None,
    *,
    now: Instant,
    deps: AppGroupDependencies,
) -> app_groups_api.Roster:
    """Compare a roster with the members, and make or queue the changes unless it is a dry run.

    The same request for the same version again is answered with the progress of the first one, unless that has failed.
    Each row about an account that is no member counts as a message of the day, so that nobody can try numbers or
    accounts here free of charge. If all members get an event about the changes, it counts like a message to them.
    Raises ProtocolError not_found, too_large, precondition_failed, roster_busy, invalid_request (for rows of which none
    is valid), group_full, too_many_admins, quota_exceeded, and the errors of `identify`. Nothing is changed then.
    """
    if len(body.members) > app_groups_api.MAX_ROSTER_ROWS:
        raise invalid(ErrorCode.TOO_LARGE, "/members", f"at_most_{app_groups_api.MAX_ROSTER_ROWS}_rows")
    if len(request.signed.body) > app_groups_api.MAX_ROSTER_BYTES:
        raise invalid(ErrorCode.TOO_LARGE, "", f"at_most_{app_groups_api.MAX_ROSTER_BYTES}_bytes")
    caller, group, _ = own(request, id, now, deps)
    fingerprint = request.body_fingerprint(deps.pepper)
    if not body.dry_run and (stands := deps.rosters.read(id)):
        if _is_repetition(stands, version, request.body_fingerprint(deps.pepper, stands.fingerprint)):
            return shown(stands)
        if stands.state == "applying":
            raise ProtocolError(ErrorCode.ROSTER_BUSY)
    check_version(version, group)
    found = _Comparing(caller, group, now, deps).compare(body.members)
    roster = Roster(
        group=id,
        id=new_one_time_id(),
        version=group.version,
        fingerprint=fingerprint,
        state="applying",
        counts=found.counts,
        faults=found.faults[: app_groups_api.MAX_SHOWN_FAULTS],
        done=0,
        started_at_ms=now.ms,
    )
    if body.dry_run:
        return shown(roster).model_copy(update={"state": "checked", "started_at": None})
    if found.changes:
        pay(caller, group, GroupChange.MEMBERS, now, deps)
    return shown(_Starting(actor_of(caller.app), group, roster, now, deps).start(found.changes))


def state(request: AppRequest, id: GroupId, *, now: Instant, deps: AppGroupDependencies) -> app_groups_api.Roster:
    """Return the progress of the last roster. Raises ProtocolError not_found, and the errors of `identify`."""
    own(request, id, now, deps)
    roster = deps.rosters.read(id)
    return shown(roster) if roster else app_groups_api.Roster(state="none")


def _is_repetition(stands: Roster, version: int | None, fingerprint: bytes) -> bool:
    """Tell whether the request repeats the roster `stands`. A failed roster is started again.

    A request for any version only repeats a roster that is still being applied. After that, the group may have changed.
    """
    if stands.state == "failed" or not same(stands.fingerprint, fingerprint):
        return False
    return version == stands.version or (version is None and stands.state == "applying")


class _Comparing:
    """Compares one roster with one group. It reads the group's members, and the accounts of the roster's other
    people.
    """

    def __init__(self, caller: AppCaller, group: Group, now: Instant, deps: AppGroupDependencies) -> None:
        self._caller = caller
        self._group = group
        self._now_seconds = now.seconds
        self._deps = deps

    def compare(self, rows: Sequence[app_groups_api.RosterRow]) -> Difference:
        read, faults = read_rows(rows, self._deps.pepper)
        entries, strangers = self._reachable(read)
        members = {
            member.account: member.role for page in self._deps.groups.member_pages(self._group.id) for member in page
        }
        accounts = self._deps.directory.accounts_of_phones([entry.index for entry in entries if entry.index])
        self._pay(sum((entry.account or accounts.get(entry.index)) not in members for entry in entries))
        fault_of = self._judge(entries, accounts, members)
        wanted = settle(entries, accounts, fault_of=fault_of, faults=[*faults, *strangers])
        self._check(rows, wanted)
        return difference(members, wanted)

    def _reachable(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], list[RosterFault]]:
        """Separate the entries that the caller may reach. Numbers that are not guests are not looked up."""
        if is_unbound(self._caller):
            return entries, []
        guests = self._caller.app.guests
        good = [entry for entry in entries if not entry.indexes or not guests.isdisjoint(entry.indexes)]
        bad = [entry for entry in entries if entry.indexes and guests.isdisjoint(entry.indexes)]
        return good, [RosterFault(entry.row, NOT_A_GUEST) for entry in bad]

    def _pay(self, strangers: int) -> None:
        if not strangers:
            return
        taking = self._deps.quotas.taking_day(
            self._caller.app, strangers, test=self._caller.key.test, now_seconds=self._now_seconds
        )
        try:
            self._deps.view.deliveries.write([taking])
        except ConditionFailed:
            wait = day_ends_in(self._now_seconds)
            raise ProtocolError(ErrorCode.QUOTA_EXCEEDED, retry_after_seconds=wait) from None

    def _judge(
        self, entries: Sequence[Entry], accounts: Mapping[str, AccountId], members: Mapping[AccountId, Role]
    ) -> Callable[[AccountId, Role], str | None]:
        """Return a function that says why an account may not be in the group in a role, or None if it may.

        A member who has the role already stays, because ended verifications are not a roster's business. An account
        that the group is not for gets the same fault as one that does not exist.
        """
        group, unbound = self._group, is_unbound(self._caller)
        plain = group.audience == "citizens" and unbound
        asked = []
        for entry in entries:
            account = entry.account or accounts.get(entry.index)
            if account is None or members.get(account) == entry.role:
                continue
            if entry.account or entry.role != "member" or not plain:
                asked.append(account)
        people: dict[AccountId, Known] = self._deps.directory.people(asked)
        numbered = set(accounts.values())

        def fault(account: AccountId, role: Role) -> str | None:
            if members.get(account) == role:
                return None
            known = people.get(account)
            if not unbound and (known is None or not is_guest(self._caller, account, known, self._deps.pepper)):
                return NOT_A_GUEST
            if known is None:
                is_good = account in numbered and plain and role == "member"
            else:
                is_good = may_be_in(group, role, known.standing_at(self._now_seconds))
            return None if is_good else UNKNOWN_RECIPIENT

        return fault

    def _check(self, rows: Sequence[app_groups_api.RosterRow], wanted: Wanted) -> None:
        if rows and not wanted.roles:
            raise invalid(ErrorCode.INVALID_REQUEST, "/members", NO_GOOD_ROW)
        if len(wanted.roles) > self._group.limit:
            raise ProtocolError(ErrorCode.GROUP_FULL)
        if sum(role == "admin" for role in wanted.roles.values()) > MAX_ADMINS:
            raise ProtocolError(ErrorCode.TOO_MANY_ADMINS)


class _Starting:
    """Makes the changes of one roster if they are few, and queues them otherwise."""

    def __init__(self, actor: Actor, group: Group, roster: Roster, now: Instant, deps: AppGroupDependencies) -> None:
        self._actor = actor
        self._group = group
        self._roster = roster
        self._now = now
        self._deps = deps

    def start(self, changes: Sequence[Change]) -> Roster:
        """Return the roster after the start. Raises ProtocolError not_found, roster_busy, precondition_failed."""
        try:
            if len(changes) > AT_ONCE:
                return self._queue(changes)
            accounts = [change.account for change in changes]
            _, ties = self._deps.groups.ties(self._group.id, accounts, now_seconds=self._now.seconds)
            together = together_of(changes, ties, version=self._group.version, now=self._now)
            if together.operations(self._group) + len(changes) > MOST_OPERATIONS:
                return self._queue(changes)
            return self._make(changes, together)
        except GroupRaced:
            return self._overtaken()

    def _make(self, changes: Sequence[Change], together: Together) -> Roster:
        """Make all changes in one transaction, including their events."""
        done = replace(self._roster, state="done", done=len(changes), made=len(changes), finished_at_ms=self._now.ms)
        putting = self._deps.rosters.putting(done)
        if not changes:
            self._deps.changes.unchanged(self._group, beside=[putting])
            return done
        events = [event_of(self._group, change, self._actor, now=self._now) for change in changes]
        events.append(new_event(self._group.id, GroupChange.MEMBERS, self._actor, now=self._now))
        with all_told(events, self._deps.work):
            self._deps.changes.together(
                self._group,
                together,
                version=self._group.version,
                now_seconds=self._now.seconds,
                events=events,
                beside=[putting],
            )
        return done

    def _queue(self, changes: Sequence[Change]) -> Roster:
        """Queue the work before the roster is written, because the worker looks for the roster."""
        roster, app = self._roster, self._group.app
        if app is None:
            raise ValueError("a group of no app")
        sealed = self._deps.pepper.seal(encode_changes(changes), object_owner(roster.id))
        self._deps.objects.put(object_name(app, roster.group, roster.id), io.BytesIO(sealed))
        entry = job(app, roster.group, roster.id, until=self._now.seconds + ORPHAN_SECONDS)
        self._deps.roster_work.send(entry, delay_seconds=START_AFTER_SECONDS)
        self._deps.changes.unchanged(self._group, beside=[self._deps.rosters.putting(roster)])
        return roster

    def _overtaken(self) -> Roster:
        """Return a repetition's roster, or raise the reason why the group or its roster changed since the
        comparison.
        """
        group = self._deps.groups.read(self._group.id)
        if group is None or not group.live:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        stands = self._deps.rosters.read(self._group.id)
        if stands and _is_repetition(stands, self._roster.version, self._roster.fingerprint):
            return stands
        if stands and stands.state == "applying":
            raise ProtocolError(ErrorCode.ROSTER_BUSY)
        if group.version == self._group.version:  # the group is unchanged, so somebody's verification has ended
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)


def shown(roster: Roster) -> app_groups_api.Roster:
    counts = roster.counts
    return app_groups_api.Roster(
        state=roster.state,
        added=counts.added,
        removed=counts.removed,
        role_changed=counts.role_changed,
        unchanged=counts.unchanged,
        invalid=counts.invalid,
        faults=[app_groups_api.RosterFault(row=fault.row, code=fault.code) for fault in roster.faults],
        done=roster.done,
        total=counts.changes,
        failure=roster.failure,
        started_at=_time(roster.started_at_ms),
        finished_at=_time(roster.finished_at_ms) if roster.finished_at_ms else None,
    )


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
