"""Tests tokens: one algorithm, one audience, five minutes, and a signature in one form only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from sandes.crypto.tokens import (
    CLOCK_TOLERANCE_SECONDS,
    MAX_LIFETIME_SECONDS,
    MAX_TOKEN_CHARS,
    TokenExpired,
    TokenInvalid,
    claimed_device,
    verify_token,
)
from sandes.model.ids import base64url_text, parse_base64url
from tests.support.keys import DeviceKeys

NOW = 1_790_000_000
ADDRESS = "mfrggzdfmztwq.1"
KEYS = DeviceKeys(identity=SigningKey(bytes(range(32))))
HEADER = {"alg": "EdDSA", "kid": ADDRESS}
CLAIMS = {"iss": ADDRESS, "aud": "sandes:test", "iat": NOW, "exp": NOW + 300}
ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of Ed25519's base point (RFC 8032). A careless verifier accepts S plus this number too."""


def verify(token: str, *, now_seconds: int = NOW, identity_key: bytes = KEYS.identity_public) -> Any:
    return verify_token(token, identity_key=identity_key, audience="sandes:test", now_seconds=now_seconds)


def refused(token: str, *, now_seconds: int = NOW) -> type[TokenInvalid]:
    with pytest.raises(TokenInvalid) as caught:
        verify(token, now_seconds=now_seconds)
    return caught.type


def claims(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changed).items() if value is not ...}


def test_a_good_token_names_its_device_and_times() -> None:
    token = KEYS.jws(HEADER, CLAIMS)
    verified = verify(token)
    assert (str(verified.device), verified.issued_at, verified.expires_at) == (ADDRESS, NOW, NOW + 300)
    assert claimed_device(token) == verified.device
    assert MAX_LIFETIME_SECONDS == 300


def test_a_token_is_good_from_30_seconds_before_it_was_made_until_it_expires() -> None:
    token = KEYS.jws(HEADER, CLAIMS)
    verify(token, now_seconds=NOW - CLOCK_TOLERANCE_SECONDS)
    verify(token, now_seconds=NOW + 299)
    assert refused(token, now_seconds=NOW - CLOCK_TOLERANCE_SECONDS - 1) is TokenExpired
    assert refused(token, now_seconds=NOW + 300) is TokenExpired
    assert refused(token, now_seconds=0) is TokenExpired


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"aud": "sandes:prod"},
    {"aud": ["sandes:test"]},
    {"aud": "sandes:test "},
    {"aud": None},
    {"aud": ...},
    {"iss": "mfrggzdfmztwq.2"},
    {"iss": None},
    {"iss": ...},
    {"exp": NOW + 301},
    {"iat": NOW - 1},
    {"exp": NOW},
    {"exp": NOW - 1},
    {"exp": ...},
    {"iat": ...},
    {"exp": str(NOW + 300)},
    {"exp": float(NOW + 300)},
    {"iat": float(NOW)},
    {"iat": True, "exp": 2},
    {"exp": None},
    {"iat": -(10**400), "exp": 10**400},
]


@pytest.mark.parametrize("changed", WRONG_CLAIMS)
def test_claims_of_another_audience_device_lifetime_or_type_are_refused(changed: dict[str, Any]) -> None:
    assert refused(KEYS.jws(HEADER, claims(**changed))) is TokenInvalid


@pytest.mark.parametrize("kid", ["mfrggzdfmztwq.2", "nfrggzdfmztwq.1", "", "x", None, 1, ["a"], "mfrggzdfmztwq.1 "])
def test_a_header_that_names_another_device_or_none_is_refused(kid: object) -> None:
    assert refused(KEYS.jws({"alg": "EdDSA", "kid": kid}, CLAIMS)) is TokenInvalid
    assert refused(KEYS.jws({"alg": "EdDSA"}, CLAIMS)) is TokenInvalid


@pytest.mark.parametrize("alg", ["none", "None", "eddsa", "EDDSA", "Ed25519", "ES256", "HS256", "", None, 1])
def test_no_other_algorithm_is_accepted_even_with_a_good_signature(alg: object) -> None:
    assert refused(KEYS.jws({"alg": alg, "kid": ADDRESS}, CLAIMS)) is TokenInvalid


