"""Routes of the admin API about audit chains: searching, exporting, and the key and heads that verify them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from sandes.administration.audit import audit_log
from sandes.administration.authority import Permission
from sandes.edge.admin.caller import call
from sandes.edge.admin.routes import described
from sandes.edge.paths import ONE_NUMBER
from sandes.edge.wiring.administration import wire_audit_log
from sandes.model.ids import OrganisationId, parse_organisation, parse_unit
from sandes.protocol.admin_api import AuditPage, PublicKey
from sandes.protocol.errors import ErrorCode
from sandes.protocol.fields import Moment, seconds_of

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

NDJSON = "application/x-ndjson"
LINES: dict[int, OpenAPIResponse] = {
    200: {"description": "Done", "content": {NDJSON: {"schema": {"type": "string"}}}},
}
_ID = r"^[a-z2-7]{12}[acegikmoqsuwy246]$"

OrganisationQuery = Annotated[str | None, Query(pattern=_ID, description="by default the caller's own")]
UnitQuery = Annotated[str | None, Query(pattern=_ID, description="actions in this unit and below it")]
TimeQuery = Annotated[Moment | None, Query(description="RFC 3339; entries of this time are included")]
TextQuery = Annotated[str | None, Query(max_length=64)]
CursorQuery = Annotated[str | None, Query(max_length=200, description="the cursor of the previous page")]
LimitQuery = Annotated[int, Ge(1), Le(250), ONE_NUMBER, Query()]


@router.get(
    "/admin/v1/audit",
    **described(
        "List audit entries, the newest first; platform administrators see their own actions",
        permission=Permission.AUDIT,
        need="read",
        where="any",
        refuses=(ErrorCode.INVALID_CURSOR,),
    ),
)
def list_entries(
    *,
    organisation: OrganisationQuery = None,
    unit: UnitQuery = None,
    since: TimeQuery = None,
    until: TimeQuery = None,
    actor: TextQuery = None,
    action: TextQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
) -> AuditPage:
    caller, _ = call(router)
    filters = audit_log.Filters(
        unit=parse_unit(unit) if unit else None,
        since=seconds_of(since),
        until=seconds_of(until),
        actor=actor,
        action=action,
    )
    return audit_log.page(caller, _chain(organisation), filters, after=cursor, limit=limit, deps=wire_audit_log())


@router.get(
    "/admin/v1/audit/export",
    responses=LINES,
    **described(
        "List the entries of a chain after this number, the oldest first; repeat from the last one until none is left",
        permission=Permission.AUDIT,
        need="read",
        where="organisation",
    ),
)
def export(
    *, organisation: OrganisationQuery = None, after: Annotated[int, Ge(0), Le(2**53), ONE_NUMBER, Query()] = 0
) -> Response[str]:
    caller, _ = call(router)
    lines = audit_log.export(caller, _chain(organisation), after=after, deps=wire_audit_log())
    return Response(status_code=HTTPStatus.OK, content_type=NDJSON, body=lines.decode("ascii"))


@router.get(
    "/admin/v1/audit/key", **described("Get the public key that chains and heads are signed with", permission=None)
)
def public_key() -> PublicKey:
    call(router)
    return audit_log.public_key(wire_audit_log())


@router.get(
    "/admin/v1/audit/heads",
    responses=LINES,
    **described(
        "Get the signed heads of all chains of the hour of this time; the caller must be allowed to export a chain",
        permission=Permission.AUDIT,
        need="read",
        where="organisation",
    ),
)
def heads(at: Annotated[Moment, Query(description="RFC 3339")]) -> Response[str]:
    caller, _ = call(router)
    document = audit_log.heads(caller, int(at.timestamp()), deps=wire_audit_log())
    return Response(status_code=HTTPStatus.OK, content_type=NDJSON, body=document.decode("ascii"))


def _chain(organisation: str | None) -> OrganisationId | None:
    return parse_organisation(organisation) if organisation else None
