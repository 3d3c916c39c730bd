"""Administration of official groups at their places (administration/groups/official_groups.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sandes.administration.authority import Need, Permission, path_seen, require
from sandes.administration.groups import official_groups
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.administration.recorder import Acts, act
from sandes.administration.scopes import Walk, by_unit
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.group import Group
from sandes.model.ids import GroupId, UnitId, account_text, id_text, new_group_id
from sandes.model.instant import Instant
from sandes.protocol.admin_groups_api import (
    ChangeOfficialGroup,
    NewOfficialGroup,
    OfficialGroup,
    OfficialGroupEntry,
    OfficialGroupPage,
    PutGroupAdmins,
    TransferOfficialGroup,
)
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.apps import AppStore
from sandes.store.groups import ListedGroup
from sandes.store.transaction import Operation


@dataclass(frozen=True, slots=True)
class GroupAdministrationDependencies(Acts):
    groups: OfficialGroupDependencies
    apps: AppStore
    pepper: Pepper

    def recorded(
        self, what: Act, right: Assignment, group: Group | None = None, *, now: Instant
    ) -> OfficialGroupDependencies:
        """Return the groups, whose transactions are written with an entry of the act.

        They are written only while the caller has the right, and while the `group`, or the app that manages it, is at
        the place of this right.
        """
        beside: list[Operation] = []
        if group is not None and group.unit is None and group.app is not None and what.unit is not None:
            beside = [self.apps.still_at(group.app, Place(what.organisation, what.unit))]
        writer = self.by_right(what, right, now=now, beside=beside)
        return self.groups.writing(writer, unit=group.unit if group else None)


def page(
    caller: Caller, place: Place, *, after: str | None, limit: int, deps: GroupAdministrationDependencies
) -> OfficialGroupPage:
    """List the live groups of the unit and of those below it, by unit, without app-managed ones.

    One more read is needed for groups that an older deployment has listed without names. Raises ProtocolError
    not_found, invalid_cursor.
    """
    tree = path_seen(caller, Permission.GROUPS, place, deps.groups.organisations)
    of = f"groups {id_text(place.organisation)} {id_text(place.unit)}"
    start = position(after, owner=caller.id, of=of, pepper=deps.pepper) if after else None

    def rows(unit: UnitId | None, after: str | None, limit: int) -> tuple[list[ListedGroup], str | None]:
        return deps.groups.groups.of_organisation(place.organisation, unit=unit, after=after, limit=limit)

    walk = Walk(place, tree, deps.groups.organisations, page=limit)
    found, last = by_unit(walk, rows, holds=lambda one: one.groups > 0, after=start, limit=limit)
    return OfficialGroupPage(
        groups=_entries(found, deps),
        cursor=cursor(last, owner=caller.id, of=of, pepper=deps.pepper) if last else None,
    )


def _entries(listed: Sequence[ListedGroup], deps: GroupAdministrationDependencies) -> list[OfficialGroupEntry]:
    nameless = deps.groups.groups.read_many([one.group for one in listed if one.name is None])
    entries = []
    for one in listed:
        known = nameless.get(one.group)
        name, audience = (known.name, known.audience) if known else (one.name, one.audience)
        if name is not None:
            entries.append(
                OfficialGroupEntry(group=one.group, unit=one.unit, name=name, audience=cast("Any", audience))
            )
    return entries


def read(caller: Caller, id: GroupId, *, deps: GroupAdministrationDependencies) -> OfficialGroup:
    """Return a group, also a dissolved or app-managed one. Raises ProtocolError not_found."""
    group, place, _ = _at_place(caller, id, "read", deps)
    return _shown(group, place)


def create(
    caller: Caller, new: NewOfficialGroup, *, now: Instant, deps: GroupAdministrationDependencies
) -> OfficialGroup:
    """Create a group. Raises ProtocolError not_found, invalid_request, unavailable."""
    place = Place(new.organisation, new.unit) if new.unit else Place.root(new.organisation)
    right = require(caller, Permission.GROUPS, "act", place, deps.groups.organisations)
    details = new.model_dump(mode="json", include={"name", "audience", "posting", "open", "admins"}, exclude_none=True)
    id = new_group_id()
    made = official_groups.create(
        place.organisation,
        place.unit,
        new.name,
        id=id,
        audience=new.audience,
        posting=new.posting,
        is_open=new.open,
        admins=new.admins,
        now=now,
        deps=deps.recorded(act(caller, right, "group.create", place, id_text(id), **details), right, now=now),
    )
    return _shown(made, place)


def change(
    caller: Caller,
    id: GroupId,
    body: ChangeOfficialGroup,
    *,
    version: int | None,
    now: Instant,
    deps: GroupAdministrationDependencies,
) -> OfficialGroup:
    """Change a group, only at this `version` if it is set.

    Raises ProtocolError not_found, invalid_request, precondition_failed, unavailable.
    """
    group, place, right = _at_place(caller, id, "act", deps)
    details = body.model_dump(mode="json", exclude_none=True)
    did = act(caller, right, "group.change", place, id_text(id), changed=details)
    official_groups.change(
        id,
        name=body.name,
        posting=body.posting,
        is_open=body.open,
        version=version,
        now=now,
        deps=deps.recorded(did, right, group, now=now),
    )
    return read(caller, id, deps=deps)


def set_admins(
    caller: Caller,
    id: GroupId,
    body: PutGroupAdmins,
    *,
    version: int | None,
    now: Instant,
    deps: GroupAdministrationDependencies,
) -> OfficialGroup:
    """Replace the admins one by one, each with an entry in the audit chain.

    If `version` is set, the group must have it at the beginning. Raises ProtocolError not_found, invalid_request,
    precondition_failed, group_full, too_many_admins, unavailable.
    """
    group, place, right = _at_place(caller, id, "act", deps)
    if version is not None and version != group.version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    details = {"admins": sorted(account_text(account) for account in set(body.admins))}
    did = act(caller, right, "group.admins", place, id_text(id), **details)
    recorded = deps.recorded(did, right, group, now=now)
    official_groups.set_admins(id, body.admins, now=now, deps=recorded)
    return read(caller, id, deps=deps)


def transfer(
    caller: Caller, id: GroupId, body: TransferOfficialGroup, *, now: Instant, deps: GroupAdministrationDependencies
) -> OfficialGroup:
    """Move a group to another unit. The caller needs the right in both units.

    Raises ProtocolError not_found, invalid_request, unavailable.
    """
    _, place, right = _at_place(caller, id, "act", deps)
    to = Place(place.organisation, body.unit)
    require(caller, Permission.GROUPS, "act", to, deps.groups.organisations)
    details = {"unit": [id_text(place.unit), id_text(to.unit)]}
    did = act(caller, right, "group.transfer", place, id_text(id), **details)
    official_groups.transfer(id, to.unit, deps.recorded(did, right, now=now), source=place.unit)
    return read(caller, id, deps=deps)


def dissolve(caller: Caller, id: GroupId, *, now: Instant, deps: GroupAdministrationDependencies) -> None:
    """Dissolve a group. Do nothing if it is dissolved already. Raises ProtocolError not_found, unavailable."""
    group, place, right = _at_place(caller, id, "act", deps)
    did = act(caller, right, "group.dissolve", place, id_text(id))
    official_groups.dissolve(id, now=now, deps=deps.recorded(did, right, group, now=now))


def _at_place(
    caller: Caller, id: GroupId, need: Need, deps: GroupAdministrationDependencies
) -> tuple[Group, Place, Assignment]:
    """Return an official group, its place, and the caller's right there. Raises ProtocolError not_found."""
    group = deps.groups.groups.read(id)
    place = _place(group, deps) if group and group.kind == "official" else None
    if group is None or place is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return group, place, require(caller, Permission.GROUPS, need, place, deps.groups.organisations)


def _place(group: Group, deps: GroupAdministrationDependencies) -> Place | None:
    """Return the place of a group, or of the app that manages it. Return None if that app has no organisation."""
    if group.organisation is not None and group.unit is not None:
        return Place(group.organisation, group.unit)
    app = deps.apps.read(group.app) if group.app is not None else None
    return app.place if app else None


def _shown(group: Group, place: Place) -> OfficialGroup:
    return OfficialGroup(
        group=group.id,
        organisation=place.organisation,
        unit=group.unit,
        app=group.app,
        name=group.name,
        audience=cast("Any", group.audience),
        posting=group.posting,
        open=group.open,
        state=group.state,
        members=group.members,
        limit=group.limit,
        admins=sorted(group.admins),
        version=group.version,
        created_at=datetime.fromtimestamp(group.created_at, UTC),
    )
