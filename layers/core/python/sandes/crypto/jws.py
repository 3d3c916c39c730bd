"""Compact JWS with Ed25519 only (RFC 7515, RFC 8037), verified by libsodium. The server signs no tokens.

This module checks the parts that all tokens have: signature, issuer, audience and times. Device tokens (`tokens`) add
nothing; app tokens (`app_tokens`) also bind the request.
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
    """Reports a token that this server never accepts.

    If `wrong_audience` is true, the right issuer and key signed it for another service.
    """

    def __init__(self, *, wrong_audience: bool = False) -> None:
        super().__init__()
        self.wrong_audience = wrong_audience


class TokenExpired(TokenInvalid):
    """Reports a well-formed token that has expired or is not valid yet."""


class _EdDSA(jwt.algorithms.Algorithm):
    """Verifies Ed25519 with libsodium, which refuses small-order keys and malleable signatures."""

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
    """Return the header's `kid`, unverified until `verified_claims`. Raises TokenInvalid."""
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenInvalid
    try:
        return str(jwt.get_unverified_header(token).get("kid"))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenInvalid from error


def verified_claims(
    token: str, *, public_key: bytes, issuer: str, audience: str, now_seconds: int, max_lifetime_seconds: int
) -> dict[str, Any]:
    """Return the claims of a token that this key signed for this audience and that is valid now.

    `iat` and `exp` must be integers, with `exp` at most `max_lifetime_seconds` after `iat`. Raises TokenExpired if only
    the time is wrong, and TokenInvalid otherwise.
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
