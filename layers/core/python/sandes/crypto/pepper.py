"""Keys that live outside the database: one secret, a key for each use of it.

A dump of all tables without this secret tests no phone number and no code.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from nacl import bindings

from sandes.model.ids import base64url_text
from sandes.model.phone import PhoneNumber

_NONCE_BYTES = 24


def _derive(secret: bytes, use: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=use).digest()


@dataclass(frozen=True, slots=True, repr=False)
class Pepper:
    """Keys for phone numbers and codes. Made with `Pepper.of(secret)`."""

    index_key: bytes
    phone_key: bytes
    code_key: bytes

    @classmethod
    def of(cls, secret: bytes) -> Pepper:
        """Raises ValueError for a secret of fewer than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the pepper needs at least 32 bytes")
        return cls(_derive(secret, b"sandes-index"), _derive(secret, b"sandes-phone"), _derive(secret, b"sandes-code"))

    def index(self, kind: str, value: str) -> str:
        """A stable pseudonym of 22 characters for a phone number or network address."""
        digest = hmac.new(self.index_key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()
        return base64url_text(digest[:16])

    def seal_phone(self, phone: PhoneNumber, owner: bytes) -> bytes:
        """XChaCha20-Poly1305 under a random nonce, bound to its owner's id: 40 bytes over the number."""
        nonce = bindings.randombytes(_NONCE_BYTES)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(phone.encode(), owner, nonce, self.phone_key)

    def open_phone(self, sealed: bytes, owner: bytes) -> PhoneNumber:
        """Raises nacl's CryptoError if it was sealed for another owner or under another secret."""
        plain = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[_NONCE_BYTES:], owner, sealed[:_NONCE_BYTES], self.phone_key
        )
        return PhoneNumber(plain.decode())
