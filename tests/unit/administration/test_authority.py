"""Tests the matrix of administration: every cell at every place, roles that exclude each other, and who grants what."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import get_args

import pytest

from sandes.administration.authority import APART, GRANTED_BY, MATRIX, Need, Permission, grants, require
from sandes.model.administrator import PLATFORM, Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import AdministratorId, OrganisationId, UnitId
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.service import NOW, Service

ME = AdministratorId(bytes(15) + b"\1")
ENOUGH = {
    "act": {"read", "act"},
    "second": {"read", "draft", "propose", "second"},
    "read": {"read"},
    "draft": {"read", "draft"},
    "propose": {"read", "propose"},
    "own": {"read"},
}
"""The needs that each kind of cell satisfies, written independently of the code."""


class World:
    """Holds a railway with two zones and a division, and another ministry."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.organisation = service.organisation()
        self.zone = service.unit(self.organisation, "Western zone")
        self.division = service.unit(self.organisation, "Mumbai division", parent=self.zone)
        self.sibling = service.unit(self.organisation, "Eastern zone")
        self.other = service.organisation("Ministry of Health")

    def caller(self, role: Role, place: Place) -> Caller:
        who = Administrator(ME, "a@example.gov.in", "Asha", place, NOW)
        return Caller(who, (Assignment(ME, role, place, "operator", NOW),), NOW)

    def places(self) -> Iterator[tuple[str, Place, bool]]:
        """Yield places as seen from an assignment at the zone: a name, the place, and whether it is in the zone."""
        yield "own", Place(self.organisation, self.zone), True
        yield "below", Place(self.organisation, self.division), True
        yield "sibling", Place(self.organisation, self.sibling), False
        yield "parent", Place.root(self.organisation), False
        yield "other", Place.root(self.other), False
        yield "unknown", Place(self.organisation, UnitId(b"unknown.")), False
        yield "nowhere", Place.root(OrganisationId(b"nowhere.")), False


@pytest.fixture
def world(service: Service) -> World:
    return World(service)


@pytest.mark.parametrize("role", Role)
def test_a_role_is_good_for_its_cells_in_its_own_subtree_and_nowhere_else(world: World, role: Role) -> None:
    caller = world.caller(role, Place(world.organisation, world.zone))
    for permission, need in itertools.product(Permission, get_args(Need)):
        able = need in ENOUGH.get(MATRIX[permission].get(role, ""), set())
        for name, place, within in world.places():
            found = grants(caller, permission, need, place, world.service.organisations)
            expected = able and (within or role is Role.PLATFORM_ADMIN)
            assert (found is not None) is expected, (permission, need, name)


def test_an_organisation_is_its_whole_subtree(world: World) -> None:
    caller = world.caller(Role.NODAL_OFFICER, Place.root(world.organisation))
    stores = world.service.organisations
    assert grants(caller, Permission.PEOPLE, "act", Place(world.organisation, world.division), stores)
    assert not grants(caller, Permission.PEOPLE, "act", Place.root(world.other), stores)


def test_a_unit_that_was_moved_away_is_out_of_reach_at_once(world: World, service: Service) -> None:
    caller = world.caller(Role.UNIT_ADMIN, Place(world.organisation, world.zone))
    division = Place(world.organisation, world.division)
    assert grants(caller, Permission.UNITS, "act", division, service.organisations)
    tree = service.organisations.tree(world.organisation)
    assert tree
    assert service.organisations.move(tree, world.division, world.sibling)
    assert not grants(caller, Permission.UNITS, "act", division, service.organisations)


def test_without_the_right_nothing_is_there(world: World) -> None:
    caller = world.caller(Role.VERIFIER, Place(world.organisation, world.zone))
    with pytest.raises(ProtocolError) as refused:
        require(caller, Permission.APPS, "act", Place(world.organisation, world.zone), world.service.organisations)
    assert (refused.value.code, refused.value.details) == (ErrorCode.NOT_FOUND, {})


def test_whoever_asks_for_traces_approves_none_and_who_runs_the_platform_or_watches_does_nothing_else() -> None:
    assert Role.TRACE_APPROVER in APART[Role.TRACE_REQUESTER]
    for alone in (Role.AUDITOR, Role.PLATFORM_ADMIN):
        assert APART[alone] == set(Role) - {alone}
    assert not any(role in APART[role] for role in Role)
    assert Role.UNIT_ADMIN not in APART[Role.NODAL_OFFICER]
    assert all(role in APART[other] for role, others in APART.items() for other in others)


def test_nobody_grants_above_their_own_and_nobody_makes_platform_administrators() -> None:
    assert GRANTED_BY[Role.PLATFORM_ADMIN] == set()
    assert GRANTED_BY[Role.NODAL_OFFICER] == {Role.NODAL_OFFICER}
    granting = {role for grantors in GRANTED_BY.values() for role in grantors}
    assert granting == {role for role, cell in MATRIX[Permission.ROLES].items() if cell == "second"}
    assert set(GRANTED_BY) == set(Role)


def test_nobody_grants_what_they_may_not_do_themselves() -> None:
    """Nodal officers are the exception: they grant every role in their organisation."""
    for role, grantors in GRANTED_BY.items():
        for grantor in grantors - {Role.NODAL_OFFICER}:
            for permission, cells in MATRIX.items():
                given, own = ENOUGH.get(cells.get(role, ""), set()), ENOUGH.get(cells.get(grantor, ""), set())
                assert given <= own, (grantor, role, permission)


def test_every_role_has_cells_and_only_known_roles_do() -> None:
    assert {role for cells in MATRIX.values() for role in cells} == set(Role)
    assert set(MATRIX) == set(Permission)


def test_the_platform_is_an_organisation_of_its_own(world: World) -> None:
    caller = world.caller(Role.NODAL_OFFICER, Place.root(PLATFORM))
    assert not grants(caller, Permission.UNITS, "act", Place.root(world.organisation), world.service.organisations)
