"""A challenge: a code sent to a phone number, or a link secret shown on a screen, that waits to be given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import DeviceAddress, RegistrationId

Purpose = Literal["register", "change_phone", "link"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A device at one registration: the one that a used challenge made, or the one that opened a link."""

    address: DeviceAddress
    registration: RegistrationId

    def __str__(self) -> str:
        return f"{self.address} {self.registration}"

    @classmethod
    def parse(cls, text: str) -> Outcome:
        address, _, registration = text.partition(" ")
        return cls(DeviceAddress.parse(address), RegistrationId(int(registration)))


@dataclass(frozen=True, slots=True)
class Challenge:
    """`subject` is the pseudonym of a phone number, or the device that opened a link.

    `hash` is the keyed hash of the code. `phone_sealed` (none for links) opens with the phone key, for the next SMS
    and for the account to be made.

    Times are epoch seconds. `expires_at` is when the row itself goes, later than the code, so that a late caller
    learns whether the code was used or has expired.
    """

    id: str
    purpose: Purpose
    subject: str
    phone_sealed: bytes | None
    hash: bytes
    attempts_left: int
    sends: int
    code_expires_at: int
    resend_after: int
    expires_at: int
    used: bool = False
    used_by: bytes | None = None
    outcome: Outcome | None = None
