"""Provides the client of the HTTPS app API for governance apps (docs/apps/README.md).

It covers OTPs, messages, batches, groups, webhooks and events.

    with SyncAppClient(AppCredentials.read(path)) as app:
        otp = app.otps.send("+919876543210", "login", variables={"service": "passports"})
        if app.otps.check(otp.id, code).approved:
            ...
"""

from sandes_client.api import Unreachable
from sandes_client.app.answers import (
    Batch,
    BatchResult,
    Event,
    EventPage,
    GroupMessage,
    Message,
    MessageAccepted,
    Otp,
    OtpChecked,
    Preview,
    Quota,
    RowFault,
    Template,
    Upload,
    Usage,
    Webhook,
    WebhookDelivery,
)
from sandes_client.app.calls import BatchRow, recipient
from sandes_client.app.client import AppClient, SyncAppClient
from sandes_client.app.credentials import AppCredentials, CredentialsInvalid
from sandes_client.app.exchange import AppApiError
from sandes_client.app.groups import AppGroup, AppGroupMember, Roster, RosterFault, RosterRow
from sandes_client.app.roster_file import read_roster
from sandes_client.app.webhook_signature import WebhookInvalid, verify_webhook

__all__ = [
    "AppApiError",
    "AppClient",
    "AppCredentials",
    "AppGroup",
    "AppGroupMember",
    "Batch",
    "BatchResult",
    "BatchRow",
    "CredentialsInvalid",
    "Event",
    "EventPage",
    "GroupMessage",
    "Message",
    "MessageAccepted",
    "Otp",
    "OtpChecked",
    "Preview",
    "Quota",
    "Roster",
    "RosterFault",
    "RosterRow",
    "RowFault",
    "SyncAppClient",
    "Template",
    "Unreachable",
    "Upload",
    "Usage",
    "Webhook",
    "WebhookDelivery",
    "WebhookInvalid",
    "read_roster",
    "recipient",
    "verify_webhook",
]
