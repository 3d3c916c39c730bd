"""Attestations: the platform's signed statements about verifications (docs/protocol/attestation.md, docs/adr/0017).

A statement holds name, post and unit as commitments. Viewers who may not see one of them can still check the others.
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
    """Return a commitment of 32 bytes. It reveals nothing of `value` without the salt, and matches no other value."""
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
    """Encode the statement as deterministic CBOR. Times are epoch seconds."""
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
    """Holds the platform's Ed25519 key pairs that sign attestations. Create it with `AttestationKeys.of`."""

    __slots__ = ()
    purpose: ClassVar[Purpose] = ATTESTING


def sign(statement: bytes, key: Key) -> bytes:
    """Sign a statement with a key of AttestationKeys."""
    return bindings.crypto_sign(_LABEL + statement, key.private + key.public)[:_SIGNATURE_BYTES]
