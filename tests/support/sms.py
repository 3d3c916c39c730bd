"""Replaces an SMS gateway: it records the SMS, or fails."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError


@dataclass(frozen=True)
class Text:
    """Holds an SMS of an app, with the ids that India's operators require."""

    phone: PhoneNumber
    text: str
    entity_id: str
    template_id: str


@dataclass
class FakeSms:
    """Records SMS: `sent` holds number and code in order, and `texts` the SMS of apps.
    tests/integration/test_outside_contracts.py checks it.
    """

    sent: list[tuple[PhoneNumber, str]] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    failing: bool = False

    def send_code(self, phone: PhoneNumber, code: str) -> None:
        self._fail()
        self.sent.append((phone, code))

    def send_text(self, phone: PhoneNumber, text: str, *, entity_id: str, template_id: str) -> None:
        self._fail()
        self.texts.append(Text(phone, text, entity_id, template_id))

    def _fail(self) -> None:
        if self.failing:
            raise ProtocolError(ErrorCode.SMS_UNAVAILABLE, retry_after_seconds=30)

    @property
    def last_code(self) -> str:
        return self.sent[-1][1]


def other_code(code: str) -> str:
    """Return a code of the same form that is not `code`."""
    return f"{(int(code) + 1) % 1_000_000:06}"
