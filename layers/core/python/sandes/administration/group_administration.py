"""Official groups as administrators keep them, each where it belongs (administration/official_groups.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sandes.administration import official_groups
from sandes.administration.acts import act, seen
from sandes.administration.audit import Recorder
from sandes.administration.authority import Need, Permission, require
from sandes.administration.official_groups import OfficialGroupDependencies
from sandes.crypto.pepper import Pepper
from sandes.cursors import cursor, position
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.group import Group
from sandes.model.ids import GroupId, OrganisationId, UnitId, account_text, id_text, new_group_id
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


@dataclass(frozen=True, slots=True)
class GroupAdministrationDependencies:
    groups: OfficialGroupDependencies
    apps: AppStore
    recorder: Recorder
    pepper: Pepper

    def recording(self, what: Act, *, now_ms: int) -> OfficialGroupDependencies:
        """The groups, each of whose transactions is written with an entry of the act."""
        return self.groups.writing(self.recorder.writer(what, now_ms=now_ms))


def page(
    caller: Caller,
    organisation: OrganisationId | None,
    unit: UnitId | None,
    *,
    after: str | None,
    limit: int,
    deps: GroupAdministrationDependencies,
) -> OfficialGroupPage:
    """What the caller may see of the groups of an organisation, their own if left out; `unit`: of that very unit only.

    The tree, if it matters, and a query; one more read for groups that an older deployment has listed without names.
    Raises ProtocolError: not_found, invalid_cursor.
    """
    of = organisation or caller.administrator.home.organisation
    organisations = deps.groups.organisations
    if unit is None:
        shows = seen(caller, Permission.GROUPS, of, organisations)
    else:
        require(caller, Permission.GROUPS, "read", Place(of, unit), organisations)
        shows = _everything
    name = f"groups {id_text(of)} {id_text(unit) if unit else ''}"
    start = position(after, owner=caller.id, of=name, pepper=deps.pepper) if after else None
    found, last = deps.groups.groups.of_organisation(of, unit=unit, after=start, limit=limit)
    listed = [one for one in found if shows(Place(of, one.unit))]
    nameless = deps.groups.groups.read_many([one.group for one in listed if one.name is None])
    entries = [
        OfficialGroupEntry(group=one.group, unit=one.unit, name=one.name, audience=cast("Any", one.audience))
        if one.name is not None
        else OfficialGroupEntry(
            group=one.group,
            unit=one.unit,
            name=nameless[one.group].name,
            audience=cast("Any", nameless[one.group].audience),
        )
        for one in listed
        if one.name is not None or one.group in nameless
    ]
    return OfficialGroupPage(
        groups=entries, cursor=cursor(last, owner=caller.id, of=name, pepper=deps.pepper) if last else None
    )


def read(caller: Caller, id: GroupId, *, deps: GroupAdministrationDependencies) -> OfficialGroup:
    """Dissolved ones too, and those that an app manages. Raises ProtocolError not_found."""
    group, place, _ = _at_place(caller, id, "read", deps)
    return _shown(group, place)


def create(
    caller: Caller, new: NewOfficialGroup, *, now_ms: int, deps: GroupAdministrationDependencies
) -> OfficialGroup:
    """Raises ProtocolError: not_found, invalid_request, unavailable."""
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
        now_ms=now_ms,
        deps=deps.recording(act(caller, right, "group.create", place, id_text(id), **details), now_ms=now_ms),
    )
    return _shown(made, place)


def change(
    caller: Caller,
    id: GroupId,
    body: ChangeOfficialGroup,
    *,
    version: int | None,
    now_ms: int,
    deps: GroupAdministrationDependencies,
) -> OfficialGroup:
    """`version`: only if it is the group's. Raises ProtocolError: not_found, invalid_request, precondition_failed,
    unavailable.
    """
    _, place, right = _at_place(caller, id, "act", deps)
    details = body.model_dump(mode="json", exclude_none=True)
    did = act(caller, right, "group.change", place, id_text(id), changed=details)
    official_groups.change(
        id,
        name=body.name,
        posting=body.posting,
        is_open=body.open,
        version=version,
        now_ms=now_ms,
        deps=deps.recording(did, now_ms=now_ms),
    )
    return read(caller, id, deps=deps)


def set_admins(
    caller: Caller,
    id: GroupId,
    body: PutGroupAdmins,
    *,
    version: int | None,
    now_ms: int,
    deps: GroupAdministrationDependencies,
) -> OfficialGroup:
    """One after the other, each change with an entry in the audit chain. `version`: only if it is the group's at the
    beginning.

    Raises ProtocolError: not_found, invalid_request, precondition_failed, group_full, too_many_admins, unavailable.
    """
    group, place, right = _at_place(caller, id, "act", deps)
    if version is not None and version != group.version:
        raise ProtocolError(ErrorCode.PRECONDITION_FAILED)
    details = {"admins": sorted(account_text(account) for account in set(body.admins))}
    did = act(caller, right, "group.admins", place, id_text(id), **details)
    official_groups.set_admins(id, body.admins, now_ms=now_ms, deps=deps.recording(did, now_ms=now_ms))
    return read(caller, id, deps=deps)


def transfer(
    caller: Caller, id: GroupId, body: TransferOfficialGroup, *, now_ms: int, deps: GroupAdministrationDependencies
) -> OfficialGroup:
    """With the right in the unit that it leaves and in the one it comes to.

    Raises ProtocolError: not_found, invalid_request, unavailable.
    """
    _, place, right = _at_place(caller, id, "act", deps)
    to = Place(place.organisation, body.unit)
    require(caller, Permission.GROUPS, "act", to, deps.groups.organisations)
    details = {"unit": [id_text(place.unit), id_text(to.unit)]}
    did = act(caller, right, "group.transfer", place, id_text(id), **details)
    official_groups.transfer(id, to.unit, deps.recording(did, now_ms=now_ms), source=place.unit)
    return read(caller, id, deps=deps)


def dissolve(caller: Caller, id: GroupId, *, now_ms: int, deps: GroupAdministrationDependencies) -> None:
    """Of one that is dissolved already, nothing. Raises ProtocolError: not_found, unavailable."""
    _, place, right = _at_place(caller, id, "act", deps)
    did = act(caller, right, "group.dissolve", place, id_text(id))
    official_groups.dissolve(id, now_ms=now_ms, deps=deps.recording(did, now_ms=now_ms))


def _at_place(
    caller: Caller, id: GroupId, need: Need, deps: GroupAdministrationDependencies
) -> tuple[Group, Place, Assignment]:
    """An official group, its place, and the right that the caller has there. Raises ProtocolError not_found."""
    group = deps.groups.groups.read(id)
    place = _place(group, deps) if group and group.kind == "official" else None
    if group is None or place is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return group, place, require(caller, Permission.GROUPS, need, place, deps.groups.organisations)


def _place(group: Group, deps: GroupAdministrationDependencies) -> Place | None:
    """Of a group that an app manages, the app's; None where that is of no organisation."""
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


def _everything(_: Place) -> bool:
    return True
