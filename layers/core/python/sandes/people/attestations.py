"""Attestations as viewers of an official get them (docs/protocol/attestation.md)."""

from __future__ import annotations

from collections.abc import Collection

from sandes.model.verification import ATTESTED, AttestedField, Verification
from sandes.protocol.client_api import Attestation, AttestationKeyIntroduction, AttestationKeyList, Disclosure
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.verifications import VerificationStore


def attestation_keys(store: VerificationStore) -> AttestationKeyList:
    """Return the keys that verify attestations. Raises ProtocolError not_found before the first attestation."""
    told = store.attestation_keys()
    if told is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return AttestationKeyList(
        oldest=told.oldest,
        introductions=[
            AttestationKeyIntroduction(statement=one.statement, signature=one.signature) for one in told.entries
        ],
    )


def disclosed(verification: Verification, fields: Collection[AttestedField]) -> Attestation:
    """Return the attestation for a viewer who may see these fields."""
    attestation = verification.attestation
    return Attestation(
        statement=attestation.statement,
        signature=attestation.signature,
        disclosures=[
            Disclosure(field=field, salt=attestation.salts[field], value=attestation.values[field])
            for field in ATTESTED
            if field in fields
        ],
    )
