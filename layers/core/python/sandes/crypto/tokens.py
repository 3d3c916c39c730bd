"""Device tokens: JWS compact, EdDSA and nothing else, signed by the device and verified with its public key.

Claims: `iss` and header `kid` (the device address), `aud`, `iat`, `exp` at most 300 s after `iat`.
The server holds no key with which a token could be made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jwt
from nacl import bindings
from nacl.exceptions import BadSignatureError

from sandes.model.ids import DeviceAddress

MAX_LIFETIME_SECONDS = 300
CLOCK_TOLERANCE_SECONDS = 30
MAX_TOKEN_CHARS = 2048


class TokenInvalid(Exception):
    """Not a token this server accepts, whatever the time."""


class TokenExpired(TokenInvalid):
    """A well-formed token whose time is over or has not come."""


class _EdDSA(jwt.algorithms.Algorithm):
    """Ed25519 by libsodium, which refuses small-order keys and malleated signatures."""

    def prepare_key(self, key: Any) -> bytes:
        return bytes(key)

    def sign(self, msg: bytes, key: Any) -> bytes:
        raise NotImplementedError("the server signs no tokens")

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        if len(sig) != 64:
            return False
        try:
            bindings.crypto_sign_open(sig + msg, key)
        except BadSignatureError:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: Any = False) -> Any:
        raise NotImplementedError("keys are kept as 32 raw bytes")

    @staticmethod
    def from_jwk(jwk: Any) -> Any:
        raise NotImplementedError("keys are kept as 32 raw bytes")


_jws = jwt.PyJWS(algorithms=[])
_jws.register_algorithm("EdDSA", _EdDSA())


@dataclass(frozen=True, slots=True)
class TokenClaims:
    device: DeviceAddress
    issued_at: int
    expires_at: int


def claimed_device(token: str) -> DeviceAddress:
    """The device whose key must have signed: nothing more than a claim until `verify_token`."""
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenInvalid
    try:
        return DeviceAddress.parse(str(jwt.get_unverified_header(token).get("kid")))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenInvalid from error


def verify_token(token: str, *, identity_key: bytes, audience: str, now_seconds: int) -> TokenClaims:
    """Raises TokenInvalid, or TokenExpired where only the time is wrong."""
    device = claimed_device(token)
    try:
        payload = _jws.decode(token, identity_key, algorithms=["EdDSA"])
        claims = json.loads(payload)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenInvalid from error
    if not isinstance(claims, dict) or claims.get("iss") != str(device) or claims.get("aud") != audience:
        raise TokenInvalid
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if type(issued_at) is not int or type(expires_at) is not int:
        raise TokenInvalid
    if not 0 < expires_at - issued_at <= MAX_LIFETIME_SECONDS:
        raise TokenInvalid
    if not issued_at - CLOCK_TOLERANCE_SECONDS <= now_seconds < expires_at:
        raise TokenExpired
    return TokenClaims(device, issued_at, expires_at)
