"""What a device signs with its Ed25519 identity key, besides tokens (docs/protocol/README.md, "Signed statements").

Every statement opens with a label of its own and a zero byte, so none can pass for another.
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import BadSignatureError


def seal_key_statement(number: int, public: bytes) -> bytes:
    return b"SANDES1/seal-key\0" + number.to_bytes(4, "big") + public


def registration_statement(subject: str, identity_key: bytes) -> bytes:
    """`subject` is the id of the registration or link the device is made by: a copy of it is of no use elsewhere."""
    return b"SANDES1/register\0" + subject.encode("ascii") + identity_key


def signed_by(identity_key: bytes, statement: bytes, signature: bytes) -> bool:
    if len(signature) != 64 or len(identity_key) != 32:
        return False
    try:
        bindings.crypto_sign_open(signature + statement, identity_key)
    except BadSignatureError:
        return False
    return True
