"""Complains about an account, a group or an app (docs/protocol/README.md, "Reports"; docs/adr/0028)."""

from __future__ import annotations

from typing import cast

from sandes.crypto.pepper import Pepper
from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.model.administrator import PLATFORM, Place
from sandes.model.complaint import Complaint, Kind
from sandes.model.ids import AccountId, AppId, GroupId, UnitId, new_complaint_id
from sandes.model.instant import Instant
from sandes.people.devices import DeviceDependencies
from sandes.people.profiles import enforce_for
from sandes.protocol.client_api import Report
from sandes.store.apps import AppStore
from sandes.store.complaints import ComplaintStore
from sandes.store.groups import GroupStore


def report(caller: Caller, body: Report, *, now: Instant, deps: DeviceDependencies) -> None:
    """Store a complaint for the organisation that the subject belongs to, or else for the platform.

    The answer is always the same, after the same calls, so that it does not reveal whether the subject exists or where
    it belongs. Text and reporter are encrypted. Raises ProtocolError rate_limited.
    """
    enforce_for(Limit.REPORTS, caller, now=now, deps=deps)
    kind, about, place = _subject(body, now=now, deps=deps)
    id = new_complaint_id(place.organisation, now.ms)
    complaint = Complaint(
        id=id,
        unit=place.unit,
        kind=kind,
        about=about,
        category=body.category,
        text=deps.pepper.seal(body.text.encode(), id),
        reporter=deps.pepper.seal(caller.account.id, id),
        pseudonym=pseudonym_of(caller.account.id, about, deps.pepper),
        reported_at=now.seconds,
    )
    ComplaintStore(deps.directory.client, deps.directory.table).add(complaint)


def pseudonym_of(reporter: AccountId, about: bytes, pepper: Pepper) -> str:
    """Return a pseudonym by which several complaints of one person about the same subject are recognised."""
    return pepper.index("reporter", f"{about.hex()} {reporter.hex()}")[:8]


def _subject(body: Report, *, now: Instant, deps: DeviceDependencies) -> tuple[Kind, bytes, Place]:
    """Return the subject of a report and the place that it belongs to. This takes one read."""
    client, table = deps.directory.client, deps.directory.table
    if body.account is not None:
        known = deps.directory.people([AccountId(body.account)]).get(body.account)
        standing = known.standing_at(now.seconds) if known else None
        place = Place(standing.organisation, standing.unit) if standing else None
        return "account", body.account, place or Place.root(PLATFORM)
    if body.group is not None:
        group = GroupStore(client, table).read(GroupId(body.group))
        if group is None or group.organisation is None:
            return "group", body.group, Place.root(PLATFORM)
        return "group", body.group, Place(group.organisation, group.unit or UnitId(group.organisation))
    id = cast("AppId", body.app)
    app = AppStore(client, table).read(id)
    return "app", id, (app.place if app else None) or Place.root(PLATFORM)
