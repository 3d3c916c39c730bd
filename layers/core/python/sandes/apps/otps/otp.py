"""Common parts of all requests about an OTP: its owner, its state, and how the API shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandes.apps.quotas import Quotas
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.service_keys import ServiceKeys
from sandes.identity.apps import AppCaller
from sandes.messaging.push import Push
from sandes.model.otp import Otp
from sandes.ports.queues import Queue
from sandes.protocol import app_api
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.sms import SmsRules
from sandes.store.app_view import AppView
from sandes.store.inbox import InboxStore

CHECKS_PER_CODE = 3

KEEP_SECONDS = 86_400
"""How long the state can be read after the last code has expired."""


@dataclass(frozen=True, slots=True)
class OtpDependencies:
    """Holds the dependencies. `sms_after_seconds` is the time for devices to acknowledge before the SMS is sent."""

    view: AppView
    inbox: InboxStore
    quotas: Quotas
    push: Push
    sms_queue: Queue
    sms_rules: SmsRules
    pepper: Pepper
    sender_hash: SenderHash
    service_keys: ServiceKeys
    audience: str
    sms_after_seconds: int


def own_otp(caller: AppCaller) -> Otp:
    """Return the caller's OTP. Raises ProtocolError not_found, also for an OTP of another app.

    A test OTP requested with a live key is not found either.
    """
    otp = caller.facts.otp
    if otp is None or otp.app != caller.app.id or otp.test != caller.key.test:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return otp


def check_pending(otp: Otp) -> None:
    if otp.state == "used":
        raise ProtocolError(ErrorCode.CODE_USED)
    if otp.state == "cancelled":
        raise ProtocolError(ErrorCode.CODE_CANCELLED)


def status_of(otp: Otp, now_seconds: int) -> Any:
    """Return `pending`, `used`, `cancelled`, `expired` or `locked`."""
    if otp.state != "pending":
        return otp.state
    if otp.code_expires_at <= now_seconds:
        return "expired"
    return "pending" if otp.attempts_left else "locked"


def shown(otp: Otp, status: Any, attempts_left: int, expires_at: int, resend_after: int) -> app_api.Otp:
    return app_api.Otp(
        id=otp.id,
        status=status,
        channel="app_then_sms" if otp.sms else "app",
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        resend_after=datetime.fromtimestamp(resend_after, UTC),
        attempts_left=attempts_left,
        client_ref=otp.client_ref,
    )
