"""Tests members of a group: inviting, joining, roles, leaving, removing, and concurrent changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandes.crypto.seal import GroupChange
from sandes.groups import group_members
from sandes.limits import Limit
from sandes.model.group import MAX_ADMINS
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.dynamodb import OvertakenClient
from tests.support.groups import Groups, refused, unknown_account
from tests.support.interleaving import Side, Stepped, run_interleaved, schedules
from tests.support.service import NOW_MS, Person, Service

DAY_MS = 86_400_000


# Inviting and joining


def test_who_is_invited_joins_by_their_own_doing(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    groups.work()
    invited = groups.put(asha, group, ravi)
    assert (invited.account, invited.state, invited.role) == (ravi.account, "invited", "member")
    assert groups.roles(group) == {asha.account: "owner"}
    joined = groups.put(ravi, group, ravi)
    assert (joined.state, joined.role, joined.joined_at) == ("member", "member", NOW_MS)
    assert groups.roles(group) == {asha.account: "owner", ravi.account: "member"}
    assert (groups.read(ravi, group).invited, groups.read(ravi, group).version) == (False, 2)
    invitation, joining = groups.work()
    assert (invitation.change, invitation.to) == (GroupChange.INVITED, tuple(sorted((asha.account, ravi.account))))
    assert (invitation.body["actor"], invitation.body["name"]) == (asha.account, "Flood relief")
    assert (joining.change, joining.to, joining.body["subject"]) == (GroupChange.JOINED, None, ravi.account)
    assert joining.post.sender == ravi.address()


def test_inviting_and_joining_again_change_nothing_and_tell_nobody(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    first = groups.put(asha, group, ravi)
    groups.work()
    assert groups.put(asha, group, ravi) == first
    joined = groups.put(ravi, group, ravi)
    groups.work()
    version = groups.read(asha, group).version
    groups.now_ms += DAY_MS
    assert groups.put(ravi, group, ravi) == joined
    assert groups.put(asha, group, ravi) == joined
    assert (groups.queue.sent, groups.read(asha, group).version) == ([], version)


def test_nobody_joins_who_is_not_invited_nor_after_fourteen_days(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    assert refused(groups.put, ravi, group, ravi) is ErrorCode.NOT_FOUND
    groups.put(asha, group, ravi)
    groups.now_ms += 14 * DAY_MS - 1_000
    assert groups.read(ravi, group).invited
    groups.now_ms += 1_000
    assert refused(groups.put, ravi, group, ravi) is ErrorCode.NOT_FOUND
    assert groups.all_own(ravi) == []
    assert groups.members(asha, group).members == [groups.put(asha, group, asha)]
    groups.put(asha, group, ravi)
    assert groups.put(ravi, group, ravi).state == "member"


def test_an_invitation_that_runs_out_between_reading_and_joining_is_none(
    service: Service, asha: Person, ravi: Person
) -> None:
    groups = Groups(service)
    group = groups.create(asha)
    groups.put(asha, group, ravi)
    found = groups.store.facts(group, ravi.account, now_seconds=groups.now)
    assert found.own.invitation is not None
    from sandes.model.group import Member
    from sandes.store.group_operations import GroupRaced

    late = found.own.invitation.expires_at
    with pytest.raises(GroupRaced):
        groups.changes.add(group, Member(ravi.account, "member", NOW_MS), "invitation", now_seconds=late, event=None)
    assert groups.roles(group) == {asha.account: "owner"}


def test_an_invitation_is_good_for_one_joining(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.remove(ravi, group, ravi)
    assert refused(groups.put, ravi, group, ravi) is ErrorCode.NOT_FOUND
    groups.put(asha, group, ravi)
    groups.put(ravi, group, ravi)
    groups.remove(asha, group, ravi)
    assert refused(groups.put, ravi, group, ravi) is ErrorCode.NOT_FOUND


def test_somebody_who_refuses_looks_like_somebody_who_is_not_there(
    service: Service, asha: Person, ravi: Person
) -> None:
    from tests.support.dynamodb import FlakyClient

    client = FlakyClient(service.client)
    groups = Groups(service, client)
    group, hidden = groups.create(asha), groups.official()
    groups.blocks(ravi, asha)
    calls = []
    for account in (ravi.account, hidden.account, unknown_account()):
        client.calls.clear()
        assert refused(groups.put, asha, group, account) is ErrorCode.NOT_FOUND
        calls.append(list(client.calls))
    assert calls == [["batch_get_item"]] * 3


def test_an_official_is_invited_by_a_citizen_only_if_listed_or_letting_them_write(groups: Groups, asha: Person) -> None:
    group, hidden, listed = groups.create(asha), groups.official(), groups.official(listed=True)
    assert refused(groups.put, asha, group, hidden) is ErrorCode.NOT_FOUND
    assert groups.put(asha, group, listed).state == "invited"
    groups.lets_write(hidden, asha)
    assert groups.put(asha, group, hidden).state == "invited"
    other = groups.official()
    by_official = groups.create(groups.official())
    owner = groups.official()
    assert refused(groups.put, owner, by_official, other) is ErrorCode.NOT_FOUND
    assert groups.put(owner, groups.create(owner), other).state == "invited"


def test_only_who_manages_a_group_invites(groups: Groups, asha: Person, ravi: Person, mira: Person) -> None:
    group = groups.create(asha, ravi)
    assert refused(groups.put, ravi, group, mira) is ErrorCode.NOT_PERMITTED
    groups.put(asha, group, ravi, "admin")
    assert groups.put(ravi, group, mira).state == "invited"


def test_a_full_group_takes_nobody_until_somebody_leaves(
    groups: Groups, asha: Person, ravi: Person, mira: Person
) -> None:
    group = groups.create(asha, ravi)
    groups.set_limit(group, 2)
    groups.put(asha, group, mira)
    assert refused(groups.put, mira, group, mira) is ErrorCode.GROUP_FULL
    groups.remove(ravi, group, ravi)
    assert groups.put(mira, group, mira).state == "member"


def test_invitations_are_limited_before_it_is_looked_whether_the_person_exists(groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    for _ in range(Limit.INVITATIONS.burst):
        assert refused(groups.put, asha, group, unknown_account()) is ErrorCode.NOT_FOUND
    assert refused(groups.put, asha, group, unknown_account()) is ErrorCode.RATE_LIMITED


def test_a_role_is_given_to_members_only(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    assert refused(groups.put, asha, group, ravi, "admin") is ErrorCode.INVALID_REQUEST
    groups.put(asha, group, ravi)
    assert refused(groups.put, asha, group, ravi, "owner") is ErrorCode.INVALID_REQUEST
    assert refused(groups.put, ravi, group, ravi, "admin") is ErrorCode.INVALID_REQUEST


# Official groups


def test_an_admin_adds_officials_of_the_organisation_and_invites_others(groups: Groups, asha: Person) -> None:
    ministry = groups.organisation()
    admin, colleague, elsewhere = groups.official(ministry), groups.official(ministry), groups.official()
    group = groups.official_group(ministry, admin)
    assert groups.put(admin, group, colleague).state == "member"
    assert groups.put(admin, group, elsewhere).state == "invited"
    assert groups.put(elsewhere, group, elsewhere).state == "member"
    assert refused(groups.put, admin, group, asha) is ErrorCode.NOT_FOUND


def test_an_official_whose_verification_ends_before_the_adding_is_not_added(service: Service) -> None:
    groups = Groups(service)
    ministry = groups.organisation()
    admin, colleague = groups.official(ministry), groups.official(ministry)
    group = groups.official_group(ministry, admin)
    client = OvertakenClient(service.client, "transact_write_items", lambda: groups.revoke(colleague))
    assert refused(Groups(service, client).put, admin, group, colleague) is ErrorCode.NOT_FOUND
    assert groups.roles(group) == {admin.account: "admin"}


@pytest.mark.parametrize("what", ["add", "invite", "role", "remove", "withdraw", "rename"])
def test_an_admin_who_is_none_any_more_when_the_change_is_made_changes_nothing(service: Service, what: str) -> None:
    groups = Groups(service)
    ministry = groups.organisation()
    admin, other, colleague, member, guest, invited = (
        groups.official(organisation) for organisation in [ministry] * 4 + [groups.organisation()] * 2
    )
    group = groups.official_group(ministry, admin)
    groups.put(admin, group, other)
    groups.put(admin, group, other, "admin")
    groups.put(admin, group, member)
    groups.put(admin, group, invited)
    client = OvertakenClient(service.client, "transact_write_items", lambda: groups.put(other, group, admin, "member"))
    late = Groups(service, client)
    calls: dict[str, Callable[[], Any]] = {
        "add": lambda: late.put(admin, group, colleague),
        "invite": lambda: late.put(admin, group, guest),
        "role": lambda: late.put(admin, group, member, "admin"),
        "remove": lambda: late.remove(admin, group, member),
        "withdraw": lambda: late.remove(admin, group, invited),
        "rename": lambda: late.change(admin, group, name="Mine"),
    }
    assert refused(calls[what]) is ErrorCode.NOT_PERMITTED
    assert groups.roles(group) == {admin.account: "member", other.account: "admin", member.account: "member"}
    assert groups.read(other, group).name == "District officers"
    ties = groups.store.members_page(group, after=None, limit=100, invitations=True)[0]
    assert {tie.account for tie in ties} == {person.account for person in (admin, other, member, invited)}


def test_open_groups_are_joined_by_their_scope(groups: Groups, asha: Person) -> None:
    ministry = groups.organisation()
    colleague, elsewhere = groups.official(ministry), groups.official()
    group = groups.official_group(ministry, open=True)
    assert groups.put(colleague, group, colleague).state == "member"
    assert refused(groups.put, elsewhere, group, elsewhere) is ErrorCode.NOT_FOUND
    news = groups.official_group(ministry, audience="citizens", posting="admins", open=True)
    assert groups.put(asha, news, asha).state == "member"


def test_a_group_closed_before_the_joining_is_not_joined(service: Service, asha: Person) -> None:
    groups = Groups(service)
    ministry = groups.organisation()
    admin = groups.official(ministry)
    news = groups.official_group(ministry, admin, audience="citizens", posting="admins", open=True)
    client = OvertakenClient(service.client, "transact_write_items", lambda: groups.change(admin, news, open=False))
    assert refused(Groups(service, client).put, asha, news, asha) is ErrorCode.NOT_FOUND
    assert groups.roles(news) == {admin.account: "admin"}


def test_only_officials_manage_official_groups(groups: Groups, asha: Person) -> None:
    ministry = groups.organisation()
    admin, colleague = groups.official(ministry), groups.official(ministry)
    news = groups.official_group(ministry, admin, audience="citizens", posting="admins", open=True)
    for person in (asha, colleague):
        groups.put(person, news, person)
    assert refused(groups.put, admin, news, asha, "admin") is ErrorCode.NOT_PERMITTED
    assert groups.put(admin, news, colleague, "admin").role == "admin"
    assert refused(groups.put, admin, news, colleague, "owner") is ErrorCode.INVALID_REQUEST


def test_who_is_in_a_group_for_citizens_is_told_to_its_admins_only_and_by_no_official(
    groups: Groups, asha: Person, ravi: Person
) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    news = groups.official_group(ministry, admin, audience="citizens", posting="admins", open=True)
    for person in (asha, ravi):
        groups.put(person, news, person)
    assert {told.to for told in groups.work()} == {
        tuple(sorted((admin.account, person.account))) for person in (asha, ravi)
    }
    groups.change(admin, news, name="News")
    groups.remove(admin, news, ravi)
    changed, removed = groups.work()
    assert (changed.to, removed.to) == (None, tuple(sorted((admin.account, ravi.account))))
    for told in (changed, removed):
        assert "actor" not in told.body
        assert (told.post.sender_class, told.post.sender.name) == (None, "Sandes")  # type: ignore[union-attr]
    assert refused(groups.members, asha, news) is ErrorCode.NOT_PERMITTED
    assert len(groups.members(admin, news).members) == 2


def test_in_a_large_group_membership_is_told_to_whom_it_concerns_and_admins(
    groups: Groups, asha: Person, ravi: Person, mira: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandes.groups import group_events

    group = groups.create(asha, ravi)
    groups.work()
    monkeypatch.setattr(group_events, "EVENTS_TO_ALL_MEMBERS", 2)
    groups.put(asha, group, mira)
    groups.put(mira, group, mira)
    groups.change(asha, group, name="Larger")
    _, joined, changed = groups.work()
    assert joined.to == tuple(sorted((asha.account, mira.account)))
    assert changed.to is None


# Leaving and removing


def test_who_leaves_is_out_and_told_like_the_others(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    groups.remove(ravi, group, ravi)
    assert groups.roles(group) == {asha.account: "owner"}
    assert groups.all_own(ravi) == []
    others, own = groups.work()
    assert (others.change, others.to, own.to) == (GroupChange.LEFT, None, (ravi.account,))
    assert others.post.message != own.post.message
    assert refused(groups.remove, ravi, group, ravi) is ErrorCode.NOT_FOUND
    assert refused(groups.remove, asha, group, ravi) is ErrorCode.NOT_FOUND


def test_who_manages_a_group_removes_members_and_nobody_removes_the_owner(
    groups: Groups, asha: Person, ravi: Person, mira: Person
) -> None:
    group = groups.create(asha, ravi, mira)
    assert refused(groups.remove, ravi, group, mira) is ErrorCode.NOT_PERMITTED
    groups.put(asha, group, ravi, "admin")
    groups.work()
    groups.remove(ravi, group, mira)
    assert groups.changes_told() == [GroupChange.REMOVED, GroupChange.REMOVED]
    assert refused(groups.remove, ravi, group, asha) is ErrorCode.NOT_PERMITTED
    assert groups.roles(group) == {asha.account: "owner", ravi.account: "admin"}


def test_an_invitation_is_declined_or_withdrawn(groups: Groups, asha: Person, ravi: Person, mira: Person) -> None:
    group = groups.create(asha)
    groups.work()
    groups.put(asha, group, ravi)
    groups.remove(ravi, group, ravi)
    groups.put(asha, group, mira)
    groups.remove(asha, group, mira)
    assert [(told.change, told.to) for told in groups.work()] == [
        (GroupChange.INVITED, tuple(sorted((asha.account, ravi.account)))),
        (GroupChange.LEFT, tuple(sorted((asha.account, ravi.account)))),
        (GroupChange.INVITED, tuple(sorted((asha.account, mira.account)))),
        (GroupChange.REMOVED, tuple(sorted((asha.account, mira.account)))),
    ]
    for person in (ravi, mira):
        assert refused(groups.put, person, group, person) is ErrorCode.NOT_FOUND
        assert groups.all_own(person) == []
        assert refused(groups.remove, asha, group, person) is ErrorCode.NOT_FOUND


def test_an_owner_stays_unless_nobody_else_is_there(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    assert refused(groups.remove, asha, group, asha) is ErrorCode.OWNER_STAYS
    groups.remove(ravi, group, ravi)
    groups.work()
    groups.remove(asha, group, asha)
    assert groups.group(group).state == "dissolved"
    assert groups.changes_told() == [GroupChange.DISSOLVED]


def test_somebody_who_joins_while_the_last_one_leaves_keeps_the_group(service: Service, asha: Person) -> None:
    groups, ravi = Groups(service), service.person()
    group = groups.create(asha)
    groups.put(asha, group, ravi)
    client = OvertakenClient(service.client, "transact_write_items", lambda: groups.put(ravi, group, ravi))
    assert refused(Groups(service, client).remove, asha, group, asha) is ErrorCode.OWNER_STAYS
    assert groups.roles(group) == {asha.account: "owner", ravi.account: "member"}


def test_the_last_admin_of_an_official_group_may_leave(groups: Groups) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    group = groups.official_group(ministry, admin)
    groups.remove(admin, group, admin)
    assert (groups.roles(group), groups.group(group).state) == ({}, "live")


# Roles


def test_an_admin_makes_and_unmakes_admins(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    version = groups.read(asha, group).version
    assert groups.put(asha, group, ravi, "admin").role == "admin"
    assert groups.roles(group)[ravi.account] == "admin"
    assert groups.put(asha, group, ravi, "admin").role == "admin"
    assert groups.put(asha, group, ravi, "member").role == "member"
    assert groups.roles(group)[ravi.account] == "member"
    assert [(told.change, told.body["role"]) for told in groups.work()] == [
        (GroupChange.ROLE, "admin"),
        (GroupChange.ROLE, "member"),
    ]
    assert groups.read(asha, group).version == version + 2


def test_a_group_is_handed_over_by_its_owner_only(groups: Groups, asha: Person, ravi: Person, mira: Person) -> None:
    group = groups.create(asha, ravi, mira)
    groups.put(asha, group, ravi, "admin")
    assert refused(groups.put, ravi, group, mira, "owner") is ErrorCode.NOT_PERMITTED
    assert refused(groups.put, ravi, group, asha, "member") is ErrorCode.NOT_PERMITTED
    assert groups.put(asha, group, mira, "owner").role == "owner"
    assert groups.roles(group) == {asha.account: "admin", ravi.account: "admin", mira.account: "owner"}
    assert groups.group(group).owner == mira.account
    assert groups.put(mira, group, ravi, "owner").role == "owner"
    assert groups.roles(group) == {asha.account: "admin", ravi.account: "owner", mira.account: "admin"}
    groups.remove(asha, group, asha)
    assert groups.roles(group) == {ravi.account: "owner", mira.account: "admin"}


def test_there_are_at_most_twenty_admins(
    groups: Groups, asha: Person, ravi: Person, mira: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandes.store import group_operations

    assert MAX_ADMINS == 20
    group = groups.create(asha, ravi, mira)
    for module in (group_members, group_operations):
        monkeypatch.setattr(module, "MAX_ADMINS", 2)
    groups.put(asha, group, ravi, "admin")
    assert refused(groups.put, asha, group, mira, "admin") is ErrorCode.TOO_MANY_ADMINS
    assert refused(groups.put, asha, group, mira, "owner") is ErrorCode.TOO_MANY_ADMINS
    assert groups.put(asha, group, ravi, "owner").role == "owner"


# The list


def test_members_are_listed_by_pages_with_invitations_for_who_manages(
    groups: Groups, asha: Person, ravi: Person, mira: Person
) -> None:
    group = groups.create(asha, ravi)
    groups.put(asha, group, mira)
    entries, cursor = [], None
    while True:
        page = groups.members(asha, group, cursor, limit=1)
        entries += [(member.account, member.state, member.role) for member in page.members]
        if page.cursor is None:
            break
        cursor = page.cursor
    assert entries[0] == (mira.account, "invited", "member")
    assert sorted(entries[1:]) == sorted([(asha.account, "member", "owner"), (ravi.account, "member", "member")])
    assert {member.account for member in groups.members(ravi, group).members} == {asha.account, ravi.account}
    assert refused(groups.members, mira, group) is ErrorCode.NOT_PERMITTED
    first = groups.members(asha, group, limit=1).cursor
    assert refused(groups.members, ravi, group, first) is ErrorCode.INVALID_CURSOR
    assert refused(groups.members, asha, groups.create(asha), first) is ErrorCode.INVALID_CURSOR


# Two at once


STEPS = 2  # a read, then the transaction; the loser reads once more
ORDERS = [pytest.param(order, id="".join("lr"[not left] for left in order)) for order in schedules(STEPS, STEPS)]


def interleaved(service: Service, left: Any, right: Any, order: tuple[bool, ...]) -> list[Any]:
    """Run `left` and `right` on clients that stop before each call, in this order. Return how each ended."""
    sides = [Side("left"), Side("right")]
    outcomes: list[Any] = [None, None]

    def run(at: int, call: Any) -> tuple[Side, Any]:
        groups = Groups(service, Stepped(service.client, sides[at]))

        def code() -> None:
            try:
                call(groups)
                outcomes[at] = "done"
            except ProtocolError as error:
                outcomes[at] = error.code

        return sides[at], code

    run_interleaved(run(0, left), run(1, right), order)
    return outcomes


@pytest.mark.parametrize("order", ORDERS)
def test_of_two_admins_removing_each_other_exactly_one_goes(
    service: Service, asha: Person, ravi: Person, mira: Person, order: tuple[bool, ...]
) -> None:
    groups = Groups(service)
    group = groups.create(mira, asha, ravi)
    for person in (asha, ravi):
        groups.put(mira, group, person, "admin")
    outcomes = interleaved(
        service, lambda own: own.remove(asha, group, ravi), lambda own: own.remove(ravi, group, asha), order
    )
    assert sorted(map(str, outcomes)) == ["done", "not_found"]
    winner = asha if outcomes[0] == "done" else ravi
    assert groups.roles(group) == {mira.account: "owner", winner.account: "admin"}


@pytest.mark.parametrize("order", ORDERS)
def test_of_two_who_join_for_the_last_place_one_comes_in(
    service: Service, asha: Person, ravi: Person, mira: Person, order: tuple[bool, ...]
) -> None:
    groups = Groups(service)
    group = groups.create(asha)
    for person in (ravi, mira):
        groups.put(asha, group, person)
    groups.set_limit(group, 2)
    outcomes = interleaved(
        service, lambda own: own.put(ravi, group, ravi), lambda own: own.put(mira, group, mira), order
    )
    assert sorted(map(str, outcomes)) == ["done", "group_full"]
    assert len(groups.roles(group)) == 2


@pytest.mark.parametrize("order", ORDERS)
def test_who_joins_twice_at_once_is_in_once(
    service: Service, asha: Person, ravi: Person, order: tuple[bool, ...]
) -> None:
    groups = Groups(service)
    group = groups.create(asha)
    groups.put(asha, group, ravi)
    version = groups.read(asha, group).version
    outcomes = interleaved(
        service, lambda own: own.put(ravi, group, ravi), lambda own: own.put(ravi, group, ravi), order
    )
    assert outcomes == ["done", "done"]
    assert groups.roles(group) == {asha.account: "owner", ravi.account: "member"}
    assert groups.read(asha, group).version == version + 1


@pytest.mark.parametrize("order", ORDERS)
def test_an_admin_demoted_while_inviting_either_still_was_one_or_invites_nobody(
    service: Service, asha: Person, ravi: Person, mira: Person, order: tuple[bool, ...]
) -> None:
    groups = Groups(service)
    group = groups.create(asha, ravi)
    groups.put(asha, group, ravi, "admin")
    outcomes = interleaved(
        service, lambda own: own.put(asha, group, ravi, "member"), lambda own: own.put(ravi, group, mira), order
    )
    assert outcomes[0] == "done"
    invited = groups.store.facts(group, mira.account, now_seconds=groups.now).own.invitation is not None
    assert (outcomes[1], invited) in [("done", True), (ErrorCode.NOT_PERMITTED, False)]


@pytest.mark.parametrize("order", ORDERS)
def test_a_group_handed_over_while_its_owner_dissolves_it_is_either(
    service: Service, asha: Person, ravi: Person, order: tuple[bool, ...]
) -> None:
    groups = Groups(service)
    group = groups.create(asha, ravi)
    outcomes = interleaved(
        service, lambda own: own.put(asha, group, ravi, "owner"), lambda own: own.dissolve(asha, group), order
    )
    if outcomes[0] == "done":
        assert outcomes[1] == ErrorCode.NOT_PERMITTED
        assert groups.roles(group) == {asha.account: "admin", ravi.account: "owner"}
    else:
        assert outcomes == [ErrorCode.NOT_FOUND, "done"]
        assert groups.group(group).state == "dissolved"
