"""Members of a group: inviting, joining, roles, leaving, removing (docs/protocol/groups.md, "Life of a membership").

An account that may not be invited gets the same answer as one that does not exist. A change that is already in effect
is not made again.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from sandes.crypto import statements
from sandes.crypto.seal import GroupChange
from sandes.cursors import cursor, position
from sandes.groups.group_events import new_event, told
from sandes.groups.groups import (
    GroupDependencies,
    actor_of,
    charge_telling,
    managed,
    subject,
    view_of,
    viewer_of,
    visible,
)
from sandes.identity.devices import Caller
from sandes.identity.signed_acts import Signed, check_act
from sandes.limits import Limit, enforce
from sandes.model.group import (
    INVITATION_SECONDS,
    MAX_ADMINS,
    Group,
    GroupEvent,
    GroupInvitation,
    Member,
    Role,
)
from sandes.model.ids import AccountId, GroupId, id_text
from sandes.model.instant import Instant
from sandes.model.standing import Standing
from sandes.policy import Person, decide
from sandes.protocol import client_api
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.races import retry_raced
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import GroupFacts, Subject
from sandes.store.membership_changes import Way

MAX_PAGE = 100


def put_member(
    caller: Caller,
    id: GroupId,
    account: AccountId,
    role: Role,
    signed: Signed | None,
    *,
    now: Instant,
    deps: GroupDependencies,
) -> client_api.GroupMember:
    """Let the caller join; or invite another account, add it to an official group, or change its role.

    Raises ProtocolError not_found (also for an account that may not be invited), not_permitted, group_full,
    too_many_admins, invalid_request, rate_limited, and the errors of `check_act`.
    """
    check_act(caller, statements.put_member(id, account, role), signed, now=now)
    me = caller.account.id
    enforce(deps.limits, Limit.GROUP_CHANGES, subject(me), now=now)
    change = _Change(caller, id, now, deps)
    if account == me:
        return retry_raced(lambda: change.join(role), on=GroupRaced)
    return retry_raced(lambda: change.put(account, role), on=GroupRaced)


def remove_member(
    caller: Caller, id: GroupId, account: AccountId, signed: Signed | None, *, now: Instant, deps: GroupDependencies
) -> None:
    """Leave or decline, for the caller's account; remove a member or withdraw an invitation, for another account.

    If the last member leaves an informal group, it is dissolved. Raises ProtocolError not_found, not_permitted,
    owner_stays, rate_limited, and the errors of `check_act`.
    """
    check_act(caller, statements.remove_member(id, account), signed, now=now)
    me = caller.account.id
    enforce(deps.limits, Limit.GROUP_CHANGES, subject(me), now=now)
    change = _Change(caller, id, now, deps)
    if account == me:
        retry_raced(change.leave, on=GroupRaced)
    else:
        retry_raced(lambda: change.remove(account), on=GroupRaced)


class _Change:
    """Changes one member of one group for one caller. Each method reads, decides and writes, and may raise
    GroupRaced.
    """

    def __init__(self, caller: Caller, group: GroupId, now: Instant, deps: GroupDependencies) -> None:
        self._caller = caller
        self._me = caller.account.id
        self._id = group
        self._now = now
        self._now_seconds = now.seconds
        self._deps = deps
        self._viewer = viewer_of(caller, now)

    def join(self, role: Role) -> client_api.GroupMember:
        facts = self._facts()
        group, own = visible(self._caller, facts.group, facts.own, self._now), facts.own
        if own.member:
            return _member(own.member)
        if not decide(self._viewer, view_of(group, own), "join"):
            raise ProtocolError(ErrorCode.NOT_FOUND)
        _check_new(role)
        return self._add(group, self._me, "invitation" if own.invitation else "open", self._viewer.standing)

    def put(self, account: AccountId, role: Role) -> client_api.GroupMember:
        facts, about = self._facts_about(account)
        group = managed(self._caller, facts.group, facts.own, self._now)
        if about.tie.member:
            return self._set_role(group, facts, about.tie.member, about, role)
        _check_new(role)
        if about.tie.invitation:
            return _invited(about.tie.invitation)
        enforce(self._deps.limits, Limit.INVITATIONS, subject(self._me), now=self._now)
        if not self._may_invite(group, about):
            raise ProtocolError(ErrorCode.NOT_FOUND)
        standing = about.standing
        if group.audience == "officials" and standing and standing.organisation == group.organisation:
            return self._add(group, account, "added", standing)
        invitation = GroupInvitation(self._id, account, self._me, self._now_seconds + INVITATION_SECONDS)
        with told(self._event(GroupChange.INVITED, account, name=group.name, narrow=True), self._deps.work) as event:
            self._deps.changes.invite(invitation, by=self._me, now_seconds=self._now_seconds, event=event)
        return _invited(invitation)

    def leave(self) -> None:
        facts = self._facts()
        group, own = facts.group, facts.own
        if group is None or not group.live:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        if own.member is None:
            if own.invitation is None:
                raise ProtocolError(ErrorCode.NOT_FOUND)
            with told(self._event(GroupChange.LEFT, self._me, narrow=True), self._deps.work) as event:
                self._deps.changes.uninvite(self._id, self._me, by=None, event=event)
        elif own.member.role != "owner":
            with self._telling(group, self._event(GroupChange.LEFT, self._me)) as event:
                self._deps.changes.remove(self._id, own.member, by=None, event=event)
        elif group.members > 1:
            raise ProtocolError(ErrorCode.OWNER_STAYS)
        else:
            with self._telling(group, self._event(GroupChange.DISSOLVED, None)) as event:
                self._deps.changes.dissolve(group, owner=self._me, alone=True, event=event)

    def remove(self, account: AccountId) -> None:
        facts, about = self._facts_about(account)
        group = managed(self._caller, facts.group, facts.own, self._now)
        tie = about.tie
        if tie.member is None:
            if tie.invitation is None:
                raise ProtocolError(ErrorCode.NOT_FOUND)
            with told(self._event(GroupChange.REMOVED, account, narrow=True), self._deps.work) as event:
                self._deps.changes.uninvite(self._id, account, by=self._me, event=event)
            return
        if tie.member.role == "owner":
            raise ProtocolError(ErrorCode.NOT_PERMITTED)
        with self._telling(group, self._event(GroupChange.REMOVED, account)) as event:
            self._deps.changes.remove(self._id, tie.member, by=self._me, event=event)

    def _facts(self) -> GroupFacts:
        return self._deps.groups.facts(self._id, self._me, now_seconds=self._now_seconds)

    def _facts_about(self, account: AccountId) -> tuple[GroupFacts, Subject]:
        return self._deps.groups.facts_about(self._id, self._me, account, now_seconds=self._now_seconds)

    def _event(
        self,
        change: GroupChange,
        about: AccountId | None,
        *,
        role: Role | None = None,
        name: str | None = None,
        narrow: bool = False,
    ) -> GroupEvent:
        actor = actor_of(self._caller, self._now)
        return new_event(self._id, change, actor, now=self._now, subject=about, role=role, name=name, narrow=narrow)

    def _telling(self, group: Group, event: GroupEvent) -> AbstractContextManager[GroupEvent]:
        charge_telling(self._caller, group, event, now=self._now, deps=self._deps)
        return told(event, self._deps.work)

    def _may_invite(self, group: Group, about: Subject) -> bool:
        person = Person(about.standing, blocks=about.blocks, invites=about.invites)
        fits = group.audience != "officials" or about.standing is not None
        return about.exists and fits and decide(self._viewer, person, "invite")

    def _add(self, group: Group, account: AccountId, way: Way, standing: Standing | None) -> client_api.GroupMember:
        if group.members >= group.limit:
            raise ProtocolError(ErrorCode.GROUP_FULL)
        member = Member(account, "member", self._now.ms, group.version + 1)
        held = standing.organisation if standing and group.audience == "officials" else None
        joined = self._event(GroupChange.JOINED, account, role="member", name=group.name)
        with self._telling(group, joined) as event:
            self._deps.changes.add(
                self._id,
                member,
                way,
                by=self._me if way == "added" else None,
                official_of=held,
                now_seconds=self._now_seconds,
                event=event,
            )
        return _member(member)

    def _set_role(
        self, group: Group, facts: GroupFacts, member: Member, about: Subject, role: Role
    ) -> client_api.GroupMember:
        if member.role == role:
            return _member(member)
        if role == "owner" and group.kind != "informal":
            raise invalid(ErrorCode.INVALID_REQUEST, "/role", "informal_groups_only")
        own = facts.own.member
        handing_over = role == "owner" and own is not None and own.role == "owner"
        may_manage = group.audience == "members" or about.standing is not None
        if member.role == "owner" or (role == "owner" and not handing_over) or (role == "admin" and not may_manage):
            raise ProtocolError(ErrorCode.NOT_PERMITTED)
        if member.role == "member" and len(group.admins) >= MAX_ADMINS:
            raise ProtocolError(ErrorCode.TOO_MANY_ADMINS)
        with self._telling(group, self._event(GroupChange.ROLE, member.account, role=role)) as event:
            if handing_over and own is not None:
                self._deps.changes.hand_over(self._id, own, member, event=event)
            else:
                self._deps.changes.set_role(self._id, member, role, by=self._me, event=event)
        return _member(Member(member.account, role, member.joined_at_ms))


def _check_new(role: Role) -> None:
    if role != "member":
        raise invalid(ErrorCode.INVALID_REQUEST, "/role", "not_a_member")


def _member(member: Member) -> client_api.GroupMember:
    return client_api.GroupMember(
        account=member.account, state="member", role=member.role, joined_at=member.joined_at_ms
    )


def _invited(invitation: GroupInvitation) -> client_api.GroupMember:
    return client_api.GroupMember(account=invitation.account, state="invited", role="member")


def members(
    caller: Caller, id: GroupId, after: str | None, *, limit: int = MAX_PAGE, now: Instant, deps: GroupDependencies
) -> client_api.GroupMembers:
    """Return a page of members. For callers who manage the group, invitations come first.

    A page can be short and still have a cursor. Raises ProtocolError not_found, invalid_cursor, and not_permitted if
    the caller may not see the members.
    """
    me, of = caller.account.id, f"members {id_text(id)}"
    facts = deps.groups.facts(id, me, now_seconds=now.seconds)
    group = visible(caller, facts.group, facts.own, now)
    viewer, view = viewer_of(caller, now), view_of(group, facts.own)
    if not decide(viewer, view, "see_members"):
        raise ProtocolError(ErrorCode.NOT_PERMITTED)
    rows, last = deps.groups.members_page(
        id,
        after=position(after, owner=me, of=of, pepper=deps.pepper) if after is not None else None,
        limit=limit,
        invitations=decide(viewer, view, "manage"),
    )
    return client_api.GroupMembers(
        members=[
            _member(row) if isinstance(row, Member) else _invited(row)
            for row in rows
            if isinstance(row, Member) or row.expires_at > now.seconds
        ],
        version=group.version,
        cursor=cursor(last, owner=me, of=of, pepper=deps.pepper) if last is not None else None,
    )
