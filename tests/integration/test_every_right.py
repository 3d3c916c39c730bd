"""Tests every route of the admin API with every role from every place. It is allowed where the matrix says so, and
otherwise answered as if its subject did not exist, with nothing changed.

Roles are held in a zone and in a whole ministry. The subjects are in the zone itself, in a division of it, in another
zone, in the ministry, and in another ministry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sandes.administration.authority import MATRIX, Permission
from sandes.edge.admin.routes import NEED, PERMISSION, WHERE
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import parse_unit
from tests.support.admin_api import FUNCTIONS, Answer, admin_api
from tests.support.admin_examples import EXAMPLES, Example
from tests.support.admin_world import NOWHERE, Spot, World
from tools.specs.routes import routes_of

ENOUGH = {
    "act": {"read", "act"},
    "second": {"read", "draft", "propose", "second"},
    "read": {"read"},
    "draft": {"read", "draft"},
    "propose": {"read", "propose"},
    "own": {"read"},
}
"""The needs that each kind of cell satisfies, written independently of the code."""

PAGE_CALLS = 3
"""The calls of a page: the caller, the paths of units, the page. A part of the tree takes one more: its units, or the
paths of those of the rows.
"""

ZONES = 3
"""The units below the ministry that have units in them: a list of units takes a call for each.

Statistics of an organisation walk only the zone for callers who have a right only there.
"""

REACHES = {
    "zone": {"own", "below"},
    "ministry": {"own", "below", "sibling", "parent"},
    "platform": {"own", "below", "sibling", "parent", "other"},
}
"""The places at which a role counts, by the place where it is held."""


def routes() -> dict[str, dict[str, Any]]:
    """Return what each route of all functions of the admin API declares."""
    return {
        f"{route.method} {route.path}": route.openapi_extensions or {}
        for function in FUNCTIONS
        for route in routes_of(function.app)
    }


ROUTES = routes()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with admin_api() as api:
        made = World.make(api)
        made.callers = made.everybody()
        made.keep()
        yield made


def test_every_route_has_an_example_and_every_example_a_route() -> None:
    missing = sorted(ROUTES.keys() - EXAMPLES.keys())
    assert not missing, f"add an example of each of these to EXAMPLES in tests/support/admin_examples.py: {missing}"
    gone = sorted(EXAMPLES.keys() - ROUTES.keys())
    assert not gone, f"remove these from EXAMPLES in tests/support/admin_examples.py: {gone}"


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_a_route_is_allowed_where_the_matrix_says_and_else_as_if_nothing_was_there(
    world: World, route: str, record_property: Callable[[str, object], None]
) -> None:
    if route not in EXAMPLES:
        pytest.fail(f"add an example of {route} to EXAMPLES in tests/support/admin_examples.py")
    example, declared, cells = EXAMPLES[route], ROUTES[route], 0
    for role, held, caller in world.callers:
        nothing = call(world, example, caller, NOWHERE)
        world.restore()  # a caller who may create an organisation may do so at every place
        for spot in world.spots.values():
            expected = allowed(example, declared, role, held, spot)
            answer = call(world, example, caller, spot)
            changed = world.changed()
            said = f"{route} by {role} of the {held} at {spot.name}: {answer}"
            if expected:
                assert answer.status < 300 or answer.status in example.also, f"refused: {said}"
                assert (declared.get(NEED) in {None, "read"}) <= (not changed), f"reading changed {changed}: {said}"
            else:
                like = answer == nothing or answer == call(world, example, caller, nowhere_in(spot))
                assert like, f"not like what is not there, {nothing}: {said}"
                assert answer.status == 404, f"not refused: {said}"
                assert not changed, f"changed {changed}: {said}"
            world.restore()
            cells += 1
    record_property("authorisation_cells", cells)


PAGED = sorted(route for route in ROUTES if route.startswith("GET") and route.count("/") == 3)


@pytest.mark.parametrize("route", PAGED)
@pytest.mark.parametrize(
    "holder",
    [
        (Role.NODAL_OFFICER, "ministry"),
        (Role.AUDITOR, "ministry"),
        (Role.UNIT_ADMIN, "zone"),
        (Role.PLATFORM_ADMIN, "platform"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("where", ["whole", "part", "leaf"])
def test_a_page_of_a_list_takes_three_calls_of_dynamodb_at_most(
    world: World, route: str, holder: tuple[Role, str], where: str
) -> None:
    caller = next(who for *held, who in world.callers if tuple(held) == holder)
    part = world.spots["below"]
    leaf = replace(part, place=Place(part.place.organisation, parse_unit(part.empty_unit)))
    before = world.api.calls
    call(world, EXAMPLES[route], caller, {"whole": world.spots["parent"], "part": part, "leaf": leaf}[where])
    walks = {"GET /admin/v1/units": ZONES if where == "whole" else 1, "GET /admin/v1/stats": 1}
    assert world.api.calls - before <= PAGE_CALLS + walks.get(route, int(where == "part"))


def allowed(example: Example, declared: dict[str, Any], role: Role, held: str, spot: Spot) -> bool:
    if example.decided == "nobody":
        return False
    if example.decided == "any_role_there":
        return held == "platform" or spot.name != "other"
    if declared.get(WHERE) == "self":
        return True
    if PERMISSION not in declared and example.permission is None:
        return WHERE not in declared
    permission = example.permission or Permission[declared[PERMISSION].upper()]
    cell = MATRIX[permission].get(role, "")
    if declared[NEED] not in ENOUGH.get(cell, set()) or (example.whole and cell == "own"):
        return False
    where = example.decided or declared[WHERE]
    if where == "somewhere":
        return True
    if where == "at_a_root":
        return held != "zone"
    if where == "platform":
        return held == "platform"
    if where == "in_the_organisation":
        return held == "platform" or spot.name != "other"
    if where == "organisation":
        return held == "platform" or (held == "ministry" and spot.name != "other")
    assert where in {"unit", "approval"}, f"{example} has to say by what it is decided"
    return spot.name in REACHES[held]


def nowhere_in(spot: Spot) -> Spot:
    """Return ids of nothing, except for an absent unit of the same organisation."""
    return replace(NOWHERE, place=replace(NOWHERE.place, organisation=spot.place.organisation))


def call(world: World, example: Example, caller: Caller, spot: Spot) -> Answer:
    made = example.call(spot)
    return world.api(caller, made.method, made.path, made.body, query=made.query, if_match=made.if_match)
