"""Attestations as those get them who look at an official (docs/protocol/attestation.md)."""

from __future__ import annotations

from collections.abc import Collection

from sandes.model.verification import ATTESTED, AttestedField, Verification
from sandes.protocol.client_api import Attestation, AttestationKey, Disclosure
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.verifications import VerificationStore


def attestation_key(store: VerificationStore) -> AttestationKey:
    """What attestations are checked with. Raises ProtocolError not_found before anything was attested."""
    public = store.attestation_key()
    if public is None:
        raise ProtocolError(ErrorCode.NOT_FOUND)
    return AttestationKey(public=public)


def disclosed(verification: Verification, fields: Collection[AttestedField]) -> Attestation:
    """The attestation for a viewer who may see these fields."""
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
