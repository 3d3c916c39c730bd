"""The device's two key pairs: Ed25519 to sign with (identity), X25519 to be sealed to (seal key)."""

from __future__ import annotations

from dataclasses import dataclass

from nacl import bindings

from sandes_client.ids import RandomBytes


@dataclass(frozen=True, slots=True, repr=False)
class IdentityKey:
    """An Ed25519 pair, kept as its 32-byte seed: of a device, or of a link."""

    seed: bytes

    @classmethod
    def new(cls, random_bytes: RandomBytes) -> IdentityKey:
        return cls(random_bytes(32))

    @property
    def public(self) -> bytes:
        return bindings.crypto_sign_seed_keypair(self.seed)[0]

    def sign(self, statement: bytes) -> bytes:
        """The 64-byte signature alone."""
        return bindings.crypto_sign(statement, bindings.crypto_sign_seed_keypair(self.seed)[1])[:64]


@dataclass(frozen=True, slots=True, repr=False)
class SealKey:
    """An X25519 pair under its number; the number is what envelope headers name it by."""

    number: int
    secret: bytes

    @classmethod
    def new(cls, number: int, random_bytes: RandomBytes) -> SealKey:
        return cls(number, random_bytes(32))

    @property
    def public(self) -> bytes:
        return bindings.crypto_scalarmult_base(self.secret)
