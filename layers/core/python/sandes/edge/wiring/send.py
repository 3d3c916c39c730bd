"""Dependencies of the `send` frame."""

from __future__ import annotations

from sandes.crypto.sender_hash import SenderHash
from sandes.edge.clients import client_of, secret_of
from sandes.edge.pusher import GatewayPusher
from sandes.edge.settings import SendSettings
from sandes.edge.wiring.fanout import fanout
from sandes.edge.wiring.shared import send_view, service_keys, tally
from sandes.groups.group_send import GroupSendDependencies
from sandes.limits import Limit, Meter
from sandes.messaging.push import Push
from sandes.messaging.send import SendDependencies
from sandes.runtime import once
from sandes.store.group_send_view import GroupSendView
from sandes.store.inbox import InboxStore
from sandes.store.limits import LimitStore


@once
def wire_send() -> SendDependencies:
    settings = SendSettings.load()
    view = send_view(settings)
    return SendDependencies(
        view=view,
        inbox=InboxStore(client_of("dynamodb"), settings.inbox_table),
        meter=Meter(Limit.SENDS, view.limits),
        push=Push(view.routing, GatewayPusher(client_of("apigatewaymanagementapi"))),
        sender_hash=SenderHash.of(secret_of(settings.sender_secret)),
        service_keys=service_keys(settings.seal_secret),
        tally=tally(settings.statistics_table),
        max_expiry_seconds=settings.max_expiry_seconds,
        inboxes=Meter(Limit.INBOX, view.limits, write_every=64),
    )


@once
def wire_group_send() -> GroupSendDependencies:
    """Build the dependencies of messages to groups, for the function of `send`."""
    settings = SendSettings.load()
    posts = fanout(settings)
    limits = LimitStore(client_of("dynamodb"), settings.limits_table)
    return GroupSendDependencies(
        view=GroupSendView(posts.routing, posts.groups, posts.store, limits),
        meter=Meter(Limit.GROUP_POSTS, limits),
        fanout=posts,
        tally=tally(settings.statistics_table),
        max_expiry_seconds=settings.max_expiry_seconds,
    )
