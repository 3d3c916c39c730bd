"""Attestations: what is signed, and that what is not disclosed stays hidden."""

from __future__ import annotations

import pytest

from sandes.crypto.attestation import AttestationKey, commitment


def test_a_commitment_fits_one_value_and_one_salt() -> None:
    made = commitment("Asha Rao", b"s" * 16)
    assert len(made) == 32
    assert made == commitment("Asha Rao", b"s" * 16)
    assert made != commitment("Asha Rao", b"t" * 16)
    assert made != commitment("Asha Roy", b"s" * 16)


def test_another_secret_is_another_key() -> None:
    one, other = AttestationKey.of(b"a" * 32), AttestationKey.of(b"b" * 32)
    assert one.public != other.public
    assert one.sign(b"statement") != other.sign(b"statement")


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AttestationKey.of(b"a" * 31)


def test_no_secret_shows_in_a_traceback() -> None:
    key = AttestationKey.of(b"a" * 32)
    assert key.private.hex()[:16] not in repr(key)
    assert repr(key.private) not in repr(key)
