"""Tests signed statements: none passes for another, and a signature fits one key and one statement."""

from __future__ import annotations

from sandes.crypto.statements import registration_statement, seal_key_statement, signed_by
from tests.support.keys import DeviceKeys

KEYS = DeviceKeys()
ID = "A" * 22


def test_statements_have_the_bytes_of_the_specification() -> None:
    assert seal_key_statement(258, b"p" * 32) == b"SANDES1/seal-key\0\0\0\x01\x02" + b"p" * 32
    assert registration_statement(ID, b"k" * 32) == b"SANDES1/register\0" + b"A" * 22 + b"k" * 32


def test_a_signature_fits_its_own_statement_and_key_only() -> None:
    statement = registration_statement(ID, KEYS.identity_public)
    signature = KEYS.sign(statement)
    assert signed_by(KEYS.identity_public, statement, signature)
    assert not signed_by(DeviceKeys().identity_public, statement, signature)
    assert not signed_by(KEYS.identity_public, registration_statement("B" * 22, KEYS.identity_public), signature)
    assert not signed_by(KEYS.identity_public, statement + b"\0", signature)


def test_a_signature_over_a_seal_key_is_none_over_a_registration() -> None:
    """The caller chooses the bytes of both. Only the label keeps them apart."""
    public = KEYS.seal_public
    signature = KEYS.sign(seal_key_statement(1, public))
    assert not signed_by(KEYS.identity_public, b"SANDES1/register\0" + b"\0\0\0\x01" + public, signature)


def test_keys_and_signatures_of_another_length_fit_nothing() -> None:
    statement = seal_key_statement(1, KEYS.seal_public)
    signature = KEYS.sign(statement)
    for wrong in (b"", signature[:63], signature + b"\0"):
        assert not signed_by(KEYS.identity_public, statement, wrong)
    for key in (b"", KEYS.identity_public[:31], KEYS.identity_public + b"\0"):
        assert not signed_by(key, statement, signature)


def test_a_longer_signature_does_not_borrow_its_end_from_the_statement() -> None:
    signature = KEYS.sign(b"ab")
    assert signed_by(KEYS.identity_public, b"ab", signature)
    assert not signed_by(KEYS.identity_public, b"b", signature + b"a")
    assert not signed_by(KEYS.identity_public, signature[63:] + b"ab", signature[:63])
