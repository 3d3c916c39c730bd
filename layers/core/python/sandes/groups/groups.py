"""Creates, shows, changes and dissolves groups for people (docs/protocol/groups.md).

A caller who may not see a group gets the same answer as if it did not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto import statements
from sandes.crypto.pepper import Pepper
from sandes.crypto.seal import GroupChange
from sandes.cursors import cursor, position
from sandes.groups.fanout import chunks_of
from sandes.groups.group_events import is_for_all, new_event, told
from sandes.identity.devices import Caller
from sandes.identity.signed_acts import Signed, check_act
from sandes.limits import Limit, enforce
from sandes.model.group import MAX_INFORMAL_MEMBERS, Actor, Group, GroupEvent, Member
from sandes.model.ids import AccountId, DeviceAddress, GroupId, account_text, id_text, parse_group
from sandes.model.instant import Instant
from sandes.model.standing import class_of
from sandes.policy import GroupView, Viewer, decide
from sandes.ports.queues import Queue
from sandes.protocol import client_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.races import retry_raced
from sandes.store.group_changes import GroupChangeStore
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import GroupStore, Tie
from sandes.store.limits import LimitStore

PAGE = 50


@dataclass(frozen=True, slots=True)
class GroupDependencies:
    groups: GroupStore
    changes: GroupChangeStore
    limits: LimitStore
    pepper: Pepper
    work: Queue


def create(caller: Caller, new: client_api.NewGroup, *, now: Instant, deps: GroupDependencies) -> client_api.Group:
    """Create an informal group with the caller as its owner and only member. A repeated `ref` returns the same group.

    Raises ProtocolError rate_limited, and not_found if the caller is no longer in that group.
    """
    me = caller.account.id
    ids = [GroupId(made[: len(me)]) for made in deps.pepper.fingerprints("group", me, new.ref.encode())]
    for id in reversed(ids):  # while the pepper is replaced, the value that made the id is unknown
        found = deps.groups.facts(id, me, now_seconds=now.seconds)
        if found.group is not None:
            break
    if found.group is None:
        enforce(deps.limits, Limit.GROUPS_MADE, subject(me), now=now)
        group = Group(
            id=id,
            name=new.name,
            kind="informal",
            audience="members",
            posting=new.posting,
            open=False,
            members=1,
            limit=MAX_INFORMAL_MEMBERS,
            version=1,
            state="live",
            created_at=now.seconds,
            owner=me,
            admins=frozenset((me,)),
        )
        event = new_event(
            id, GroupChange.JOINED, actor_of(caller, now), now=now, subject=me, role="owner", name=new.name
        )
        try:
            with told(event, deps.work):
                deps.changes.create(group, [Member(me, "owner", now.ms, group.version)], event=event)
        except GroupRaced:
            pass  # the caller's own repetition was faster
    return read(caller, id, now=now, deps=deps)


def read(caller: Caller, id: GroupId, *, now: Instant, deps: GroupDependencies) -> client_api.Group:
    """Return a group. Raises ProtocolError not_found."""
    facts = deps.groups.facts(id, caller.account.id, now_seconds=now.seconds)
    return shown(visible(caller, facts.group, facts.own, now), facts.own)


def own_groups(caller: Caller, after: str | None, *, now: Instant, deps: GroupDependencies) -> client_api.GroupPage:
    """Return a page of the caller's memberships, then of the invitations.

    A page can be short or empty and still have a cursor. Raises ProtocolError invalid_cursor.
    """
    me, of = caller.account.id, "groups"
    kind, _, text = position(after, owner=me, of=of, pepper=deps.pepper).partition(" ") if after else ("in", "", "")
    start, further = parse_group(text) if text else None, ""
    ties: dict[GroupId, Tie] = {}
    if kind == "in":
        memberships, last = deps.groups.memberships(me, after=start, limit=PAGE)
        ties = {group: Tie(me, Member(me, role, 0), None) for group, role in memberships}
        start, further = None, f"in {id_text(last)}" if last else ""
    if not further:
        invitations, last = deps.groups.invitations(me, after=start, limit=PAGE, now_seconds=now.seconds)
        ties |= {invitation.group: Tie(me, None, invitation) for invitation in invitations}
        further = f"invited {id_text(last)}" if last else ""
    found = deps.groups.read_many(list(ties))
    viewer = viewer_of(caller, now)
    return client_api.GroupPage(
        groups=[
            client_api.GroupEntry(
                group=id,
                name=found[id].name,
                role=tie.member.role if tie.member else None,
                expires_at=tie.invitation.expires_at if tie.invitation else None,
            )
            for id, tie in ties.items()
            if id in found and decide(viewer, view_of(found[id], tie), "see_group")
        ],
        cursor=cursor(further, owner=me, of=of, pepper=deps.pepper) if further else None,
    )


def change(
    caller: Caller,
    id: GroupId,
    wanted: client_api.ChangeGroup,
    signed: Signed | None,
    *,
    version: int | None = None,
    now: Instant,
    deps: GroupDependencies,
) -> client_api.Group:
    """Change a group as an admin or owner. If `version` is set, change only this version.

    Opening a group lets people in, and closing it ends that, so both need a signed act. Raises ProtocolError not_found,
    not_permitted, precondition_failed, invalid_request, rate_limited, and the errors of `check_act`.
    """
    if wanted.open is not None:
        check_act(caller, statements.open_group(id, wanted.open), signed, now=now)
    me, now_seconds = caller.account.id, now.seconds
    enforce(deps.limits, Limit.GROUP_CHANGES, subject(me), now=now)

    def attempt() -> client_api.Group:
        facts = deps.groups.facts(id, me, now_seconds=now_seconds)
        group = managed(caller, facts.group, facts.own, now)
        if version is not None and version != group.version:
            raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
        _check_change(group, wanted)
        name = wanted.name if wanted.name != group.name else None
        posting = wanted.posting if wanted.posting != group.posting else None
        is_open = wanted.open if wanted.open != group.open else None
        if name is None and posting is None and is_open is None:
            return shown(group, facts.own)
        event = new_event(id, GroupChange.CHANGED, actor_of(caller, now), now=now, name=name)
        charge_telling(caller, group, event, now=now, deps=deps)
        with told(event, deps.work):
            deps.changes.change(
                id, name=name, posting=posting, is_open=is_open, version=version, listed=group, by=me, event=event
            )
        return read(caller, id, now=now, deps=deps)

    return retry_raced(attempt, on=GroupRaced)


def _check_change(group: Group, wanted: client_api.ChangeGroup) -> None:
    if wanted.open and group.audience == "members":
        raise invalid(ErrorCode.INVALID_REQUEST, "/open", "official_groups_only")
    if wanted.posting == "all" and group.audience == "citizens":
        raise invalid(ErrorCode.INVALID_REQUEST, "/posting", "receive_only")


def dissolve(caller: Caller, id: GroupId, signed: Signed | None, *, now: Instant, deps: GroupDependencies) -> None:
    """Dissolve an informal group, as its owner. Members keep the messages that they have received.

    Raises ProtocolError not_found, not_permitted, rate_limited, and the errors of `check_act`.
    """
    check_act(caller, statements.dissolve_group(id), signed, now=now)
    me = caller.account.id
    enforce(deps.limits, Limit.GROUP_CHANGES, subject(me), now=now)

    def attempt() -> None:
        facts = deps.groups.facts(id, me, now_seconds=now.seconds)
        group = visible(caller, facts.group, facts.own, now)
        if group.kind != "informal" or group.owner != me:
            raise ProtocolError(ErrorCode.NOT_PERMITTED)
        event = new_event(id, GroupChange.DISSOLVED, actor_of(caller, now), now=now)
        charge_telling(caller, group, event, now=now, deps=deps)
        with told(event, deps.work):
            deps.changes.dissolve(group, owner=me, event=event)

    retry_raced(attempt, on=GroupRaced)


# Shared by the calls about groups and about their members


def subject(account: AccountId) -> str:
    return f"account:{account_text(account)}"


def charge_telling(caller: Caller, group: Group, event: GroupEvent, *, now: Instant, deps: GroupDependencies) -> None:
    """Charge an event to all members of a large group like a post, because it is work for each of them.

    Raises ProtocolError rate_limited.
    """
    chunks = chunks_of(group.members) if is_for_all(group, GroupChange(event.change), narrow=event.narrow) else 0
    if chunks:
        enforce(deps.limits, Limit.GROUP_CHUNKS, subject(caller.account.id), now=now, weight=chunks)


def actor_of(caller: Caller, now: Instant) -> Actor:
    device = DeviceAddress(caller.account.id, caller.device.number)
    return Actor(device, class_of(caller.account.standing_at(now.seconds)))


def viewer_of(caller: Caller, now: Instant) -> Viewer:
    return Viewer(caller.account.standing_at(now.seconds))


def view_of(group: Group, tie: Tie) -> GroupView:
    """Build the policy's view of the group for the account of `tie`."""
    return GroupView.of(group, tie.member.role if tie.member else None, invited=tie.invitation is not None)


def visible(caller: Caller, group: Group | None, tie: Tie, now: Instant) -> Group:
    """Return the group. Raises ProtocolError not_found if the caller may not see it."""
    if group is None or not decide(viewer_of(caller, now), view_of(group, tie), "see_group"):
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return group


def managed(caller: Caller, group: Group | None, tie: Tie, now: Instant) -> Group:
    """Return the group. Raises ProtocolError not_found, or not_permitted if the caller sees it but does not
    manage it.
    """
    seen = visible(caller, group, tie, now)
    if not decide(viewer_of(caller, now), view_of(seen, tie), "manage"):
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    return seen


def shown(group: Group, tie: Tie) -> client_api.Group:
    return client_api.Group(
        group=group.id,
        name=group.name,
        kind=group.kind,
        audience=group.audience,
        posting=group.posting,
        open=group.open,
        members=group.members,
        limit=group.limit,
        version=group.version,
        organisation=group.organisation,
        unit=group.unit,
        app=group.app,
        role=tie.member.role if tie.member else None,
        invited=tie.invitation is not None,
        expires_at=tie.invitation.expires_at if tie.invitation else None,
        created_at=group.created_at,
    )
