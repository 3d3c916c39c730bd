"""Routes of the app API about messages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from sandes import runtime
from sandes.apps import group_messages, messages
from sandes.edge.apps.request import answer, described, signed_request
from sandes.edge.http import no_content
from sandes.edge.paths import ONE_NUMBER, message_in_path
from sandes.edge.wiring.apps import wire_apps, wire_group_messages
from sandes.protocol.app_api import MAX_PAGE, Category, Message, MessageAccepted, MessagePage, MessageStatus, NewMessage
from sandes.protocol.errors import ErrorCode

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


SENDING = (
    *(ErrorCode.UNKNOWN_TEMPLATE, ErrorCode.TEMPLATE_VARIABLES, ErrorCode.INVALID_PHONE, ErrorCode.NOT_A_GUEST),
    *(ErrorCode.QUOTA_EXCEEDED, ErrorCode.IDEMPOTENCY_MISMATCH),
)


MessagePath = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="UUIDv7, lower case")]


CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]


LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]


@router.post(
    "/v1/messages",
    status_code=HTTPStatus.ACCEPTED,
    **described("Send a message", scope="msg", post=True, refuses=(*SENDING, ErrorCode.NOT_PERMITTED)),
)
def create_message(body: NewMessage) -> Response[MessageAccepted]:
    request, now = signed_request(router), runtime.now()
    if body.to.group is None:
        accepted, windows = messages.create(request, body, now=now, deps=wire_apps())
    else:
        deps = wire_group_messages()
        accepted, windows = group_messages.create(request, body, body.to.group, now=now, deps=deps)
    return answer(accepted, HTTPStatus.ACCEPTED, windows, now_seconds=now.seconds)


@router.get(
    "/v1/messages", **described("List messages, the newest first", scope="msg", refuses=(ErrorCode.INVALID_CURSOR,))
)
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
        signed_request(router), filters, after=cursor, limit=limit, now=runtime.now(), deps=wire_apps()
    )


@router.get("/v1/messages/<id>", **described("Get the status of a message", scope="msg"))
def get_message(id: MessagePath) -> Message:
    request, message = signed_request(router), message_in_path(id)
    return group_messages.status(request, message, now=runtime.now(), deps=wire_group_messages())


@router.delete(
    "/v1/messages/<id>",
    status_code=HTTPStatus.NO_CONTENT,
    **described(
        "Recall a message that no device has acked yet",
        scope="msg",
        refuses=(ErrorCode.ALREADY_DELIVERED, ErrorCode.ALREADY_FINAL),
    ),
)
def recall_message(id: MessagePath) -> Response[str]:
    messages.recall(signed_request(router), message_in_path(id), now=runtime.now(), deps=wire_apps())
    return no_content()
