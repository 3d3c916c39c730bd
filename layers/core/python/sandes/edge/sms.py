"""SMS through SNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.edge.telemetry import logger
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient as Client
else:
    Client = Any


@dataclass(frozen=True, slots=True)
class SnsSms:
    client: Client
    sender_id: str

    def send_code(self, phone: PhoneNumber, code: str) -> None:
        self._publish(phone, f"{code} is your Sandes code. It is valid for 5 minutes. Tell it to nobody.", {})

    def send_text(self, phone: PhoneNumber, text: str, *, entity_id: str, template_id: str) -> None:
        """With the ids under which sender and text are registered with India's operators (DLT)."""
        self._publish(phone, text, {"AWS.MM.SMS.EntityId": entity_id, "AWS.MM.SMS.TemplateId": template_id})

    def _publish(self, phone: PhoneNumber, text: str, more: Mapping[str, str]) -> None:
        attributes = {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": self.sender_id, **more}
        try:
            self.client.publish(
                PhoneNumber=phone,
                Message=text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (ClientError, BotoCoreError) as error:
            logger().warning("sms failed", error=type(error).__name__)
            raise ProtocolError(ErrorCode.SMS_UNAVAILABLE, retry_after_seconds=30) from None
