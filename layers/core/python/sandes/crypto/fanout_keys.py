"""Keys for the fan-out of posts. Stored names reveal nothing, and nobody else can read entries in queues.

They are derived from the sender secret, which is stored outside the database and the queues.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from nacl import bindings

from sandes.model.app import AppSender
from sandes.model.fanout import CHUNK_BYTES
from sandes.model.ids import AccountId, DeviceAddress, GroupId, MessageId, base64url_text

_NONCE_BYTES = 24
_OWNER = b"sandes-fanout"


def _derive(secret: bytes, use: bytes) -> bytes:
    return hashlib.blake2b(secret, digest_size=32, person=use).digest()


@dataclass(frozen=True, slots=True, repr=False)
class FanoutKeys:
    """Holds the keys. Create it with `FanoutKeys.of`."""

    name_key: bytes
    job_key: bytes

    @classmethod
    def of(cls, secret: bytes) -> FanoutKeys:
        """Derive the keys. Raises ValueError if the secret has fewer than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the sender secret needs at least 32 bytes")
        return cls(_derive(secret, b"sandes-post-name"), _derive(secret, b"sandes-job-seal"))

    def post(
        self, group: GroupId, message: MessageId, author: AccountId | AppSender, to: Iterable[AccountId] | None = None
    ) -> str:
        """Return the name of a post, 22 characters, the same for each repetition of the post.

        Without the key, it reveals neither group nor author nor recipients.
        """
        kind, id = (b"app", bytes(author.app)) if isinstance(author, AppSender) else (b"person", bytes(author))
        parts = [kind, group, message, id] + ([b"to", *sorted(set(to))] if to is not None else [])
        return base64url_text(self._hash(parts, 16))

    def chunk(self, post: str, sender: DeviceAddress | AppSender, members: Iterable[AccountId]) -> bytes:
        """Return the name of a chunk. It depends on the members, not on their order.

        A chunk therefore has the same name whenever the post is divided again.
        """
        device = b"" if isinstance(sender, AppSender) else bytes([sender.device])
        return self._hash([b"chunk", post.encode(), device, *sorted(members)], CHUNK_BYTES)

    def _hash(self, parts: Iterable[bytes], size: int) -> bytes:
        """Return a keyed hash. Each part follows its length (2 bytes), so that no two splits give the same input."""
        joined = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
        return hashlib.blake2b(joined, digest_size=size, key=self.name_key).digest()

    def seal(self, job: bytes) -> bytes:
        """Encrypt an entry for a queue with XChaCha20-Poly1305, which adds 40 bytes to `job`."""
        nonce = bindings.randombytes(_NONCE_BYTES)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(job, _OWNER, nonce, self.job_key)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt an entry. Raises nacl's CryptoError if it was changed, or encrypted under another secret."""
        nonce, data = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(data, _OWNER, nonce, self.job_key)
