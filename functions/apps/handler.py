"""The HTTPS app API but for one-time passwords: templates, usage."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from sandes import app_queries
from sandes.edge.app_http import described, signed_request
from sandes.edge.http import http_handler, now_milliseconds, resolver
from sandes.edge.wiring import wire_apps
from sandes.protocol.app_api import Preview, PreviewTemplate, TemplateList, Usage

app = resolver()

TemplatePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]


@app.get("/v1/templates", **described("Approved templates", scope=None))
def list_templates() -> TemplateList:
    return app_queries.templates(signed_request(app), now_ms=now_milliseconds(), deps=wire_apps())


@app.post("/v1/templates/<id>/preview", **described("What a template would say", scope=None, post=True))
def preview_template(id: TemplatePath, body: PreviewTemplate) -> Preview:
    return app_queries.preview(signed_request(app), id, body, now_ms=now_milliseconds(), deps=wire_apps())


@app.get("/v1/usage", **described("Quotas and what is left of them", scope=None))
def usage() -> Usage:
    return app_queries.usage(signed_request(app), now_ms=now_milliseconds(), deps=wire_apps())


handler = http_handler(app)
