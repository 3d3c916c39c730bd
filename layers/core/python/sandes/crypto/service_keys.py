"""The service keys, which authenticate every envelope to the devices (docs/protocol/service-keys.md).

All of them come from one secret outside the database. Write access to the database alone is not enough to seal.
"""

from __future__ import annotations

from typing import ClassVar

from nacl import bindings

from sandes.crypto.introductions import Keys, Purpose

SEALING = Purpose(b"SANDES1/service-key", b"seal", bindings.crypto_scalarmult_base)


class ServiceKeys(Keys):
    """Holds the X25519 key pairs that seal envelopes. Create it with `ServiceKeys.of`."""

    __slots__ = ()
    purpose: ClassVar[Purpose] = SEALING
