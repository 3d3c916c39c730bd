"""The keyed hash in an envelope id. It tells senders apart without naming them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandes.model.app import AppSender
from sandes.model.ids import DeviceAddress, InboxId, MessageId


@dataclass(frozen=True, slots=True, repr=False)
class SenderHash:
    """Computes the keyed hash that stands for the sender in an envelope id.

    The hash also covers inbox and message. It is equal for a retry and different for everything else, so nobody can
    tell which stored envelopes have the same sender.
    """

    key: bytes

    @classmethod
    def of(cls, secret: bytes) -> SenderHash:
        """Derive the key. Raises ValueError if the secret has fewer than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the sender secret needs at least 32 bytes")
        return cls(hashlib.blake2b(secret, digest_size=32, person=b"sandes-sender").digest())

    def __call__(self, inbox: InboxId, message: MessageId, sender: DeviceAddress | AppSender) -> bytes:
        """Return 8 bytes. Devices have numbers from 1, so number 0 tells an app from the account with the same id."""
        author = sender.app + b"\0" if isinstance(sender, AppSender) else sender.account + bytes([sender.device])
        return hashlib.blake2b(inbox + message + author, digest_size=8, key=self.key).digest()
