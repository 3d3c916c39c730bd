"""Holds the secret half of an app, and signs its requests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from nacl.signing import SigningKey

from sandes.crypto.app_tokens import SignedRequest
from sandes.identity.apps import AppRequest
from sandes.model.ids import base64url_text

ADDRESS = "203.0.113.7"


@dataclass(frozen=True)
class AppKeys:
    """Holds one key of an app; `kid` is app id, full stop, key id."""

    kid: str
    audience: str
    key: SigningKey = field(default_factory=SigningKey.generate)

    @property
    def app(self) -> str:
        return self.kid.partition(".")[0]

    def token(self, signed: SignedRequest, *, now_seconds: int, **changed: Any) -> str:
        """Make a token as docs/apps requires it. `changed` replaces claims (`...` leaves one out), and also `header`
        and `signature`.
        """
        header = {"alg": "EdDSA", "kid": self.kid, "typ": "JWT"} | changed.pop("header", {})
        signature = changed.pop("signature", None)
        claims: dict[str, Any] = {"iss": self.app, "aud": self.audience, "iat": now_seconds, "exp": now_seconds + 60}
        claims |= {"htm": signed.method, "htu": signed.path}
        claims["bh"] = base64url_text(hashlib.sha256(signed.body).digest())
        if signed.idempotency_key is not None:
            claims["ik"] = signed.idempotency_key
        if signed.if_match is not None:
            claims["im"] = signed.if_match
        claims = {name: value for name, value in (claims | changed).items() if value is not ...}
        text = ".".join(base64url_text(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{base64url_text(signature or self.key.sign(text.encode()).signature)}"

    def request(
        self, method: str, path: str, body: bytes = b"", *, key: str | None, now_ms: int, address: str = ADDRESS
    ) -> AppRequest:
        """Make a signed request as the edge passes it on. `key` is the Idempotency-Key."""
        signed = SignedRequest(method, path, body, key)
        return AppRequest.of(self.token(signed, now_seconds=now_ms // 1000), signed, address)
