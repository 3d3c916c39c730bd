"""What an administrator does by a right of theirs, as the audit chain has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandes.administration.authority import Permission, covers, everywhere, places_seen
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.ids import OrganisationId, administrator_text
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.organisations import OrganisationStore


def act(caller: Caller, right: Assignment, action: str, place: Place, subject: str, **details: Any) -> Act:
    return Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=place.organisation,
        unit=place.unit,
        subject=subject,
        details=details,
    )


def seen(
    caller: Caller, permission: Permission, organisation: OrganisationId, organisations: OrganisationStore
) -> Callable[[Place], bool]:
    """Tells the places of an organisation where the caller may read something of this kind. The tree is read only if it
    matters. Raises ProtocolError not_found where there is none.
    """
    rights = [
        one for one in places_seen(caller, permission) if everywhere(one.role) or one.place.organisation == organisation
    ]
    if not rights:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    if any(everywhere(one.role) or one.place.is_root for one in rights):
        return lambda place: place.organisation == organisation
    tree = organisations.glance(organisation)
    return lambda place: tree is not None and any(covers(one, place, tree) for one in rights)
