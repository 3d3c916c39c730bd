"""Sends the SMS with a one-time password if no device has acknowledged the code in time.

This module implements docs/apps/README.md, "One-time passwords". `otps` queues the SMS before it stores the OTP.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandes.apps.otps.otp import status_of
from sandes.crypto.codes import same
from sandes.crypto.pepper import Pepper
from sandes.model.ids import AccountId, EnvelopeId, InboxId
from sandes.model.instant import Instant
from sandes.model.phone import PhoneNumber
from sandes.protocol.errors import ProtocolError
from sandes.sms import SmsBudget, SmsRules
from sandes.store.app_view import AppView
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.otps import OtpChanged

ORPHAN_SECONDS = 120
"""A queued SMS that has no OTP after this time belongs to a failed request."""


class OtpSms(Protocol):
    def send_text(self, phone: PhoneNumber, text: str, *, entity_id: str, template_id: str) -> None:
        """Send an SMS with the ids that India's operators require. Raises ProtocolError sms_unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class SmsDependencies:
    view: AppView
    inbox: InboxStore
    directory: DirectoryStore
    pepper: Pepper
    sms: OtpSms
    sms_rules: SmsRules
    sms_budget: SmsBudget


class NotYet(Exception):
    """Reports that the queued SMS must come again later."""


def send_sms(queued: Mapping[str, Any], *, queued_at: int, now: Instant, deps: SmsDependencies) -> str:
    """Send the SMS unless a device has acknowledged the code or it is no longer valid. Return the outcome for the log.

    A crash between the SMS and its record sends it again. An SMS over the hourly budget is not sent, because its code
    would be invalid in the next hour. Raises NotYet if this send is not stored yet, ProtocolError sms_unavailable, and
    StoreUnavailable.
    """
    now_seconds = now.seconds
    id = str(queued["otp"])
    rows = [(InboxId(_bytes(inbox)), EnvelopeId(_bytes(envelope))) for inbox, envelope in queued["envelopes"]]
    otp, waiting = deps.view.otp_and_envelopes(id, rows, inbox=deps.inbox, now_seconds=now_seconds)
    if otp is None or otp.sends < queued["send"]:
        if now_seconds - queued_at > ORPHAN_SECONDS:
            return "orphan"
        raise NotYet
    if not same(otp.hash, _bytes(queued["hash"])) or status_of(otp, now_seconds) != "pending":
        return "no_longer_needed"
    if otp.sms_send == otp.sends:
        return "sent_before"
    if len(waiting) < len(rows):
        return "acknowledged"
    phone, text, entity_id, template_id = json.loads(deps.pepper.open(_bytes(queued["sealed"]), id.encode()))
    if phone is None:
        phone = _phone_of(otp.account, deps)
        if phone is None:
            return "no_number"
    if not deps.sms_rules.allow(PhoneNumber(phone)):
        return "not_served"
    try:
        deps.sms_budget.take(PhoneNumber(phone), now_seconds=now_seconds)
    except ProtocolError:
        return "over_budget"
    deps.sms.send_text(PhoneNumber(phone), text, entity_id=entity_id, template_id=template_id)
    try:
        deps.view.otps.sent_by_sms(otp)
    except OtpChanged:
        return "sent_but_replaced"
    return "sent"


def _phone_of(account_id: AccountId | None, deps: SmsDependencies) -> PhoneNumber | None:
    account = deps.directory.account(account_id) if account_id else None
    return deps.pepper.open_phone(account.phone_sealed, account.id) if account else None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
