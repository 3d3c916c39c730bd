"""Complaints about accounts, groups and apps, for the moderators who handle them (docs/adr/0028)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import ACCOUNT_BYTES, AdministratorId, ComplaintId, OrganisationId, UnitId

KEPT_SECONDS = 365 * 86_400
"""How long a complaint is kept after it was made, and again after it was resolved."""

Kind = Literal["account", "group", "app"]
Category = Literal["spam", "abuse", "impersonation", "fraud", "other"]
Outcome = Literal["upheld", "dismissed", "not_ours"]
State = Literal["open", "assigned", "resolved"]


@dataclass(frozen=True, slots=True)
class Complaint:
    """Holds a complaint. Times are epoch seconds.

    `about` holds the 8 bytes of the id of an account, group or app. `unit` is the unit that it belonged to at the time
    of the report. `text`, `reporter` and `note` are encrypted. Two complaints have the same `pseudonym` only if
    reporter and subject are the same.
    """

    id: ComplaintId
    unit: UnitId
    kind: Kind
    about: bytes
    category: Category
    text: bytes
    reporter: bytes
    pseudonym: str
    reported_at: int
    version: int = 1
    assigned_to: AdministratorId | None = None
    outcome: Outcome | None = None
    note: bytes | None = None
    resolved_at: int | None = None

    @staticmethod
    def organisation_of(id: ComplaintId) -> OrganisationId:
        return OrganisationId(id[:ACCOUNT_BYTES])

    @property
    def organisation(self) -> OrganisationId:
        return self.organisation_of(self.id)

    @property
    def vanishes_at(self) -> int:
        """Return the epoch second from which the complaint counts as absent."""
        return KEPT_SECONDS + (self.reported_at if self.resolved_at is None else self.resolved_at)

    @property
    def state(self) -> State:
        if self.outcome is not None:
            return "resolved"
        return "assigned" if self.assigned_to is not None else "open"
