"""Organisations and their units for administrators, with an audit entry for each change.

A caller without a right to a place gets the same answer as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sandes.administration.approvals import ApprovalDependencies
from sandes.administration.authority import Permission, grants, path_seen, require, require_in
from sandes.administration.organisations import mail_domains, organisations
from sandes.administration.organisations.organisations import May
from sandes.administration.recorder import Acts
from sandes.administration.scopes import Standing, Walk
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor as make_cursor
from sandes.cursors import position
from sandes.limits import Limit, enforce
from sandes.model.administrator import PLATFORM, Assignment, Caller, Place
from sandes.model.approval import Approval
from sandes.model.audit import Act
from sandes.model.ids import OrganisationId, UnitId, administrator_text, id_text, new_unit_id, parse_unit
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation, Tree
from sandes.protocol.admin_api import utc
from sandes.protocol.admin_organisations_api import (
    AdminOrganisation,
    AdminOrganisations,
    AdminUnit,
    AdminUnits,
    ChangeOrganisation,
    ChangeUnit,
    ChangeVisibility,
    NewUnit,
    Visibility,
)
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.limits import LimitStore
from sandes.store.organisations import OrganisationStore


@dataclass(frozen=True, slots=True)
class PlaceDependencies(Acts):
    organisations: OrganisationStore
    pepper: Pepper
    limits: LimitStore


# Organisations


def all_seen(caller: Caller, *, after: str | None, limit: int, deps: PlaceDependencies) -> AdminOrganisations:
    """Return all organisations to callers who may read all, or else those in which the caller has a role, on one page.

    Raises ProtocolError invalid_cursor.
    """
    if not grants(caller, Permission.ORGANISATIONS, "read", Place.root(PLATFORM), deps.organisations):
        own = sorted({one.place.organisation for one in caller.assignments})
        if after is not None:
            raise ProtocolError(ErrorCode.INVALID_CURSOR)
        return AdminOrganisations(organisations=[_shown(one) for one in deps.organisations.some(own)])
    start = position(after, owner=caller.id, of="organisations", pepper=deps.pepper) if after else None
    found, last = deps.organisations.page(after=start, limit=limit)
    more = make_cursor(last, owner=caller.id, of="organisations", pepper=deps.pepper) if last else None
    return AdminOrganisations(organisations=[_shown(one) for one in found], cursor=more)


def read(caller: Caller, organisation: OrganisationId, *, deps: PlaceDependencies) -> AdminOrganisation:
    """Return an organisation. Raises ProtocolError not_found."""
    require(caller, Permission.UNITS, "read", Place.root(organisation), deps.organisations)
    return _shown(_organisation(organisation, deps))


def change(
    caller: Caller,
    organisation: OrganisationId,
    body: ChangeOrganisation,
    version: int | None,
    *,
    now: Instant,
    deps: PlaceDependencies,
    asking: ApprovalDependencies,
) -> AdminOrganisation | Approval:
    """Rename an organisation immediately, or request other mail domains, which need a second person.

    Raises ProtocolError not_found, precondition_failed, and the errors of `mail_domains.ask`.
    """
    place = Place.root(organisation)
    right = require(caller, Permission.UNITS, "act", place, deps.organisations)
    old = _organisation(organisation, deps)
    if body.mail_domains is not None:
        if version is not None and old.version != version:
            raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
        if body.mail_domains == list(old.mail_domains):
            return _shown(old)
        return mail_domains.ask(caller, old, body.mail_domains, now=now, deps=asking)
    name = body.name or old.name
    changes = {"name": {"old": old.name, "new": name}}
    store = _recorded(deps, caller, right, place, action="organisation.rename", now=now, details=changes)
    if not store.rename(organisation, UnitId(organisation), name, version=version):
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    return _shown(_organisation(organisation, deps))


def visibility(caller: Caller, organisation: OrganisationId, *, deps: PlaceDependencies) -> Visibility:
    """Return the visibility of fields. Raises ProtocolError not_found."""
    require(caller, Permission.VISIBILITY, "read", Place.root(organisation), deps.organisations)
    return _visibility(_organisation(organisation, deps))


def set_visibility(
    caller: Caller,
    organisation: OrganisationId,
    body: ChangeVisibility,
    version: int | None,
    *,
    now: Instant,
    deps: PlaceDependencies,
) -> Visibility:
    """Change the visibility of fields. Raises ProtocolError not_found, precondition_failed."""
    place = Place.root(organisation)
    right = require(caller, Permission.VISIBILITY, "act", place, deps.organisations)
    old = _organisation(organisation, deps).policy
    changes = {str(field): {"old": old[field], "new": audience} for field, audience in body.audiences.items()}
    store = _recorded(deps, caller, right, place, action="organisation.visibility", now=now, details=changes)
    if not store.set_audiences(organisation, body.audiences, version=version):
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    return _visibility(_organisation(organisation, deps))


# Units


def units(caller: Caller, place: Place, *, after: str | None, limit: int, deps: PlaceDependencies) -> AdminUnits:
    """List the unit and everything below it. A page reads its own units and those above them, not the whole tree.

    If the tree changes between two pages, a unit may come twice or not at all. Raises ProtocolError not_found, and
    invalid_cursor also if the last page's last unit was removed or moved away meanwhile.
    """
    tree = path_seen(caller, Permission.UNITS, place, deps.organisations)
    of = f"units {id_text(place.organisation)} {id_text(place.unit)}"
    walk = Walk(place, tree, deps.organisations, page=limit + 1)
    found = walk.units()
    if after is not None:
        _, found = walk.behind(parse_unit(position(after, owner=caller.id, of=of, pepper=deps.pepper)))
    page = list(islice(found, limit + 1))
    page, rest = page[:limit], page[limit:]
    more = make_cursor(id_text(page[-1].unit.id), owner=caller.id, of=of, pepper=deps.pepper) if rest else None
    return AdminUnits(units=[_shown_unit(one) for one in page], cursor=more)


def read_unit(caller: Caller, place: Place, *, deps: PlaceDependencies) -> AdminUnit:
    """Return a unit. Raises ProtocolError not_found."""
    tree = path_seen(caller, Permission.UNITS, place, deps.organisations)
    return _shown_unit(Standing(tree.units[place.unit], tree.level(place.unit)))


def create_unit(caller: Caller, body: NewUnit, *, now: Instant, deps: PlaceDependencies) -> AdminUnit:
    """Create a unit.

    Raises ProtocolError not_found, rate_limited, too_many_units, unit_too_deep, unit_name_taken, unavailable.
    """
    parent = body.parent or UnitId(body.organisation)
    right = require(caller, Permission.UNITS, "act", Place(body.organisation, parent), deps.organisations)
    _enforce(caller, now, deps)
    place = Place(body.organisation, new_unit_id())
    details = {"name": body.name, "kind": body.kind, "parent": id_text(parent)}
    store = _recorded(deps, caller, right, place, action="unit.create", now=now, details=details)
    organisations.create_unit(
        body.organisation,
        body.name,
        body.kind,
        parent,
        id=place.unit,
        now_seconds=now.seconds,
        store=store,
        may=_may(caller, parent),
    )
    return _unit(place, deps)


def change_unit(
    caller: Caller, place: Place, body: ChangeUnit, version: int | None, *, now: Instant, deps: PlaceDependencies
) -> AdminUnit:
    """Rename a unit, or move it with everything below it. A move needs the right at the new place too.

    Raises ProtocolError not_found, rate_limited, precondition_failed, unit_cycle, unit_too_deep, unit_name_taken,
    unavailable.
    """
    right = require(caller, Permission.UNITS, "act", place, deps.organisations)
    _enforce(caller, now, deps)
    old = _tree(place, deps).units[place.unit]
    if version is not None and old.version != version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    changes: dict[str, Any] = {"name": {"old": old.name, "new": body.name}} if body.name else {}
    parent = None if body.parent == old.parent else body.parent
    if parent is None and body.name is None:
        return _unit(place, deps)
    if parent is None:
        store = _recorded(deps, caller, right, place, action="unit.rename", now=now, details=changes)
        name, may = body.name or old.name, _may(caller, place.unit)
        organisations.rename(place.organisation, place.unit, name, version=version, store=store, may=may)
        return _unit(place, deps)
    require(caller, Permission.UNITS, "act", Place(place.organisation, parent), deps.organisations)
    changes["parent"] = {"old": id_text(old.parent) if old.parent else None, "new": id_text(parent)}
    store = _recorded(deps, caller, right, place, action="unit.move", now=now, details=changes)
    may = _may(caller, place.unit, parent)
    organisations.move(place.organisation, place.unit, parent, name=body.name, version=version, store=store, may=may)
    return _unit(place, deps)


def remove_unit(caller: Caller, place: Place, version: int | None, *, now: Instant, deps: PlaceDependencies) -> None:
    """Remove an empty unit, in which nobody has a role.

    Raises ProtocolError not_found, rate_limited, precondition_failed, unit_not_empty, invalid_request, unavailable.
    """
    right = require(caller, Permission.UNITS, "act", place, deps.organisations)
    _enforce(caller, now, deps)
    old = _tree(place, deps).units[place.unit]
    if version is not None and old.version != version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    held, _ = deps.administrators.of_organisation(place.organisation, unit=place.unit, limit=1)
    if held and not place.is_root:
        raise ProtocolError(ErrorCode.UNIT_NOT_EMPTY)
    details = {"name": old.name, "parent": id_text(old.parent) if old.parent else None}
    store = _recorded(deps, caller, right, place, action="unit.remove", now=now, details=details)
    organisations.remove(place.organisation, place.unit, version=version, store=store, may=_may(caller, place.unit))


def _may(caller: Caller, *units: UnitId) -> May:
    """Check the right to change these units again, because a unit may have been moved away since the first check."""

    def ask(tree: Tree) -> None:
        for unit in units:
            require_in(caller, Permission.UNITS, "act", unit, tree)

    return ask


def _enforce(caller: Caller, now: Instant, deps: PlaceDependencies) -> None:
    """Take one change of units from the caller's bucket. Raises ProtocolError rate_limited, unavailable."""
    enforce(deps.limits, Limit.UNIT_CHANGES, f"administrator:{administrator_text(caller.id)}", now=now)


