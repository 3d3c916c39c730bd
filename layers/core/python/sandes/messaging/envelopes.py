"""Builds envelopes: contents sealed to one device and bound to their row (docs/protocol/seal2.md)."""

from __future__ import annotations

from sandes.crypto.seal import Content, Sealing
from sandes.crypto.sender_hash import SenderHash
from sandes.model.device import Route
from sandes.model.envelope import HEADER, VERSION, Envelope, envelope_id


def seal_for(
    route: Route,
    content: Content,
    *,
    expires_at: int,
    sender_hash: SenderHash,
    sealing: Sealing,
    accepted_at_ms: int | None = None,
) -> Envelope:
    """Seal `content` to one device, bound to its row. By default, `accepted_at_ms` is the content's time."""
    service = sealing.service.number
    header = HEADER.pack(VERSION, content.id, route.inbox, route.seal_key.number, expires_at, service)
    return Envelope(
        inbox=route.inbox,
        id=envelope_id(content.id, sender_hash(route.inbox, content.id, content.sender)),
        seal_key_number=route.seal_key.number,
        service_key=service,
        expires_at=expires_at,
        accepted_at_ms=content.at_ms if accepted_at_ms is None else accepted_at_ms,
        sealed=sealing(content.encode(), seal_public=route.seal_key.public, header=header),
    )
