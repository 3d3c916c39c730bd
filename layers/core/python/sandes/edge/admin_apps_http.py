"""What the routes of the admin API about apps and groups have in common: paths, queries, answers."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query
from pydantic import BaseModel

from sandes.edge.http import entity_tag
from sandes.model.approval import Approval
from sandes.model.ids import AppId, OrganisationId, UnitId, base64url_text, parse_app, parse_organisation, parse_unit
from sandes.protocol.admin_apps_api import AskedFor
from sandes.protocol.app_api import MAX_PAGE
from sandes.protocol.errors import ErrorCode, ProtocolError

AppPath = Annotated[str, Path(pattern=r"^[a-z2-7]{13}$")]
OrganisationQuery = Annotated[str | None, Query(pattern=r"^[a-z2-7]{13}$", description="one's own if left out")]
UnitQuery = Annotated[str | None, Query(pattern=r"^[a-z2-7]{13}$", description="of this very unit only")]
CursorQuery = Annotated[str | None, Query(max_length=200, description="from the page before")]
LimitQuery = Annotated[int, Query(ge=1, le=MAX_PAGE)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=64, description="the ETag that it had when it was read")
]

Body = TypeVar("Body", bound=BaseModel)


def app_in_path(text: str) -> AppId:
    """Raises ProtocolError not_found for a text that is no app id."""
    try:
        return parse_app(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def organisation_asked(text: str | None) -> OrganisationId | None:
    """Raises ProtocolError not_found for a text that is no organisation id."""
    try:
        return parse_organisation(text) if text is not None else None
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def unit_asked(text: str | None) -> UnitId | None:
    """Raises ProtocolError not_found for a text that is no unit id."""
    try:
        return parse_unit(text) if text is not None else None
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


def tagged(body: Body, version: int, status: HTTPStatus = HTTPStatus.OK) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": entity_tag(version)}
    return Response(status_code=status, content_type="application/json", body=body, headers=headers)


def created(body: Body) -> Response[Body]:
    return Response(status_code=HTTPStatus.CREATED, content_type="application/json", body=body)


def asked(approval: Approval) -> Response[AskedFor]:
    body = AskedFor(
        approval=base64url_text(approval.id),
        operation=approval.operation,
        expires_at=datetime.fromtimestamp(approval.expires_at, UTC),
    )
    return Response(status_code=HTTPStatus.ACCEPTED, content_type="application/json", body=body)
