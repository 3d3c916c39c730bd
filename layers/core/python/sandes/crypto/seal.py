"""Format `seal1`: what the server stores is readable by one device only (docs/protocol/seal1.md).

sealed = E(32) || ChaCha20-Poly1305-IETF(key, nonce 0, aad = header, plaintext), 48 bytes over the plaintext, with
key = BLAKE2b-256(X25519(e, seal_public) || E || seal_public, person "sandes-seal-v1").
A key is used once, since `e` is fresh for each envelope: the nonce may be constant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.model.app import AppSender
from sandes.model.ids import AccountId, AppId, BodyId, DeviceAddress, DeviceNumber, GroupId, MessageId
from sandes.model.standing import AccountClass

OVERHEAD_BYTES = 48
_PERSON = b"sandes-seal-v1"
_NONCE = bytes(12)


class Kind(IntEnum):
    """What an envelope holds; the numbers are part of the format."""

    MESSAGE = 1
    GROUP_MESSAGE = 2
    RECEIPT = 3
    GROUP_EVENT = 4
    NOTICE = 5
    OTP = 6
    CONTROL = 7


class ReceiptKind(IntEnum):
    DELIVERED = 1
    READ = 2


_CLASS_NUMBERS: dict[AccountClass, int] = {"verified": 1, "public": 2}
_APP = 3
_CLASSES: dict[int, AccountClass] = {number: name for name, number in _CLASS_NUMBERS.items()}


class SealBroken(Exception):
    """The sealed bytes were not made for this key and header."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is sealed. `at_ms` is the server's clock; everything in it but `body` is the server's word.

    `sender_class` is None for an app, which is of no class of people.
    """

    id: MessageId
    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None
    to: AccountId
    kind: Kind
    at_ms: int
    body: bytes

    def encode(self) -> bytes:
        """Deterministic CBOR (RFC 8949 section 4.2.1) with the small integer keys of docs/protocol/seal1.md."""
        return cbor2.dumps(
            {
                1: 1,
                2: self.id,
                3: [self.sender.app, self.sender.name]
                if isinstance(self.sender, AppSender)
                else [self.sender.account, self.sender.device],
                4: _CLASS_NUMBERS[self.sender_class] if self.sender_class else _APP,
                5: self.to,
                6: int(self.kind),
                7: self.at_ms,
                8: self.body,
            }
        )

    def around_recipient(self) -> tuple[bytes, bytes]:
        """What `encode` gives before and behind the 8 bytes of `to`: one message to many differs there only."""
        encoded = self.encode()
        at = 1 + sum(len(cbor2.dumps(value)) for pair in list(cbor2.loads(encoded).items())[:4] for value in pair) + 2
        return encoded[:at], encoded[at + len(self.to) :]

    @classmethod
    def decode(cls, data: bytes) -> Content:
        fields = cbor2.loads(data)
        id, named = fields[3]
        from_app = fields[4] == _APP
        return cls(
            id=MessageId(fields[2]),
            sender=AppSender(AppId(id), named) if from_app else DeviceAddress(AccountId(id), DeviceNumber(named)),
            sender_class=None if from_app else _CLASSES[fields[4]],
            to=AccountId(fields[5]),
            kind=Kind(fields[6]),
            at_ms=fields[7],
            body=fields[8],
        )


def receipt_body(kind: ReceiptKind, ids: tuple[MessageId, ...]) -> bytes:
    return cbor2.dumps({1: int(kind), 2: list(ids)})


class Void(StrEnum):
    """Why a bubble is shown as void."""

    USED = "used"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    RECALLED = "recalled"


def otp_body(*, text: str, code: str, expires_at: int, purpose: str) -> bytes:
    """`expires_at` is epoch seconds: the device itself shows the code as void from then on."""
    return cbor2.dumps({1: text, 2: code, 3: expires_at, 4: purpose})


def notice_body(*, text: str, category: str, confidential: bool, priority: str, language: str) -> bytes:
    return cbor2.dumps({1: text, 2: category, 3: confidential, 4: priority, 5: language})


def void_body(ids: tuple[MessageId, ...], reason: Void) -> bytes:
    """The messages named, of this sender, are to be shown as void."""
    return cbor2.dumps({1: 1, 2: list(ids), 3: str(reason)})


@dataclass(frozen=True, slots=True)
class BodyPointer:
    """Where the body of a group message lies and how it is opened. `size` is that of the plaintext, bytes."""

    id: BodyId
    content_key: bytes
    size: int


def group_message_body(group: GroupId, version: int, body: bytes | BodyPointer) -> bytes:
    """`version` is the group's when the message was accepted: a client that knows a lower one asks for the members."""
    if isinstance(body, BodyPointer):
        return cbor2.dumps({1: group, 2: version, 4: [body.id, body.content_key, body.size]})
    return cbor2.dumps({1: group, 2: version, 3: body})


