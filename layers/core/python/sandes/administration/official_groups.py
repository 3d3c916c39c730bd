"""Official groups, as operators keep them: make, name admins, move to another unit, dissolve (docs/protocol/groups.md).

Who is in a group is its admins' affair; here it is who they are. They are officials of the organisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import all_told, decided, new_event, told
from sandes.model.group import MAX_ADMINS, MAX_OFFICIAL_MEMBERS, SYSTEM, Group, GroupEvent, Member, Posting
from sandes.model.ids import AccountId, GroupId, OrganisationId, UnitId, account_text, app_text, id_text, new_group_id
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import AccountField, GroupField, Name, OrganisationField, UnitField, Wire
from sandes.queues import Queue
from sandes.store.directory import DirectoryStore
from sandes.store.group_changes import GroupChangeStore, GroupRaced
from sandes.store.groups import GroupStore, event_put
from sandes.store.organisations import OrganisationStore

Admins = Annotated[list[AccountField], Field(max_length=MAX_ADMINS)]


@dataclass(frozen=True, slots=True)
class OfficialGroupDependencies:
    groups: GroupStore
    changes: GroupChangeStore
    organisations: OrganisationStore
    directory: DirectoryStore
    work: Queue


class CreateGroup(Wire):
    """Owned by a unit, the organisation itself if left out. Citizens only receive: there, admins post."""

    operation: Literal["group.create"]
    organisation: OrganisationField
    unit: UnitField | None = None
    name: Annotated[str, Name, Field(min_length=1, max_length=100)]
    audience: Literal["officials", "citizens"] = "officials"
    posting: Posting | None = None
    open: bool = False
    admins: Admins = Field(default_factory=list)


class ShowGroup(Wire):
    operation: Literal["group.show"]
    group: GroupField


class SetAdmins(Wire):
    """In place of those it had, who stay members."""

    operation: Literal["group.admins"]
    group: GroupField
    admins: Admins


class TransferGroup(Wire):
    """To another unit of its organisation. Not of a group that an app manages, which is in no unit."""

    operation: Literal["group.transfer"]
    group: GroupField
    unit: UnitField


class DissolveGroup(Wire):
    operation: Literal["group.dissolve"]
    group: GroupField


Operation = CreateGroup | ShowGroup | SetAdmins | TransferGroup | DissolveGroup


def carry_out(operation: Operation, *, now_ms: int, deps: OfficialGroupDependencies) -> dict[str, Any]:
    """Answers with the group as it stands then.

    Raises ProtocolError: not_found, invalid_request, group_full, too_many_admins, unavailable.
    """
    if isinstance(operation, CreateGroup):
        return _shown(_create(operation, now_ms, deps))
    match operation:
        case SetAdmins():
            _set_admins(operation.group, operation.admins, now_ms, deps)
        case TransferGroup():
            _transfer(operation.group, operation.unit, deps)
        case DissolveGroup():
            _dissolve(operation.group, now_ms, deps)
        case ShowGroup():
            pass
    return _shown(_official(operation.group, deps, dissolved=True))


def _create(operation: CreateGroup, now_ms: int, deps: OfficialGroupDependencies) -> Group:
    unit = operation.unit or UnitId(operation.organisation)
    if operation.audience == "citizens" and operation.posting == "all":
        raise invalid(ErrorCode.INVALID_REQUEST, "/posting", "receive_only")
    admins = list(dict.fromkeys(operation.admins))
    _check_unit(operation.organisation, unit, deps)
    _check_officials(admins, operation.organisation, now_ms, deps)
    group = Group(
        id=new_group_id(),
        name=operation.name,
        kind="official",
        audience=operation.audience,
        posting=operation.posting or ("admins" if operation.audience == "citizens" else "all"),
        open=operation.open,
        members=len(admins),
        limit=MAX_OFFICIAL_MEMBERS,
        version=1,
        state="live",
        created_at=now_ms // 1000,
        organisation=operation.organisation,
        unit=unit,
        admins=frozenset(admins),
    )
    events = [_joined(group, admin, now_ms) for admin in admins]
    try:
        with all_told(events, deps.work):
            deps.changes.create(
                group,
                [Member(admin, "admin", now_ms) for admin in admins],
                officials_of=operation.organisation,
                now_seconds=now_ms // 1000,
                beside=[event_put(event) for event in events],
            )
    except GroupRaced:  # unit or verification ended this very moment
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
    return group


def _set_admins(id: GroupId, admins: Sequence[AccountId], now_ms: int, deps: OfficialGroupDependencies) -> None:
    """One after the other, those who no longer are first; repeated, it goes on where it ended."""
    group = _official(id, deps)
    organisation = _organisation(group)
    _check_officials(admins, organisation, now_ms, deps)
    for account in sorted(group.admins - set(admins)):
        decided(partial(_demote, id, account, now_ms, deps))
    for account in dict.fromkeys(admins):
        decided(partial(_promote, id, account, organisation, now_ms, deps))


def _demote(id: GroupId, account: AccountId, now_ms: int, deps: OfficialGroupDependencies) -> None:
    member = deps.groups.facts(id, account, now_seconds=now_ms // 1000).own.member
    if member is None or member.role != "admin":
        return
    event = new_event(id, GroupChange.ROLE, SYSTEM, now_ms=now_ms, subject=account, role="member")
    with told(event, deps.work):
        deps.changes.set_role(id, member, "member", by=None, event=event)


def _promote(
    id: GroupId, account: AccountId, organisation: OrganisationId, now_ms: int, deps: OfficialGroupDependencies
) -> None:
    facts = deps.groups.facts(id, account, now_seconds=now_ms // 1000)
    group, member = facts.group, facts.own.member
    if group is None or not group.live:
        raise missing("/group", "group")
    if member is not None and member.role == "admin":
        return
    if len(group.admins) >= MAX_ADMINS:
        raise ProtocolError(ErrorCode.TOO_MANY_ADMINS)
    if member is not None:
        event = new_event(id, GroupChange.ROLE, SYSTEM, now_ms=now_ms, subject=account, role="admin")
        with told(event, deps.work):
            deps.changes.set_role(id, member, "admin", by=None, event=event)
        return
    if group.members >= group.limit:
        raise ProtocolError(ErrorCode.GROUP_FULL)
    _check_officials([account], organisation, now_ms, deps)
    event = _joined(group, account, now_ms)
    with told(event, deps.work):
        deps.changes.add(
            id,
            Member(account, "admin", now_ms),
            "added",
            official_of=organisation,
            now_seconds=now_ms // 1000,
            event=event,
        )


def _joined(group: Group, account: AccountId, now_ms: int) -> GroupEvent:
    return new_event(
        group.id, GroupChange.JOINED, SYSTEM, now_ms=now_ms, subject=account, role="admin", name=group.name
    )


def _transfer(id: GroupId, unit: UnitId, deps: OfficialGroupDependencies) -> None:
    def attempt() -> None:
        group = _official(id, deps)
        if group.unit is None:
            raise invalid(ErrorCode.INVALID_REQUEST, "/group", "in_no_unit")
        _check_unit(_organisation(group), unit, deps)
        if group.unit != unit:
            deps.changes.transfer(group, unit)

    decided(attempt)


def _dissolve(id: GroupId, now_ms: int, deps: OfficialGroupDependencies) -> None:
    """Of one that is dissolved already, nothing."""

    def attempt() -> None:
        group = _official(id, deps, dissolved=True)
        if not group.live:
            return
        event = new_event(id, GroupChange.DISSOLVED, SYSTEM, now_ms=now_ms)
        with told(event, deps.work):
            deps.changes.dissolve(group, event=event)

    decided(attempt)


def _official(id: GroupId, deps: OfficialGroupDependencies, *, dissolved: bool = False) -> Group:
    """Also one of an app of no organisation. Raises ProtocolError not_found: informal, or dissolved."""
    group = deps.groups.read(id)
    if group is None or group.kind != "official" or not (group.live or dissolved):
        raise missing("/group", "official group")
    return group


def _organisation(group: Group) -> OrganisationId:
    if group.organisation is None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/group", "of_no_organisation")
    return group.organisation


def _check_unit(organisation: OrganisationId, unit: UnitId, deps: OfficialGroupDependencies) -> None:
    if deps.organisations.unit(organisation, unit) is None:
        there = deps.organisations.read(organisation)
        raise missing("/unit", "unit in the organisation") if there else missing("/organisation", "organisation")


def _check_officials(
    accounts: Sequence[AccountId], organisation: OrganisationId, now_ms: int, deps: OfficialGroupDependencies
) -> None:
    for number, account in enumerate(accounts):
        known = deps.directory.account(account)
        standing = known.standing_at(now_ms // 1000) if known else None
        if standing is None or standing.organisation != organisation:
            raise invalid(ErrorCode.INVALID_REQUEST, f"/admins/{number}", "not_an_official")


def _shown(group: Group) -> dict[str, Any]:
    return {
        "group": id_text(group.id),
        "name": group.name,
        "organisation": id_text(group.organisation) if group.organisation else None,
        "unit": id_text(group.unit) if group.unit else None,
        "app": app_text(group.app) if group.app else None,
        "audience": group.audience,
        "posting": group.posting,
        "open": group.open,
        "state": group.state,
        "members": group.members,
        "admins": sorted(account_text(admin) for admin in group.admins),
        "version": group.version,
        "created_at": group.created_at,
    }
