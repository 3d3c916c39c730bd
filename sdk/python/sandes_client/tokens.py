"""Signs tokens: JWS compact, EdDSA only (docs/protocol/README.md, "Keys and tokens"; docs/apps/README.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sandes_client.ids import DeviceAddress, base64url_text
from sandes_client.keys import IdentityKey

LIFETIME_SECONDS = 300
"""Lifetime of a device's token, the longest that the server accepts."""

APP_LIFETIME_SECONDS = 60
"""Lifetime of an app's token, the longest that the server accepts."""


def sign_token(identity: IdentityKey, device: DeviceAddress, *, audience: str, now_seconds: int) -> str:
    """Return a token for `Authorization: Bearer`. `now_seconds` is the server's time, not this machine's."""
    claims = {"iss": str(device), "aud": audience, "iat": now_seconds, "exp": now_seconds + LIFETIME_SECONDS}
    return _signed(identity, str(device), claims)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Holds the request to which an app's token is bound. `target` is path and query, from /v1 on, as they are sent."""

    method: str
    target: str
    body: bytes
    idempotency_key: str | None
    if_match: str | None = None


def sign_app_token(identity: IdentityKey, key: str, request: SignedRequest, *, audience: str, now_seconds: int) -> str:
    """Return a token for this one request. `key` is the app id, a full stop and the key id."""
    claims: dict[str, object] = {
        "iss": key.partition(".")[0],
        "aud": audience,
        "iat": now_seconds,
        "exp": now_seconds + APP_LIFETIME_SECONDS,
        "htm": request.method,
        "htu": request.target,
        "bh": base64url_text(hashlib.sha256(request.body).digest()),
    }
    if request.idempotency_key is not None:
        claims["ik"] = request.idempotency_key
    if request.if_match is not None:
        claims["im"] = request.if_match
    return _signed(identity, key, claims)


def _signed(identity: IdentityKey, kid: str, claims: Mapping[str, object]) -> str:
    signed = f"{_part({'alg': 'EdDSA', 'kid': kid, 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{base64url_text(identity.sign(signed.encode('ascii')))}"


def _part(value: Mapping[str, object]) -> str:
    return base64url_text(json.dumps(value, separators=(",", ":")).encode())
