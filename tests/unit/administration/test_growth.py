"""Tests the costs of lists in administration: twice as many rows take at most twice the reads and a constant."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.organisations import organisations, places
from sandes.administration.organisations.places import PlaceDependencies
from sandes.administration.people import officials
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import AccountId, OrganisationId, UnitId, account_text, id_text, new_unit_id
from sandes.model.instant import Instant
from sandes.model.organisation import Tree, Unit
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.administrators import AdministratorStore
from sandes.store.organisations import OrganisationStore
from tests.support.administration import Administration
from tests.support.people_administration import people_deps
from tests.support.service import NOW, NOW_MS, PEPPER, Service
from tools.bench.reads import MeteredClient

PAGE = 20
CONSTANT = 40
"""Read units that a list costs whatever its length, for the way from the root to its beginning."""


def grow(service: Service, of: OrganisationId, count: int, *, officials: int = 0, fan: int = 5) -> list[UnitId]:
    """Make so many units, `fan` in each, all below the first, with rows of officials in each."""
    store, tree = service.organisations, service.organisations.glance(of)
    assert tree is not None
    made: list[UnitId] = []
    units = dict(tree.units)
    for number in range(count):
        parent = made[(number - 1) // fan] if made else UnitId(of)
        unit = Unit(new_unit_id(), f"Unit {number}", "office", parent, NOW)
        version = tree.organisation.tree_version + number
        assert store.add(Tree(replace(tree.organisation, tree_version=version), units), unit)
        units[unit.id] = unit
        made.append(unit.id)
    for number, one in enumerate(made if officials else []):
        service.client.update_item(**store.counting(of, one, officials=officials).parameters())
        for official in range(officials):
            account = AccountId((number * officials + official).to_bytes(8, "big"))
            service.client.put_item(TableName=service.tables["directory"], Item=official_row(of, one, account))
    return made


def official_row(of: OrganisationId, unit: UnitId, account: AccountId) -> Any:

    return {
        "p": {"S": f"O#{id_text(of)}"},
        "s": {"S": f"V#{id_text(unit)}#{account_text(account)}"},
        "w": {"S": "Asha Rao"},
        "o": {"S": "Clerk"},
        "y": {"BOOL": True},
        "x": {"N": str(NOW + 1000)},
    }


def all_units(service: Service, caller: Caller, place: Place, client: Any, limit: int = PAGE) -> list[Any]:
    table = service.tables["directory"]
    deps = PlaceDependencies(
        organisations=OrganisationStore(client, table),
        administrators=AdministratorStore(client, table),
        recorder=Administration(service).recorder,
        pepper=PEPPER,
        limits=service.limits,
    )
    return every(lambda cursor: places.units(caller, place, after=cursor, limit=limit, deps=deps), "units")


def all_people(service: Service, caller: Caller, place: Place, client: Any, limit: int = PAGE) -> list[Any]:
    deps = people_deps(service, client)
    return every(
        lambda cursor: officials.page(caller, place, after=cursor, limit=limit, now=Instant(NOW_MS), deps=deps),
        "people",
    )


def every(page: Callable[[str | None], Any], what: str) -> list[Any]:
    found, cursor = [], None
    while True:
        answer = page(cursor)
        found += getattr(answer, what)
        cursor = answer.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
@pytest.mark.parametrize("listed", [all_units, all_people])
def test_reads_of_a_list_grow_with_its_rows(service: Service, listed: Any, *, part: bool) -> None:
    spent: dict[int, float] = {}
    for count in (200, 400):
        of = service.organisation(f"Ministry of {count}")
        made = grow(service, of, count, officials=1 if listed is all_people else 0)
        place = Place(of, made[0]) if part else Place.root(of)
        caller = Administration(service).appoint(Role.UNIT_ADMIN if part else Role.NODAL_OFFICER, place)
        client = MeteredClient(service.client)
        found = listed(service, caller, place, client)
        assert len(found) == count + (listed is all_units and not part)
        spent[count] = client.units
    assert spent[400] <= 2 * spent[200] + CONSTANT, spent


def test_a_page_of_a_small_part_does_not_read_the_rest(service: Service) -> None:
    of = service.organisation()
    made = grow(service, of, 400)
    caller = Administration(service).appoint(Role.UNIT_ADMIN, Place(of, made[-1]))
    client = MeteredClient(service.client)
    assert [one.id for one in all_units(service, caller, Place(of, made[-1]), client)] == [made[-1]]
    assert client.units <= 8


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("fan", [1, 2, 30])
def test_pages_of_any_size_hold_each_unit_once_behind_what_it_is_in(service: Service, limit: int, fan: int) -> None:
    of = service.organisation()
    made = grow(service, of, 7 if fan == 1 else 40, fan=fan)
    officer = Administration(service).appoint(Role.NODAL_OFFICER, Place.root(of))
    tree = service.organisations.tree(of)
    assert tree is not None
    for top in (UnitId(of), made[0], made[1], made[-1]):
        found = all_units(service, officer, Place(of, top), service.client, limit)
        ids = [one.id for one in found]
        assert sorted(ids) == sorted(one.id for one in tree.below(top))
        assert ids[0] == top
        assert all(one.parent in ids[:n] for n, one in enumerate(found) if n)
        assert [one.level for one in found] == [tree.level(one.id) for one in found]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_pages_of_a_part_hold_each_of_its_people_once(service: Service, limit: int) -> None:
    of = service.organisation()
    made = grow(service, of, 31, officials=2)
    caller = Administration(service).appoint(Role.UNIT_ADMIN, Place(of, made[1]))
    tree = service.organisations.tree(of)
    assert tree is not None
    found = all_people(service, caller, Place(of, made[1]), service.client, limit)
    inside = {one.id for one in tree.below(made[1])}
    assert len({one.account for one in found}) == len(found) == 2 * len(inside)
    assert {one.unit for one in found} == inside


def test_the_count_of_children_follows_each_change_of_shape(service: Service) -> None:
    of = service.organisation()
    north, south = service.unit(of), service.unit(of)
    desk = service.unit(of, parent=north)

    def counts() -> dict[UnitId, int]:
        tree = service.organisations.tree(of)
        assert tree is not None
        assert all(len(tree.children(one.id)) == one.children for one in tree.units.values())
        return {one.id: one.children for one in tree.units.values()}

    assert counts() == {UnitId(of): 2, north: 1, south: 0, desk: 0}

    organisations.move(of, desk, south, store=service.organisations)
    assert counts() == {UnitId(of): 2, north: 0, south: 1, desk: 0}
    organisations.move(of, desk, south, name="Renamed", store=service.organisations)
    assert counts()[south] == 1
    organisations.move(of, desk, UnitId(of), store=service.organisations)
    assert counts() == {UnitId(of): 3, north: 0, south: 0, desk: 0}
    organisations.remove(of, desk, store=service.organisations)
    organisations.remove(of, south, store=service.organisations)
    assert counts() == {UnitId(of): 1, north: 0}


@pytest.mark.parametrize("rewritten", [0, 2, 80])
def test_paths_are_those_of_the_tree_after_any_moves(
    service: Service, monkeypatch: pytest.MonkeyPatch, rewritten: int
) -> None:
    monkeypatch.setattr("sandes.store.organisations.MAX_REWRITTEN", rewritten)
    of, chance = service.organisation(), random.Random(rewritten)  # noqa: S311  # the same moves each time
    made = grow(service, of, 14, fan=2)
    client: Any = MeteredClient(service.client)
    store = OrganisationStore(client, service.tables["directory"])
    for step in range(16):
        with contextlib.suppress(ProtocolError):  # below itself, or too deep
            organisations.move(of, chance.choice(made), chance.choice([UnitId(of), *made]), store=service.organisations)
        if step % 5 == 0:
            made.append(service.unit(of, parent=chance.choice(made[:4])))
        tree = service.organisations.tree(of)
        assert tree is not None
        client.calls = 0
        part = store.paths(of, tree.units)
        assert client.calls == 1
        assert part is not None
        assert part.units == tree.units
        assert {one: part.path(one) for one in tree.units} == {one: tree.path(one) for one in tree.units}


def test_a_move_that_was_overtaken_changes_no_path(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandes.store.organisations.MAX_REWRITTEN", 1)
    of = service.organisation()
    made = grow(service, of, 8, fan=2)
    store, seen = service.organisations, service.organisations.tree(of)
    assert seen is not None
    organisations.move(of, made[1], UnitId(of), store=store)
    assert not store.move(seen, made[1], made[2])
    now, part = store.tree(of), store.paths(of, made)
    assert now is not None
    assert part is not None
    assert [part.path(one) for one in made] == [now.path(one) for one in made]


class MovedBetween:
    """Reads one batch after another, and moves units after the first that has `seen`, before the list of moves."""

    def __init__(self, client: Any, seen: UnitId, move: Callable[[], None]) -> None:
        self.client, self.seen, self.move = client, {"S": f"0#{id_text(seen)}"}, move
        self.moved = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        (asked,) = RequestItems.values()
        sorts = [key["s"] for key in asked["Keys"]]
        if {"S": "1"} in sorts:
            assert self.moved.wait(10)
        answer = self.client.batch_get_item(RequestItems=RequestItems)
        if self.seen in sorts:
            self.move()
            self.moved.set()
        return answer


def test_units_that_are_read_by_several_calls_stand_where_they_were_or_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path from an old row and newer moves may be one that never existed."""
    monkeypatch.setattr("sandes.store.organisations.MAX_REWRITTEN", 2)
    monkeypatch.setattr("sandes.store.dynamo.BATCH_KEYS", 1)
    monkeypatch.setattr("sandes.store.organisations.BATCH_KEYS", 1, raising=False)
    of, store = service.organisation(), service.organisations
    west, east = service.unit(of), service.unit(of)
    zone = service.unit(of, parent=west)
    office = service.unit(of, parent=zone)
    desk = service.unit(of, parent=office)
    for _ in range(3):
        service.unit(of, parent=zone)

    def move() -> None:
        organisations.move(of, office, UnitId(of), store=store)  # rewrites the row of the desk
        organisations.move(of, zone, east, store=store)  # is listed

    before = store.tree(of)
    client: Any = MovedBetween(service.client, desk, move)
    part = OrganisationStore(client, service.tables["directory"]).paths(of, [desk])
    now = store.tree(of)
    assert before
    assert part
    assert now
    assert part.path(desk) in (before.path(desk), now.path(desk))
    assert not part.within(desk, east), "the desk was never there"


