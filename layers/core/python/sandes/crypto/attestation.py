"""Attestations: what the platform signs of a verification (docs/protocol/attestation.md, docs/adr/0017).

Name, post and unit stand in the statement as commitments, so that whoever may not see one of them can check the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

import cbor2
from nacl import bindings

from sandes.crypto.introductions import Key, Keys, Purpose
from sandes.model.ids import AccountId, OrganisationId
from sandes.model.verification import ATTESTED, AttestedField

SALT_BYTES = 16
_LABEL = b"SANDES1/attestation\0"
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


def _public_of(seed: bytes) -> bytes:
    return bindings.crypto_sign_seed_keypair(seed)[0]


ATTESTING = Purpose(b"SANDES1/attestation-key", b"attest", _public_of)


class AttestationKeys(Keys):
    """The platform's Ed25519 key pairs that sign attestations. Made with `AttestationKeys.of`."""

    __slots__ = ()
    purpose: ClassVar[Purpose] = ATTESTING


def sign(statement: bytes, key: Key) -> bytes:
    """Sign with a key of AttestationKeys."""
    return bindings.crypto_sign(_LABEL + statement, key.private + key.public)[:_SIGNATURE_BYTES]
