"""Sends e-mail to administrators by SES (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandes.protocol.errors import ErrorCode, ProtocolError


@dataclass(frozen=True, slots=True)
class SesMailer:
    """Sends e-mail. `sender` is an address at a domain that SES has verified, or empty if the stage has none."""

    client: Any
    sender: str

    def send(self, to: str, subject: str, text: str) -> None:
        """Send a text. Raises ProtocolError mail_not_set_up if the stage has no sender."""
        if not self.sender:
            raise ProtocolError(ErrorCode.MAIL_NOT_SET_UP)
        self.client.send_email(
            FromEmailAddress=self.sender,
            Destination={"ToAddresses": [to]},
            Content={"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}}},
        )
