"""App-managed groups: creating, reading, changing, dissolving, and single members (docs/apps/groups.md).

`app_rosters` handles whole rosters. A group of another app, or one made with a key of the other kind, gets the same
answer as a group that does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from sandes.apps.quotas import Quotas
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import GroupChange
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.groups.group_events import is_for_all, new_event, told
from sandes.identity.apps import AppCaller, AppRequest, first_answer, identify
from sandes.model.app import MAX_GUESTS, App
from sandes.model.group import MAX_ADMINS, MAX_OFFICIAL_MEMBERS, Actor, Group, GroupEvent, Member, Role
from sandes.model.ids import AccountId, GroupId, id_text, new_group_id, parse_group
from sandes.model.instant import Instant
from sandes.model.standing import Standing
from sandes.policy import GroupView, Viewer, decide
from sandes.ports.objects import Objects
from sandes.ports.queues import Queue
from sandes.protocol import app_groups_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.races import retry_raced
from sandes.store.app_groups import AppGroupStore, AppTie, tie_fields
from sandes.store.app_view import AppView, Wanted
from sandes.store.deliveries import Answer
from sandes.store.directory import DirectoryStore, Known
from sandes.store.group_changes import GroupChangeStore
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import GroupStore
from sandes.store.rosters import RosterStore

MEMBERS_OF_ONE = 100
"""An event to all members of a group counts as one message for each so many members, and at least as one."""


@dataclass(frozen=True, slots=True)
class AppGroupDependencies:
    """Holds the dependencies. `work` is the queue of group work that notifies members; `roster_work` is for large
    rosters.
    """

    view: AppView
    directory: DirectoryStore
    ties: AppGroupStore
    groups: GroupStore
    changes: GroupChangeStore
    rosters: RosterStore
    objects: Objects
    work: Queue
    roster_work: Queue
    quotas: Quotas
    pepper: Pepper
    audience: str


def create(
    request: AppRequest, body: app_groups_api.NewAppGroup, *, now: Instant, deps: AppGroupDependencies
) -> app_groups_api.AppGroup:
    """Create a group without members. A repetition gets the first answer.

    Raises ProtocolError invalid_request, not_a_guest (for an open group), idempotency_mismatch, and the errors of
    `identify`.
    """
    by = request.request_hash(deps.pepper)
    caller = identify(request, Wanted(request=by), scope="group", audience=deps.audience, now=now, view=deps.view)
    fingerprint = request.body_fingerprint(deps.pepper)
    if before := first_answer(request, caller, pepper=deps.pepper, now_seconds=now.seconds, view=deps.view):
        return _repeated(before, request, deps.pepper)
    _check_posting(body.audience, body.posting)
    _check_open(caller, body.open)
    group = Group(
        id=new_group_id(),
        name=body.name,
        kind="official",
        audience=body.audience,
        posting=body.posting,
        open=body.open,
        members=0,
        limit=MAX_OFFICIAL_MEMBERS,
        version=1,
        state="live",
        created_at=now.seconds,
        organisation=caller.app.organisation_id,
        app=caller.app.id,
    )
    tie = AppTie(group.id, caller.key.test, body.client_ref)
    made = shown(group, tie)
    answer = Answer(fingerprint, made.model_dump_json())
    remembering = deps.view.deliveries.remembering(caller.app.id, by, answer, now_seconds=now.seconds)
    try:
        deps.changes.create(group, [], app_fields=tie_fields(tie), beside=[remembering])
    except GroupRaced:
        stands = deps.view.deliveries.remembered(caller.app.id, by, now_seconds=now.seconds)
        if stands is None:
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1) from None
        return _repeated(stands, request, deps.pepper)
    return made


def _repeated(answer: Answer, request: AppRequest, pepper: Pepper) -> app_groups_api.AppGroup:
    if not request.has_body(answer.fingerprint, pepper):
        raise ProtocolError(ErrorCode.IDEMPOTENCY_MISMATCH)
    return app_groups_api.AppGroup.model_validate_json(answer.answer, strict=False)


def _check_open(caller: AppCaller, is_open: bool | None) -> None:
    """Refuse an open group to callers who may reach only guests, because anybody can join it.

    Raises ProtocolError not_a_guest.
    """
    if is_open and not is_unbound(caller):
        raise ProtocolError(ErrorCode.NOT_A_GUEST)


def _check_posting(audience: str, posting: str | None) -> None:
    if audience == "citizens" and posting == "all":
        raise invalid(ErrorCode.INVALID_REQUEST, "/posting", "receive_only")


def all_of(
    request: AppRequest, *, after: str | None, limit: int, now: Instant, deps: AppGroupDependencies
) -> app_groups_api.AppGroupPage:
    """Return a page of groups, sorted by id. It can be short or empty and still have a cursor.

    Raises ProtocolError invalid_cursor, and the errors of `identify`.
    """
    caller = identify(request, Wanted(), scope="group", audience=deps.audience, now=now, view=deps.view)
    app, of = caller.app.id, "test groups" if caller.key.test else "groups"
    start = parse_group(position(after, owner=app, of=of, pepper=deps.pepper)) if after is not None else None
    ties, last = deps.ties.page(app, after=start, limit=limit)
    mine = [tie for tie in ties if tie.test is caller.key.test]
    groups = deps.groups.read_many([tie.group for tie in mine])
    return app_groups_api.AppGroupPage(
        groups=[shown(groups[tie.group], tie) for tie in mine if tie.group in groups and groups[tie.group].live],
        cursor=make_cursor(id_text(last), owner=app, of=of, pepper=deps.pepper) if last else None,
    )


def read(request: AppRequest, id: GroupId, *, now: Instant, deps: AppGroupDependencies) -> app_groups_api.AppGroup:
    """Return a group. Raises ProtocolError not_found, and the errors of `identify`."""
    _, group, tie = own(request, id, now, deps)
    return shown(group, tie)


def change(
    request: AppRequest,
    id: GroupId,
    body: app_groups_api.ChangeAppGroup,
    version: int | None,
    *,
    now: Instant,
    deps: AppGroupDependencies,
) -> app_groups_api.AppGroup:
    """Change a group at this version, or at any version if it is None. Values that stay the same are no change.

    All members get an event, which counts like a message to the group. Raises ProtocolError not_found,
    precondition_failed, invalid_request, not_a_guest (for a name if some member is no guest, or for opening),
    quota_exceeded, and the errors of `identify`.
    """
    caller, group, tie = own(request, id, now, deps)
    check_version(version, group)
    _check_posting(group.audience, body.posting)
    name = body.name if body.name != group.name else None
    posting = body.posting if body.posting != group.posting else None
    is_open = body.open if body.open != group.open else None
    if name is None and posting is None and is_open is None:
        return shown(group, tie)
    _check_open(caller, is_open)
    to = (
        reached(caller, group, groups=deps.groups, directory=deps.directory, pepper=deps.pepper)
        if name is not None
        else None
    )
    pay(caller, group, GroupChange.CHANGED, now, deps)

    def attempt() -> app_groups_api.AppGroup:
        event = new_event(id, GroupChange.CHANGED, actor_of(caller.app), now=now, name=name, to=to)
        with told(event, deps.work):
            deps.changes.change(id, name=name, posting=posting, is_open=is_open, version=version, by=None, event=event)
        return shown(_live(deps.groups.read(id)), tie)

    try:
        return attempt()
    except GroupRaced:
        _live(deps.groups.read(id))
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED) from None


def dissolve(request: AppRequest, id: GroupId, *, now: Instant, deps: AppGroupDependencies) -> None:
    """Dissolve a group. Members keep the messages that they have received.

    Raises ProtocolError not_found, and the errors of `identify`.
    """
    caller, group, _ = own(request, id, now, deps)

    def attempt() -> None:
        event = new_event(id, GroupChange.DISSOLVED, actor_of(caller.app), now=now)
        with told(event, deps.work):
            deps.changes.dissolve(_live(deps.groups.read(group.id)), event=event)

    retry_raced(attempt, on=GroupRaced)


# Members


def members(
    request: AppRequest, id: GroupId, *, after: str | None, limit: int, now: Instant, deps: AppGroupDependencies
) -> app_groups_api.AppGroupMembers:
    """Return a page of members. Raises ProtocolError not_found, invalid_cursor, and the errors of `identify`."""
    caller, group, _ = own(request, id, now, deps)
    app, of = caller.app.id, f"members {id_text(id)}"
    start = position(after, owner=app, of=of, pepper=deps.pepper) if after is not None else None
    page, last = deps.groups.members_page(id, after=start, limit=limit, invitations=False)
    return app_groups_api.AppGroupMembers(
        members=[_shown_member(member) for member in page if isinstance(member, Member)],
        version=group.version,
        cursor=make_cursor(last, owner=app, of=of, pepper=deps.pepper) if last else None,
    )


def put_member(
    request: AppRequest,
    id: GroupId,
    account: AccountId,
    body: app_groups_api.PutAppMember,
    *,
    now: Instant,
    deps: AppGroupDependencies,
) -> app_groups_api.AppGroupMember:
    """Add an account, or give a member this role. Repeating it is harmless.

    An account that the group is not for gets the same answer as one that does not exist. If all members get an event,
    it counts like a message to them. Raises ProtocolError not_found, not_a_guest, group_full, too_many_admins,
    quota_exceeded, and the errors of `identify`.
    """
    caller, group, _ = own(request, id, now, deps)
    person = deps.directory.people([account]).get(account)
    if person is None or not is_guest(caller, account, person, deps.pepper):
        raise ProtocolError(ErrorCode.NOT_FOUND if is_unbound(caller) else ErrorCode.NOT_A_GUEST)
    if not may_be_in(group, body.role, person.standing_at(now.seconds)):
        raise ProtocolError(ErrorCode.NOT_FOUND)

    def attempt() -> app_groups_api.AppGroupMember:
        group, ties = deps.groups.ties(id, [account], now_seconds=now.seconds)
        group, member = _live(group), ties[account].member
        if member is not None and member.role == body.role:
            return _shown_member(member)
        if body.role == "admin" and len(group.admins) >= MAX_ADMINS:
            raise ProtocolError(ErrorCode.TOO_MANY_ADMINS)
        if member is None:
            if group.members >= group.limit:
                raise ProtocolError(ErrorCode.GROUP_FULL)
            pay(caller, group, GroupChange.JOINED, now, deps)
            member = Member(account, body.role, now.ms, group.version + 1)
            of = group.organisation if group.audience == "officials" else None
            with told(_event(caller, group, GroupChange.JOINED, member, now), deps.work) as event:
                deps.changes.add(id, member, "added", official_of=of, now_seconds=now.seconds, event=event)
            return _shown_member(member)
        pay(caller, group, GroupChange.ROLE, now, deps)
        after = Member(account, body.role, member.joined_at_ms)
        with told(_event(caller, group, GroupChange.ROLE, after, now), deps.work) as event:
            deps.changes.set_role(id, member, body.role, by=None, event=event)
        return _shown_member(after)

    return retry_raced(attempt, on=GroupRaced)


def remove_member(
    request: AppRequest, id: GroupId, account: AccountId, *, now: Instant, deps: AppGroupDependencies
) -> None:
    """Remove a member. An account that is no member counts as removed.

    Raises ProtocolError not_found, and the errors of `identify`.
    """
    caller, _, _ = own(request, id, now, deps)

    def attempt() -> None:
        group, ties = deps.groups.ties(id, [account], now_seconds=now.seconds)
        group, member = _live(group), ties[account].member
        if member is not None:
            with told(_event(caller, group, GroupChange.REMOVED, member, now), deps.work) as event:
                deps.changes.remove(id, member, by=None, event=event)

    retry_raced(attempt, on=GroupRaced)


# Shared with rosters


def own(request: AppRequest, id: GroupId, now: Instant, deps: AppGroupDependencies) -> tuple[AppCaller, Group, AppTie]:
    """Identify the caller and return its group. Raises ProtocolError not_found, and the errors of `identify`."""
    wanted = Wanted(group=id)
    caller = identify(request, wanted, scope="group", audience=deps.audience, now=now, view=deps.view)
    group, tie = own_group(caller)
    return caller, group, tie


def own_group(caller: AppCaller) -> tuple[Group, AppTie]:
    """Return the requested group if it is live and the app's. Raises ProtocolError not_found."""
    group, tie = caller.facts.group, caller.facts.app_tie
    if tie is None or tie.test is not caller.key.test:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return _live(group), tie


