"""Routes of the admin API about people and their verification requests."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes.administration.authority import Permission
from sandes.administration.people import officials, suspension, verification_requests
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import (
    DEFAULT_LIMIT,
    VERSIONED,
    CursorQuery,
    IfMatch,
    LimitQuery,
    OrganisationQuery,
    UnitQuery,
    place_asked,
)
from sandes.edge.admin.routes import described
from sandes.edge.http import tagged, version_needed
from sandes.edge.paths import account_in_path, request_in_path
from sandes.edge.wiring.administered_people import wire_people, wire_suspension
from sandes.protocol.admin_people_api import (
    AdminPerson,
    BecauseOf,
    ChangePerson,
    DevicesReset,
    FindPerson,
    FoundPerson,
    HidePerson,
    OfficialPage,
    RequestEntry,
    RequestPage,
    SuspensionState,
    TransferPerson,
    VerifyPerson,
    VerifyRequest,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

AccountPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]
RequestPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
StateQuery = Annotated[
    Literal["open", "decided"], Query(description="`open`: requests to be decided. `decided`: the others")
]

_VERIFIES = (ErrorCode.VERIFIED_ELSEWHERE, ErrorCode.MAIL_DOMAIN_NOT_ALLOWED, ErrorCode.UNAVAILABLE)


@router.get(
    "/admin/v1/people",
    **described(
        "List the verified people of a unit and all units below it",
        permission=Permission.PEOPLE,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_people(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> OfficialPage:
    caller, now = call(router)
    place = place_asked(caller, organisation, unit)
    return officials.page(caller, place, after=cursor, limit=limit, now=now, deps=wire_people())


@router.post(
    "/admin/v1/people",
    **described(
        "Verify somebody, or renew or change the verification",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(ErrorCode.INVALID_PHONE, ErrorCode.RATE_LIMITED, *_VERIFIES),
    ),
)
def verify_person(body: VerifyPerson) -> Response[AdminPerson]:
    caller, now = call(router)
    return _person(officials.verify(caller, body, now=now, deps=wire_people()))


@router.post(
    "/admin/v1/people/lookup",
    **described(
        "Find the account of a phone number; the caller must be allowed to verify its holder, and "
        "each search is recorded",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(ErrorCode.INVALID_PHONE, ErrorCode.RATE_LIMITED),
    ),
)
def find_person(body: FindPerson) -> FoundPerson:
    caller, now = call(router)
    return officials.find(caller, body, now=now, deps=wire_people())


@router.get(
    "/admin/v1/people/<account>",
    **described("Get a person who is or was verified, or has requested it", permission=Permission.PEOPLE, need="read"),
)
def get_person(account: AccountPath) -> Response[AdminPerson]:
    caller, now = call(router)
    return _person(officials.read(caller, account_in_path(account), now=now, deps=wire_people()))


@router.patch(
    "/admin/v1/people/<account>",
    **described(
        "Change the verification of a person",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(*VERSIONED, ErrorCode.MAIL_DOMAIN_NOT_ALLOWED, ErrorCode.UNAVAILABLE),
    ),
)
def change_person(account: AccountPath, body: ChangePerson, if_match: IfMatch = None) -> Response[AdminPerson]:
    caller, now = call(router)
    id, version = account_in_path(account), version_needed(if_match)
    return _person(officials.change(caller, id, body, version=version, now=now, deps=wire_people()))


@router.patch(
    "/admin/v1/people/<account>/visibility",
    **described(
        "Show fields of one person to fewer people",
        permission=Permission.VISIBILITY,
        need="act",
        refuses=(*VERSIONED, ErrorCode.UNAVAILABLE),
    ),
)
def hide_person(account: AccountPath, body: HidePerson, if_match: IfMatch = None) -> Response[AdminPerson]:
    caller, now = call(router)
    id, version = account_in_path(account), version_needed(if_match)
    return _person(officials.hide(caller, id, body, version=version, now=now, deps=wire_people()))


@router.post(
    "/admin/v1/people/<account>/transfer",
    **described(
        "Move a person to another unit; the caller needs the right in both",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(ErrorCode.UNAVAILABLE,),
    ),
)
def transfer_person(account: AccountPath, body: TransferPerson) -> Response[AdminPerson]:
    caller, now = call(router)
    id = account_in_path(account)
    return _person(officials.transfer(caller, id, body.unit, now=now, deps=wire_people()))


@router.post(
    "/admin/v1/people/<account>/revoke",
    **described(
        "Revoke a person's verification", permission=Permission.PEOPLE, need="act", refuses=(ErrorCode.UNAVAILABLE,)
    ),
)
def revoke_person(account: AccountPath, body: BecauseOf) -> Response[AdminPerson]:
    caller, now = call(router)
    id = account_in_path(account)
    return _person(officials.revoke(caller, id, body.reason, now=now, deps=wire_people()))


@router.post(
    "/admin/v1/people/<account>/suspend",
    **described(
        "Suspend an account until it is resumed; without an organisation, only the platform may do it",
        permission=Permission.SUSPENSION,
        need="act",
        refuses=(ErrorCode.VERIFIED_LATELY, ErrorCode.ALREADY_SUSPENDED, ErrorCode.UNAVAILABLE),
    ),
)
def suspend_person(account: AccountPath, body: BecauseOf) -> SuspensionState:
    caller, now = call(router)
    return suspension.suspend(caller, account_in_path(account), body.reason, now=now, deps=wire_suspension())


@router.post(
    "/admin/v1/people/<account>/resume",
    **described(
        "End a suspension in the place that made it; once the verification has ended, the platform may do it too",
        permission=Permission.SUSPENSION,
        need="act",
        refuses=(ErrorCode.UNAVAILABLE,),
    ),
)
def resume_person(account: AccountPath) -> SuspensionState:
    caller, now = call(router)
    return suspension.resume(caller, account_in_path(account), now=now, deps=wire_suspension())


@router.post(
    "/admin/v1/people/<account>/devices/reset",
    **described(
        "Unlink all devices of an account; without an organisation, only the platform may do it",
        permission=Permission.SUSPENSION,
        need="act",
        refuses=(ErrorCode.VERIFIED_LATELY, ErrorCode.UNAVAILABLE),
    ),
)
def reset_devices(account: AccountPath) -> DevicesReset:
    caller, now = call(router)
    return suspension.reset_devices(caller, account_in_path(account), now=now, deps=wire_suspension())


@router.get(
    "/admin/v1/verification-requests",
    **described(
        "List the requests to be verified in a unit or below it",
        permission=Permission.PEOPLE,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_requests(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    state: StateQuery = "open",
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> RequestPage:
    caller, now = call(router)
    place, deps = place_asked(caller, organisation, unit), wire_people()
    return verification_requests.page(caller, place, state, after=cursor, limit=limit, now=now, deps=deps)


@router.post(
    "/admin/v1/verification-requests/<id>/verify",
    **described(
        "Verify the person who requested it, with corrections",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(ErrorCode.REQUEST_STATE, *_VERIFIES),
    ),
)
def verify_request(id: RequestPath, body: VerifyRequest) -> Response[AdminPerson]:
    caller, now = call(router)
    return _person(verification_requests.verify(caller, request_in_path(id), body, now=now, deps=wire_people()))


@router.post(
    "/admin/v1/verification-requests/<id>/reject",
    **described(
        "Reject a request to be verified; the person sees the reason",
        permission=Permission.PEOPLE,
        need="act",
        refuses=(ErrorCode.REQUEST_STATE,),
    ),
)
def reject_request(id: RequestPath, body: BecauseOf) -> RequestEntry:
    caller, now = call(router)
    return verification_requests.reject(caller, request_in_path(id), body.reason, now=now, deps=wire_people())


def _person(person: AdminPerson) -> Response[AdminPerson]:
    return tagged(person, person.version)
