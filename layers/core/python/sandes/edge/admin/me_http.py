"""The route of the admin API about the caller."""

from __future__ import annotations

from aws_lambda_powertools.event_handler.api_gateway import Router

from sandes.administration.roles import admin_identity
from sandes.edge.admin.caller import call
from sandes.edge.admin.routes import described
from sandes.edge.wiring.administration import wire_places
from sandes.protocol.admin_api import AdminMe

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out


@router.get("/admin/v1/me", **described("Get the caller with their roles", permission=None))
def me() -> AdminMe:
    caller, _ = call(router)
    return admin_identity.me(caller, wire_places().organisations)
