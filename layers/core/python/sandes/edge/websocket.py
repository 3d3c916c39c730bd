"""Handles websocket events of API Gateway: a principal and a frame come in, and one frame goes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.edge.faults import refusal
from sandes.edge.telemetry import logger, measure_refusal
from sandes.model.ids import ConnectionId
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import ClientFrame, ServerFrame, error_frame, parse_frame, ref_of, render

Event = dict[str, Any]
UseCase = Callable[[ClientFrame, Principal, ConnectionId, Instant], ServerFrame]


def principal_of(event: Event) -> tuple[Principal, ConnectionId]:
    context = event["requestContext"]
    return Principal.from_context(context["authorizer"]), ConnectionId(context["connectionId"])


def frame_handler(use_case: UseCase) -> Callable[[Event, LambdaContext], Event]:
    """Create a Lambda handler that parses the frame, calls `use_case`, and answers with its frame or with `error`.

    It always answers 200, because with any other status API Gateway would add a message of its own.
    """

    def handler(event: Event, context: LambdaContext) -> Event:
        now = runtime.now()
        text = event.get("body") or ""
        ref: str | None = None
        kind = "unparsed"
        try:
            principal, connection = principal_of(event)
            frame = parse_frame(text)
            ref, kind = frame.ref, frame.type
            answer: ServerFrame = use_case(frame, principal, connection, now)
            outcome: str = answer.type
        except Exception as error:  # noqa: BLE001  # the boundary: see edge/faults.py
            refused = refusal(error)
            if refused.code is ErrorCode.INTERNAL:
                refused = ProtocolError(refused.code, details={"request_id": context.aws_request_id})
            answer = error_frame(refused, ref or ref_of(text))
            outcome = refused.code
            measure_refusal(refused.code)
        logger().info(kind, outcome=outcome, frame_bytes=len(text), connection=event["requestContext"]["connectionId"])
        return {"statusCode": 200, "body": render(answer)}

    return handler
