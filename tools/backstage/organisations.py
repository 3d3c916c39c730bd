"""Carries out backstage operations on organisations and their units."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.administration.organisations import organisations
from sandes.model.ids import UnitId, id_text, new_organisation_id
from sandes.model.organisation import Organisation, Tree, UnitKind
from sandes.model.profile import Audience
from sandes.model.profile import Field as ProfileField
from sandes.protocol.admin_organisations_api import PlaceName
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.fields import OrganisationField, UnitField, Wire
from sandes.store.organisations import OrganisationStore


class CreateOrganisation(Wire):
    """Creates an organisation, which is its own root unit, of the given kind."""

    operation: Literal["organisation.create"]
    name: PlaceName
    kind: UnitKind = "ministry"


class ShowOrganisation(Wire):
    operation: Literal["organisation.show"]
    organisation: OrganisationField


class RenameOrganisation(Wire):
    """Renames an organisation. Attestations keep the old name until they are renewed."""

    operation: Literal["organisation.rename"]
    organisation: OrganisationField
    name: PlaceName


class SetPolicy(Wire):
    """Sets the widest audience of fields of officials. Fields that are left out stay as they are."""

    operation: Literal["organisation.policy"]
    organisation: OrganisationField
    audiences: Annotated[dict[ProfileField, Audience], Field(min_length=1)]


class CreateUnit(Wire):
    """Creates a unit. `parent` is by default the organisation itself."""

    operation: Literal["unit.create"]
    organisation: OrganisationField
    name: PlaceName
    kind: UnitKind
    parent: UnitField | None = None


class RenameUnit(Wire):
    """Renames a unit, or the organisation, if its own id is given. See `RenameOrganisation`."""

    operation: Literal["unit.rename"]
    organisation: OrganisationField
    unit: UnitField
    name: PlaceName


class MoveUnit(Wire):
    """Moves a unit and everything below it to another place in the same organisation."""

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
    """Carry out an operation, and return the organisation and the unit as they are then.

    Raise ProtocolError: not_found, unit_cycle, too_many_units, unit_too_deep, unit_name_taken, unit_not_empty,
    invalid_request, unavailable.
    """
    match operation:
        case CreateOrganisation():
            return _shown(_create(operation, now_seconds, store))
        case ShowOrganisation():
            return _shown(organisations.read_tree(operation.organisation, store))
        case RenameOrganisation():
            store.rename(operation.organisation, UnitId(operation.organisation), operation.name)
            return _shown(organisations.read_tree(operation.organisation, store))
        case SetPolicy():
            store.set_audiences(operation.organisation, operation.audiences)
            return _shown(organisations.read_tree(operation.organisation, store))
        case CreateUnit():
            parent = operation.parent or UnitId(operation.organisation)
            unit = organisations.create_unit(
                operation.organisation, operation.name, operation.kind, parent, now_seconds=now_seconds, store=store
            )
        case RenameUnit():
            unit = operation.unit
            organisations.rename(operation.organisation, unit, operation.name, store=store)
        case MoveUnit():
            unit = operation.unit
            organisations.move(operation.organisation, unit, operation.parent, store=store)
        case RemoveUnit():
            unit = operation.unit
            organisations.remove(operation.organisation, unit, store=store)
    return _shown(organisations.read_tree(operation.organisation, store)) | {"unit": id_text(unit)}


def _create(operation: CreateOrganisation, now_seconds: int, store: OrganisationStore) -> Tree:
    made = Organisation(new_organisation_id(), operation.name, now_seconds, tree_version=1)
    if not store.create(made, operation.kind):
        raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=1)
    return organisations.read_tree(made.id, store)


def _shown(tree: Tree) -> dict[str, Any]:
    """Return the tree as a list. Each unit comes after its parent."""
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
