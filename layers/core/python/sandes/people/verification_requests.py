"""Requests verification by an organisation (docs/protocol/README.md, "Verification requests"; docs/adr/0028)."""

from __future__ import annotations

from sandes.identity.devices import Caller
from sandes.limits import Limit
from sandes.mail_domains import check_address
from sandes.model.ids import RequestId, UnitId, base64url_text, new_request_id, parse_request
from sandes.model.instant import Instant
from sandes.model.verification import address_kept
from sandes.model.verification_request import VerificationRequest
from sandes.people.devices import DeviceDependencies
from sandes.people.profiles import enforce_for
from sandes.protocol.client_api import NewVerificationRequest, OwnVerificationRequest, OwnVerificationRequests
from sandes.protocol.errors import ErrorCode, ProtocolError, missing
from sandes.races import retry_raced
from sandes.store.dynamo import ConditionFailed


def ask(
    caller: Caller, body: NewVerificationRequest, *, now: Instant, deps: DeviceDependencies
) -> OwnVerificationRequest:
    """Request verification, its renewal or its change from an organisation.

    Citizens and officials of the organisation may request it. Raises ProtocolError not_found (organisation or unit),
    verified_elsewhere, already_requested, rate_limited, mail_domain_not_allowed, unavailable.
    """
    enforce_for(Limit.VERIFICATION_REQUESTS, caller, now=now, deps=deps)
    now_seconds = now.seconds
    unit = body.unit or UnitId(body.organisation)
    organisations = deps.enrolment.verifications.organisations
    found = organisations.unit(body.organisation, unit)
    if found is None:
        there = organisations.read(body.organisation)
        raise missing("/unit", "unit in the organisation") if there else missing("/organisation", "organisation")
    standing = caller.account.standing_at(now_seconds)
    if standing and standing.organisation != body.organisation:
        raise ProtocolError(ErrorCode.VERIFIED_ELSEWHERE)
    if body.email and not found[0].accepts(body.email):
        last = deps.enrolment.verifications.read(caller.account.id)
        if body.email != address_kept(last, body.organisation, now_seconds=now_seconds):
            check_address(body.email, found[0], "/email")
    made = VerificationRequest(
        id=new_request_id(body.organisation, caller.account.id),
        unit=unit,
        name=body.name,
        post=body.post,
        email=body.email,
        source="device",
        device=caller.device.number,
        registration=caller.device.registration,
        requested_at=now_seconds,
    )

    def attempt() -> OwnVerificationRequest:
        previous = deps.requests.read(caller.account.id, body.organisation, now_seconds=now_seconds)
        if previous and previous.state(caller.account, now_seconds=now_seconds) == "open":
            raise ProtocolError(ErrorCode.ALREADY_REQUESTED)
        deps.requests.open(made, previous=previous)
        return _shown(caller, made, now_seconds)

    return retry_raced(attempt, on=ConditionFailed)


def own(caller: Caller, *, now: Instant, deps: DeviceDependencies) -> OwnVerificationRequests:
    """Return the last request to each organisation. Each is kept for three months after its decision or lapse."""
    found = deps.requests.of_account(caller.account.id, now_seconds=now.seconds)
    shown = [_shown(caller, one, now.seconds) for one in found]
    return OwnVerificationRequests(requests=sorted(shown, key=lambda one: one.requested_at, reverse=True))


def withdraw(caller: Caller, text: str, *, now: Instant, deps: DeviceDependencies) -> None:
    """Withdraw an open request. Raises ProtocolError not_found, request_state."""
    id = request_in_path(text)
    to = VerificationRequest.organisation_of(id)
    request = deps.requests.read(caller.account.id, to, now_seconds=now.seconds)
    if request is None or request.id != id:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    try:
        deps.requests.withdraw(request)
    except ConditionFailed:
        raise ProtocolError(ErrorCode.REQUEST_STATE) from None


def request_in_path(text: str) -> RequestId:
    """Parse the id of a request. Raises ProtocolError not_found."""
    try:
        return parse_request(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def _shown(caller: Caller, request: VerificationRequest, now_seconds: int) -> OwnVerificationRequest:
    return OwnVerificationRequest(
        id=base64url_text(request.id),
        organisation=request.organisation,
        unit=request.unit,
        name=request.name,
        post=request.post,
        email=request.email,
        source=request.source,
        state=request.state(caller.account, now_seconds=now_seconds),
        requested_at=request.requested_at,
        lapses_at=request.lapses_at,
        decided_at=request.decided_at,
        reason=request.reason,
    )
