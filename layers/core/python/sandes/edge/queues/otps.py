"""The entry point of the queue of SMS for codes that no device has acknowledged."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sandes import runtime
from sandes.apps import otp_sms
from sandes.edge.queues.records import each_record
from sandes.edge.wiring.otps import wire_otp_sms

__all__ = ["sms"]


def sms(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    return each_record(
        event,
        "sms",
        lambda body, record: otp_sms.send_sms(
            body, queued_at=record.sent_at_seconds, now=runtime.now(), deps=wire_otp_sms()
        ),
    )
