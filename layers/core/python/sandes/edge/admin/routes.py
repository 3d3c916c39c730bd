"""What is said of each route of the admin API, for OpenAPI, documentation and the test of every right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandes.administration.authority import Need, Permission
from sandes.edge.http import ERROR_CODES
from sandes.protocol.errors import ErrorCode

PERMISSION, NEED, WHERE = "x-permission", "x-need", "x-where"
"""In OpenAPI: the row of the matrix by its name, what is needed of it, and at what place."""

ASKING = (ErrorCode.ALREADY_PENDING, ErrorCode.TOO_MANY_PENDING)
"""What may refuse a request for approval, besides what it asks for."""

_EVERYBODY = "For every administrator."
_BY_ITSELF = {
    "approval": "Needs the permission that it is about, where it is about.",
    "own": "For whoever has asked for it.",
    "self": "For every administrator, about themselves.",
}
"""Places that say by themselves who is allowed."""


def described(
    summary: str,
    *,
    permission: Permission | None,
    need: Need | None = None,
    where: str = "unit",
    refuses: Iterable[ErrorCode] = (),
) -> dict[str, Any]:
    """For the decorator of a route. `permission` is None for what every administrator may; `where` says whether the
    place is the `unit` of what it is about, the `organisation` itself (its root), the `platform`, or nowhere in
    particular (`any`: a list of what the caller may see). Of an `approval`, what it is about says which permission is
    needed and where; what is the caller's `own` is nobody else's. `refuses`: the codes of the use case.
    """
    codes = [*refuses, *([ErrorCode.NOT_FOUND] if permission or where in _BY_ITSELF else [])]
    asks = f"Needs “{permission.value}” ({need}) at the {where}." if permission else _BY_ITSELF.get(where, _EVERYBODY)
    extensions: dict[str, Any] = {ERROR_CODES: [code.value for code in codes]}
    if where in _BY_ITSELF:
        extensions |= {NEED: need, WHERE: where}
    if permission:
        extensions |= {PERMISSION: permission.name.lower(), NEED: need, WHERE: where}
    return {
        "summary": summary,
        "description": asks,
        "security": [{"administrator": []}],
        "response_description": "Done",
        "openapi_extensions": extensions,
    }
