"""Tests organisations and their units: concurrent changes always leave a tree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandes.administration.organisations import organisations
from sandes.model.ids import OrganisationId, UnitId, id_text, new_organisation_id, new_unit_id, parse_unit
from sandes.model.organisation import MAX_LEVELS, Tree
from sandes.model.profile import OFFICIAL_POLICY
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import StoreUnavailable
from sandes.store.organisations import OrganisationStore
from sandes.store.transaction import transact
from tests.support.dynamodb import OvertakenClient
from tests.support.interleaving import Side, Stepped, run_interleaved, schedules
from tests.support.service import NOW, Person, Service


def refused(call: Callable[..., Any], *args: Any, **named: Any) -> ErrorCode:
    with pytest.raises(ProtocolError) as caught:
        call(*args, **named)
    return caught.value.code


def tree(service: Service, organisation: OrganisationId) -> Tree:
    return organisations.read_tree(organisation, service.organisations)


def create(
    service: Service, organisation: OrganisationId, parent: UnitId, name: str | None = None, store: Any = None
) -> UnitId:
    name = name or id_text(new_unit_id())
    store = store or service.organisations
    return organisations.create_unit(organisation, name, "office", parent, now_seconds=NOW, store=store)


def move(service: Service, organisation: OrganisationId, unit: UnitId, parent: UnitId, store: Any = None) -> None:
    organisations.move(organisation, unit, parent, store=store or service.organisations)


def remove(service: Service, organisation: OrganisationId, unit: UnitId, store: Any = None) -> None:
    organisations.remove(organisation, unit, store=store or service.organisations)


def chain(service: Service, organisation: OrganisationId, length: int, parent: UnitId | None = None) -> list[UnitId]:
    """Make units, each below the previous one."""
    units: list[UnitId] = []
    for number in range(length):
        parent = service.unit(organisation, f"level {number} of {service.units_made}", parent=parent)
        units.append(parent)
    return units


def test_an_organisation_has_so_many_units_and_no_more(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organisations, "MAX_UNITS", 3)
    ministry, other = service.organisation(), service.organisation("Ministry of Health")
    first, second, _ = (service.unit(ministry, name) for name in ("West", "East", "North"))
    assert refused(service.unit, ministry, "South") is ErrorCode.TOO_MANY_UNITS
    assert refused(service.unit, ministry, "South", parent=first) is ErrorCode.TOO_MANY_UNITS
    service.unit(other, "South")
    move(service, ministry, second, first)
    remove(service, ministry, second)
    service.unit(ministry, "South")
    assert refused(service.unit, ministry, "East") is ErrorCode.TOO_MANY_UNITS
    assert tree(service, ministry).organisation.units == len(tree(service, ministry).units) - 1 == 3


def test_the_bound_of_units_holds_for_two_made_at_the_same_moment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organisations, "MAX_UNITS", 1)
    ministry = service.organisation()
    client = OvertakenClient(service.client, "transact_write_items", lambda: service.unit(ministry, "West"))
    late = OrganisationStore(client, service.organisations.table)  # type: ignore[arg-type]
    assert refused(create, service, ministry, UnitId(ministry), name="East", store=late) is ErrorCode.TOO_MANY_UNITS
    assert [unit.name for unit in tree(service, ministry).units.values() if unit.parent] == ["West"]


def test_an_organisation_is_its_root_unit_and_starts_with_the_usual_policy(service: Service) -> None:
    made = service.operate("organisation.create", name="Ministry of Railways")
    assert made["units"] == [
        {
            "unit": made["organisation"],
            "name": "Ministry of Railways",
            "kind": "ministry",
            "parent": None,
            "level": 1,
            "officials": 0,
            "groups": 0,
        }
    ]
    assert (made["created_at"], made["policy"]) == (NOW, OFFICIAL_POLICY)
    assert service.operate("organisation.show", organisation=made["organisation"]) == made


def test_units_are_shown_behind_what_they_are_in(service: Service) -> None:
    of = service.organisation()
    north, south = service.unit(of, "North", kind="office"), service.unit(of, "South", kind="office")
    desk = service.unit(of, "Desk", parent=north, kind="office")
    shown = service.operate("organisation.show", organisation=id_text(of))["units"]
    places = [unit["unit"] for unit in shown]
    assert set(places) == {id_text(one) for one in (UnitId(of), north, south, desk)}
    assert places[0] == id_text(of)
    assert places.index(id_text(desk)) > places.index(id_text(north))
    assert {unit["unit"]: unit["level"] for unit in shown}[id_text(desk)] == 3


def test_two_units_in_different_places_may_have_one_name(service: Service) -> None:
    of = service.organisation()
    north = service.unit(of, "North")
    assert service.unit(of, "Accounts") != service.unit(of, "Accounts", parent=north)


def test_the_policy_changes_field_by_field(service: Service) -> None:
    of = id_text(service.organisation())
    first = service.operate("organisation.policy", organisation=of, audiences={"photo": "organisation"})
    assert first["policy"] == OFFICIAL_POLICY | {"photo": "organisation"}
    second = service.operate("organisation.policy", organisation=of, audiences={"name": "officials"})
    assert second["policy"] == OFFICIAL_POLICY | {"photo": "organisation", "name": "officials"}
    assert service.operate("organisation.show", organisation=of)["policy"] == second["policy"]


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("organisation.show", {}),
        ("organisation.policy", {"audiences": {"name": "nobody"}}),
        ("organisation.rename", {"name": "A"}),
        ("unit.create", {"name": "A", "kind": "office"}),
        ("unit.rename", {"unit": "aaaaaaaaaaaaa", "name": "A"}),
        ("unit.move", {"unit": "aaaaaaaaaaaaa", "parent": "aaaaaaaaaaaaa"}),
        ("unit.remove", {"unit": "aaaaaaaaaaaaa"}),
    ],
)
def test_nothing_is_done_in_an_organisation_that_is_not_there(
    service: Service, operation: str, parameters: dict[str, Any]
) -> None:
    of = id_text(new_organisation_id())
    assert refused(service.operate, operation, organisation=of, **parameters) is ErrorCode.NOT_FOUND
    assert refused(service.operate, "organisation.show", organisation=of) is ErrorCode.NOT_FOUND


def test_a_unit_of_another_organisation_is_not_there(service: Service) -> None:
    of, other = service.organisation(), service.organisation()
    unit, foreign = service.unit(of), service.unit(other)
    assert refused(move, service, of, unit, foreign) is ErrorCode.NOT_FOUND
    assert refused(move, service, of, foreign, unit) is ErrorCode.NOT_FOUND
    assert refused(move, service, of, unit, UnitId(other)) is ErrorCode.NOT_FOUND
    assert refused(remove, service, of, foreign) is ErrorCode.NOT_FOUND
    assert refused(service.unit, of, "A", parent=foreign) is ErrorCode.NOT_FOUND
    named = {"organisation": id_text(of), "unit": id_text(foreign), "name": "B"}
    assert refused(service.operate, "unit.rename", **named) is ErrorCode.NOT_FOUND


def test_the_organisation_is_renamed_as_its_root(service: Service) -> None:
    of = id_text(service.organisation())
    service.operate("unit.rename", organisation=of, unit=of, name="Ministry of Rail")
    assert service.operate("organisation.show", organisation=of)["name"] == "Ministry of Rail"


def test_what_operators_name_and_is_not_there_is_said(service: Service) -> None:
    of, asha = id_text(service.organisation()), service.person()
    nowhere, nobody = id_text(new_organisation_id()), "aaaaaaaaaaaaa"
    vouched = {"name": "Asha", "post": "Clerk", "expires_at": NOW + 1000}

    def pointer(operation: str, **parameters: Any) -> str:
        with pytest.raises(ProtocolError) as caught:
            service.operate(operation, **parameters)
        assert caught.value.code is ErrorCode.NOT_FOUND
        return str(caught.value.details["errors"][0]["pointer"])

    verify = partial(pointer, "person.verify", **vouched)
    assert verify(phone=asha.phone, organisation=nowhere) == "/organisation"
    assert verify(phone=asha.phone, organisation=of, unit=nobody) == "/unit"
    assert verify(account=nobody, organisation=of) == "/account"
    assert verify(phone="+919800000000", organisation=of) == "/phone"
    assert pointer("unit.rename", organisation=of, unit=nobody, name="A") == "/unit"
    assert pointer("unit.rename", organisation=nowhere, unit=nobody, name="A") == "/organisation"
    assert pointer("unit.move", organisation=of, unit=of, parent=nobody) == "/parent"
    assert pointer("group.create", organisation=nowhere, name="A") == "/organisation"
    assert pointer("group.create", organisation=of, unit=nobody, name="A") == "/unit"
    assert pointer("group.show", group=nobody) == "/group"
    assert pointer("app.show", app=nobody) == "/app"


def test_an_organisation_is_renamed_and_new_attestations_have_the_name(service: Service) -> None:
    of, asha, ravi = service.organisation(), service.person(), service.person()
    service.verify(asha, of)
    renamed = service.operate("organisation.rename", organisation=id_text(of), name=" Ministry of Rail ")
    assert (renamed["name"], renamed["units"][0]["name"]) == ("Ministry of Rail", "Ministry of Rail")
    service.verify(ravi, of)

    def attested(person: Person) -> str:
        verification = service.verifications.read(person.account)
        assert verification is not None
        return str(cbor2.loads(verification.attestation.statement)[4])

    assert (attested(asha), attested(ravi)) == ("Ministry of Railways", "Ministry of Rail")


def test_a_unit_moves_with_everything_below_it(service: Service) -> None:
    of = service.organisation()
    a, b, c = chain(service, of, 3)
    move(service, of, b, UnitId(of))
    now = tree(service, of)
    assert now.path(c) == [c, b, UnitId(of)]
    assert now.within(c, b)
    assert not now.within(c, a)


@pytest.mark.parametrize(("unit", "parent"), [(0, 0), (0, 1), (0, 2), (1, 2)])
def test_a_unit_does_not_move_below_itself(service: Service, unit: int, parent: int) -> None:
    of = service.organisation()
    units = chain(service, of, 3)
    before = tree(service, of)
    assert refused(move, service, of, units[unit], units[parent]) is ErrorCode.UNIT_CYCLE
    assert tree(service, of) == before


def test_the_organisation_itself_does_not_move(service: Service) -> None:
    of = service.organisation()
    assert refused(move, service, of, UnitId(of), service.unit(of)) is ErrorCode.UNIT_CYCLE


def test_there_are_eight_levels_and_no_ninth(service: Service) -> None:
    of = service.organisation()
    deepest = chain(service, of, MAX_LEVELS - 1)[-1]
    assert tree(service, of).level(deepest) == MAX_LEVELS == 8
    assert refused(service.unit, of, "ninth", parent=deepest) is ErrorCode.UNIT_TOO_DEEP


def test_what_moves_counts_its_own_levels(service: Service) -> None:
    of = service.organisation()
    target = chain(service, of, 4)  # levels 2 to 5
    moving = chain(service, of, 4)[0]  # takes four levels
    assert refused(move, service, of, moving, target[3]) is ErrorCode.UNIT_TOO_DEEP
    move(service, of, moving, target[2])
    assert max(tree(service, of).level(unit) for unit in tree(service, of).units) == MAX_LEVELS


def test_moving_to_where_it_is_changes_nothing(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    before = tree(service, of)
    move(service, of, unit, UnitId(of))
    assert tree(service, of) == before


# Removing


def test_an_empty_unit_goes(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    remove(service, of, unit)
    assert set(tree(service, of).units) == {UnitId(of)}
    assert refused(remove, service, of, unit) is ErrorCode.NOT_FOUND


def test_a_unit_with_units_officials_or_groups_stays(service: Service) -> None:
    of = service.organisation()
    with_unit, with_official, with_group = (service.unit(of) for _ in range(3))
    service.unit(of, parent=with_unit)
    official = service.person()
    service.verify(official, of, unit=with_official)
    transact(service.client, [service.organisations.counting(of, with_group, groups=1)])
    for unit in (with_unit, with_official, with_group):
        assert refused(remove, service, of, unit) is ErrorCode.UNIT_NOT_EMPTY
    service.revoke(official)
    transact(service.client, [service.organisations.counting(of, with_group, groups=-1)])
    remove(service, of, with_official)
    remove(service, of, with_group)
    assert {with_official, with_group}.isdisjoint(tree(service, of).units)


def test_an_organisation_is_not_removed(service: Service) -> None:
    of = service.organisation()
    assert refused(remove, service, of, UnitId(of)) is ErrorCode.INVALID_REQUEST


def overtaken(service: Service, other: Callable[[], Any]) -> OrganisationStore:
    """Return a store in which `other` is called before the first change."""
    client = OvertakenClient(service.client, "transact_write_items", other)
    return OrganisationStore(client, service.tables["directory"])  # type: ignore[arg-type]


def test_a_unit_that_gets_a_child_while_it_is_being_removed_stays(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    late = overtaken(service, lambda: service.unit(of, parent=unit))
    assert refused(remove, service, of, unit, late) is ErrorCode.UNIT_NOT_EMPTY
    assert len(tree(service, of).units) == 3


def test_a_unit_that_gets_an_official_while_it_is_being_removed_stays(service: Service) -> None:
    of = service.organisation()
    unit, official = service.unit(of), service.person()
    late = overtaken(service, lambda: service.verify(official, of, unit=unit))
    assert refused(remove, service, of, unit, late) is ErrorCode.UNIT_NOT_EMPTY
    assert tree(service, of).units[unit].officials == 1


def test_a_unit_that_gets_a_group_while_it_is_being_removed_stays(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    counting = service.organisations.counting(of, unit, groups=1)
    late = overtaken(service, lambda: transact(service.client, [counting]))
    assert refused(remove, service, of, unit, late) is ErrorCode.UNIT_NOT_EMPTY


def test_no_child_enters_a_unit_that_has_just_been_removed(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    late = overtaken(service, lambda: remove(service, of, unit))
    assert refused(create, service, of, unit, store=late) is ErrorCode.NOT_FOUND
    assert set(tree(service, of).units) == {UnitId(of)}


# Moves at once

EVERY_SCHEDULE = list(schedules(3, 3))


@pytest.mark.parametrize("schedule", EVERY_SCHEDULE, ids=lambda steps: "".join("LR"[not step] for step in steps))
def test_two_moves_at_once_make_no_circle(service: Service, schedule: tuple[bool, ...]) -> None:
    of = service.organisation()
    a, b = service.unit(of, "A"), service.unit(of, "B")
    outcomes: dict[str, ErrorCode | None] = {}

    def side(name: str, unit: UnitId, parent: UnitId) -> tuple[Side, Callable[[], object]]:
        side = Side(name)
        store = OrganisationStore(Stepped(service.client, side), service.tables["directory"])  # type: ignore[arg-type]

        def run() -> None:
            try:
                move(service, of, unit, parent, store)
                outcomes[name] = None
            except ProtocolError as error:
                outcomes[name] = error.code

        return side, run

    run_interleaved(side("left", a, b), side("right", b, a), schedule)
    assert sorted(outcomes.values(), key=str) == [None, ErrorCode.UNIT_CYCLE]
    now = tree(service, of)
    assert {now.path(a)[-1], now.path(b)[-1]} == {UnitId(of)}


def test_a_unit_created_below_one_that_moves_down_meanwhile_is_not_too_deep(service: Service) -> None:
    of = service.organisation()
    target = chain(service, of, 6)[-1]  # level 7
    moving = service.unit(of)
    late = overtaken(service, lambda: service.unit(of, parent=moving))
    assert refused(move, service, of, moving, target, late) is ErrorCode.UNIT_TOO_DEEP


def test_a_change_that_is_overtaken_every_time_is_to_be_asked_for_again(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)

    class AlwaysOvertaken:
        def __getattr__(self, name: str) -> Any:
            if name == "transact_write_items":
                service.unit(of)
            return getattr(service.client, name)

    late = OrganisationStore(AlwaysOvertaken(), service.tables["directory"])  # type: ignore[arg-type]
    assert refused(remove, service, of, unit, late) is ErrorCode.UNAVAILABLE
    assert unit in tree(service, of).units


def test_a_large_tree_is_read_page_by_page(service: Service) -> None:
    of = service.organisation("x" * 128)
    units = {service.unit(of, f"{number:0128}", kind="office") for number in range(12)}
    pages: list[int] = []

    class SmallPages:
        def __getattr__(self, name: str) -> Any:
            return getattr(service.client, name)

        def query(self, **arguments: Any) -> Any:
            answer = service.client.query(**arguments, Limit=5)
            pages.append(len(answer["Items"]))
            return answer

    store = OrganisationStore(SmallPages(), service.tables["directory"])  # type: ignore[arg-type]
    assert set(organisations.read_tree(of, store).units) == units | {UnitId(of)}
    assert sum(pages) == 13
    assert len(pages) > 2


def test_a_tree_that_changes_while_it_is_read_is_read_as_it_stands_then(service: Service) -> None:
    """A tree that was read half before and half after the change would have two units below each other."""
    of = service.organisation()
    a, b = sorted(service.unit(of, name) for name in "AB")
    move(service, of, a, b)

    def turn_round() -> None:
        move(service, of, a, UnitId(of))
        move(service, of, b, a)

    class ReadingSlowly:
        pages = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(service.client, name)

        def query(self, **arguments: Any) -> Any:
            self.pages += 1
            answer = service.client.query(**arguments, Limit=2)
            if self.pages == 1:  # the organisation and the first unit have been read
                turn_round()
            return answer

    client = ReadingSlowly()
    read = OrganisationStore(client, service.tables["directory"]).tree(of)  # type: ignore[arg-type]
    assert read == tree(service, of)
    assert read.path(b) == [b, a, UnitId(of)]
    assert client.pages == 4


def test_a_tree_that_never_rests_is_not_made_up(service: Service) -> None:
    of = service.organisation()

    class Busy:
        def __getattr__(self, name: str) -> Any:
            if name == "get_item":
                service.unit(of)
            return getattr(service.client, name)

    with pytest.raises(StoreUnavailable):
        OrganisationStore(Busy(), service.tables["directory"]).tree(of)  # type: ignore[arg-type]


def test_a_unit_that_is_not_in_the_tree_is_within_nothing(service: Service) -> None:
    of = service.organisation()
    unit = parse_unit(id_text(new_unit_id()))
    assert not tree(service, of).within(unit, UnitId(of))
    assert not tree(service, of).within(UnitId(of), unit)


# Any sequence of changes


class Reference:
    """Decides on changes of a tree without the code under test. It holds parents by unit."""

    def __init__(self, root: UnitId) -> None:
        self.root = root
        self.parents: dict[UnitId, UnitId] = {}

    def path(self, unit: UnitId) -> list[UnitId]:
        found = [unit]
        while found[-1] != self.root:
            found.append(self.parents[found[-1]])
        return found

    def deepest(self) -> int:
        return max(len(self.path(unit)) for unit in (self.root, *self.parents))

    def refusal(self, change: Callable[[], None]) -> ErrorCode | None:
        """Return the reason for which a change would be refused. Otherwise make it and return None."""
        before = dict(self.parents)
        change()
        if self.deepest() <= MAX_LEVELS:
            return None
        self.parents = before
        return ErrorCode.UNIT_TOO_DEEP

    def move(self, unit: UnitId, parent: UnitId) -> ErrorCode | None:
        if unit in self.path(parent):
            return ErrorCode.UNIT_CYCLE
        return self.refusal(lambda: self.parents.update({unit: parent}))

    def remove(self, unit: UnitId) -> ErrorCode | None:
        if unit in self.parents.values():
            return ErrorCode.UNIT_NOT_EMPTY
        del self.parents[unit]
        return None


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "create", "move", "move", "remove"]), st.integers(0, 20), st.integers(0, 20)),
    min_size=10,
    max_size=30,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_created_moved_and_removed_a_tree_of_eight_levels_is_left(
    service: Service, steps: list[tuple[str, int, int]]
) -> None:
    of = service.organisation()
    expected = Reference(UnitId(of))

    def outcome(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ProtocolError as error:
            return error.code

    for step, one, other in steps:
        units = [UnitId(of), *expected.parents]
        unit, parent = units[one % len(units)], units[other % len(units)]
        if step == "create":
            made = outcome(lambda: create(service, of, parent))  # noqa: B023  called at once
            allowed = len(expected.path(parent)) < MAX_LEVELS
            assert (made != ErrorCode.UNIT_TOO_DEEP) == allowed
            if allowed:
                expected.parents[made] = parent
        elif step == "move":
            assert outcome(lambda: move(service, of, unit, parent)) == expected.move(unit, parent)  # noqa: B023
        elif unit != UnitId(of):
            assert outcome(lambda: remove(service, of, unit)) == expected.remove(unit)  # noqa: B023
    now = tree(service, of)
    assert {unit.id: unit.parent for unit in now.units.values()} == {UnitId(of): None, **expected.parents}
    for id in now.units:
        assert now.path(id) == expected.path(id)
    assert max(map(now.level, now.units)) == expected.deepest() <= MAX_LEVELS


def test_all_organisations_are_listed_in_pages(service: Service) -> None:
    made = {service.organisation(f"Ministry {number}") for number in range(5)}
    found, after = service.organisations.page(after=None, limit=3)
    assert len(found) == 3
    while after:
        more, after = service.organisations.page(after=after, limit=3)
        found += more
    ids = [one.id for one in found]
    assert made <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_glance_at_a_tree_shows_what_a_careful_look_does(service: Service) -> None:
    organisation = service.organisation()
    service.unit(organisation, parent=service.unit(organisation))
    assert service.organisations.glance(organisation) == service.organisations.tree(organisation)
    assert service.organisations.glance(OrganisationId(b"nowhere.")) is None


# Names


def taken(service: Service, of: OrganisationId, name: str, parent: UnitId | None = None) -> bool:
    try:
        service.unit(of, name, parent=parent)
    except ProtocolError as error:
        return error.code is ErrorCode.UNIT_NAME_TAKEN
    return False


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ("Northern Zone", "Northern Zone"),
        ("Northern Zone", "NORTHERN  zone"),
        ("Caf\u00e9", "Cafe\u0301"),
        ("\u0938\u095c\u0915", "\u0938\u0921\u093c\u0915"),
        ("Zone 1", "\uff3aone 1"),
        ("Stra\u00dfe", "STRASSE"),
    ],
)
def test_no_two_units_of_one_parent_have_one_name(service: Service, there: str, name: str) -> None:
    of = service.organisation()
    first, other = service.unit(of, there), service.unit(of, "Other")
    assert taken(service, of, name)
    assert not taken(service, of, name, parent=other)  # in another place it is another unit
    below = next(unit.id for unit in tree(service, of).children(other))
    assert refused(move, service, of, below, UnitId(of)) is ErrorCode.UNIT_NAME_TAKEN
    rename = partial(service.operate, "unit.rename", organisation=id_text(of))
    assert refused(rename, unit=id_text(other), name=name) is ErrorCode.UNIT_NAME_TAKEN
    rename(unit=id_text(first), name=name)  # its own name in another spelling
    assert {unit.name for unit in tree(service, of).children(UnitId(of))} >= {"Other"}


def test_two_units_of_one_name_are_not_made_at_once(service: Service) -> None:
    of = service.organisation()
    late = overtaken(service, lambda: service.unit(of, "North"))
    assert refused(create, service, of, UnitId(of), name="north", store=late) is ErrorCode.UNIT_NAME_TAKEN


def test_a_name_that_is_given_meanwhile_by_renaming_is_not_given_twice(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of, "South")
    late = overtaken(service, lambda: organisations.rename(of, unit, "North", store=service.organisations))
    assert refused(create, service, of, UnitId(of), name="NORTH", store=late) is ErrorCode.UNIT_NAME_TAKEN
