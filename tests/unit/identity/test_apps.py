"""Tests the identity of apps: revoked keys, networks, scopes, idempotency keys, and copied requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandes.crypto.app_tokens import SignedRequest
from sandes.identity.apps import AppCaller, AppRequest, identify
from sandes.model.instant import Instant
from sandes.protocol.errors import ErrorCode, ProtocolError
from sandes.store.app_view import Wanted
from tests.support.app_keys import AppKeys
from tests.support.otps import check, code_for, other, resend, send, state
from tests.support.service import AUDIENCE, NOW_MS, PEPPER, Service


def call(service: Service, app: AppKeys, *, scope: Any = "otp", now_ms: int = NOW_MS, **request: Any) -> AppCaller:
    fields: dict[str, Any] = {"key": "k", "now_ms": NOW_MS}
    made = app.request("POST", "/v1/otps", b"{}", **fields | request)
    return identify(made, Wanted(), scope=scope, audience=AUDIENCE, now=Instant(now_ms), view=service.app_view())


def refused(*arguments: Any, **named: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    return caught.value


def test_an_app_is_known_by_its_key(service: Service) -> None:
    app = service.app()
    caller = call(service, app)
    assert (caller.app.name, caller.key.test) == ("Passport Seva", False)
    assert call(service, service.more_keys(app, test=True)).key.test


def test_a_revoked_key_is_refused_at_once_and_its_successor_is_not(service: Service) -> None:
    app = service.app()
    successor = service.more_keys(app)
    service.operate("key.revoke", app=app.app, key=app.kid)
    assert refused(service, app).code is ErrorCode.TOKEN_INVALID
    assert call(service, successor).app.name == "Passport Seva"


def test_an_unknown_app_an_unknown_key_and_a_key_of_another_app_look_the_same(service: Service) -> None:
    app, stranger = service.app(), service.app()
    unknown = [
        replace(app, kid=f"{'a' * 13}.{app.kid.partition('.')[2]}"),
        replace(app, kid=f"{app.app}.aaaaaaaa"),
        replace(app, key=stranger.key),
        replace(app, kid=stranger.kid),
    ]
    errors = [refused(service, keys) for keys in unknown]
    assert {(error.code, str(error.details)) for error in errors} == {(ErrorCode.TOKEN_INVALID, "{}")}


def test_an_expired_token_is_told_the_servers_time(service: Service) -> None:
    error = refused(service, service.app(), now_ms=NOW_MS + 60_000)
    assert (error.code, error.details) == (ErrorCode.TOKEN_EXPIRED, {"server_time": NOW_MS + 60_000})


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ([], "203.0.113.7", True),
        (["203.0.113.0/24"], "203.0.113.7", True),
        (["203.0.113.0/24"], "203.0.114.7", False),
        (["203.0.113.7/32"], "203.0.113.8", False),
        (["198.51.100.0/24", "203.0.113.0/24"], "203.0.113.7", True),
        (["2001:db8::/32"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "2001:db9::5", False),
        (["2001:db8::/32"], "203.0.113.7", False),
        (["203.0.113.0/24"], "2001:db8::5", False),
        (["0.0.0.0/0"], "2001:db8::5", False),
        (["203.0.113.0/24"], "", False),
        (["203.0.113.0/24"], "203.0.113.7, 10.0.0.1", False),
    ],
)
def test_a_key_is_good_from_its_networks_only(
    service: Service, networks: list[str], address: str, allowed: bool
) -> None:
    keys = service.more_keys(service.app(), networks=tuple(networks))
    if allowed:
        call(service, keys, address=address)
    else:
        assert refused(service, keys, address=address).code is ErrorCode.ADDRESS_NOT_ALLOWED


def test_a_forged_token_does_not_learn_which_networks_are_allowed(service: Service) -> None:
    app = service.app()
    keys = replace(service.more_keys(app, networks=("203.0.113.0/24",)), key=app.key)
    assert refused(service, keys, address="198.51.100.1").code is ErrorCode.TOKEN_INVALID


def test_an_app_without_the_scope_is_refused(service: Service) -> None:
    app = service.app(scopes=["msg"])
    assert refused(service, app).code is ErrorCode.SCOPE_MISSING
    call(service, app, scope="msg")
    call(service, app, scope=None)


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 65, "schlüssel", "a\tb", "a\n", "\x7f", " "])
def test_a_post_needs_a_usable_idempotency_key(key: str | None) -> None:
    app = AppKeys("mfrggzdfmztwq.abcdefgh", AUDIENCE)
    with pytest.raises(ProtocolError) as caught:
        app.request("POST", "/v1/otps", b"{}", key=key, now_ms=NOW_MS)
    expected = ErrorCode.IDEMPOTENCY_KEY_INVALID if key else ErrorCode.IDEMPOTENCY_KEY_MISSING
    assert caught.value.code is expected


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_no_post_needs_none(method: str) -> None:
    AppKeys("mfrggzdfmztwq.abcdefgh", AUDIENCE).request(method, "/v1/otps", key=None, now_ms=NOW_MS)


@pytest.mark.parametrize("key", ["x", "x" * 64, "!~", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"])
def test_keys_of_up_to_64_visible_characters_are_fine(key: str) -> None:
    AppKeys("mfrggzdfmztwq.abcdefgh", AUDIENCE).request("POST", "/v1/otps", key=key, now_ms=NOW_MS)


@given(
    st.tuples(*[st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=4)] * 3),
    st.tuples(*[st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=4)] * 3),
)
def test_no_two_operations_share_their_hash(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    app = AppKeys("mfrggzdfmztwq.abcdefgh", AUDIENCE)

    def hashed(method: str, path: str, key: str) -> str:
        made = AppRequest("t", SignedRequest(method, path, b"", key), "a", app_id(app), key_id(app))
        return made.request_hash(PEPPER)

    assert (hashed(*left) == hashed(*right)) == (left == right)


def app_id(app: AppKeys) -> Any:
    return app.request("GET", "/", key=None, now_ms=NOW_MS).app


def key_id(app: AppKeys) -> Any:
    return app.request("GET", "/", key=None, now_ms=NOW_MS).key


# Uses of a copied request


def test_a_repeated_request_is_answered_as_before_and_does_nothing_more(service: Service) -> None:
    app, person = service.app(), service.person()
    first = send(service, app, person, key="k")
    code = code_for(service, person)
    assert send(service, app, person, key="k", at=50) == first
    assert len(service.stored(person)) == 1
    wrong = check(service, app, first.id, other(code), key="guess")
    assert check(service, app, first.id, other(code), key="guess", at=50) == wrong == ("incorrect", 2)
    second = resend(service, app, first.id, key="again", at=30)
    assert resend(service, app, first.id, key="again", at=80) == second
    assert state(service, app, first.id, at=80).attempts_left == 3


def test_another_body_under_the_same_key_is_refused(service: Service) -> None:
    app, person = service.app(), service.person()
    made = send(service, app, person, key="k")
    with pytest.raises(ProtocolError) as mismatch:
        send(service, app, person, key="k", length=8)
    assert mismatch.value.code is ErrorCode.IDEMPOTENCY_MISMATCH
    code = code_for(service, person)
    check(service, app, made.id, other(code), key="guess")
    with pytest.raises(ProtocolError) as mismatch:
        check(service, app, made.id, code, key="guess")
    assert mismatch.value.code is ErrorCode.IDEMPOTENCY_MISMATCH
    assert state(service, app, made.id).attempts_left == 2


def test_two_apps_may_use_the_same_idempotency_key(service: Service) -> None:
    person = service.person()
    ids = {send(service, service.app(), person, key="k").id for _ in range(2)}
    assert len(ids) == 2


def test_an_idempotency_key_is_free_again_once_it_is_forgotten_though_the_row_may_still_lie_there(
    service: Service,
) -> None:
    app, person = service.app(), service.person()
    first = send(service, app, person, key="k")
    kept = 300 + 86_400
    assert send(service, app, person, key="k", at=kept - 1) == first
    assert len(service.stored(person)) == 1
    later = send(service, app, person, key="k", at=kept)
    assert later.expires_at > first.expires_at
    assert len(service.stored(person, now_ms=NOW_MS + kept * 1000)) == 1


def test_a_test_key_and_a_live_key_may_use_the_same_idempotency_key(service: Service) -> None:
    person = service.person()
    app = service.app(guests=[person.phone])
    test = service.more_keys(app, test=True)
    ids = {send(service, test, person, key="k").id, send(service, app, person, key="k").id}
    assert len(ids) == 2
    assert {send(service, test, person, key="k").id, send(service, app, person, key="k").id} == ids
