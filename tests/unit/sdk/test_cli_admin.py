"""`sandes-admin`: keys are made here and only their public halves sent; requests are those the server reads."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner

from sandes.administration import operations
from sandes.model.ids import parse_base64url
from sandes_client.app import AppCredentials
from sandes_client.cli.admin import admin
from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey
from sandes_client.operator import Operator
from tests.unit.sdk.app_service import APP, KEY

SHOWN = {
    "app": APP,
    "name": "Passport Seva",
    "organisation": "MEA",
    "mode": "trial",
    "scopes": ["msg", "otp"],
    "sms": True,
    "per_minute": 50,
    "per_day": 50,
    "guests": 1,
    "keys": [{"id": f"{APP}.{KEY}", "test": True, "networks": ["10.0.0.0/8"], "created_at": 1}],
    "webhooks": 0,
}


@dataclass
class FakeLambda:
    """Takes an invocation as Lambda does; what the server's own models do not read fails the test."""

    answer: Callable[[dict[str, Any]], Any] = lambda _: {"ok": SHOWN}
    requests: list[dict[str, Any]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803  boto3's names
        request = json.loads(Payload)
        operations.parse(request)
        self.requests.append(request)
        self.functions.append(FunctionName)
        return {"Payload": io.BytesIO(json.dumps(self.answer(request)).encode())}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setattr(Operator, "_lambda", lambda _: fake)
    return fake


@pytest.fixture
def run(aws: FakeLambda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("URL", "AUDIENCE", "ENDPOINTS", "OPERATOR", "APP", "APP_CREDENTIALS"):
        monkeypatch.delenv(f"SANDES_{name}", raising=False)
    endpoints = tmp_path / "endpoints.json"
    values = {"http_url": "https://apps.test", "audience": "sandes:test", "operator": "the-operator"}
    endpoints.write_text(json.dumps(values))

    def invoke(*words: str, place: list[str] | None = None) -> Any:
        given = ["--endpoints", str(endpoints)] if place is None else place
        return CliRunner().invoke(admin, [*given, *words], catch_exceptions=False)

    return invoke


CREATE = ["app", "create", "--name", "Passport Seva", "--organisation", "MEA", "--scope", "otp", "--scope", "msg"]


def test_an_app_is_registered_and_its_key_kept_here(run: Any, aws: FakeLambda, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    options = ["--sms", "--guest", "+919876543210", "--test-key", "--network", "10.0.0.0/8"]
    result = run(*CREATE, *options, "--credentials", str(file))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Registered app {APP} with key {APP}.{KEY}; credentials in {file}.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    credentials = AppCredentials.read(file)
    assert (credentials.key_name, credentials.http_url) == (f"{APP}.{KEY}", "https://apps.test")
    (request,) = aws.requests
    assert (request["mode"], request["sms"], request["guests"]) == ("trial", True, ["+919876543210"])
    (key,) = request["keys"]
    assert parse_base64url(key.pop("public")) == credentials.private_key.public
    assert key == {"test": True, "networks": ["10.0.0.0/8"]}
    secret = json.loads(file.read_text())["private_key"]
    assert secret not in json.dumps(request) + result.output
    assert aws.functions == ["the-operator"]


def test_a_key_made_by_the_owner_of_the_app_is_registered_by_its_public_half(run: Any, aws: FakeLambda) -> None:
    public = base64url_text(IdentityKey(bytes(32)).public)
    assert run(*CREATE, "--public", public).stdout == f"Registered app {APP} with key {APP}.{KEY}.\n"
    assert aws.requests[-1]["keys"] == [{"public": public, "test": False}]
    aws.answer = lambda _: {"ok": SHOWN | {"key": f"{APP}.newerkey"}}
    assert run("key", "add", "--app", APP, "--test", "--public", public).stdout == f"Added key {APP}.newerkey.\n"
    assert aws.requests[-1]["test"] is True


def test_an_app_is_registered_for_its_organisation(run: Any, aws: FakeLambda) -> None:
    public = base64url_text(IdentityKey(bytes(32)).public)
    assert run(*CREATE, "--organisation-id", "aaaaaaaaaaaaa", "--public", public).exit_code == 0
    assert aws.requests[-1]["organisation_id"] == "aaaaaaaaaaaaa"
    aws.answer = lambda _: {"ok": SHOWN | {"organisation_id": "aaaaaaaaaaaaa"}}
    assert run("app", "show", "--app", APP).stdout.startswith(f"{APP} Passport Seva, MEA aaaaaaaaaaaaa\n")


def test_credentials_are_never_overwritten(run: Any, aws: FakeLambda, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text("precious")
    result = run(*CREATE, "--credentials", str(file))
    assert (result.exit_code, result.stderr.split(":")[1]) == (1, " file_exists")
    assert (file.read_text(), aws.requests) == ("precious", [])


def test_a_refusal_is_one_line_with_its_reasons_and_leaves_no_file(run: Any, aws: FakeLambda, tmp_path: Path) -> None:
    fault = {"pointer": "/guests", "code": "invalid_phone", "message": "not a number"}
    aws.answer = lambda _: {"error": {"code": "invalid_phone", "message": "No.", "errors": [fault]}}
    file = tmp_path / "app.json"
    result = run(*CREATE, "--guest", "12", "--credentials", str(file))
    assert (result.exit_code, result.stderr) == (1, "error: invalid_phone: /guests: not a number\n")
    assert not file.exists()


@pytest.mark.parametrize("answer", [None, {"errorMessage": "boom"}, []])
def test_a_function_that_failed_is_one_line(run: Any, aws: FakeLambda, answer: Any) -> None:
    aws.answer = lambda _: answer
    result = run("app", "show", "--app", APP)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: unreachable: ")


def test_an_aws_that_cannot_be_reached_is_one_line(run: Any, aws: FakeLambda) -> None:
    def down(_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://lambda.test")

    aws.answer = down
    assert run("app", "show", "--app", APP).stderr.startswith("error: unreachable: ")


def test_another_key_is_added_and_the_old_one_revoked(run: Any, aws: FakeLambda, tmp_path: Path) -> None:
    aws.answer = lambda _: {"ok": SHOWN | {"key": f"{APP}.newerkey"}}
    file = tmp_path / "new.json"
    assert run("key", "add", "--app", APP, "--credentials", str(file)).exit_code == 0
    assert AppCredentials.read(file).key == "newerkey"
    for words in ([KEY, "--app", APP], [f"{APP}.{KEY}"]):
        assert run("key", "revoke", *words).exit_code == 0
        assert aws.requests[-1] == {"operation": "key.revoke", "app": APP, "key": KEY}


def test_terms_guests_and_templates_are_what_the_server_reads(run: Any, aws: FakeLambda) -> None:
    shown = run("app", "terms", "--app", APP, "--live", "--per-day", "1000")
    assert aws.requests[-1] == {"operation": "app.terms", "app": APP, "mode": "live", "per_day": 1000}
    assert f"key {APP}.{KEY} (test) 10.0.0.0/8" in shown.stdout
    run("app", "guests", "--app", APP, "--guest", "+919876543210", "--guest", "+919876543211")
    assert aws.requests[-1]["guests"] == ["+919876543210", "+919876543211"]
    aws.answer = lambda _: {"ok": {"app": APP, "template": "login", "version": 2}}
    words = ["--kind", "otp", "--text", "en={{ code }} = code", "--text", "hi=कोड {{ code }}"]
    put = run("template", "put", "login", "--app", APP, *words, "--dlt-entity", "11", "--dlt-template", "en=22")
    assert put.stdout == "Approved version 2 of login.\n"
    assert aws.requests[-1]["texts"] == {"en": "{{ code }} = code", "hi": "कोड {{ code }}"}
    assert (aws.requests[-1]["dlt_entity"], aws.requests[-1]["dlt_templates"]) == ("11", {"en": "22"})
    assert json.loads(run("template", "put", "login", "--app", APP, *words, "--json").stdout)["version"] == 2


def test_the_app_is_that_of_the_credentials_unless_another_is_named(
    run: Any, aws: FakeLambda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "app.json"
    run(*CREATE, "--credentials", str(file))
    monkeypatch.setenv("SANDES_APP_CREDENTIALS", str(file))
    assert run("app", "show").exit_code == 0
    assert aws.requests[-1]["app"] == APP


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["app", "show"], None),
        (["app", "show", "--app", APP], []),
        (["app", "show", "--app", APP], ["--endpoints", "no-such-file.json"]),
        (CREATE, None),
        ([*CREATE, "--credentials", "x.json", "--public", "x"], None),
        ([*CREATE, "--scope", "all", "--credentials", "x.json"], None),
        ([*CREATE, "--credentials", "x.json"], ["--operator", "f"]),
        ([*CREATE, "--credentials", "x.json"], ["--operator", "f", "--url", "http://a.test", "--audience", "sandes:x"]),
        (["app", "terms", "--app", APP], None),
        (["template", "put", "login", "--app", APP, "--kind", "sms", "--text", "en=x"], None),
        (["template", "put", "login", "--app", APP, "--kind", "otp", "--text", "x"], None),
    ],
)
def test_a_usage_error_exits_with_two_and_calls_nobody(
    run: Any,
    aws: FakeLambda,
    *,
    words: list[str],
    place: list[str] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words, place=place).exit_code == 2
    assert aws.requests == []
    assert not (tmp_path / "x.json").exists()