class GroupChange(IntEnum):
    """What a group event says; the numbers are part of the format."""

    INVITED = 1
    JOINED = 2
    LEFT = 3
    REMOVED = 4
    ROLE = 5
    CHANGED = 6
    DISSOLVED = 7
    MEMBERS = 8
    DEVICES = 9


def group_event_body(
    group: GroupId,
    version: int,
    change: GroupChange,
    *,
    actor: AccountId | None = None,
    subject: AccountId | None = None,
    role: str | None = None,
    name: str | None = None,
) -> bytes:
    """`actor` did it, None for the system or an app; `subject` is whom it is about. `version` as it is afterwards.

    LEFT, REMOVED, DISSOLVED, MEMBERS and DEVICES tell the others to make new sender keys.
    """
    fields = {1: group, 2: version, 3: int(change), 4: actor, 5: subject, 6: role, 7: name}
    return cbor2.dumps({key: value for key, value in fields.items() if value is not None})


def encrypt_body(body: bytes, pointer: BodyPointer) -> bytes:
    """ChaCha20-Poly1305 under a key used once, bound to the body's id: 16 bytes over `body`."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(body, pointer.id, _NONCE, pointer.content_key)


def decrypt_body(data: bytes, pointer: BodyPointer) -> bytes:
    """Raises SealBroken for other bytes than those the pointer was made for."""
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(data, pointer.id, _NONCE, pointer.content_key)
    except (CryptoError, ValueError) as error:
        raise SealBroken from error


def check_seal_key(public: bytes) -> None:
    """Raises ValueError for a point of small order, with which every secret is the same."""
    try:
        bindings.crypto_scalarmult(bytes([1] * 32), public)
    except CryptoError as error:
        raise ValueError("the seal key is a point of small order") from error


def seal(plaintext: bytes, *, seal_public: bytes, header: bytes, ephemeral: bytes | None = None) -> bytes:
    """Seal to an X25519 public key. `ephemeral` (32 bytes) is given only by the vectors' tests."""
    secret = bindings.randombytes(32) if ephemeral is None else ephemeral
    share = bindings.crypto_scalarmult_base(secret)
    key = _key(bindings.crypto_scalarmult(secret, seal_public), share, seal_public)
    return share + bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, header, _NONCE, key)


def unseal(sealed: bytes, *, seal_secret: bytes, header: bytes) -> bytes:
    """Raises SealBroken for any other key, header or bytes than those it was sealed with."""
    if len(sealed) < OVERHEAD_BYTES:  # libsodium reads 32 bytes of a share whether or not they are there
        raise SealBroken
    share, ciphertext = sealed[:32], sealed[32:]
    public = bindings.crypto_scalarmult_base(seal_secret)
    try:
        key = _key(bindings.crypto_scalarmult(seal_secret, share), share, public)
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, header, _NONCE, key)
    except (CryptoError, ValueError) as error:
        raise SealBroken from error


def _key(secret: bytes, share: bytes, seal_public: bytes) -> bytes:
    return hashlib.blake2b(secret + share + seal_public, digest_size=32, person=_PERSON).digest()
