"""Entry points of administration: schedules, and operators' calls through Lambda's own API."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.administration.audit.audit_heads import keep_heads
from sandes.administration.operators import rekeying
from sandes.administration.operators.first_administrators import operate
from sandes.administration.people.verification_sweep import end_due
from sandes.administration.recorder import ChainBroken
from sandes.administration.roles import access_resets
from sandes.edge.faults import direct_call
from sandes.edge.telemetry import logger
from sandes.edge.wiring.administration import (
    wire_access_job,
    wire_audit_heads,
    wire_operator,
    wire_rekeying,
    wire_verification_sweep,
)
from sandes.model.ids import id_text

__all__ = ["access", "ending", "heads", "operator", "rekey"]


def heads(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Store the heads of all audit chains. A schedule calls this every hour. Raises ChainBroken if a chain is
    broken.
    """
    kept = keep_heads(now=runtime.now(), deps=wire_audit_heads())
    logger().info("heads", heads=kept.heads, already=kept.already)
    if kept.broken or kept.unreadable:
        broken = [id_text(chain) for chain in kept.broken]
        logger().error("audit_chain_broken", chains=broken, documents=kept.unreadable)
        raise ChainBroken
    return {"heads": kept.heads}


def operator(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    now = runtime.now()
    return direct_call(lambda: operate(event, now=now, deps=wire_operator()), context, name=str(event.get("operation")))


def rekey(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Rewrite rows under another value of the pepper. Operators call this."""
    now = runtime.now()
    return direct_call(
        lambda: rekeying.operate(event, now=now, deps=wire_rekeying()), context, name=str(event.get("operation"))
    )


def ending(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """End the verifications that have expired. A schedule calls this every minute."""
    ended = end_due(now=runtime.now(), deps=wire_verification_sweep(), elapsed=runtime.elapsed)
    logger().info("ending", ended=ended)
    return {"ended": ended}


def access(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Continue the access resets. A schedule calls this every minute."""
    failures: list[str] = []

    def failed(error: Exception) -> None:
        failures.append(type(error).__name__)
        logger().error("access_reset", exc_info=error)

    steps = access_resets.work(clock=runtime.now, deps=wire_access_job(), elapsed=runtime.elapsed, failed=failed)
    logger().info("access", steps=steps, failed=len(failures))
    if failures:
        raise access_resets.StepsFailed(len(failures))
    return {"steps": steps}
