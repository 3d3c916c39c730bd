"""Descriptions of the admin API's routes, for OpenAPI, the documentation and the test of every right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandes.administration.authority import Need, Permission
from sandes.edge.http import ERROR_CODES
from sandes.protocol.errors import ErrorCode

PERMISSION, NEED, WHERE = "x-permission", "x-need", "x-where"
"""OpenAPI extensions: the name of the matrix row, the access that the route needs, and the place."""

ASKING = (ErrorCode.ALREADY_PENDING, ErrorCode.TOO_MANY_PENDING)
"""The codes that may refuse any request for approval."""

_EVERYBODY = "For every administrator."
_BY_ITSELF = {
    "approval": "Needs the permission of the requested change, at its place.",
    "own": "For the administrator who requested it.",
    "self": "For every administrator, about themselves.",
}
"""Places that imply by themselves who may call."""

_AT = {
    "unit": "at the unit",
    "organisation": "for the whole organisation",
    "platform": "at the platform",
    "any": "at a unit",
}
"""The place at which a permission is needed, in words."""


def described(
    summary: str,
    *,
    permission: Permission | None,
    need: Need | None = None,
    where: str = "unit",
    refuses: Iterable[ErrorCode] = (),
) -> dict[str, Any]:
    """Return the decorator's arguments for a route. `permission` is None if every administrator may call it.

    `where` is the place of the permission: the `unit` of the subject, the `organisation` itself (its root), the
    `platform`, or `any` for a list of everything that the caller may see. For an `approval`, the requested change
    decides which permission is needed and where. Only the requester may call a route about their `own` request.
    `refuses` lists the codes of the use case.
    """
    codes = [*refuses, *([ErrorCode.NOT_FOUND] if permission or where in _BY_ITSELF else [])]
    asks = _BY_ITSELF.get(where, _EVERYBODY)
    if permission:
        asks = f"Needs the permission “{permission.value}” ({need}) {_AT[where]}."
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
