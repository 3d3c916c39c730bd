"""The secret half of a device: what a client holds and signs with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from sandes.crypto.seal import Content, unseal
from sandes.crypto.statements import registration_statement, seal_key_statement
from sandes.model.envelope import Envelope
from sandes.model.ids import base64url_text
from sandes.protocol.client_api import NewDevice, SignedSealKey


@dataclass
class DeviceKeys:
    identity: SigningKey = field(default_factory=SigningKey.generate)
    seal: PrivateKey = field(default_factory=PrivateKey.generate)

    @property
    def identity_public(self) -> bytes:
        return bytes(self.identity.verify_key)

    @property
    def seal_public(self) -> bytes:
        return bytes(self.seal.public_key)

    def sign(self, statement: bytes) -> bytes:
        return bytes(self.identity.sign(statement).signature)

    def seal_key(self, number: int = 1, public: bytes | None = None) -> SignedSealKey:
        public = self.seal_public if public is None else public
        return SignedSealKey(number=number, public=public, signature=self.sign(seal_key_statement(number, public)))

    def new_device(self, subject: str, **replaced: Any) -> NewDevice:
        """What the device says of itself to the registration or link `subject`."""
        fields: dict[str, Any] = {
            "identity_key": self.identity_public,
            "seal_key": self.seal_key(),
            "name": "Asha's phone",
            "platform": "android",
            "proof": self.sign(registration_statement(subject, self.identity_public)),
        }
        return NewDevice(**fields | replaced)

    def open(self, envelope: Envelope) -> Content:
        return Content.decode(unseal(envelope.sealed, seal_secret=bytes(self.seal), header=envelope.header))

    def jws(self, header: dict[str, Any], claims: dict[str, Any] | bytes) -> str:
        """Any header over any claims, signed by this device."""
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signed = f"{base64url_text(json.dumps(header).encode())}.{base64url_text(payload)}"
        return f"{signed}.{base64url_text(self.sign(signed.encode()))}"

    def token(self, address: str, *, now_seconds: int, audience: str, lifetime_seconds: int = 300) -> str:
        claims = {"iss": address, "aud": audience, "iat": now_seconds, "exp": now_seconds + lifetime_seconds}
        return self.jws({"alg": "EdDSA", "kid": address}, claims)
