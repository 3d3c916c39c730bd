"""Sends bad requests to the OTP API over HTTPS: each gets its exact refusal and changes nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from nacl.signing import SigningKey

from sandes.model.ids import base64url_text
from sandes.store.schema import OtpRow
from tests.conftest import Deployed
from tests.scenarios.test_otps import take
from tests.support.raw_app import RawApp, create_app, operate
from tests.support.raw_device import RawDevice, new_phone, register

Json = dict[str, Any]
TABLES = ("codes", "deliveries", "inbox")


@pytest.fixture(scope="module")
def app(deployment: Deployed) -> RawApp:
    return create_app(deployment)


@pytest.fixture(scope="module")
async def device(deployment: Deployed) -> RawDevice:
    return await register(deployment)


@pytest.fixture(scope="module")
async def pending(app: RawApp, device: RawDevice) -> str:
    """Return the id of an OTP whose code no test guesses."""
    answer = await app.call("POST", "/v1/otps", new_otp(device.phone))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def new_otp(phone: str, **changed: Any) -> Json:
    body = {"to": {"phone": phone}, "template": "login", "variables": {"service": "passports"}} | changed
    return {name: value for name, value in body.items() if value is not ...}


def stored(deployed: Deployed) -> set[str]:
    """Return all rows of the tables with OTPs, except for counters of quotas and for the note that an SMS was sent,
    because entries of earlier tests are processed meanwhile.
    """
    client, rows = deployed.engine.client("dynamodb"), set()
    for name in TABLES:
        pages = client.get_paginator("scan").paginate(TableName=deployed.stack.tables[name])
        items = [item for page in pages for item in page["Items"]]
        for item in items:
            item.pop(OtpRow.SMS_SEND, None)
        rows |= {f"{name} {item!r}" for item in items if not str(item.get("p", "")).startswith("{'S': 'Q#")}
    return rows


def is_problem(answer: httpx.Response, status: int, code: str) -> Json:
    body: Json = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (body["status"], body["type"]) == (status, f"urn:sandes:error:{code}")
    assert body["request_id"]
    return body


NEW_OTP: list[tuple[Json, str, str | None]] = [
    ({"to": ...}, "invalid_request", "/to"),
    ({"to": "+919876543210"}, "invalid_request", "/to"),
    ({"to": {}}, "invalid_request", "/to"),
    ({"to": {"phone": "+919876543210", "account": "a" * 13}}, "invalid_request", "/to"),
    ({"to": {"phone": ""}}, "invalid_request", "/to/phone"),
    ({"to": {"phone": 919876543210}}, "invalid_request", "/to/phone"),
    ({"to": {"phone": "+9" * 17}}, "invalid_phone", "/to/phone"),
    ({"to": {"phone": "+" + "9" * 200}}, "invalid_request", "/to/phone"),
    ({"to": {"phone": "9876543210"}}, "invalid_phone", "/to/phone"),
    ({"to": {"phone": "+910000000000"}}, "invalid_phone", "/to/phone"),
    ({"to": {"account": "someone"}}, "invalid_request", "/to/account"),
    ({"to": {"account": "a" * 12 + "b"}}, "invalid_request", "/to/account"),
    ({"to": {"account": 7}}, "invalid_request", "/to/account"),
    ({"to": {"phone": "+919876543210", "name": "Asha"}}, "invalid_request", "/to/name"),
    ({"template": ...}, "invalid_request", "/template"),
    ({"template": ""}, "invalid_request", "/template"),
    ({"template": "Login"}, "invalid_request", "/template"),
    ({"template": "x" * 49}, "invalid_request", "/template"),
    ({"template": 1}, "invalid_request", "/template"),
    ({"template": "missing"}, "unknown_template", None),
    ({"template": "hello"}, "unknown_template", None),
    ({"version": 2}, "unknown_template", None),
    ({"version": 0}, "invalid_request", "/version"),
    ({"version": 100_000}, "invalid_request", "/version"),
    ({"version": "1"}, "invalid_request", "/version"),
    ({"variables": ...}, "template_variables", "/variables/service"),
    ({"variables": {}}, "template_variables", "/variables/service"),
    ({"variables": {"service": "x", "more": "y"}}, "template_variables", "/variables/more"),
    ({"variables": {"service": "x", "code": "000000"}}, "template_variables", "/variables/code"),
    ({"variables": {"service": "x" * 501}}, "invalid_request", "/variables/service"),
    ({"variables": {"service": 5}}, "invalid_request", "/variables/service"),
    ({"variables": {"service": "a\u0007"}}, "invalid_request", "/variables/service"),
    ({"variables": {f"v{n}": "x" for n in range(21)}}, "invalid_request", "/variables"),
    ({"variables": ["service"]}, "invalid_request", "/variables"),
    ({"variables": None}, "invalid_request", "/variables"),
    ({"language": "fr"}, "invalid_request", "/language"),
    ({"language": 1}, "invalid_request", "/language"),
    ({"length": 5}, "invalid_request", "/length"),
    ({"length": 9}, "invalid_request", "/length"),
    ({"length": "6"}, "invalid_request", "/length"),
    ({"length": 6.5}, "invalid_request", "/length"),
    ({"length": True}, "invalid_request", "/length"),
    ({"ttl": 119}, "invalid_request", "/ttl"),
    ({"ttl": 601}, "invalid_request", "/ttl"),
    ({"ttl": "300"}, "invalid_request", "/ttl"),
    ({"purpose": ""}, "invalid_request", "/purpose"),
    ({"purpose": "Log in"}, "invalid_request", "/purpose"),
    ({"purpose": "x" * 33}, "invalid_request", "/purpose"),
    ({"client_ref": ""}, "invalid_request", "/client_ref"),
    ({"client_ref": "x" * 65}, "invalid_request", "/client_ref"),
    ({"client_ref": 9}, "invalid_request", "/client_ref"),
    ({"client_ref": "a\nb\u0000"}, "invalid_request", "/client_ref"),
    ({"code": "123456"}, "invalid_request", "/code"),
    ({"x" * 400: 1}, "invalid_request", "/" + "x" * 199),
]


@pytest.mark.parametrize("wrong", NEW_OTP, ids=lambda wrong: repr(wrong[0])[:60])
async def test_each_wrong_field_of_a_send_is_named_and_nothing_is_sent(
    deployment: Deployed, app: RawApp, wrong: tuple[Json, str, str | None]
) -> None:
    changed, code, pointer = wrong
    if "hello" in changed.values():
        operate(deployment, "template.put", app=app.app, name="hello", kind="message", texts={"en": "{{ service }}"})
    before = stored(deployment)
    problem = is_problem(await app.call("POST", "/v1/otps", new_otp(new_phone(), **changed)), 400, code)
    assert [fault["pointer"] for fault in problem.get("errors", [])] == ([pointer] if pointer else [])
    assert stored(deployment) <= before  # nothing new or changed; what has expired may be gone


CHECKS: list[tuple[Json, str]] = [
    ({}, "/code"),
    ({"code": ""}, "/code"),
    ({"code": "12345"}, "/code"),
    ({"code": "123456789"}, "/code"),
    ({"code": "12345a"}, "/code"),
    ({"code": "\u0661\u0662\u0663\u0664\u0665\u0666"}, "/code"),
    ({"code": "123456\n"}, "/code"),
    ({"code": " 123456"}, "/code"),
    ({"code": 123456}, "/code"),
    ({"code": None}, "/code"),
    ({"code": ["123456"]}, "/code"),
    ({"code": "123456", "purpose": ""}, "/purpose"),
    ({"code": "123456", "purpose": "Log in"}, "/purpose"),
    ({"code": "123456", "purpose": "x" * 33}, "/purpose"),
    ({"code": "123456", "purpose": None}, "/purpose"),
    ({"code": "123456", "attempts_left": 3}, "/attempts_left"),
]


@pytest.mark.parametrize(("body", "pointer"), CHECKS, ids=lambda value: repr(value)[:60])
async def test_each_wrong_field_of_a_check_is_named_and_no_attempt_is_counted(
    deployment: Deployed, app: RawApp, pending: str, body: Json, pointer: str
) -> None:
    before = stored(deployment)
    problem = is_problem(await app.call("POST", f"/v1/otps/{pending}/checks", body), 400, "invalid_request")
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert stored(deployment) <= before


@pytest.mark.parametrize(
    "unreadable",
    [
        (b"{nope", "malformed_json"),
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b'"x"', "invalid_request"),
        (b"\xff\xfe{}", "malformed_json"),
        (b'{"variables": {"service": "\\ud800"}}', "malformed_json"),
        (b"[" * 20_000, "malformed_json"),
        (b'{"length": ' + b"1" * 5_000 + b"}", "malformed_json"),
        (b'{"a": 1, ' + b" " * 100_000, "malformed_json"),
    ],
    ids=lambda unreadable: repr(unreadable[0])[:30],
)
@pytest.mark.parametrize("call", ["send", "check"])
async def test_a_body_that_cannot_be_read_is_refused(
    deployment: Deployed, app: RawApp, pending: str, call: str, unreadable: tuple[bytes, str]
) -> None:
    body, code = unreadable
    before = stored(deployment)
    path = "/v1/otps" if call == "send" else f"/v1/otps/{pending}/checks"
    is_problem(await app.call("POST", path, body), 400, code)
    assert stored(deployment) <= before


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/otps/short/checks", 400, "invalid_request"),
        ("GET", "/v1/otps/short", 400, "invalid_request"),
        ("GET", "/v1/otps/" + "A" * 23, 400, "invalid_request"),
        ("GET", "/v1/otps/" + "A" * 22, 404, "not_found"),
        ("DELETE", "/v1/otps/" + "A" * 22, 404, "not_found"),
        ("POST", "/v1/otps/" + "A" * 22 + "/checks", 404, "not_found"),
        ("POST", "/v1/otps/" + "A" * 22 + "/resends", 404, "not_found"),
        ("GET", "/v1/otps", 404, "not_found"),
        ("PUT", "/v1/otps", 404, "not_found"),
        ("POST", "/v1/otps/" + "A" * 22 + "/nothing", 404, "not_found"),
    ],
)
async def test_what_is_not_there_is_not_found(app: RawApp, method: str, path: str, status: int, code: str) -> None:
    is_problem(await app.call(method, path, {"code": "123456"} if method == "POST" else None), status, code)


# Who asks.


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "a" * 13},
        {"htm": "GET"},
        {"htu": "/v1/messages"},
        {"bh": "A" * 43},
        {"ik": "another"},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"kid": "nobody"}},
        {"signature": bytes(64)},
        {"iat": 1, "exp": 1_000},
    ],
    ids=str,
)
async def test_a_token_for_something_else_is_refused_and_nothing_is_sent(
    deployment: Deployed, app: RawApp, changed: Json
) -> None:
    before = stored(deployment)
    body = json.dumps(new_otp(new_phone())).encode()
    token = app.token("POST", "/v1/otps", body, "k", **changed)
    is_problem(await app.call("POST", "/v1/otps", body, key="k", token=token), 401, "token_invalid")
    assert stored(deployment) <= before


async def test_a_token_for_another_stage_is_told_which_audience_this_one_has(deployment: Deployed, app: RawApp) -> None:
    before = stored(deployment)
    body = json.dumps(new_otp(new_phone())).encode()
    token = app.token("POST", "/v1/otps", body, "k", aud="sandes:prod")
    refused = is_problem(await app.call("POST", "/v1/otps", body, key="k", token=token), 401, "token_audience")
    assert refused["audience"] == "sandes:local"
    assert stored(deployment) <= before


async def test_a_copied_token_is_good_for_no_other_body_path_method_or_key(
    deployment: Deployed, app: RawApp, pending: str
) -> None:
    body = json.dumps(new_otp(new_phone())).encode()
    token = app.token("POST", "/v1/otps", body, "k")
    before = stored(deployment)
    others: list[tuple[str, str, bytes, str]] = [
        ("POST", "/v1/otps", body.replace(b"passports", b"tickets"), "k"),
        ("POST", "/v1/otps", body + b" ", "k"),
        ("POST", f"/v1/otps/{pending}/resends", body, "k"),
        ("DELETE", f"/v1/otps/{pending}", b"", "k"),
        ("POST", "/v1/otps", body, "k2"),
    ]
    for method, path, sent, key in others:
        is_problem(await app.call(method, path, sent, key=key, token=token), 401, "token_invalid")
    assert stored(deployment) <= before
    assert (await app.call("POST", "/v1/otps", body, key="k", token=token)).status_code == 202
    asked = app.token("GET", "/v1/messages?limit=1", b"", None)
    is_problem(await app.call("GET", "/v1/messages?limit=2", token=asked), 401, "token_invalid")
    assert (await app.call("GET", "/v1/messages?limit=1", token=asked)).status_code == 200


async def test_a_parameter_that_does_not_exist_is_refused(app: RawApp) -> None:
    problem = is_problem(await app.call("GET", "/v1/messages?limti=1"), 400, "invalid_request")
    assert [fault["pointer"] for fault in problem["errors"]] == ["/limti"]


async def test_an_expired_token_is_told_the_servers_time(app: RawApp) -> None:
    issued = int(time.time()) - 100
    token = app.token("GET", "/v1/usage", b"", None, iat=issued, exp=issued + 60)
    problem = is_problem(await app.call("GET", "/v1/usage", token=token), 401, "token_expired")
    assert abs(problem["server_time"] / 1000 - time.time()) < 30


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic eDp5", "Bearer x.y.z", "Bearer " + "x" * 5_000])
@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/v1/otps"),
        ("POST", "/v1/otps/{id}/checks"),
        ("POST", "/v1/otps/{id}/resends"),
        ("GET", "/v1/otps/{id}"),
        ("DELETE", "/v1/otps/{id}"),
    ],
)
async def test_nothing_is_done_without_a_token(
    deployment: Deployed, app: RawApp, pending: str, call: tuple[str, str], header: str | None
) -> None:
    method, path = call
    before = stored(deployment)
    body = new_otp(new_phone()) if path == "/v1/otps" else {"code": "123456"}
    headers = {"Idempotency-Key": "k"} | ({} if header is None else {"Authorization": header})
    async with httpx.AsyncClient(base_url=deployment.stack.http_url, timeout=20) as client:
        answer = await client.request(
            method, path.format(id=pending), json=body if method == "POST" else None, headers=headers
        )
    is_problem(answer, 401, "token_invalid")
    assert stored(deployment) <= before


async def test_a_post_without_a_usable_idempotency_key_is_refused(deployment: Deployed, app: RawApp) -> None:
    before = stored(deployment)
    body = json.dumps(new_otp(new_phone())).encode()
    for key in ("", "x" * 65, "a b"):
        token = app.token("POST", "/v1/otps", body, key)
        code = "idempotency_key_invalid" if key else "idempotency_key_missing"
        is_problem(await app.call("POST", "/v1/otps", body, key=key, token=token), 400, code)
    assert stored(deployment) <= before


async def test_a_revoked_key_a_foreign_network_and_a_missing_scope_are_refused(deployment: Deployed) -> None:
    revoked = create_app(deployment)
    operate(deployment, "key.revoke", app=revoked.app, key=revoked.id)
    is_problem(await revoked.call("POST", "/v1/otps", new_otp(new_phone())), 401, "token_invalid")
    scopeless = create_app(deployment, scopes=["msg"])
    is_problem(await scopeless.call("POST", "/v1/otps", new_otp(new_phone())), 403, "scope_missing")
    elsewhere = create_app(deployment)
    key = SigningKey.generate()
    public = base64url_text(bytes(key.verify_key))
    made = operate(deployment, "key.add", app=elsewhere.app, public=public, networks=["203.0.113.0/24"])
    (kid,) = {entry["id"] for entry in made["keys"]} - {elsewhere.id}
    far = RawApp(deployment, kid, key)
    is_problem(await far.call("POST", "/v1/otps", new_otp(new_phone())), 403, "address_not_allowed")


async def test_another_apps_otp_looks_like_none(deployment: Deployed, app: RawApp, pending: str) -> None:
    stranger = create_app(deployment)
    before = stored(deployment)
    for method, path in (
        ("POST", f"/v1/otps/{pending}/checks"),
        ("POST", f"/v1/otps/{pending}/resends"),
        ("GET", f"/v1/otps/{pending}"),
        ("DELETE", f"/v1/otps/{pending}"),
    ):
        body = {"code": "123456"} if path.endswith("checks") else None
        theirs = is_problem(await stranger.call(method, path, body), 404, "not_found")
        missing = is_problem(await stranger.call(method, path.replace(pending, "A" * 22), body), 404, "not_found")
        assert {**theirs, "request_id": ""} == {**missing, "request_id": ""}
    assert stored(deployment) <= before
    assert (await app.call("GET", f"/v1/otps/{pending}")).json()["status"] == "pending"


async def test_too_many_and_too_soon_say_how_long_to_wait(app: RawApp) -> None:
    phone = new_phone()
    made = await app.call("POST", "/v1/otps", new_otp(phone))
    assert made.headers["ratelimit-policy"] == '"minute";q=3000;w=60, "day";q=250000;w=86400'
    soon = await app.call("POST", f"/v1/otps/{made.json()['id']}/resends")
    assert 1 <= is_problem(soon, 429, "resend_too_soon")["retry_after"] <= 30
    for _ in range(4):
        assert (await app.call("POST", "/v1/otps", new_otp(phone))).status_code == 202
    limited = await app.call("POST", "/v1/otps", new_otp(phone))
    wait = is_problem(limited, 429, "recipient_limited")["retry_after"]
    assert 880 <= wait <= 900
    assert limited.headers["retry-after"] == str(wait)


async def test_a_text_too_long_for_an_sms_is_refused(deployment: Deployed, app: RawApp) -> None:
    names = [f"v{number}" for number in range(4)]
    text = "{{ code }} " + " ".join(f"{{{{ {name} }}}}" for name in names)
    operate(deployment, "template.put", app=app.app, name="long", kind="otp", texts={"en": text})
    before = stored(deployment)
    for size, status in ((500, 413), (390, 202)):
        body = new_otp(new_phone(), template="long", variables=dict.fromkeys(names, "x" * size))
        answer = await app.call("POST", "/v1/otps", body)
        assert answer.status_code == status, answer.text
        if status == 413:
            is_problem(answer, 413, "too_large")
            assert stored(deployment) <= before


async def test_checks_tell_wrong_from_used_and_locked(deployment: Deployed, app: RawApp) -> None:
    device = await register(deployment)
    async with device.online() as socket:
        made = (await app.call("POST", "/v1/otps", new_otp(device.phone))).json()
        code = (await take(socket, device))[1][2]
        wrong = f"{(int(code) + 1) % 10**6:06}"
        path = f"/v1/otps/{made['id']}/checks"
        answers = [(await app.call("POST", path, {"code": wrong})).json() for _ in range(3)]
        answers.append((await app.call("POST", path, {"code": code})).json())
        assert [(answer["result"], answer["attempts_left"]) for answer in answers] == [
            ("incorrect", 2),
            ("incorrect", 1),
            ("locked", 0),
            ("locked", 0),
        ]
