"""Tests groups of people: creating, seeing, changing and dissolving them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from sandes.crypto.seal import GroupChange
from sandes.groups import groups as use_cases
from sandes.limits import Limit, enforce
from sandes.model.group import Group
from sandes.model.ids import GroupId, id_text, new_group_id, new_one_time_id
from sandes.model.instant import Instant
from sandes.protocol.client_api import ChangeGroup, NewGroup
from sandes.protocol.errors import ErrorCode
from sandes.store.groups import group_item
from tests.support import fanouts
from tests.support.cursors import edited
from tests.support.groups import Groups, refused
from tests.support.service import Person, Service


def new(ref: str | None = None, name: str = "Flood relief") -> NewGroup:
    return NewGroup(ref=ref or new_one_time_id(), name=name)


def create(groups: Groups, owner: Person, body: NewGroup) -> Any:
    return use_cases.create(groups.service.caller(owner), body, now=Instant(groups.now_ms), deps=groups.deps)


# Making


def test_a_group_has_its_maker_as_owner_and_only_member(groups: Groups, asha: Person) -> None:
    made = create(groups, asha, new())
    assert (made.name, made.kind, made.audience, made.posting, made.open) == (
        "Flood relief",
        "informal",
        "members",
        "all",
        False,
    )
    assert (made.role, made.invited, made.members, made.version) == ("owner", False, 1, 1)
    assert groups.roles(made.group) == {asha.account: "owner"}
    assert groups.group(made.group).owner == asha.account
    assert groups.changes_told() == [GroupChange.JOINED]


def test_the_same_ref_gives_the_same_group_and_makes_none(groups: Groups, asha: Person, ravi: Person) -> None:
    body = new()
    made = create(groups, asha, body)
    groups.work()
    assert create(groups, asha, body) == made
    assert create(groups, asha, new(body.ref, "Another name")) == made
    assert groups.queue.sent == []
    assert create(groups, ravi, body).group != made.group


def test_a_repetition_is_not_counted_and_an_eleventh_group_waits(groups: Groups, asha: Person) -> None:
    body = new()
    for _ in range(Limit.GROUPS_MADE.burst + 1):
        create(groups, asha, body)
    for _ in range(Limit.GROUPS_MADE.burst - 1):
        create(groups, asha, new())
    assert refused(create, groups, asha, new()) is ErrorCode.RATE_LIMITED


def test_a_group_that_is_dissolved_does_not_come_back_by_its_ref(groups: Groups, asha: Person) -> None:
    body = new()
    made = create(groups, asha, body)
    groups.dissolve(asha, made.group)
    assert refused(create, groups, asha, body) is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("name", ["", " ", "\u3000", "two\nlines", "bell\a", "x" * 101])
def test_a_name_that_nobody_could_read_is_none(name: str) -> None:
    with pytest.raises(ValidationError):
        NewGroup(ref=new_one_time_id(), name=name)
    with pytest.raises(ValidationError):
        ChangeGroup(name=name)


# Seeing


def test_a_group_is_seen_by_members_and_who_is_invited_and_by_nobody_else(
    groups: Groups, asha: Person, ravi: Person, service: Service
) -> None:
    group, stranger = groups.create(asha), service.person()
    assert refused(groups.read, ravi, group) is ErrorCode.NOT_FOUND
    groups.put(asha, group, ravi)
    seen = groups.read(ravi, group)
    assert (seen.role, seen.invited, seen.expires_at) == (None, True, groups.now + 14 * 86_400)
    assert refused(groups.read, stranger, group) is ErrorCode.NOT_FOUND
    assert refused(groups.read, stranger, new_group_id()) is ErrorCode.NOT_FOUND


def test_a_group_that_is_hidden_costs_the_same_calls_as_one_that_is_not_there(
    service: Service, asha: Person, ravi: Person
) -> None:
    from tests.support.dynamodb import FlakyClient

    client = FlakyClient(service.client)
    watched = Groups(service, client)
    group = watched.create(asha)
    caller, outcomes = service.caller(ravi), []
    for asked in (group, new_group_id()):
        client.calls.clear()
        calls = (
            lambda asked=asked: use_cases.read(caller, asked, now=Instant(watched.now_ms), deps=watched.deps),
            lambda asked=asked: watched.put(ravi, asked, asha),
            lambda asked=asked: watched.put(ravi, asked, ravi),
            lambda asked=asked: watched.remove(ravi, asked, asha),
            lambda asked=asked: watched.remove(ravi, asked, ravi),
            lambda asked=asked: watched.change(ravi, asked, name="Mine"),
            lambda asked=asked: watched.dissolve(ravi, asked),
            lambda asked=asked: watched.members(ravi, asked),
        )
        assert {refused(call) for call in calls} == {ErrorCode.NOT_FOUND}
        outcomes.append(list(client.calls))
    assert outcomes[0] == outcomes[1] == ["batch_get_item"] * 8


def test_an_official_group_is_seen_by_whom_it_is_open_to(groups: Groups, asha: Person) -> None:
    ministry = groups.organisation()
    colleague, elsewhere = groups.official(ministry), groups.official()
    group = groups.official_group(ministry, open=True)
    assert groups.read(colleague, group).role is None
    assert refused(groups.read, elsewhere, group) is ErrorCode.NOT_FOUND
    assert refused(groups.read, asha, group) is ErrorCode.NOT_FOUND
    news = groups.official_group(ministry, audience="citizens", open=True)
    assert groups.read(asha, news).audience == "citizens"


def test_whose_verification_has_run_out_sees_an_officials_group_no_more(groups: Groups) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    group = groups.official_group(ministry, admin)
    assert groups.read(admin, group).role == "admin"
    groups.verify(admin, ministry, expires_at=groups.now)
    assert refused(groups.read, admin, group) is ErrorCode.NOT_FOUND
    assert groups.all_own(admin) == []


# One's own


def test_own_groups_are_listed_with_role_and_invitations_with_their_end(
    groups: Groups, asha: Person, ravi: Person
) -> None:
    own, joined, invited = groups.create(asha), groups.create(ravi, asha), groups.create(ravi, name="Later")
    groups.put(ravi, invited, asha)
    gone = groups.create(asha)
    groups.dissolve(asha, gone)
    entries = {entry.group: (entry.name, entry.role, entry.expires_at) for entry in groups.all_own(asha)}
    assert entries == {
        own: ("Flood relief", "owner", None),
        joined: ("Flood relief", "member", None),
        invited: ("Later", None, groups.now + 14 * 86_400),
    }


def test_own_groups_come_by_pages_and_a_cursor_is_its_callers(
    groups: Groups, asha: Person, ravi: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "PAGE", 2)
    made = {groups.create(asha) for _ in range(5)}
    for _ in range(3):
        group = groups.create(ravi)
        groups.put(ravi, group, asha)
        made.add(group)
    first = groups.own(asha)
    assert len(first.groups) == 2
    assert first.cursor is not None
    assert {entry.group for entry in groups.all_own(asha)} == made
    assert refused(groups.own, ravi, first.cursor) is ErrorCode.INVALID_CURSOR
    assert refused(groups.own, asha, edited(first.cursor)) is ErrorCode.INVALID_CURSOR


# Changing


def test_who_manages_a_group_changes_it_and_its_version_rises(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.work()
    before = groups.read(asha, group).version
    changed = groups.change(asha, group, name="Cyclone relief", posting="admins")
    assert (changed.name, changed.posting, changed.version) == ("Cyclone relief", "admins", before + 1)
    (told,) = groups.work()
    assert (told.change, told.to, told.body["name"]) == (GroupChange.CHANGED, None, "Cyclone relief")
    assert told.body["version"] == before + 1
    assert refused(groups.change, ravi, group, name="Mine") is ErrorCode.NOT_PERMITTED


def test_what_is_so_already_is_no_change(groups: Groups, asha: Person) -> None:
    group = groups.create(asha)
    groups.work()
    before = groups.read(asha, group)
    assert groups.change(asha, group, name=before.name, posting="all", open=False) == before
    assert groups.change(asha, group) == before
    assert groups.queue.sent == []


def test_a_change_meant_for_another_version_is_refused(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    seen = groups.read(asha, group).version
    groups.change(asha, group, version=seen, name="First")
    assert refused(groups.change, asha, group, version=seen, name="Second") is ErrorCode.PRECONDITION_FAILED
    assert refused(groups.change, asha, group, version=seen) is ErrorCode.PRECONDITION_FAILED
    assert groups.read(asha, group).name == "First"


def test_a_change_overtaken_between_reading_and_writing_is_refused(
    service: Service, asha: Person, ravi: Person
) -> None:
    from tests.support.dynamodb import OvertakenClient

    other = Groups(service)
    group = other.create(asha)
    seen = other.read(asha, group).version
    client = OvertakenClient(
        service.client, "transact_write_items", lambda: other.change(asha, group, name="The other's")
    )
    assert (
        refused(Groups(service, client).change, asha, group, version=seen, name="Mine") is ErrorCode.PRECONDITION_FAILED
    )
    assert other.read(asha, group).name == "The other's"


def test_only_official_groups_are_opened_and_citizens_never_post(groups: Groups, asha: Person) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    official = groups.official_group(ministry, admin)
    assert groups.change(admin, official, open=True).open is True
    news = groups.official_group(ministry, admin, audience="citizens", posting="admins")
    assert refused(groups.change, admin, news, posting="all") is ErrorCode.INVALID_REQUEST
    assert refused(groups.change, asha, groups.create(asha), open=True) is ErrorCode.INVALID_REQUEST


def test_changes_that_all_members_are_told_of_cost_what_posts_to_them_do(groups: Groups) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    large = groups.official_group(ministry, admin, members=100_000, limit=200_000)
    groups.change(admin, large, name="One")
    groups.change(admin, large, posting="admins")
    assert groups.change(admin, large, posting="admins").posting == "admins"  # no change, no cost
    assert refused(groups.change, admin, large, name="Three") is ErrorCode.RATE_LIMITED
    assert groups.read(admin, large).name == "One"
    assert refused(groups.dissolve, *informal(groups, admin, members=33)) is ErrorCode.RATE_LIMITED
    groups.change(admin, informal(groups, admin, members=32)[1], name="Few")
    groups.put(admin, large, groups.official(ministry))  # only admins get the event
    groups.now_ms += 501_000
    groups.change(admin, large, name="Three")


def test_coming_and_going_costs_a_chunk_for_every_hundred_who_are_told(groups: Groups, asha: Person) -> None:
    _, group = informal(groups, asha, members=101)
    ravi = groups.service.person()
    groups.put(asha, group, ravi)
    groups.put(ravi, group, ravi)
    groups.put(asha, group, ravi, "admin")
    groups.remove(asha, group, ravi)
    taken = fanouts.Groups(groups.service).chunks_taken
    assert (taken(asha), taken(ravi)) == (4, 2)


def informal(groups: Groups, owner: Person, *, members: int) -> tuple[Person, GroupId]:
    """Make a group whose row counts this many members."""
    made = groups.group(groups.create(owner))
    groups.service.client.put_item(
        TableName=groups.service.tables["directory"],
        Item=group_item(replace(made, members=members)),
    )
    return owner, made.id


# Dissolving


def test_its_owner_dissolves_an_informal_group(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha, ravi)
    groups.put(asha, group, ravi, "admin")
    groups.work()
    assert refused(groups.dissolve, ravi, group) is ErrorCode.NOT_PERMITTED
    groups.dissolve(asha, group)
    assert groups.group(group).state == "dissolved"
    (told,) = groups.work()
    assert (told.change, told.to, told.body["actor"]) == (GroupChange.DISSOLVED, None, asha.account)
    ((job, _),) = groups.queue.sent
    assert job == {"job": "dissolve", "group": id_text(group)}


def gone(groups: Groups, group: GroupId, asha: Person, ravi: Person) -> dict[str, ErrorCode]:
    return {
        "read": refused(groups.read, asha, group),
        "change": refused(groups.change, asha, group, name="x"),
        "join": refused(groups.put, ravi, group, ravi),
        "invite": refused(groups.put, asha, group, ravi),
        "leave": refused(groups.remove, asha, group, asha),
        "members": refused(groups.members, asha, group),
        "dissolve": refused(groups.dissolve, asha, group),
    }


def test_a_dissolved_group_is_gone_for_everybody_at_once(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    groups.put(asha, group, ravi)
    groups.dissolve(asha, group)
    assert set(gone(groups, group, asha, ravi).values()) == {ErrorCode.NOT_FOUND}
    assert groups.all_own(asha) == groups.all_own(ravi) == []


def test_an_official_group_is_not_dissolved_by_its_admins(groups: Groups) -> None:
    ministry = groups.organisation()
    admin = groups.official(ministry)
    assert refused(groups.dissolve, admin, groups.official_group(ministry, admin)) is ErrorCode.NOT_PERMITTED


def test_a_group_comes_back_as_it_was_written(groups: Groups, asha: Person) -> None:
    group = groups.group(groups.create(asha))
    assert isinstance(group, Group)
    assert (group.admins, group.owner, group.limit, group.live) == (frozenset([asha.account]), asha.account, 500, True)


def test_whoever_has_made_too_many_changes_makes_none_until_later(groups: Groups, asha: Person, ravi: Person) -> None:
    group = groups.create(asha)
    groups.put(asha, group, ravi)
    before = (groups.read(asha, group), groups.roles(group))
    groups.queue.sent.clear()
    spent = Limit.GROUP_CHANGES.burst - 2  # beside the invitation and the change below
    account = use_cases.subject(asha.account)
    enforce(groups.service.limits, Limit.GROUP_CHANGES, account, now=Instant(groups.now_ms), weight=spent)
    groups.change(asha, group, name=before[0].name)  # the last one
    for call, *about in (
        (groups.put, ravi),
        (groups.remove, ravi),
        (groups.dissolve,),
    ):
        assert refused(call, asha, group, *about) is ErrorCode.RATE_LIMITED
    assert refused(groups.change, asha, group, name="Another") is ErrorCode.RATE_LIMITED
    assert (groups.read(asha, group), groups.roles(group), groups.queue.sent) == (*before, [])
    groups.put(ravi, group, ravi)  # the limit applies to one account