def _recorded(
    deps: PlaceDependencies,
    caller: Caller,
    right: Assignment,
    place: Place,
    *,
    action: str,
    now: Instant,
    details: Mapping[str, Any],
) -> OrganisationStore:
    """Return the store, whose writes get an audit entry and are made only while the caller has the right."""
    act = Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=place.organisation,
        unit=place.unit,
        subject=id_text(place.unit),
        details=details,
    )
    return replace(deps.organisations, writer=deps.by_right(act, right, now=now))


def _organisation(organisation: OrganisationId, deps: PlaceDependencies) -> Organisation:
    found = deps.organisations.read(organisation)
    if found is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return found


def _tree(place: Place, deps: PlaceDependencies) -> Tree:
    """Return the unit with the units above it. Raises ProtocolError not_found."""
    tree = deps.organisations.paths(place.organisation, [place.unit])
    if tree is None or place.unit not in tree.units:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return tree


def _unit(place: Place, deps: PlaceDependencies) -> AdminUnit:
    tree = _tree(place, deps)
    return _shown_unit(Standing(tree.units[place.unit], tree.level(place.unit)))


def _shown(organisation: Organisation) -> AdminOrganisation:
    return AdminOrganisation(
        id=organisation.id,
        name=organisation.name,
        mail_domains=list(organisation.mail_domains),
        created_at=utc(organisation.created_at),
        version=organisation.version,
    )


def _visibility(organisation: Organisation) -> Visibility:
    return Visibility(audiences=organisation.policy, version=organisation.version)


def _shown_unit(standing: Standing) -> AdminUnit:
    unit = standing.unit
    return AdminUnit(
        id=unit.id,
        name=unit.name,
        kind=unit.kind,
        parent=unit.parent,
        level=standing.level,
        officials=unit.officials,
        groups=unit.groups,
        apps=unit.apps,
        created_at=utc(unit.created_at),
        version=unit.version,
    )
