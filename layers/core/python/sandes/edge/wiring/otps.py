"""Dependencies of one-time passwords and their SMS."""

from __future__ import annotations

from sandes.apps.otp_sms import SmsDependencies
from sandes.apps.otps.otp import OtpDependencies
from sandes.apps.quotas import Quotas
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import OtpSettings, OtpSmsSettings
from sandes.edge.sms import SnsSms
from sandes.edge.wiring.app_view import app_view
from sandes.edge.wiring.shared import service_keys
from sandes.edge.wiring.sms import sms_budget
from sandes.messaging.push import Push
from sandes.runtime import once
from sandes.sms import SmsRules
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore


@once
def wire_otp() -> OtpDependencies:
    settings = OtpSettings.load()
    view = app_view(settings)
    return OtpDependencies(
        view=view,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        sms_queue=SqsQueue(client_of("sqs"), settings.sms_queue),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=service_keys(settings.seal_secret),
        audience=settings.token_audience,
        sms_after_seconds=settings.sms_after_seconds,
        sms_rules=SmsRules.of(settings.sms_calling_codes),
    )


@once
def wire_otp_sms() -> SmsDependencies:
    settings = OtpSmsSettings.load()
    dynamodb = client_of("dynamodb")
    return SmsDependencies(
        view=app_view(settings),
        inbox=InboxStore(dynamodb, settings.inbox_table),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sms=SnsSms(client_of("sns"), settings.sms_sender_id),
        sms_rules=SmsRules.of(settings.sms_calling_codes),
        sms_budget=sms_budget(
            "otps", settings.sms_otps_hour, settings.sms_otps_prefix_hour, limits_table=settings.limits_table
        ),
    )
