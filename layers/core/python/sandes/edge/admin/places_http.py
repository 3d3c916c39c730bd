"""Routes of the admin API about organisations, their units, and the visibility of their officials."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from sandes.administration.authority import Permission
from sandes.administration.organisations import new_organisations, places
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import (
    DEFAULT_LIMIT,
    VERSIONED,
    CursorQuery,
    IfMatch,
    LimitQuery,
    OrganisationPath,
    OrganisationQuery,
    UnitPath,
    UnitQuery,
    place_asked,
)
from sandes.edge.admin.roles_http import shown_approval
from sandes.edge.admin.routes import ASKING, described
from sandes.edge.http import accepted, no_content, tagged, version_needed
from sandes.edge.paths import organisation_in_path
from sandes.edge.wiring.administration import wire_approvals, wire_places
from sandes.protocol.admin_organisations_api import (
    AdminOrganisation,
    AdminOrganisations,
    AdminUnit,
    AdminUnits,
    AskForOfficer,
    AskForOrganisation,
    ChangeOrganisation,
    ChangeUnit,
    ChangeVisibility,
    NewUnit,
    Visibility,
)
from sandes.protocol.admin_roles_api import AdminApproval
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

APPOINTING = (ErrorCode.FRESH_SIGN_IN_REQUIRED, ErrorCode.OWN_ROLES, ErrorCode.ROLES_APART)

RENAMED_OR_ASKED: dict[int, OpenAPIResponse] = {
    HTTPStatus.OK: {"description": "Done", "content": {"application/json": {"model": AdminOrganisation}}},
    HTTPStatus.ACCEPTED: {
        "description": "A second person must approve it",
        "content": {"application/json": {"model": AdminApproval}},
    },
}


@router.get(
    "/admin/v1/organisations",
    **described(
        "List the organisations in which the caller has a role, or all organisations for callers who may read all",
        permission=None,
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_organisations(*, cursor: CursorQuery = None, limit: LimitQuery = DEFAULT_LIMIT) -> AdminOrganisations:
    caller, _ = call(router)
    return places.all_seen(caller, after=cursor, limit=limit, deps=wire_places())


@router.post(
    "/admin/v1/organisations",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request a new organisation with its first nodal officer",
        permission=Permission.ORGANISATIONS,
        need="second",
        where="platform",
        refuses=(*APPOINTING, *ASKING),
    ),
)
def ask_for_organisation(body: AskForOrganisation) -> AdminApproval:
    caller, now = call(router)
    asked = new_organisations.ask_to_create(caller, body, now=now, deps=wire_approvals())
    return shown_approval(asked, now)


@router.post(
    "/admin/v1/organisations/<id>/officers",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Request a further nodal officer for an organisation that has fewer than two",
        permission=Permission.ORGANISATIONS,
        need="second",
        where="organisation",
        refuses=(
            *(*APPOINTING, *ASKING, ErrorCode.ALREADY_ASSIGNED, ErrorCode.HAS_OFFICERS),
            ErrorCode.MAIL_DOMAIN_NOT_ALLOWED,
        ),
    ),
)
def ask_for_officer(id: OrganisationPath, body: AskForOfficer) -> AdminApproval:
    caller, now = call(router)
    organisation = organisation_in_path(id)
    asked = new_organisations.ask_to_appoint(caller, organisation, body, now=now, deps=wire_approvals())
    return shown_approval(asked, now)


@router.get(
    "/admin/v1/organisations/<id>",
    **described("Get an organisation", permission=Permission.UNITS, need="read", where="organisation"),
)
def get_organisation(id: OrganisationPath) -> Response[AdminOrganisation]:
    caller, _ = call(router)
    found = places.read(caller, organisation_in_path(id), deps=wire_places())
    return tagged(found, found.version)


@router.patch(
    "/admin/v1/organisations/<id>",
    responses=RENAMED_OR_ASKED,
    **described(
        "Rename an organisation; or, as a nodal officer, request other mail domains",
        permission=Permission.UNITS,
        need="act",
        where="organisation",
        refuses=(*VERSIONED, *ASKING, ErrorCode.FRESH_SIGN_IN_REQUIRED),
    ),
)
def change_organisation(
    id: OrganisationPath, body: ChangeOrganisation, if_match: IfMatch = None
) -> Response[AdminOrganisation | AdminApproval]:
    caller, now = call(router)
    organisation, version = organisation_in_path(id), version_needed(if_match)
    changed = places.change(caller, organisation, body, version, now=now, deps=wire_places(), asking=wire_approvals())
    if isinstance(changed, AdminOrganisation):
        return tagged(changed, changed.version)
    return accepted(shown_approval(changed, now))


@router.get(
    "/admin/v1/organisations/<id>/visibility",
    **described(
        "Get who may see the fields of officials",
        permission=Permission.VISIBILITY,
        need="read",
        where="organisation",
    ),
)
def get_visibility(id: OrganisationPath) -> Response[Visibility]:
    caller, _ = call(router)
    found = places.visibility(caller, organisation_in_path(id), deps=wire_places())
    return tagged(found, found.version)


@router.patch(
    "/admin/v1/organisations/<id>/visibility",
    **described(
        "Hide or show fields of officials",
        permission=Permission.VISIBILITY,
        need="act",
        where="organisation",
        refuses=VERSIONED,
    ),
)
def change_visibility(id: OrganisationPath, body: ChangeVisibility, if_match: IfMatch = None) -> Response[Visibility]:
    caller, now = call(router)
    organisation, version = organisation_in_path(id), version_needed(if_match)
    changed = places.set_visibility(caller, organisation, body, version, now=now, deps=wire_places())
    return tagged(changed, changed.version)


@router.get(
    "/admin/v1/units",
    **described(
        "List a unit and all units below it, or the whole organisation",
        permission=Permission.UNITS,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_units(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> AdminUnits:
    caller, _ = call(router)
    place = place_asked(caller, organisation, unit)
    return places.units(caller, place, after=cursor, limit=limit, deps=wire_places())


@router.post(
    "/admin/v1/units",
    status_code=HTTPStatus.CREATED,
    **described(
        "Create a unit below another one",
        permission=Permission.UNITS,
        need="act",
        refuses=(
            *(ErrorCode.TOO_MANY_UNITS, ErrorCode.UNIT_TOO_DEEP, ErrorCode.UNIT_NAME_TAKEN),
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def create_unit(body: NewUnit) -> Response[AdminUnit]:
    caller, now = call(router)
    made = places.create_unit(caller, body, now=now, deps=wire_places())
    return tagged(made, made.version, HTTPStatus.CREATED)


@router.get("/admin/v1/units/<id>", **described("Get a unit", permission=Permission.UNITS, need="read"))
def get_unit(id: UnitPath, organisation: OrganisationQuery = None) -> Response[AdminUnit]:
    caller, _ = call(router)
    found = places.read_unit(caller, place_asked(caller, organisation, id), deps=wire_places())
    return tagged(found, found.version)


@router.patch(
    "/admin/v1/units/<id>",
    **described(
        "Rename a unit, or move it with all units below it; the caller needs the right in the new place too",
        permission=Permission.UNITS,
        need="act",
        refuses=(
            *VERSIONED,
            ErrorCode.UNIT_CYCLE,
            ErrorCode.UNIT_TOO_DEEP,
            ErrorCode.UNIT_NAME_TAKEN,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def change_unit(
    id: UnitPath, body: ChangeUnit, organisation: OrganisationQuery = None, if_match: IfMatch = None
) -> Response[AdminUnit]:
    caller, now = call(router)
    place, version = place_asked(caller, organisation, id), version_needed(if_match)
    changed = places.change_unit(caller, place, body, version, now=now, deps=wire_places())
    return tagged(changed, changed.version)


@router.delete(
    "/admin/v1/units/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Remove an empty unit",
        permission=Permission.UNITS,
        need="act",
        refuses=(*VERSIONED, ErrorCode.UNIT_NOT_EMPTY, ErrorCode.RATE_LIMITED),
    ),
)
def remove_unit(id: UnitPath, organisation: OrganisationQuery = None, if_match: IfMatch = None) -> Response[str]:
    caller, now = call(router)
    place, version = place_asked(caller, organisation, id), version_needed(if_match)
    places.remove_unit(caller, place, version, now=now, deps=wire_places())
    return no_content()
