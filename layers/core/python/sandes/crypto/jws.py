"""Compact JWS with Ed25519 and nothing else (RFC 7515, RFC 8037), verified by libsodium; the server signs none.

What every token has in common is checked here: signature, issuer, audience, times. Devices add nothing
(`tokens`), apps bind the request (`app_tokens`).
"""

from __future__ import annotations

import json
from typing import Any

import jwt
from nacl import bindings
from nacl.exceptions import BadSignatureError

CLOCK_TOLERANCE_SECONDS = 30
MAX_TOKEN_CHARS = 2048


class TokenInvalid(Exception):
    """Not a token this server accepts, whatever the time.

    `wrong_audience`: the key signed it, as the issuer that it should be of, for another service.
    """

    def __init__(self, *, wrong_audience: bool = False) -> None:
        super().__init__()
        self.wrong_audience = wrong_audience


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


def claimed_key(token: str) -> str:
    """The header's `kid`: nothing more than a claim until `verified_claims`. Raises TokenInvalid."""
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenInvalid
    try:
        return str(jwt.get_unverified_header(token).get("kid"))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenInvalid from error


def verified_claims(
    token: str, *, public_key: bytes, issuer: str, audience: str, now_seconds: int, max_lifetime_seconds: int
) -> dict[str, Any]:
    """The claims of a token that this key signed for this audience and that is valid now.

    `iat` and `exp` are integers, `exp` at most `max_lifetime_seconds` after `iat`.
    Raises TokenInvalid, or TokenExpired where only the time is wrong.
    """
    try:
        claims = json.loads(_jws.decode(token, public_key, algorithms=["EdDSA"]))
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise TokenInvalid from error
    if not isinstance(claims, dict) or claims.get("iss") != issuer:
        raise TokenInvalid
    if claims.get("aud") != audience:
        raise TokenInvalid(wrong_audience=isinstance(claims.get("aud"), str))
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if type(issued_at) is not int or type(expires_at) is not int:
        raise TokenInvalid
    if not 0 < expires_at - issued_at <= max_lifetime_seconds:
        raise TokenInvalid
    if not issued_at - CLOCK_TOLERANCE_SECONDS <= now_seconds < expires_at:
        raise TokenExpired
    return claims
