"""An envelope: one message sealed to one device, in clear only which inbox, when and how big.

The header is what stands in clear beside the sealed bytes and is bound to them as associated data
(format `seal1`, docs/protocol/seal1.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sandes.model.ids import ENVELOPE_BYTES, EnvelopeId, InboxId, MessageId

HEADER = struct.Struct(">B16s16sIQ")
"""Version, message id, inbox id, seal key number, expiry in epoch seconds: 45 bytes."""

VERSION = 1
MIN_EXPIRY_SECONDS = 60
"""The shortest time for which a sender may have an envelope kept: each one costs a read and a delete once expired."""

MAX_BODY_BYTES = 64 * 1024
"""Largest ciphertext of one copy: base64 of it, sealed, stays within API Gateway's 128 KiB message."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`expires_at` is epoch seconds; `accepted_at_ms` epoch milliseconds, the server's clock."""

    inbox: InboxId
    id: EnvelopeId
    seal_key_number: int
    expires_at: int
    accepted_at_ms: int
    sealed: bytes

    @property
    def header(self) -> bytes:
        return HEADER.pack(VERSION, self.id[:16], self.inbox, self.seal_key_number, self.expires_at)


def envelope_id(message: MessageId, sender_hash: bytes) -> EnvelopeId:
    joined = EnvelopeId(message + sender_hash)
    if len(joined) != ENVELOPE_BYTES:
        raise ValueError(f"an envelope id has {ENVELOPE_BYTES} bytes, not {len(joined)}")
    return joined
