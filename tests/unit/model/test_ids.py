"""Tests ids: one value has exactly one text, and every other text is refused."""

from __future__ import annotations

import base64
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.model import ids
from sandes.model.envelope import envelope_id
from sandes.model.ids import AccountId, DeviceAddress, DeviceNumber, MessageId

BASE64URL = string.ascii_letters + string.digits + "-_"
BASE32 = string.ascii_lowercase + "234567"


@given(st.binary(max_size=100))
def test_base64url_is_rfc_4648_without_padding_and_comes_back(data: bytes) -> None:
    text = ids.base64url_text(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert ids.parse_base64url(text) == data


@given(st.text(alphabet=BASE64URL, max_size=40))
def test_a_base64url_text_is_either_the_one_text_of_its_bytes_or_refused(text: str) -> None:
    try:
        data = ids.parse_base64url(text)
    except ValueError:
        assert len(text) % 4 == 1 or base64.urlsafe_b64encode(_lenient(text)).decode().rstrip("=") != text
    else:
        assert ids.base64url_text(data) == text


def _lenient(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    "text", ["AA==", "AAA=", "A", "AAAAA", "AB", "AAB", "A A", "AA\n", "+/+/", "Ää", "AA.", "AA\0"]
)
def test_padding_spaces_the_other_alphabet_and_left_over_bits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        ids.parse_base64url(text)


@given(st.binary(min_size=8, max_size=8))
def test_an_account_is_13_characters_of_base32_and_comes_back(data: bytes) -> None:
    text = ids.account_text(AccountId(data))
    assert text == base64.b32encode(data).decode().rstrip("=").lower()
    assert len(text) == 13
    assert ids.parse_account(text) == data


@given(st.text(alphabet=BASE32, min_size=13, max_size=13))
def test_an_account_text_is_either_the_one_text_of_its_bytes_or_refused(text: str) -> None:
    try:
        account = ids.parse_account(text)
    except ValueError:
        assert int.from_bytes(BASE32.index(text[-1]).to_bytes(1, "big")) & 1  # 65 bits for 64: the last must be 0
    else:
        assert ids.account_text(account) == text


@pytest.mark.parametrize(
    "text",
    ["", "mfrggzdfmztw", "mfrggzdfmztwqq", "MFRGGZDFMZTWQ", "mfrggzdfmztwq=", "mfrggzdfmztw1", "mfrggzdfmztwq\n"],
)
def test_no_other_text_is_an_account(text: str) -> None:
    with pytest.raises(ValueError, match="account id"):
        ids.parse_account(text)


@given(st.integers(0, 2**48 - 1))
def test_a_new_message_id_is_a_uuidv7_of_its_time_and_comes_back(now_ms: int) -> None:
    message = ids.new_message_id(now_ms)
    parsed = uuid.UUID(bytes=bytes(message))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert ids.message_time_ms(message) == now_ms
    assert ids.parse_message(ids.message_text(message)) == message


@given(st.uuids())
def test_only_version_7_of_the_rfc_variant_is_a_message_id(value: uuid.UUID) -> None:
    if value.version == 7:
        assert ids.parse_message(str(value)) == value.bytes
    else:
        with pytest.raises(ValueError, match="UUIDv7"):
            ids.parse_message(str(value))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01890a5d-ac96-474b-bc1d-9f7b2a6f1c00",  # version 4
        "01890a5d-ac96-774b-7c1d-9f7b2a6f1c00",  # another variant
        "01890a5d-ac96-774b-cc1d-9f7b2a6f1c00",
        "01890A5D-AC96-774B-BC1D-9F7B2A6F1C00",
        "01890a5dac96774bbc1d9f7b2a6f1c00",
        "{01890a5d-ac96-774b-bc1d-9f7b2a6f1c00}",
        "urn:uuid:01890a5d-ac96-774b-bc1d-9f7b2a6f1c00",
        " 01890a5d-ac96-774b-bc1d-9f7b2a6f1c00",
        "01890a5d-ac96-774b-bc1d-9f7b2a6f1c00\n",
    ],
)
def test_no_other_spelling_is_a_message_id(text: str) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        ids.parse_message(text)


@given(st.binary(min_size=8, max_size=8), st.integers(1, 255))
def test_a_device_address_comes_back(account: bytes, number: int) -> None:
    address = DeviceAddress(AccountId(account), DeviceNumber(number))
    assert DeviceAddress.parse(str(address)) == address


@pytest.mark.parametrize("number", ["", "0", "256", "01", "+1", "-1", " 1", "1 ", "1.0", "1.1", "1000", "\u0661", "x"])
def test_a_device_address_has_a_plain_number_from_1_to_255(number: str) -> None:
    with pytest.raises(ValueError, match="device address"):
        DeviceAddress.parse(f"mfrggzdfmztwq.{number}")


@pytest.mark.parametrize("text", ["", ".1", "mfrggzdfmztwq", "MFRGGZDFMZTWQ.1", "mfrggzdfmztwq:1"])
def test_a_device_address_has_an_account(text: str) -> None:
    with pytest.raises(ValueError, match=r"device address|account id"):
        DeviceAddress.parse(text)


def test_an_envelope_id_is_message_id_and_8_bytes() -> None:
    message = MessageId(bytes(range(16)))
    assert envelope_id(message, b"\xff" * 8) == bytes(range(16)) + b"\xff" * 8
    for wrong in (b"", b"\0" * 7, b"\0" * 9):
        with pytest.raises(ValueError, match="24 bytes"):
            envelope_id(message, wrong)


def test_new_ids_have_their_sizes_and_do_not_repeat() -> None:
    made = [(ids.new_account_id(), ids.new_inbox_id(), ids.new_registration_id()) for _ in range(200)]
    assert {(len(account), len(inbox)) for account, inbox, _ in made} == {(8, 16)}
    assert all(1 <= registration < 2**32 for _, _, registration in made)
    assert len({account for account, _, _ in made}) == len({inbox for _, inbox, _ in made}) == 200


def test_no_id_that_is_passed_on_begins_with_a_hyphen() -> None:
    """Command lines would read it as an option, and spreadsheets as a formula. One id in 64 would begin with a
    hyphen.
    """
    one_time = [ids.new_one_time_id() for _ in range(2000)]
    assert not [id for id in one_time if id.startswith("-")]
    assert {len(ids.parse_base64url(id)) for id in one_time} == {16}
    organisations = [ids.new_organisation_id() for _ in range(2000)]
    assert not [id for id in organisations if ids.base64url_text(ids.new_approval_id(id, 1)).startswith("-")]


def test_only_a_beginning_with_a_hyphen_is_changed() -> None:
    texts = [bytes((first, 0xF8)) for first in range(256)]
    changed = {data: ids.without_hyphen(data) for data in texts if ids.without_hyphen(data) != data}
    assert changed == {bytes((0xF8 | last, 0xF8)): bytes((0x78 | last, 0xF8)) for last in range(4)}
