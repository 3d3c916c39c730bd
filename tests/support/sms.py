"""An SMS gateway that keeps what it is given, or is out of order."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError


@dataclass
class FakeSms:
    """`sent` holds number and code in order; held to tests/integration/test_outside_contracts.py."""

    sent: list[tuple[PhoneNumber, str]] = field(default_factory=list)
    failing: bool = False

    def send_code(self, phone: PhoneNumber, code: str) -> None:
        if self.failing:
            raise ProtocolError(ErrorCode.SMS_UNAVAILABLE, retry_after_seconds=30)
        self.sent.append((phone, code))

    @property
    def last_code(self) -> str:
        return self.sent[-1][1]


def other_code(code: str) -> str:
    """A code of the same form that is not `code`."""
    return f"{(int(code) + 1) % 1_000_000:06}"
