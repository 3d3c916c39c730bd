"""The keyed hash by which an envelope id tells senders apart without naming them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandes.model.app import AppSender
from sandes.model.ids import DeviceAddress, InboxId, MessageId


@dataclass(frozen=True, slots=True, repr=False)
class SenderHash:
    """Keyed hash that stands for the sender in an envelope id.

    It takes in inbox and message too: equal for a retry, different for anything else, so stored envelopes
    of one sender cannot be told to belong together.
    """

    key: bytes

    @classmethod
    def of(cls, secret: bytes) -> SenderHash:
        """Raises ValueError for a secret of fewer than 32 bytes."""
        if len(secret) < 32:
            raise ValueError("the sender secret needs at least 32 bytes")
        return cls(hashlib.blake2b(secret, digest_size=32, person=b"sandes-sender").digest())

    def __call__(self, inbox: InboxId, message: MessageId, sender: DeviceAddress | AppSender) -> bytes:
        """Devices have numbers from 1: an app, as number 0, is told from the account that has the same id."""
        author = sender.app + b"\0" if isinstance(sender, AppSender) else sender.account + bytes([sender.device])
        return hashlib.blake2b(inbox + message + author, digest_size=8, key=self.key).digest()
