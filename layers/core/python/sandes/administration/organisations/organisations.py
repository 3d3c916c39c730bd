"""Changes of organisations and their trees of units: create, rename, move, remove, policy (docs/adr/0017)."""

from __future__ import annotations

from collections.abc import Callable

from sandes.model.ids import OrganisationId, UnitId, new_unit_id
from sandes.model.organisation import MAX_LEVELS, MAX_UNITS, Organisation, Tree, Unit, UnitKind
from sandes.model.words import name_key
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.races import retry_until_written
from sandes.store.organisations import OrganisationStore

_TRIES = 8
"""How often a change of the tree is tried while others change it too."""


May = Callable[[Tree], object]
"""Checks the right to a change on the tree on which it is decided, for each attempt again. Raises ProtocolError without
the right.
"""


def read_tree(organisation: OrganisationId, store: OrganisationStore) -> Tree:
    """Return the tree. Raises ProtocolError not_found."""
    tree = store.tree(organisation)
    if tree is None:
        raise missing("/organisation", "organisation")
    return tree


def create_unit(
    organisation: OrganisationId,
    name: str,
    kind: UnitKind,
    parent: UnitId,
    *,
    id: UnitId | None = None,
    now_seconds: int,
    store: OrganisationStore,
    may: May = lambda _: None,
) -> UnitId:
    """Create a unit below `parent`. By default, `id` is drawn.

    Raises ProtocolError not_found, too_many_units, unit_too_deep, unit_name_taken, unavailable.
    """
    unit = Unit(id or new_unit_id(), name, kind, parent, now_seconds)

    def change(tree: Tree) -> bool:
        may(tree)
        _check_there(tree, parent=parent)
        _check_room(tree.organisation)
        _check_depth(tree.level(parent) + 1)
        _check_name(tree, unit.id, parent, unit.name)
        return store.add(tree, unit)

    _reshape(organisation, change, store)
    return unit.id


def move(
    organisation: OrganisationId,
    unit: UnitId,
    parent: UnitId,
    *,
    name: str | None = None,
    version: int | None = None,
    store: OrganisationStore,
    may: May = lambda _: None,
) -> None:
    """Move a unit, and rename it if `name` is set; only at this `version` if it is set.

    Raises ProtocolError not_found, unit_cycle (below itself, or for the organisation), unit_too_deep, unit_name_taken,
    precondition_failed.
    """

    def change(tree: Tree) -> bool:
        may(tree)
        _check_there(tree, unit=unit, parent=parent)
        _check_version(tree, unit, version)
        if tree.within(parent, unit):
            raise ProtocolError(ErrorCode.UNIT_CYCLE)
        if tree.units[unit].parent == parent and name is None:
            return True
        _check_depth(tree.level(parent) + tree.levels_of(unit))
        _check_name(tree, unit, parent, name or tree.units[unit].name)
        return store.move(tree, unit, parent, name=name)

    _reshape(organisation, change, store)


def rename(
    organisation: OrganisationId,
    unit: UnitId,
    name: str,
    *,
    version: int | None = None,
    store: OrganisationStore,
    may: May = lambda _: None,
) -> None:
    """Rename a unit, only at this `version` if it is set.

    The tree keeps its shape but gets a new version, so that concurrent creations and moves are compared with the new
    name. Raises ProtocolError not_found, unit_name_taken, precondition_failed.
    """

    def change(tree: Tree) -> bool:
        may(tree)
        _check_there(tree, unit=unit)
        _check_version(tree, unit, version)
        parent = tree.units[unit].parent
        if parent is None:
            return store.rename(organisation, unit, name, version=tree.units[unit].version)
        _check_name(tree, unit, parent, name)
        return store.move(tree, unit, parent, name=name)

    _reshape(organisation, change, store)


def remove(
    organisation: OrganisationId,
    unit: UnitId,
    *,
    version: int | None = None,
    store: OrganisationStore,
    may: May = lambda _: None,
) -> None:
    """Remove a unit, only at this `version` if it is set.

    Raises ProtocolError not_found, unit_not_empty, precondition_failed, and invalid_request for the organisation
    itself, which cannot be removed.
    """
    if unit == UnitId(organisation):
        raise invalid(ErrorCode.INVALID_REQUEST, "/unit", "is_the_organisation")

    def change(tree: Tree) -> bool:
        may(tree)
        _check_there(tree, unit=unit)
        _check_version(tree, unit, version)
        found = tree.units[unit]
        if found.officials or found.groups or found.apps or tree.children(unit):
            raise ProtocolError(ErrorCode.UNIT_NOT_EMPTY)
        return store.remove(tree, unit)

    _reshape(organisation, change, store)


def _reshape(organisation: OrganisationId, change: Callable[[Tree], bool], store: OrganisationStore) -> None:
    """Repeat the decision on the current tree while others are faster. Raises ProtocolError unavailable."""
    retry_until_written(lambda: change(read_tree(organisation, store)), tries=_TRIES)


def _check_there(tree: Tree, **units: UnitId) -> None:
    """Check that the units exist. The keywords are the fields that name them."""
    for field, unit in units.items():
        if unit not in tree.units:
            raise missing(f"/{field}", "unit in the organisation")


def _check_version(tree: Tree, unit: UnitId, version: int | None) -> None:
    if version is not None and tree.units[unit].version != version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)


def _check_room(organisation: Organisation) -> None:
    """Check the number of units. It is exact, because a unit is written only at this version of the tree."""
    if organisation.units >= MAX_UNITS:
        raise ProtocolError(ErrorCode.TOO_MANY_UNITS)


def _check_depth(levels: int) -> None:
    if levels > MAX_LEVELS:
        raise ProtocolError(ErrorCode.UNIT_TOO_DEEP)


def _check_name(tree: Tree, unit: UnitId, parent: UnitId, name: str) -> None:
    """Refuse a second unit with this name, because neither people nor the paths of an import could tell the two
    apart.
    """
    key = name_key(name)
    if any(one.id != unit and one.parent == parent and name_key(one.name) == key for one in tree.units.values()):
        raise ProtocolError(ErrorCode.UNIT_NAME_TAKEN)
