"""Identifies calling apps and checks their rights: token, key, network address, scope (docs/apps/README.md,
"Tokens").
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from sandes.crypto.app_tokens import SignedRequest, claimed_app, verify_app_token
from sandes.crypto.codes import same
from sandes.crypto.jws import TokenExpired, TokenInvalid
from sandes.crypto.pepper import Pepper
from sandes.model.app import App, AppKey, Scope
from sandes.model.ids import AppId, AppKeyId, base64url_text, is_test_key, without_hyphen
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.app_view import AppFacts, AppView, Wanted
from sandes.store.deliveries import Answer

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class AppRequest:
    """Holds a request of an app before its token is verified."""

    token: str
    signed: SignedRequest
    source_address: str
    app: AppId
    key: AppKeyId

    @classmethod
    def of(cls, token: str, signed: SignedRequest, source_address: str) -> AppRequest:
        """Read a request. Raises ProtocolError token_invalid; for a POST also idempotency_key_missing or
        idempotency_key_invalid.
        """
        try:
            app, key = claimed_app(token)
        except TokenInvalid:
            raise ProtocolError(ErrorCode.TOKEN_INVALID) from None
        if signed.method == "POST":
            if not signed.idempotency_key:
                raise ProtocolError(ErrorCode.IDEMPOTENCY_KEY_MISSING)
            if not _IDEMPOTENCY_KEY.fullmatch(signed.idempotency_key):
                raise ProtocolError(ErrorCode.IDEMPOTENCY_KEY_INVALID)
        return cls(token, signed, source_address, app, key)

    @property
    def test(self) -> bool:
        """Tell whether a test key made the request."""
        return is_test_key(self.key)

    def request_hash(self, pepper: Pepper) -> str:
        """Return the name of this operation, in 22 characters without a leading hyphen.

        It depends on app, kind of key, method, path and idempotency key. An idempotency key therefore names two
        different operations if it is used with a test key and with a live key.
        """
        return self.request_hashes(pepper)[0]

    def request_hashes(self, pepper: Pepper) -> tuple[str, ...]:
        """Return the names of this operation under all values of the pepper, the current one first."""
        parts = (self.app, self.signed.method, self.signed.path, self.signed.idempotency_key or "")
        encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
        label = "test request" if self.test else "request"
        return tuple(base64url_text(without_hyphen(made)) for made in pepper.fingerprints(label, *encoded))

    def known_as(self, known: Container[str], pepper: Pepper) -> str:
        """Return the name of this operation. If one of its names is in `known`, return that name.

        Such a name is from the time before the pepper was replaced.
        """
        hashes = self.request_hashes(pepper)
        return next((one for one in hashes if one in known), hashes[0])

    def body_fingerprint(self, pepper: Pepper, kept: bytes | None = None) -> bytes:
        """Return a keyed fingerprint of the body, by which a repeated request is recognised.

        `kept` is an earlier fingerprint, perhaps under another value of the pepper. It is returned if it fits this
        body. The hash is keyed because bodies hold codes, which could be guessed.
        """
        if kept is not None and self.has_body(kept, pepper):
            return kept
        return pepper.fingerprint("body", self.app, self.signed.body)

    def has_body(self, fingerprint: bytes, pepper: Pepper) -> bool:
        """Tell whether a fingerprint is that of this request's body, under any value of the pepper."""
        return any(same(fingerprint, one) for one in pepper.fingerprints("body", self.app, self.signed.body))


@dataclass(frozen=True, slots=True)
class AppCaller:
    app: App
    key: AppKey
    facts: AppFacts


def first_answer(
    request: AppRequest, caller: AppCaller, *, pepper: Pepper, now_seconds: int, view: AppView
) -> Answer | None:
    """Return the first answer to a request with this idempotency key, if any.

    This costs one more read while the pepper is being replaced.
    """
    for before in request.request_hashes(pepper)[1:]:
        if caller.facts.answer is None:
            return view.deliveries.remembered(caller.app.id, before, now_seconds=now_seconds)
    return caller.facts.answer


def identify(
    request: AppRequest, wanted: Wanted, *, scope: Scope | None, audience: str, now: Instant, view: AppView
) -> AppCaller:
    """Identify the app with one read, which also fetches what the call needs next, and one signature check.

    Raises ProtocolError token_expired (with the server's time), token_audience (with the server's audience),
    address_not_allowed, scope_missing, or token_invalid for everything else that is wrong with token or key.
    """
    now_seconds = now.seconds
    facts = view.read(request.app, wanted, now_seconds=now_seconds)
    key = facts.app.keys.get(request.key) if facts.app else None
    if facts.app is None or key is None:
        raise ProtocolError(ErrorCode.TOKEN_INVALID)
    try:
        verify_app_token(
            request.token,
            request.signed,
            app=request.app,
            public_key=key.public,
            audience=audience,
            now_seconds=now_seconds,
        )
    except TokenExpired:
        raise ProtocolError(ErrorCode.TOKEN_EXPIRED, details={"server_time": now.ms}) from None
    except TokenInvalid as error:
        if error.wrong_audience:
            raise ProtocolError(ErrorCode.TOKEN_AUDIENCE, details={"audience": audience}) from None
        raise ProtocolError(ErrorCode.TOKEN_INVALID) from None
    if not key.allows(request.source_address):
        raise ProtocolError(ErrorCode.ADDRESS_NOT_ALLOWED)
    if scope is not None and scope not in facts.app.scopes:
        raise ProtocolError(ErrorCode.SCOPE_MISSING)
    return AppCaller(facts.app, key, facts)
