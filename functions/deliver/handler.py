"""The frames by which a device receives, and the answer to frames of no known type (route `$default`)."""

from __future__ import annotations

from sandes.deliver import ack, hello, ping, sync
from sandes.edge.websocket import frame_handler
from sandes.edge.wiring import wire_deliver
from sandes.model.ids import ConnectionId
from sandes.model.principal import Principal
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.protocol.frames import Ack, ClientFrame, Hello, Ping, ServerFrame, Sync


@frame_handler
def handler(frame: ClientFrame, principal: Principal, connection: ConnectionId, now_ms: int) -> ServerFrame:
    match frame:
        case Hello():
            return hello(frame, principal, connection, now_ms=now_ms, deps=wire_deliver())
        case Sync():
            return sync(frame, principal, connection, now_ms=now_ms, deps=wire_deliver())
        case Ack():
            return ack(frame, principal, now_ms=now_ms, deps=wire_deliver())
        case Ping():
            return ping(frame, principal, connection, now_ms=now_ms, deps=wire_deliver())
        case _:
            raise ProtocolError(ErrorCode.UNKNOWN_TYPE)
