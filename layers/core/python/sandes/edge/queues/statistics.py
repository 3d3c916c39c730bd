"""Entry points that count the changes in the streams of tables and measure the queues (docs/adr/0026)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.counting import adding_up, queue_depths
from sandes.edge.queues.streams import each_batch
from sandes.edge.telemetry import logger
from sandes.edge.wiring.statistics import wire_adding_up, wire_queue_depths

__all__ = ["changes", "queues"]


def changes(event: dict[str, Any], _: LambdaContext) -> None:
    """Count a batch of a table's stream. Lambda calls this."""
    each_batch(
        event,
        lambda table, records: adding_up.add_up(
            table, records, now_seconds=runtime.now().seconds, deps=wire_adding_up()
        ),
    )


def queues(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Measure the queues. A schedule calls this every minute."""
    depths = queue_depths.look(now=runtime.now(), deps=wire_queue_depths())
    logger().info("queues", failed=sum(depth.failed for depth in depths))
    return {"queues": len(depths)}
