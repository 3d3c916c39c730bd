"""Holds the secret half of a device, and signs with it as a client does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from sandes.crypto.seal import Content
from sandes.crypto.service_keys import ServiceKeys
from sandes.crypto.statements import (
    Act,
    Actor,
    act_statement,
    add_device,
    registration_statement,
    seal_key_statement,
)
from sandes.identity.signed_acts import Signed
from sandes.model.envelope import Envelope
from sandes.model.ids import AccountId, base64url_text
from sandes.protocol.client_api import LinkDevice, NewDevice, SignedSealKey
from tests.support.opening import decode, unseal

SERVICE_KEYS = ServiceKeys.of(b"service keys of unit tests, here only")


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
        """Build the device's part of the registration `subject`."""
        fields: dict[str, Any] = {
            "identity_key": self.identity_public,
            "seal_key": self.seal_key(),
            "name": "Asha's phone",
            "platform": "android",
            "proof": self.sign(registration_statement(subject, self.identity_public)),
        }
        return NewDevice(**fields | replaced)

    def act(self, act: Act, account: bytes, *, device: int, registration: int, at_ms: int) -> Signed:
        """Return the device's signature of an act."""
        statement = act_statement(act, Actor(account, device, registration), at_ms=at_ms)
        return Signed(at_ms, self.sign(statement))

    def joining(self, link: SigningKey, account: AccountId, *, at_ms: int, **replaced: Any) -> LinkDevice:
        """Build the request by which the device joins `account` with the secret key of a link."""
        link_key = bytes(link.verify_key)
        statement = act_statement(add_device(self.identity_public, link_key), Actor(account, 0, 0), at_ms=at_ms)
        device = self.new_device("A" * 22, **{"proof": self.sign(statement)} | replaced.pop("device", {}))
        signature = bytes(link.sign(statement).signature)
        fields: dict[str, Any] = {
            "link": link_key,
            "account": account,
            "at": at_ms,
            "signature": signature,
            "device": device,
        }
        return LinkDevice(**fields | replaced)

    def open(self, envelope: Envelope) -> Content:
        return self.open_sealed(envelope.sealed, envelope.header, SERVICE_KEYS)

    def open_sealed(self, sealed: bytes, header: bytes, service_keys: ServiceKeys) -> Content:
        """Open an envelope. Raises SealBroken, also if these keys of the service did not seal it."""
        public = {key.number: key.public for key in service_keys.keys}[header[-1]]
        return decode(unseal(sealed, seal_secret=bytes(self.seal), service_public=public, header=header))

    def jws(self, header: dict[str, Any], claims: dict[str, Any] | bytes) -> str:
        """Sign any header and any claims."""
        payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signed = f"{base64url_text(json.dumps(header).encode())}.{base64url_text(payload)}"
        return f"{signed}.{base64url_text(self.sign(signed.encode()))}"

    def token(self, address: str, *, now_seconds: int, audience: str, lifetime_seconds: int = 300) -> str:
        claims = {"iss": address, "aud": audience, "iat": now_seconds, "exp": now_seconds + lifetime_seconds}
        return self.jws({"alg": "EdDSA", "kid": address}, claims)
