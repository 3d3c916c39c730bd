"""The `send` frame."""

from __future__ import annotations

from sandes.edge.websocket import frame_handler
from sandes.edge.wiring import wire_send
from sandes.model.ids import ConnectionId
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Accepted, ClientFrame, Send
from sandes.send import send


@frame_handler
def handler(frame: ClientFrame, principal: Principal, _: ConnectionId, now_ms: int) -> Accepted:
    if not isinstance(frame, Send):
        raise ProtocolError(ErrorCode.UNKNOWN_TYPE)
    return send(frame, principal, now_ms=now_ms, deps=wire_send())
