"""Access resets: an administrator who has lost the second factor gets a new start at the pool (docs/adr/0038)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.administrator import Place
from sandes.model.ids import AdministratorId, ApprovalId

OBJECTION_SECONDS = 24 * 3600
"""For so long after the e-mail to the person the reset waits, and the person can object."""

AccessResetState = Literal["announcing", "waiting", "acting", "inviting"]
"""`announcing`: the e-mail to the person is still to be sent. `waiting`: the person can object. `acting`: the password
and the authenticator are being replaced at the pool. `inviting`: they are, and the temporary password is being sent.
"""


@dataclass(frozen=True, slots=True)
class AccessReset:
    """One administrator's. `place`: where they work. Times are epoch seconds. `effective_at` is None until the person
    has been told. `confirmed_by`: the third person who has ended the waiting.
    """

    administrator: AdministratorId
    place: Place
    approval: ApprovalId
    requested_by: AdministratorId
    approved_by: AdministratorId
    approved_at: int
    state: AccessResetState = "announcing"
    effective_at: int | None = None
    confirmed_by: AdministratorId | None = None

    @property
    def can_be_stopped(self) -> bool:
        return self.state in {"announcing", "waiting"}
