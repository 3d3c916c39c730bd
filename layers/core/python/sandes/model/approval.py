"""Approvals: a change that one person has requested and a second person decides on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandes.model.administrator import Place
from sandes.model.ids import AdministratorId, ApprovalId

ApprovalState = Literal["pending", "executed", "rejected", "cancelled", "lapsed"]

LAPSES_AFTER_SECONDS = 24 * 3600
KEPT_SECONDS = 400 * 86_400
"""How long the approval of an executed change is kept after its request. The audit chain keeps the change for ever."""
NOT_DONE_KEPT_SECONDS = 30 * 86_400
"""How long any other approval is kept after its request. It is shorter because it may name people who were never
invited.
"""


@dataclass(frozen=True, slots=True)
class Approval:
    """Holds an approval. `operation` names the change to make at `place` with `parameters` (JSON). Times are epoch
    seconds.

    `requester_home` is the requester's home at the time of the request. The ids of new objects are drawn at the request
    and are among the parameters.
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
    """A digest of the requested change. Two requests for the same change have the same digest."""

    @property
    def expires_at(self) -> int:
        return self.requested_at + LAPSES_AFTER_SECONDS

    @property
    def vanishes_at(self) -> int:
        """Return the epoch second from which the approval counts as absent."""
        return self.requested_at + (KEPT_SECONDS if self.decision == "executed" else NOT_DONE_KEPT_SECONDS)

    def state(self, now_seconds: int) -> ApprovalState:
        lapsed = self.decision == "pending" and self.expires_at <= now_seconds
        return "lapsed" if lapsed else self.decision
