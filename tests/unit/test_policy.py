"""Tests the policy in the whole space of parties and questions, against a matrix that is written independently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from sandes.model.device import Account
from sandes.model.group import Audience as GroupAudience
from sandes.model.group import Posting, Role
from sandes.model.ids import AccountId, DeviceNumber, OrganisationId, UnitId
from sandes.model.profile import AUDIENCES, FIELDS, OFFICIAL_POLICY, PUBLIC_POLICY, Audience, Field, stricter
from sandes.model.standing import Standing, class_of, in_force
from sandes.policy import GROUPS, PEOPLE, Action, GroupAction, GroupView, Person, Viewer, decide

HERE, THERE = OrganisationId(b"here here"[:8]), OrganisationId(b"there th"[:8])
ROOT = UnitId(bytes(8))
END = 2**31
ACTIONS = get_args(Action)
GROUP_ACTIONS = get_args(GroupAction)


def standing(organisation: OrganisationId, *, listed: bool = False) -> Standing:
    return Standing(organisation, ROOT, END, listed)


PUBLIC, COLLEAGUE, OFFICIAL = Viewer(None), Viewer(standing(HERE)), Viewer(standing(THERE))
VIEWERS = (PUBLIC, OFFICIAL, COLLEAGUE, Viewer(standing(HERE, listed=True)))
"""COLLEAGUE and OFFICIAL are named for their relation to the people of HERE."""

CITIZEN, UNLISTED, LISTED = None, standing(HERE), standing(HERE, listed=True)


def people(*, is_viewer: bool | None = None) -> Iterator[Person]:
    """Yield every kind of person, each with every audience on all fields."""
    for whose, self, blocks, invites, audience in product(
        (CITIZEN, UNLISTED, LISTED, standing(THERE), standing(THERE, listed=True)),
        (False, True) if is_viewer is None else (is_viewer,),
        (False, True),
        (False, True),
        (*AUDIENCES, None),
    ):
        shown = dict.fromkeys(FIELDS, audience) if audience else None
        yield Person(whose, is_viewer=self, blocks=blocks, invites=invites, shown_to=shown)


def groups(*, live: bool = True) -> Iterator[GroupView]:
    for audience, posting, open, owner, role, invited in product(
        get_args(GroupAudience), get_args(Posting), (False, True), (None, HERE), (None, *get_args(Role)), (False, True)
    ):
        yield GroupView(audience, posting, open, live, owner, role, invited)


def may(viewer: Viewer, person: Person) -> set[str]:
    return {asked for asked in (*ACTIONS, *FIELDS) if decide(viewer, person, asked)}


def may_in(viewer: Viewer, group: GroupView) -> set[str]:
    return {asked for asked in GROUP_ACTIONS if decide(viewer, group, asked)}


# The matrix, written by hand: rows are the people concerned, columns the viewer's relation to them

NOBODY, OFFICIALS, ALL = (0, 0, 0), (1, 1, 0), (1, 1, 1)
SAME_ORGANISATION = (1, 0, 0)
NOT_PUBLIC_TO_PUBLIC = (1, 1, 0)

EXPECTED: dict[tuple[str, str], tuple[int, int, int]] = {
    # asked, about: an official of the same organisation, of another one, somebody public may
    ("find_by_number", "unlisted official"): OFFICIALS,
    ("find_by_number", "official who invited the viewer"): OFFICIALS,
    ("find_by_number", "listed official"): ALL,
    ("find_by_number", "citizen"): ALL,
    ("find_by_name", "unlisted official"): SAME_ORGANISATION,
    ("find_by_name", "official who invited the viewer"): SAME_ORGANISATION,
    ("find_by_name", "listed official"): SAME_ORGANISATION,
    ("find_by_name", "citizen"): NOBODY,
    ("see", "unlisted official"): OFFICIALS,
    ("see", "official who invited the viewer"): ALL,
    ("see", "listed official"): ALL,
    ("see", "citizen"): ALL,
    ("message", "unlisted official"): OFFICIALS,
    ("message", "official who invited the viewer"): ALL,
    ("message", "listed official"): ALL,
    ("message", "citizen"): ALL,
    ("invite", "unlisted official"): OFFICIALS,
    ("invite", "official who invited the viewer"): ALL,
    ("invite", "listed official"): ALL,
    ("invite", "citizen"): ALL,
    ("let_write", "unlisted official"): NOBODY,
    ("let_write", "official who invited the viewer"): NOBODY,
    ("let_write", "listed official"): NOBODY,
    ("let_write", "citizen"): NOT_PUBLIC_TO_PUBLIC,
}

SUBJECTS = {
    "unlisted official": Person(UNLISTED),
    "official who invited the viewer": Person(UNLISTED, invites=True),
    "listed official": Person(LISTED),
    "citizen": Person(CITIZEN),
}

SELF_MAY = {
    "official": {"find_by_number", "find_by_name", "see", "message"},
    "citizen": {"find_by_number", "see", "message"},
}


@pytest.mark.parametrize(("asked", "about"), EXPECTED, ids="-".join)
def test_the_matrix_is_what_was_decided(asked: Action, about: str) -> None:
    found = tuple(int(decide(viewer, SUBJECTS[about], asked)) for viewer in (COLLEAGUE, OFFICIAL, PUBLIC))
    assert found == EXPECTED[asked, about]


def test_the_table_above_is_about_every_action_and_subject() -> None:
    assert set(EXPECTED) == set(product(ACTIONS, SUBJECTS))
    assert set(PEOPLE) == set(ACTIONS)
    assert set(GROUPS) == set(GROUP_ACTIONS)


def test_one_is_oneself_before_anything_else() -> None:
    for person in people(is_viewer=True):
        viewer = Viewer(person.standing)
        expected = SELF_MAY["official" if person.standing else "citizen"]
        assert may(viewer, person) == expected | set(FIELDS)  # also those shown to nobody


SEEN_BY: dict[Audience, tuple[int, int, int]] = {
    "everyone": ALL,
    "officials": OFFICIALS,
    "organisation": SAME_ORGANISATION,
    "nobody": NOBODY,
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_seen_by_its_audience_and_nobody_else(field: Field) -> None:
    for audience, expected in SEEN_BY.items():
        person = Person(LISTED, shown_to={field: audience})
        assert tuple(int(decide(viewer, person, field)) for viewer in (COLLEAGUE, OFFICIAL, PUBLIC)) == expected


GROUP_EXPECTED: dict[tuple[str, GroupAudience], tuple[str, str, str]] = {
    # asked, audience: when a public person, an official of another organisation, one of the owning organisation may
    ("see_group", "members"): ("invited member",) * 3,
    ("see_group", "officials"): ("", "invited member", "open invited member"),
    ("see_group", "citizens"): ("open invited member",) * 3,
    ("join", "members"): ("invited",) * 3,
    ("join", "officials"): ("", "invited", "open invited"),
    ("join", "citizens"): ("open invited",) * 3,
    ("post", "members"): ("admin poster",) * 3,
    ("post", "officials"): ("", "admin poster", "admin poster"),
    ("post", "citizens"): ("", "admin", "admin"),
    ("receive", "members"): ("member",) * 3,
    ("receive", "officials"): ("", "member", "member"),
    ("receive", "citizens"): ("member",) * 3,
    ("see_members", "members"): ("member",) * 3,
    ("see_members", "officials"): ("", "member", "member"),
    ("see_members", "citizens"): ("", "admin", "admin"),
    ("manage", "members"): ("admin",) * 3,
    ("manage", "officials"): ("", "admin", "admin"),
    ("manage", "citizens"): ("", "admin", "admin"),
}


@pytest.mark.parametrize(("asked", "audience"), GROUP_EXPECTED, ids="-".join)
def test_the_matrix_of_groups_is_what_was_decided(asked: GroupAction, audience: GroupAudience) -> None:
    for group in (group for group in groups() if group.audience == audience and group.owner_organisation == HERE):
        holds = {
            "open": group.open,
            "invited": group.invited,
            "member": group.role is not None,
            "poster": group.role is not None and group.posting == "all",
            "admin": group.role in {"admin", "owner"},
        }
        for viewer, reasons in zip((PUBLIC, OFFICIAL, COLLEAGUE), GROUP_EXPECTED[asked, audience], strict=True):
            assert decide(viewer, group, asked) == any(holds[reason] for reason in reasons.split()), group


def test_the_table_above_is_about_every_action_and_audience() -> None:
    assert set(GROUP_EXPECTED) == set(product(GROUP_ACTIONS, get_args(GroupAudience)))


def test_an_open_group_of_officials_that_no_organisation_owns_is_open_to_every_official() -> None:
    for group in groups():
        if group.audience == "officials" and group.owner_organisation is None and group.open:
            assert [decide(viewer, group, "join") for viewer in (PUBLIC, OFFICIAL, COLLEAGUE)] == [False, True, True]


# Laws that hold over the whole space


def test_a_block_denies_everything_but_oneself() -> None:
    for viewer, person in product(VIEWERS, people()):
        blocking = replace(person, blocks=True)
        if person.is_viewer:
            assert may(viewer, blocking) == may(viewer, person)
        else:
            assert may(viewer, blocking) == set()


def test_who_is_nearer_never_may_less() -> None:
    """Compare the public, an official of another organisation and a colleague: each may do everything that the previous
    one may.
    """
    for person in people(is_viewer=False):
        if person.standing is None or person.standing.organisation == HERE:
            assert may(PUBLIC, person) <= may(OFFICIAL, person) <= may(COLLEAGUE, person)
    for group in groups():
        assert may_in(PUBLIC, group) <= may_in(OFFICIAL, group) <= may_in(COLLEAGUE, group)


def test_a_stricter_audience_never_shows_more() -> None:
    for viewer, person, wider, narrower in product(VIEWERS, people(), AUDIENCES, AUDIENCES):
        if AUDIENCES.index(wider) > AUDIENCES.index(narrower):
            continue
        assert stricter(wider, narrower) == stricter(narrower, wider) == narrower
        before = may(viewer, replace(person, shown_to=dict.fromkeys(FIELDS, wider)))
        after = may(viewer, replace(person, shown_to=dict.fromkeys(FIELDS, narrower)))
        assert after <= before
        assert before - after <= set(FIELDS)


def test_a_field_of_no_audience_is_hidden_from_everybody_else() -> None:
    for viewer, person in product(VIEWERS, people(is_viewer=False)):
        assert not may(viewer, replace(person, shown_to={})) & set(FIELDS)


def test_fields_are_for_those_who_may_see_the_person() -> None:
    for viewer, person in product(VIEWERS, people()):
        allowed = may(viewer, person)
        assert "see" in allowed or not allowed & set(FIELDS)


def test_whom_one_finds_one_may_see_and_write_to() -> None:
    for viewer, person in product(VIEWERS, people()):
        allowed = may(viewer, person)
        if allowed & {"find_by_number", "find_by_name"}:
            assert allowed >= {"see", "message"}


def test_nobody_public_reaches_an_official_who_is_neither_listed_nor_has_invited_them() -> None:
    for person in people(is_viewer=False):
        if person.standing and not person.standing.listed and not person.invites:
            assert may(PUBLIC, person) == set()


def test_an_invitation_and_a_listed_post_never_take_anything_away() -> None:
    for viewer, person in product(VIEWERS, people()):
        assert may(viewer, replace(person, invites=False)) <= may(viewer, replace(person, invites=True))
        if person.standing:
            hidden, shown = (replace(person, standing=replace(person.standing, listed=x)) for x in (False, True))
            assert may(viewer, hidden) <= may(viewer, shown)


def test_only_officials_let_citizens_write_and_only_citizens_need_it() -> None:
    for viewer, person in product(VIEWERS, people()):
        if decide(viewer, person, "let_write"):
            assert viewer.standing
            assert not person.standing
            assert not person.is_viewer


def test_a_viewers_own_listing_changes_nothing() -> None:
    one, other = (Viewer(standing(HERE, listed=listed)) for listed in (False, True))
    assert all(may(one, person) == may(other, person) for person in people())
    assert all(may_in(one, group) == may_in(other, group) for group in groups())


def test_a_dissolved_group_denies_everything() -> None:
    for viewer, group in product(VIEWERS, groups(live=False)):
        assert may_in(viewer, group) == set()


def test_citizens_only_receive() -> None:
    for group in groups():
        if group.audience == "citizens":
            assert may_in(PUBLIC, group) <= {"see_group", "join", "receive"}


def test_nobody_public_has_any_part_in_a_group_of_officials() -> None:
    for group in groups():
        if group.audience == "officials":
            assert may_in(PUBLIC, group) == set()


def test_who_may_do_anything_in_a_group_may_see_it() -> None:
    for viewer, group in product(VIEWERS, groups()):
        allowed = may_in(viewer, group)
        assert "see_group" in allowed or not allowed


def test_who_is_not_in_a_group_may_at_most_see_and_join_it() -> None:
    for viewer, group in product(VIEWERS, groups()):
        if group.role is None:
            assert may_in(viewer, group) <= {"see_group", "join"}


def test_a_higher_role_and_wider_posting_never_take_anything_away() -> None:
    for viewer, group in product(VIEWERS, groups()):
        none, member, admin, owner = (
            may_in(viewer, replace(group, role=r)) for r in (None, "member", "admin", "owner")
        )
        assert none <= member <= admin == owner
        assert may_in(viewer, replace(group, posting="admins")) <= may_in(viewer, replace(group, posting="all"))
        assert may_in(viewer, replace(group, open=False)) <= may_in(viewer, replace(group, open=True))
        assert may_in(viewer, replace(group, invited=False)) <= may_in(viewer, replace(group, invited=True))


# Standings and defaults


@pytest.mark.parametrize(("left_seconds", "kept"), [(1, True), (0, False), (-1, False)])
def test_an_expired_standing_is_none(left_seconds: int, kept: bool) -> None:
    ends = replace(UNLISTED, expires_at=1_000 + left_seconds)
    assert in_force(ends, now_seconds=1_000) == (ends if kept else None)
    account = Account(AccountId(bytes(8)), "", b"", 0, DeviceNumber(1), {}, ends)
    assert account.standing_at(1_000) == in_force(ends, now_seconds=1_000)
    assert class_of(account.standing_at(1_000)) == ("verified" if kept else "public")


def test_the_defaults_name_every_field() -> None:
    assert set(OFFICIAL_POLICY) == set(PUBLIC_POLICY) == set(FIELDS)
    assert not [field for field in FIELDS if PUBLIC_POLICY[field] != "nobody" and field not in {"name", "photo"}]
    assert get_args(Audience) == AUDIENCES
