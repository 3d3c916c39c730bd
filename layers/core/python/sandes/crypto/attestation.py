"""Attestations: what the platform signs of a verification (docs/protocol/attestation.md, docs/adr/0017).

Name, post and unit stand in the statement as commitments, so that whoever may not see one of them can check the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import cbor2
from nacl import bindings

from sandes.model.ids import AccountId, OrganisationId
from sandes.model.verification import ATTESTED, AttestedField

SALT_BYTES = 16
_LABEL = b"SANDES1/attestation\0"
_MIN_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64


def commitment(value: str, salt: bytes) -> bytes:
    """32 bytes that give nothing of `value` away without the salt, and fit no other value."""
    return hashlib.blake2b(value.encode(), key=salt, digest_size=32).digest()


def statement(
    account: AccountId,
    organisation: OrganisationId,
    *,
    organisation_name: str,
    issued_at: int,
    expires_at: int,
    commitments: Mapping[AttestedField, bytes],
) -> bytes:
    """Deterministic CBOR. Times are epoch seconds."""
    return cbor2.dumps(
        {
            1: 1,
            2: account,
            3: organisation,
            4: organisation_name,
            5: issued_at,
            6: expires_at,
            7: {number: commitments[field] for number, field in enumerate(ATTESTED, start=1)},
        },
        canonical=True,
    )


@dataclass(frozen=True, slots=True, repr=False)
class AttestationKey:
    """The platform's Ed25519 key pair. Made with `AttestationKey.of(secret)`."""

    public: bytes
    private: bytes

    @classmethod
    def of(cls, secret: bytes) -> AttestationKey:
        """Raises ValueError for a secret of fewer than 32 bytes."""
        if len(secret) < _MIN_SECRET_BYTES:
            raise ValueError("the secret of attestations needs at least 32 bytes")
        seed = hashlib.blake2b(secret, digest_size=32, person=b"sandes-attest").digest()
        return cls(*bindings.crypto_sign_seed_keypair(seed))

    def sign(self, statement: bytes) -> bytes:
        return bindings.crypto_sign(_LABEL + statement, self.private)[:_SIGNATURE_BYTES]
