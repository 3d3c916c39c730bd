"""The keys by which devices know the service: they authenticate every envelope (docs/protocol/service-keys.md).

All of them come from one secret, which is kept outside the database: whoever can write rows cannot seal.
"""

from __future__ import annotations

from typing import ClassVar

from nacl import bindings

from sandes.crypto.introductions import Keys, Purpose

SEALING = Purpose(b"SANDES1/service-key", b"seal", bindings.crypto_scalarmult_base)


class ServiceKeys(Keys):
    """X25519 key pairs that seal envelopes. Made with `ServiceKeys.of`."""

    __slots__ = ()
    purpose: ClassVar[Purpose] = SEALING
