"""Routes of the app API about app-managed groups."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from sandes import runtime
from sandes.apps import app_groups, app_rosters
from sandes.edge.apps.request import described, signed_request
from sandes.edge.http import no_content, tagged, version_needed
from sandes.edge.paths import ONE_NUMBER, account_in_path, group_in_path
from sandes.edge.wiring.app_groups import wire_app_groups
from sandes.protocol.app_api import MAX_PAGE
from sandes.protocol.app_groups_api import (
    AppGroup,
    AppGroupMember,
    AppGroupMembers,
    AppGroupPage,
    ChangeAppGroup,
    NewAppGroup,
    PutAppMember,
    PutRoster,
    Roster,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


GroupPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]


AccountPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]


CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]


LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=64,
        description="required: the ETag of the version that the caller has read, or `*`",
    ),
]


VERSIONED = (ErrorCode.PRECONDITION_REQUIRED, ErrorCode.PRECONDITION_FAILED)


@router.post(
    "/v1/app-groups",
    status_code=HTTPStatus.CREATED,
    **described(
        "Create a group", scope="group", post=True, refuses=(ErrorCode.IDEMPOTENCY_MISMATCH, ErrorCode.NOT_A_GUEST)
    ),
)
def create_group(body: NewAppGroup) -> Response[AppGroup]:
    made = app_groups.create(signed_request(router), body, now=runtime.now(), deps=wire_app_groups())
    return tagged(made, made.version, HTTPStatus.CREATED)


@router.get(
    "/v1/app-groups",
    **described("List groups, sorted by id", scope="group", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def list_groups(*, cursor: CursorQuery = None, limit: LimitQuery = 50) -> AppGroupPage:
    request, now = signed_request(router), runtime.now()
    return app_groups.all_of(request, after=cursor, limit=limit, now=now, deps=wire_app_groups())


@router.get("/v1/app-groups/<id>", **described("Get a group; the ETag is its version", scope="group"))
def get_group(id: GroupPath) -> Response[AppGroup]:
    request, group = signed_request(router), group_in_path(id)
    found = app_groups.read(request, group, now=runtime.now(), deps=wire_app_groups())
    return tagged(found, found.version)


@router.patch(
    "/v1/app-groups/<id>",
    **described("Change a group", scope="group", refuses=(*VERSIONED, ErrorCode.NOT_A_GUEST, ErrorCode.QUOTA_EXCEEDED)),
)
def change_group(id: GroupPath, body: ChangeAppGroup, if_match: IfMatch = None) -> Response[AppGroup]:
    request, version = signed_request(router), version_needed(if_match)
    changed = app_groups.change(request, group_in_path(id), body, version, now=runtime.now(), deps=wire_app_groups())
    return tagged(changed, changed.version)


@router.delete("/v1/app-groups/<id>", status_code=HTTPStatus.NO_CONTENT, **described("Dissolve a group", scope="group"))
def dissolve_group(id: GroupPath) -> Response[str]:
    app_groups.dissolve(signed_request(router), group_in_path(id), now=runtime.now(), deps=wire_app_groups())
    return no_content()


@router.get(
    "/v1/app-groups/<id>/members",
    **described("List members, sorted by id", scope="group", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def list_members(id: GroupPath, *, cursor: CursorQuery = None, limit: LimitQuery = 100) -> AppGroupMembers:
    request, group = signed_request(router), group_in_path(id)
    return app_groups.members(request, group, after=cursor, limit=limit, now=runtime.now(), deps=wire_app_groups())


@router.put(
    "/v1/app-groups/<id>/members/<account>",
    **described(
        "Add a member, or change a member's role",
        scope="group",
        refuses=(ErrorCode.NOT_A_GUEST, ErrorCode.GROUP_FULL, ErrorCode.TOO_MANY_ADMINS, ErrorCode.QUOTA_EXCEEDED),
    ),
)
def put_member(id: GroupPath, account: AccountPath, body: PutAppMember) -> AppGroupMember:
    request, group, who = signed_request(router), group_in_path(id), account_in_path(account)
    return app_groups.put_member(request, group, who, body, now=runtime.now(), deps=wire_app_groups())


@router.delete(
    "/v1/app-groups/<id>/members/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Remove a member", scope="group"),
)
def remove_member(id: GroupPath, account: AccountPath) -> Response[str]:
    request, group, who = signed_request(router), group_in_path(id), account_in_path(account)
    app_groups.remove_member(request, group, who, now=runtime.now(), deps=wire_app_groups())
    return no_content()


@router.put(
    "/v1/app-groups/<id>/roster",
    **described(
        "Replace all members by a roster",
        scope="group",
        refuses=(
            *VERSIONED,
            ErrorCode.ROSTER_BUSY,
            ErrorCode.GROUP_FULL,
            ErrorCode.TOO_MANY_ADMINS,
            ErrorCode.TOO_LARGE,
            ErrorCode.QUOTA_EXCEEDED,
        ),
    ),
)
def put_roster(id: GroupPath, body: PutRoster, if_match: IfMatch = None) -> Roster:
    request, group, version = signed_request(router), group_in_path(id), version_needed(if_match)
    return app_rosters.put(request, group, body, version, now=runtime.now(), deps=wire_app_groups())


@router.get("/v1/app-groups/<id>/roster", **described("Get the progress of the last roster", scope="group"))
def get_roster(id: GroupPath) -> Roster:
    request, group = signed_request(router), group_in_path(id)
    return app_rosters.state(request, group, now=runtime.now(), deps=wire_app_groups())
