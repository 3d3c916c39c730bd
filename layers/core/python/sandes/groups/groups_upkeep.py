"""Jobs of the group queue: reporting changes, ending memberships, cleaning up after dissolved groups.

This module implements docs/protocol/groups.md and docs/adr/0019. Every job may come any number of times, and continues
where an earlier run stopped. Long jobs are divided: each run queues the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import EventDependencies, devices_event, new_event, send_event, told
from sandes.model.group import SYSTEM, Group, Member, Role
from sandes.model.ids import (
    AccountId,
    GroupId,
    OrganisationId,
    id_text,
    parse_account,
    parse_group,
    parse_message,
    parse_organisation,
)
from sandes.model.instant import Instant
from sandes.model.standing import Standing
from sandes.ports.queues import Queue
from sandes.races import retry_raced
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.group_operations import GroupRaced
from sandes.store.verifications import VerificationStore

MEMBERSHIPS_AT_ONCE = 25
MEMBERS_A_SECOND = 500
"""The rate at which the rows of a dissolved group's members are written. All of them are in the group's partition.

It is half of the rate of a DynamoDB partition (docs/adr/0042).
"""

MOST_LINKS = 2_000
"""The longest chain of queue entries, enough for an account with 50,000 groups, far more than anybody has. A dissolved
group of 100,000 members needs two hundred.
"""

MEMBERS_OUTLIVE_SECONDS = 30 * 86_400
"""How long the rows of members outlive their group. Earlier posts may still be on their way to them, for fourteen days
in a queue and fourteen in its dead-letter queue.
"""


@dataclass(frozen=True, slots=True)
class UpkeepDependencies:
    events: EventDependencies
    changes: GroupChangeStore
    directory: DirectoryStore
    verifications: VerificationStore
    work: Queue


def work(queued: Mapping[str, Any], *, now: Instant, deps: UpkeepDependencies) -> str:
    """Process an entry of the queue, and return the outcome for the log. Raises StoreUnavailable."""
    match queued["job"]:
        case "event":
            return send_event(queued, now=now, deps=deps.events)
        case "end_memberships":
            return _end_memberships(queued, now=now, deps=deps)
        case "devices_changed":
            return _devices_changed(queued, deps=deps)
        case "dissolve":
            return _dissolve(queued, now=now, deps=deps)
        case job:
            raise ValueError(f"no job is called {job}")


def _end_memberships(queued: Mapping[str, Any], *, now: Instant, deps: UpkeepDependencies) -> str:
    """End the memberships that depend on a verification.

    If an entry comes again, even days after the job was done, memberships that the account has gained since are kept.
    """
    account, ended = parse_account(queued["account"]), parse_organisation(queued["organisation"])
    if not deps.verifications.is_ending(account, ended):
        return "ended_before"
    last_of_it = deps.verifications.read(account)
    until_ms = None
    if last_of_it and last_of_it.organisation == ended and last_of_it.ended_at is not None:
        until_ms = last_of_it.ended_at * 1000 + 999
    after = parse_group(queued["after"]) if "after" in queued else None
    memberships, last = deps.events.groups.memberships(account, after=after, limit=MEMBERSHIPS_AT_ONCE)
    for group, _ in memberships:
        attempt = partial(_end_membership, account, group, ended, until_ms=until_ms, now=now, deps=deps)
        retry_raced(attempt, on=GroupRaced)
    if last is not None:
        deps.work.send({**queued, "after": id_text(last)})
        return "going_on"
    deps.verifications.done(account, ended, queued["version"])
    return "ended"


def _end_membership(
    account: AccountId,
    id: GroupId,
    ended: OrganisationId,
    *,
    until_ms: int | None,
    now: Instant,
    deps: UpkeepDependencies,
) -> None:
    """End a membership that began at `until_ms` or earlier.

    Raises GroupRaced if the account was verified again, or the membership changed, in between.
    """
    facts = deps.events.groups.facts(id, account, now_seconds=now.seconds)
    known = deps.directory.account(account)
    standing = known.standing_at(now.seconds) if known else None
    member = facts.own.member
    if facts.group is None or not facts.group.live or member is None:
        return
    if until_ms is not None and member.joined_at_ms > until_ms:
        return
    if not _ends(facts.group, member.role, ended, standing):
        return
    with told(new_event(id, GroupChange.REMOVED, SYSTEM, now=now, subject=account), deps.work) as event:
        deps.changes.remove(
            id,
            member,
            by=None,
            unless_official_of=facts.group.organisation,
            now_seconds=now.seconds,
            event=event,
        )


def _ends(group: Group, role: Role, ended: OrganisationId, standing: Standing | None) -> bool:
    """Tell whether an official membership ends with its verification. A citizen stays among citizens, but not as an
    admin.
    """
    if group.kind != "official":
        return False
    if standing and group.organisation in {standing.organisation, None}:
        return False
    return group.audience == "officials" or group.organisation == ended or role != "member"


def _devices_changed(queued: Mapping[str, Any], *, deps: UpkeepDependencies) -> str:
    """Give each group of the account a new version and tell it to make new sender keys, once for each change."""
    account, change = parse_account(queued["account"]), parse_message(queued["change"])
    known = deps.directory.account(account)
    there = {device.registration for device in known.devices.values()} if known else set()
    if (queued["registration"] in there) != queued["there"]:
        return "not_changed"
    after = parse_group(queued["after"]) if "after" in queued else None
    memberships, last = deps.events.groups.memberships(account, after=after, limit=MEMBERSHIPS_AT_ONCE)
    for group, _ in memberships:
        event = devices_event(group, account, change)
        with suppress(GroupRaced), told(event, deps.work):  # reported already, dissolved, or not a member any more
            deps.changes.devices_changed(group, account, of=change, event=event)
    if last is not None:
        deps.work.send({**queued, "after": id_text(last)})
        return "going_on"
    return "told"


def _dissolve(queued: Mapping[str, Any], *, now: Instant, deps: UpkeepDependencies) -> str:
    """Let the member rows of a dissolved group expire later. Posts still use them until then."""
    id, after = parse_group(queued["group"]), queued.get("after")
    group = deps.events.groups.read(id)
    if group is None or group.live:
        return "not_dissolved"
    page, after = deps.events.groups.members_page(id, after=after, limit=MEMBERS_A_SECOND, invitations=False)
    members = [member for member in page if isinstance(member, Member)]
    deps.changes.let_vanish(id, members, at=now.seconds + MEMBERS_OUTLIVE_SECONDS)
    if after is None:
        return "dissolved"
    deps.work.send({**queued, "after": after}, delay_seconds=1)
    return "going_on"
