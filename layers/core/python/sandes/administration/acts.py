"""What an administrator does by a right of theirs, as the audit chain has it."""

from __future__ import annotations

from typing import Any

from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.ids import administrator_text


def act(caller: Caller, right: Assignment, action: str, place: Place, subject: str | None, **details: Any) -> Act:
    return Act(
        action=action,
        actor=administrator_text(caller.id),
        role=right.role.value,
        organisation=place.organisation,
        unit=place.unit,
        subject=subject,
        details=details,
    )
