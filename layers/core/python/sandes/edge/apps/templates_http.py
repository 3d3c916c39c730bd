"""Routes of the app API about templates and quotas."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes import runtime
from sandes.apps import app_queries
from sandes.edge.apps.request import described, signed_request
from sandes.edge.paths import ONE_NUMBER
from sandes.edge.wiring.apps import wire_apps
from sandes.protocol.app_api import MAX_PAGE, Preview, PreviewTemplate, TemplateList, Usage
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]
LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]
TemplatePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]


@router.get(
    "/v1/templates", **described("List approved templates by name", scope=None, refuses=(ErrorCode.INVALID_CURSOR,))
)
def list_templates(*, cursor: CursorQuery = None, limit: LimitQuery = 100) -> TemplateList:
    request, now = signed_request(router), runtime.now()
    return app_queries.templates(request, after=cursor, limit=limit, now=now, deps=wire_apps())


@router.post(
    "/v1/templates/<id>/preview",
    **described("Render a template without sending it", scope=None, post=True, refuses=(ErrorCode.TEMPLATE_VARIABLES,)),
)
def preview_template(id: TemplatePath, body: PreviewTemplate) -> Preview:
    return app_queries.preview(signed_request(router), id, body, now=runtime.now(), deps=wire_apps())


@router.get("/v1/usage", **described("Get the quotas and what is left of them", scope=None))
def usage() -> Usage:
    return app_queries.usage(signed_request(router), now=runtime.now(), deps=wire_apps())
