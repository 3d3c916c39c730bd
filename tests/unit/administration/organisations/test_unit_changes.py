"""Tests the rate limit of unit changes of one administrator, since each change reads the tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandes.administration.organisations import organisations, places
from sandes.administration.organisations.places import PlaceDependencies
from sandes.administration.recorder import Recorder
from sandes.limits import Limit, enforce
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import UnitId, administrator_text, id_text
from sandes.model.instant import Instant
from sandes.protocol.admin_organisations_api import ChangeUnit, NewUnit
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.audit import AuditStore
from sandes.store.organisations import OrganisationStore
from tests.support.administration import Administration
from tests.support.dynamodb import OvertakenClient
from tests.support.service import AUDIT_KEY, NOW_MS, PEPPER, Service


def refused(call: Callable[[], object]) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call()
    return caught.value


def test_who_changes_units_too_often_waits_and_may_change_them_again(service: Service) -> None:
    staff, ministry = Administration(service), service.organisation()
    deps = PlaceDependencies(
        organisations=service.organisations,
        administrators=staff.store,
        recorder=staff.recorder,
        pepper=PEPPER,
        limits=service.limits,
    )
    first, second = (staff.appoint(Role.NODAL_OFFICER, Place.root(ministry)) for _ in range(2))
    unit = Place(ministry, service.unit(ministry, "Signals"))

    def create(caller: Caller, name: str, now_ms: int = NOW_MS) -> UnitId:
        body = NewUnit.model_validate({"organisation": id_text(ministry), "name": name, "kind": "office"})
        return places.create_unit(caller, body, now=Instant(now_ms), deps=deps).id

    def rename(caller: Caller, name: str) -> object:
        return places.change_unit(caller, unit, ChangeUnit(name=name), None, now=Instant(NOW_MS), deps=deps)

    spent = Limit.UNIT_CHANGES.burst - 2
    subject = f"administrator:{administrator_text(first.id)}"
    enforce(service.limits, Limit.UNIT_CHANGES, subject, now=Instant(NOW_MS), weight=spent)
    create(first, "Yard")
    rename(first, "Telegraphs")
    before = service.organisations.glance(ministry)
    wait = 0
    for call in (
        lambda: create(first, "Depot"),
        lambda: rename(first, "Signals again"),
        lambda: places.remove_unit(first, unit, None, now=Instant(NOW_MS), deps=deps),
    ):
        refusal = refused(call)
        assert refusal.code is ErrorCode.RATE_LIMITED
        wait = refusal.retry_after_seconds or 0
        assert 1 <= wait <= Limit.UNIT_CHANGES.depth_ms // 1000
    assert service.organisations.glance(ministry) == before, "a refused change changes nothing"
    create(second, "Depot")
    create(first, "Workshop", now_ms=NOW_MS + wait * 1000)


@pytest.mark.parametrize("change", ["move", "move in", "rename", "create", "remove"])
@pytest.mark.parametrize("late", [False, True], ids=["before the tree is read", "before the write"])
def test_a_unit_that_is_moved_away_meanwhile_is_out_of_reach_of_a_change_under_way(
    service: Service, change: str, *, late: bool
) -> None:
    """The ministry's officer changes units before the administrator of the zone, in each attempt."""
    staff, of = Administration(service), service.organisation()
    zone, other = (service.unit(of, name) for name in ("Western zone", "Eastern zone"))
    desk, yard = service.unit(of, "Desk", parent=zone), service.unit(of, "Yard", parent=zone)
    caller = staff.appoint(Role.UNIT_ADMIN, Place(of, zone))

    def move_away() -> None:
        organisations.move(of, desk, other, store=service.organisations)

    method = "transact_write_items" if late else "query"
    client: Any = OvertakenClient(service.client, method, move_away)
    store = OrganisationStore(client, service.tables["directory"])
    recorder = Recorder(AuditStore(client, service.tables["audit"]), AUDIT_KEY, sleep=lambda _: None)
    deps = PlaceDependencies(
        organisations=store, administrators=staff.store, recorder=recorder, pepper=PEPPER, limits=service.limits
    )
    new = NewUnit.model_validate({"organisation": id_text(of), "parent": id_text(desk), "name": "A", "kind": "office"})
    calls: dict[str, Callable[[], object]] = {
        "move": lambda: places.change_unit(
            caller, Place(of, desk), ChangeUnit(parent=yard), None, now=Instant(NOW_MS), deps=deps
        ),
        "move in": lambda: places.change_unit(
            caller, Place(of, yard), ChangeUnit(parent=desk), None, now=Instant(NOW_MS), deps=deps
        ),
        "rename": lambda: places.change_unit(
            caller, Place(of, desk), ChangeUnit(name="B"), None, now=Instant(NOW_MS), deps=deps
        ),
        "create": lambda: places.create_unit(caller, new, now=Instant(NOW_MS), deps=deps),
        "remove": lambda: places.remove_unit(caller, Place(of, desk), None, now=Instant(NOW_MS), deps=deps),
    }
    assert refused(calls[change]).code is ErrorCode.NOT_FOUND
    tree = service.organisations.glance(of)
    assert tree
    assert {one: (tree.units[one].parent, tree.units[one].name) for one in (desk, yard)} == {
        desk: (other, "Desk"),
        yard: (zone, "Yard"),
    }
    assert len(tree.units) == 5
