"""Entry points of the queues of webhooks and batches, and of the expiry of apps' messages."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.apps import app_status, batch_send, webhook_delivery
from sandes.edge.queues.records import each_record
from sandes.edge.telemetry import logger
from sandes.edge.wiring.apps import wire_app_expiry, wire_batches, wire_webhook_delivery

__all__ = ["batch", "expire", "webhook"]


def expire(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Expire the messages of apps that are due. A schedule calls this every minute."""
    expired = app_status.expire_due(now=runtime.now(), deps=wire_app_expiry(), elapsed=runtime.elapsed)
    logger().info("expire", expired=expired)
    return {"expired": expired}


def webhook(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    deps = wire_webhook_delivery()
    return each_record(
        event,
        "webhook",
        lambda body, _: webhook_delivery.deliver(body, now=runtime.now(), deps=deps),
        most_links=webhook_delivery.MOST_LINKS,
        at_once=10,  # as many as a batch, so that one slow receiver delays no other
    )


def batch(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Check the files of batches and send their chunks, from their queue."""
    return each_record(
        event,
        "batch",
        lambda body, _: batch_send.work(body, now=runtime.now(), deps=wire_batches()),
        most_links=batch_send.MOST_LINKS,
    )
