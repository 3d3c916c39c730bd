"""The client of the admin API: what it sends, what it tries again, how it stays signed in."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandes_client.admin import (
    AdminApiError,
    AdminClient,
    AdminSession,
    Cognito,
    NotSignedIn,
    SessionUnusable,
    SignInRefused,
    Tokens,
    begin,
)
from sandes_client.admin.client import MAX_WAIT_SECONDS, TRIES
from sandes_client.api import Unreachable
from sandes_client.endpoints import AdminEndpoints, EndpointsInvalid

NOW = 1_790_000_000
HTTP, COGNITO = "https://api.example.gov.in", "https://cognito-idp.ap-south-1.amazonaws.com"
TOKENS = Tokens("access-1", "refresh-1", NOW + 900)

Answers = Iterator[httpx.Response | Exception]


class Backend:
    """Answers in turn; `asked` is what it was asked. Cognito gives new tokens, or `refuses`."""

    def __init__(self, *answers: httpx.Response | Exception, refuses: bool = False) -> None:
        self.answers: Answers = iter(answers)
        self.asked: list[httpx.Request] = []
        self.refreshes: list[dict[str, Any]] = []
        self.refuses = refuses
        self.slept: list[float] = []
        self.now = float(NOW)
        self.kept: list[Tokens] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.host.startswith("cognito"):
            self.refreshes.append(json.loads(request.content))
            if self.refuses:
                said = {"__type": "NotAuthorizedException", "message": "Refresh Token has been revoked"}
                return httpx.Response(400, json=said)
            result = {"AccessToken": f"access-{len(self.refreshes) + 1}", "ExpiresIn": 900}
            return httpx.Response(200, json={"AuthenticationResult": result})
        self.asked.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, tokens: Tokens = TOKENS) -> AdminClient:
        transport = httpx.MockTransport(self.handle)
        return AdminClient(
            HTTP,
            Cognito(COGNITO, "client-1", transport),
            tokens,
            on_refresh=self.kept.append,
            clock=lambda: self.now,
            sleep=self.slept.append,
            transport=transport,
        )


def done(body: Any = None) -> httpx.Response:
    return httpx.Response(200, json=body or {"fine": True})


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    headers = {"Retry-After": str(more["retry_after"])} if "retry_after" in more else {}
    return httpx.Response(status, json={"code": code, "request_id": "request-1", **more}, headers=headers)


def lost() -> Exception:
    return httpx.ReadTimeout("no answer")


def test_a_call_carries_the_token_its_query_and_its_body() -> None:
    backend = Backend(done(), done())
    client = backend.client()
    assert client.get("people", organisation="o", unit=None, limit=5) == {"fine": True}
    client.patch("units", "a/b?c", body={"name": "Ünit"}, if_match='"3"')
    read, changed = backend.asked
    assert (read.method, str(read.url)) == ("GET", f"{HTTP}/admin/v1/people?organisation=o&limit=5")
    assert read.headers["Authorization"] == "Bearer access-1"
    assert "If-Match" not in read.headers
    assert str(changed.url) == f"{HTTP}/admin/v1/units/a%2Fb%3Fc"
    assert (json.loads(changed.content), changed.headers["If-Match"]) == ({"name": "Ünit"}, '"3"')


def test_an_answer_without_a_body_is_none() -> None:
    assert Backend(httpx.Response(204)).client().delete("units", "u") is None


def test_a_refusal_says_code_reasons_and_what_to_quote() -> None:
    faults = [{"pointer": "/name", "code": "missing"}]
    backend = Backend(problem(403, "fresh_sign_in_required", errors=faults))
    with pytest.raises(AdminApiError) as error:
        backend.client().post("assignments", body={})
    assert (error.value.code, error.value.status, error.value.request_id, error.value.errors) == (
        "fresh_sign_in_required",
        403,
        "request-1",
        faults,
    )
    assert len(backend.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_is_repeated_after_the_time_the_service_asks_for(status: int) -> None:
    backend = Backend(problem(status, "unavailable", retry_after=3), done())
    assert backend.client().post("units", body={"name": "x"}) == {"fine": True}
    (waited,) = backend.slept
    assert 3 <= waited < 4
    first, second = backend.asked
    assert first.content == second.content


def test_whoever_is_told_to_wait_long_is_told_so() -> None:
    backend = Backend(problem(429, "rate_limited", retry_after=MAX_WAIT_SECONDS + 1))
    with pytest.raises(AdminApiError) as error:
        backend.client().get("units")
    assert (error.value.retry_after, backend.slept) == (MAX_WAIT_SECONDS + 1, [])


def test_there_is_an_end_to_trying() -> None:
    backend = Backend(*(problem(503, "unavailable") for _ in range(TRIES + 1)))
    with pytest.raises(AdminApiError):
        backend.client().get("units")
    assert len(backend.asked) == TRIES


def test_a_lost_answer_is_asked_for_again_but_no_change_is_made_twice() -> None:
    reading = Backend(lost(), done())
    assert reading.client().get("units") == {"fine": True}
    changing = Backend(lost(), done())
    with pytest.raises(Unreachable):
        changing.client().post("units", body={})
    assert len(changing.asked) == 1


@pytest.mark.parametrize(
    "answer", [httpx.Response(502), httpx.Response(500, text="oops"), httpx.Response(200, text="<html>")]
)
def test_what_no_service_of_ours_would_say_is_unreachable(answer: httpx.Response) -> None:
    with pytest.raises(Unreachable):
        Backend(answer).client().get("units")


def test_a_token_about_to_end_is_replaced_first_and_the_new_one_is_kept() -> None:
    backend = Backend(done(), done())
    client = backend.client()
    client.get("me")
    backend.now = NOW + 880
    client.get("me")
    assert [request.headers["Authorization"] for request in backend.asked] == ["Bearer access-1", "Bearer access-2"]
    (asked,) = backend.refreshes
    assert (asked["AuthFlow"], asked["AuthParameters"], asked["ClientId"]) == (
        "REFRESH_TOKEN_AUTH",
        {"REFRESH_TOKEN": "refresh-1"},
        "client-1",
    )
    assert [(one.access, one.refresh, one.expires_at) for one in backend.kept] == [
        ("access-2", "refresh-1", NOW + 1780)
    ]


def test_a_token_that_the_gateway_refuses_is_replaced_once() -> None:
    backend = Backend(httpx.Response(401, json={"message": "Unauthorized"}), done())
    assert backend.client().post("units", body={}) == {"fine": True}
    never = Backend(*(httpx.Response(401, json={"message": "Unauthorized"}) for _ in range(3)))
    with pytest.raises(NotSignedIn):
        never.client().get("me")
    assert (len(never.asked), len(never.refreshes)) == (2, 1)


def test_who_is_no_administrator_is_told_so_by_the_code() -> None:
    backend = Backend(problem(401, "token_invalid"), problem(401, "token_invalid"))
    with pytest.raises(AdminApiError) as error:
        backend.client().get("me")
    assert error.value.code == "token_invalid"


def test_a_sign_in_that_has_ended_is_no_more_and_nothing_is_asked() -> None:
    backend = Backend(refuses=True)
    with pytest.raises(NotSignedIn):
        backend.client(Tokens("old", "refresh-1", NOW)).get("me")
    assert backend.asked == []


def test_tokens_go_over_https_only_but_on_this_machine() -> None:
    for make in (lambda url: Cognito(url, "c"), lambda url: AdminClient(url, Cognito(COGNITO, "c"), TOKENS)):
        make("http://127.0.0.1:4566")
        with pytest.raises(EndpointsInvalid):
            make("http://api.example.gov.in")


def test_tokens_are_not_shown_where_a_client_is() -> None:
    assert "access-1" not in repr(TOKENS)
    assert "refresh-1" not in repr(TOKENS)


# Signing in


def cognito(answer: Callable[[httpx.Request], httpx.Response]) -> Cognito:
    return Cognito(COGNITO, "client-1", httpx.MockTransport(answer))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, json={"__type": "ServiceUnavailable"}),
        httpx.Response(400, json=["odd"]),
        httpx.Response(200, json=["odd"]),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"ChallengeName": "SMS_MFA", "Session": "s"}),
        httpx.Response(200, json={"ChallengeName": "SOFTWARE_TOKEN_MFA"}),
        httpx.Response(200, json={"AuthenticationResult": {"AccessToken": "a"}}),
    ],
)
def test_what_cognito_does_not_say_is_unreachable_and_no_sign_in(answer: httpx.Response) -> None:
    with pytest.raises(Unreachable):
        begin(cognito(lambda _: answer), "asha@example.gov.in", "secret")


def test_a_refusal_of_cognito_has_its_name() -> None:
    said = {"__type": "com.amazonaws#PasswordResetRequiredException", "message": "Password reset required"}
    with pytest.raises(SignInRefused) as error:
        begin(cognito(lambda _: httpx.Response(400, json=said)), "asha@example.gov.in", "secret")
    assert (error.value.code, error.value.message) == ("PasswordResetRequired", "Password reset required")


# Kept sign-ins and where they are for

SESSION = AdminSession("asha@example.gov.in", HTTP, COGNITO, "client-1", TOKENS)


def test_a_sign_in_is_kept_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "session.json"
    assert AdminSession.read(file) is None
    SESSION.save(file)
    SESSION.save(file)
    assert AdminSession.read(file) == SESSION
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["session.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_one_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "session.json"
    SESSION.save(file)
    file.chmod(mode)
    with pytest.raises(SessionUnusable):
        AdminSession.read(file)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"tokens": {}}', '{"tokens": {"access": "a"}, "email": "e"}', "\xff"]
)
def test_a_file_that_is_no_session_is_refused_and_nothing_of_it_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "session.json"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(SessionUnusable):
        AdminSession.read(file)


def test_a_kept_sign_in_is_not_sent_in_clear(tmp_path: Path) -> None:
    unsafe = AdminSession("asha@example.gov.in", "http://api.example.gov.in", COGNITO, "client-1", TOKENS)
    with pytest.raises(SessionUnusable):
        unsafe.client(lambda _: None)


@pytest.mark.parametrize("lacking", ["http_url", "cognito_url", "admin_client"])
def test_an_endpoints_file_names_all_that_administrators_need(tmp_path: Path, lacking: str) -> None:
    values = {"http_url": HTTP, "cognito_url": COGNITO, "admin_client": "client-1"}
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps(values))
    assert AdminEndpoints.read(file) == AdminEndpoints(HTTP, COGNITO, "client-1")
    file.write_text(json.dumps({name: value for name, value in values.items() if name != lacking}))
    with pytest.raises(EndpointsInvalid, match=lacking):
        AdminEndpoints.read(file)
