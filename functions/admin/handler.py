"""The HTTPS admin API but for people and apps; what operators call through Lambda's own API, allowed by IAM, to make
the first administrators and to replace the pepper; and the sweep of verifications that have ended.
"""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes.administration.audit.audit_heads import keep_heads
from sandes.administration.operators import rekeying
from sandes.administration.operators.first_administrators import operate
from sandes.administration.people.verification_sweep import end_due
from sandes.administration.recorder import ChainBroken
from sandes.administration.roles import access_resets, admin_identity
from sandes.edge.admin import access_http, complaints_http, places_http, roles_http
from sandes.edge.admin.admin_wiring import (
    wire_access_job,
    wire_audit_heads,
    wire_operator,
    wire_places,
    wire_rekeying,
    wire_verification_sweep,
)
from sandes.edge.admin.audit_http import router as audit_routes
from sandes.edge.admin.caller import call
from sandes.edge.admin.routes import described
from sandes.edge.admin.statistics_http import router as statistics_routes
from sandes.edge.faults import direct_call
from sandes.edge.http import http_handler, now_milliseconds, resolver
from sandes.edge.telemetry import logger
from sandes.model.ids import id_text
from sandes.protocol.admin_api import AdminMe

app = resolver()


@app.get("/admin/v1/me", **described("Oneself, with one's roles", permission=None))
def me() -> AdminMe:
    caller, _ = call(app)
    return admin_identity.me(caller, wire_places().organisations)


app.include_router(audit_routes)
app.include_router(places_http.router)
app.include_router(roles_http.router)
app.include_router(access_http.router)
app.include_router(complaints_http.router)

app.include_router(statistics_routes)
handler = http_handler(app)


def heads(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Called every hour."""
    kept = keep_heads(now_ms=now_milliseconds(), deps=wire_audit_heads())
    logger().info("heads", heads=kept.heads, already=kept.already)
    if kept.broken or kept.unreadable:
        broken = [id_text(chain) for chain in kept.broken]
        logger().error("audit_chain_broken", chains=broken, documents=kept.unreadable)
        raise ChainBroken
    return {"heads": kept.heads}


def operator(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    now_ms = now_milliseconds()
    return direct_call(
        lambda: operate(event, now_ms=now_ms, deps=wire_operator()), context, name=str(event.get("operation"))
    )


def rekey(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Called by operators, for another value of the pepper."""
    now_ms = now_milliseconds()
    return direct_call(
        lambda: rekeying.operate(event, now_ms=now_ms, deps=wire_rekeying()), context, name=str(event.get("operation"))
    )


def ending(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Called every minute."""
    ended = end_due(now_ms=now_milliseconds(), deps=wire_verification_sweep(), elapsed=time.monotonic)
    logger().info("ending", ended=ended)
    return {"ended": ended}


def access(_: dict[str, Any], __: LambdaContext) -> dict[str, Any]:
    """Called every minute."""
    failures: list[str] = []

    def failed(error: Exception) -> None:
        failures.append(type(error).__name__)
        logger().error("access_reset", exc_info=error)

    steps = access_resets.work(now_ms=now_milliseconds, deps=wire_access_job(), elapsed=time.monotonic, failed=failed)
    logger().info("access", steps=steps, failed=len(failures))
    if failures:
        raise access_resets.StepsFailed(len(failures))
    return {"steps": steps}
