"""`sandes-admin` against the real handlers of the admin API, in process."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, account_text, id_text
from sandes_client.admin import AdminClient, AdminSession, Tokens
from sandes_client.app import AppCredentials
from sandes_client.cli.admin import admin
from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey
from tests.support.admin_service import URL, AdminService, admin_service, token
from tests.support.groups import Groups
from tests.support.service import AUDIENCE

Run = Callable[..., Result]


@pytest.fixture
def service(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminService]:
    client, tables = dynamodb
    with admin_service(client, tables, monkeypatch) as made:
        yield made


@pytest.fixture
def signed_in(service: AdminService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Gives `sandes-admin` as somebody who has signed in runs it."""
    original = AdminClient.__init__

    def in_process(self: AdminClient, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options, transport=service.transport, sleep=lambda _: None)

    monkeypatch.setattr(AdminClient, "__init__", in_process)
    for name in ("URL", "AUDIENCE", "ENDPOINTS", "OPERATOR", "ADMIN_SESSION", "APP", "APP_CREDENTIALS"):
        monkeypatch.delenv(f"SANDES_{name}", raising=False)
    endpoints = tmp_path / "endpoints.json"
    endpoints.write_text(json.dumps({"http_url": "https://apps.test", "audience": AUDIENCE}))

    def runs(caller: Caller, *, signed_in_at: int | None = None) -> Run:
        file = tmp_path / f"{caller.administrator.email}.json"
        tokens = Tokens(token(caller.id, signed_in_at=signed_in_at), "none", 4_000_000_000)
        AdminSession(caller.administrator.email, URL, URL, "cli", tokens).save(file)
        place = ["--endpoints", str(endpoints), "--session", str(file)]

        def run(*words: str, input: str | None = None) -> Result:
            return CliRunner().invoke(admin, [*place, *words], input=input, catch_exceptions=False)

        return run

    return runs


