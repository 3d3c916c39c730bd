"""Tests what use cases rely on in groups: copied rows, counts by arithmetic, conditions under concurrency."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sandes.crypto.seal import GroupChange
from sandes.groups.group_events import new_event
from sandes.model.group import SYSTEM, GroupEvent, GroupInvitation, Member
from sandes.model.ids import AccountId, GroupId, UnitId, id_text, new_account_id, parse_unit
from sandes.model.instant import Instant
from sandes.store.group_operations import GroupRaced
from sandes.store.groups import event_put
from tests.support.groups import Groups
from tests.support.service import Service


@pytest.fixture
def groups(store_backend: Service) -> Groups:
    return Groups(store_backend)


def joins(groups: Groups, group: GroupId, *, role: str = "member") -> Member:
    member = Member(new_account_id(), role, groups.now_ms)  # type: ignore[arg-type]
    groups.changes.add(group, member, "added", now_seconds=groups.now, event=None)
    return member


def test_members_stand_twice_and_the_group_counts_them(groups: Groups) -> None:
    owner = groups.service.person()
    group = groups.create(owner)
    one, two = joins(groups, group), joins(groups, group, role="admin")
    assert groups.roles(group) == {owner.account: "owner", one.account: "member", two.account: "admin"}
    groups.changes.set_role(group, one, "admin", by=owner.account, event=None)
    groups.changes.set_role(group, two, "member", by=one.account, event=None)
    assert groups.roles(group) == {owner.account: "owner", one.account: "admin", two.account: "member"}
    groups.changes.remove(group, Member(two.account, "member", 0), by=one.account, event=None)
    groups.changes.remove(group, Member(one.account, "admin", 0), by=None, event=None)
    assert groups.roles(group) == {owner.account: "owner"}
    assert groups.group(group).version == 7


def test_a_role_that_is_another_by_now_stops_every_change_that_rests_on_it(groups: Groups) -> None:
    owner = groups.service.person()
    group = groups.create(owner)
    member, other = joins(groups, group), joins(groups, group)
    before = groups.group(group)
    as_admin = replace(member, role="admin")
    invitation = GroupInvitation(group, new_account_id(), member.account, groups.now + 60)
    attempts: list[Callable[[], None]] = [
        lambda: groups.changes.remove(group, as_admin, by=owner.account, event=None),
        lambda: groups.changes.remove(group, member, by=other.account, event=None),
        lambda: groups.changes.set_role(group, as_admin, "member", by=None, event=None),
        lambda: groups.changes.invite(invitation, by=member.account, now_seconds=groups.now, event=None),
        lambda: groups.changes.hand_over(group, as_admin, Member(owner.account, "owner", 0), event=None),
        lambda: groups.changes.change(group, name="x", by=member.account, event=None),
        lambda: groups.changes.change(group, name="x", version=before.version - 1, by=None, event=None),
        lambda: groups.changes.uninvite(group, member.account, by=None, event=None),
        lambda: groups.changes.dissolve(before, owner=member.account, event=None),
        lambda: groups.changes.dissolve(before, alone=True, event=None),
        lambda: groups.changes.add(group, member, "added", now_seconds=groups.now, event=None),
    ]
    for attempt in attempts:
        with pytest.raises(GroupRaced):
            attempt()
    assert groups.group(group) == before


def test_many_who_join_at_once_all_count_and_no_more_than_there_is_room_for(groups: Groups) -> None:
    group = groups.create(groups.service.person())
    groups.set_limit(group, 7)

    def join(_: int) -> bool:
        try:
            joins(groups, group)
        except GroupRaced:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(join, range(12))) == 6
    assert len(groups.roles(group)) == 7
    assert groups.group(group).version == 7


def test_an_official_is_added_only_as_long_as_verified_and_ended_only_when_not(groups: Groups) -> None:
    ministry = groups.organisation()
    official = groups.official(ministry)
    group = groups.official_group(ministry)
    member = Member(official.account, "member", groups.now_ms)

    def add() -> None:
        groups.changes.add(group, member, "added", official_of=ministry, now_seconds=groups.now, event=None)

    def end() -> None:
        groups.changes.remove(group, member, by=None, unless_official_of=ministry, now_seconds=groups.now, event=None)

    add()
    with pytest.raises(GroupRaced):
        end()
    groups.verify(official, ministry, expires_at=groups.now)
    end()
    with pytest.raises(GroupRaced):
        add()
    groups.revoke(official)
    with pytest.raises(GroupRaced):
        add()
    groups.verify(official, groups.organisation())
    with pytest.raises(GroupRaced):
        add()


def test_invitations_stand_twice_expire_and_are_used_up(groups: Groups) -> None:
    owner, guest = groups.service.person(), groups.service.person()
    group = groups.create(owner)

    def invite(expires_at: int) -> None:
        invitation = GroupInvitation(group, guest.account, owner.account, expires_at)
        groups.changes.invite(invitation, by=owner.account, now_seconds=groups.now, event=None)

    def invited() -> list[GroupId]:
        found, _ = groups.store.invitations(guest.account, limit=10, now_seconds=groups.now)
        return [invitation.group for invitation in found]

    invite(groups.now)
    assert invited() == []
    invite(groups.now + 60)
    with pytest.raises(GroupRaced):
        invite(groups.now + 120)
    assert invited() == [group]
    member = Member(guest.account, "member", groups.now_ms)
    groups.changes.add(group, member, "invitation", now_seconds=groups.now, event=None)
    assert invited() == []
    with pytest.raises(GroupRaced):
        invite(groups.now + 60)


def test_an_event_is_written_with_its_change_or_not_at_all(groups: Groups) -> None:
    owner = groups.service.person()
    group = groups.create(owner)

    def event(**fields: str) -> GroupEvent:
        return new_event(group, GroupChange.CHANGED, SYSTEM, now=Instant(groups.now_ms), **fields)  # type: ignore[arg-type]

    made, never = event(name="New"), event(name="Never")
    groups.changes.change(group, name="New", by=owner.account, event=made)
    assert groups.store.event(group, made.message) == (groups.group(group), made)
    with pytest.raises(GroupRaced):
        groups.changes.change(group, name="Never", version=1, by=owner.account, event=never)
    assert groups.store.event(group, never.message)[1] is None
    groups.store.forget_event(made)
    assert groups.store.event(group, made.message)[1] is None
    assert event_put("directory", made).item


def test_a_group_counts_in_its_unit_until_it_is_dissolved(groups: Groups) -> None:
    ministry = groups.organisation()
    operate = groups.service.operate
    unit = parse_unit(operate("unit.create", organisation=id_text(ministry), name="Desk", kind="office")["unit"])

    def counts() -> dict[UnitId, int]:
        tree = groups.service.organisations.tree(ministry)
        assert tree is not None
        return {one.id: one.groups for one in tree.units.values()}

    group = groups.group(groups.official_group(ministry))
    assert counts() == {UnitId(ministry): 1, unit: 0}
    groups.changes.transfer(group, unit)
    assert counts() == {UnitId(ministry): 0, unit: 1}
    with pytest.raises(GroupRaced):
        groups.changes.dissolve(group, event=None)
    groups.changes.dissolve(groups.group(group.id), event=None)
    assert counts() == {UnitId(ministry): 0, unit: 0}


def test_pages_of_members_and_memberships_hold_each_once(groups: Groups) -> None:
    owner = groups.service.person()
    group = groups.create(owner)
    expected: set[AccountId] = {owner.account} | {joins(groups, group).account for _ in range(6)}
    found, after = [], None
    while True:
        page, after = groups.store.members_page(group, after=after, limit=2, invitations=True)
        found += [tie.account for tie in page]
        if after is None:
            break
    assert sorted(found) == sorted(expected)
    made = {group} | {groups.create(owner) for _ in range(3)}
    memberships, last = [], None
    while True:
        some, last = groups.store.memberships(owner.account, after=last, limit=2)
        memberships += some
        if last is None:
            break
    assert sorted(group for group, _ in memberships) == sorted(made)
    assert groups.store.read_many([*made, *made]).keys() == made
