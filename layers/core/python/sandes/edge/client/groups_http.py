"""Routes of the client API about groups and their members."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from sandes.edge.client.caller import ActHeader, call, counted_call, described
from sandes.edge.http import no_content, tagged, version_meant
from sandes.edge.paths import ONE_NUMBER, account_in_path, group_in_path, message_in_path
from sandes.edge.wiring.client import wire_group_delivery, wire_groups
from sandes.groups import group_delivery, group_members, groups
from sandes.identity.signed_acts import read_signed
from sandes.people import profiles
from sandes.protocol.client_api import (
    ChangeGroup,
    Group,
    GroupDelivery,
    GroupMember,
    GroupMembers,
    GroupPage,
    NewGroup,
    PutMember,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

GroupPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]
MemberPath = Annotated[str, Path(pattern=r"^[a-z2-7]{12}[acegikmoqsuwy246]$")]
MessagePath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="UUIDv7, lower case")]
CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]
LimitQuery = Annotated[int, Ge(1), Le(group_members.MAX_PAGE), ONE_NUMBER, Query()]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=64, description="the ETag of the version that the caller has read"),
]


@router.post(
    "/v1/groups",
    status_code=HTTPStatus.CREATED,
    **described("Create an informal group", refuses=(ErrorCode.RATE_LIMITED,)),
)
def create_group(body: NewGroup) -> Response[Group]:
    caller, now, _ = call(router)
    return _tagged(groups.create(caller, body, now=now, deps=wire_groups()), HTTPStatus.CREATED)


@router.get(
    "/v1/groups",
    **described(
        "List the caller's groups, then invitations to groups",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.INVALID_CURSOR,
        ),
    ),
)
def list_groups(cursor: CursorQuery = None) -> GroupPage:
    caller, now, _ = counted_call(router)
    return groups.own_groups(caller, cursor, now=now, deps=wire_groups())


@router.get(
    "/v1/groups/<group>", **described("Get a group with the caller's role in it", refuses=(ErrorCode.RATE_LIMITED,))
)
def get_group(group: GroupPath) -> Response[Group]:
    caller, now, _ = counted_call(router)
    return _tagged(groups.read(caller, group_in_path(group), now=now, deps=wire_groups()))


@router.patch(
    "/v1/groups/<group>",
    **described(
        "Change a group's name, who may post, or whether it is open",
        act=True,
        refuses=(
            ErrorCode.NOT_PERMITTED,
            ErrorCode.PRECONDITION_FAILED,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def change_group(
    group: GroupPath, body: ChangeGroup, if_match: IfMatch = None, act: ActHeader = None
) -> Response[Group]:
    caller, now, _ = call(router)
    id, version, signed = group_in_path(group), version_meant(if_match), read_signed(act)
    return _tagged(groups.change(caller, id, body, signed, version=version, now=now, deps=wire_groups()))


@router.delete(
    "/v1/groups/<group>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Dissolve an informal group",
        act=True,
        refuses=(
            ErrorCode.NOT_PERMITTED,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def dissolve_group(group: GroupPath, act: ActHeader = None) -> Response[str]:
    caller, now, _ = call(router)
    groups.dissolve(caller, group_in_path(group), read_signed(act), now=now, deps=wire_groups())
    return no_content()


@router.get(
    "/v1/groups/<group>/members",
    **described(
        "List the members of a group and the people invited to it",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.NOT_PERMITTED,
            ErrorCode.INVALID_CURSOR,
        ),
    ),
)
def list_members(
    group: GroupPath, cursor: CursorQuery = None, limit: LimitQuery = group_members.MAX_PAGE
) -> GroupMembers:
    caller, now, deps = counted_call(router)
    page = group_members.members(caller, group_in_path(group), cursor, limit=limit, now=now, deps=wire_groups())
    return profiles.with_names(caller, page, now=now, deps=deps)


@router.put(
    "/v1/groups/<group>/members/<account>",
    **described(
        "Join a group, invite or add somebody, or change a member's role",
        act=True,
        refuses=(
            ErrorCode.NOT_PERMITTED,
            ErrorCode.GROUP_FULL,
            ErrorCode.TOO_MANY_ADMINS,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def put_member(group: GroupPath, account: MemberPath, body: PutMember, act: ActHeader = None) -> GroupMember:
    caller, now, _ = call(router)
    id, who, signed = group_in_path(group), account_in_path(account), read_signed(act)
    return group_members.put_member(caller, id, who, body.role, signed, now=now, deps=wire_groups())


@router.delete(
    "/v1/groups/<group>/members/<account>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Leave a group, decline or withdraw an invitation, or remove a member",
        act=True,
        refuses=(
            ErrorCode.NOT_PERMITTED,
            ErrorCode.OWNER_STAYS,
            ErrorCode.RATE_LIMITED,
        ),
    ),
)
def remove_member(group: GroupPath, account: MemberPath, act: ActHeader = None) -> Response[str]:
    caller, now, _ = call(router)
    id, who = group_in_path(group), account_in_path(account)
    group_members.remove_member(caller, id, who, read_signed(act), now=now, deps=wire_groups())
    return no_content()


@router.get(
    "/v1/groups/<group>/messages/<message>",
    **described(
        "Get the progress of a message of the caller to a group",
        refuses=(
            ErrorCode.RATE_LIMITED,
            ErrorCode.INVALID_CURSOR,
        ),
    ),
)
def message_delivery(group: GroupPath, message: MessagePath, cursor: CursorQuery = None) -> GroupDelivery:
    caller, now, _ = call(router)
    return group_delivery.delivery(
        caller,
        group_in_path(group),
        message_in_path(message),
        after=cursor,
        now=now,
        deps=wire_group_delivery(),
    )


def _tagged(group: Group, status: HTTPStatus = HTTPStatus.OK) -> Response[Group]:
    return tagged(group, group.version, status)
