"""Groups that apps manage, in process: who may be in them, what a roster changes, whatever comes between."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sandes.apps import app_rosters, roster_work
from sandes.crypto.seal import GroupChange
from sandes.model.ids import GroupId, account_text, new_account_id
from sandes.protocol.errors import ProtocolError
from sandes.store.directory import DirectoryStore, account_key, phone_key
from sandes.store.schema import DirectoryRow
from tests.support.app_groups import AppGroups, rows_of
from tests.support.batches import BUCKET, Crash, Crashing, batch_backend
from tests.support.dynamodb import OvertakenClient
from tests.support.service import Person, Service, new_phone


@pytest.fixture
def backend() -> Iterator[tuple[Service, Any]]:
    """Anew for each test: a transaction in moto takes as long as its tables are large."""
    with batch_backend() as made:
        yield made


@pytest.fixture
def app(backend: tuple[Service, Any]) -> AppGroups:
    """Of no organisation: any official may be in its groups for officials."""
    service, s3 = backend
    return AppGroups(Service(service.client, service.tables), s3, service.app())


def of_organisation(app: AppGroups) -> tuple[AppGroups, Any]:
    id = app.groups.organisation()
    keys = app.service.app(organisation_id=account_text(id))
    return AppGroups(app.service, app.s3, keys), id


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ProtocolError) as error:
        call(*args, **kwargs)
    return str(error.value.code)


def changes(told: Any, person: Person | None = None) -> list[GroupChange]:
    """What was told to a person alone, or to everybody."""
    of = [
        post for post in told if (person is None and post.to is None) or (person and person.account in (post.to or ()))
    ]
    return [post.change for post in of]


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
        client.put_item(TableName=table, Item=account_key(one) | {DirectoryRow.PHONE_INDEX: {"S": f"i{number}"}})
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
    """Reads the first half of what a batch asks for, and leaves the rest to be asked for again."""

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
    trial.groups.put(stranger, made.id, stranger)  # before anybody is told
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


# Rosters that are made at once


def test_a_dry_run_says_what_would_change_and_changes_nothing(app: AppGroups) -> None:
    made = app.create()
    stays, goes, comes, rises = (app.groups.official() for _ in range(4))
    for person in (stays, goes, rises):
        app.put(made.id, person)
    before = app.groups.roles(made.id)
    app.work_all()
    bad: list[Any] = [{"phone": "98765"}, {"phone": new_phone()}, *rows_of(app.service.person()), *rows_of(stays)]
    rows = [*rows_of(stays, comes), *rows_of(rises, role="admin"), *bad]
    found = app.roster(made.id, rows, version=4, dry_run=True)
    assert (found.state, found.added, found.removed, found.role_changed, found.unchanged) == ("checked", 1, 1, 1, 1)
    assert (found.invalid, [(fault.row, fault.code) for fault in found.faults]) == (
        4,
        [(4, "invalid_phone"), (5, "unknown_recipient"), (6, "unknown_recipient"), (7, "duplicate")],
    )
    assert (app.groups.roles(made.id), app.get(made.id).version) == (before, 4)
    assert (app.progress(made.id).state, app.groups.queue.sent, app.jobs, app.objects()) == ("none", [], [], [])


def test_a_few_changes_are_made_in_the_call_and_everybody_hears_of_them(app: AppGroups) -> None:
    made = app.create()
    stays, goes, comes, rises = (app.groups.official() for _ in range(4))
    for person in (stays, goes, rises):
        app.put(made.id, person)
    app.work_all()
    found = app.roster(made.id, [*rows_of(stays, comes), *rows_of(rises, role="admin")], version=4)
    assert (found.state, found.done, found.total, found.unchanged) == ("done", 3, 3, 1)
    assert app.groups.roles(made.id) == {
        stays.account: "member",
        comes.account: "member",
        rises.account: "admin",
    }
    assert app.get(made.id).version == 5
    told = app.work_all()
    assert changes(told, comes) == [GroupChange.JOINED]
    assert GroupChange.REMOVED in changes(told, goes)
    assert GroupChange.ROLE in changes(told, rises)
    assert changes(told, stays) == []
    assert changes(told) == [GroupChange.MEMBERS]
    assert app.progress(made.id) == found


def test_the_same_roster_again_changes_nothing(app: AppGroups) -> None:
    made, people = app.create(), [app.groups.official() for _ in range(3)]
    first = app.roster(made.id, rows_of(*people), version=1)
    assert app.roster(made.id, rows_of(*people), version=1) == first, "the answer was lost, the request comes again"
    app.work_all()
    again = app.roster(made.id, rows_of(*people), version=2)
    assert (again.state, again.total, again.unchanged) == ("done", 0, 3)
    assert (app.get(made.id).version, app.work_all()) == (2, [])


def test_a_roster_for_an_older_version_is_refused(app: AppGroups) -> None:
    made, person = app.create(), app.groups.official()
    app.put(made.id, person)
    assert refused(app.roster, made.id, [], version=1) == "precondition_failed"
    assert refused(app.roster, made.id, [], version=1, dry_run=True) == "precondition_failed"
    assert app.groups.roles(made.id) == {person.account: "member"}
    assert app.roster(made.id, []).removed == 1
    assert app.groups.roles(made.id) == {}


def test_a_roster_without_a_single_good_row_empties_nothing(app: AppGroups) -> None:
    made, person = app.create(), app.groups.official()
    app.put(made.id, person)
    assert refused(app.roster, made.id, [{"phone": "98765"}, {"phone": new_phone()}]) == "invalid_request"
    assert app.groups.roles(made.id) == {person.account: "member"}


@pytest.mark.parametrize(
    ("rows", "limit"),
    [
        ([{"phone": "+919810000001"}] * 100_001, "at_most_100000_rows"),
        ([{"phone": "x" * 60}] * 70_000, "at_most_5000000_bytes"),
    ],
    ids=["rows", "bytes"],
)
def test_a_roster_above_what_a_call_can_take_is_refused_with_the_limit(
    app: AppGroups, rows: list[dict[str, str]], limit: str
) -> None:
    made = app.create(audience="citizens")
    with pytest.raises(ProtocolError) as refusal:
        app.roster(made.id, rows, version=1, dry_run=True)
    assert refusal.value.code == "too_large"
    assert [fault["code"] for fault in refusal.value.details["errors"]] == [limit]
    assert app.get(made.id).version == 1


def test_admins_change_places_in_one_roster(app: AppGroups) -> None:
    made, old, new = app.create(), app.groups.official(), app.groups.official()
    app.roster(made.id, [*rows_of(old, role="admin"), *rows_of(new)])
    found = app.roster(made.id, [*rows_of(old), *rows_of(new, role="admin")])
    assert (found.state, found.role_changed) == ("done", 2)
    assert app.groups.roles(made.id) == {old.account: "member", new.account: "admin"}
    assert app.roster(made.id, rows_of(new)).total == 2
    assert app.groups.roles(made.id) == {new.account: "member"}


def test_a_group_is_neither_overfilled_nor_overmanned(app: AppGroups) -> None:
    made, people = app.create(audience="citizens"), [app.service.person() for _ in range(3)]
    app.groups.set_limit(made.id, 2)
    assert refused(app.roster, made.id, rows_of(*people)) == "group_full"
    assert app.roster(made.id, rows_of(*people[:2])).added == 2
    assert app.roster(made.id, rows_of(*people[1:])).added == 1, "who goes makes room"
    assert refused(app.put, made.id, people[0]) == "group_full"
    officials = app.create()
    admins = [app.groups.official() for _ in range(21)]
    assert refused(app.roster, officials.id, rows_of(*admins, role="admin")) == "too_many_admins"


def test_numbers_that_are_tried_count_against_the_day(app: AppGroups) -> None:
    known = app.service.person()
    poor = AppGroups(app.service, app.s3, app.service.app())
    app.service.operate("app.terms", app=poor.keys.app, mode="live", per_day=3)
    made = poor.create(audience="citizens")
    tried = [*rows_of(known), {"phone": new_phone()}]
    assert poor.roster(made.id, tried).added == 1
    assert poor.roster(made.id, tried, dry_run=True).unchanged == 1, "a member's number is no trial"
    assert refused(poor.roster, made.id, tried, dry_run=True) == "quota_exceeded"


def test_accounts_that_are_tried_count_like_numbers_and_tell_nothing(app: AppGroups) -> None:
    official, citizen = app.groups.official(), app.service.person()
    poor = AppGroups(app.service, app.s3, app.service.app())
    app.service.operate("app.terms", app=poor.keys.app, mode="live", per_day=4)
    made = poor.create()
    tried = [{"account": account_text(account)} for account in (official.account, citizen.account, new_account_id())]
    found = poor.roster(made.id, tried)
    assert [(fault.row, fault.code) for fault in found.faults] == [(2, "unknown_recipient"), (3, "unknown_recipient")]
    assert poor.roster(made.id, tried[:1], dry_run=True).unchanged == 1, "a member's account is no trial"
    assert refused(poor.roster, made.id, tried, dry_run=True) == "quota_exceeded"


def test_who_ceases_to_be_an_official_at_that_very_moment_does_not_come_in(app: AppGroups) -> None:
    made, stays, ends = app.create(), app.groups.official(), app.groups.official()
    overtaken = app.deps(
        lambda target: OvertakenClient(target, "transact_write_items", lambda: app.groups.revoke(ends))
    )
    overtaken = replace(overtaken, view=app.deps().view)
    assert refused(app.roster, made.id, rows_of(stays, ends), deps=overtaken) == "unavailable"
    assert app.groups.roles(made.id) == {}
    again = app.roster(made.id, rows_of(stays, ends))
    assert [(fault.row, fault.code) for fault in again.faults] == [(2, "unknown_recipient")]
    assert app.groups.roles(made.id) == {stays.account: "member"}


def test_an_invitation_is_used_up_by_a_roster(app: AppGroups) -> None:
    made, admin, invited = app.create(), app.groups.official(), app.groups.official()
    app.put(made.id, admin, "admin")
    app.groups.put(admin, made.id, invited)
    assert app.roster(made.id, [*rows_of(admin, role="admin"), *rows_of(invited)]).added == 1
    _, ties = app.groups.store.ties(made.id, [invited.account], now_seconds=app.groups.now)
    assert ties[invited.account].invitation is None


# Large rosters


def citizens(app: AppGroups, how_many: int) -> list[Person]:
    return [app.service.person() for _ in range(how_many)]


def begun(app: AppGroups, people: Sequence[Person]) -> GroupId:
    """A group for citizens whose first roster is still to be applied."""
    made = app.create(audience="citizens")
    found = app.roster(made.id, rows_of(*people), version=1)
    assert (found.state, found.total, found.done) == ("applying", len(people), 0)
    return made.id


def test_a_large_roster_is_applied_piece_by_piece_and_everybody_hears_of_it_once(app: AppGroups) -> None:
    people = citizens(app, 45)
    stays, goes = people[:5], people[5:10]
    made = app.create(audience="citizens")
    app.roster(made.id, rows_of(*stays, *goes))
    app.work_all()
    found = app.roster(made.id, rows_of(*stays, *people[10:]), version=2)
    assert (found.state, found.added, found.removed, found.unchanged) == ("applying", 35, 5, 5)
    assert len(app.objects()) == 1
    told = app.work_all()
    assert app.groups.roles(made.id).keys() == {person.account for person in people} - {one.account for one in goes}
    assert {tuple(changes(told, person)) for person in goes} == {(GroupChange.REMOVED,)}
    assert {tuple(changes(told, person)) for person in people[10:]} == {(GroupChange.JOINED,)}
    assert {tuple(changes(told, person)) for person in stays} == {()}
    done = app.progress(made.id)
    assert (done.state, done.done, done.total, done.failure) == ("done", 40, 40, None)
    assert (app.objects(), app.jobs) == ([], [])


def test_what_waits_to_be_applied_names_nobody(app: AppGroups) -> None:
    people = citizens(app, 25)
    begun(app, people)
    (name,) = app.objects()
    kept = app.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() + json.dumps(app.jobs).encode()
    for person in people:
        for secret in (person.account, account_text(person.account).encode(), person.phone.encode()):
            assert secret not in kept


def test_a_run_takes_some_seconds_and_queues_the_rest(app: AppGroups) -> None:
    people = citizens(app, 70)
    id = begun(app, people)
    clock = itertools.count(app.now_ms, 5_000)
    app.clock_ms = lambda: next(clock)
    steps = [(app.work_one(), app.progress(id).done)]
    while app.jobs:
        steps.append((app.work_one(), app.progress(id).done))
    assert steps[0] == ("applying", 30)
    assert steps[-1] == ("done", 70)
    assert len(app.groups.roles(id)) == 70


def test_a_roster_survives_the_end_of_its_work_at_every_call(app: AppGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_rosters, "AT_ONCE", 2)
    monkeypatch.setattr(roster_work, "CHUNK", 2)
    people = citizens(app, 3)
    crashes = 0
    for at in itertools.count(1):
        id = begun(app, people)
        crashing = Crashing(at, after=bool(at % 2))
        with suppress(Crash):
            app.work_one(app.work_deps(crashing))
        if crashing.calls < at:
            break
        crashes += 1
        app.work_all()
        assert app.groups.roles(id).keys() == {person.account for person in people}, at
        assert (app.progress(id).state, app.objects()) == ("done", []), at
        told = [post.post.message for post in app.groups.deliver.told if post.post.group.id == id]
        assert len(set(told)) == len(people) + 1, f"each of them, and the admins: {at}"
    assert crashes > 15


def test_work_that_comes_twice_at_once_is_done_once(app: AppGroups) -> None:
    people = citizens(app, 35)
    id = begun(app, people)
    (entry,) = app.jobs
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(roster_work.work, entry, deps=app.work_deps()) for _ in range(2)]
        states = {one.result() for one in both}
    app.work_all()
    assert "done" in states
    assert app.groups.roles(id).keys() == {person.account for person in people}
    assert app.progress(id).done == 35
    assert len({post.post.message for post in app.groups.deliver.told}) == 35 + 1


@pytest.mark.parametrize("lost", [False, True], ids=["overtaken", "answer-lost"])
def test_only_the_run_that_another_overtook_queues_nothing(app: AppGroups, lost: bool) -> None:
    """A run whose own call was made, but not answered, is not overtaken: nobody else would go on."""
    id = begun(app, citizens(app, 65))
    clock = itertools.count(app.now_ms, 5_000)
    app.clock_ms = lambda: next(clock)
    (entry,) = app.jobs
    first = replace(app.work_deps(), deliver=app.groups.deliver)
    rosters = first.rosters

    class Between:
        """The store of rosters, on whose counting something comes first."""

        def __getattr__(self, name: str) -> Any:
            return getattr(rosters, name)

        def advance(self, roster: Any, done: int, **how: Any) -> bool:
            if roster.done == 0:
                if lost:
                    rosters.advance(roster, done, **how)
                else:
                    assert app.work_one() == "applying"
            return rosters.advance(roster, done, **how)

    assert roster_work.work(entry, deps=replace(first, rosters=Between())) == ("applying" if lost else "overtaken")  # type: ignore[arg-type]
    waiting = len(app.jobs) - (1 if lost else 0)
    assert waiting == 1, "one chain goes on"
    app.work_all()
    assert (app.progress(id).state, len(app.groups.roles(id))) == ("done", 65)


def test_work_that_comes_back_late_does_not_undo_the_next_roster(app: AppGroups) -> None:
    people = citizens(app, 25)
    id = begun(app, people)
    (entry,) = app.jobs

    def next_roster() -> None:
        app.work_all()
        assert app.roster(id, []).removed == 25
        app.work_all()

    late = app.work_deps(lambda target: OvertakenClient(target, "transact_write_items", next_roster))
    late = replace(late, deliver=app.groups.deliver)
    roster_work.work(entry, deps=late)
    assert app.groups.roles(id) == {}


def test_a_group_that_is_dissolved_meanwhile_ends_its_roster(app: AppGroups) -> None:
    id = begun(app, citizens(app, 35))
    app.dissolve(id)
    assert app.work_one() == "failed"
    roster = app.deps().rosters.read(id)
    assert roster is not None
    assert (roster.state, roster.failure, roster.done) == ("failed", "not_found", 0)
    assert (app.objects(), app.jobs) == ([], [])
    assert app.groups.group(id).members == 0


def test_a_group_that_fills_up_meanwhile_ends_its_roster_and_keeps_what_was_done(app: AppGroups) -> None:
    people = citizens(app, 65)
    id = begun(app, people)
    clock = itertools.count(app.now_ms, 6_000)
    app.clock_ms = lambda: next(clock)
    assert app.work_one() == "applying"
    app.groups.set_limit(id, 40)
    while app.jobs:
        app.work_one()
    ended = app.progress(id)
    assert (ended.state, ended.failure, ended.done, ended.total) == ("failed", "group_full", 30, 65)
    assert ended.finished_at is not None
    assert app.get(id).members == 30
    assert app.roster(id, rows_of(*people[:20])).state == "applying", "another roster may follow"


def test_who_stays_is_told_of_a_roster_that_ended_half_way(app: AppGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_rosters, "AT_ONCE", 2)
    monkeypatch.setattr(roster_work, "CHUNK", 2)
    for ends in ("group_full", "internal"):
        people = [app.groups.official() for _ in range(6)]
        made = app.create()
        app.roster(made.id, rows_of(*people[:2]))
        app.work_all()
        assert app.roster(made.id, rows_of(*people)).state == "applying"
        clock = itertools.count(app.now_ms, 6_000)
        app.clock_ms = lambda clock=clock: next(clock)  # type: ignore[misc]
        assert (app.work_one(), app.progress(made.id).done) == ("applying", 2)
        if ends == "group_full":
            app.groups.set_limit(made.id, 4)
        else:
            app.s3.delete_object(Bucket=BUCKET, Key=app.objects()[0])
        told = app.work_all()
        ended = app.progress(made.id)
        assert (ended.state, ended.failure, ended.done) == ("failed", ends, 2)
        assert changes(told) == [GroupChange.MEMBERS]


def test_admins_that_somebody_makes_meanwhile_do_not_add_up_to_too_many(app: AppGroups) -> None:
    officials = [app.groups.official() for _ in range(30)]
    made = app.create()
    app.roster(made.id, rows_of(*officials[:9]))
    rows = [*rows_of(*officials[:9]), *rows_of(*officials[9:29], role="admin"), *rows_of(officials[29])]
    assert app.roster(made.id, rows).state == "applying"
    for one in officials[:2]:
        app.put(made.id, one, "admin")
    app.work_all()
    ended = app.progress(made.id)
    assert (ended.state, ended.failure) == ("failed", "too_many_admins")
    assert app.groups.group(made.id).admins == {one.account for one in officials[:2]}


def test_a_roster_that_failed_can_be_begun_anew_with_the_same_request(app: AppGroups) -> None:
    people = citizens(app, 25)
    id = begun(app, people)
    app.s3.delete_object(Bucket=BUCKET, Key=app.objects()[0])
    assert app.work_one() == "failed"
    assert app.roster(id, rows_of(*people), version=1).state == "applying"
    app.work_all()
    assert (app.progress(id).state, len(app.groups.roles(id))) == ("done", 25)


def test_the_same_roster_for_any_version_is_answered_while_it_is_applied(app: AppGroups) -> None:
    people = citizens(app, 25)
    made = app.create(audience="citizens")
    first = app.roster(made.id, rows_of(*people))
    assert app.roster(made.id, rows_of(*people)) == first
    assert len(app.jobs) == 1
    app.work_all()
    app.remove(made.id, people[0])
    assert app.roster(made.id, rows_of(*people)).added == 1, "what changed since then is seen"


def test_a_group_that_fills_up_at_that_very_moment_is_not_overfilled(app: AppGroups) -> None:
    others = citizens(app, 2)
    id = begun(app, citizens(app, 25))
    app.groups.set_limit(id, 26)

    def join() -> None:
        for other in others:
            app.put(id, other)

    overtaken = app.work_deps(lambda target: OvertakenClient(target, "transact_write_items", join))
    assert app.work_one(replace(overtaken, deliver=app.groups.deliver)) == "failed"
    assert app.progress(id).failure == "group_full"
    assert app.groups.roles(id).keys() == {other.account for other in others}


def test_who_joins_leaves_or_is_verified_no_longer_meanwhile_is_left_as_they_are(app: AppGroups) -> None:
    officials = [app.groups.official() for _ in range(25)]
    made = app.create()
    assert app.roster(made.id, rows_of(*officials)).state == "applying"
    app.put(made.id, officials[0], "admin")
    app.groups.revoke(officials[1])
    app.work_all()
    assert app.progress(made.id).state == "done"
    roles = app.groups.roles(made.id)
    assert roles.keys() == {one.account for one in officials} - {officials[1].account}
    assert roles[officials[0].account] == "member", "as the roster says"


def test_a_second_roster_waits_until_the_first_is_applied(app: AppGroups) -> None:
    people = citizens(app, 30)
    id = begun(app, people)
    assert refused(app.roster, id, rows_of(*people[:1])) == "roster_busy"
    assert app.roster(id, rows_of(*people), version=1).state == "applying", "the same one is answered"
    assert app.roster(id, rows_of(*people[:1]), dry_run=True).state == "checked"
    app.work_all()
    assert app.roster(id, rows_of(*people[:25])).removed == 5


@pytest.mark.parametrize("size", [5, 25], ids=["at-once", "queued"])
def test_of_two_rosters_at_once_one_is_made_and_the_other_refused(app: AppGroups, size: int) -> None:
    people = citizens(app, 2 * size)
    made = app.create(audience="citizens")
    sides = [people[:size], people[size:]]

    def put(side: list[Person]) -> str:
        try:
            return app.roster(made.id, rows_of(*side), version=1).state
        except ProtocolError as error:
            return error.code.value

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(put, sides))
    app.work_all()
    won = next(at for at, answer in enumerate(answers) if answer in {"done", "applying"})
    assert answers[1 - won] in {"roster_busy", "precondition_failed"}
    assert app.groups.roles(made.id).keys() == {person.account for person in sides[won]}
    assert app.objects() == []


def test_a_roster_whose_start_fails_leaves_nothing_behind(app: AppGroups) -> None:
    people = citizens(app, 25)
    made = app.create(audience="citizens")
    overtaken = app.deps(
        lambda target: OvertakenClient(target, "transact_write_items", lambda: app.change(made.id, None, name="New"))
    )
    overtaken = replace(overtaken, view=app.deps().view)
    assert refused(app.roster, made.id, rows_of(*people), deps=overtaken) == "precondition_failed"
    assert len(app.objects()) == 1
    assert app.work_one() == "not_yet"
    app.service.now_ms += (roster_work.ORPHAN_SECONDS + 1) * 1_000
    assert app.work_one() == "orphan"
    assert (app.objects(), app.jobs, app.progress(made.id).state) == ([], [], "none")
