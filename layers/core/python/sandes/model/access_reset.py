"""Records of access resets: an administrator without the second factor gets new credentials (docs/adr/0038)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.administrator import Place
from sandes.model.ids import AdministratorId, ApprovalId

OBJECTION_SECONDS = 24 * 3600
"""The waiting time after the e-mail to the person. The person can object until it ends."""

AccessResetState = Literal["announcing", "waiting", "acting", "inviting"]
"""The step that a reset has reached.

- `announcing`: the e-mail to the person has not been sent yet.
- `waiting`: the person can object.
- `acting`: the pool is replacing the password and the authenticator.
- `inviting`: both are replaced, and the temporary password is being sent.
"""


@dataclass(frozen=True, slots=True)
class AccessReset:
    """Holds the access reset of one administrator. Times are epoch seconds.

    The administrator works at `place`. `effective_at` is None until the e-mail to the person has been sent.
    `confirmed_by` is the third person, who ended the waiting time early.
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