def made(run: Run, *words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def refused(result: Result) -> str:
    """The code of the line on standard error."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert "Request id: request-1" in result.stderr
    return result.stderr.split(": ")[1]


@pytest.fixture
def ministry(service: AdminService) -> OrganisationId:
    return service.service.organisation()


@pytest.fixture
def officer(service: AdminService, signed_in: Callable[..., Run], ministry: OrganisationId) -> Run:
    """The ministry's nodal officer."""
    return signed_in(service.administration.appoint(Role.NODAL_OFFICER, Place.root(ministry)))


@pytest.fixture
def second(service: AdminService, signed_in: Callable[..., Run], ministry: OrganisationId) -> Run:
    """Another nodal officer, who works in a unit of it."""
    desk = Place(ministry, service.service.unit(ministry, "Second desk"))
    return signed_in(service.administration.appoint(Role.NODAL_OFFICER, Place.root(ministry), home=desk))


def approved(run: Run, second: Run, *words: str) -> dict[str, Any]:
    """What takes two: asked for by the one, approved by the other."""
    asked = made(run, *words)
    approval = asked["id"]
    assert refused(run("approval", "approve", approval)) == "own_request"
    return made(second, "approval", "approve", approval)


# Signing in


def test_who_is_signed_in_is_shown_with_their_roles(service: AdminService, signed_in: Callable[..., Run]) -> None:
    caller = service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    email = caller.administrator.email
    lines = signed_in(caller)("whoami").stdout.splitlines()
    assert lines[0].endswith(f"<{email}>, administrator {made(signed_in(caller), 'whoami')['administrator']}")
    assert lines[1:] == ["  works in aaaaaaaaaaaaa", "  platform_admin of aaaaaaaaaaaaa"]


def test_who_is_not_signed_in_is_told_how(signed_in: Callable[..., Run], tmp_path: Path) -> None:
    result = CliRunner().invoke(admin, ["--session", str(tmp_path / "none.json"), "whoami"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (1, "error: not_signed_in: sign in with `sandes-admin login`\n")


# Apps


CREATE = ("app", "create", "--name", "Passport Seva", "--scope", "otp", "--scope", "msg")


def test_an_app_is_registered_and_its_key_kept_here(service: AdminService, officer: Run, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    options = ["--sms", "--guest", "+919876543210", "--test-key", "--network", "10.0.0.0/8"]
    result = officer(*CREATE, *options, "--credentials", str(file))
    assert result.exit_code == 0, result.output
    credentials = AppCredentials.read(file)
    app, key = credentials.app, credentials.key_name
    assert result.stdout == f"Registered app {app} with key {key}; credentials in {file}.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (credentials.http_url, credentials.audience) == ("https://apps.test", AUDIENCE)
    (known,) = service.app(app).keys.values()
    assert (known.public, known.test, known.networks) == (credentials.private_key.public, True, ("10.0.0.0/8",))
    assert json.loads(file.read_text())["private_key"] not in result.output
    assert officer("app", "show", "--app", app).stdout.splitlines()[2:] == [
        "  trial, 50 a minute, 50 a day, 1 guests, with SMS, 0 webhooks",
        "  scopes msg otp",
        f"  key {key} (test) 10.0.0.0/8",
    ]


def public_key() -> str:
    return base64url_text(IdentityKey.new(secrets.token_bytes).public)


@pytest.fixture
def app(officer: Run) -> str:
    """On trial, with a key."""
    return str(made(officer, *CREATE, "--public", public_key())["app"])


def test_credentials_are_never_overwritten_and_a_refusal_leaves_no_file(
    service: AdminService, officer: Run, tmp_path: Path
) -> None:
    file = tmp_path / "app.json"
    file.write_text("precious")
    result = officer(*CREATE, "--credentials", str(file))
    assert (result.exit_code, file.read_text()) == (1, "precious")
    assert result.stderr == f"error: file_exists: {file} is there already; a key is never overwritten\n"
    other = tmp_path / "other.json"
    assert refused(officer(*CREATE, "--unit", "b" * 12 + "a", "--credentials", str(other))) == "not_found"
    assert not other.exists()


def test_apps_are_listed_changed_and_have_guests(service: AdminService, officer: Run, app: str) -> None:
    listed = officer("app", "list").stdout
    assert (app in listed, "Passport Seva" in listed, "trial" in listed) == (True, True, True)
    (entry,) = [json.loads(line) for line in officer("app", "list", "--json").stdout.splitlines()]
    assert (entry["app"], entry["mode"]) == (app, "trial")
    version = made(officer, "app", "show", "--app", app)["version"]
    changed = made(officer, "app", "change", "--app", app, "--name", "Passports", "--sms", "--version", str(version))
    assert (changed["name"], changed["sms"], changed["scopes"]) == ("Passports", True, ["msg", "otp"])
    stale = officer("app", "change", "--app", app, "--name", "Old", "--version", str(version))
    assert refused(stale) == "precondition_failed"
    assert made(officer, "app", "guests", "--app", app, "--guest", "+919876543210")["guests"] == 1
    assert made(officer, "app", "guests", "--app", app)["guests"] == 0


def test_keys_are_added_and_revoked(officer: Run, app: str, tmp_path: Path) -> None:
    file = tmp_path / "second.json"
    added = officer("key", "add", "--app", app, "--credentials", str(file))
    key = AppCredentials.read(file).key_name
    assert added.stdout == f"Added key {key}; credentials in {file}.\n"
    assert officer("key", "revoke", key).exit_code == 1
    assert officer("key", "revoke", key, input="y\n").stdout.endswith(f"Revoked key {key}.\n")
    assert [one["id"] for one in made(officer, "app", "show", "--app", app)["keys"]] != [key]
    assert refused(officer("key", "revoke", key, "--yes")) == "not_found"
    assert refused(officer("key", "add", "--app", app, "--public", "A" * 43)) == "invalid_request"


def test_a_key_takes_a_fresh_sign_in(
    service: AdminService, signed_in: Callable[..., Run], ministry: OrganisationId, app: str
) -> None:
    caller = service.administration.appoint(Role.APP_MANAGER, Place.root(ministry))
    earlier = signed_in(caller, signed_in_at=int(time.time()) - 301)
    result = earlier("key", "add", "--app", app, "--public", public_key())
    assert refused(result) == "fresh_sign_in_required"
    assert "`sandes-admin login`, then again" in result.stderr
    assert signed_in(caller)("key", "add", "--app", app, "--public", public_key()).exit_code == 0


def test_webhooks_are_registered_listed_and_removed(officer: Run, app: str) -> None:
    assert refused(officer("app", "webhook", "create", "http://10.0.0.1/", "--app", app, "--event", "message.read"))
    hook = made(officer, "app", "webhook", "create", "https://1.1.1.1/hook", "--app", app, "--event", "message.read")
    assert hook["secret"].startswith("whsec_")
    listed = officer("app", "webhook", "list", "--app", app).stdout
    assert (hook["id"] in listed, "https://1.1.1.1/hook" in listed, hook["secret"] in listed) == (True, True, False)
    assert officer("app", "webhook", "remove", hook["id"], "--app", app, "--yes").exit_code == 0
    assert officer("app", "webhook", "list", "--app", app).stdout == "Nothing to show.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["app", "create", "--name", "A", "--scope", "fly", "--public", "x"],
        ["app", "create", "--name", "A", "--scope", "otp"],
        ["app", "show"],
        ["app", "change", "--app", "a" * 13],
        ["app", "quota", "--app", "a" * 13, "--per-minute", "0", "--per-day", "1"],
        ["template", "draft", "login", "--app", "a" * 13, "--kind", "letter", "--text", "en=x"],
        ["template", "draft", "login", "--app", "a" * 13, "--kind", "otp", "--text", "en"],
        ["group", "create", "--name", "A", "--audience", "everybody"],
        ["group", "change", "g" * 13],
        ["group", "admins", "g" * 13],
        ["unit", "create", "--name", "A", "--kind", "club"],
        ["organisation", "policy", "a" * 13, "--show", "shoe_size=everyone"],
        ["organisation", "policy", "a" * 13, "--show", "name=friends"],
        ["assignment", "grant", "--role", "king", "--administrator", "x"],
        ["assignment", "grant", "--role", "verifier"],
        ["assignment", "grant", "--role", "verifier", "--email", "a@b.example"],
        ["approval", "list", "--state", "undecided"],
        ["approval", "reject", "x"],
        ["person", "verify", "+919812345678", "--name", "A", "--post", "B"],
        ["person", "edit", "m" * 13],
        ["person", "hide", "m" * 13, "--field", "number=friends"],
        ["person", "revoke", "+919812345678"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_from_refusals(officer: Run, words: list[str]) -> None:
    assert officer(*words).exit_code == 2


# Groups


def test_a_group_is_made_changed_given_admins_moved_and_dissolved(
    service: AdminService, officer: Run, ministry: OrganisationId
) -> None:
    desk = id_text(service.service.unit(ministry, "Desk"))
    official = account_text(Groups(service.service).official(ministry).account)
    group = made(officer, "group", "create", "--name", "Drivers", "--unit", desk, "--admin", official)["group"]
    shown = officer("group", "show", group).stdout.splitlines()
    assert shown[0].startswith(f"{group} Drivers, version ")
    assert shown[1] == f"  of unit {desk}, organisation {id_text(ministry)}"
    assert shown[2].startswith("  for officials, closed, posting by all, 1 of ")
    assert shown[3:] == [f"  admin {official}"]
    assert (group in officer("group", "list").stdout, "Drivers" in officer("group", "list").stdout) == (True, True)
    changed = made(officer, "group", "change", group, "--posting", "admins", "--open")
    assert (changed["posting"], changed["open"], changed["name"]) == ("admins", True, "Drivers")
    assert made(officer, "group", "transfer", group, "--unit", id_text(ministry))["unit"] == id_text(ministry)
    assert made(officer, "group", "admins", group, "--none")["admins"] == []
    assert officer("group", "dissolve", group).exit_code == 1
    assert officer("group", "dissolve", group, "--yes").stdout == f"Dissolved group {group}.\n"
    assert "Drivers" not in officer("group", "list").stdout


def test_another_organisations_groups_look_like_none(
    service: AdminService, signed_in: Callable[..., Run], officer: Run
) -> None:
    group = made(officer, "group", "create", "--name", "Drivers")["group"]
    stranger = signed_in(
        service.administration.appoint(Role.NODAL_OFFICER, Place.root(service.service.organisation("Mint")))
    )
    assert refused(stranger("group", "show", group)) == "not_found"
    assert refused(stranger("group", "dissolve", group, "--yes")) == "not_found"


# What takes two


DRAFT = ("template", "draft", "login", "--kind", "otp", "--text", "en={{ code }} is your code for {{ service }}.")


def test_a_text_is_drafted_by_one_and_approved_by_another(officer: Run, second: Run, app: str) -> None:
    asked = officer(*DRAFT, "--app", app)
    approval = asked.stdout.split(" as approval ")[1].split(":")[0]
    assert f"sandes-admin approval approve {approval}\n" in asked.stdout
    assert approval in second("approval", "list", "--state", "pending").stdout
    assert refused(officer("approval", "approve", approval)) == "own_request"
    done = second("approval", "approve", approval).stdout.splitlines()
    assert done[0].startswith(f"{approval} template.")
    assert done[0].endswith(": executed")
    assert second("approval", "list", "--state", "pending").stdout == "Nothing to show.\n"
    listed = officer("template", "list", "--app", app).stdout
    assert ("login" in listed, "service" in listed) == (True, True)
    assert "  en: {{ code }} is your code" in officer("template", "show", "login", "--app", app).stdout
