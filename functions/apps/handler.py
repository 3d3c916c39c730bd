"""The HTTPS app API but for one-time passwords: messages, batches, templates, usage, webhooks, events; and the queues
of batches and webhooks.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.apps import (
    app_queries,
    app_status,
    batch_send,
    batches,
    event_feed,
    group_messages,
    messages,
    webhook_delivery,
    webhooks,
)
from sandes.edge.app_http import answer, described, signed_request
from sandes.edge.http import csv_page, http_handler, no_content, now_milliseconds, resolver
from sandes.edge.paths import ONE_NUMBER, message_in_path
from sandes.edge.queue_events import each_record
from sandes.edge.telemetry import logger
from sandes.edge.wiring import (
    wire_app_expiry,
    wire_apps,
    wire_batches,
    wire_group_messages,
    wire_webhook_delivery,
    wire_webhooks,
)
from sandes.protocol.app_api import (
    MAX_PAGE,
    Batch,
    BatchResults,
    Category,
    ChangeWebhook,
    CommitBatch,
    EventPage,
    Message,
    MessageAccepted,
    MessagePage,
    MessageStatus,
    NewBatch,
    NewMessage,
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
from sandes.protocol.errors import ErrorCode

app = resolver()

SENDING = (
    *(ErrorCode.UNKNOWN_TEMPLATE, ErrorCode.TEMPLATE_VARIABLES, ErrorCode.INVALID_PHONE, ErrorCode.NOT_A_GUEST),
    *(ErrorCode.QUOTA_EXCEEDED, ErrorCode.IDEMPOTENCY_MISMATCH),
)

MessagePath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="UUIDv7, lower case")]
CursorQuery = Annotated[str | None, Query(max_length=200, description="from the page before")]
LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]
TemplatePath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]


@app.post(
    "/v1/messages",
    status_code=HTTPStatus.ACCEPTED,
    **described("Send a message", scope="msg", post=True, refuses=(*SENDING, ErrorCode.NOT_PERMITTED)),
)
def create_message(body: NewMessage) -> Response[MessageAccepted]:
    request, now_ms = signed_request(app), now_milliseconds()
    if body.to.group is None:
        accepted, windows = messages.create(request, body, now_ms=now_ms, deps=wire_apps())
    else:
        deps = wire_group_messages()
        accepted, windows = group_messages.create(request, body, body.to.group, now_ms=now_ms, deps=deps)
    return answer(accepted, HTTPStatus.ACCEPTED, windows, now_seconds=now_ms // 1000)


@app.get("/v1/messages", **described("Messages, the newest first", scope="msg", refuses=(ErrorCode.INVALID_CURSOR,)))
def list_messages(
    *,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
    status: Annotated[MessageStatus | None, Query()] = None,
    category: Annotated[Category | None, Query()] = None,
    batch: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{22}$")] = None,
    client_ref: Annotated[str | None, Query(max_length=64)] = None,
) -> MessagePage:
    filters = messages.Filters(status, category, batch, client_ref)
    return messages.page(
        signed_request(app), filters, after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_apps()
    )


@app.get("/v1/messages/<id>", **described("Status of a message", scope="msg"))
def get_message(id: MessagePath) -> Message:
    request, message = signed_request(app), message_in_path(id)
    return group_messages.status(request, message, now_ms=now_milliseconds(), deps=wire_group_messages())


@app.delete(
    "/v1/messages/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Recall a message that no device has acked yet",
        scope="msg",
        refuses=(ErrorCode.ALREADY_DELIVERED, ErrorCode.ALREADY_FINAL),
    ),
)
def recall_message(id: MessagePath) -> Response[str]:
    messages.recall(signed_request(app), message_in_path(id), now_ms=now_milliseconds(), deps=wire_apps())
    return no_content()


@app.get("/v1/templates", **described("Approved templates", scope=None))
def list_templates() -> TemplateList:
    return app_queries.templates(signed_request(app), now_ms=now_milliseconds(), deps=wire_apps())


@app.post(
    "/v1/templates/<id>/preview",
    **described("What a template would say", scope=None, post=True, refuses=(ErrorCode.TEMPLATE_VARIABLES,)),
)
def preview_template(id: TemplatePath, body: PreviewTemplate) -> Preview:
    return app_queries.preview(signed_request(app), id, body, now_ms=now_milliseconds(), deps=wire_apps())


@app.get("/v1/usage", **described("Quotas and what is left of them", scope=None))
def usage() -> Usage:
    return app_queries.usage(signed_request(app), now_ms=now_milliseconds(), deps=wire_apps())


# Batches.

BatchPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


@app.post(
    "/v1/batches",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Send to many", scope="batch", post=True, refuses=(ErrorCode.UNKNOWN_TEMPLATE, ErrorCode.IDEMPOTENCY_MISMATCH)
    ),
)
def create_batch(body: NewBatch) -> Response[Batch]:
    request, now_ms = signed_request(app), now_milliseconds()
    made = batches.create(request, body, now_ms=now_ms, deps=wire_batches())
    return answer(made, HTTPStatus.ACCEPTED, [], now_seconds=now_ms // 1000)


@app.post(
    "/v1/batches/<id>/commit",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Check the uploaded file, and send",
        scope="batch",
        post=True,
        refuses=(
            ErrorCode.BATCH_STATE,
            ErrorCode.UPLOAD_MISSING,
            ErrorCode.UPLOAD_INVALID,
            ErrorCode.QUOTA_EXCEEDED,
            ErrorCode.IDEMPOTENCY_MISMATCH,
        ),
    ),
)
def commit_batch(id: BatchPath, body: CommitBatch) -> Response[Batch]:
    request, now_ms = signed_request(app), now_milliseconds()
    moved = batches.commit(request, id, body, now_ms=now_ms, deps=wire_batches())
    return answer(moved, HTTPStatus.ACCEPTED, [], now_seconds=now_ms // 1000)


@app.get("/v1/batches/<id>", **described("Progress of a batch", scope="batch"))
def get_batch(id: BatchPath) -> Batch:
    return batches.state(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_batches())


@app.get(
    "/v1/batches/<id>/results",
    responses={
        200: {
            "description": "Done",
            "content": {"application/json": {"model": BatchResults}, "text/csv": {"schema": {"type": "string"}}},
        }
    },
    **described("What became of each row", scope="batch", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def batch_results(
    id: BatchPath,
    *,
    cursor: CursorQuery = None,
    limit: LimitQuery = 100,
    format: Annotated[Literal["json", "csv"], Query(description="csv: the next page's address in Link")] = "json",
) -> Response[BatchResults | str]:
    page = batches.results(
        signed_request(app), id, after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_batches()
    )
    if format == "csv":
        return csv_page(batches.results_csv(page), f"/v1/batches/{id}/results?format=csv&limit={limit}", page.cursor)
    return Response(status_code=HTTPStatus.OK, content_type="application/json", body=page)


@app.delete(
    "/v1/batches/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described("Send no more of a batch", scope="batch", refuses=(ErrorCode.BATCH_STATE,)),
)
def cancel_batch(id: BatchPath) -> Response[str]:
    batches.cancel(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_batches())
    return no_content()


WebhookPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
EventPath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="id of the event")]
StateQuery = Annotated[Literal["pending", "delivered", "failed"] | None, Query()]


@app.post(
    "/v1/webhooks",
    status_code=HTTPStatus.CREATED,
    **described(
        "Register a webhook",
        scope="hook",
        post=True,
        refuses=(ErrorCode.WEBHOOK_ADDRESS, ErrorCode.TOO_MANY_WEBHOOKS, ErrorCode.IDEMPOTENCY_MISMATCH),
    ),
)
def create_webhook(body: NewWebhook) -> Response[Webhook]:
    made = webhooks.create(signed_request(app), body, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(made, HTTPStatus.CREATED, (), now_seconds=0)


@app.get("/v1/webhooks", **described("Webhooks, without their secrets", scope="hook"))
def list_webhooks() -> WebhookList:
    return webhooks.all_of(signed_request(app), now_ms=now_milliseconds(), deps=wire_webhooks())


@app.get("/v1/webhooks/<id>", **described("One webhook", scope="hook"))
def get_webhook(id: WebhookPath) -> Webhook:
    return webhooks.one(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())


@app.patch(
    "/v1/webhooks/<id>",
    **described("Change, pause or resume a webhook", scope="hook", refuses=(ErrorCode.WEBHOOK_ADDRESS,)),
)
def change_webhook(id: WebhookPath, body: ChangeWebhook) -> Webhook:
    return webhooks.change(signed_request(app), id, body, now_ms=now_milliseconds(), deps=wire_webhooks())


@app.delete("/v1/webhooks/<id>", status_code=HTTPStatus.NO_CONTENT, **described("Remove a webhook", scope="hook"))
def remove_webhook(id: WebhookPath) -> Response[str]:
    webhooks.remove(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())
    return no_content()


@app.post(
    "/v1/webhooks/<id>/test",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Send a test event",
        scope="hook",
        post=True,
        refuses=(ErrorCode.WEBHOOK_DISABLED, ErrorCode.IDEMPOTENCY_MISMATCH),
    ),
)
def test_webhook(id: WebhookPath) -> Response[WebhookDelivery]:
    queued = webhooks.test(signed_request(app), id, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@app.get(
    "/v1/webhooks/<id>/deliveries",
    **described("Deliveries, the newest events first", scope="hook", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def list_deliveries(
    id: WebhookPath, *, cursor: CursorQuery = None, limit: LimitQuery = 50, state: StateQuery = None
) -> WebhookDeliveries:
    return webhooks.deliveries(
        signed_request(app), id, state=state, after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_webhooks()
    )


@app.post(
    "/v1/webhooks/<id>/deliveries/<event>/redeliver",
    status_code=HTTPStatus.ACCEPTED,
    **described(
        "Send an event again",
        scope="hook",
        post=True,
        refuses=(ErrorCode.WEBHOOK_DISABLED, ErrorCode.IDEMPOTENCY_MISMATCH),
    ),
)
def redeliver(id: WebhookPath, event: EventPath) -> Response[WebhookDelivery]:
    queued = webhooks.redeliver(signed_request(app), id, event, now_ms=now_milliseconds(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@app.get(
    "/v1/events",
    **described("Events of the last 30 days, the oldest first", scope=None, refuses=(ErrorCode.INVALID_CURSOR,)),
)
def list_events(*, cursor: CursorQuery = None, limit: LimitQuery = 100) -> EventPage:
    return event_feed.page(signed_request(app), after=cursor, limit=limit, now_ms=now_milliseconds(), deps=wire_apps())


handler = http_handler(app)


def expire(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Called every minute."""
    expired = app_status.expire_due(now_ms=now_milliseconds(), deps=wire_app_expiry(), elapsed=time.monotonic)
    logger().info("expire", expired=expired)
    return {"expired": expired}


def webhook(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_webhook_delivery()
    return each_record(
        event,
        "webhook",
        lambda body, _: webhook_delivery.deliver(body, now_ms=now_milliseconds(), deps=deps),
        most_links=webhook_delivery.MOST_LINKS,
        at_once=10,  # as many as a batch: one receiver that hangs keeps none of the others waiting
    )


def batch(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """The queue of batches: checking files, sending chunks."""
    return each_record(
        event,
        "batch",
        lambda body, _: batch_send.work(body, now_ms=now_milliseconds(), deps=wire_batches()),
        most_links=batch_send.MOST_LINKS,
    )
