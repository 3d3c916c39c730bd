"""Opens envelopes: `seal2` (docs/protocol/seal2.md), and the former format `seal1` while it is allowed."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes_client.fields import cbor_map, number_of, sized, text_of
from sandes_client.ids import (
    AccountId,
    AppId,
    AppSender,
    DeviceAddress,
    EnvelopeId,
    MessageId,
    account_text,
    message_text,
    parse_base64url,
)

OVERHEAD_BYTES = 48
SEAL1_UNTIL_MS = 0
"""Time from which envelopes of the former format are refused, epoch milliseconds. No service has stored any."""

_HEADER = struct.Struct(">B16s16sIQB")
_SEAL1_HEADER = struct.Struct(">B16s16sIQ")
_SALT = b"SANDES1/seal2"
_PERSON = b"sandes-seal-v1"
_NONCE = bytes(12)

SenderClass = Literal["verified", "public"]
_CLASSES: dict[int, SenderClass] = {1: "verified", 2: "public"}
_APP = 3


class EnvelopeUnreadable(Exception):
    """Reports an envelope that this device can never open. It is acked and forgotten."""


class NotFromService(EnvelopeUnreadable):
    """Reports that no key of the service sealed these bytes for this device. They were forged or changed."""


class FormerFormat(EnvelopeUnreadable):
    """Reports a format that does not prove who wrote the envelope, and is no longer accepted."""


class UnknownServiceKey(EnvelopeUnreadable):
    """Reports an envelope with a key of the service that this device does not know, perhaps not yet."""


class Kind(IntEnum):
    """Lists the kinds of envelopes."""

    MESSAGE = 1
    GROUP_MESSAGE = 2
    RECEIPT = 3
    GROUP_EVENT = 4
    NOTICE = 5
    OTP = 6
    CONTROL = 7


FROM_APPS = (Kind.NOTICE, Kind.OTP, Kind.CONTROL)
OF_GROUPS = (Kind.GROUP_MESSAGE, Kind.GROUP_EVENT)
"""Devices and apps send these kinds. The remaining ones come from devices only."""


class ReceiptKind(IntEnum):
    DELIVERED = 1
    READ = 2


@dataclass(frozen=True, slots=True)
class Header:
    """Holds the unencrypted bytes beside the sealed ones. `expires_at` is epoch seconds.

    `service_key` is the number of the service's key. It is None in the former format, which has none.
    """

    message: bytes
    inbox: bytes
    key_number: int
    expires_at: int
    service_key: int | None

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Parse a header. Raise EnvelopeUnreadable."""
        match data[:1], len(data):
            case b"\x02", _HEADER.size:
                _, message, inbox, key_number, expires_at, service_key = _HEADER.unpack(data)
                return cls(message, inbox, key_number, expires_at, service_key)
            case b"\x01", _SEAL1_HEADER.size:
                _, message, inbox, key_number, expires_at = _SEAL1_HEADER.unpack(data)
                return cls(message, inbox, key_number, expires_at, None)
        raise EnvelopeUnreadable("the header has an unknown format")


@dataclass(frozen=True, slots=True)
class Opened:
    """Holds what the server sealed.

    `at_ms` is when it accepted the message. All except `body` is the server's word.

    `sender_class` is None for an app.
    """

    id: MessageId
    sender: DeviceAddress | AppSender
    sender_class: SenderClass | None
    to: AccountId
    kind: Kind
    at_ms: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    kind: ReceiptKind
    ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    text: str = field(repr=False)
    category: str
    confidential: bool
    priority: str
    language: str


@dataclass(frozen=True, slots=True)
class Otp:
    """Holds a one-time password. From `expires_at`, epoch seconds, it is shown as invalid."""

    text: str = field(repr=False)
    code: str = field(repr=False)
    expires_at: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Void:
    """Marks these messages of the sender as invalid: used, replaced, cancelled or recalled."""

    ids: tuple[MessageId, ...]
    reason: str


