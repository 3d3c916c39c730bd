"""Routes of the admin API about complaints."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes.administration.authority import Permission
from sandes.administration.complaints import complaints
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import DEFAULT_LIMIT, CursorQuery, LimitQuery, OrganisationQuery, UnitQuery, place_asked
from sandes.edge.admin.routes import described
from sandes.edge.paths import complaint_in_path
from sandes.edge.wiring.administration import wire_complaints
from sandes.protocol.admin_complaints_api import AdminComplaint, AssignComplaint, ComplaintPage, ResolveComplaint
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

ComplaintPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
StateQuery = Annotated[
    Literal["unresolved", "resolved"],
    Query(description="`unresolved`: complaints to be resolved. `resolved`: the others"),
]


@router.get(
    "/admin/v1/complaints",
    **described(
        "List the complaints about people, groups and apps in a unit or below it, the newest first",
        permission=Permission.COMPLAINTS,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_complaints(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    state: StateQuery = "unresolved",
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> ComplaintPage:
    caller, now = call(router)
    place, deps = place_asked(caller, organisation, unit), wire_complaints()
    return complaints.page(caller, place, state, after=cursor, limit=limit, now=now, deps=deps)


@router.get(
    "/admin/v1/complaints/<id>",
    **described("Get a complaint with its text", permission=Permission.COMPLAINTS, need="read"),
)
def get_complaint(id: ComplaintPath) -> AdminComplaint:
    caller, now = call(router)
    return complaints.read(caller, complaint_in_path(id), now=now, deps=wire_complaints())


@router.post(
    "/admin/v1/complaints/<id>/assign",
    **described(
        "Assign a complaint to somebody who may resolve it",
        permission=Permission.COMPLAINTS,
        need="act",
        refuses=(ErrorCode.COMPLAINT_STATE,),
    ),
)
def assign_complaint(id: ComplaintPath, body: AssignComplaint) -> AdminComplaint:
    caller, now = call(router)
    return complaints.assign(caller, complaint_in_path(id), body.administrator, now=now, deps=wire_complaints())


@router.post(
    "/admin/v1/complaints/<id>/resolve",
    **described(
        "Resolve a complaint",
        permission=Permission.COMPLAINTS,
        need="act",
        refuses=(ErrorCode.COMPLAINT_STATE,),
    ),
)
def resolve_complaint(id: ComplaintPath, body: ResolveComplaint) -> AdminComplaint:
    caller, now = call(router)
    return complaints.resolve(caller, complaint_in_path(id), body, now=now, deps=wire_complaints())
