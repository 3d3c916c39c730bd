"""Device tokens: compact JWS with EdDSA only, signed by the device and verified with its public key.

Claims: `iss` and header `kid` (the device address), `aud`, `iat`, `exp` at most 300 s after `iat`. The server holds no
key that could sign a token.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandes.crypto.jws import (
    CLOCK_TOLERANCE_SECONDS,
    MAX_TOKEN_CHARS,
    TokenExpired,
    TokenInvalid,
    claimed_key,
    verified_claims,
)
from sandes.model.ids import DeviceAddress

__all__ = [
    "CLOCK_TOLERANCE_SECONDS",
    "MAX_LIFETIME_SECONDS",
    "MAX_TOKEN_CHARS",
    "TokenClaims",
    "TokenExpired",
    "TokenInvalid",
    "claimed_device",
    "verify_token",
]

MAX_LIFETIME_SECONDS = 300


@dataclass(frozen=True, slots=True)
class TokenClaims:
    device: DeviceAddress
    issued_at: int
    expires_at: int


def claimed_device(token: str) -> DeviceAddress:
    """Return the device that a token names, unverified until `verify_token`. Raises TokenInvalid."""
    try:
        return DeviceAddress.parse(claimed_key(token))
    except ValueError as error:
        raise TokenInvalid from error


def verify_token(token: str, *, identity_key: bytes, audience: str, now_seconds: int) -> TokenClaims:
    """Verify a token. Raises TokenExpired if only the time is wrong, and TokenInvalid otherwise."""
    device = claimed_device(token)
    claims = verified_claims(
        token,
        public_key=identity_key,
        issuer=str(device),
        audience=audience,
        now_seconds=now_seconds,
        max_lifetime_seconds=MAX_LIFETIME_SECONDS,
    )
    return TokenClaims(device, claims["iat"], claims["exp"])
