"""Tests approvals: one person requests, another one of another unit approves, and the change is executed once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import pytest

from sandes.administration import approvals
from sandes.administration.approvals import ApprovalDependencies, ApprovedOperation, Decision, Write
from sandes.administration.authority import Permission
from sandes.crypto.audit_chain import details_of
from sandes.model.administrator import Caller, Place, Role
from sandes.model.approval import LAPSES_AFTER_SECONDS, Approval
from sandes.model.ids import ApprovalId, OrganisationId, UnitId, administrator_text, base64url_text, id_text
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import OrganisationField, UnitField, Wire
from sandes.store.approvals import ApprovalStore, approval_key
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow
from sandes.store.transaction import transact
from tests.support.administration import Administration
from tests.support.cursors import edited
from tests.support.dynamodb import OvertakenClient
from tests.support.service import NOW, NOW_MS, PEPPER, Service

LATER_MS = NOW_MS + 60_000


class Rename(Wire):
    organisation: OrganisationField
    unit: UnitField
    name: str


@dataclass(frozen=True)
class Renaming(ApprovedOperation[Rename]):
    """Makes a minimal change that needs two people."""

    organisations: OrganisationStore
    permission = Permission.ROLES
    model = Rename

    def place(self, parameters: Rename) -> Place:
        return Place(parameters.organisation, parameters.unit)

    def check(self, parameters: Rename, by: Caller, *, now_seconds: int) -> None:
        if parameters.name in {"", by.administrator.name}:
            raise ProtocolError(ErrorCode.ROLE_ABOVE_OWN)

    def roles(self, parameters: Rename) -> Collection[Role]:
        return {Role.NODAL_OFFICER} if parameters.name == "Chennai" else frozenset(Role)

    def carry_out(self, parameters: Rename, decision: Decision, write: Write) -> None:
        store = replace(self.organisations, writer=lambda done: write(done, subject=id_text(parameters.unit)))
        if not store.rename(parameters.organisation, parameters.unit, parameters.name):
            raise ProtocolError(ErrorCode.NOT_FOUND)


class World:
    """Holds a ministry of two zones. Its nodal officer requests, and the administrator of the western zone decides."""

    def __init__(self, service: Service) -> None:
        self.service, self.client = service, cast("Any", service.client)
        self.staff = Administration(service)
        self.organisation = service.organisation()
        self.west = service.unit(self.organisation, "Western zone")
        self.east = service.unit(self.organisation, "Eastern zone")
        self.place = Place(self.organisation, self.west)
        self.root = Place.root(self.organisation)
        self.asha = self.staff.appoint(Role.NODAL_OFFICER, self.root)
        self.ravi = self.staff.appoint(Role.UNIT_ADMIN, self.place)

    @property
    def deps(self) -> ApprovalDependencies:
        table = self.service.tables["directory"]
        organisations = OrganisationStore(self.client, table)
        return ApprovalDependencies(
            store=ApprovalStore(self.client, table),
            administrators=self.staff.store,
            organisations=organisations,
            recorder=self.staff.recorder,
            pepper=PEPPER,
            operations={"unit.rename": Renaming(organisations)},
        )

    def ask(self, by: Caller | None = None, name: str = "Mumbai", unit: UnitId | None = None) -> Approval:
        rename = Rename(organisation=self.organisation, unit=unit or self.west, name=name)
        return approvals.request(by or self.asha, "unit.rename", rename, now=Instant(NOW_MS), deps=self.deps)

    def approve(self, by: Caller, id: ApprovalId, now_ms: int = LATER_MS) -> Approval:
        return approvals.approve(by, id, now=Instant(now_ms), deps=self.deps)

    def name(self, unit: UnitId | None = None) -> str:
        found = self.service.organisations.unit(self.organisation, unit or self.west)
        assert found
        return found[1].name

    def stored(self, id: ApprovalId) -> Approval:
        found = self.deps.store.read(id, now_seconds=NOW)
        assert found
        return found


@pytest.fixture
def world(service: Service) -> World:
    return World(service)


def overtaken(world: World, other: Callable[[], Any]) -> World:
    """Return a world in which `other` is called just before the first transaction."""
    slow = copy(world)
    slow.client = OvertakenClient(world.service.client, "transact_write_items", other)
    slow.staff = Administration(world.service, slow.client)
    return slow


def refused(call: Callable[..., Any], *arguments: Any, **more: Any) -> str:
    with pytest.raises(ProtocolError) as error:
        call(*arguments, **more)
    return error.value.code.value


def test_what_takes_two_is_asked_for_by_one_and_carried_out_when_another_approves(world: World) -> None:
    asked = world.ask()
    assert (asked.state(NOW), world.name()) == ("pending", "Western zone")
    done = world.approve(world.ravi, asked.id)
    assert (done.decision, done.decided_by, done.decided_at) == ("executed", world.ravi.id, LATER_MS // 1000)
    assert world.name() == "Mumbai"


def test_the_audit_chain_has_who_asked_and_who_approved_with_the_act_itself(world: World) -> None:
    asked = world.ask()
    world.approve(world.ravi, asked.id)
    first, second = world.staff.entries(world.organisation)
    assert (first.action, first.actor, first.role) == (
        "unit.rename.requested",
        administrator_text(world.asha.id),
        "nodal_officer",
    )
    assert (second.action, second.actor, second.role) == (
        "unit.rename",
        administrator_text(world.ravi.id),
        "unit_admin",
    )
    assert {first.case, second.case} == {base64url_text(asked.id)}
    assert (second.subject, second.unit) == (id_text(world.west), world.west)
    details = details_of(second)
    assert details is not None
    assert (details["name"], details["requested_by"]) == ("Mumbai", administrator_text(world.asha.id))


def test_nobody_approves_their_own_request(world: World) -> None:
    asked = world.ask()
    assert refused(world.approve, world.asha, asked.id) == "own_request"
    assert (world.name(), world.stored(asked.id).decision) == ("Western zone", "pending")


def test_a_second_account_of_the_same_unit_is_not_a_second_person(world: World) -> None:
    asked = world.ask()
    second = world.staff.appoint(Role.NODAL_OFFICER, world.root)
    assert refused(world.approve, second, asked.id) == "same_unit"
    elsewhere = world.staff.appoint(Role.NODAL_OFFICER, world.root, home=Place(world.organisation, world.east))
    assert world.approve(elsewhere, asked.id).decision == "executed"


def test_who_has_moved_to_the_approvers_unit_since_works_there(world: World) -> None:
    asked = world.ask()
    moved = replace(world.asha.administrator, home=world.place)
    transact(world.service.client, [world.staff.store.putting(moved)])
    assert refused(world.approve, world.ravi, asked.id) == "same_unit"


def test_it_is_carried_out_once_however_often_it_is_approved(world: World) -> None:
    asked = world.ask()
    world.approve(world.ravi, asked.id)
    assert refused(world.approve, world.ravi, asked.id) == "approval_state"
    assert world.staff.actions(world.organisation) == ["unit.rename.requested", "unit.rename"]


def test_of_several_who_approve_at_once_one_does(world: World) -> None:
    asked = world.ask()
    zones = [Place(world.organisation, world.service.unit(world.organisation, f"Zone {n}")) for n in range(4)]
    officers = [world.staff.appoint(Role.NODAL_OFFICER, world.root, home=zone) for zone in zones]

    def approve(by: Caller) -> str:
        try:
            return world.approve(by, asked.id).decision
        except ProtocolError as error:
            return error.code.value

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(approve, officers)) == ["approval_state"] * 3 + ["executed"]
    assert world.staff.actions(world.organisation) == ["unit.rename.requested", "unit.rename"]


@pytest.mark.parametrize("faster", ["approve", "reject", "cancel"])
def test_whoever_decides_between_reading_and_writing_is_first(world: World, faster: str) -> None:
    asked = world.ask()
    other = world.staff.appoint(Role.NODAL_OFFICER, world.root, home=Place(world.organisation, world.east))
    deps = world.deps

    def decide() -> None:
        if faster == "approve":
            approvals.approve(other, asked.id, now=Instant(LATER_MS), deps=deps)
        elif faster == "reject":
            approvals.reject(other, asked.id, "not now", now=Instant(LATER_MS), deps=deps)
        else:
            approvals.cancel(world.asha, asked.id, now=Instant(LATER_MS), deps=deps)

    assert refused(overtaken(world, decide).approve, world.ravi, asked.id) == "approval_state"
    actions = world.staff.actions(world.organisation)
    assert (len(actions), actions.count("unit.rename")) == (2, int(faster == "approve"))


@pytest.mark.parametrize(("who", "code"), [("ravi", "not_found"), ("asha", "approval_state")])
def test_who_loses_the_right_between_reading_and_writing_approves_nothing(world: World, who: str, code: str) -> None:
    world.staff.appoint(Role.NODAL_OFFICER, world.root)  # otherwise the other one would be the last
    asked = world.ask()
    slow = overtaken(world, lambda: world.staff.take(getattr(world, who)))
    assert refused(slow.approve, world.ravi, asked.id) == code
    assert (world.name(), world.stored(asked.id).decision) == ("Western zone", "pending")


def test_who_has_lost_the_right_has_not_asked_for_anything(world: World) -> None:
    asked = world.ask()
    world.staff.appoint(Role.NODAL_OFFICER, world.root)
    world.staff.take(world.asha)
    assert refused(world.approve, world.ravi, asked.id) == "approval_state"


def test_an_approver_whose_role_was_taken_away_finds_nothing(world: World) -> None:
    asked = world.ask()
    gone = world.staff.take(world.ravi)
    assert refused(world.approve, gone, asked.id) == "not_found"
    assert refused(approvals.read, gone, asked.id, now=Instant(NOW_MS), deps=world.deps) == "not_found"


def test_what_is_not_decided_lapses_after_a_day(world: World) -> None:
    asked = world.ask()
    late_ms = NOW_MS + LAPSES_AFTER_SECONDS * 1000
    assert refused(world.approve, world.ravi, asked.id, late_ms) == "approval_state"
    assert (
        refused(approvals.reject, world.ravi, asked.id, "late", now=Instant(late_ms), deps=world.deps)
        == "approval_state"
    )
    assert refused(approvals.cancel, world.asha, asked.id, now=Instant(late_ms), deps=world.deps) == "approval_state"
    assert world.stored(asked.id).state(late_ms // 1000) == "lapsed"
    assert world.approve(world.ravi, asked.id, late_ms - 1000).decision == "executed"


def test_what_is_rejected_stays_undone_and_says_why(world: World) -> None:
    asked = world.ask()
    closed = approvals.reject(world.ravi, asked.id, "no such zone", now=Instant(LATER_MS), deps=world.deps)
    assert (closed.decision, closed.reason, closed.decided_by) == ("rejected", "no such zone", world.ravi.id)
    assert refused(world.approve, world.ravi, asked.id) == "approval_state"
    assert world.staff.actions(world.organisation)[-1] == "unit.rename.rejected"
    assert world.name() == "Western zone"


def test_only_who_has_asked_takes_it_back(world: World) -> None:
    asked = world.ask()
    assert refused(approvals.cancel, world.ravi, asked.id, now=Instant(LATER_MS), deps=world.deps) == "not_found"
    assert approvals.cancel(world.asha, asked.id, now=Instant(LATER_MS), deps=world.deps).decision == "cancelled"
    assert refused(world.approve, world.ravi, asked.id) == "approval_state"
    assert (
        refused(approvals.reject, world.asha, asked.id, "no", now=Instant(LATER_MS), deps=world.deps) == "own_request"
    )


def test_both_are_checked_and_what_is_refused_stays_pending(world: World) -> None:
    assert refused(world.ask, name="") == "role_above_own"
    asked = world.ask(name=world.ravi.administrator.name)
    assert refused(world.approve, world.ravi, asked.id) == "role_above_own"
    assert world.stored(asked.id).decision == "pending"


def test_without_the_right_nothing_is_asked_for_decided_or_seen(world: World) -> None:
    verifier = world.staff.appoint(Role.VERIFIER, world.root)
    eastern = world.staff.appoint(Role.UNIT_ADMIN, Place(world.organisation, world.east))
    asked = world.ask()
    unknown = ApprovalId(asked.id[:8] + bytes(16))
    for nobody in (verifier, eastern):
        assert refused(world.ask, nobody) == "not_found"
        for id in (asked.id, unknown):
            assert refused(world.approve, nobody, id) == "not_found"
            assert refused(approvals.reject, nobody, id, "no", now=Instant(LATER_MS), deps=world.deps) == "not_found"
            assert refused(approvals.read, nobody, id, now=Instant(NOW_MS), deps=world.deps) == "not_found"
        assert approvals.page(
            nobody, world.organisation, after=None, limit=10, now=Instant(NOW_MS), deps=world.deps
        ) == (
            [],
            None,
        )
    assert world.staff.actions(world.organisation) == ["unit.rename.requested"]


@pytest.mark.parametrize("older", [{"operation": "unit.paint"}, {"parameters": {"colour": "red"}}])
def test_what_an_older_deployment_has_stored_is_shown_and_cancelled_and_not_carried_out(
    world: World, older: dict[str, Any]
) -> None:
    asked = replace(world.ask(), **older)
    store = world.deps.store
    pending = store.pending_of(world.asha.id, now_seconds=NOW)
    item = store.requesting(asked, pending, of_platform=False, now_seconds=NOW)[0].parameters()["Item"]
    world.service.client.put_item(TableName=store.table, Item=item)
    expected = "not_found" if "operation" in older else "approval_state"
    assert refused(world.approve, world.ravi, asked.id) == expected
    assert approvals.read(world.asha, asked.id, now=Instant(NOW_MS), deps=world.deps) == asked
    shown, _ = approvals.page(
        world.asha, world.organisation, after=None, limit=10, now=Instant(NOW_MS), deps=world.deps
    )
    assert shown == [asked]
    assert approvals.cancel(world.asha, asked.id, now=Instant(LATER_MS), deps=world.deps).decision == "cancelled"


def test_requests_are_listed_page_by_page_to_those_whom_they_concern(world: World) -> None:
    asked = [world.ask(name=f"Zone {n}") for n in range(3)]
    eastern = world.ask(unit=world.east)
    found, after = [], None
    while True:
        page, after = approvals.page(
            world.ravi, world.organisation, after=after, limit=2, now=Instant(NOW_MS), deps=world.deps
        )
        found += page
        if after is None:
            break
    assert sorted(json.dumps(dict(one.parameters)) for one in found) == sorted(
        json.dumps(dict(one.parameters)) for one in asked
    )
    everything, _ = approvals.page(
        world.asha, world.organisation, after=None, limit=10, now=Instant(NOW_MS), deps=world.deps
    )
    assert eastern in everything
    assert [one.requested_at for one in everything] == [NOW] * 4


def test_a_cursor_is_good_for_its_caller_and_organisation_as_it_was_given(world: World) -> None:
    for name in ("Mumbai", "Pune"):
        world.ask(name=name)
    other = world.service.organisation("Ministry of Health")
    both = world.staff.also(world.asha, Role.NODAL_OFFICER, Place.root(other))
    _, cursor = approvals.page(both, world.organisation, after=None, limit=1, now=Instant(NOW_MS), deps=world.deps)
    assert cursor
    for caller, organisation, after in (
        (both, world.organisation, edited(cursor)),
        (both, other, cursor),
        (world.ravi, world.organisation, cursor),
        (both, world.organisation, "not one"),
    ):
        code = refused(approvals.page, caller, organisation, after=after, limit=1, now=Instant(NOW_MS), deps=world.deps)
        assert code == "invalid_cursor"


def test_who_has_no_role_in_an_organisation_cannot_tell_it_from_one_that_is_not_there(world: World) -> None:
    other = world.service.organisation("Ministry of Health")
    for organisation in (other, OrganisationId(b"nowhere.")):
        code = refused(
            approvals.page, world.asha, organisation, after=None, limit=1, now=Instant(NOW_MS), deps=world.deps
        )
        assert code == "not_found"


def test_what_is_not_done_is_kept_for_a_month_only(world: World) -> None:
    done, left = world.ask(), world.ask(name="Pune")
    world.approve(world.ravi, done.id)
    kept = [
        int(
            world.service.client.get_item(TableName=world.service.tables["directory"], Key=approval_key(one.id))[
                "Item"
            ][DirectoryRow.VANISHES_AT]["N"]
        )
        for one in (done, left)
    ]
    assert [at - NOW for at in kept] == [400 * 86_400, 30 * 86_400]


def test_what_was_kept_long_enough_is_not_there_whether_it_was_deleted_or_not(world: World) -> None:
    done, left = world.ask(), world.ask(name="Pune")
    world.approve(world.ravi, done.id)

    def there(now_ms: int) -> list[ApprovalId]:
        found, _ = approvals.page(
            world.asha, world.organisation, after=None, limit=10, now=Instant(now_ms), deps=world.deps
        )
        return sorted(one.id for one in found)

    month_ms, long_ms = NOW_MS + 30 * 86_400_000, NOW_MS + 400 * 86_400_000
    assert [there(at) for at in (month_ms - 1000, month_ms, long_ms)] == [sorted((done.id, left.id)), [done.id], []]
    with pytest.raises(ProtocolError) as refused:
        approvals.read(world.asha, left.id, now=Instant(month_ms), deps=world.deps)
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_who_could_not_approve_it_does_not_reject_it(world: World) -> None:
    asked = world.ask(name="Chennai")
    reject = partial(approvals.reject, reason="no", now=Instant(LATER_MS), deps=world.deps)
    assert refused(reject, world.ravi, asked.id) == "not_found"
    assert world.stored(asked.id).decision == "pending"
    elsewhere = world.staff.appoint(Role.NODAL_OFFICER, world.root, home=Place(world.organisation, world.east))
    closed = reject(elsewhere, asked.id)
    assert (closed.decision, closed.decided_by) == ("rejected", elsewhere.id)
    assert world.staff.entries(world.organisation)[-1].role == "nodal_officer"


def test_the_same_is_not_asked_for_twice_whoever_asks(world: World) -> None:
    asked = world.ask()
    for who in (world.asha, world.ravi):
        with pytest.raises(ProtocolError) as error:
            world.ask(who)
        assert (error.value.code, error.value.details) == (
            ErrorCode.ALREADY_PENDING,
            {"approval": base64url_text(asked.id)},
        )
    assert world.ask(unit=world.east).decision == world.ask(name="Pune").decision == "pending"
    assert world.staff.actions(world.organisation) == ["unit.rename.requested"] * 3


@pytest.mark.parametrize("how", ["approve", "reject", "cancel", "lapse"])
def test_what_is_decided_or_has_lapsed_is_asked_for_again(world: World, how: str) -> None:
    asked = world.ask()
    later_ms = LATER_MS
    if how == "approve":
        world.approve(world.ravi, asked.id)
    elif how == "reject":
        approvals.reject(world.ravi, asked.id, "not now", now=Instant(LATER_MS), deps=world.deps)
    elif how == "cancel":
        approvals.cancel(world.asha, asked.id, now=Instant(LATER_MS), deps=world.deps)
    else:
        later_ms = NOW_MS + LAPSES_AFTER_SECONDS * 1000
    wanted = Rename(organisation=world.organisation, unit=world.west, name="Mumbai")
    ask = partial(approvals.request, world.asha, "unit.rename", wanted, deps=world.deps)
    again = ask(now=Instant(later_ms))
    assert again.id != asked.id
    assert refused(ask, now=Instant(later_ms)) == "already_pending"
    assert approvals.cancel(world.asha, again.id, now=Instant(later_ms), deps=world.deps).decision == "cancelled"


def test_of_several_who_ask_for_the_same_at_once_one_does(world: World) -> None:
    def ask(_: int) -> str:
        try:
            return world.ask().decision
        except ProtocolError as error:
            return error.code.value

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == ["already_pending"] * 3 + ["pending"]
    assert world.staff.actions(world.organisation) == ["unit.rename.requested"]


def test_one_administrator_has_so_many_requests_pending_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MAX_PENDING", 3)
    asked = [world.ask(name=f"Zone {n}") for n in range(3)]
    assert refused(world.ask, name="Zone 3") == "too_many_pending"
    assert world.ask(world.ravi, name="Zone 3").decision == "pending"  # each for themselves
    approvals.cancel(world.asha, asked[0].id, now=Instant(LATER_MS), deps=world.deps)
    world.ask(name="Zone 4")
    assert refused(world.ask, name="Zone 5") == "too_many_pending"
    wanted = Rename(organisation=world.organisation, unit=world.west, name="Zone 6")
    late_ms = NOW_MS + LAPSES_AFTER_SECONDS * 1000
    assert (
        approvals.request(world.asha, "unit.rename", wanted, now=Instant(late_ms), deps=world.deps).decision
        == "pending"
    )
    pending = world.deps.store.pending_of(world.asha.id, now_seconds=late_ms // 1000)
    assert (len(pending.approvals), pending.lapsed) == (1, ())


def test_the_bound_holds_for_requests_made_at_the_same_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "MAX_PENDING", 2)
    world.ask(name="Zone 0")
    other = copy(world)
    slow = overtaken(world, lambda: other.ask(name="Zone 1"))
    assert refused(slow.ask, name="Zone 2") == "too_many_pending"
    assert world.staff.actions(world.organisation) == ["unit.rename.requested"] * 2
