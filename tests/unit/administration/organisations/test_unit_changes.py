"""One administrator changes units at a bounded pace, since each change reads the tree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandes.administration.organisations import places
from sandes.administration.organisations.places import PlaceDependencies
from sandes.limits import Limit, enforce
from sandes.model.administrator import Caller, Place, Role
from sandes.model.ids import UnitId, administrator_text, id_text
from sandes.protocol.admin_organisations_api import ChangeUnit, NewUnit
from sandes.protocol.errors import ErrorCode, ProtocolError
from tests.support.administration import Administration
from tests.support.service import NOW_MS, PEPPER, Service


def refused(call: Callable[[], object]) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call()
    return caught.value


def test_who_changes_units_too_often_waits_and_may_change_them_again(service: Service) -> None:
    staff, ministry = Administration(service), service.organisation()
    deps = PlaceDependencies(service.organisations, staff.store, staff.recorder, PEPPER, service.limits)
    first, second = (staff.appoint(Role.NODAL_OFFICER, Place.root(ministry)) for _ in range(2))
    unit = Place(ministry, service.unit(ministry, "Signals"))

    def create(caller: Caller, name: str, now_ms: int = NOW_MS) -> UnitId:
        body = NewUnit.model_validate({"organisation": id_text(ministry), "name": name, "kind": "office"})
        return places.create_unit(caller, body, now_ms=now_ms, deps=deps).id

    def rename(caller: Caller, name: str) -> object:
        return places.change_unit(caller, unit, ChangeUnit(name=name), None, now_ms=NOW_MS, deps=deps)

    spent = Limit.UNIT_CHANGES.burst - 2
    subject = f"administrator:{administrator_text(first.id)}"
    enforce(service.limits, Limit.UNIT_CHANGES, subject, now_ms=NOW_MS, weight=spent)
    create(first, "Yard")
    rename(first, "Telegraphs")
    before = service.organisations.glance(ministry)
    wait = 0
    for call in (
        lambda: create(first, "Depot"),
        lambda: rename(first, "Signals again"),
        lambda: places.remove_unit(first, unit, None, now_ms=NOW_MS, deps=deps),
    ):
        refusal = refused(call)
        assert refusal.code is ErrorCode.RATE_LIMITED
        wait = refusal.retry_after_seconds or 0
        assert 1 <= wait <= Limit.UNIT_CHANGES.depth_ms // 1000
    assert service.organisations.glance(ministry) == before, "a refused change changes nothing"
    create(second, "Depot")
    create(first, "Workshop", now_ms=NOW_MS + wait * 1000)
