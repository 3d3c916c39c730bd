"""What the routes of the admin API about apps and groups have in common: paths and answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic import BaseModel

from sandes.model.ids import AppId, parse_app
from sandes.protocol.admin_apps_api import AdminApp
from sandes.protocol.admin_roles_api import AdminApproval
from sandes.protocol.errors import ErrorCode, ProtocolError

AppPath = Annotated[str, Path(pattern=r"^[a-z2-7]{13}$")]

Body = TypeVar("Body", bound=BaseModel)


def app_in_path(text: str) -> AppId:
    """Raises ProtocolError not_found for a text that is no app id."""
    try:
        return parse_app(text)
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None


CHANGED_OR_ASKED: dict[int, OpenAPIResponse] = {
    HTTPStatus.OK: {"description": "Done", "content": {"application/json": {"model": AdminApp}}},
    HTTPStatus.ACCEPTED: {
        "description": "Asked for: it takes two",
        "content": {"application/json": {"model": AdminApproval}},
    },
}


def accepted(body: Body) -> Response[Body]:
    return Response(status_code=HTTPStatus.ACCEPTED, content_type="application/json", body=body)


def created(body: Body) -> Response[Body]:
    return Response(status_code=HTTPStatus.CREATED, content_type="application/json", body=body)
