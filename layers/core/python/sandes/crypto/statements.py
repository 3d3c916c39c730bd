"""The statements, besides tokens, that a device signs with its Ed25519 identity key.

This module implements docs/protocol/README.md, "Signed statements". Every statement begins with its own label and a
zero byte, so that no statement can pass for another kind.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from nacl import bindings
from nacl.exceptions import BadSignatureError

from sandes.model.ids import base64url_text


def seal_key_statement(number: int, public: bytes) -> bytes:
    return b"SANDES1/seal-key\0" + number.to_bytes(4, "big") + public


def registration_statement(subject: str, identity_key: bytes) -> bytes:
    """Build the statement of a new device. `subject` is the id of its registration or link.

    A copy of the signature is therefore useless for another registration or link.
    """
    return b"SANDES1/register\0" + subject.encode("ascii") + identity_key


class ActKind(IntEnum):
    """Lists the kinds of acts. 1, the root of an account's chain, is reserved (docs/adr/0034-signed-acts.md)."""

    ADD_DEVICE = 2
    REMOVE_DEVICE = 3
    OPEN_LINK = 16
    CHANGE_PHONE = 17
    OPEN_SOCKET = 18
    PUT_MEMBER = 32
    REMOVE_MEMBER = 33
    DISSOLVE_GROUP = 34
    OPEN_GROUP = 35


_ROLES = {"owner": 1, "admin": 2, "member": 3}
_ENTRY = struct.Struct(">B8sI32sBQBI")
_NO_CHAIN = (0, bytes(32))
"""The sequence number and previous hash while accounts have no chain."""


@dataclass(frozen=True, slots=True)
class Act:
    """Describes the act of a device without the device and the time. It is the end of a statement."""

    kind: ActKind
    object: bytes


@dataclass(frozen=True, slots=True)
class Actor:
    """Names a device at one registration. While the device is being added, number and registration id are 0."""

    account: bytes
    device: int
    registration: int


def add_device(identity_key: bytes, link_key: bytes) -> Act:
    return Act(ActKind.ADD_DEVICE, identity_key + link_key)


def remove_device(device: int, registration: int) -> Act:
    return Act(ActKind.REMOVE_DEVICE, struct.pack(">BI", device, registration))


def open_link(link_key: bytes) -> Act:
    return Act(ActKind.OPEN_LINK, link_key)


def change_phone(registration: str, phone: str) -> Act:
    """Build the act that changes a number. `registration` is the id in 22 characters, `phone` the number in E.164."""
    return Act(ActKind.CHANGE_PHONE, registration.encode("ascii") + phone.encode("ascii"))


def open_socket(token: str) -> Act:
    """Build the act of a handshake. It holds the SHA-256 of the token, because a socket outlives its token."""
    return Act(ActKind.OPEN_SOCKET, hashlib.sha256(token.encode("ascii", "replace")).digest())


def put_member(group: bytes, account: bytes, role: str) -> Act:
    return Act(ActKind.PUT_MEMBER, group + account + bytes([_ROLES[role]]))


def remove_member(group: bytes, account: bytes) -> Act:
    return Act(ActKind.REMOVE_MEMBER, group + account)


def dissolve_group(group: bytes) -> Act:
    return Act(ActKind.DISSOLVE_GROUP, group)


def open_group(group: bytes, is_open: bool) -> Act:
    return Act(ActKind.OPEN_GROUP, group + bytes([is_open]))


def act_statement(act: Act, by: Actor, *, at_ms: int) -> bytes:
    """Build the statement of an act by a device at a time, in the layout of an entry of the account's chain."""
    head = _ENTRY.pack(1, by.account, *_NO_CHAIN, act.kind, at_ms, by.device, by.registration)
    return b"SANDES1/act\0" + head + act.object


def link_id(link_key: bytes) -> str:
    """Derive the id of a link from its public key: 16 bytes of a hash, as 22 characters."""
    digest = hashlib.sha256(b"SANDES1/link-id\0" + link_key).digest()
    return base64url_text(digest[:16])


def signed_by(identity_key: bytes, statement: bytes, signature: bytes) -> bool:
    if len(signature) != 64 or len(identity_key) != 32:
        return False
    try:
        bindings.crypto_sign_open(signature + statement, identity_key)
    except BadSignatureError:
        return False
    return True
