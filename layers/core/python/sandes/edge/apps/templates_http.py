"""Routes of the app API about templates and quotas."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes.apps import app_queries
from sandes.edge.apps.request import described, signed_request
from sandes.edge.http import now_milliseconds
from sandes.edge.wiring.apps import wire_apps
from sandes.protocol.app_api import Preview, PreviewTemplate, TemplateList, Usage
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


TemplatePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]


@router.get("/v1/templates", **described("Approved templates", scope=None))
def list_templates() -> TemplateList:
    return app_queries.templates(signed_request(router), now_ms=now_milliseconds(), deps=wire_apps())


@router.post(
    "/v1/templates/<id>/preview",
    **described("What a template would say", scope=None, post=True, refuses=(ErrorCode.TEMPLATE_VARIABLES,)),
)
def preview_template(id: TemplatePath, body: PreviewTemplate) -> Preview:
    return app_queries.preview(signed_request(router), id, body, now_ms=now_milliseconds(), deps=wire_apps())


@router.get("/v1/usage", **described("Quotas and what is left of them", scope=None))
def usage() -> Usage:
    return app_queries.usage(signed_request(router), now_ms=now_milliseconds(), deps=wire_apps())