def open_envelope(
    id: EnvelopeId,
    header: str,
    sealed: str,
    *,
    secret_of: Callable[[int], bytes | None],
    service_key_of: Callable[[int], bytes | None],
    accept_seal1: bool = False,
) -> Opened:
    """Open one envelope of an `envelopes` frame.

    `secret_of` returns the secret of a seal key by its number, `service_key_of` the public key of the service. Raise
    UnknownServiceKey, NotFromService, FormerFormat; EnvelopeUnreadable for an unknown seal key or format, or ids that
    differ between envelope, header and content.
    """
    try:
        header_bytes, sealed_bytes, id_bytes = parse_base64url(header), parse_base64url(sealed), parse_base64url(id)
    except ValueError as error:
        raise EnvelopeUnreadable("not base64url") from error
    parsed = Header.parse(header_bytes)
    service = None if parsed.service_key is None else service_key_of(parsed.service_key)
    if parsed.service_key is None and not accept_seal1:
        raise FormerFormat("the format is no longer accepted")
    if parsed.service_key is not None and service is None:
        raise UnknownServiceKey(f"key {parsed.service_key} of the service is not known here")
    secret = secret_of(parsed.key_number)
    if secret is None:
        raise EnvelopeUnreadable(f"seal key {parsed.key_number} is not here")
    if service is None:
        plain = unseal1(sealed_bytes, secret=secret, header=header_bytes)
    else:
        plain = unseal(sealed_bytes, secret=secret, service=service, header=header_bytes)
    opened = _read(plain)
    if parsed.message != id_bytes[:16] or opened.id != message_text(parsed.message):
        raise EnvelopeUnreadable("the message ids of envelope, header and content differ")
    return opened


def unseal(sealed: bytes, *, secret: bytes, service: bytes, header: bytes) -> bytes:
    """Unseal. Raise NotFromService for other keys, header or bytes than those of the seal."""
    if len(sealed) < OVERHEAD_BYTES:
        raise NotFromService("too short to be sealed")
    share, ciphertext = sealed[:32], sealed[32:]
    try:
        # both functions refuse an all-zero result
        shared = bindings.crypto_scalarmult(secret, share) + bindings.crypto_scalarmult(secret, service)
        bound = share + bindings.crypto_scalarmult_base(secret) + service + header
        key = hmac.digest(hmac.digest(_SALT, shared, "sha256"), bound + b"\x01", "sha256")
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, None, _NONCE, key)
    except CryptoError as error:
        raise NotFromService("not sealed by the service for this key and header") from error


def unseal1(sealed: bytes, *, secret: bytes, header: bytes) -> bytes:
    """Open the former format. Raise EnvelopeUnreadable for other keys, header or bytes than those of the seal."""
    if len(sealed) < OVERHEAD_BYTES:
        raise EnvelopeUnreadable("too short to be sealed")
    share, ciphertext = sealed[:32], sealed[32:]
    public = bindings.crypto_scalarmult_base(secret)
    try:
        shared = bindings.crypto_scalarmult(secret, share)  # refuses an all-zero result
        key = hashlib.blake2b(shared + share + public, digest_size=32, person=_PERSON).digest()
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, header, _NONCE, key)
    except CryptoError as error:
        raise EnvelopeUnreadable("not sealed for this key and header") from error


def parse_receipt(body: bytes) -> Receipt:
    """Parse the body of an envelope of kind RECEIPT. Raise EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        ids = tuple(message_text(sized(id, 16)) for id in fields[2])
        return Receipt(ReceiptKind(fields[1]), ids)
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a receipt") from error


def parse_notice(body: bytes) -> Notice:
    """Parse the body of an envelope of kind NOTICE. Raise EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        confidential = fields[3]
        if type(confidential) is not bool:
            raise ValueError("expected true or false")
        return Notice(text_of(fields[1]), text_of(fields[2]), confidential, text_of(fields[4]), text_of(fields[5]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a notice") from error


def parse_otp(body: bytes) -> Otp:
    """Parse the body of an envelope of kind OTP. Raise EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        return Otp(text_of(fields[1]), text_of(fields[2]), number_of(fields[3]), text_of(fields[4]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a one-time password") from error


def parse_void(body: bytes) -> Void:
    """Parse the body of an envelope of kind CONTROL. Raise EnvelopeUnreadable for anything but a void."""
    try:
        fields = cbor_map(cbor2.loads(body))
        if fields[1] != 1:
            raise ValueError("unknown kind of control")
        return Void(tuple(message_text(sized(id, 16)) for id in fields[2]), text_of(fields[3]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("unknown form of control") from error


def _read(plaintext: bytes) -> Opened:
    try:
        fields = cbor_map(cbor2.loads(plaintext))
        if fields[1] != 1:
            raise ValueError("unknown version of the content")
        id, named = fields[3]
        from_app = fields[4] == _APP
        kind = Kind(fields[6])
        if kind not in OF_GROUPS and from_app != (kind in FROM_APPS):
            raise ValueError("this kind of envelope cannot have such a sender")
        sender = account_text(sized(id, 8))
        return Opened(
            id=message_text(sized(fields[2], 16)),
            sender=AppSender(AppId(sender), text_of(named)) if from_app else DeviceAddress(sender, number_of(named)),
            sender_class=None if from_app else _CLASSES[fields[4]],
            to=account_text(sized(fields[5], 8)),
            kind=kind,
            at_ms=number_of(fields[7]),
            body=sized(fields[8], None),
        )
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("the content does not fit its description") from error
