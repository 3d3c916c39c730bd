"""Verification requests: a person asks an organisation for verification, and the organisation decides
(docs/adr/0028).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.device import Account
from sandes.model.ids import ACCOUNT_BYTES, AccountId, DeviceNumber, OrganisationId, RegistrationId, RequestId, UnitId

LAPSES_SECONDS = 90 * 86_400
KEPT_SECONDS = 90 * 86_400
"""How long a decision stays visible."""

Source = Literal["device", "import"]
Decision = Literal["open", "verified", "rejected"]
State = Literal["open", "verified", "rejected", "lapsed"]


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """Holds a verification request. Times are epoch seconds. `unit` is the root unit for the organisation itself.

    The request is valid only while the device that sent it exists, because a new registration of the number may be by
    somebody else.
    """

    id: RequestId
    unit: UnitId
    name: str
    post: str
    email: str | None
    source: Source
    device: DeviceNumber
    registration: RegistrationId
    requested_at: int
    decision: Decision = "open"
    decided_at: int | None = None
    reason: str | None = None

    @staticmethod
    def organisation_of(id: RequestId) -> OrganisationId:
        return OrganisationId(id[:ACCOUNT_BYTES])

    @staticmethod
    def account_of(id: RequestId) -> AccountId:
        return AccountId(id[ACCOUNT_BYTES : 2 * ACCOUNT_BYTES])

    @property
    def organisation(self) -> OrganisationId:
        return self.organisation_of(self.id)

    @property
    def account(self) -> AccountId:
        return self.account_of(self.id)

    @property
    def lapses_at(self) -> int:
        return self.requested_at + LAPSES_SECONDS

    @property
    def vanishes_at(self) -> int:
        """Return the epoch second from which the request counts as absent."""
        return KEPT_SECONDS + (self.lapses_at if self.decided_at is None else self.decided_at)

    def state(self, account: Account | None = None, *, now_seconds: int) -> State:
        """Return the state. With the account, it is also `lapsed` if the device no longer exists."""
        if self.decision != "open":
            return self.decision
        device = account.devices.get(self.device) if account else None
        gone = account is not None and (device is None or device.registration != self.registration)
        return "lapsed" if gone or self.lapses_at <= now_seconds else "open"