def unsigned(header: dict[str, Any]) -> str:
    return f"{base64url_text(json.dumps(header).encode())}.{base64url_text(json.dumps(CLAIMS).encode())}"


@pytest.mark.parametrize("alg", ["none", "NONE", "EdDSA"])
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    text = unsigned({"alg": alg, "kid": ADDRESS})
    for token in (text, text + ".", text + ".."):
        assert refused(token) is TokenInvalid


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
@pytest.mark.parametrize("form", ["raw", "base64", "pem"])
def test_a_mac_keyed_with_the_public_key_is_refused(alg: str, form: str) -> None:
    public = KEYS.identity_public
    der = bytes.fromhex("302a300506032b6570032100") + public
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
    key = {"raw": public, "base64": base64.b64encode(public), "pem": pem}[form]
    text = unsigned({"alg": alg, "kid": ADDRESS})
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()
    assert refused(f"{text}.{base64url_text(mac)}") is TokenInvalid


def test_a_signature_with_the_groups_order_added_to_s_is_refused() -> None:
    text, _, signature = KEYS.jws(HEADER, CLAIMS).rpartition(".")
    raw = parse_base64url(signature)
    s = int.from_bytes(raw[32:], "little")
    for times in range(1, 8):
        malleated = raw[:32] + (s + times * ORDER).to_bytes(32, "little")
        assert refused(f"{text}.{base64url_text(malleated)}") is TokenInvalid


def test_a_signature_by_another_key_or_cut_short_or_changed_is_refused() -> None:
    assert refused(DeviceKeys().jws(HEADER, CLAIMS)) is TokenInvalid
    text, _, signature = KEYS.jws(HEADER, CLAIMS).rpartition(".")
    raw = parse_base64url(signature)
    for wrong in (
        raw[:63],
        raw + b"\0",
        b"",
        bytes(64),
        *(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :] for i in range(64)),
    ):
        assert refused(f"{text}.{base64url_text(wrong)}") is TokenInvalid


def test_a_key_of_small_order_verifies_nothing() -> None:
    """With the identity as key and R, a careless verifier accepts S = 0 as a signature of everything."""
    identity = bytes([1]) + bytes(31)
    token = f"{unsigned(HEADER)}.{base64url_text(identity + bytes(32))}"
    with pytest.raises(TokenInvalid):
        verify(token, identity_key=identity)


def test_claims_changed_after_signing_are_refused() -> None:
    header, _, signature = KEYS.jws(HEADER, CLAIMS).split(".")
    forged = base64url_text(json.dumps(claims(exp=NOW + 299)).encode())
    assert refused(f"{header}.{forged}.{signature}") is TokenInvalid


@pytest.mark.parametrize("extra", [{"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}, {"b64": False}])
def test_a_header_that_changes_how_a_token_is_read_is_refused(extra: dict[str, Any]) -> None:
    assert refused(KEYS.jws(HEADER | extra, CLAIMS)) is TokenInvalid


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"x"', b"1", b"{", b"\xff\xfe", b"[" * 1_300, b"{}"])
def test_signed_garbage_is_refused(payload: bytes) -> None:
    assert refused(KEYS.jws(HEADER, payload)) is TokenInvalid


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "Bearer x", "é.é.é", "\0", "a" * MAX_TOKEN_CHARS, "....."])
def test_garbage_is_refused(token: str) -> None:
    assert refused(token) is TokenInvalid


@given(st.text(max_size=200))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        claimed_device(token)
    assert refused(token) is TokenInvalid


def test_an_oversized_token_is_refused_though_its_signature_is_good() -> None:
    fitting = KEYS.jws(HEADER, CLAIMS | {"x": "x" * 1_000})
    verify(fitting)
    large = KEYS.jws(HEADER, CLAIMS | {"x": "x" * 1_500})
    assert len(fitting) <= MAX_TOKEN_CHARS < len(large)
    assert refused(large) is TokenInvalid
