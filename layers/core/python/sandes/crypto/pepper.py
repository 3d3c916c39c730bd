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
    """Keys for phone numbers, codes, and what apps send: to be recognised, to be read later. Made with `Pepper.of`."""

    index_key: bytes
    phone_key: bytes
    code_key: bytes
    app_key: bytes
    app_seal_key: bytes

    @classmethod
    def of(cls, secret: bytes) -> Pepper:
        """Raises ValueError for a secret of fewer than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the pepper needs at least 32 bytes")
        uses = (b"sandes-index", b"sandes-phone", b"sandes-code", b"sandes-app", b"sandes-app-seal")
        return cls(*(_derive(secret, use) for use in uses))

    def index(self, kind: str, value: str) -> str:
        """A stable pseudonym of 22 characters for a phone number or network address."""
        digest = hmac.new(self.index_key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()
        return base64url_text(digest[:16])

    def fingerprint(self, use: str, *parts: bytes) -> bytes:
        """A keyed hash of 16 bytes over parts that could be guessed: bodies with codes or numbers, idempotency keys.

        Each part stands behind its length (4 bytes), so no two splits give the same input.
        """
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (use.encode(), *parts))
        return hmac.new(self.app_key, message, hashlib.sha256).digest()[:16]

    def seal(self, plain: bytes, owner: bytes) -> bytes:
        """For the server's own later use: XChaCha20-Poly1305, bound to its owner's id, 40 bytes over `plain`."""
        nonce = bindings.randombytes(_NONCE_BYTES)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, owner, nonce, self.app_seal_key)

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """Raises nacl's CryptoError if it was sealed for another owner or under another secret."""
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[_NONCE_BYTES:], owner, sealed[:_NONCE_BYTES], self.app_seal_key
        )

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
