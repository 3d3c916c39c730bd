"""Envelopes: one message encrypted for one device. Only the inbox, the time and the size are readable.

The header is stored in clear beside the sealed bytes and goes into their key (format `seal2`, docs/protocol/seal2.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sandes.model.ids import ENVELOPE_BYTES, EnvelopeId, InboxId, MessageId

HEADER = struct.Struct(">B16s16sIQB")
"""The header of 46 bytes: version, message id, inbox id, seal key number, expiry in epoch seconds, service key
number.
"""

VERSION = 2
_SEAL1_HEADER = struct.Struct(">B16s16sIQ")
MIN_EXPIRY_SECONDS = 60
"""The shortest lifetime that a sender may choose. It is limited because each expired envelope costs a read and a
delete.
"""

MAX_SERVICE_KEY_NUMBER = 255
"""The largest number of a service key. The number is one byte of the sealed header."""

MAX_BODY_BYTES = 64 * 1024
"""The largest ciphertext of one copy. Sealed and in base64, it fits into API Gateway's message of 128 KiB."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Holds one message as it is stored in an inbox. `expires_at` is epoch seconds.

    `accepted_at_ms` is the server's time in epoch milliseconds. `service_key` is the number of the service key that
    went into the seal. It is None for a row that names no key: one of the former format `seal1`, or one that the
    service did not write.
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
