"""Ids, tokens and sealed envelopes, held against the server's own code."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.crypto.seal import Content, Kind, Sealing, notice_body, otp_body, receipt_body, void_body
from sandes.crypto.seal import ReceiptKind as ServerReceiptKind
from sandes.crypto.seal import Void as VoidReason
from sandes.crypto.service_keys import ServiceKeys
from sandes.crypto.tokens import verify_token
from sandes.model import ids as server_ids
from sandes.model.app import AppSender
from sandes.model.envelope import HEADER, envelope_id
from sandes_client.ids import AppSender as ClientAppSender
from sandes_client.ids import (
    DeviceAddress,
    EnvelopeId,
    account_bytes,
    account_text,
    base64url_text,
    message_bytes,
    message_time_ms,
    new_message_id,
    parse_account,
    parse_base64url,
    parse_envelope,
)
from sandes_client.keys import IdentityKey, SealKey
from sandes_client.seal import (
    EnvelopeUnreadable,
    Opened,
    ReceiptKind,
    open_envelope,
    parse_notice,
    parse_otp,
    parse_receipt,
    parse_void,
)
from sandes_client.tokens import sign_token
from tests.unit.sdk.service import ALICE, BOB

KEY = SealKey(3, bytes(range(32)))
SERVICE = ServiceKeys.key(1, b"the secret that only the service has")
MESSAGE = server_ids.new_message_id(1_800_000_000_000)
CONTENT = Content(
    MESSAGE, server_ids.DeviceAddress(BOB, server_ids.DeviceNumber(2)), "verified", ALICE, Kind.MESSAGE, 5, b"body"
)


def opened(
    *, plaintext: bytes | None = None, header_id: bytes = MESSAGE, outer_id: bytes = MESSAGE, flip: int | None = None
) -> Opened:
    header = HEADER.pack(2, header_id, b"i" * 16, KEY.number, 99, 1)
    data = CONTENT.encode() if plaintext is None else plaintext
    sealed = bytearray(Sealing(SERVICE)(data, seal_public=KEY.public, header=header))
    whole = bytearray(header) + sealed
    if flip is not None:
        whole[flip // 8] ^= 1 << flip % 8
    id = EnvelopeId(base64url_text(envelope_id(server_ids.MessageId(outer_id), bytes(8))))
    return open_envelope(
        id,
        base64url_text(bytes(whole[:46])),
        base64url_text(bytes(whole[46:])),
        secret_of={KEY.number: KEY.secret}.get,
        service_key_of={1: SERVICE.public}.get,
    )


def test_an_envelope_sealed_by_the_server_opens_to_what_was_sealed() -> None:
    content = opened()
    assert content.id == server_ids.message_text(MESSAGE)
    assert str(content.sender) == f"{server_ids.account_text(BOB)}.2"
    assert (content.sender_class, content.to) == ("verified", server_ids.account_text(ALICE))
    assert (int(content.kind), content.at_ms, content.body) == (int(Kind.MESSAGE), 5, b"body")


def test_a_single_flipped_bit_in_header_or_sealed_bytes_makes_it_unreadable() -> None:
    bits = (46 + 48 + len(CONTENT.encode())) * 8
    share_top_bit = (46 + 31) * 8 + 7  # X25519 ignores it (RFC 7748 section 5), but the key is derived from it
    for flip in [*range(bits), share_top_bit]:
        with pytest.raises(EnvelopeUnreadable):
            opened(flip=flip)


def test_ids_that_differ_between_envelope_header_and_content_are_refused() -> None:
    other = server_ids.new_message_id(1)
    for differing in ({"header_id": other}, {"outer_id": other}, {"header_id": other, "outer_id": other}):
        with pytest.raises(EnvelopeUnreadable):
            opened(**differing)  # type: ignore[arg-type]


FROM_APP = Content(
    MESSAGE,
    AppSender(server_ids.AppId(BOB), "पासपोर्ट"),
    None,
    ALICE,
    Kind.OTP,
    5,
    otp_body(text="7 is it", code="7", expires_at=9, purpose="login"),
)


def test_an_envelope_of_an_app_names_the_app_and_holds_what_it_sent() -> None:
    content = opened(plaintext=FROM_APP.encode())
    assert isinstance(content.sender, ClientAppSender)
    assert (content.sender.app, content.sender.name) == (server_ids.account_text(BOB), "पासपोर्ट")
    assert content.sender_class is None
    otp = parse_otp(content.body)
    assert (otp.text, otp.code, otp.expires_at, otp.purpose) == ("7 is it", "7", 9, "login")
    assert "7" not in repr(otp)
    notice = parse_notice(notice_body(text="t", category="alert", confidential=True, priority="high", language="hi"))
    assert (notice.text, notice.category, notice.confidential) == ("t", "alert", True)
    assert (notice.priority, notice.language) == ("high", "hi")
    void = parse_void(void_body((MESSAGE,), VoidReason.REPLACED))
    assert (void.ids, void.reason) == ((server_ids.message_text(MESSAGE),), "replaced")


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.OTP, Kind.CONTROL])
def test_a_person_cannot_send_what_apps_send(kind: Kind) -> None:
    with pytest.raises(EnvelopeUnreadable):
        opened(plaintext=replace(CONTENT, kind=kind).encode())


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.RECEIPT])
def test_an_app_cannot_send_what_people_send(kind: Kind) -> None:
    with pytest.raises(EnvelopeUnreadable):
        opened(plaintext=replace(FROM_APP, kind=kind).encode())


@given(st.binary(max_size=60))
def test_rubbish_of_an_app_is_unreadable_and_nothing_worse(body: bytes) -> None:
    for parse in (parse_notice, parse_otp, parse_void):
        with pytest.raises(EnvelopeUnreadable):
            parse(body)


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (parse_notice, {1: "t", 2: "notice", 3: 1, 4: "normal", 5: "en"}),
        (parse_notice, {1: b"t", 2: "notice", 3: True, 4: "normal", 5: "en"}),
        (parse_otp, {1: "t", 2: 123456, 3: 9, 4: "login"}),
        (parse_otp, {1: "t", 2: "123456", 3: True, 4: "login"}),
        (parse_void, {1: 2, 2: [bytes(16)], 3: "used"}),
        (parse_void, {1: 1, 2: [bytes(15)], 3: "used"}),
    ],
)
def test_a_field_of_the_wrong_sort_is_unreadable(parse: Callable[[bytes], object], body: dict[int, object]) -> None:
    with pytest.raises(EnvelopeUnreadable):
        parse(cbor2.dumps(body))


@given(st.binary(max_size=60))
def test_rubbish_inside_the_seal_is_unreadable_and_nothing_worse(plaintext: bytes) -> None:
    with pytest.raises(EnvelopeUnreadable):
        opened(plaintext=plaintext)


@given(st.text(max_size=80), st.text(max_size=80))
def test_rubbish_instead_of_an_envelope_is_unreadable_and_nothing_worse(header: str, sealed: str) -> None:
    with pytest.raises(EnvelopeUnreadable):
        open_envelope(
            EnvelopeId("A" * 32),
            header,
            sealed,
            secret_of=lambda _: KEY.secret,
            service_key_of=lambda _: SERVICE.public,
        )


def test_a_share_of_small_order_is_refused() -> None:
    header = base64url_text(HEADER.pack(2, MESSAGE, bytes(16), KEY.number, 99, 1))
    with pytest.raises(EnvelopeUnreadable):
        open_envelope(
            EnvelopeId(base64url_text(MESSAGE + bytes(8))),
            header,
            base64url_text(bytes(32 + 16)),
            secret_of=lambda _: KEY.secret,
            service_key_of=lambda _: SERVICE.public,
        )


def test_receipts_are_read_and_rubbish_is_not() -> None:
    receipt = parse_receipt(receipt_body(ServerReceiptKind.READ, (MESSAGE,)))
    assert (receipt.kind, receipt.ids) == (ReceiptKind.READ, (server_ids.message_text(MESSAGE),))
    for rubbish in (b"", b"\xa0", b"\x01", receipt_body(ServerReceiptKind.READ, (server_ids.MessageId(b"short"),))):
        with pytest.raises(EnvelopeUnreadable):
            parse_receipt(rubbish)


@given(st.binary(min_size=8, max_size=8))
def test_account_ids_have_the_servers_text(account: bytes) -> None:
    text = account_text(account)
    assert text == server_ids.account_text(server_ids.AccountId(account))
    assert account_bytes(parse_account(text)) == account


@pytest.mark.parametrize("text", ["", "A" * 13, "aaaaaaaaaaaab", "aaaaaaaaaaaa", "aaaaaaaaaaaa1", "aaaaaaaaaaaa\n"])
def test_texts_that_are_no_account_id_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="account id"):
        parse_account(text)


@pytest.mark.parametrize("text", ["=", "A", "AB", "AA==", "A+", "A A", "AA\n", "ÄÄ"])
def test_texts_that_are_not_canonical_base64url_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        parse_base64url(text)


def test_an_envelope_id_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="24 bytes"):
        parse_envelope("AAAA")


def test_a_message_id_is_one_the_server_reads_and_carries_its_time() -> None:
    id = new_message_id(1_800_000_000_123, secrets.token_bytes)
    assert server_ids.parse_message(id) == message_bytes(id)
    assert message_time_ms(id) == 1_800_000_000_123


def test_a_token_is_one_the_server_accepts() -> None:
    identity = IdentityKey.new(secrets.token_bytes)
    address = DeviceAddress(parse_account(server_ids.account_text(ALICE)), 200)
    token = sign_token(identity, address, audience="sandes:test", now_seconds=1000)
    claims = verify_token(token, identity_key=identity.public, audience="sandes:test", now_seconds=1299)
    assert (str(claims.device), claims.issued_at, claims.expires_at) == (str(address), 1000, 1300)


def test_keys_and_bodies_do_not_show_in_their_texts() -> None:
    assert "body" not in repr(opened())
    identity = IdentityKey(b"s" * 32)
    assert "sss" not in repr(identity) + repr(SealKey(1, b"s" * 32))
