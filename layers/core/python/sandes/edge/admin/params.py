"""Types of the parameters in the admin API's paths, queries and headers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from aws_lambda_powertools.event_handler.openapi.params import Header, Path, Query

from sandes.edge.paths import ONE_NUMBER
from sandes.model.administrator import Caller, Place
from sandes.model.ids import UnitId, parse_organisation, parse_unit
from sandes.protocol.admin_api import MAX_PAGE
from sandes.protocol.errors import ErrorCode, ProtocolError

_EIGHT = r"^[a-z2-7]{12}[acegikmoqsuwy246]$"

OrganisationPath = Annotated[str, Path(pattern=_EIGHT)]
AppPath = Annotated[str, Path(pattern=_EIGHT)]
UnitPath = Annotated[str, Path(pattern=_EIGHT)]
ApprovalPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{32}$")]
AdministratorPath = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
AssignmentPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43,80}$")]
OrganisationQuery = Annotated[
    str | None, Query(pattern=_EIGHT, description="the organisation; by default the caller's own")
]
UnitQuery = Annotated[
    str | None, Query(pattern=_EIGHT, description="the unit and all units below it; by default the whole organisation")
]
CursorQuery = Annotated[str | None, Query(max_length=300, description="the cursor of the previous page")]
LimitQuery = Annotated[int, Ge(1), Le(MAX_PAGE), ONE_NUMBER, Query()]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=64,
        description="required: the ETag of the version that the caller has read, or `*`",
    ),
]
VERSIONED = (ErrorCode.PRECONDITION_REQUIRED, ErrorCode.PRECONDITION_FAILED)

DEFAULT_LIMIT = 50


def place_asked(caller: Caller, organisation: str | None, unit: str | None) -> Place:
    """Return the place of a query. By default, that is the root of the organisation, and the caller's own organisation.

    Raises ProtocolError not_found for a text that is not an id.
    """
    try:
        of = parse_organisation(organisation) if organisation else caller.administrator.home.organisation
        return Place(of, parse_unit(unit) if unit else UnitId(of))
    except ValueError:
        raise ProtocolError(ErrorCode.NOT_FOUND) from None
