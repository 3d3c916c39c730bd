"""An envelope: one message sealed to one device, in clear only which inbox, when and how big.

The header stands in clear beside the sealed bytes and goes into their key (format `seal2`, docs/protocol/seal2.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sandes.model.ids import ENVELOPE_BYTES, EnvelopeId, InboxId, MessageId

HEADER = struct.Struct(">B16s16sIQB")
"""Version, message id, inbox id, seal key number, expiry in epoch seconds, service key number: 46 bytes."""

VERSION = 2
_SEAL1_HEADER = struct.Struct(">B16s16sIQ")
MIN_EXPIRY_SECONDS = 60
"""The shortest time for which a sender may have an envelope kept: each one costs a read and a delete once expired."""

MAX_SERVICE_KEY_NUMBER = 255
"""The number of the service's key is one byte of the sealed header."""

MAX_BODY_BYTES = 64 * 1024
"""Largest ciphertext of one copy: base64 of it, sealed, stays within API Gateway's 128 KiB message."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`expires_at` is epoch seconds; `accepted_at_ms` epoch milliseconds, the server's clock.

    `service_key` is the number of the service's key that it was sealed with. It is None for a row that names none: one
    of the former format `seal1`, or one that the service did not write.
    """

    inbox: InboxId
    id: EnvelopeId
    seal_key_number: int
    service_key: int | None
    expires_at: int
    accepted_at_ms: int
    sealed: bytes

    @property
    def header(self) -> bytes:
        fields = (self.id[:16], self.inbox, self.seal_key_number, self.expires_at)
        if self.service_key is None:
            return _SEAL1_HEADER.pack(1, *fields)
        return HEADER.pack(VERSION, *fields, self.service_key)


def envelope_id(message: MessageId, sender_hash: bytes) -> EnvelopeId:
    joined = EnvelopeId(message + sender_hash)
    if len(joined) != ENVELOPE_BYTES:
        raise ValueError(f"an envelope id has {ENVELOPE_BYTES} bytes, not {len(joined)}")
    return joined
