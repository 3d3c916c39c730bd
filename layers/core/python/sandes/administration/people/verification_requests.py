"""Verification requests, for administrators who may verify people there (docs/adr/0028)."""

from __future__ import annotations

from dataclasses import replace

from sandes.administration.authority import Permission, require
from sandes.administration.people.officials import PeopleDependencies, time_of, vouch
from sandes.administration.people.verifications import Terms, Who, find_account
from sandes.administration.recorder import act
from sandes.administration.scopes import seen_below
from sandes.cursors import cursor, position
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.ids import RequestId, account_text, base64url_text, id_text
from sandes.model.instant import Instant
from sandes.model.verification_request import VerificationRequest
from sandes.protocol.admin_people_api import AdminPerson, RequestEntry, RequestPage, VerifyRequest
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.races import retry_raced
from sandes.store.dynamo import ConditionFailed
from sandes.store.verification_requests import Listed
from sandes.store.verifications import VerificationRaced


def page(
    caller: Caller,
    place: Place,
    which: Listed,
    *,
    after: str | None,
    limit: int,
    now: Instant,
    deps: PeopleDependencies,
) -> RequestPage:
    """List requests to the unit and to those below it, by unit.

    For a part of the organisation, a page can be short or empty and still have a cursor, because requests to other
    units are dropped after reading. Raises ProtocolError not_found, invalid_cursor.
    """
    name = f"requests {which} {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=caller.id, of=name, pepper=deps.pepper) if after else None
    found, goes_on = deps.requests.of_organisation(
        place.organisation, which, after=start, limit=limit, now_seconds=now.seconds
    )
    now_seconds = now.seconds
    inside = seen_below(caller, Permission.PEOPLE, place, [one.unit for one in found], deps.organisations)
    listed = [one for one in found if inside(one.unit)]
    if which == "open":
        listed = [one for one in listed if one.state(now_seconds=now_seconds) == "open"]
    return RequestPage(
        requests=[shown(one, now_seconds=now_seconds) for one in listed],
        cursor=cursor(goes_on, owner=caller.id, of=name, pepper=deps.pepper) if goes_on else None,
    )


def verify(
    caller: Caller, id: RequestId, body: VerifyRequest, *, now: Instant, deps: PeopleDependencies
) -> AdminPerson:
    """Verify the person as requested, with the given corrections. Verification and decision are one transaction.

    Raises ProtocolError not_found, request_state, and the errors of `vouch`.
    """

    def attempt() -> AdminPerson:
        request, right = _to_decide(caller, id, now.seconds, deps)
        if body.unit and body.unit != request.unit:
            to = Place(request.organisation, body.unit)
            right = require(caller, Permission.PEOPLE, "act", to, deps.organisations)
        account = find_account(Who(account=request.account), deps.verifications)
        if request.state(account, now_seconds=now.seconds) != "open":
            raise ProtocolError(ErrorCode.REQUEST_STATE)
        terms = Terms(
            request.organisation,
            body.unit or request.unit,
            body.name or request.name,
            body.post or request.post,
            request.email if body.email is None else body.email or None,
            body.listed,
            int(body.expires_at.timestamp()),
        )
        return vouch(
            caller,
            right,
            "person.verify",
            account,
            terms,
            case=base64url_text(id),
            asked=request.source == "device",
            deciding=deps.requests.deciding(request, "verified", now_seconds=now.seconds),
            now=now,
            deps=deps,
        )

    return retry_raced(attempt, on=VerificationRaced)


def reject(caller: Caller, id: RequestId, reason: str, *, now: Instant, deps: PeopleDependencies) -> RequestEntry:
    """Reject a request. The person sees the reason. Raises ProtocolError not_found, request_state."""
    request, right = _to_decide(caller, id, now.seconds, deps)
    now_seconds = now.seconds
    if request.state(now_seconds=now_seconds) != "open":
        raise ProtocolError(ErrorCode.REQUEST_STATE)
    place = Place(request.organisation, request.unit)
    did = act(caller, right, "request.reject", place, account_text(request.account), reason=reason)
    write = deps.by_right(replace(did, case=base64url_text(id)), right, now=now)
    try:
        write(deps.requests.deciding(request, "rejected", now_seconds=now_seconds, reason=reason))
    except ConditionFailed:
        raise ProtocolError(ErrorCode.REQUEST_STATE) from None
    rejected = replace(request, decision="rejected", decided_at=now_seconds, reason=reason)
    return shown(rejected, now_seconds=now_seconds)


def _to_decide(
    caller: Caller, id: RequestId, now_seconds: int, deps: PeopleDependencies
) -> tuple[VerificationRequest, Assignment]:
    """Return a request and the caller's right to decide it. Raises ProtocolError not_found."""
    of, to = VerificationRequest.account_of(id), VerificationRequest.organisation_of(id)
    request = deps.requests.read(of, to, now_seconds=now_seconds)
    if request is None or request.id != id:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    place = Place(request.organisation, request.unit)
    return request, require(caller, Permission.PEOPLE, "act", place, deps.organisations)


def shown(request: VerificationRequest, *, now_seconds: int) -> RequestEntry:
    return RequestEntry(
        id=base64url_text(request.id),
        account=request.account,
        organisation=request.organisation,
        unit=request.unit,
        name=request.name,
        post=request.post,
        email=request.email,
        source=request.source,
        state=request.state(now_seconds=now_seconds),
        requested_at=time_of(request.requested_at),
        lapses_at=time_of(request.lapses_at),
        decided_at=time_of(request.decided_at) if request.decided_at is not None else None,
        reason=request.reason,
    )
