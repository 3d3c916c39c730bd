"""Organisations and their units as a tree, whoever changes it: create, rename, move, remove, policy (docs/adr/0017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.model.ids import OrganisationId, UnitId, id_text, new_organisation_id, new_unit_id
from sandes.model.organisation import MAX_LEVELS, MAX_UNITS, Organisation, Tree, Unit, UnitKind
from sandes.model.profile import Audience
from sandes.model.profile import Field as ProfileField
from sandes.model.words import name_key
from sandes.protocol.errors import ErrorCode, ProtocolError, invalid, missing
from sandes.protocol.fields import Name, OrganisationField, UnitField, Wire
from sandes.store.organisations import OrganisationStore

_TRIES = 8
"""Of a change of the tree while others change it too."""

PlaceName = Annotated[str, Name, Field(min_length=1, max_length=128)]


class CreateOrganisation(Wire):
    """An organisation is its root unit, of the kind given."""

    operation: Literal["organisation.create"]
    name: PlaceName
    kind: UnitKind = "ministry"


class ShowOrganisation(Wire):
    operation: Literal["organisation.show"]
    organisation: OrganisationField


class RenameOrganisation(Wire):
    """What was attested keeps the name of its day until renewed."""

    operation: Literal["organisation.rename"]
    organisation: OrganisationField
    name: PlaceName


class SetPolicy(Wire):
    """To whom at most each field of officials is shown; what is left out stays as it is."""

    operation: Literal["organisation.policy"]
    organisation: OrganisationField
    audiences: Annotated[dict[ProfileField, Audience], Field(min_length=1)]


class CreateUnit(Wire):
    """`parent` is the organisation itself if left out."""

    operation: Literal["unit.create"]
    organisation: OrganisationField
    name: PlaceName
    kind: UnitKind
    parent: UnitField | None = None


class RenameUnit(Wire):
    """As `RenameOrganisation`; of the organisation too, by its own id as the unit."""

    operation: Literal["unit.rename"]
    organisation: OrganisationField
    unit: UnitField
    name: PlaceName


class MoveUnit(Wire):
    """With everything below it, to another place in the same organisation."""

    operation: Literal["unit.move"]
    organisation: OrganisationField
    unit: UnitField
    parent: UnitField


class RemoveUnit(Wire):
    operation: Literal["unit.remove"]
    organisation: OrganisationField
    unit: UnitField


Operation = (
    CreateOrganisation
    | ShowOrganisation
    | RenameOrganisation
    | SetPolicy
    | CreateUnit
    | RenameUnit
    | MoveUnit
    | RemoveUnit
)


def carry_out(operation: Operation, *, now_seconds: int, store: OrganisationStore) -> dict[str, Any]:
    """Answers with the organisation as it stands then, and the unit concerned.

    Raises ProtocolError: not_found, unit_cycle, too_many_units, unit_too_deep, unit_name_taken, unit_not_empty,
    invalid_request, unavailable.
    """
    match operation:
        case CreateOrganisation():
            return shown(create(operation, now_seconds=now_seconds, store=store))
        case ShowOrganisation():
            return shown(read_tree(operation.organisation, store))
        case RenameOrganisation():
            found = store.rename(operation.organisation, UnitId(operation.organisation), operation.name)
            return shown(_found(store.tree(operation.organisation) if found else None))
        case SetPolicy():
            found = store.set_audiences(operation.organisation, operation.audiences)
            return shown(_found(store.tree(operation.organisation) if found else None))
        case CreateUnit():
            unit = create_unit(operation, now_seconds=now_seconds, store=store)
        case RenameUnit():
            unit = operation.unit
            rename(operation.organisation, unit, operation.name, store=store)
        case MoveUnit():
            unit = operation.unit
            move(operation.organisation, unit, operation.parent, store=store)
        case RemoveUnit():
            unit = operation.unit
            remove(operation.organisation, unit, store=store)
    return shown(read_tree(operation.organisation, store)) | {"unit": id_text(unit)}


def read_tree(organisation: OrganisationId, store: OrganisationStore) -> Tree:
    """Raises ProtocolError not_found."""
    return _found(store.tree(organisation))


def create(operation: CreateOrganisation, *, now_seconds: int, store: OrganisationStore) -> Tree:
    made = Organisation(new_organisation_id(), operation.name, now_seconds, tree_version=1)
    if not store.create(made, operation.kind):
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
    return read_tree(made.id, store)


def create_unit(
    operation: CreateUnit, *, now_seconds: int, store: OrganisationStore, id: UnitId | None = None
) -> UnitId:
    """`id` is drawn if left out. Raises ProtocolError not_found, too_many_units, unit_too_deep, unit_name_taken."""
    parent = operation.parent or UnitId(operation.organisation)
    unit = Unit(id or new_unit_id(), operation.name, operation.kind, parent, now_seconds)

    def change(tree: Tree) -> bool:
        _check_there(tree, parent=parent)
        _check_room(tree.organisation)
        _check_depth(tree.level(parent) + 1)
        _check_name(tree, unit.id, parent, unit.name)
        return store.add(tree, unit)

    _reshape(operation.organisation, change, store)
    return unit.id


def move(
    organisation: OrganisationId,
    unit: UnitId,
    parent: UnitId,
    *,
    name: str | None = None,
    version: int | None = None,
    store: OrganisationStore,
) -> None:
    """Change a unit: its `name`, if one is given; only at this `version`, if one is given.

    Raises ProtocolError not_found, unit_cycle (below itself, or the organisation at all), unit_too_deep,
    unit_name_taken, precondition_failed.
    """

    def change(tree: Tree) -> bool:
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
    organisation: OrganisationId, unit: UnitId, name: str, *, version: int | None = None, store: OrganisationStore
) -> None:
    """Of this `version`, if one is given. The tree keeps its shape but gets a new version: units that are made or moved
    at the same time are compared with the new name.

    Raises ProtocolError not_found, unit_name_taken, precondition_failed.
    """

    def change(tree: Tree) -> bool:
        _check_there(tree, unit=unit)
        _check_version(tree, unit, version)
        parent = tree.units[unit].parent
        if parent is None:
            return store.rename(organisation, unit, name, version=tree.units[unit].version)
        _check_name(tree, unit, parent, name)
        return store.move(tree, unit, parent, name=name)

    _reshape(organisation, change, store)


def remove(organisation: OrganisationId, unit: UnitId, *, version: int | None = None, store: OrganisationStore) -> None:
    """Of this `version`, if one is given.

    Raises ProtocolError not_found, unit_not_empty, precondition_failed; invalid_request for the organisation itself,
    which stays.
    """
    if unit == UnitId(organisation):
        raise invalid(ErrorCode.INVALID_REQUEST, "/unit", "is_the_organisation")

    def change(tree: Tree) -> bool:
        _check_there(tree, unit=unit)
        _check_version(tree, unit, version)
        found = tree.units[unit]
        if found.officials or found.groups or found.apps or tree.children(unit):
            raise ProtocolError(ErrorCode.UNIT_NOT_EMPTY)
        return store.remove(tree, unit)

    _reshape(organisation, change, store)


def _reshape(organisation: OrganisationId, change: Callable[[Tree], bool], store: OrganisationStore) -> None:
    """Decide anew on the tree as it stands, as often as somebody else was faster."""
    for _ in range(_TRIES):
        if change(read_tree(organisation, store)):
            return
    raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)


def _check_there(tree: Tree, **units: UnitId) -> None:
    """The units by the fields that name them."""
    for field, unit in units.items():
        if unit not in tree.units:
            raise missing(f"/{field}", "unit in the organisation")


def _check_version(tree: Tree, unit: UnitId, version: int | None) -> None:
    if version is not None and tree.units[unit].version != version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)


def _check_room(organisation: Organisation) -> None:
    """The number is exact: a unit is written on the condition that the tree has the version of this organisation."""
    if organisation.units >= MAX_UNITS:
        raise ProtocolError(ErrorCode.TOO_MANY_UNITS)


def _check_depth(levels: int) -> None:
    if levels > MAX_LEVELS:
        raise ProtocolError(ErrorCode.UNIT_TOO_DEEP)


def _check_name(tree: Tree, unit: UnitId, parent: UnitId, name: str) -> None:
    """Refuse a second unit with this name: neither people nor the paths of an import could tell the two apart."""
    key = name_key(name)
    if any(one.id != unit and one.parent == parent and name_key(one.name) == key for one in tree.units.values()):
        raise ProtocolError(ErrorCode.UNIT_NAME_TAKEN)


def _found(tree: Tree | None) -> Tree:
    if tree is None:
        raise missing("/organisation", "organisation")
    return tree


def shown(tree: Tree) -> dict[str, Any]:
    """Units stand behind what they are in."""
    return {
        "organisation": id_text(tree.organisation.id),
        "name": tree.units[tree.organisation.root].name,
        "created_at": tree.organisation.created_at,
        "policy": tree.organisation.policy,
        "units": [
            {
                "unit": id_text(unit.id),
                "name": unit.name,
                "kind": unit.kind,
                "parent": id_text(unit.parent) if unit.parent else None,
                "level": tree.level(unit.id),
                "officials": unit.officials,
                "groups": unit.groups,
            }
            for unit in tree.below(tree.organisation.root)
        ],
    }
