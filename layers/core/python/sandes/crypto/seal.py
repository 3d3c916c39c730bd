"""Format `seal2`: only one device can read an envelope, and only the service can have written it.

It implements docs/protocol/seal2.md (docs/adr/0035).

sealed = E(32) || ChaCha20-Poly1305-IETF(key, nonce 0, no associated data, plaintext), 48 bytes over the plaintext, with
key = HKDF-SHA256(salt "SANDES1/seal2", X25519(e, R) || X25519(s, R), E || R || S || header)

for the device's seal key R and the service's key S. Each key is used once, so the nonce may be constant.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import cbor2
from nacl import bindings
from nacl.exceptions import CryptoError

from sandes.crypto.introductions import Key
from sandes.crypto.service_keys import ServiceKeys
from sandes.model.app import AppSender
from sandes.model.ids import AccountId, BodyId, DeviceAddress, GroupId, MessageId
from sandes.model.standing import AccountClass

OVERHEAD_BYTES = 48
_SALT = b"SANDES1/seal2"
_NONCE = bytes(12)


class Kind(IntEnum):
    """Lists the kinds of envelopes. The numbers are part of the format."""

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


@dataclass(frozen=True, slots=True)
class Content:
    """Holds the content of an envelope before it is sealed. `at_ms` is the server's time.

    The service vouches for every field except `body`. `sender_class` is None for an app.
    """

    id: MessageId
    sender: DeviceAddress | AppSender
    sender_class: AccountClass | None
    to: AccountId
    kind: Kind
    at_ms: int
    body: bytes

    def encode(self) -> bytes:
        """Encode as deterministic CBOR (RFC 8949 section 4.2.1) with the small integer keys of
        docs/protocol/seal2.md.
        """
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
        """Return the encoded bytes before and after the 8 bytes of `to`. The same message to another recipient differs
        only there.
        """
        encoded = self.encode()
        at = 1 + sum(len(cbor2.dumps(value)) for pair in list(cbor2.loads(encoded).items())[:4] for value in pair) + 2
        return encoded[:at], encoded[at + len(self.to) :]


def receipt_body(kind: ReceiptKind, ids: tuple[MessageId, ...]) -> bytes:
    return cbor2.dumps({1: int(kind), 2: list(ids)})


class Void(StrEnum):
    """Lists the reasons for which clients show a message as invalid."""

    USED = "used"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    RECALLED = "recalled"


def otp_body(*, text: str, code: str, expires_at: int, purpose: str) -> bytes:
    """Encode the body of a one-time password. From `expires_at` (epoch seconds) on, the device shows the code as
    expired.
    """
    return cbor2.dumps({1: text, 2: code, 3: expires_at, 4: purpose})


def notice_body(*, text: str, category: str, confidential: bool, priority: str, language: str) -> bytes:
    return cbor2.dumps({1: text, 2: category, 3: confidential, 4: priority, 5: language})


def void_body(ids: tuple[MessageId, ...], reason: Void) -> bytes:
    """Encode the body that tells devices to show these messages of the same sender as invalid."""
    return cbor2.dumps({1: 1, 2: list(ids), 3: str(reason)})


@dataclass(frozen=True, slots=True)
class BodyPointer:
    """Says where the body of a group message is stored, and holds its key. `size` is the plaintext's size in bytes."""

    id: BodyId
    content_key: bytes
    size: int


def group_message_body(group: GroupId, version: int, body: bytes | BodyPointer) -> bytes:
    """Encode a message to a group. `version` is the group's when the message was accepted.

    A client that knows a lower version fetches the members.
    """
    if isinstance(body, BodyPointer):
        return cbor2.dumps({1: group, 2: version, 4: [body.id, body.content_key, body.size]})
    return cbor2.dumps({1: group, 2: version, 3: body})


class GroupChange(IntEnum):
    """Lists the changes that a group event can report. The numbers are part of the format."""

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
    """Encode a group event. `version` is that after the change.

    `actor` made the change; it is None for the system or an app. `subject` is the account concerned. After LEFT,
    REMOVED, DISSOLVED, MEMBERS and DEVICES, the other members make new sender keys.
    """
    fields = {1: group, 2: version, 3: int(change), 4: actor, 5: subject, 6: role, 7: name}
    return cbor2.dumps({key: value for key, value in fields.items() if value is not None})


def encrypt_body(body: bytes, pointer: BodyPointer) -> bytes:
    """Encrypt a body with ChaCha20-Poly1305 under a key used once, bound to the body's id. Adds 16 bytes to `body`."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(body, pointer.id, _NONCE, pointer.content_key)


def check_seal_key(public: bytes) -> None:
    """Check a seal key. Raises ValueError for a point of small order, with which every shared secret is the same."""
    try:
        bindings.crypto_scalarmult(bytes([1] * 32), public)
    except CryptoError as error:
        raise ValueError("the seal key is a point of small order") from error


class Sealing:
    """Seals with one ephemeral key: one envelope, or one envelope for each device of a fan-out's chunk.

    The key of an envelope depends on the device's key and on the whole header, so two envelopes have different keys. If
    a header is repeated, a new ephemeral key is made, because two plaintexts under the same key would reveal both.
    """

    def __init__(self, service: Key, *, ephemeral: bytes | None = None) -> None:
        """Create a sealing. Only tests of the vectors give `ephemeral` (32 bytes)."""
        self.service = service
        self._used: set[bytes] = set()
        self._renew(ephemeral)

    @classmethod
    def by(cls, keys: ServiceKeys, *, now_ms: int) -> Sealing:
        """Create a Sealing with the service key that is in force now."""
        return cls(keys.at(now_ms // 1000))

    def __call__(self, plaintext: bytes, *, seal_public: bytes, header: bytes) -> bytes:
        """Seal to an X25519 public key. Raises nacl's CryptoError for a point of small order."""
        if header in self._used:
            self._renew()
        self._used.add(header)
        secrets = (
            bindings.crypto_scalarmult(self._ephemeral, seal_public),
            bindings.crypto_scalarmult(self.service.private, seal_public),
        )
        key = _key(secrets, self._share, seal_public, self.service.public, header)
        return self._share + bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, None, _NONCE, key)

    def _renew(self, ephemeral: bytes | None = None) -> None:
        self._ephemeral = bindings.randombytes(32) if ephemeral is None else ephemeral
        self._share = bindings.crypto_scalarmult_base(self._ephemeral)


def _key(secrets: tuple[bytes, bytes], share: bytes, seal_public: bytes, service_public: bytes, header: bytes) -> bytes:
    """Return one block of HKDF-SHA256 (RFC 5869)."""
    extracted = hmac.digest(_SALT, secrets[0] + secrets[1], "sha256")
    return hmac.digest(extracted, share + seal_public + service_public + header + b"\1", "sha256")
