"""The page about who may do what in administration, from the matrix that decides it and from the routes themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandes.administration.authority import APART, GRANTED_BY, MATRIX, TAKEN_BY_TWO, Cell, Permission
from sandes.edge.admin.routes import NEED, PERMISSION, WHERE
from sandes.model.administrator import Role
from tools.specs.https import HANDLERS_OF_ADMINISTRATORS

_CELLS: dict[Cell, str] = {
    "act": "yes",
    "second": "with a second person",
    "read": "reads",
    "draft": "drafts",
    "propose": "proposes",
    "own": "reads what is of their own doing",
}

_PAGE = """# Rights of administrators

Generated from `sandes.administration.authority` and the routes by `make specs`; tests/integration/test_every_right.py
calls every route with every role from every kind of place. [The guide](README.md) says how it is used.

A role counts at the place that it was given for and everywhere below it; that of platform administrators everywhere. To
who has no right to something it looks as if it did not exist.

## Matrix

{matrix}

## Granting

By two people who each have one of these roles at the place or above it, and do not work in the same unit; taken away by
one, those of {taken_by_two} by two (of two nodal officers, one by the other and a
platform administrator). Platform administrators are made by operators, an organisation's first two nodal officers by
two of them.

{granting}

## Routes

*second*: to ask for it, or to approve it. *approval*: what the approval is about says which permission, and where.

{routes}
"""


def rights_page() -> str:
    """docs/admin/rights.md, the whole of it."""
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
        granting=_table(("role", "granted by", "never beside"), granting),
        routes=_table(("route", "does", "permission", "need", "where"), sorted(_routes())),
    )


def _routes() -> Iterable[tuple[str, ...]]:
    for handler in HANDLERS_OF_ADMINISTRATORS:
        for route in (*handler._static_routes, *handler._dynamic_routes):
            said = route.openapi_extensions or {}
            permission = Permission[said[PERMISSION].upper()].value if PERMISSION in said else "every administrator"
            if PERMISSION not in said and WHERE in said:
                by_itself = {"approval": "as it is about", "self": "every administrator"}
                permission = by_itself.get(said[WHERE], "who has asked for it")
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
