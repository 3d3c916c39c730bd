"""Tests rosters as pure functions: their rows and changes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sandes.apps.rosters import Wanted, decode_changes, difference, encode_changes, read_rows, settle
from sandes.crypto.pepper import Pepper
from sandes.model.group import Role
from sandes.model.ids import AccountId, account_text
from sandes.model.roster import Change, ChangeKind, RosterFault
from sandes.protocol.app_groups_api import PutRoster, RosterRow

PEPPER = Pepper.of(b"p" * 32)
PHONE = "+919876543210"


def account(number: int) -> AccountId:
    return AccountId(number.to_bytes(8, "big"))


accounts = st.integers(0, 40).map(account)
roles = st.sampled_from(["admin", "member"])
memberships = st.dictionaries(accounts, roles, max_size=30)
changes = st.builds(Change, st.sampled_from(ChangeKind), accounts, roles)


def wanted(roles: Mapping[AccountId, Role]) -> Wanted:
    return Wanted(roles, {}, ())


def apply(members: Mapping[AccountId, Role], made: list[Change]) -> dict[AccountId, Role]:
    now = dict(members)
    for change in made:
        match change.kind:
            case ChangeKind.REMOVE:
                del now[change.account]
            case ChangeKind.SET_ROLE:
                assert now[change.account] != change.role
                now[change.account] = change.role
            case ChangeKind.ADD:
                assert change.account not in now
                now[change.account] = change.role
    return now


@given(memberships, memberships)
def test_the_changes_of_a_roster_lead_from_the_members_to_those_wanted(
    members: dict[AccountId, Role], roster: dict[AccountId, Role]
) -> None:
    found = difference(members, wanted(roster))
    assert apply(members, list(found.changes)) == roster
    assert found.counts.changes == len(found.changes)
    assert found.counts.unchanged + found.counts.role_changed + found.counts.added == len(roster)


@given(memberships, memberships)
def test_a_group_is_never_larger_on_the_way_than_at_its_two_ends(
    members: dict[AccountId, Role], roster: dict[AccountId, Role]
) -> None:
    made = list(difference(members, wanted(roster)).changes)
    sizes = [len(apply(members, made[:done])) for done in range(len(made) + 1)]
    assert max(sizes) <= max(len(members), len(roster))


@given(memberships, memberships)
def test_there_are_never_more_admins_on_the_way_than_at_its_two_ends(
    members: dict[AccountId, Role], roster: dict[AccountId, Role]
) -> None:
    made = list(difference(members, wanted(roster)).changes)
    ways = [list(apply(members, made[:done]).values()).count("admin") for done in range(len(made) + 1)]
    assert max(ways) <= max(ways[0], ways[-1])


@given(memberships)
def test_the_same_roster_again_changes_nothing(members: dict[AccountId, Role]) -> None:
    found = difference(members, wanted(members))
    assert (list(found.changes), found.unchanged) == ([], len(members))


@given(memberships, st.permutations(list(range(20))))
def test_the_order_of_a_roster_does_not_matter(members: dict[AccountId, Role], order: list[int]) -> None:
    one = difference(members, wanted({account(number): "member" for number in range(20)}))
    other = difference(members, wanted({account(number): "member" for number in order}))
    assert one == other


@given(st.lists(changes, max_size=50))
def test_changes_are_read_back_as_they_were_kept(made: list[Change]) -> None:
    assert decode_changes(encode_changes(made)) == made


ROWS = [
    ({"phone": PHONE, "account": account_text(account(1))}, "recipient"),
    ({}, "recipient"),
    ({"phone": "98765 43210"}, "invalid_phone"),
    ({"phone": "+91"}, "invalid_phone"),
    ({"phone": ""}, "invalid_phone"),
    ({"phone": "+" + "9" * 5_000}, "invalid_phone"),
    ({"phone": "+990000000001"}, "unknown_recipient"),
    ({"account": "x"}, "bad_account"),
    ({"account": account_text(account(1)).upper()}, "bad_account"),
    ({"phone": PHONE, "role": "owner"}, "bad_role"),
    ({"phone": PHONE, "role": "Admin"}, "bad_role"),
]


@pytest.mark.parametrize(("row", "code"), ROWS, ids=[f"{number}-{code}" for number, (_, code) in enumerate(ROWS)])
def test_a_row_that_names_nobody_is_told_with_its_number_and_stops_no_other(row: dict[str, str], code: str) -> None:
    good = RosterRow(phone=PHONE)
    entries, faults = read_rows([good, RosterRow(**row), good], PEPPER)
    assert [entry.row for entry in entries] == [1, 3]
    assert faults == [RosterFault(2, code)]


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=10))
def test_whatever_a_row_says_is_an_entry_or_a_fault(phone: str, of: str, role: str) -> None:
    rows = [RosterRow(phone=phone), RosterRow(account=of), RosterRow(phone=PHONE, role=role)]
    entries, faults = read_rows(rows, PEPPER)
    assert sorted([entry.row for entry in entries] + [fault.row for fault in faults]) == [1, 2, 3]


def test_numbers_are_known_by_their_pseudonym_whichever_way_they_are_written() -> None:
    entries, _ = read_rows([RosterRow(phone="+91 98765-43210"), RosterRow(phone=PHONE, role="admin")], PEPPER)
    assert {entry.index for entry in entries} == {PEPPER.index("phone", PHONE)}
    assert [entry.role for entry in entries] == ["member", "admin"]


def test_somebody_named_twice_counts_once_as_the_first_row_says() -> None:
    index = PEPPER.index("phone", PHONE)
    rows = [RosterRow(phone=PHONE, role="admin"), RosterRow(account=account_text(account(7))), RosterRow(phone=PHONE)]
    entries, _ = read_rows(rows, PEPPER)
    found = settle(entries, {index: account(7)}, fault_of=lambda account, role: None)
    assert found.roles == {account(7): "admin"}
    assert found.faults == [RosterFault(2, "duplicate"), RosterFault(3, "duplicate")]


def test_who_is_unknown_or_may_not_be_in_the_group_is_told_in_the_order_of_the_rows() -> None:
    names = [1, 2, 3]
    rows = [RosterRow(phone="x"), *(RosterRow(account=account_text(account(number))) for number in names)]
    rows.append(RosterRow(phone=PHONE))
    entries, faults = read_rows(rows, PEPPER)
    denied = {account(2): "not_a_guest"}
    found = settle(entries, {}, fault_of=lambda account, role: denied.get(account), faults=faults)
    assert found.roles.keys() == {account(1), account(3)}
    assert [(fault.row, fault.code) for fault in found.faults] == [
        (1, "invalid_phone"),
        (3, "not_a_guest"),
        (5, "unknown_recipient"),
    ]


def test_a_row_of_another_form_refuses_the_whole_request() -> None:
    for row in ({"phone": 919876543210}, {"telephone": PHONE}, PHONE, None):
        with pytest.raises(ValidationError):
            PutRoster.model_validate({"members": [{"phone": PHONE}, row]})


@pytest.mark.slow
def test_a_hundred_thousand_rows_with_bad_ones_among_them_are_read_and_compared() -> None:
    rows = [{"phone": f"+9198{number:08}"} if number % 50 else {"phone": "98765"} for number in range(100_000)]
    body = PutRoster.model_validate({"members": rows})
    entries, faults = read_rows(body.members, PEPPER)
    known = {entry.index or "": account(entry.row) for entry in entries if entry.row % 7}
    members: dict[AccountId, Role] = {account(number): "member" for number in range(1, 50_001)}
    found = difference(members, settle(entries, known, fault_of=lambda account, role: None, faults=faults))
    bad, strangers = 2_000, sum(entry.row % 7 == 0 for entry in entries)
    assert found.counts.invalid == bad + strangers
    assert found.counts.added + found.counts.unchanged == 100_000 - bad - strangers
    assert [fault.row for fault in found.faults] == sorted(fault.row for fault in found.faults)
    assert apply(members, list(found.changes)).keys() == set(known.values())
    assert len(encode_changes(found.changes)) == 10 * found.counts.changes
