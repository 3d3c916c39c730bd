"""Dependencies of the frames with which a device receives."""

from __future__ import annotations

from functools import partial

from sandes.apps.app_status import StatusDependencies, take_receipt
from sandes.crypto.sender_hash import SenderHash
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import DeliverSettings
from sandes.edge.wiring.shared import send_view, service_keys, tally
from sandes.limits import FRAMES_PER_WRITE, Limit, Meter
from sandes.messaging.deliver import DeliverDependencies
from sandes.messaging.push import Push
from sandes.runtime import once
from sandes.store.apps import AppStore
from sandes.store.deliveries import DeliveryStore
from sandes.store.inbox import InboxStore


@once
def wire_deliver() -> DeliverDependencies:
    settings = DeliverSettings.load()
    view = send_view(settings)
    pusher = GatewayPusher(client_of("apigatewaymanagementapi"))
    return DeliverDependencies(
        routing=view.routing,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        view=view,
        frames=Meter(Limit.FRAMES, view.limits, write_every=FRAMES_PER_WRITE),
        receipts=Meter(Limit.RECEIPTS, view.limits),
        tally=tally(settings.statistics_table),
        push=Push(view.routing, pusher),
        pusher=pusher,
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=service_keys(settings.seal_secret),
        max_expiry_seconds=settings.max_expiry_seconds,
        app_receipts=partial(
            take_receipt,
            deps=StatusDependencies(
                AppStore(client_of("dynamodb"), settings.directory_table),
                DeliveryStore(client_of("dynamodb"), settings.deliveries_table),
                SqsQueue(client_of("sqs"), settings.webhook_queue),
            ),
        ),
    )
