"""Routes of the admin API about statistics."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Query

from sandes.administration.authority import Permission
from sandes.administration.statistics import reports
from sandes.edge.admin.caller import call
from sandes.edge.admin.params import DEFAULT_LIMIT, CursorQuery, LimitQuery
from sandes.edge.admin.routes import described
from sandes.edge.wiring.administration import wire_reports
from sandes.model.administrator import PLATFORM
from sandes.model.ids import id_text, parse_app, parse_organisation
from sandes.protocol.admin_statistics_api import Statistics
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import Moment, seconds_of

router = Router()  # type: ignore[no-untyped-call]  # Powertools leaves its annotations out

_ID = r"^[a-z2-7]{12}[acegikmoqsuwy246]$"

OrganisationQuery = Annotated[
    str | None,
    Query(pattern=_ID, description="by default the caller's own; for people of the platform, all organisations"),
]
AppQuery = Annotated[str | None, Query(pattern=_ID, description="the app, instead of an organisation")]
TimeQuery = Annotated[Moment | None, Query(description="RFC 3339; its hour or day is included")]


@router.get(
    "/admin/v1/stats",
    **described(
        "Get statistics of an organisation, an app or the platform, for at most 168 hours or 400 days",
        permission=Permission.STATISTICS,
        need="read",
        where="any",
        refuses=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR),
    ),
)
def stats(
    *,
    organisation: OrganisationQuery = None,
    app: AppQuery = None,
    since: TimeQuery = None,
    until: TimeQuery = None,
    by: Literal["hour", "day"] = "day",
    cursor: CursorQuery = None,
    limit: LimitQuery = DEFAULT_LIMIT,
) -> Statistics:
    caller, now = call(router)
    now_seconds, deps = now.seconds, wire_reports()
    over = reports.span(by, seconds_of(since), seconds_of(until), now_seconds=now_seconds)
    if cursor is not None and (app is not None or organisation == id_text(PLATFORM)):  # these have no units
        raise ProtocolError(ErrorCode.INVALID_CURSOR)
    if app is not None:
        return reports.of_app(caller, parse_app(app), over, deps=deps)
    of = parse_organisation(organisation) if organisation else caller.administrator.home.organisation
    if of == PLATFORM:
        return reports.of_platform(caller, over, now_seconds=now_seconds, deps=deps)
    return reports.of_organisation(caller, of, over, after=cursor, limit=limit, deps=deps)
