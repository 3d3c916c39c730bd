"""Statistics of the platform, an organisation or an app for a period, by hour or day.

A report takes two AWS calls besides that for the caller, and one more to find a place below the caller's unit. A report
about some units of an organisation takes one call, and another for each unit of the page that has units in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain, islice

from sandes.administration.authority import Permission, grants, places_seen, require
from sandes.administration.scopes import Standing, Walk
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model import statistics as counters
from sandes.model.administrator import PLATFORM, Caller, Place
from sandes.model.ids import AppId, OrganisationId, UnitId, id_text, parse_unit
from sandes.model.organisation import Unit
from sandes.model.statistics import (
    MAX_STEPS,
    Step,
    app_scope,
    hour_of,
    message_counter,
    organisation_scope,
    period,
    period_start,
    took,
)
from sandes.protocol import admin_statistics_api as api
from sandes.protocol.admin_api import utc
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid
from sandes.store.apps import AppStore
from sandes.store.organisations import OrganisationStore
from sandes.store.statistics import StatisticsStore

_STEP_SECONDS: Mapping[Step, int] = {"hour": 3600, "day": 86_400}
_USUAL_STEPS: Mapping[Step, int] = {"hour": 24, "day": 30}


@dataclass(frozen=True, slots=True)
class ReportDependencies:
    statistics: StatisticsStore
    organisations: OrganisationStore
    apps: AppStore
    pepper: Pepper


@dataclass(frozen=True, slots=True)
class Span:
    """Holds a period from the hour or day of `since` to that of `until`, both included, in epoch seconds."""

    step: Step
    since: int
    until: int


def span(step: Step, since: int | None, until: int | None, *, now_seconds: int) -> Span:
    """Return the period. By default, it ends now, and begins a day (by hour) or 30 days (by day) earlier.

    Raises ProtocolError invalid_request if it ends before it begins, or has more than 168 hours or 400 days.
    """
    end = now_seconds if until is None else until
    seconds = _STEP_SECONDS[step]
    begin = end - (_USUAL_STEPS[step] - 1) * seconds if since is None else since
    if begin > end:
        raise invalid(ErrorCode.INVALID_REQUEST, "/since", "after_its_end")
    if end // seconds - begin // seconds >= MAX_STEPS[step]:
        raise invalid(ErrorCode.INVALID_REQUEST, "/since", f"at_most_{MAX_STEPS[step]}_periods")
    return Span(step, max(0, begin), end)


def of_platform(caller: Caller, over: Span, *, now_seconds: int, deps: ReportDependencies) -> api.Statistics:
    """Report on the platform, with the lengths of the queues. Raises ProtocolError not_found for other
    administrators.
    """
    require(caller, Permission.STATISTICS, "read", Place.root(PLATFORM), deps.organisations)
    depths, at_ms = deps.statistics.depths(now_seconds=now_seconds)
    return _report(counters.PLATFORM, over, deps).model_copy(
        update={
            "queues": tuple(api.QueueDepth(queue=one.queue, waiting=one.waiting, failed=one.failed) for one in depths),
            "queues_at": utc(at_ms // 1000) if at_ms is not None else None,
        }
    )


def of_organisation(
    caller: Caller,
    organisation: OrganisationId,
    over: Span,
    *,
    after: str | None,
    limit: int,
    deps: ReportDependencies,
) -> api.Statistics:
    """Report on the organisation, with a page of the officials of its units.

    A caller with a right only in some units gets the officials of these and of the units below them, because nothing
    else is counted by unit. The pages after the first have only units. Raises ProtocolError invalid_cursor, and
    not_found for a caller without a right in the organisation.
    """
    whole = grants(caller, Permission.STATISTICS, "read", Place.root(organisation), deps.organisations) is not None
    of = f"statistics {'of all' if whole else 'of some'} {id_text(organisation)}"
    start = position(after, owner=caller.id, of=of, pepper=deps.pepper) if after else None
    if whole:
        found = deps.organisations.units(organisation, after=start, limit=limit)
    else:
        tops = {
            one.place.unit
            for one in places_seen(caller, Permission.STATISTICS)
            if one.place.organisation == organisation
        }
        found = _units_below(organisation, tops, start, limit, deps) if tops else None
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    units, last = found
    made = (
        _report(organisation_scope(organisation), over, deps)
        if whole and start is None
        else api.Statistics(by=over.step, since=utc(over.since), until=utc(over.until))
    )
    return made.model_copy(
        update={
            "organisation": organisation,
            "units": tuple(api.UnitOfficials(unit=one.id, name=one.name, verified=one.officials) for one in units),
            "cursor": cursor(last, owner=caller.id, of=of, pepper=deps.pepper) if last else None,
        }
    )


def _units_below(
    organisation: OrganisationId, tops: AbstractSet[UnitId], after: str | None, limit: int, deps: ReportDependencies
) -> tuple[list[Unit], str | None] | None:
    """Read a page of these units and all units below them, each once, and the start of the next page.

    Return None if there are none. Raises ProtocolError invalid_cursor.
    """
    reached = parse_unit(after) if after else None
    tree = deps.organisations.paths(organisation, [*tops, *([reached] if reached else [])])
    if tree is None:
        return None
    there = [top for top in sorted(tops) if top in tree.units and not tops & {*tree.path(top)[1:]}]
    walks = [Walk(Place(organisation, top), tree, deps.organisations, page=limit + 1) for top in there]
    found: Iterator[Standing] = iter(())
    if reached is not None:
        passed = next((n for n, top in enumerate(there) if tree.within(reached, top)), None)
        if passed is None:
            raise ProtocolError(ErrorCode.INVALID_CURSOR)
        _, found = walks[passed].behind(reached)
        walks = walks[passed + 1 :]
    onwards = chain(found, chain.from_iterable(walk.units() for walk in walks))
    page = [one.unit for one in islice(onwards, limit + 1)]
    more = len(page) > limit
    return (page[:limit], id_text(page[limit - 1].id) if more else None) if there else None


def of_app(caller: Caller, app: AppId, over: Span, *, deps: ReportDependencies) -> api.Statistics:
    """Report on an app, for callers with the right in its unit. The platform sees an app without an organisation.

    Raises ProtocolError not_found.
    """
    known = deps.apps.read(app)
    if known is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    place = known.place or Place.root(PLATFORM)
    require(caller, Permission.STATISTICS, "read", place, deps.organisations)
    made = _report(app_scope(app), over, deps)
    return made.model_copy(update={"app": app, "organisation": known.organisation_id})


def _report(scope: str, over: Span, deps: ReportDependencies) -> api.Statistics:
    first, last = (period(over.step, hour_of(at)) for at in (over.since, over.until))
    rows = deps.statistics.read(scope, first, last)
    total: Counter[str] = Counter()
    for counts in rows.values():
        total.update(counts)
    return api.Statistics(
        by=over.step,
        since=utc(over.since),
        until=utc(over.until),
        figures=figures(total),
        series=tuple(
            api.Period(at=period_start(name), figures=figures(counts)) for name, counts in sorted(rows.items())
        ),
    )


def figures(counts: Mapping[str, int]) -> api.Figures:
    """Convert the counts, which have many names, to their form in answers."""

    def of(counter: str) -> int:
        return counts.get(counter, 0)

    def category(name: str) -> api.AppMessageCounts:
        return api.AppMessageCounts(**{one.label: of(message_counter(name, one)) for one in counters.STATUSES})

    times, sent, used = took(counts), of(counters.OTPS), of(counters.OTPS_USED)
    return api.Figures(
        registered=of(counters.REGISTERED),
        verified=of(counters.VERIFIED),
        verification_ended=of(counters.VERIFICATION_ENDED),
        active=of(counters.ACTIVE),
        messages=api.MessageCounts(
            direct=of(counters.DIRECT_MESSAGES),
            group=of(counters.GROUP_MESSAGES),
            app_group=of(counters.APP_GROUP_MESSAGES),
            **{name: category(name) for name in counters.CATEGORIES},
        ),
        delivery=api.DeliveryTimes(count=times.count, p50_ms=times.p50_ms, p95_ms=times.p95_ms, p99_ms=times.p99_ms),
        otps=api.OtpCounts(
            sent=sent,
            resent=of(counters.OTP_RESENDS),
            used=used,
            cancelled=of(counters.OTPS_CANCELLED),
            locked=of(counters.OTPS_LOCKED),
            conversion=round(used / sent, 4) if sent else None,
        ),
        webhooks=api.WebhookCounts(delivered=of(counters.WEBHOOKS_DELIVERED), failed=of(counters.WEBHOOKS_FAILED)),
    )
