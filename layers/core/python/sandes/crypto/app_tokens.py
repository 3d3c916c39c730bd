"""App tokens: the app signs one for each request, and the token binds the request (docs/apps/README.md, "Tokens").

Header `kid`: app id, full stop, key id. Claims: `iss` (app id), `aud`, `iat`, `exp` at most 60 s after `iat`, `htm`
(method), `htu` (path and query, from /v1 on), `bh` (SHA-256 of the body, base64url), with POST `ik` (the
Idempotency-Key), and with If-Match `im` (its value). Whoever copies a token can only repeat the same request, which
gets the same answer as before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sandes.crypto.jws import TokenInvalid, claimed_key, verified_claims
from sandes.model.ids import AppId, AppKeyId, app_text, base64url_text, parse_app

MAX_LIFETIME_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Holds the parts of a request that a token binds. `path` includes the query. An absent header is None."""

    method: str
    path: str
    body: bytes
    idempotency_key: str | None
    if_match: str | None = None


def claimed_app(token: str) -> tuple[AppId, AppKeyId]:
    """Return the app and key that a token names, unverified until `verify_app_token`. Raises TokenInvalid."""
    app, _, key = claimed_key(token).partition(".")
    if len(key) != 8 or not key.isalnum() or not key.isascii():
        raise TokenInvalid
    try:
        return parse_app(app), AppKeyId(key)
    except ValueError as error:
        raise TokenInvalid from error


def verify_app_token(
    token: str, request: SignedRequest, *, app: AppId, public_key: bytes, audience: str, now_seconds: int
) -> None:
    """Verify a token of the `app` that `claimed_app` returned.

    Raises TokenExpired if only the time is wrong. Raises TokenInvalid otherwise, also if the token is for another app,
    method, path, body, idempotency key or If-Match.
    """
    claims = verified_claims(
        token,
        public_key=public_key,
        issuer=app_text(app),
        audience=audience,
        now_seconds=now_seconds,
        max_lifetime_seconds=MAX_LIFETIME_SECONDS,
    )
    bound = {
        "htm": request.method,
        "htu": request.path,
        "bh": base64url_text(hashlib.sha256(request.body).digest()),
        "ik": request.idempotency_key,
        "im": request.if_match,
    }
    if any(claims.get(name) != value for name, value in bound.items()):
        raise TokenInvalid
