"""Device tokens: JWS compact, EdDSA and nothing else (docs/protocol/README.md, "Keys and tokens")."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sandes_client.ids import DeviceAddress, base64url_text
from sandes_client.keys import IdentityKey

LIFETIME_SECONDS = 300
"""The longest the server accepts."""


def sign_token(identity: IdentityKey, device: DeviceAddress, *, audience: str, now_seconds: int) -> str:
    """A token for `Authorization: Bearer`. `now_seconds` is the server's time, not this machine's."""
    header = {"alg": "EdDSA", "kid": str(device), "typ": "JWT"}
    claims = {"iss": str(device), "aud": audience, "iat": now_seconds, "exp": now_seconds + LIFETIME_SECONDS}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{base64url_text(identity.sign(signed.encode('ascii')))}"


def _part(value: Mapping[str, object]) -> str:
    return base64url_text(json.dumps(value, separators=(",", ":")).encode())
