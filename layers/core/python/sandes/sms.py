"""Decides which numbers may get SMS, and limits how many SMS are sent in an hour (docs/adr/0041).

Registrations and one-time passwords have separate budgets, so that neither can use up the other's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import phonenumbers

from sandes.limits import HOUR_SECONDS
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.faults import fault
from sandes.store.dynamo import StoreUnavailable
from sandes.store.limits import LimitStore

PREFIX_DROPS = 5
"""The number of last digits that a prefix omits. It covers 100,000 numbers, as India assigns them to operators."""

_MOBILE = {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
_KEEP_SECONDS = HOUR_SECONDS


@dataclass(frozen=True, slots=True)
class SmsRules:
    """Holds the calling codes of the countries that SMS go to, without the plus sign."""

    calling_codes: frozenset[int]

    @classmethod
    def of(cls, calling_codes: str) -> SmsRules:
        """Parse the setting: calling codes such as `+91`, separated by commas."""
        return cls(frozenset(int(code.removeprefix("+")) for code in calling_codes.split(",")))

    def allow(self, phone: PhoneNumber) -> bool:
        """Tell whether SMS go to this number. The answer depends on the number alone, never on who has it.

        Only mobile numbers get SMS, because premium-rate, shared-cost, satellite and other special numbers cost far
        more.
        """
        number = phonenumbers.parse(phone, None)
        return number.country_code in self.calling_codes and phonenumbers.number_type(number) in _MOBILE

    def check(self, phone: PhoneNumber) -> None:
        """Check the number. Raises ProtocolError phone_not_served."""
        if not self.allow(phone):
            raise ProtocolError(ErrorCode.PHONE_NOT_SERVED, details={"errors": [fault("/phone", "phone_not_served")]})


@dataclass(frozen=True, slots=True)
class SmsBudget:
    """Limits the SMS of one purpose in an hour: in total, and to the numbers of one prefix.

    `stopped` is called for each refused SMS. It writes the metric whose alarm alerts the operators.
    """

    purpose: str
    per_hour: int
    per_prefix: int
    store: LimitStore
    stopped: Callable[[], None]

    def take(self, phone: PhoneNumber, *, now_seconds: int) -> None:
        """Count one SMS.

        Raises ProtocolError sms_limited with the seconds until the hour ends, and StoreUnavailable.
        """
        hour = now_seconds // HOUR_SECONDS
        ends_at = (hour + 1) * HOUR_SECONDS
        for subject, most in ((f"prefix:{phone[:-PREFIX_DROPS]}", self.per_prefix), ("all", self.per_hour)):
            window = f"sms:{self.purpose}:{subject}", f"hour#{hour}"
            if not self.store.count(*window, most=most, keep_until=ends_at + _KEEP_SECONDS):
                self.stopped()
                raise ProtocolError(ErrorCode.SMS_LIMITED, retry_after_seconds=ends_at - now_seconds)

    def take_or_fail(self, phone: PhoneNumber, *, now_seconds: int) -> None:
        """Count one SMS for a waiting caller. Fails closed: raises ProtocolError sms_limited or unavailable."""
        try:
            self.take(phone, now_seconds=now_seconds)
        except StoreUnavailable as error:
            raise ProtocolError(ErrorCode.UNAVAILABLE, retry_after_seconds=5) from error


REGISTRATION_TEXT = "{code} is your Sandes code. It is valid for 5 minutes. Tell it to nobody."
"""The only SMS that the platform itself sends: for a registration or a change of number.

docs/operations/sms-in-india.md prints it as it is registered with India's operators.
"""


def registration_text(code: str) -> str:
    return REGISTRATION_TEXT.format(code=code)
