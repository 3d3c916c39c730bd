"""Tests app-managed groups in process: members, rosters, and concurrent changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sandes.crypto.seal import GroupChange
from sandes.model.ids import account_text, new_account_id
from sandes.store.directory import DirectoryStore, account_key, phone_key
from sandes.store.schema import DirectoryRow
from tests.support.app_groups import AppGroups, changes, of_organisation, rows_of
from tests.support.groups import refused

# Groups


def test_a_group_is_made_once_however_often_the_request_comes(app: AppGroups) -> None:
    made = app.create(key="k-1", client_ref="officers", posting="all", open=True)
    assert app.create(key="k-1", client_ref="officers", posting="all", open=True) == made
    assert (made.members, made.limit, made.version, made.client_ref) == (0, 100_000, 1, "officers")
    assert [group.id for group in app.page().groups] == [made.id]
    assert app.get(made.id) == made
    assert refused(app.create, key="k-1", name="Another") == "idempotency_mismatch"


def test_to_another_app_or_kind_of_key_a_group_looks_like_none(app: AppGroups) -> None:
    made, person = app.create(), app.service.person()
    other = AppGroups(app.service, app.s3, app.service.app())
    test = AppGroups(app.service, app.s3, app.service.more_keys(app.keys, test=True))
    for stranger in (other, test):
        assert stranger.page().groups == []
        calls: list[tuple[Any, ...]] = [
            (stranger.get,),
            (stranger.dissolve,),
            (stranger.members,),
            (stranger.progress,),
        ]
        calls += [(stranger.put, person), (stranger.remove, person), (stranger.roster, []), (stranger.progress,)]
        assert {refused(call, made.id, *more) for call, *more in calls} == {"not_found"}
        assert refused(stranger.change, made.id, None, name="Mine") == "not_found"
    assert app.get(made.id).version == 1
    assert test.create().id in [group.id for group in test.page().groups]


def test_groups_are_listed_page_by_page(app: AppGroups) -> None:
    made = {app.create(name=f"Group {number}").id for number in range(5)}
    page, found = app.page(limit=2), []
    while True:
        found += [group.id for group in page.groups]
        if page.cursor is None:
            break
        page = app.page(page.cursor, limit=2)
    assert (len(found), set(found)) == (5, made)
    assert refused(app.page, "AAAA") == "invalid_cursor"


def test_a_change_is_for_the_version_it_names(app: AppGroups) -> None:
    made = app.create()
    changed = app.change(made.id, 1, name="Officers", open=True)
    assert (changed.name, changed.open, changed.posting, changed.version) == ("Officers", True, "admins", 2)
    assert refused(app.change, made.id, 1, name="Others") == "precondition_failed"
    assert app.change(made.id, 2, name="Officers").version == 2
    assert app.change(made.id, None, posting="all").version == 3
    told = app.work_all()
    assert changes(told) == [GroupChange.CHANGED, GroupChange.CHANGED]


def test_citizens_only_receive(app: AppGroups) -> None:
    assert refused(app.create, audience="citizens", posting="all") == "invalid_request"
    made = app.create(audience="citizens")
    assert refused(app.change, made.id, None, posting="all") == "invalid_request"


def test_a_dissolved_group_is_gone_for_its_app(app: AppGroups) -> None:
    made = app.create()
    app.dissolve(made.id)
    assert refused(app.get, made.id) == "not_found"
    assert refused(app.dissolve, made.id) == "not_found"
    assert refused(app.roster, made.id, []) == "not_found"
    assert made.id not in [group.id for group in app.page().groups]
    assert GroupChange.DISSOLVED in changes(app.work_all())


# People in the directory


def test_any_number_of_people_is_found_whatever_dynamodb_leaves_unread(app: AppGroups) -> None:
    client, table = app.service.client, app.service.tables["directory"]
    accounts = [new_account_id() for _ in range(230)]
    for number, one in enumerate(accounts):
        fields = {DirectoryRow.PHONE_INDEX: {"S": f"i{number}"}, DirectoryRow.PHONE_SEALED: {"B": b"x"}}
        client.put_item(TableName=table, Item=account_key(one) | fields)
        client.put_item(TableName=table, Item=phone_key(f"i{number}") | {DirectoryRow.ACCOUNT: {"B": one}})
    store = DirectoryStore(Halving(client), table)  # type: ignore[arg-type]
    found = store.people([*accounts, new_account_id(), accounts[0]])
    assert {one: known.phone_index for one, known in found.items()} == {
        one: f"i{number}" for number, one in enumerate(accounts)
    }
    assert store.accounts_of_phones([*(f"i{number}" for number in range(230)), "nobody"]) == {
        f"i{number}": one for number, one in enumerate(accounts)
    }
    assert store.people([]) == {}


@dataclass
class Halving:
    """Reads the first half of a batch, and leaves the rest unprocessed."""

    client: Any

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  boto3's name
        ((table, request),) = RequestItems.items()
        half = (len(request["Keys"]) + 1) // 2
        first, rest = request["Keys"][:half], request["Keys"][half:]
        answer = self.client.batch_get_item(RequestItems={table: request | {"Keys": first}})
        left = {table: request | {"Keys": rest}} if rest else {}
        return {"Responses": answer["Responses"], "UnprocessedKeys": left}


# One member


def test_members_are_added_given_roles_and_removed_once(app: AppGroups) -> None:
    made, person = app.create(), app.groups.official()
    added = app.put(made.id, person)
    assert (added.account, added.role) == (person.account, "member")
    assert app.put(made.id, person) == added
    assert app.put(made.id, person, "admin").role == "admin"
    assert app.groups.roles(made.id) == {person.account: "admin"}
    page = app.members(made.id)
    assert [(member.account, member.role) for member in page.members] == [(person.account, "admin")]
    assert page.version == app.get(made.id).version == 3
    app.remove(made.id, person)
    app.remove(made.id, person)
    assert app.groups.roles(made.id) == {}
    assert app.get(made.id).version == 4
    assert changes(app.work_all(), person) == [GroupChange.REMOVED]


def test_members_are_listed_page_by_page(app: AppGroups) -> None:
    made = app.create(audience="citizens")
    people = {app.put(made.id, app.service.person()).account for _ in range(5)}
    page, found = app.members(made.id, limit=2), []
    while True:
        found += [member.account for member in page.members]
        if page.cursor is None:
            break
        page = app.members(made.id, page.cursor, limit=2)
    assert (len(found), set(found)) == (5, people)


def test_whom_a_group_is_not_for_looks_like_nobody(app: AppGroups) -> None:
    mine, organisation = of_organisation(app)
    made = mine.create()
    colleague, other, citizen = app.groups.official(organisation), app.groups.official(), app.service.person()
    lapsed = app.groups.official(organisation, expires_at=app.groups.now)
    assert mine.put(made.id, colleague).account == colleague.account
    for nobody in (other, citizen, lapsed):
        assert refused(mine.put, made.id, nobody) == "not_found"
    assert refused(mine.put, made.id, new_account_id()) == "not_found"
    anybody = app.create()
    assert app.put(anybody.id, other).account == other.account
    assert refused(app.put, anybody.id, citizen) == "not_found"
    citizens = app.create(audience="citizens")
    assert app.put(citizens.id, citizen).account == citizen.account
    assert refused(app.put, citizens.id, citizen, "admin") == "not_found"
    assert app.put(citizens.id, other, "admin").role == "admin"


@pytest.mark.parametrize(("mode", "test"), [("trial", False), ("live", True)])
def test_trial_apps_and_test_keys_add_guests_only(app: AppGroups, mode: str, test: bool) -> None:
    guest, stranger = app.groups.official(), app.groups.official()
    keys = app.service.app(mode=mode, test=test, guests=[guest.phone])
    trial = AppGroups(app.service, app.s3, keys)
    made = trial.create()
    assert trial.put(made.id, guest).account == guest.account
    assert refused(trial.put, made.id, stranger) == "not_a_guest"
    assert refused(trial.put, made.id, new_account_id()) == "not_a_guest"
    rows = [*rows_of(guest, stranger), {"account": account_text(stranger.account)}, {"phone": "+990000000001"}]
    found = trial.roster(made.id, rows, dry_run=True)
    assert [(fault.row, fault.code) for fault in found.faults] == [
        (2, "not_a_guest"),
        (3, "not_a_guest"),
        (4, "unknown_recipient"),
    ]
    unknown = trial.roster(made.id, [*rows_of(guest), {"account": account_text(new_account_id())}], dry_run=True)
    assert [(fault.row, fault.code) for fault in unknown.faults] == [(2, "not_a_guest")]


@pytest.mark.parametrize(("mode", "test"), [("trial", False), ("live", True)])
def test_trial_apps_and_test_keys_let_nobody_in_by_themselves(app: AppGroups, mode: str, test: bool) -> None:
    trial = AppGroups(app.service, app.s3, app.service.app(mode=mode, test=test))
    assert refused(trial.create, open=True) == "not_a_guest"
    made = trial.create()
    assert refused(trial.change, made.id, None, open=True) == "not_a_guest"
    assert trial.get(made.id).open is False


def test_a_trial_app_gives_a_name_only_where_every_member_is_a_guest_and_to_nobody_else(app: AppGroups) -> None:
    guest, stranger = app.groups.official(), app.groups.official()
    trial = AppGroups(app.service, app.s3, app.service.app(guests=[guest.phone]))
    made = trial.create(open=True)
    trial.put(made.id, guest)
    app.service.operate("app.terms", app=trial.keys.app, mode="trial", per_day=1_000)
    trial.work_all()
    trial.change(made.id, None, name="Buy at shop 1")
    trial.groups.put(stranger, made.id, stranger)  # before anybody gets the event
    (told,) = [one for one in trial.work_all() if one.change is GroupChange.CHANGED]
    assert (told.to, told.body["name"]) == ((guest.account,), "Buy at shop 1")
    assert refused(trial.change, made.id, None, name="Buy at shop 2") == "not_a_guest"
    assert trial.change(made.id, None, open=False).open is False


def test_what_everybody_is_told_counts_like_a_message_to_the_group(app: AppGroups) -> None:
    poor = AppGroups(app.service, app.s3, app.service.app())
    app.service.operate("app.terms", app=poor.keys.app, mode="live", per_day=4)
    made, one = poor.create(), app.groups.official()
    poor.put(made.id, one)
    poor.put(made.id, one, "admin")
    poor.change(made.id, None, name="Officers")
    assert poor.change(made.id, None, name="Officers").version == 4, "what is so already is told to nobody"
    assert poor.roster(made.id, []).removed == 1
    assert refused(poor.put, made.id, one) == "quota_exceeded"
    assert refused(poor.change, made.id, None, name="Others") == "quota_exceeded"
    quiet = poor.create(audience="citizens")
    assert poor.put(quiet.id, one).role == "member", "of who is in a group for citizens only admins hear"
