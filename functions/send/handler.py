"""Handles the `send` frame, to a person or to a group."""

from __future__ import annotations

from sandes.edge.websocket import frame_handler
from sandes.edge.wiring.send import wire_group_send, wire_send
from sandes.groups.group_send import send_to_group
from sandes.messaging.send import send
from sandes.model.ids import ConnectionId
from sandes.model.instant import Instant
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Accepted, ClientFrame, GroupSend, Send


@frame_handler
def handler(frame: ClientFrame, principal: Principal, _: ConnectionId, now: Instant) -> Accepted:
    match frame:
        case Send():
            return send(frame, principal, now=now, deps=wire_send())
        case GroupSend():
            return send_to_group(frame, principal, now=now, deps=wire_group_send())
        case _:
            raise ProtocolError(ErrorCode.UNKNOWN_TYPE)
