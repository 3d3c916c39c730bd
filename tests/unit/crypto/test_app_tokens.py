"""Tests app tokens: one algorithm, one audience, one minute, and one request for each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from sandes.crypto.app_tokens import MAX_LIFETIME_SECONDS, SignedRequest, claimed_app, verify_app_token
from sandes.crypto.jws import CLOCK_TOLERANCE_SECONDS, TokenExpired, TokenInvalid
from sandes.model.ids import app_text, base64url_text
from tests.support.app_keys import AppKeys

NOW = 1_790_000_000
AUDIENCE = "sandes:test"
APP = "mfrggzdfmztwq"
KEYS = AppKeys(f"{APP}.abcdefgh", AUDIENCE, SigningKey(bytes(range(32))))
REQUEST = SignedRequest("POST", "/v1/otps?x=1", b'{"to":{}}', "send-1")


def verify(token: str, request: SignedRequest = REQUEST, *, now_seconds: int = NOW, keys: AppKeys = KEYS) -> None:
    app, _ = claimed_app(token)
    public = bytes(keys.key.verify_key)
    verify_app_token(token, request, app=app, public_key=public, audience=AUDIENCE, now_seconds=now_seconds)


def signed(**changed: Any) -> str:
    return KEYS.token(REQUEST, now_seconds=NOW, **changed)


def refused(token: str, request: SignedRequest = REQUEST, *, now_seconds: int = NOW) -> type[TokenInvalid]:
    with pytest.raises(TokenInvalid) as caught:
        verify(token, request, now_seconds=now_seconds)
    return caught.type


def test_a_good_token_is_accepted_and_names_app_and_key() -> None:
    verify(signed())
    app, key = claimed_app(signed())
    assert (app_text(app), key) == (APP, "abcdefgh")


def test_a_request_without_idempotency_key_needs_no_such_claim() -> None:
    get = SignedRequest("GET", "/v1/usage", b"", None)
    verify(KEYS.token(get, now_seconds=NOW), get)


def test_a_token_is_bound_to_the_version_that_the_request_names() -> None:
    put = SignedRequest("PUT", "/v1/app-groups/x/roster", b"{}", None, '"7"')
    token = KEYS.token(put, now_seconds=NOW)
    verify(token, put)
    for other in (None, "*", '"8"', ""):
        assert refused(token, replace(put, if_match=other)) is TokenInvalid
    unbound = KEYS.token(replace(put, if_match=None), now_seconds=NOW)
    assert refused(unbound, put) is TokenInvalid


def test_a_token_is_good_from_30_seconds_before_it_was_made_until_it_expires() -> None:
    verify(signed(), now_seconds=NOW - CLOCK_TOLERANCE_SECONDS)
    verify(signed(), now_seconds=NOW + 59)
    assert refused(signed(), now_seconds=NOW - CLOCK_TOLERANCE_SECONDS - 1) is TokenExpired
    assert refused(signed(), now_seconds=NOW + 60) is TokenExpired
    assert MAX_LIFETIME_SECONDS == 60


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "nfrggzdfmztwq"},
        {"iss": f"{APP}.abcdefgh"},
        {"iss": None},
        {"iss": ...},
        {"aud": "sandes:prod"},
        {"aud": [AUDIENCE]},
        {"aud": None},
        {"aud": ...},
        {"iat": ...},
        {"iat": float(NOW)},
        {"iat": str(NOW)},
        {"iat": True, "exp": 2},
        {"iat": NOW - 1},
        {"exp": ...},
        {"exp": NOW + 61},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": float(NOW + 60)},
        {"exp": None},
        {"htm": "GET"},
        {"htm": "post"},
        {"htm": ["POST"]},
        {"htm": ...},
        {"htu": "/v1/otps"},
        {"htu": "/v1/otps?x=2"},
        {"htu": "https://example.org/v1/otps?x=1"},
        {"htu": None},
        {"htu": ...},
        {"bh": base64url_text(hashlib.sha256(b"").digest())},
        {"bh": hashlib.sha256(REQUEST.body).hexdigest()},
        {"bh": ""},
        {"bh": ...},
        {"ik": "send-2"},
        {"ik": None},
        {"ik": ...},
    ],
    ids=str,
)
def test_a_claim_that_is_wrong_or_missing_is_refused(changed: dict[str, Any]) -> None:
    assert refused(signed(**changed)) is TokenInvalid


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"method": "DELETE"},
        {"path": "/v1/otps"},
        {"path": "/v1/otps?x=1&y=2"},
        {"path": "/v1/OTPS?x=1"},
        {"path": "/v1/messages"},
        {"body": b'{"to":{}} '},
        {"body": b""},
        {"idempotency_key": "send-2"},
        {"idempotency_key": None},
    ],
    ids=str,
)
def test_a_copied_token_is_good_for_no_other_request(changed: dict[str, Any]) -> None:
    assert refused(signed(), replace(REQUEST, **changed)) is TokenInvalid


def test_a_token_without_idempotency_claim_is_good_for_no_request_with_one() -> None:
    get = SignedRequest("GET", "/v1/usage", b"", None)
    assert refused(KEYS.token(get, now_seconds=NOW), replace(get, idempotency_key="x")) is TokenInvalid


@pytest.mark.parametrize("alg", ["none", "None", "eddsa", "Ed25519", "ES256", "HS256", "", None, 1])
def test_no_other_algorithm_is_accepted_even_with_a_good_signature(alg: object) -> None:
    assert refused(signed(header={"alg": alg})) is TokenInvalid


def test_another_apps_key_and_a_changed_signature_are_refused() -> None:
    stranger = replace(KEYS, key=SigningKey(bytes(32)))
    assert refused(stranger.token(REQUEST, now_seconds=NOW)) is TokenInvalid
    assert refused(signed(signature=bytes(64))) is TokenInvalid
    assert refused(signed(signature=bytes(63))) is TokenInvalid
    assert refused(signed().rpartition(".")[0] + ".") is TokenInvalid


@pytest.mark.parametrize(
    "kid",
    [
        APP,
        f"{APP}.",
        f"{APP}.abcdefg",
        f"{APP}.abcdefghi",
        f"{APP}.abcdefgh.x",
        f"{APP}.abcde.gh",
        f"{APP}.abcdefg\u0663",
        f"{APP[:-1]}.abcdefgh",
        f"{APP[:-1]}b.abcdefgh",
        f"{APP.upper()}.abcdefgh",
        ".abcdefgh",
        "",
        None,
        1,
        ["a"],
    ],
)
def test_a_header_that_names_no_app_and_key_is_refused_before_anything_is_read(kid: object) -> None:
    with pytest.raises(TokenInvalid):
        claimed_app(signed(header={"kid": kid}))


def test_a_header_without_key_id_is_refused() -> None:
    _, claims, signature = signed().split(".")
    with pytest.raises(TokenInvalid):
        claimed_app(f"{base64url_text(json.dumps({'alg': 'EdDSA'}).encode())}.{claims}.{signature}")


@given(st.text(max_size=100))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        claimed_app(token)
