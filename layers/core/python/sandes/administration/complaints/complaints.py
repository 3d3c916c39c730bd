"""Complaints as moderators see them (docs/adr/0028). Nobody sees who complained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sandes.administration.authority import Need, Permission, grants, require
from sandes.administration.recorder import Acts, act
from sandes.administration.scopes import seen_below
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.complaint import Complaint
from sandes.model.ids import (
    AccountId,
    AdministratorId,
    ComplaintId,
    account_text,
    administrator_text,
    base64url_text,
    id_text,
)
from sandes.model.instant import Instant
from sandes.protocol.admin_complaints_api import AdminComplaint, ComplaintEntry, ComplaintPage, ResolveComplaint
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.races import retry_raced
from sandes.store.complaints import ComplaintStore, Listed
from sandes.store.dynamo import ConditionFailed
from sandes.store.organisations import OrganisationStore


@dataclass(frozen=True, slots=True)
class ComplaintDependencies(Acts):
    store: ComplaintStore
    organisations: OrganisationStore
    pepper: Pepper


def page(
    caller: Caller,
    place: Place,
    which: Listed,
    *,
    after: str | None,
    limit: int,
    now: Instant,
    deps: ComplaintDependencies,
) -> ComplaintPage:
    """List complaints about subjects that were in the unit, or below it, at the time of the report.

    A page can be short or empty and still have a cursor. Raises ProtocolError not_found, invalid_cursor.
    """
    name = f"complaints {which} {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=caller.id, of=name, pepper=deps.pepper) if after else None
    found, last = deps.store.of_organisation(
        place.organisation, which, after=start, limit=limit, now_seconds=now.seconds
    )
    inside = seen_below(caller, Permission.COMPLAINTS, place, [one.unit for one in found], deps.organisations)
    return ComplaintPage(
        complaints=[ComplaintEntry(**_fields(one)) for one in found if inside(one.unit)],
        cursor=cursor(last, owner=caller.id, of=name, pepper=deps.pepper) if last else None,
    )


def read(caller: Caller, id: ComplaintId, *, now: Instant, deps: ComplaintDependencies) -> AdminComplaint:
    """Return a complaint. Raises ProtocolError not_found."""
    complaint, _ = _seen(caller, id, "read", now, deps)
    return _shown(complaint, deps.pepper)


def assign(
    caller: Caller, id: ComplaintId, administrator: AdministratorId, *, now: Instant, deps: ComplaintDependencies
) -> AdminComplaint:
    """Assign or reassign a complaint to somebody who may resolve it. Raises ProtocolError not_found,
    complaint_state.
    """

    def change(complaint: Complaint) -> Complaint:
        known = deps.administrators.read(administrator)
        if known is None:
            raise missing("/administrator", "administrator who may resolve it")
        live = tuple(one for one in known[1] if one.in_force(now.seconds))
        assignee = Caller(known[0], live, signed_in_at=0)
        if grants(assignee, Permission.COMPLAINTS, "act", _place(complaint), deps.organisations) is None:
            raise missing("/administrator", "administrator who may resolve it")
        return replace(complaint, assigned_to=administrator)

    details = {"assigned_to": administrator_text(administrator)}
    return _changed(caller, id, "complaint.assign", change, details, now=now, deps=deps)


def resolve(
    caller: Caller, id: ComplaintId, body: ResolveComplaint, *, now: Instant, deps: ComplaintDependencies
) -> AdminComplaint:
    """Resolve a complaint. The note is encrypted and not recorded in the audit chain.

    Raises ProtocolError not_found, complaint_state.
    """

    def change(complaint: Complaint) -> Complaint:
        note = deps.pepper.seal(body.note.encode(), id) if body.note else None
        return replace(complaint, outcome=body.outcome, note=note, resolved_at=now.seconds)

    details = {"outcome": body.outcome}
    return _changed(caller, id, "complaint.resolve", change, details, now=now, deps=deps)


def _changed(
    caller: Caller,
    id: ComplaintId,
    action: str,
    change: Any,
    details: dict[str, Any],
    *,
    now: Instant,
    deps: ComplaintDependencies,
) -> AdminComplaint:
    """Change a complaint that is not resolved. Repeat the attempt while others are faster."""

    def attempt() -> AdminComplaint:
        complaint, right = _seen(caller, id, "act", now, deps)
        if complaint.state == "resolved":
            raise ProtocolError(ErrorCode.COMPLAINT_STATE)
        made: Complaint = replace(change(complaint), version=complaint.version + 1)
        did = act(caller, right, action, _place(complaint), account_text(AccountId(complaint.about)), **details)
        deps.by_right(replace(did, case=base64url_text(id)), right, now=now)(deps.store.changing(made))
        return _shown(made, deps.pepper)

    return retry_raced(attempt, on=ConditionFailed)


def _seen(
    caller: Caller, id: ComplaintId, need: Need, now: Instant, deps: ComplaintDependencies
) -> tuple[Complaint, Assignment]:
    complaint = deps.store.read(id, now_seconds=now.seconds)
    if complaint is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return complaint, require(caller, Permission.COMPLAINTS, need, _place(complaint), deps.organisations)


def _place(complaint: Complaint) -> Place:
    return Place(complaint.organisation, complaint.unit)


def _fields(complaint: Complaint) -> dict[str, Any]:
    return {
        "id": base64url_text(complaint.id),
        "organisation": complaint.organisation,
        "unit": complaint.unit,
        complaint.kind: complaint.about,
        "category": complaint.category,
        "state": complaint.state,
        "reporter": complaint.pseudonym,
        "reported_at": _time(complaint.reported_at),
        "assigned_to": complaint.assigned_to,
        "outcome": complaint.outcome,
        "resolved_at": _time(complaint.resolved_at) if complaint.resolved_at is not None else None,
    }


def _shown(complaint: Complaint, pepper: Pepper) -> AdminComplaint:
    text = pepper.open(complaint.text, complaint.id).decode()
    note = pepper.open(complaint.note, complaint.id).decode() if complaint.note else None
    return AdminComplaint(**_fields(complaint), text=text, note=note)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
