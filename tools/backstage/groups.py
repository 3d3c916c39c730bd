"""Carries out backstage operations on official groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sandes.administration.groups import official_groups
from sandes.administration.groups.official_groups import OfficialGroupDependencies
from sandes.model.group import MAX_ADMINS, Group, Posting
from sandes.model.ids import UnitId, account_text, app_text, id_text
from sandes.model.instant import Instant
from sandes.protocol.fields import AccountField, GroupField, Name, OrganisationField, UnitField, Wire

Admins = Annotated[list[AccountField], Field(max_length=MAX_ADMINS)]


class CreateGroup(Wire):
    """Creates a group of a unit, by default the organisation itself.

    Citizens only receive, so in their groups admins post.
    """

    operation: Literal["group.create"]
    organisation: OrganisationField
    unit: UnitField | None = None
    name: Annotated[str, Name, Field(min_length=1, max_length=100)]
    audience: Literal["officials", "citizens"] = "officials"
    posting: Posting | None = None
    open: bool = False
    admins: Admins = Field(default_factory=list)


class ShowGroup(Wire):
    operation: Literal["group.show"]
    group: GroupField


class SetAdmins(Wire):
    """Sets the admins of a group, which replace the old ones. Former admins stay members."""

    operation: Literal["group.admins"]
    group: GroupField
    admins: Admins


class TransferGroup(Wire):
    """Moves a group to another unit of its organisation. A group that an app manages is in no unit and cannot move."""

    operation: Literal["group.transfer"]
    group: GroupField
    unit: UnitField


class DissolveGroup(Wire):
    operation: Literal["group.dissolve"]
    group: GroupField


Operation = CreateGroup | ShowGroup | SetAdmins | TransferGroup | DissolveGroup


def carry_out(operation: Operation, *, now_ms: int, deps: OfficialGroupDependencies) -> dict[str, Any]:
    """Carry out an operation, and return the group as it is then.

    Raise ProtocolError: not_found, invalid_request, group_full, too_many_admins, unavailable.
    """
    match operation:
        case CreateGroup():
            made = official_groups.create(
                operation.organisation,
                operation.unit or UnitId(operation.organisation),
                operation.name,
                audience=operation.audience,
                posting=operation.posting,
                is_open=operation.open,
                admins=operation.admins,
                now=Instant(now_ms),
                deps=deps,
            )
            return _shown(made)
        case SetAdmins():
            official_groups.set_admins(operation.group, operation.admins, now=Instant(now_ms), deps=deps)
        case TransferGroup():
            official_groups.transfer(operation.group, operation.unit, deps)
        case DissolveGroup():
            official_groups.dissolve(operation.group, now=Instant(now_ms), deps=deps)
        case ShowGroup():
            pass
    return _shown(official_groups.official(operation.group, deps, dissolved=True))


def _shown(group: Group) -> dict[str, Any]:
    return {
        "group": id_text(group.id),
        "name": group.name,
        "organisation": id_text(group.organisation) if group.organisation else None,
        "unit": id_text(group.unit) if group.unit else None,
        "app": app_text(group.app) if group.app else None,
        "audience": group.audience,
        "posting": group.posting,
        "open": group.open,
        "state": group.state,
        "members": group.members,
        "admins": sorted(account_text(admin) for admin in group.admins),
        "version": group.version,
        "created_at": group.created_at,
    }
