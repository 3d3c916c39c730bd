"""What an administrator does by a right of theirs, as the audit chain has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandes.administration.audit.audit import BesideFailed, Recorder
from sandes.model.administrator import Assignment, Caller, Place
from sandes.model.audit import Act
from sandes.model.ids import administrator_text
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.dynamo import Writer


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


def recording(recorder: Recorder, what: Act, *, now_ms: int, conditions: Sequence[Any]) -> Writer:
    """A store's writer, with an entry of the act, that writes only while the conditions hold: the caller's right, and
    that what it is about is where they have it. Raises ProtocolError not_found if one does not.
    """
    write = recorder.writer(what, now_ms=now_ms, beside=conditions)

    def while_it_lasts(operations: Sequence[Any]) -> None:
        try:
            write(operations)
        except BesideFailed:
            raise ProtocolError(ErrorCode.NOT_FOUND) from None

    return while_it_lasts
