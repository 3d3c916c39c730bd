"""Tests who may see which statistics, and how many calls a report takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sandes.administration.organisations.organisations import move
from sandes.administration.statistics import reports
from sandes.administration.statistics.reports import ReportDependencies, Span, span
from sandes.model import statistics as counters
from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, UnitId, id_text, parse_app
from sandes.model.statistics import Batch, Counted, Depth, app_scope, hour_of, organisation_scope
from sandes.protocol.admin_api import utc
from sandes.protocol.admin_statistics_api import Statistics
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.apps import AppStore
from sandes.store.organisations import OrganisationStore
from sandes.store.statistics import StatisticsStore
from tests.support.administration import Administration
from tests.support.dynamodb import CountingClient, memory_dynamodb
from tests.support.service import NOW, NOW_MS, PEPPER, Service

HOUR = hour_of(NOW)
DAY = span("day", None, None, now_seconds=NOW)


class World:
    """Holds an organisation with a department and an office, an official in each, and their counts."""

    def __init__(self, client: Any, tables: dict[str, str]) -> None:
        self.service = Service(client, tables)
        self.client = CountingClient(client)
        self.people = Administration(self.service)
        self.ministry = self.service.organisation()
        self.department = self.service.unit(self.ministry, "Signalling")
        self.office = self.service.unit(self.ministry, "Signal Shop", parent=self.department, kind="office")
        for unit in (None, self.office):
            self.service.verify(self.service.person(), self.ministry, unit=unit)
        self.store = StatisticsStore(client, tables["statistics"])
        self._numbers = iter(range(1, 1000))

    @property
    def deps(self) -> ReportDependencies:
        client: Any = self.client
        store = StatisticsStore(client, self.service.tables["statistics"])
        organisations = OrganisationStore(client, self.service.tables["directory"])
        apps = AppStore(client, self.service.tables["directory"])
        return ReportDependencies(store, organisations, apps, PEPPER)

    def count(self, scope: str, hour: int = HOUR, **counts: int) -> None:
        number = str(next(self._numbers))
        entries = {Counted(scope, hour, counter): times for counter, times in counts.items()}
        assert self.store.add_once(Batch("test", number, number), entries, now_seconds=NOW)

    def officer(self, role: Role, place: Place | None = None) -> Caller:
        return self.people.appoint(role, place or Place.root(self.ministry))

    def of(
        self,
        caller: Caller,
        over: Span = DAY,
        organisation: OrganisationId | None = None,
        *,
        after: str | None = None,
        limit: int = 50,
    ) -> Statistics:
        of = organisation or self.ministry
        return reports.of_organisation(caller, of, over, after=after, limit=limit, deps=self.deps)


@pytest.fixture(scope="module")
def world() -> World:
    client, tables, _ = memory_dynamodb()
    made = World(client, tables)
    made.count(
        organisation_scope(made.ministry),
        otps=10,
        otps_used=7,
        notice_accepted=5,
        notice_delivered=4,
        direct_messages=3,
        **{counters.took_counter(400): 3, counters.took_counter(9_000): 1},
    )
    made.count(organisation_scope(made.ministry), HOUR - 24, otps=2, otps_used=1, active=6)
    return made


def refused(code: ErrorCode, call: Any, *arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    error: ProtocolError = caught.value
    assert error.code is code
    return error


# Spans of time


def test_a_question_without_times_is_about_thirty_days_or_twenty_four_hours() -> None:
    days, hours = (span(step, None, None, now_seconds=NOW) for step in ("day", "hour"))
    assert (days.until - days.since) // 86_400 == 29
    assert (hours.until - hours.since) // 3600 == 23


@pytest.mark.parametrize(("step", "seconds", "most"), [("hour", 3600, 168), ("day", 86_400, 400)])
def test_a_question_about_too_much_at_once_is_refused_by_its_first_step(step: Any, seconds: int, most: int) -> None:
    until = NOW - NOW % seconds
    assert span(step, until - (most - 1) * seconds, until, now_seconds=NOW)
    error = refused(ErrorCode.INVALID_REQUEST, span, step, until - most * seconds, until, now_seconds=NOW)
    assert [fault["code"] for fault in error.details["errors"]] == [f"at_most_{most}_periods"]


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    error = refused(ErrorCode.INVALID_REQUEST, span, "day", NOW, NOW - 1, now_seconds=NOW)
    assert [fault["code"] for fault in error.details["errors"]] == ["after_its_end"]


# Figures


def test_a_nodal_officer_sees_totals_series_and_the_officials_of_each_unit(world: World) -> None:
    told = world.of(world.officer(Role.NODAL_OFFICER))
    assert told.organisation == world.ministry
    assert told.figures is not None
    assert (told.figures.otps.sent, told.figures.otps.used, told.figures.otps.conversion) == (12, 8, 0.6667)
    assert told.figures.messages.notice.delivered == 4
    assert told.figures.messages.direct == 3
    assert told.figures.delivery.count == 4
    assert told.figures.delivery.p50_ms == pytest.approx(400, rel=0.19)
    assert told.figures.delivery.p99_ms == pytest.approx(9_000, rel=0.19)
    starts = [one.at for one in told.series]
    assert [at.date() for at in starts] == [datetime.fromtimestamp(at, UTC).date() for at in (NOW - 86_400, NOW)]
    assert [one.figures.otps.sent for one in told.series] == [2, 10]
    assert {one.name: one.verified for one in told.units} == {
        "Ministry of Railways": 1,
        "Signalling": 0,
        "Signal Shop": 1,
    }


def test_by_hour_only_the_hours_asked_for_are_counted(world: World) -> None:
    told = world.of(world.officer(Role.AUDITOR), span("hour", NOW - 3600, NOW, now_seconds=NOW))
    assert told.figures is not None
    assert told.figures.otps.sent == 10
    assert [one.at for one in told.series] == [utc(HOUR * 3600)]


def test_nothing_counted_is_nothing_told_and_no_conversion(world: World) -> None:
    told = world.of(world.officer(Role.NODAL_OFFICER), span("day", NOW + 86_400, NOW + 86_400, now_seconds=NOW))
    assert told.series == ()
    assert told.figures is not None
    assert told.figures.otps.conversion is None


# Rights


def test_a_unit_admin_is_told_of_the_officials_of_their_units_and_of_nothing_else(world: World) -> None:
    told = world.of(world.officer(Role.UNIT_ADMIN, Place(world.ministry, world.department)))
    assert {one.name: one.verified for one in told.units} == {"Signalling": 0, "Signal Shop": 1}
    assert (told.figures, told.series, told.queues) == (None, (), ())


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("held", ["whole", "part", "parts"])
def test_pages_name_each_unit_once_and_have_figures_on_the_first_only(world: World, limit: int, held: str) -> None:
    of = world.service.organisation(name="Ministry of Pages")
    tops = [world.service.unit(of, f"Zone {n}") for n in range(3)]
    below = {top: [world.service.unit(of, f"Desk {n}", parent=top) for n in range(2)] for top in tops}
    deep = world.service.unit(of, "Counter", parent=below[tops[1]][0])
    below[tops[1]].append(deep)
    places = {"whole": [UnitId(of)], "part": [tops[1]], "parts": [tops[0], tops[1], deep]}[held]
    callers = [world.officer(Role.VERIFIER, Place(of, unit)) for unit in places]
    caller = replace(callers[0], assignments=tuple(one for caller in callers for one in caller.assignments))
    expected = {"whole": {UnitId(of), *tops}, "part": {tops[1]}, "parts": {*tops[:2]}}[held]
    expected |= {one for top in tops if top in expected for one in below[top]}
    pages = [world.of(caller, organisation=of, limit=limit)]
    while pages[-1].cursor is not None:
        pages.append(world.of(caller, organisation=of, limit=limit, after=pages[-1].cursor))
    found = [one.unit for page in pages for one in page.units]
    assert sorted(found) == sorted(expected)
    assert all(len(page.units) <= limit for page in pages)
    assert [page.figures is not None for page in pages] == [held == "whole", *(False for _ in pages[1:])]


def test_a_cursor_is_of_no_use_once_its_owner_sees_another_part(world: World) -> None:
    of = world.service.organisation(name="Ministry of Careers")
    zone = world.service.unit(of, "Zone")
    for n in range(3):
        world.service.unit(of, f"Desk {n}", parent=zone)
    below, whole = (world.officer(Role.VERIFIER, Place(of, unit)) for unit in (zone, UnitId(of)))
    promoted = replace(below, assignments=whole.assignments)
    for before, after in ((below, promoted), (promoted, below)):
        first = world.of(before, organisation=of, limit=2)
        assert first.cursor
        refused(ErrorCode.INVALID_CURSOR, world.of, after, organisation=of, after=first.cursor)


def test_a_cursor_is_of_no_use_to_others_or_once_its_unit_is_gone(world: World) -> None:
    of = world.service.organisation(name="Ministry of Cursors")
    zone = world.service.unit(of, "Zone")
    desks = [world.service.unit(of, f"Desk {n}", parent=zone) for n in range(3)]
    caller, other = (world.officer(Role.VERIFIER, Place(of, zone)) for _ in range(2))
    first = world.of(caller, organisation=of, limit=2)
    refused(ErrorCode.INVALID_CURSOR, world.of, other, organisation=of, after=first.cursor)
    move(of, first.units[1].unit, UnitId(of), store=world.service.organisations)
    refused(ErrorCode.INVALID_CURSOR, world.of, caller, organisation=of, after=first.cursor)
    assert len(world.of(caller, organisation=of).units) == len(desks)


@pytest.mark.parametrize("role", [Role.TRACE_REQUESTER, Role.TRACE_APPROVER])
def test_roles_without_the_permission_see_nothing(world: World, role: Role) -> None:
    refused(ErrorCode.NOT_FOUND, world.of, world.officer(role))


def test_another_organisations_officers_see_what_they_would_of_one_that_is_not_there(world: World) -> None:
    other = world.service.organisation(name="Ministry of Culture")
    caller = world.people.appoint(Role.NODAL_OFFICER, Place.root(other))
    there = refused(ErrorCode.NOT_FOUND, world.of, caller)
    missing = refused(ErrorCode.NOT_FOUND, world.of, caller, organisation=OrganisationId(b"nobody!!"))
    assert there.details == missing.details


def test_the_platform_sees_every_organisation_and_all_together_with_the_queues(world: World) -> None:
    caller = world.people.appoint(Role.PLATFORM_ADMIN, Place(PLATFORM, UnitId(PLATFORM)))
    assert world.of(caller).figures is not None
    world.count(counters.PLATFORM, registered=4)
    world.store.put_depths([Depth("sms", 3, 1), Depth("fanout", 0, 0)], now_ms=NOW_MS)
    told = reports.of_platform(caller, DAY, now_seconds=NOW, deps=world.deps)
    assert told.figures is not None
    assert told.figures.registered == 4
    assert [(one.queue, one.waiting, one.failed) for one in told.queues] == [("fanout", 0, 0), ("sms", 3, 1)]
    assert told.queues_at == utc(NOW)
    later = reports.of_platform(caller, DAY, now_seconds=NOW + 3600, deps=world.deps)
    assert (later.queues, later.queues_at) == ((), None)


@pytest.mark.parametrize("role", [Role.NODAL_OFFICER, Role.UNIT_ADMIN, Role.AUDITOR])
def test_only_the_platforms_own_people_see_the_platform(world: World, role: Role) -> None:
    refused(ErrorCode.NOT_FOUND, reports.of_platform, world.officer(role), DAY, now_seconds=NOW, deps=world.deps)


def test_an_app_is_seen_by_its_organisation_and_by_the_platform(world: World) -> None:
    app = parse_app(world.service.app(organisation_id=id_text(world.ministry)).app)
    world.count(app_scope(app), otps=3)
    for caller in (
        world.officer(Role.APP_MANAGER),
        world.people.appoint(Role.PLATFORM_ADMIN, Place(PLATFORM, UnitId(PLATFORM))),
    ):
        told = reports.of_app(caller, app, DAY, deps=world.deps)
        assert told.figures is not None
        assert (told.app, told.organisation, told.figures.otps.sent) == (app, world.ministry, 3)
    other = world.service.organisation(name="Ministry of Culture")
    stranger = world.people.appoint(Role.NODAL_OFFICER, Place.root(other))
    refused(ErrorCode.NOT_FOUND, reports.of_app, stranger, app, DAY, deps=world.deps)


def test_an_answer_takes_two_calls_besides_who_calls(world: World) -> None:
    caller = world.officer(Role.NODAL_OFFICER)
    platform = world.people.appoint(Role.PLATFORM_ADMIN, Place(PLATFORM, UnitId(PLATFORM)))
    app = parse_app(world.service.app(organisation_id=id_text(world.ministry)).app)
    questions: list[Callable[[], Statistics]] = [
        lambda: world.of(caller),
        lambda: reports.of_app(caller, app, DAY, deps=world.deps),
        lambda: reports.of_platform(platform, DAY, now_seconds=NOW, deps=world.deps),
    ]
    for ask in questions:
        world.client.calls.clear()
        ask()
        assert len(world.client.calls) == 2