def test_units_that_are_not_there_have_no_path(service: Service) -> None:
    of = service.organisation()
    unit = service.unit(of)
    part = service.organisations.paths(of, [unit, UnitId(b"nowhere.")])
    assert part is not None
    assert part.units.keys() == {UnitId(of), unit}
    assert not part.within(UnitId(b"nowhere."), UnitId(of))
    assert service.organisations.paths(OrganisationId(b"nowhere."), [unit]) is None


def test_a_cursor_of_a_unit_that_left_the_part_begins_anew(service: Service) -> None:

    of = service.organisation()
    made = grow(service, of, 8, fan=3)
    beside = service.unit(of)
    caller = Administration(service).appoint(Role.UNIT_ADMIN, Place(of, made[0]))
    table = service.tables["directory"]
    deps = PlaceDependencies(
        organisations=service.organisations,
        administrators=AdministratorStore(service.client, table),
        recorder=Administration(service).recorder,
        pepper=PEPPER,
        limits=service.limits,
    )
    first = places.units(caller, Place(of, made[0]), after=None, limit=3, deps=deps)
    organisations.move(of, first.units[-1].id, beside, store=service.organisations)
    with pytest.raises(ProtocolError) as refused:
        places.units(caller, Place(of, made[0]), after=first.cursor, limit=3, deps=deps)
    assert refused.value.code is ErrorCode.INVALID_CURSOR
