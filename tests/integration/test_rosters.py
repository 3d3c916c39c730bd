"""Tests rosters of app-managed groups in process: their changes, and concurrent changes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from sandes.apps import app_rosters, roster_work
from sandes.crypto.seal import GroupChange
from sandes.model.ids import GroupId, account_text, new_account_id
from sandes.protocol.errors import ProtocolError
from tests.support.app_groups import AppGroups, changes, rows_of
from tests.support.batches import BUCKET, Crash, Crashing
from tests.support.dynamodb import OvertakenClient
from tests.support.groups import refused
from tests.support.service import Person, new_phone

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
    """Make a group for citizens whose first roster must still be applied."""
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


@pytest.mark.parametrize("lost", ["before-it-tells", "before-it-counts"])
def test_a_repeated_chunk_undoes_nothing_that_was_changed_since(app: AppGroups, lost: str) -> None:
    """A run makes its changes and ends before it counts them. Its entry comes again, as from the dead-letter queue days
    later, after somebody has removed, added and promoted the same people.
    """
    out, back, comes, rises, sinks = (app.groups.official() for _ in range(5))
    others = [app.groups.official() for _ in range(20)]
    made = app.create()
    app.roster(made.id, [*rows_of(back), *rows_of(rises), *rows_of(sinks, role="admin")])
    app.work_all()
    rows = [*rows_of(out, comes, *others), *rows_of(rises, role="admin"), *rows_of(sinks)]
    assert app.roster(made.id, rows).state == "applying"
    (entry,) = app.jobs
    ending = app.work_deps()

    class Ending:
        def __getattr__(self, name: str) -> Any:
            if name == "advance":
                raise Crash
            return getattr(ending.rosters, name)

    def crash(*_: Any, **__: Any) -> Any:
        raise Crash

    how: Any = {"deliver": crash} if lost == "before-it-tells" else {"rosters": Ending()}
    with pytest.raises(Crash):
        roster_work.work(entry, deps=replace(ending, **how))
    app.remove(made.id, out)
    app.put(made.id, back)
    app.put(made.id, rises, "member")
    app.put(made.id, sinks, "admin")
    app.work_all()
    roles = {back.account: "member", rises.account: "member", sinks.account: "admin", comes.account: "member"}
    assert app.groups.roles(made.id) == roles | {one.account: "member" for one in others}
    assert (app.progress(made.id).state, app.progress(made.id).done) == ("done", 25)
    told = [post.post.message for post in app.groups.deliver.told if post.post.group.id == made.id]
    assert len(set(told)) >= 21, "those whose change stands are told"


def test_a_chunk_that_changed_nothing_is_not_made_later_either(app: AppGroups) -> None:
    """All people of the roster were members when its chunk was made. Those who leave afterwards stay away."""
    people = citizens(app, 25)
    id = begun(app, people)
    for person in people:
        app.put(id, person)
    (entry,) = app.jobs
    deps = app.work_deps()

    class Ending:
        def __getattr__(self, name: str) -> Any:
            if name == "advance":
                raise Crash
            return getattr(deps.rosters, name)

    with pytest.raises(Crash):
        roster_work.work(entry, deps=replace(deps, rosters=Ending()))  # type: ignore[arg-type]
    app.remove(id, people[0])
    app.work_all()
    assert app.groups.roles(id).keys() == {person.account for person in people[1:]}


def test_changes_that_take_more_than_a_transaction_are_made_in_two(app: AppGroups) -> None:
    """People who join a group of officials with an invitation take five operations each."""
    made, admin = app.create(), app.groups.official()
    app.put(made.id, admin, "admin")
    invited = [app.groups.official() for _ in range(25)]
    for one in invited:
        app.groups.put(admin, made.id, one)
    assert app.roster(made.id, [*rows_of(admin, role="admin"), *rows_of(*invited)]).state == "applying"
    app.work_all()
    assert app.progress(made.id).done == 25
    assert app.groups.roles(made.id).keys() == {one.account for one in [admin, *invited]}
    _, ties = app.groups.store.ties(made.id, [one.account for one in invited], now_seconds=app.groups.now)
    assert not any(tie.invitation for tie in ties.values())


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
    """A run whose own call was made but not answered is not overtaken, because nobody else would continue."""
    id = begun(app, citizens(app, 65))
    clock = itertools.count(app.now_ms, 5_000)
    app.clock_ms = lambda: next(clock)
    (entry,) = app.jobs
    first = replace(app.work_deps(), deliver=app.groups.deliver)
    rosters = first.rosters

    class Between:
        """Wraps the store of rosters, and does something before its count."""

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