def pay(caller: AppCaller, group: Group, change: GroupChange, now: Instant, deps: AppGroupDependencies) -> None:
    """Charge a change to the quotas if all members get an event. Raises ProtocolError quota_exceeded."""
    if is_for_all(group, change):
        deps.quotas.take(caller.app, weight(group), test=caller.key.test, now_seconds=now.seconds)


def weight(group: Group) -> int:
    """Return the number of messages that one message to all members counts as."""
    return max(1, -(-group.members // MEMBERS_OF_ONE))


def check_version(wanted: int | None, group: Group) -> None:
    """Check the version of a group. None allows any. Raises ProtocolError precondition_failed."""
    if wanted not in {None, group.version}:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)


def _live(group: Group | None) -> Group:
    if group is None or not group.live:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return group


def is_unbound(caller: AppCaller) -> bool:
    """Tell whether the caller may reach accounts other than its guests."""
    return not (caller.key.test or caller.app.mode == "trial")


def is_guest(caller: AppCaller, account: AccountId, person: Known, pepper: Pepper) -> bool:
    """Tell whether the caller may reach this account.

    The account's number is only decrypted while the pepper has several values, because guests and account may then be
    written under different ones.
    """
    if is_unbound(caller) or person.phone_index in caller.app.guests:
        return True
    if len(pepper.values) < 2:
        return False
    phone = pepper.open_phone(person.phone_sealed, account)
    return not caller.app.guests.isdisjoint(pepper.indexes("phone", phone))


def reached(
    caller: AppCaller, group: Group, *, groups: GroupStore, directory: DirectoryStore, pepper: Pepper
) -> Sequence[AccountId] | None:
    """Return the accounts that get a message of the caller to the group, or None for all members at the time of
    delivery.

    A trial app or test key reaches the members of this moment, provided that all of them are guests. Others may have
    joined by themselves, or may join at the same moment. Raises ProtocolError not_a_guest.
    """
    if is_unbound(caller):
        return None
    if group.members > MAX_GUESTS:
        raise ProtocolError(ErrorCode.NOT_A_GUEST)
    people = directory.people([member.account for page in groups.member_pages(group.id) for member in page])
    if not all(is_guest(caller, account, person, pepper) for account, person in people.items()):
        raise ProtocolError(ErrorCode.NOT_A_GUEST)
    return sorted(people)


def may_be_in(group: Group, role: Role, standing: Standing | None) -> bool:
    """Tell whether a person may be in the group in this role. `standing` is in force, or None."""
    view = replace(GroupView.of(group, role), open=True)  # whom the group is for, even if nobody may join alone
    viewer = Viewer(standing)
    return decide(viewer, view, "join") and (role == "member" or decide(viewer, view, "manage"))


def actor_of(app: App) -> Actor:
    return Actor(app.sender, None)


def _event(caller: AppCaller, group: Group, change: GroupChange, member: Member, now: Instant) -> GroupEvent:
    return new_event(
        group.id,
        change,
        actor_of(caller.app),
        now=now,
        subject=member.account,
        role=member.role,
        name=group.name if change is GroupChange.JOINED else None,
    )


def shown(group: Group, tie: AppTie) -> app_groups_api.AppGroup:
    return app_groups_api.AppGroup(
        id=group.id,
        name=group.name,
        audience=cast("app_groups_api.GroupAudience", group.audience),
        posting=group.posting,
        open=group.open,
        members=group.members,
        limit=group.limit,
        version=group.version,
        organisation=group.organisation,
        client_ref=tie.client_ref,
        created_at=datetime.fromtimestamp(group.created_at, UTC),
    )


def _shown_member(member: Member) -> app_groups_api.AppGroupMember:
    return app_groups_api.AppGroupMember(
        account=member.account,
        role=cast("app_groups_api.AppRole", member.role),
        joined_at=datetime.fromtimestamp(member.joined_at_ms / 1000, UTC),
    )
