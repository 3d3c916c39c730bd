"""Tests seal2: only the service can seal, and each envelope opens with one key under one header."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey

from sandes.crypto.introductions import Key
from sandes.crypto.seal import (
    OVERHEAD_BYTES,
    Content,
    Kind,
    ReceiptKind,
    Sealing,
    check_seal_key,
    receipt_body,
)
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.envelope import HEADER
from sandes.model.ids import AccountId, DeviceAddress, DeviceNumber, MessageId
from tests.support.opening import SealBroken, decode, unseal

SECRET = bytes(range(32))
PUBLIC = bytes(PrivateKey(SECRET).public_key)
HEAD = HEADER.pack(2, bytes(16), bytes(range(16)), 7, 1_790_000_000, 1)
SERVICE = ServiceKeys.key(1, b"a secret that only the service has")
CONTENT = Content(
    MessageId(bytes(range(16))),
    DeviceAddress(AccountId(b"senderid"), DeviceNumber(3)),
    "public",
    AccountId(b"recipien"),
    Kind.MESSAGE,
    1_790_000_000_123,
    b"hello",
)

SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
"""The points of order 1, 2, 4 and 8 on Curve25519 and its twist, and their encodings above the prime."""


def seal(plain: bytes, *, header: bytes = HEAD, public: bytes = PUBLIC, service: Key = SERVICE) -> bytes:
    return Sealing(service)(plain, seal_public=public, header=header)


def opened(
    sealed: bytes, *, header: bytes = HEAD, secret: bytes = SECRET, service_public: bytes = SERVICE.public
) -> bytes:
    return unseal(sealed, seal_secret=secret, service_public=service_public, header=header)


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_what_is_sealed_opens_and_is_48_bytes_longer(plain: bytes, header: bytes) -> None:
    sealed = seal(plain, header=header)
    assert len(sealed) == len(plain) + OVERHEAD_BYTES == len(plain) + 48
    assert opened(sealed, header=header) == plain


def test_two_seals_of_one_text_have_nothing_in_common() -> None:
    first, second = seal(b"same"), seal(b"same")
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


def test_a_header_is_46_bytes_and_every_single_flipped_bit_of_it_breaks_the_seal() -> None:
    sealed = seal(CONTENT.encode())
    assert len(HEAD) == 46
    for changed in flips(HEAD):
        with pytest.raises(SealBroken):
            opened(sealed, header=changed)


def test_every_single_flipped_bit_of_the_sealed_bytes_breaks_the_seal() -> None:
    """X25519 ignores the top bit of a share, but the share itself goes into the key."""
    for changed in flips(seal(CONTENT.encode())):
        with pytest.raises(SealBroken):
            opened(changed)


def test_without_the_services_private_key_nothing_can_be_sealed_that_opens() -> None:
    """Whoever can write rows knows every public key and may choose ephemeral and static keys."""
    own = ServiceKeys.key(1, b"a secret that somebody else has made")
    borrowed = Key(1, own.private, SERVICE.public)
    shared = bytes(PrivateKey.generate())
    same = Sealing(Key(1, shared, SERVICE.public), ephemeral=shared)
    for forged in (
        seal(CONTENT.encode(), service=own),
        seal(CONTENT.encode(), service=borrowed),
        same(CONTENT.encode(), seal_public=PUBLIC, header=HEAD),
    ):
        with pytest.raises(SealBroken):
            opened(forged)
    assert opened(seal(CONTENT.encode(), service=own), service_public=own.public)


def test_an_envelope_of_one_device_cannot_be_moved_to_another_one_even_with_the_same_seal_key() -> None:
    sealed = seal(CONTENT.encode())
    moved = HEADER.pack(2, bytes(16), bytes(16), 7, 1_790_000_000, 1)
    with pytest.raises(SealBroken):
        opened(sealed, header=moved)


def test_one_ephemeral_key_gives_every_device_a_key_of_its_own() -> None:
    sealing = Sealing(SERVICE)
    heads = [HEADER.pack(2, bytes(16), bytes([n] * 16), 7, 1_790_000_000, 1) for n in range(3)]
    other = bytes(PrivateKey.generate())
    publics = [PUBLIC, PUBLIC, bytes(PrivateKey(other).public_key)]  # two devices may have copies of one key
    rows = [sealing(b"\0" * 100, seal_public=public, header=head) for head, public in zip(heads, publics, strict=True)]
    assert len({row[:32] for row in rows}) == 1
    assert len({row[32:] for row in rows}) == 3
    assert [opened(rows[n], header=heads[n]) for n in range(2)] == [b"\0" * 100] * 2
    assert opened(rows[2], header=heads[2], secret=other) == b"\0" * 100
    with pytest.raises(SealBroken):
        opened(rows[2], header=heads[2])


def test_another_plaintext_under_the_same_header_gets_another_key() -> None:
    """Otherwise the two ciphertexts would differ exactly where the plaintexts do."""
    sealing = Sealing(SERVICE)
    first, second = (sealing(plain, seal_public=PUBLIC, header=HEAD) for plain in (b"one text", b"two text"))
    assert first[:32] != second[:32]
    assert [opened(first), opened(second)] == [b"one text", b"two text"]


def flips(data: bytes) -> list[bytes]:
    return [
        data[:index] + bytes([data[index] ^ 1 << bit]) + data[index + 1 :]
        for index in range(len(data))
        for bit in range(8)
    ]


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 47, 48, 52])
def test_a_seal_cut_short_is_broken(length: int) -> None:
    sealed = seal(b"hello")
    with pytest.raises(SealBroken):
        opened(sealed[:length])


def test_a_seal_with_bytes_added_or_for_another_key_is_broken() -> None:
    sealed = seal(b"hello")
    with pytest.raises(SealBroken):
        opened(sealed + b"\0")
    with pytest.raises(SealBroken):
        opened(sealed, secret=bytes(PrivateKey.generate()))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_keys_of_small_order_are_refused_on_both_sides(point: str) -> None:
    public = bytes.fromhex(point)
    with pytest.raises(ValueError, match="small order"):
        check_seal_key(public)
    with pytest.raises(CryptoError):
        seal(b"hello", public=public)
    with pytest.raises(SealBroken):
        opened(public + bytes(40))
    with pytest.raises(SealBroken):
        opened(seal(b"hello"), service_public=public)


def test_a_proper_key_passes() -> None:
    check_seal_key(PUBLIC)


contents = st.builds(
    Content,
    st.binary(min_size=16, max_size=16).map(MessageId),
    st.builds(DeviceAddress, st.binary(min_size=8, max_size=8).map(AccountId), st.integers(1, 255).map(DeviceNumber)),
    st.sampled_from(["public", "verified"]),
    st.binary(min_size=8, max_size=8).map(AccountId),
    st.sampled_from(Kind),
    st.integers(0, 2**48),
    st.binary(max_size=70_000),
)


@given(contents)
def test_content_is_deterministic_cbor_and_comes_back(content: Content) -> None:
    data = content.encode()
    assert decode(data) == content
    assert data == cbor2.dumps(cbor2.loads(data), canonical=True)
    assert list(cbor2.loads(data)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_content_has_the_bytes_of_the_specification() -> None:
    assert CONTENT.encode().hex() == (
        "a8"  # a map of 8
        "0101"  # 1: version 1
        "0250000102030405060708090a0b0c0d0e0f"  # 2: message id
        "03824873656e646572696403"  # 3: sender and device
        "0402"  # 4: public
        "0548726563697069656e"  # 5: recipient
        "0601"  # 6: message
        "071b000001a0c4506c7b"  # 7: at
        "084568656c6c6f"  # 8: body
    )


def test_a_receipt_is_cbor_of_its_kind_and_ids() -> None:
    ids = (MessageId(bytes(16)), MessageId(bytes([255] * 16)))
    for kind, number in ((ReceiptKind.DELIVERED, 1), (ReceiptKind.READ, 2)):
        body = receipt_body(kind, ids)
        assert cbor2.loads(body) == {1: number, 2: list(ids)}
        assert body == cbor2.dumps(cbor2.loads(body), canonical=True)
