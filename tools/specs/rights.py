"""Generates docs/admin/rights.md from the matrix that decides about rights, and from the routes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandes.administration.authority import APART, GRANTED_BY, MATRIX, TAKEN_BY_TWO, Cell, Permission
from sandes.edge.admin.routes import NEED, PERMISSION, WHERE
from sandes.model.administrator import Role
from tools.specs.https import HANDLERS_OF_ADMINISTRATORS
from tools.specs.routes import routes_of

_CELLS: dict[Cell, str] = {
    "act": "yes",
    "second": "with a second person",
    "read": "reads",
    "draft": "drafts",
    "propose": "proposes",
    "own": "reads their own actions",
}

_PAGE = """# Rights of administrators

This page lists what each role may do. [The guide](README.md) explains the roles. `make specs` generates the page from
`sandes.administration.authority` and from the routes. A test, tests/integration/test_every_right.py, calls every route
with every role.

A role applies to the place that it was granted for and to everything below it. The role of a platform administrator
applies everywhere. Without permission you get `not_found`, as for an id that does not exist.

## Matrix

{matrix}

## Granting

Two people grant a role. Each of them holds one of the roles named here, at the place or above it, and they work in
different units. One person can remove a role, except these: {taken_by_two}.
Removing one of these needs two nodal officers. If an organisation has only two nodal officers and one of them is
removed, it needs the other one and a platform administrator. Operators create platform administrators. Two platform
administrators appoint an organisation's first two nodal officers.

{granting}

## Routes

The column *need* says how the permission must be held: *second* means to request the change or to approve it. The
column *where* says at which place. There, *approval* means that the requested change decides which permission is
needed, and where.

{routes}
"""


def rights_page() -> str:
    """Render docs/admin/rights.md."""
    matrix = (
        (permission.value, *(_CELLS[cells[role]] if role in cells else "" for role in Role))
        for permission, cells in ((permission, MATRIX[permission]) for permission in Permission)
    )
    granting = (
        (_name(role), _names(GRANTED_BY[role]) or "operators", _names(APART.get(role, ())) or "none") for role in Role
    )
    return _PAGE.format(
        matrix=_table(("permission", *map(_name, Role)), matrix),
        taken_by_two=_names(TAKEN_BY_TWO),
        granting=_table(("role", "granted by", "excludes"), granting),
        routes=_table(("route", "does", "permission", "need", "where"), sorted(_routes())),
    )


def _routes() -> Iterable[tuple[str, ...]]:
    for handler in HANDLERS_OF_ADMINISTRATORS:
        for route in routes_of(handler):
            said = route.openapi_extensions or {}
            permission = Permission[said[PERMISSION].upper()].value if PERMISSION in said else "every administrator"
            if PERMISSION not in said and WHERE in said:
                by_itself = {"approval": "of the change itself", "self": "every administrator"}
                permission = by_itself.get(said[WHERE], "the person who requested it")
            yield (
                f"`{route.method} {route.path}`",
                route.summary or "",
                permission,
                said.get(NEED) or "",
                said.get(WHERE, ""),
            )


def _name(role: Role) -> str:
    return role.value.replace("_", " ")


def _names(roles: Iterable[Role]) -> str:
    return ", ".join(_name(role) for role in Role if role in set(roles))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join((_row(head), "|---" * len(head) + "|", *(_row(row) for row in rows)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
