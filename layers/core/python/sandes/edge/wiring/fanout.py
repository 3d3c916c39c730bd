"""Builds the fan-out, for the functions that post to groups."""

from __future__ import annotations

from sandes.crypto.fanout_keys import FanoutKeys
from sandes.crypto.sender_hash import SenderHash
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.queue import SqsQueue
from sandes.edge.settings import FanoutSettings
from sandes.edge.wiring.shared import service_keys
from sandes.groups.fanout import Fanout
from sandes.messaging.push import Push
from sandes.ports.sockets import Pusher
from sandes.store.fanouts import FanoutStore
from sandes.store.groups import GroupStore
from sandes.store.inbox import InboxStore
from sandes.store.routing import RoutingStore

POSTS_AT_ONCE = 8
"""The concurrent posts of one environment. They suffice for the pace to limit a fan-out, not the answers' delay."""


def fanout(settings: FanoutSettings, pusher: Pusher | None = None) -> Fanout:
    dynamodb, secret = client_of("dynamodb"), secret_of(settings.sender_secret)
    routing = RoutingStore(dynamodb, settings.routing_table)
    return Fanout(
        groups=GroupStore(dynamodb, settings.directory_table),
        routing=routing,
        inbox=InboxStore(dynamodb, settings.inbox_table),
        store=FanoutStore(dynamodb, settings.deliveries_table),
        push=Push(routing, pusher or GatewayPusher(client_of("apigatewaymanagementapi")), at_once=POSTS_AT_ONCE),
        queue=SqsQueue(client_of("sqs"), settings.fanout_queue),
        keys=FanoutKeys.of(secret),
        sender_hash=SenderHash.of(secret),
        service_keys=service_keys(settings.seal_secret),
    )
