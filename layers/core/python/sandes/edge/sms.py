"""Codes by SMS, through SNS."""

from __future__ import annotations

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
        try:
            self.client.publish(
                PhoneNumber=phone,
                Message=f"{code} is your Sandes code. It is valid for 5 minutes. Tell it to nobody.",
                MessageAttributes={
                    "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
                    "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": self.sender_id},
                },
            )
        except (ClientError, BotoCoreError) as error:
            logger().warning("sms failed", error=type(error).__name__)
            raise ProtocolError(ErrorCode.SMS_UNAVAILABLE, retry_after_seconds=30) from None
