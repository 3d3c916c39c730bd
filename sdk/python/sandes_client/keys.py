"""Holds the device's two key pairs: Ed25519 for signing (identity), and X25519 for sealing (seal key)."""

from __future__ import annotations

from dataclasses import dataclass

from nacl import bindings

from sandes_client.ids import RandomBytes


@dataclass(frozen=True, slots=True, repr=False)
class IdentityKey:
    """Holds an Ed25519 pair as its 32-byte seed. It belongs to a device or a link."""

    seed: bytes

    @classmethod
    def new(cls, random_bytes: RandomBytes) -> IdentityKey:
        return cls(random_bytes(32))

    @property
    def public(self) -> bytes:
        return bindings.crypto_sign_seed_keypair(self.seed)[0]

    def sign(self, statement: bytes) -> bytes:
        """Return the 64-byte signature alone."""
        return bindings.crypto_sign(statement, bindings.crypto_sign_seed_keypair(self.seed)[1])[:64]


@dataclass(frozen=True, slots=True, repr=False)
class SealKey:
    """Holds an X25519 pair with its number, which names it in envelope headers."""

    number: int
    secret: bytes

    @classmethod
    def new(cls, number: int, random_bytes: RandomBytes) -> SealKey:
        return cls(number, random_bytes(32))

    @property
    def public(self) -> bytes:
        return bindings.crypto_scalarmult_base(self.secret)
