"""What a device signs besides tokens (docs/protocol/README.md, "Signed statements")."""

from __future__ import annotations

from dataclasses import dataclass

from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey, SealKey


@dataclass(frozen=True, slots=True)
class SignedSealKey:
    """The public half of a seal key with the device's signature over it."""

    number: int
    public: bytes
    signature: bytes

    def to_json(self) -> dict[str, object]:
        return {
            "number": self.number,
            "public": base64url_text(self.public),
            "signature": base64url_text(self.signature),
        }


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device's public halves, with the proof that it holds the identity key."""

    identity_key: bytes
    seal_key: SignedSealKey
    name: str
    platform: str
    proof: bytes

    def to_json(self) -> dict[str, object]:
        return {
            "identity_key": base64url_text(self.identity_key),
            "seal_key": self.seal_key.to_json(),
            "name": self.name,
            "platform": self.platform,
            "proof": base64url_text(self.proof),
        }


def sign_seal_key(identity: IdentityKey, key: SealKey) -> SignedSealKey:
    statement = b"SANDES1/seal-key\0" + key.number.to_bytes(4, "big") + key.public
    return SignedSealKey(key.number, key.public, identity.sign(statement))


def new_device(identity: IdentityKey, key: SealKey, *, subject: str, name: str, platform: str) -> NewDevice:
    """`subject` is the id of the registration or link this device is made by."""
    proof = identity.sign(b"SANDES1/register\0" + subject.encode("ascii") + identity.public)
    return NewDevice(identity.public, sign_seal_key(identity, key), name, platform, proof)
