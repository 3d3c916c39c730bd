"""Opening envelopes of format `seal1` (docs/protocol/seal1.md)."""

from __future__ import annotations

import hashlib
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
_HEADER = struct.Struct(">B16s16sIQ")
_PERSON = b"sandes-seal-v1"
_NONCE = bytes(12)

SenderClass = Literal["verified", "public"]
_CLASSES: dict[int, SenderClass] = {1: "verified", 2: "public"}
_APP = 3


class EnvelopeUnreadable(Exception):
    """This device cannot open the envelope, now or ever: it is acked and forgotten."""


class Kind(IntEnum):
    """What an envelope holds."""

    MESSAGE = 1
    GROUP_MESSAGE = 2
    RECEIPT = 3
    GROUP_EVENT = 4
    NOTICE = 5
    OTP = 6
    CONTROL = 7


FROM_APPS = (Kind.NOTICE, Kind.OTP, Kind.CONTROL)
OF_GROUPS = (Kind.GROUP_MESSAGE, Kind.GROUP_EVENT)
"""These come from devices and from apps; the remaining ones from devices only."""


class ReceiptKind(IntEnum):
    DELIVERED = 1
    READ = 2


@dataclass(frozen=True, slots=True)
class Header:
    """The 45 bytes in clear beside the sealed ones. `expires_at` is epoch seconds."""

    message: bytes
    inbox: bytes
    key_number: int
    expires_at: int

    @classmethod
    def parse(cls, data: bytes) -> Header:
        if len(data) != _HEADER.size:
            raise EnvelopeUnreadable(f"a header has {_HEADER.size} bytes, not {len(data)}")
        version, message, inbox, key_number, expires_at = _HEADER.unpack(data)
        if version != 1:
            raise EnvelopeUnreadable(f"version {version} is not known")
        return cls(message, inbox, key_number, expires_at)


@dataclass(frozen=True, slots=True)
class Opened:
    """What the server sealed. `at_ms` is when it accepted the message; all but `body` is the server's word.

    `sender_class` is None for an app, which is of no class of people.
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
    """`expires_at` is epoch seconds: from then on the code is shown as void."""

    text: str = field(repr=False)
    code: str = field(repr=False)
    expires_at: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Void:
    """These messages of the sender are to be shown as void: used, replaced, cancelled, recalled."""

    ids: tuple[MessageId, ...]
    reason: str


def open_envelope(id: EnvelopeId, header: str, sealed: str, *, secret_of: Callable[[int], bytes | None]) -> Opened:
    """Open one envelope as it stands in an `envelopes` frame.

    `secret_of` gives the secret of a seal key by its number. Raises EnvelopeUnreadable: unknown key or version,
    other bytes than were sealed, or ids that differ between envelope, header and content.
    """
    try:
        header_bytes, sealed_bytes, id_bytes = parse_base64url(header), parse_base64url(sealed), parse_base64url(id)
    except ValueError as error:
        raise EnvelopeUnreadable("not base64url") from error
    parsed = Header.parse(header_bytes)
    secret = secret_of(parsed.key_number)
    if secret is None:
        raise EnvelopeUnreadable(f"seal key {parsed.key_number} is not here")
    opened = _read(unseal(sealed_bytes, secret=secret, header=header_bytes))
    if parsed.message != id_bytes[:16] or opened.id != message_text(parsed.message):
        raise EnvelopeUnreadable("the message ids of envelope, header and content differ")
    return opened


def unseal(sealed: bytes, *, secret: bytes, header: bytes) -> bytes:
    """Raises EnvelopeUnreadable for any other key, header or bytes than those it was sealed with."""
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
    """The body of an envelope of kind RECEIPT. Raises EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        ids = tuple(message_text(sized(id, 16)) for id in fields[2])
        return Receipt(ReceiptKind(fields[1]), ids)
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a receipt") from error


def parse_notice(body: bytes) -> Notice:
    """The body of an envelope of kind NOTICE. Raises EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        confidential = fields[3]
        if type(confidential) is not bool:
            raise ValueError("expected true or false")
        return Notice(text_of(fields[1]), text_of(fields[2]), confidential, text_of(fields[4]), text_of(fields[5]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a notice") from error


def parse_otp(body: bytes) -> Otp:
    """The body of an envelope of kind OTP. Raises EnvelopeUnreadable for anything else."""
    try:
        fields = cbor_map(cbor2.loads(body))
        return Otp(text_of(fields[1]), text_of(fields[2]), number_of(fields[3]), text_of(fields[4]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a one-time password") from error


def parse_void(body: bytes) -> Void:
    """The body of an envelope of kind CONTROL. Raises EnvelopeUnreadable for anything but a void."""
    try:
        fields = cbor_map(cbor2.loads(body))
        if fields[1] != 1:
            raise ValueError("unknown kind of control")
        return Void(tuple(message_text(sized(id, 16)) for id in fields[2]), text_of(fields[3]))
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EnvelopeUnreadable("not a control that is known here") from error


def _read(plaintext: bytes) -> Opened:
    try:
        fields = cbor_map(cbor2.loads(plaintext))
        if fields[1] != 1:
            raise ValueError("unknown version of the content")
        id, named = fields[3]
        from_app = fields[4] == _APP
        kind = Kind(fields[6])
        if kind not in OF_GROUPS and from_app != (kind in FROM_APPS):
            raise ValueError("a sender of the wrong sort for this kind")
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
