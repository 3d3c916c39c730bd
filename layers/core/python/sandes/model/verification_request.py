"""Requests to be verified: a person asks an organisation, which says yes or no (docs/adr/0028)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.device import Account
from sandes.model.ids import ACCOUNT_BYTES, AccountId, DeviceNumber, OrganisationId, RegistrationId, RequestId, UnitId

LAPSES_SECONDS = 90 * 86_400
KEPT_SECONDS = 90 * 86_400
"""How long a decision can be seen."""

Source = Literal["device", "import"]
Decision = Literal["open", "verified", "rejected"]
State = Literal["open", "verified", "rejected", "lapsed"]


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """`unit`: the organisation itself as its root. Times are epoch seconds.

    It counts as long as the device is there that it came from: whoever registers the number anew is somebody else.
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
        """From then on it counts as not there."""
        return KEPT_SECONDS + (self.lapses_at if self.decided_at is None else self.decided_at)

    def state(self, account: Account | None = None, *, now_seconds: int) -> State:
        """With the account: also `lapsed` if the device is gone."""
        if self.decision != "open":
            return self.decision
        device = account.devices.get(self.device) if account else None
        gone = account is not None and (device is None or device.registration != self.registration)
        return "lapsed" if gone or self.lapses_at <= now_seconds else "open"
