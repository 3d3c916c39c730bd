"""Routes of the client API about other people: look-up, profiles, search, invitations, blocks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes.edge.client.caller import AccountPath, call, counted_call, described
from sandes.edge.http import no_content
from sandes.edge.paths import account_in_path
from sandes.people import (
    accounts,
    attestations,
    complaining,
    invitations,
    people_search,
    profiles,
    verification_requests,
)
from sandes.protocol.client_api import (
    AccountKeys,
    AttestationKeyList,
    ChangeProfile,
    Found,
    InvitationList,
    Lookup,
    NewVerificationRequest,
    OwnProfile,
    OwnVerificationRequest,
    OwnVerificationRequests,
    Profile,
    Report,
    Search,
    SearchResults,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

RequestPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]


@router.post(
    "/v1/accounts/lookup",
    **described(
        "Find the account of a phone number",
        refuses=(
            ErrorCode.INVALID_PHONE,
            ErrorCode.NOT_FOUND,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def lookup(body: Lookup) -> Found:
    caller, now, deps = call(router)
    return accounts.lookup(caller, body.phone, now=now, deps=deps)


@router.post(
    "/v1/accounts/search",
    **described(
        "Search officials of the caller's organisation by name or post",
        refuses=(
            ErrorCode.NOT_FOUND,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def search(body: Search) -> SearchResults:
    caller, now, deps = call(router)
    return people_search.search(caller, body, now=now, deps=deps)


@router.get(
    "/v1/accounts/<account>",
    **described("Get the part of a person's profile that the caller may see", refuses=(ErrorCode.RATE_LIMITED,)),
)
def get_profile(account: AccountPath) -> Profile:
    caller, now, deps = call(router)
    return profiles.profile(caller, account_in_path(account), now=now, deps=deps)


@router.get(
    "/v1/accounts/<account>/keys",
    **described("List the devices of an account, for which a sender makes copies", refuses=(ErrorCode.RATE_LIMITED,)),
)
def get_keys(account: AccountPath) -> AccountKeys:
    caller, now, deps = counted_call(router)
    return accounts.keys(caller, account_in_path(account), now=now, deps=deps)


@router.get(
    "/v1/attestation-key",
    **described(
        "List the keys that attestations of officials are checked with",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.NOT_FOUND,
        ),
    ),
)
def get_attestation_keys() -> AttestationKeyList:
    _, _, deps = counted_call(router)
    return attestations.attestation_keys(deps.enrolment.verifications)


@router.get(
    "/v1/me/profile",
    **described("Get the caller's profile, and who may see each field", refuses=(ErrorCode.RATE_LIMITED,)),
)
def get_own_profile() -> OwnProfile:
    caller, now, deps = counted_call(router)
    return profiles.own_profile(caller, now=now, deps=deps)


@router.patch("/v1/me/profile", **described("Change the caller's profile", refuses=(ErrorCode.RATE_LIMITED,)))
def change_profile(body: ChangeProfile) -> OwnProfile:
    caller, now, deps = call(router)
    return profiles.change_profile(caller, body, now=now, deps=deps)


@router.post(
    "/v1/verification-requests",
    status_code=HTTPStatus.CREATED,
    **described(
        "Ask an organisation to verify the caller",
        refuses=(
            ErrorCode.NOT_FOUND,
            ErrorCode.VERIFIED_ELSEWHERE,
            ErrorCode.ALREADY_REQUESTED,
            ErrorCode.MAIL_DOMAIN_NOT_ALLOWED,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def ask_for_verification(body: NewVerificationRequest) -> Response[OwnVerificationRequest]:
    caller, now, deps = call(router)
    made = verification_requests.ask(caller, body, now=now, deps=deps)
    return Response(status_code=HTTPStatus.CREATED, content_type="application/json", body=made)


@router.get(
    "/v1/verification-requests",
    **described("List the caller's requests to be verified, with their state", refuses=(ErrorCode.RATE_LIMITED,)),
)
def list_verification_requests() -> OwnVerificationRequests:
    caller, now, deps = counted_call(router)
    return verification_requests.own(caller, now=now, deps=deps)


@router.delete(
    "/v1/verification-requests/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Withdraw a request that is not decided yet",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.REQUEST_STATE,
        ),
    ),
)
def withdraw_verification_request(id: RequestPath) -> Response[str]:
    caller, now, deps = counted_call(router)
    verification_requests.withdraw(caller, id, now=now, deps=deps)
    return no_content()


@router.post(
    "/v1/reports",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Complain about an account, a group or an app", refuses=(ErrorCode.RATE_LIMITED,)),
)
def report(body: Report) -> Response[str]:
    caller, now, deps = call(router)
    complaining.report(caller, body, now=now, deps=deps)
    return no_content()


@router.get(
    "/v1/invitations",
    **described(
        "List the citizens who may write to the caller, an official",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.INVALID_CURSOR,
        ),
    ),
)
def list_invitations(cursor: CursorQuery = None) -> InvitationList:
    caller, now, deps = counted_call(router)
    return invitations.invitations(caller, after=cursor, now=now, deps=deps)


@router.put(
    "/v1/invitations/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Invite a citizen to write to the caller", refuses=(ErrorCode.RATE_LIMITED,)),
)
def invite(account: AccountPath) -> Response[str]:
    caller, now, deps = call(router)
    invitations.invite(caller, account_in_path(account), now=now, deps=deps)
    return no_content()


@router.delete(
    "/v1/invitations/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Withdraw an invitation", refuses=(ErrorCode.RATE_LIMITED,)),
)
def uninvite(account: AccountPath) -> Response[str]:
    caller, _, deps = counted_call(router)
    invitations.uninvite(caller, account_in_path(account), deps=deps)
    return no_content()


@router.put(
    "/v1/blocks/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Block an account", refuses=(ErrorCode.RATE_LIMITED, ErrorCode.TOO_MANY_BLOCKS)),
)
def block(account: AccountPath) -> Response[str]:
    caller, now, deps = call(router)
    accounts.block(caller, account_in_path(account), now=now, deps=deps)
    return no_content()


@router.delete(
    "/v1/blocks/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Unblock an account", refuses=(ErrorCode.RATE_LIMITED,)),
)
def unblock(account: AccountPath) -> Response[str]:
    caller, now, deps = call(router)
    accounts.unblock(caller, account_in_path(account), now=now, deps=deps)
    return no_content()
