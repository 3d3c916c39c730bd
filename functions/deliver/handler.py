"""Handles the frames by which a device receives, and answers frames of unknown types (route `$default`)."""

from __future__ import annotations

from sandes.edge.websocket import frame_handler
from sandes.edge.wiring.deliver import wire_deliver
from sandes.messaging.deliver import receive
from sandes.model.ids import ConnectionId
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.protocol.frames import ClientFrame, ServerFrame


@frame_handler
def handler(frame: ClientFrame, principal: Principal, connection: ConnectionId, now: Instant) -> ServerFrame:
    return receive(frame, principal, connection, now=now, deps=wire_deliver())
