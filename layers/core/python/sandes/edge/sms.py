"""Sends SMS by SNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.edge.telemetry import SMS, SMS_STOPPED, logger, measure
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import registration_text

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient as Client
else:
    Client = Any


@dataclass(frozen=True, slots=True)
class SnsSms:
    """Sends SMS. `entity_id` and `template_id` register the platform's own text in India; they are empty if it is not.

    https://docs.aws.amazon.com/sns/latest/dg/channels-sms-senderid-india.html
    """

    client: Client
    sender_id: str
    entity_id: str = ""
    template_id: str = ""

    def send_code(self, phone: PhoneNumber, code: str) -> None:
        ids = _registered(self.entity_id, self.template_id) if self.entity_id else {}
        self._publish(phone, registration_text(code), ids)

    def send_text(self, phone: PhoneNumber, text: str, *, entity_id: str, template_id: str) -> None:
        """Send a text with the ids under which India's operators (DLT) have registered sender and text."""
        self._publish(phone, text, _registered(entity_id, template_id))

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
        measure({SMS: 1})


def _registered(entity_id: str, template_id: str) -> dict[str, str]:
    return {"AWS.MM.SMS.EntityId": entity_id, "AWS.MM.SMS.TemplateId": template_id}


def sms_stopped() -> None:
    """Count an SMS that the hourly budget refused. The metric raises an alarm for operators."""
    logger().warning("sms stopped")
    measure({SMS_STOPPED: 1})
