"""Tests codes, the pepper and the sender hash: stored values reveal nothing without the key."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import CryptoError

from sandes.crypto.codes import code_hash, new_code, same
from sandes.crypto.pepper import Pepper
from sandes.crypto.sender_hash import SenderHash
from sandes.model.app import AppSender
from sandes.model.ids import AccountId, AppId, DeviceAddress, DeviceNumber, InboxId, MessageId
from sandes.model.phone import PhoneNumber

KEY = b"k" * 32
PHONE = PhoneNumber("+919876543210")
parts = st.text(max_size=12)


# Codes


def test_codes_have_six_digits_with_leading_zeros_and_differ() -> None:
    codes = {new_code(6) for _ in range(2_000)}
    assert all(len(code) == 6 and code.isdigit() for code in codes)
    assert len(codes) > 1_900
    assert any(code.startswith("0") for code in codes)


@given(st.tuples(parts, parts, parts, parts), st.tuples(parts, parts, parts, parts))
def test_no_two_splits_of_a_text_have_the_same_hash(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    hashes = [
        code_hash(KEY, code=code, challenge=challenge, subject=subject, purpose=purpose)
        for code, challenge, subject, purpose in (left, right)
    ]
    assert same(*hashes) == (left == right)


def test_moving_a_character_between_two_parts_changes_the_hash() -> None:
    assert code_hash(KEY, code="12", challenge="3", subject="s", purpose="p") != code_hash(
        KEY, code="1", challenge="23", subject="s", purpose="p"
    )


def test_a_code_under_another_key_has_another_hash() -> None:
    assert code_hash(KEY, code="1", challenge="c", subject="s", purpose="p") != code_hash(
        b"o" * 32, code="1", challenge="c", subject="s", purpose="p"
    )


# Pepper


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Pepper.of(b"p" * 31)
    with pytest.raises(ValueError, match="32 bytes"):
        SenderHash.of(b"s" * 31)


def test_the_keys_differ_and_are_not_shown() -> None:
    pepper = Pepper.of(KEY)
    keys = {pepper.index_key, pepper.phone_key, pepper.code_key, pepper.app_key, pepper.app_seal_key, KEY}
    assert len(keys) == 6
    assert all(repr(key) not in repr(pepper) for key in keys)
    assert "key" not in repr(SenderHash.of(KEY))


def test_an_index_is_stable_and_apart_by_kind_value_and_secret() -> None:
    pepper = Pepper.of(KEY)
    assert pepper.index("phone", PHONE) == Pepper.of(KEY).index("phone", PHONE)
    seen = {
        pepper.index("phone", PHONE),
        pepper.index("address", PHONE),
        pepper.index("phone", "+919876543211"),
        Pepper.of(b"o" * 32).index("phone", PHONE),
    }
    assert len(seen) == 4
    assert {len(text) for text in seen} == {22}


def test_a_sealed_number_opens_for_its_owner_only_and_never_looks_the_same() -> None:
    pepper = Pepper.of(KEY)
    sealed = pepper.seal_phone(PHONE, b"owner")
    assert pepper.open_phone(sealed, b"owner") == PHONE
    assert len(sealed) == len(PHONE) + 40
    assert pepper.seal_phone(PHONE, b"owner") != sealed
    with pytest.raises(CryptoError):
        pepper.open_phone(sealed, b"other")
    with pytest.raises(CryptoError):
        Pepper.of(b"o" * 32).open_phone(sealed, b"owner")
    with pytest.raises(CryptoError):
        pepper.open_phone(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"owner")


def test_what_the_server_seals_for_itself_opens_for_its_owner_only_and_not_as_a_number() -> None:
    pepper = Pepper.of(KEY)
    sealed = pepper.seal(PHONE.encode(), b"owner")
    assert pepper.open(sealed, b"owner") == PHONE.encode()
    assert pepper.seal(PHONE.encode(), b"owner") != sealed
    for opened in (pepper.open, pepper.open_phone):
        with pytest.raises(CryptoError):
            opened(sealed, b"other" if opened == pepper.open else b"owner")


@given(st.lists(st.binary(max_size=4), max_size=3), st.lists(st.binary(max_size=4), max_size=3))
def test_no_two_lists_of_parts_have_the_same_fingerprint(left: list[bytes], right: list[bytes]) -> None:
    pepper = Pepper.of(KEY)
    assert (pepper.fingerprint("use", *left) == pepper.fingerprint("use", *right)) == (left == right)


def test_a_fingerprint_is_apart_by_use_and_secret() -> None:
    pepper = Pepper.of(KEY)
    seen = {pepper.fingerprint("a", b"x"), pepper.fingerprint("b", b"x"), Pepper.of(b"o" * 32).fingerprint("a", b"x")}
    assert len(seen) == 3


# Sender hash


def address(account: bytes, number: int) -> DeviceAddress:
    return DeviceAddress(AccountId(account), DeviceNumber(number))


def test_a_sender_hash_is_equal_for_a_retry_and_different_for_anything_else() -> None:
    hash = SenderHash.of(KEY)
    inboxes = [InboxId(bytes([n]) * 16) for n in range(3)]
    messages = [MessageId(bytes([n]) * 16) for n in range(3)]
    senders = [address(bytes([n]) * 8, number) for n in range(3) for number in (1, 2)]
    all_of_them = list(itertools.product(inboxes, messages, senders))
    hashes = [hash(*one) for one in all_of_them]
    assert len(set(hashes)) == len(all_of_them)
    assert hashes == [SenderHash.of(KEY)(*one) for one in all_of_them]
    assert {len(each) for each in hashes} == {8}


def test_an_app_is_told_from_the_account_that_has_the_same_id() -> None:
    one = (InboxId(bytes(16)), MessageId(bytes(16)))
    hashes = [SenderHash.of(KEY)(*one, sender) for sender in (address(bytes(8), 1), AppSender(AppId(bytes(8)), "x"))]
    assert hashes[0] != hashes[1]
    assert hashes[1] == SenderHash.of(KEY)(*one, AppSender(AppId(bytes(8)), "renamed"))


def test_a_sender_hash_cannot_be_made_without_the_secret() -> None:
    one = (InboxId(bytes(16)), MessageId(bytes(16)), address(bytes(8), 1))
    assert SenderHash.of(KEY)(*one) != SenderHash.of(b"o" * 32)(*one)
