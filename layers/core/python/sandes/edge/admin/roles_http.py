"""Routes of the admin API about assignments of roles and about approvals."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from sandes.administration import approvals, lookalike_people
from sandes.administration.authority import Permission
from sandes.administration.organisations import mail_domains
from sandes.administration.roles import assignments
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import (
    DEFAULT_LIMIT,
    ApprovalPath,
    AssignmentPath,
    CursorQuery,
    LimitQuery,
    OrganisationQuery,
    UnitQuery,
    place_asked,
)
from sandes.edge.admin.routes import ASKING, described
from sandes.edge.paths import ONE_FLAG, approval_in_path, assignment_in_path
from sandes.edge.wiring.administration import wire_approvals, wire_assignments
from sandes.model.approval import Approval
from sandes.model.ids import base64url_text
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation
from sandes.protocol.admin_api import utc
from sandes.protocol.admin_roles_api import (
    AdminApproval,
    AdminApprovals,
    AdminAssignment,
    AdminAssignments,
    ApprovalWarning,
    NewAssignment,
    RejectApproval,
    RequestedBy,
)
from sandes.protocol.errors import ErrorCode, invalid
from sandes.store.administrators import Listed

EverywhereQuery = Annotated[
    bool,
    ONE_FLAG,
    Query(description="for platform administrators: approvals of all organisations that wait for one of them"),
]

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


@router.get(
    "/admin/v1/assignments",
    **described(
        "List the roles that administrators hold at a unit and below it, or in the whole organisation",
        permission=Permission.ROLES,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_assignments(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> AdminAssignments:
    caller, now = call(router)
    place = place_asked(caller, organisation, unit)
    found, organisation_found, more = assignments.page(
        caller, place, after=cursor, limit=limit, now_seconds=now.seconds, deps=wire_assignments()
    )
    return AdminAssignments(assignments=[_shown(one, organisation_found) for one in found], cursor=more)


@router.post(
    "/admin/v1/assignments",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request a role for an administrator",
        permission=Permission.ROLES,
        need="second",
        refuses=(
            *(ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.OWN_ROLES, ErrorCode.ROLE_ABOVE_OWN),
            *(ErrorCode.ROLES_APART, ErrorCode.ALREADY_ASSIGNED, ErrorCode.MAIL_DOMAIN_NOT_ALLOWED),
            *ASKING,
        ),
    ),
)
def ask_for_role(body: NewAssignment) -> AdminApproval:
    caller, now = call(router)
    return shown_approval(assignments.ask_to_grant(caller, body, now=now, deps=wire_approvals()), now)


@router.delete(
    "/admin/v1/assignments/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        204: {"description": "The role is removed"},
        202: {
            "description": "A second person must approve it",
            "content": {"application/json": {"model": AdminApproval}},
        },
    },
    **described(
        "Remove a role immediately; for a nodal officer, an auditor or a tracer, request its removal",
        permission=Permission.ROLES,
        need="second",
        refuses=(
            *(ErrorCode.OWN_ROLES, ErrorCode.ROLE_ABOVE_OWN, ErrorCode.LAST_OFFICER),
            ErrorCode.FRESH_SIGN_IN_REQUIRED,
            *ASKING,
        ),
    ),
)
def take_role(id: AssignmentPath) -> Response[AdminApproval | str]:
    caller, now = call(router)
    key = assignment_in_path(id)
    asked = assignments.take(caller, key, now=now, deps=wire_assignments(), asking=wire_approvals())
    if asked is None:
        return Response(status_code=HTTPStatus.NO_CONTENT, content_type="application/json", body="")
    body = shown_approval(asked, now)
    return Response(status_code=HTTPStatus.ACCEPTED, content_type="application/json", body=body)


@router.get(
    "/admin/v1/approvals",
    **described(
        "List the approvals of an organisation that the caller may see, or those that wait for the platform",
        permission=None,
        need="read",
        where="approval",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_approvals(
    *,
    organisation: OrganisationQuery = None,
    everywhere: EverywhereQuery = False,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> AdminApprovals:
    caller, now = call(router)
    deps = wire_approvals()
    if everywhere and organisation is not None:
        raise invalid(ErrorCode.INVALID_REQUEST, "/organisation", "not_with_everywhere")
    if everywhere:
        found, more = approvals.page_of_platform(caller, after=cursor, limit=limit, now=now, deps=deps)
    else:
        of = place_asked(caller, organisation, None).organisation
        found, more = approvals.page(caller, of, after=cursor, limit=limit, now=now, deps=deps)
    return AdminApprovals(approvals=[shown_approval(one, now) for one in found], cursor=more)


@router.get(
    "/admin/v1/approvals/<id>",
    **described("Get an approval", permission=None, need="read", where="approval"),
)
def get_approval(id: ApprovalPath) -> AdminApproval:
    caller, now = call(router)
    deps = wire_approvals()
    found = approvals.read(caller, approval_in_path(id), now=now, deps=deps)
    warned = lookalike_people.warnings(found, deps.administrators) + mail_domains.warnings(found, deps.administrators)
    return shown_approval(found, now, warned)


@router.post(
    "/admin/v1/approvals/<id>/approve",
    **described(
        "Approve a request of another administrator, and make the change",
        permission=None,
        need="second",
        where="approval",
        refuses=(
            *(ErrorCode.OWN_REQUEST, ErrorCode.SAME_UNIT, ErrorCode.APPROVAL_STATE, ErrorCode.FRESH_SIGN_IN_REQUIRED),
            *(ErrorCode.OWN_ROLES, ErrorCode.ROLE_ABOVE_OWN, ErrorCode.ROLES_APART, ErrorCode.ALREADY_ASSIGNED),
            *(ErrorCode.LAST_OFFICER, ErrorCode.HAS_OFFICERS, ErrorCode.MAIL_DOMAIN_NOT_ALLOWED),
            *(ErrorCode.OWN_ACCESS, ErrorCode.ACCESS_RESET_PENDING, ErrorCode.MAIL_NOT_SET_UP),
        ),
    ),
)
def approve(id: ApprovalPath) -> AdminApproval:
    caller, now = call(router)
    return shown_approval(approvals.approve(caller, approval_in_path(id), now=now, deps=wire_approvals()), now)


@router.post(
    "/admin/v1/approvals/<id>/reject",
    **described(
        "Reject a request",
        permission=None,
        need="second",
        where="approval",
        refuses=(ErrorCode.OWN_REQUEST, ErrorCode.APPROVAL_STATE),
    ),
)
def reject(id: ApprovalPath, body: RejectApproval) -> AdminApproval:
    caller, now = call(router)
    approval = approval_in_path(id)
    return shown_approval(approvals.reject(caller, approval, body.reason, now=now, deps=wire_approvals()), now)


@router.delete(
    "/admin/v1/approvals/<id>",
    **described("Cancel a request of your own", permission=None, where="own", refuses=(ErrorCode.APPROVAL_STATE,)),
)
def cancel(id: ApprovalPath) -> AdminApproval:
    caller, now = call(router)
    return shown_approval(approvals.cancel(caller, approval_in_path(id), now=now, deps=wire_approvals()), now)


def shown_approval(approval: Approval, now: Instant, warned: Sequence[ApprovalWarning] | None = None) -> AdminApproval:
    return AdminApproval(
        id=base64url_text(approval.id),
        operation=approval.operation,
        parameters=dict(approval.parameters),
        organisation=approval.place.organisation,
        unit=approval.place.unit,
        requested_by=RequestedBy(administrator=approval.requested_by, name=approval.requester_name),
        requested_at=utc(approval.requested_at),
        expires_at=utc(approval.expires_at),
        state=approval.state(now.seconds),
        decided_by=approval.decided_by,
        decided_at=utc(approval.decided_at) if approval.decided_at else None,
        reason=approval.reason,
        warnings=list(warned) if warned else None,
    )


def _shown(listed: Listed, organisation: Organisation) -> AdminAssignment:
    one = listed.assignment
    return AdminAssignment(
        id=str(one.key),
        administrator=one.administrator,
        name=listed.name,
        email=listed.email,
        role=one.role,
        organisation=one.place.organisation,
        unit=one.place.unit,
        granted_by=one.granted_by,
        granted_at=utc(one.granted_at),
        expires_at=utc(one.expires_at) if one.expires_at else None,
        outside_mail_domains=not organisation.accepts(listed.email),
    )
