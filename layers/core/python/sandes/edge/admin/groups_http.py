"""Routes of the admin API about official groups."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes.administration.authority import Permission
from sandes.administration.groups import group_administration
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
from sandes.edge.http import no_content, tagged, version_meant, version_needed
from sandes.edge.paths import group_in_path
from sandes.edge.wiring.administered_apps import wire_group_administration
from sandes.protocol.admin_groups_api import (
    ChangeOfficialGroup,
    NewOfficialGroup,
    OfficialGroup,
    OfficialGroupPage,
    PutGroupAdmins,
    TransferOfficialGroup,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

GroupPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]


@router.post(
    "/admin/v1/groups",
    status_code=HTTPStatus.CREATED,
    **described("Create an official group", permission=Permission.GROUPS, need="act"),
)
def create_official_group(body: NewOfficialGroup) -> Response[OfficialGroup]:
    caller, now = call(router)
    made = group_administration.create(caller, body, now=now, deps=wire_group_administration())
    return tagged(made, made.version, HTTPStatus.CREATED)


@router.get(
    "/admin/v1/groups",
    **described(
        "List the official groups of an organisation, or of a unit and all units below it",
        permission=Permission.GROUPS,
        need="read",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_official_groups(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> OfficialGroupPage:
    caller, _ = call(router)
    place, deps = place_asked(caller, organisation, unit), wire_group_administration()
    return group_administration.page(caller, place, after=cursor, limit=limit, deps=deps)


@router.get(
    "/admin/v1/groups/<group>",
    **described("Get an official group, also one that an app manages", permission=Permission.GROUPS, need="read"),
)
def get_official_group(group: GroupPath) -> Response[OfficialGroup]:
    caller, _ = call(router)
    found = group_administration.read(caller, group_in_path(group), deps=wire_group_administration())
    return tagged(found, found.version)


@router.patch(
    "/admin/v1/groups/<group>",
    **described(
        "Change a group's name, who may post, or whether it is open",
        permission=Permission.GROUPS,
        need="act",
        refuses=VERSIONED,
    ),
)
def change_official_group(
    group: GroupPath, body: ChangeOfficialGroup, if_match: IfMatch = None
) -> Response[OfficialGroup]:
    caller, now = call(router)
    id, version, deps = group_in_path(group), version_needed(if_match), wire_group_administration()
    changed = group_administration.change(caller, id, body, version=version, now=now, deps=deps)
    return tagged(changed, changed.version)


@router.put(
    "/admin/v1/groups/<group>/admins",
    **described(
        "Replace the admins of a group; If-Match is optional",
        permission=Permission.GROUPS,
        need="act",
        refuses=(ErrorCode.PRECONDITION_FAILED, ErrorCode.GROUP_FULL, ErrorCode.TOO_MANY_ADMINS),
    ),
)
def put_group_admins(group: GroupPath, body: PutGroupAdmins, if_match: IfMatch = None) -> Response[OfficialGroup]:
    caller, now = call(router)
    id, version, deps = group_in_path(group), version_meant(if_match), wire_group_administration()
    changed = group_administration.set_admins(caller, id, body, version=version, now=now, deps=deps)
    return tagged(changed, changed.version)


@router.post(
    "/admin/v1/groups/<group>/transfer",
    **described(
        "Move a group to another unit; the caller needs the right in both", permission=Permission.GROUPS, need="act"
    ),
)
def transfer_group(group: GroupPath, body: TransferOfficialGroup) -> Response[OfficialGroup]:
    caller, now = call(router)
    deps = wire_group_administration()
    moved = group_administration.transfer(caller, group_in_path(group), body, now=now, deps=deps)
    return tagged(moved, moved.version)


@router.delete(
    "/admin/v1/groups/<group>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Dissolve a group, also one that an app manages", permission=Permission.GROUPS, need="act"),
)
def dissolve_official_group(group: GroupPath) -> Response[str]:
    caller, now = call(router)
    group_administration.dissolve(caller, group_in_path(group), now=now, deps=wire_group_administration())
    return no_content()
