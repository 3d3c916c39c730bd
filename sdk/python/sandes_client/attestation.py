"""Checks the platform's signed statement that an organisation verifies an account (docs/protocol/attestation.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.fields import cbor_map, number_of, sized, text_of
from sandes_client.ids import AccountId, account_text, parse_base64url

_LABEL = b"SANDES1/attestation\0"
_SIGNATURE_BYTES = 64
_SALT_BYTES = 16
_FIELDS = {"name": 1, "post": 2, "unit": 3}


class AttestationRefused(Exception):
    """Reports an invalid attestation. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Attested:
    """Holds what is attested, as far as the viewer may see it. Times are epoch seconds."""

    organisation: str
    organisation_name: str
    issued_at: int
    expires_at: int
    name: str | None = None
    post: str | None = None
    unit: str | None = None


def check_attestation(given: Any, *, account: AccountId, keys: Collection[bytes], now_seconds: int) -> Attested:
    """Return what the `attestation` of a profile attests of `account`. `keys` are the accepted keys.

    Raise AttestationRefused for another signature, account or format, an expired attestation, or a disclosure without a
    commitment.
    """
    try:
        statement, signature = parse_base64url(given["statement"]), parse_base64url(given["signature"])
        disclosed = [
            (text_of(one["field"]), parse_base64url(one["salt"]), one["value"]) for one in given["disclosures"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise AttestationRefused("it does not have the form of an attestation") from error
    if not _is_signed_by(statement, signature, keys):
        raise AttestationRefused("it is not signed by an accepted key")
    try:
        said = cbor_map(cbor2.loads(statement))
        if said[1] != 1 or cbor2.dumps(said, canonical=True) != statement:
            raise ValueError("expected format 1")
        commitments = {number: sized(said[7][number], 32) for number in _FIELDS.values()}
        expires_at, subject = number_of(said[6]), account_text(sized(said[2], 8))
        organisation, organisation_name = account_text(sized(said[3], 8)), text_of(said[4])
        issued_at = number_of(said[5])
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise AttestationRefused("the statement has an unknown form") from error
    if subject != account:
        raise AttestationRefused("it belongs to another account")
    if expires_at <= now_seconds:
        raise AttestationRefused("it has expired")
    return Attested(organisation, organisation_name, issued_at, expires_at, **_disclosures(disclosed, commitments))


def stated_expiry(given: Any) -> int | None:
    """Return when the `attestation` of a profile expires, epoch seconds, without checking it.

    None if it does not say.
    """
    try:
        return number_of(cbor_map(cbor2.loads(parse_base64url(given["statement"])))[6])
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError):
        return None


def is_signed(given: Any, keys: Collection[bytes]) -> bool:
    """Return False for an attestation that another key may have signed, so that newer keys may help."""
    try:
        return _is_signed_by(parse_base64url(given["statement"]), parse_base64url(given["signature"]), keys)
    except (KeyError, TypeError, ValueError):
        return True  # a malformed attestation is not signed by any key


def _is_signed_by(statement: bytes, signature: bytes, keys: Collection[bytes]) -> bool:
    return len(signature) == _SIGNATURE_BYTES and any(_holds(signature + _LABEL + statement, key) for key in keys)


def _holds(signed: bytes, public: bytes) -> bool:
    try:
        bindings.crypto_sign_open(signed, public)
    except (CryptoError, ValueError):
        return False
    return True


def _disclosures(disclosed: list[tuple[str, bytes, str]], commitments: dict[int, bytes]) -> dict[str, str]:
    shown: dict[str, str] = {}
    for field, salt, value in disclosed:
        if field not in _FIELDS or field in shown or len(salt) != _SALT_BYTES:
            raise AttestationRefused("a disclosure has an unknown form, or is given twice")
        if hashlib.blake2b(value.encode(), key=salt, digest_size=32).digest() != commitments[_FIELDS[field]]:
            raise AttestationRefused(f"the {field} differs from the attested one")
        shown[field] = value
    return shown
