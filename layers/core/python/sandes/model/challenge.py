"""Challenges: a code sent to a phone number, or a link secret shown on a screen, that waits for its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.model.ids import DeviceAddress, RegistrationId

Purpose = Literal["register", "change_phone", "link"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Names a device at one registration: the device that a used challenge created, or the device that opened a
    link.
    """

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
    """Holds a challenge. `subject` is the pseudonym of a phone number, or the device that opened a link.

    `hash` is the keyed hash of the code. `phone_sealed` (None for links) is decrypted with the phone key for the next
    SMS and for the new account.

    Times are epoch seconds. The row itself expires at `expires_at`, later than the code. Until then a late caller
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
