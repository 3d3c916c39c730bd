"""Approvals: an act that takes two people, from the request of the one to the decision of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandes.model.administrator import Place
from sandes.model.ids import AdministratorId, ApprovalId

ApprovalState = Literal["pending", "executed", "rejected", "cancelled", "lapsed"]

LAPSES_AFTER_SECONDS = 24 * 3600
KEPT_SECONDS = 400 * 86_400
"""After its request, if it was done; the audit chain keeps what happened for good."""
NOT_DONE_KEPT_SECONDS = 30 * 86_400
"""Else: it may name people who were never invited."""


@dataclass(frozen=True, slots=True)
class Approval:
    """`operation` names what will be done with `parameters` (JSON) at `place`. Times are epoch seconds.

    `requester_home` stands as it was when it was asked for. Ids of what will be made are among the parameters: they are
    drawn when it is asked for.
    """

    id: ApprovalId
    operation: str
    parameters: Mapping[str, Any]
    place: Place
    requested_by: AdministratorId
    requester_name: str
    requester_home: Place
    requested_at: int
    decision: Literal["pending", "executed", "rejected", "cancelled"] = "pending"
    decided_by: AdministratorId | None = None
    decided_at: int | None = None
    reason: str | None = None
    same: bytes = b""
    """A digest of what it asks for: two requests that ask for the same have the same one."""

    @property
    def expires_at(self) -> int:
        return self.requested_at + LAPSES_AFTER_SECONDS

    @property
    def vanishes_at(self) -> int:
        """From then on it counts as not there."""
        return self.requested_at + (KEPT_SECONDS if self.decision == "executed" else NOT_DONE_KEPT_SECONDS)

    def state(self, now_seconds: int) -> ApprovalState:
        lapsed = self.decision == "pending" and self.expires_at <= now_seconds
        return "lapsed" if lapsed else self.decision
