"""Dependencies of the app API and of its queues, except one-time passwords and groups."""

from __future__ import annotations

from sandes import runtime
from sandes.apps.app_status import StatusDependencies
from sandes.apps.batches import BatchDependencies
from sandes.apps.group_messages import GroupMessageDependencies
from sandes.apps.messages import AppsDependencies
from sandes.apps.quotas import Quotas
from sandes.apps.webhook_address import AddressRule, networks_of
from sandes.apps.webhook_delivery import WebhookDeliveryDependencies
from sandes.apps.webhooks import WebhookDependencies
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.crypto.webhook_keys import WebhookKeys
from sandes.edge.clients import client_of, objects_client, secret_of
from sandes.edge.objects import S3Objects
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import AppExpirySettings, AppsSettings, BatchSettings, WebhookSettings
from sandes.edge.webhook_http import HttpPoster, SystemResolver
from sandes.edge.wiring.app_view import app_view
from sandes.edge.wiring.fanout import fanout
from sandes.edge.wiring.shared import service_keys
from sandes.messaging.push import Push
from sandes.runtime import once
from sandes.store.apps import AppStore
from sandes.store.batches import BatchStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.directory import DirectoryStore
from sandes.store.inbox import InboxStore
from sandes.store.webhooks import WebhookStore


@once
def wire_apps() -> AppsDependencies:
    """Build the dependencies of calls and of batches, from the settings that both functions have."""
    settings = BatchSettings.load()
    view = app_view(settings)
    return AppsDependencies(
        view=view,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        quotas=Quotas(view.deliveries),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        webhook_queue=SqsQueue(client_of("sqs"), settings.webhook_queue),
        pepper=Pepper.of(secret_of(settings.pepper_secret)),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=service_keys(settings.seal_secret),
        audience=settings.token_audience,
        max_expiry_seconds=settings.max_expiry_seconds,
    )


@once
def wire_group_messages() -> GroupMessageDependencies:
    """Build the dependencies of messages to groups."""
    settings = AppsSettings.load()
    directory = DirectoryStore(client_of("dynamodb"), settings.directory_table)
    return GroupMessageDependencies(wire_apps(), directory, fanout(settings))


@once
def wire_batches() -> BatchDependencies:
    """Build the dependencies of calls about batches and of the function that processes them."""
    settings = BatchSettings.load()
    dynamodb = client_of("dynamodb")
    return BatchDependencies(
        apps=wire_apps(),
        directory=DirectoryStore(dynamodb, settings.directory_table),
        store=BatchStore(dynamodb, settings.deliveries_table),
        objects=S3Objects(objects_client(), settings.uploads_bucket),
        queue=SqsQueue(client_of("sqs"), settings.batch_queue),
        clock=runtime.now,
    )


@once
def wire_webhooks() -> WebhookDependencies:
    """Build the dependencies of calls about webhooks."""
    settings, apps = AppsSettings.load(), wire_apps()
    return WebhookDependencies(
        view=apps.view,
        store=WebhookStore(apps.view.apps, apps.view.deliveries),
        queue=apps.webhook_queue,
        pepper=apps.pepper,
        keys=WebhookKeys.of(secret_of(settings.webhook_secret)),
        addresses=AddressRule(SystemResolver(), networks_of(settings.webhook_networks)),
        audience=settings.token_audience,
    )


@once
def wire_webhook_delivery() -> WebhookDeliveryDependencies:
    settings = WebhookSettings.load()
    dynamodb = client_of("dynamodb")
    return WebhookDeliveryDependencies(
        store=WebhookStore(
            AppStore(dynamodb, settings.directory_table), DeliveryStore(dynamodb, settings.deliveries_table)
        ),
        queue=SqsQueue(client_of("sqs"), settings.webhook_queue),
        keys=WebhookKeys.of(secret_of(settings.webhook_secret)),
        addresses=AddressRule(SystemResolver(), networks_of(settings.webhook_networks)),
        poster=HttpPoster(),
    )


@once
def wire_app_expiry() -> StatusDependencies:
    settings = AppExpirySettings.load()
    dynamodb = client_of("dynamodb")
    return StatusDependencies(
        AppStore(dynamodb, settings.directory_table),
        DeliveryStore(dynamodb, settings.deliveries_table),
        SqsQueue(client_of("sqs"), settings.webhook_queue),
    )
