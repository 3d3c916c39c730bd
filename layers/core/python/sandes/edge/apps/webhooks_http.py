"""Routes of the app API about webhooks and events."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes import runtime
from sandes.apps import event_feed, webhooks
from sandes.edge.apps.request import answer, described, signed_request
from sandes.edge.http import no_content
from sandes.edge.paths import ONE_NUMBER
from sandes.edge.wiring.apps import wire_apps, wire_webhooks
from sandes.protocol.app_api import (
    MAX_PAGE,
    ChangeWebhook,
    EventPage,
    NewWebhook,
    Webhook,
    WebhookDeliveries,
    WebhookDelivery,
    WebhookList,
)
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]


LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]


WebhookPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


EventPath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="id of the event")]


StateQuery = Annotated[Literal["pending", "delivered", "failed"] | None, Query()]


@router.post(
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
    made = webhooks.create(signed_request(router), body, now=runtime.now(), deps=wire_webhooks())
    return answer(made, HTTPStatus.CREATED, (), now_seconds=0)


@router.get("/v1/webhooks", **described("List webhooks, without their secrets", scope="hook"))
def list_webhooks() -> WebhookList:
    return webhooks.all_of(signed_request(router), now=runtime.now(), deps=wire_webhooks())


@router.get("/v1/webhooks/<id>", **described("Get a webhook", scope="hook"))
def get_webhook(id: WebhookPath) -> Webhook:
    return webhooks.one(signed_request(router), id, now=runtime.now(), deps=wire_webhooks())


@router.patch(
    "/v1/webhooks/<id>",
    **described("Change, pause or resume a webhook", scope="hook", refuses=(ErrorCode.WEBHOOK_ADDRESS,)),
)
def change_webhook(id: WebhookPath, body: ChangeWebhook) -> Webhook:
    return webhooks.change(signed_request(router), id, body, now=runtime.now(), deps=wire_webhooks())


@router.delete("/v1/webhooks/<id>", status_code=HTTPStatus.NO_CONTENT, **described("Remove a webhook", scope="hook"))
def remove_webhook(id: WebhookPath) -> Response[str]:
    webhooks.remove(signed_request(router), id, now=runtime.now(), deps=wire_webhooks())
    return no_content()


@router.post(
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
    queued = webhooks.test(signed_request(router), id, now=runtime.now(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@router.get(
    "/v1/webhooks/<id>/deliveries",
    **described("List deliveries, the newest events first", scope="hook", refuses=(ErrorCode.INVALID_CURSOR,)),
)
def list_deliveries(
    id: WebhookPath, *, cursor: CursorQuery = None, limit: LimitQuery = 50, state: StateQuery = None
) -> WebhookDeliveries:
    request, now = signed_request(router), runtime.now()
    return webhooks.deliveries(request, id, state=state, after=cursor, limit=limit, now=now, deps=wire_webhooks())


@router.post(
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
    queued = webhooks.redeliver(signed_request(router), id, event, now=runtime.now(), deps=wire_webhooks())
    return answer(queued, HTTPStatus.ACCEPTED, (), now_seconds=0)


@router.get(
    "/v1/events",
    **described(
        "List the events of the last 30 days, the oldest first", scope=None, refuses=(ErrorCode.INVALID_CURSOR,)
    ),
)
def list_events(*, cursor: CursorQuery = None, limit: LimitQuery = 100) -> EventPage:
    request, now = signed_request(router), runtime.now()
    return event_feed.page(request, after=cursor, limit=limit, now=now, deps=wire_apps())
