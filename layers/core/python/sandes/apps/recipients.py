"""Recipients of an app: reading addresses, guests of trial apps, magic recipients of test keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandes.crypto.pepper import Pepper
from sandes.identity.apps import AppCaller
from sandes.model.app import App
from sandes.model.ids import AccountId, account_text
from sandes.model.phone import PhoneNumber, parse_phone, plain_number
from sandes.protocol.app_api import Recipient
from sandes.protocol.errors import ErrorCode, ProtocolError

Outcome = Literal["delivered", "read", "unknown", "expired", "failed"]

MAGIC: dict[str, Outcome] = {
    "+990000000001": "delivered",
    "+990000000002": "read",
    "+990000000003": "unknown",
    "+990000000004": "expired",
    "+990000000005": "failed",
}
"""Numbers for test keys, each of which simulates an outcome. Nobody has them, because country code 990 is not
assigned.
"""

MAGIC_CODE = "12345678"
"""The code of an OTP to a magic recipient, cut to its length."""


@dataclass(frozen=True, slots=True)
class Address:
    """Holds a recipient. `indexes` are the pseudonyms of `phone`. Exactly one of `phone`, `account` and `magic`
    is set.
    """

    phone: PhoneNumber | None
    indexes: tuple[str, ...]
    account: AccountId | None
    magic: Outcome | None

    @classmethod
    def of_phone(cls, phone: PhoneNumber, pepper: Pepper) -> Address:
        return cls(phone, pepper.indexes("phone", phone), None, None)

    @property
    def index(self) -> str | None:
        """Return the pseudonym under which the number's account is found."""
        return self.indexes[0] if self.indexes else None

    def subjects(self, account: AccountId | None) -> list[str]:
        """Return the subjects of limits: the account, also for its number.

        A number without an account has one subject for each value of the pepper.
        """
        known = self.account or account
        if known:
            return [f"account:{account_text(known)}"]
        return [f"phone:{name}" for name in self.indexes or (self.magic,)]


def magic_outcome(subject: str) -> Outcome | None:
    """Return the outcome that a magic recipient's subject simulates, or None for any other subject."""
    kind, _, name = subject.partition(":")
    return next((outcome for outcome in MAGIC.values() if kind == "phone" and outcome == name), None)


def simulated(phone: str) -> Outcome | None:
    """Return the outcome that a magic number simulates, in any spelling of the number. None for any other text."""
    try:
        return MAGIC.get("".join(char for char in plain_number(phone) if char in "+0123456789"))
    except ValueError:
        return None


def read_address(to: Recipient, pepper: Pepper, *, pointer: str = "/to/phone") -> Address:
    """Read a recipient. Raises ProtocolError invalid_phone."""
    if to.account is not None:
        return Address(None, (), to.account, None)
    text = to.phone or ""
    if outcome := simulated(text):
        return Address(None, (), None, outcome)
    try:
        phone = parse_phone(text)
    except ValueError as error:
        raise ProtocolError(
            ErrorCode.INVALID_PHONE,
            details={"errors": [{"pointer": pointer, "code": "invalid_phone", "message": str(error)}]},
        ) from None
    return Address.of_phone(phone, pepper)


def check_reach(caller: AppCaller, address: Address) -> None:
    """Check that the caller may write to this address. Raises ProtocolError not_a_guest.

    A trial app or test key may only write to guests. Guests are numbers, so an account id is never a guest.
    """
    if not may_reach(caller.app, address, test=caller.key.test):
        raise ProtocolError(ErrorCode.NOT_A_GUEST)


def may_reach(app: App, address: Address, *, test: bool) -> bool:
    """Tell whether the app may write to this address. `test` is true for a test key."""
    if address.magic:
        return test
    return not (test or app.mode == "trial") or not app.guests.isdisjoint(address.indexes)
