"""Official groups: create, change, set admins, move to another unit, dissolve (docs/protocol/groups.md).

Callers have checked the right before. A group's admins decide on its members; this module only sets the admins, who
must be officials of the organisation. A store with a writer (`writing`) makes an audit entry part of each transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import all_told, new_event, told
from sandes.model.group import MAX_ADMINS, MAX_OFFICIAL_MEMBERS, SYSTEM, Group, GroupEvent, Member, Posting
from sandes.model.ids import AccountId, GroupId, OrganisationId, UnitId, new_group_id
from sandes.model.instant import Instant
from sandes.ports.queues import Queue
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.races import retry_raced
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import GroupStore, event_put
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import Writer


@dataclass(frozen=True, slots=True)
class OfficialGroupDependencies:
    groups: GroupStore
    changes: GroupChangeStore
    organisations: OrganisationStore
    directory: DirectoryStore
    work: Queue

    def writing(self, writer: Writer, *, unit: UnitId | None = None) -> OfficialGroupDependencies:
        """Return the dependencies with a store that writes by `writer`. If `unit` is set, a group is changed only while
        it is there.
        """
        return replace(self, changes=replace(self.changes, writer=writer, unit=unit))


def create(
    organisation: OrganisationId,
    unit: UnitId,
    name: str,
    *,
    audience: Literal["officials", "citizens"] = "officials",
    posting: Posting | None = None,
    is_open: bool = False,
    admins: Sequence[AccountId] = (),
    id: GroupId | None = None,
    now: Instant,
    deps: OfficialGroupDependencies,
) -> Group:
    """Create a group. In a group for citizens only admins can post. By default, `id` is drawn.

    Raises ProtocolError not_found, invalid_request, unavailable.
    """
    if audience == "citizens" and posting == "all":
        raise invalid(ErrorCode.INVALID_REQUEST, "/posting", "receive_only")
    named = list(dict.fromkeys(admins))
    check_unit(organisation, unit, deps)
    _check_officials(named, organisation, now, deps)
    group = Group(
        id=id or new_group_id(),
        name=name,
        kind="official",
        audience=audience,
        posting=posting or ("admins" if audience == "citizens" else "all"),
        open=is_open,
        members=len(named),
        limit=MAX_OFFICIAL_MEMBERS,
        version=1,
        state="live",
        created_at=now.seconds,
        organisation=organisation,
        unit=unit,
        admins=frozenset(named),
    )
    events = [_joined(group, admin, now) for admin in named]
    try:
        with all_told(events, deps.work):
            deps.changes.create(
                group,
                [Member(admin, "admin", now.ms, group.version) for admin in named],
                officials_of=organisation,
                now_seconds=now.seconds,
                beside=[event_put(deps.changes.table, event) for event in events],
            )
    except GroupRaced:  # unit or verification ended at the same moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
    return group


def change(
    id: GroupId,
    *,
    name: str | None = None,
    posting: Posting | None = None,
    is_open: bool | None = None,
    version: int | None = None,
    now: Instant,
    deps: OfficialGroupDependencies,
) -> None:
    """Change a group, only at this `version` if it is set. None leaves a field unchanged; equal values are no change.

    Raises ProtocolError not_found, invalid_request (also for an app-managed group), precondition_failed, unavailable.
    """

    def attempt() -> None:
        group = official(id, deps)
        if version is not None and version != group.version:
            raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
        if group.unit is None:
            raise invalid(ErrorCode.INVALID_REQUEST, "/group", "in_no_unit")
        if posting == "all" and group.audience == "citizens":
            raise invalid(ErrorCode.INVALID_REQUEST, "/posting", "receive_only")
        wanted: dict[str, Any] = {"name": name, "posting": posting, "is_open": is_open}
        now_so = {"name": group.name, "posting": group.posting, "is_open": group.open}
        changed = {key: value for key, value in wanted.items() if value is not None and value != now_so[key]}
        if not changed:
            return
        event = new_event(id, GroupChange.CHANGED, SYSTEM, now=now, name=changed.get("name"))
        with told(event, deps.work):
            deps.changes.change(id, **changed, version=version, listed=group, by=None, event=event)

    retry_raced(attempt, on=GroupRaced)


def set_admins(id: GroupId, admins: Sequence[AccountId], *, now: Instant, deps: OfficialGroupDependencies) -> None:
    """Replace the admins one by one, removals first. The previous admins stay members.

    A repetition continues where the last call ended. Raises ProtocolError not_found, invalid_request, group_full,
    too_many_admins, unavailable.
    """
    group = official(id, deps)
    organisation = _organisation(group)
    _check_officials(admins, organisation, now, deps)
    for account in sorted(group.admins - set(admins)):
        retry_raced(partial(_demote, id, account, now, deps), on=GroupRaced)
    for account in dict.fromkeys(admins):
        retry_raced(partial(_promote, id, account, organisation, now, deps), on=GroupRaced)


def _demote(id: GroupId, account: AccountId, now: Instant, deps: OfficialGroupDependencies) -> None:
    facts = deps.groups.facts(id, account, now_seconds=now.seconds)
    group, member = facts.group, facts.own.member
    if group is None or member is None or member.role != "admin":
        return
    _check_place(group, deps)
    event = new_event(id, GroupChange.ROLE, SYSTEM, now=now, subject=account, role="member")
    with told(event, deps.work):
        deps.changes.set_role(id, member, "member", by=None, event=event)


def _promote(
    id: GroupId, account: AccountId, organisation: OrganisationId, now: Instant, deps: OfficialGroupDependencies
) -> None:
    facts = deps.groups.facts(id, account, now_seconds=now.seconds)
    group, member = facts.group, facts.own.member
    if group is None or not group.live:
        raise missing("/group", "group")
    _check_place(group, deps)
    if member is not None and member.role == "admin":
        return
    if len(group.admins) >= MAX_ADMINS:
        raise ProtocolError(ErrorCode.TOO_MANY_ADMINS)
    if member is not None:
        event = new_event(id, GroupChange.ROLE, SYSTEM, now=now, subject=account, role="admin")
        with told(event, deps.work):
            deps.changes.set_role(id, member, "admin", by=None, event=event)
        return
    if group.members >= group.limit:
        raise ProtocolError(ErrorCode.GROUP_FULL)
    _check_officials([account], organisation, now, deps)
    event = _joined(group, account, now)
    with told(event, deps.work):
        deps.changes.add(
            id,
            Member(account, "admin", now.ms, group.version + 1),
            "added",
            official_of=organisation,
            now_seconds=now.seconds,
            event=event,
        )


def _joined(group: Group, account: AccountId, now: Instant) -> GroupEvent:
    return new_event(group.id, GroupChange.JOINED, SYSTEM, now=now, subject=account, role="admin", name=group.name)


def transfer(id: GroupId, unit: UnitId, deps: OfficialGroupDependencies, *, source: UnitId | None = None) -> None:
    """Move a group to another unit of its organisation, only from `source` if it is set.

    An app-managed group is in no unit and cannot be moved. Raises ProtocolError not_found, invalid_request,
    unavailable.
    """

    def attempt() -> None:
        group = official(id, deps)
        if group.unit is None:
            raise invalid(ErrorCode.INVALID_REQUEST, "/group", "in_no_unit")
        check_unit(_organisation(group), unit, deps)
        if source is not None and group.unit not in {source, unit}:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        if group.unit != unit:
            deps.changes.transfer(group, unit)

    retry_raced(attempt, on=GroupRaced)


def dissolve(id: GroupId, *, now: Instant, deps: OfficialGroupDependencies) -> None:
    """Dissolve a group. Do nothing if it is dissolved already."""

    def attempt() -> None:
        group = official(id, deps, dissolved=True)
        if not group.live:
            return
        event = new_event(id, GroupChange.DISSOLVED, SYSTEM, now=now)
        with told(event, deps.work):
            deps.changes.dissolve(group, event=event)

    retry_raced(attempt, on=GroupRaced)


def official(id: GroupId, deps: OfficialGroupDependencies, *, dissolved: bool = False) -> Group:
    """Return an official group, also of an app without an organisation.

    Raises ProtocolError not_found for an informal or dissolved group.
    """
    group = deps.groups.read(id)
    if group is None or group.kind != "official" or not (group.live or dissolved):
        raise missing("/group", "official group")
    _check_place(group, deps)
    return group


def _check_place(group: Group, deps: OfficialGroupDependencies) -> None:
    """Check the group's unit. Raises ProtocolError not_found if it has moved since the caller's right was checked."""
    if deps.changes.unit is not None and group.unit != deps.changes.unit:
        raise ProtocolError(ErrorCode.NOT_FOUND)


def _organisation(group: Group) -> OrganisationId:
    if group.organisation is None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/group", "of_no_organisation")
    return group.organisation


def check_unit(organisation: OrganisationId, unit: UnitId, deps: OfficialGroupDependencies) -> None:
    if deps.organisations.unit(organisation, unit) is None:
        there = deps.organisations.read(organisation)
        raise missing("/unit", "unit in the organisation") if there else missing("/organisation", "organisation")


def _check_officials(
    accounts: Sequence[AccountId], organisation: OrganisationId, now: Instant, deps: OfficialGroupDependencies
) -> None:
    for number, account in enumerate(accounts):
        known = deps.directory.account(account)
        standing = known.standing_at(now.seconds) if known else None
        if standing is None or standing.organisation != organisation:
            raise invalid(ErrorCode.INVALID_REQUEST, f"/admins/{number}", "not_an_official")
