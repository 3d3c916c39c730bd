"""Keys and signatures of webhooks (docs/apps/webhooks.md, "Signatures"; docs/adr/0014).

The keys are derived from one secret and never stored. The signatures follow Standard Webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from nacl import bindings

_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


def _derive(secret: bytes, use: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=use).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True, repr=False)
class WebhookKeys:
    """Derives a key pair and a symmetric secret for each webhook id. Create it with `WebhookKeys.of(secret)`."""

    pair_key: bytes
    secret_key: bytes

    @classmethod
    def of(cls, secret: bytes) -> WebhookKeys:
        """Derive the keys. Raises ValueError if the secret has fewer than 32 bytes."""
        if len(secret) < _MIN_SECRET_BYTES:
            raise ValueError("the secret of webhooks needs at least 32 bytes")
        return cls(_derive(secret, b"sandes-hook-pair"), _derive(secret, b"sandes-hook-hmac"))

    def public_key(self, webhook: str) -> str:
        """Return `whpk_` and the Ed25519 public key in base64. It verifies `v1a` signatures."""
        return "whpk_" + _base64(self._pair(webhook)[0])

    def secret(self, webhook: str) -> str:
        """Return `whsec_` and 32 bytes in base64. They verify `v1` signatures, and could also make them."""
        return "whsec_" + _base64(self._secret(webhook))

    def signature(self, webhook: str, *, id: str, timestamp: int, body: bytes) -> str:
        """Return the value of `webhook-signature`: Ed25519 and HMAC-SHA256 over id, time (epoch seconds) and body."""
        signed = f"{id}.{timestamp}.".encode() + body
        ed25519 = bindings.crypto_sign(signed, self._pair(webhook)[1])[:_SIGNATURE_BYTES]
        hmac_sha256 = hmac.new(self._secret(webhook), signed, hashlib.sha256).digest()
        return f"v1a,{_base64(ed25519)} v1,{_base64(hmac_sha256)}"

    def _pair(self, webhook: str) -> tuple[bytes, bytes]:
        seed = hashlib.blake2b(webhook.encode(), key=self.pair_key, digest_size=32, person=b"sandes-hook-seed").digest()
        return bindings.crypto_sign_seed_keypair(seed)

    def _secret(self, webhook: str) -> bytes:
        return hashlib.blake2b(
            webhook.encode(), key=self.secret_key, digest_size=32, person=b"sandes-hook-key"
        ).digest()
