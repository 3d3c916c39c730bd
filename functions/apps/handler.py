"""The HTTPS app API but for one-time passwords: templates, usage, webhooks, events; and the queue of webhooks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import app_queries, event_feed, webhook_delivery, webhooks
from sandes.edge.app_http import answer, described, signed_request
from sandes.edge.http import http_handler, no_content, now_milliseconds, resolver
from sandes.edge.queue_events import each_record
from sandes.edge.wiring import wire_apps, wire_webhook_delivery, wire_webhooks
from sandes.protocol.app_api import (
    MAX_PAGE,
    ChangeWebhook,
    EventPage,
    NewWebhook,
    Preview,
    PreviewTemplate,
    TemplateList,
    Usage,
    Webhook,
    WebhookDeliveries,
    WebhookDelivery,
    WebhookList,
)

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


WebhookPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
EventPath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="id of the event")]
PageCursor = Annotated[str | None, Query(max_length=200, description="of the page before")]
PageLimit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
StateQuery = Annotated[Literal["pending", "delivered", "failed"] | None, Query()]


@app.post("/v1/webhooks", status_code=HTTPStatus.CREATED, **described("Register a webhook", scope="hook", post=True))
def create_webhook(body: NewWebhook) -> Response[Webhook]:
    made = webhooks.create(signed_request(app), body, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(made, HTTPStatus.CREATED, (), now_seconds=0)


@app.get("/v1/webhooks", **described("Webhooks, without their secrets", scope="hook"))
def list_webhooks() -> WebhookList:
    return webhooks.all_of(signed_request(app), now_ms=now_milliseconds(), deps=wire_webhooks())


@app.get("/v1/webhooks/<id>", **described("One webhook", scope="hook"))
def get_webhook(id: WebhookPath) -> Webhook:
    return webhooks.one(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())


@app.patch("/v1/webhooks/<id>", **described("Change, pause or resume a webhook", scope="hook"))
def change_webhook(id: WebhookPath, body: ChangeWebhook) -> Webhook:
    return webhooks.change(signed_request(app), id, body, now_ms=now_milliseconds(), deps=wire_webhooks())


@app.delete("/v1/webhooks/<id>", status_code=HTTPStatus.NO_CONTENT, **described("Remove a webhook", scope="hook"))
def remove_webhook(id: WebhookPath) -> Response[str]:
    webhooks.remove(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())
    return no_content()


@app.post(
    "/v1/webhooks/<id>/test", status_code=HTTPStatus.ACCEPTED, **described("Send a test event", scope="hook", post=True)
)
def test_webhook(id: WebhookPath) -> Response[WebhookDelivery]:
    queued = webhooks.test(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@app.get("/v1/webhooks/<id>/deliveries", **described("Deliveries, the newest events first", scope="hook"))
def list_deliveries(
    id: WebhookPath, *, cursor: PageCursor = None, limit: PageLimit = 50, state: StateQuery = None
) -> WebhookDeliveries:
    return webhooks.deliveries(
        signed_request(app), id, state=state, after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_webhooks()
    )


@app.post(
    "/v1/webhooks/<id>/deliveries/<event>/redeliver",
    status_code=HTTPStatus.ACCEPTED,
    **described("Send an event again", scope="hook", post=True),
)
def redeliver(id: WebhookPath, event: EventPath) -> Response[WebhookDelivery]:
    queued = webhooks.redeliver(signed_request(app), id, event, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@app.get("/v1/events", **described("Events of the last 30 days, the oldest first", scope=None))
def list_events(*, cursor: PageCursor = None, limit: PageLimit = 100) -> EventPage:
    return event_feed.page(signed_request(app), after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_apps())


handler = http_handler(app)


def webhook(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_webhook_delivery()
    return each_record(
        event,
        "webhook",
        lambda body, _: webhook_delivery.deliver(body, now_ms=now_milliseconds(), deps=deps),
        at_once=10,  # as many as a batch: one receiver that hangs keeps none of the others waiting
    )
