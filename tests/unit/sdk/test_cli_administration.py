"""`sandes-admin` against the real handlers of the admin API, in process."""

from __future__ import annotations

import csv
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from sandes.model.administrator import PLATFORM, Caller, Place, Role
from sandes.model.ids import OrganisationId, account_text, administrator_text, id_text, parse_organisation
from sandes_client.admin import AdminClient, AdminSession, Tokens
from sandes_client.app import AppCredentials
from sandes_client.cli.admin import admin
from sandes_client.cli.administration import imports, showing
from sandes_client.cli.administration.showing import Shown, at, field, show_list
from sandes_client.cli.administration.statistics import bars
from sandes_client.ids import base64url_text
from sandes_client.keys import IdentityKey
from tests.support.admin_service import URL, AdminService, admin_service, token
from tests.support.groups import Groups
from tests.support.service import AUDIENCE, new_phone

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
    """Make a change that needs two people: one requests it, and the other one approves it."""
    asked = made(run, *words)
    approval = asked["id"]
    assert refused(run("approval", "approve", approval, "--yes")) == "own_request"
    return made(second, "approval", "approve", approval, "--yes")


# Signing in


def test_who_is_signed_in_is_shown_with_their_roles(service: AdminService, signed_in: Callable[..., Run]) -> None:
    caller = service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM))
    email = caller.administrator.email
    lines = signed_in(caller)("whoami").stdout.splitlines()
    assert lines[0].endswith(f"<{email}>, administrator {made(signed_in(caller), 'whoami')['administrator']}")
    assert lines[1:] == [
        "  works in aaaaaaaaaaaaa",
        "  platform_admin of aaaaaaaaaaaaa",
    ]  # of which there is no row here
    ministry = service.service.organisation("Ministry of Mines")
    desk = Place(ministry, service.service.unit(ministry, "Second desk"))
    shown = signed_in(service.administration.appoint(Role.VERIFIER, desk))("whoami").stdout.splitlines()[1:]
    place = f"Second desk ({id_text(desk.unit)}) in Ministry of Mines ({id_text(ministry)})"
    assert shown == [f"  works in {place}", f"  verifier of {place}"]


def test_who_is_not_signed_in_is_told_how(signed_in: Callable[..., Run], tmp_path: Path) -> None:
    result = CliRunner().invoke(admin, ["--session", str(tmp_path / "none.json"), "whoami"], catch_exceptions=False)
    how = f"sandes-admin --session {tmp_path / 'none.json'} login"
    assert (result.exit_code, result.stderr) == (1, f"error: not_signed_in: sign in with `{how}`\n")


# Where one has a role


PLACED = [
    ["person", "list"],
    ["unit", "list"],
    ["request", "list"],
    ["assignment", "list"],
    ["group", "list"],
]
"""Lists of what a unit admin looks after."""


@pytest.fixture
def desk(service: AdminService, ministry: OrganisationId) -> Place:
    """A unit of the ministry with an official and a group."""
    unit = service.service.unit(ministry, "Desk")
    service.service.verify(service.service.person(), ministry, unit=unit, name="Asha Rao")
    return Place(ministry, unit)


@pytest.mark.parametrize("words", PLACED, ids=" ".join)
def test_who_has_a_role_at_a_unit_only_sees_its_lists_without_naming_it(
    service: AdminService, signed_in: Callable[..., Run], desk: Place, words: list[str]
) -> None:
    admin = signed_in(service.administration.appoint(Role.UNIT_ADMIN, desk))
    listed, named = admin(*words, "--json"), admin(*words, "--json", "--unit", id_text(desk.unit))
    assert (listed.exit_code, listed.stdout) == (0, named.stdout)
    assert (id_text(desk.unit) in listed.stdout) == (words[0] in ("person", "unit", "assignment"))


def test_other_lists_of_who_has_a_role_at_a_unit_need_no_unit_either(
    service: AdminService, signed_in: Callable[..., Run], desk: Place
) -> None:
    for role, words in [(Role.APP_MANAGER, ["app", "list"]), (Role.MODERATOR, ["complaint", "list"])]:
        assert signed_in(service.administration.appoint(role, desk))(*words).stdout == "Nothing to show.\n"


def test_a_number_is_looked_up_in_the_unit_that_one_has_a_role_at(
    service: AdminService, signed_in: Callable[..., Run], desk: Place
) -> None:
    person = service.service.person()
    service.service.verify(person, desk.organisation, unit=desk.unit, name="Ravi Shah")
    verifier = signed_in(service.administration.appoint(Role.VERIFIER, desk))
    assert "Ravi Shah" in verifier("person", "show", person.phone).stdout


def test_a_role_at_a_unit_of_another_organisation_needs_no_naming_either(
    service: AdminService, signed_in: Callable[..., Run], desk: Place
) -> None:
    home = Place.root(service.service.organisation("Mint"))
    verifier = signed_in(service.administration.appoint(Role.VERIFIER, desk, home=home))
    assert "Asha Rao" in verifier("person", "list").stdout


def test_who_has_roles_at_several_units_is_told_to_name_one(
    service: AdminService, signed_in: Callable[..., Run], desk: Place
) -> None:
    north = Place(desk.organisation, service.service.unit(desk.organisation, "North"))
    mint = Place.root(service.service.organisation("Mint"))
    caller = service.administration.also(service.administration.appoint(Role.VERIFIER, desk), Role.UNIT_ADMIN, north)
    run = signed_in(caller)
    units = sorted([f"{id_text(desk.unit)} (Desk)", f"{id_text(north.unit)} (North)"])
    assert run("person", "list").stderr == (
        f"error: unit_needed: --unit is needed, one of {', '.join(units)}: you have roles at each of them\n"
    )
    assert "Asha Rao" in run("person", "list", "--unit", id_text(desk.unit)).stdout
    assert run("unit", "list").stdout.startswith(f"  {id_text(north.unit)} North")  # verifiers see no units
    both = signed_in(service.administration.also(caller, Role.VERIFIER, mint))
    of, unit = id_text(mint.organisation), id_text(mint.unit)
    assert f"; --organisation {of} --unit {unit} (Mint): you" in both("person", "list").stderr


def test_a_role_for_the_whole_organisation_goes_before_those_at_units(
    service: AdminService, signed_in: Callable[..., Run], desk: Place
) -> None:
    root = Place.root(desk.organisation)
    caller = service.administration.also(service.administration.appoint(Role.VERIFIER, desk), Role.UNIT_ADMIN, root)
    assert f"{id_text(desk.organisation)} Ministry" in signed_in(caller)("unit", "list").stdout


# Tables


def narrow(patch: pytest.MonkeyPatch, width: int = 80) -> None:
    """Tables as in a terminal of so many characters a line."""
    patch.setattr(showing, "table_console", lambda: Console(width=width))


def test_ids_are_neither_cut_nor_wrapped_and_other_columns_share_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    entry = {"id": "A" * 32, "unit": "c" * 13, "name": "of the northern districts " * 4, "mode": "live"}
    columns = [
        Shown("approval", field("id"), whole=True),
        Shown("unit", field("unit"), whole=True),
        *(Shown(name, field(name)) for name in ("name", "mode")),
    ]
    show_list([entry, entry | {"id": "B" * 32}], columns, as_json=False)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert [[line.split()[0], line.split()[1]] for line in lines if "live" in line] == [
        ["A" * 32, "c" * 13],
        ["B" * 32, "c" * 13],
    ]
    assert "".join(shown.split()).count("northern") == 2 * 4


def test_entries_whose_ids_do_not_fit_on_a_line_have_a_line_for_each_column(
    service: AdminService, officer: Run, ministry: OrganisationId, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    (held,) = [json.loads(line) for line in officer("assignment", "list", "--json").stdout.splitlines()]
    lines = officer("assignment", "list").stdout.splitlines()
    assert lines[:3] == [
        f"name           {held['name']}",
        "role           nodal_officer",
        f"unit           {id_text(ministry)}",
    ]
    assert (f"administrator  {held['administrator']}" in lines, f"assignment     {held['id']}" in lines) == (True, True)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["organisation", "list"], ["id"]),
        (["app", "list"], ["app", "unit"]),
        (["app", "webhook", "list", "--app"], ["id"]),
        (["template", "list", "--app"], ["name"]),
        (["group", "list"], ["group", "unit"]),
        (["person", "list"], ["account", "unit"]),
        (["assignment", "list"], ["id", "administrator", "unit"]),
        (["approval", "list"], ["id"]),
        (["approval", "list", "--state", "pending"], ["id"]),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("width", [80, 40])
def test_no_list_cuts_or_wraps_an_id(
    *,
    service: AdminService,
    ministry: OrganisationId,
    officer: Run,
    second: Run,
    app: str,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    ids: list[str],
    width: int,
) -> None:
    """Everything has a name so long that not all columns have room."""
    service.service.verify(service.service.person(), ministry, name="Asha " + "Rao" * 15, post="Director " * 8)
    made(officer, "organisation", "change", id_text(ministry), "--name", "Ministry " * 10)
    made(officer, "app", "change", "--app", app, "--name", "Passports " * 5)
    made(officer, "group", "create", "--name", "Drivers " * 10)
    made(officer, "app", "webhook", "create", "https://1.1.1.1/" + "hook" * 20, "--app", app, "--event", "message.read")
    approved(officer, second, *DRAFT, "--app", app)
    person = ("--email", f"{'meera.' * 8}meera@rail.example.in", "--name", "Meera Iyer")
    made(officer, "assignment", "grant", "--role", "auditor", *person)
    command = [*words, app] if words[-1] == "--app" else words
    found = [json.loads(line) for line in officer(*command, "--json").stdout.splitlines()]
    narrow(monkeypatch, width)
    shown = officer(*command).stdout
    assert found
    assert [entry[name] for entry in found for name in ids if entry[name] not in shown] == []


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
        "  trial, 50 per minute, 50 per day, 1 guest, with SMS, 0 webhooks",
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
    assert result.stderr == f"error: file_exists: {file} exists already; a key is never overwritten\n"
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
    asked = officer("app", "guests", "--app", app, input="n\n")
    assert (asked.exit_code, "error: not_confirmed" in asked.stderr) == (1, True)
    assert made(officer, "app", "show", "--app", app)["guests"] == 1
    assert made(officer, "app", "guests", "--app", app, "--yes")["guests"] == 0


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
    service: AdminService, signed_in: Callable[..., Run], *, ministry: OrganisationId, app: str, tmp_path: Path
) -> None:
    caller = service.administration.appoint(Role.APP_MANAGER, Place.root(ministry))
    earlier = signed_in(caller, signed_in_at=int(time.time()) - 301)
    result = earlier("key", "add", "--app", app, "--public", public_key())
    assert refused(result) == "fresh_sign_in_required"
    command = f"sandes-admin --session {tmp_path / caller.administrator.email}.json login"
    assert f"`{command}`, then try again" in result.stderr
    assert signed_in(caller)("key", "add", "--app", app, "--public", public_key()).exit_code == 0


def test_webhooks_are_registered_listed_and_removed(officer: Run, app: str) -> None:
    assert refused(officer("app", "webhook", "create", "http://10.0.0.1/", "--app", app, "--event", "message.read"))
    hook = made(officer, "app", "webhook", "create", "https://1.1.1.1/hook", "--app", app, "--event", "message.read")
    assert hook["secret"].startswith("whsec_")
    listed = officer("app", "webhook", "list", "--app", app).stdout
    assert (hook["id"] in listed, "https://1.1.1.1/hook" in listed, hook["secret"] in listed) == (True, True, False)
    change = ("app", "webhook", "change", hook["id"], "--app", app)
    assert officer(*change, "--pause").stdout == f"{hook['id']} https://1.1.1.1/hook, paused\n  events message.read\n"
    changed = made(officer, *change, "--url", "https://1.1.1.1/other", "--event", "message.failed", "--resume")
    assert (changed["url"], changed["events"], changed.get("disabled")) == (
        "https://1.1.1.1/other",
        ["message.failed"],
        None,
    )
    assert officer("app", "webhook", "remove", hook["id"], "--app", app, "--yes").exit_code == 0
    assert officer("app", "webhook", "list", "--app", app).stdout == "Nothing to show.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["app", "create", "--name", "A", "--scope", "fly", "--public", "x"],
        ["app", "create", "--name", "A", "--scope", "otp"],
        ["app", "show"],
        ["app", "change", "--app", "a" * 13],
        ["app", "webhook", "change", "A" * 22, "--app", "a" * 13],
        ["app", "webhook", "change", "A" * 22, "--app", "a" * 13, "--event", "message.lost"],
        ["app", "webhook", "create", "https://1.1.1.1/", "--app", "a" * 13, "--event", "message.lost"],
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
        ["person", "change", "m" * 13],
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


def test_what_is_not_found_may_be_out_of_reach(officer: Run) -> None:
    assert officer("group", "show", "c" * 13).stderr == (
        "error: not_found: There is nothing here, or none of your roles reaches it (see sandes-admin whoami). "
        "Request id: request-1.\n"
    )
    assert "whoami" not in officer("group", "transfer", "c" * 13, "--unit", "b" * 13).stderr


# What takes two


DRAFT = ("template", "draft", "login", "--kind", "otp", "--text", "en={{ code }} is your code for {{ service }}.")


def test_a_text_is_drafted_by_one_and_approved_by_another(officer: Run, second: Run, app: str) -> None:
    asked = officer(*DRAFT, "--app", app)
    approval = asked.stdout.split(" as approval ")[1].split(":")[0]
    assert f"sandes-admin approval approve {approval}\n" in asked.stdout
    assert approval in second("approval", "list", "--state", "pending").stdout
    assert refused(officer("approval", "approve", approval, "--yes")) == "own_request"
    declined = second("approval", "approve", approval, input="n\n")
    assert (declined.exit_code, "executed" in declined.output) == (1, False)
    assert "text" in declined.stderr
    assert "is your code for" in declined.stderr
    assert "Approve this? It is carried out immediately." in declined.stderr
    assert "pending" in officer("approval", "show", approval).stdout
    done = second("approval", "approve", approval, input="y\n").stdout.splitlines()[1:]  # behind the answer typed
    assert done[0].startswith(f"{approval} template.")
    assert done[0].endswith(": executed")
    assert second("approval", "list", "--state", "pending").stdout == "Nothing to show.\n"
    listed = officer("template", "list", "--app", app).stdout
    assert ("login" in listed, "service" in listed) == (True, True)
    assert "  en: {{ code }} is your code" in officer("template", "show", "login", "--app", app).stdout


def test_what_waits_is_listed_however_much_newer_does_not(
    service: AdminService, officer: Run, ministry: OrganisationId
) -> None:
    usha = service.administration.appoint(Role.VERIFIER, Place.root(ministry))
    grant = ("assignment", "grant", "--administrator", administrator_text(usha.id), "--role")
    waits, *others = (made(officer, *grant, role)["id"] for role in ("moderator", "unit_admin", "app_manager"))
    for approval in others:
        made(officer, "approval", "cancel", approval)
    listed = officer("approval", "list", "--state", "pending", "--limit", "1", "--json")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [waits]
    assert listed.stderr == ""
    shown = officer("approval", "list", "--limit", "2")
    assert shown.stderr == "There are more than these 2. Use --limit to see them.\n"
    assert officer("approval", "list", "--limit", "3").stderr == ""


def test_requests_in_a_list_are_told_apart(
    *,
    service: AdminService,
    officer: Run,
    second: Run,
    ministry: OrganisationId,
    app: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = id_text(service.service.unit(ministry, "Desk"))
    known = made(second, "whoami")["administrator"]
    to_ravi = ("--email", "ravi@rail.example.in", "--name", "Ravi Shah")
    asked = [
        (made(officer, *words)["id"], about)
        for words, about in [
            (["app", "go-live", "--app", app], f"Passport Seva {app} msg otp"),
            ([*DRAFT, "--app", app], f"login {app}"),
            (
                ["assignment", "grant", "--role", "verifier", "--unit", desk, *to_ravi],
                f"ravi@rail.example.in in {desk}",
            ),
            (["assignment", "grant", "--role", "moderator", "--administrator", known], f"moderator {known} "),
        ]
    ]
    shown = {line.split()[0]: line for line in officer("approval", "list").stdout.splitlines() if line.strip()}
    assert [about for id, about in asked if about not in shown[id]] == []
    assert all(" pending " in shown[id] for id, _ in asked)
    assert "pending" not in officer("approval", "list", "--state", "pending").stdout
    narrow(monkeypatch)
    assert officer("approval", "list").stdout.splitlines()[0].split() == [
        "approval",
        "operation",
        "about",
        "state",
        "by",
    ]


def test_a_request_for_an_organisation_is_told_by_its_name_and_officer(
    service: AdminService, signed_in: Callable[..., Run]
) -> None:
    service.service.operate("administrator.create", email="a@sandes.example.in", name="Asha", unit="Onboarding")
    farah = signed_in(service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM)))
    officer = ("--officer-email", "latha@fisheries.example.in", "--officer-name", "Latha Menon")
    made(farah, "organisation", "create", "--name", "Fisheries", *officer)
    assert " Fisheries latha@fisheries.example.in " in farah("approval", "list").stdout
    id = json.loads(farah("approval", "list", "--json").stdout)["id"]
    shown = farah("approval", "show", id).stdout
    assert "  officer email = latha@fisheries.example.in\n  officer name = Latha Menon\n" in shown
    assert "  new organisation = " in shown
    assert ("{" in shown, "  organisation = " in shown) == (False, False)


def test_an_officer_alone_is_told_that_there_is_no_second_one(
    service: AdminService, signed_in: Callable[..., Run], officer: Run, app: str, ministry: OrganisationId
) -> None:
    ravi = ("--email", "ravi@rail.example.in", "--name", "Ravi Shah")
    alone = officer("assignment", "grant", "--role", "verifier", *ravi).stdout
    assert "Your organisation has no second nodal officer yet, so nobody can approve this" in alone
    assert "`sandes-admin officer appoint`" in alone
    assert "only a platform administrator can approve this" in officer("app", "go-live", "--app", app).stdout
    signed_in(service.administration.appoint(Role.NODAL_OFFICER, Place.root(ministry)))
    assert "no second nodal officer" not in officer(*DRAFT, "--app", app).stdout


def test_the_end_of_a_role_that_is_asked_for_is_shown_as_a_time(officer: Run, india: None) -> None:
    person = ("--email", "ravi@rail.example.in", "--name", "Ravi Shah", "--until", "2027-03-31")
    asked = made(officer, "assignment", "grant", "--role", "verifier", *person)
    assert "  expires_at = 2027-04-01 00:00 IST\n" in officer("approval", "show", asked["id"]).stdout


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock shows the time in India."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "IST-5:30")
        time.tzset()
        yield
    time.tzset()


def test_times_are_shown_with_their_zone(india: None) -> None:
    assert [at("2027-03-31T18:30:00Z"), at(1_806_517_800), at(None)] == ["2027-04-01 00:00 IST"] * 2 + [""]


def test_times_of_the_record_are_said_to_be_utc(officer: Run, app: str) -> None:
    (line,) = [line for line in officer("audit", "list").stdout.splitlines() if "app.create" in line]
    assert re.search(r" [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC app\.create ", line)


def test_terms_are_asked_for_and_taken_back(officer: Run, second: Run, app: str) -> None:
    assert refused(officer("app", "quota", "--app", app, "--per-minute", "9000", "--per-day", "900000")) == "app_mode"
    assert approved(officer, second, "app", "go-live", "--app", app)["state"] == "executed"
    shown = made(officer, "app", "show", "--app", app)
    assert (shown["mode"], shown["per_minute"]) == ("live", 3_000)
    quota = ("app", "quota", "--app", app, "--per-minute", "9000", "--per-day", "900000")
    rejected = made(officer, *quota)["id"]
    assert ": rejected\n" in second("approval", "reject", rejected, "--reason", "too much").stdout
    assert "  reason  " in officer("approval", "show", rejected).stdout
    cancelled = made(officer, *quota)["id"]
    assert made(officer, "approval", "cancel", cancelled)["state"] == "cancelled"
    assert refused(second("approval", "approve", cancelled, "--yes")) == "approval_state"
    assert made(officer, "app", "trial", "--app", app, "--reason", "it sent spam")["mode"] == "trial"


# Organisations, units, roles


def test_an_organisation_is_made_by_two_with_its_first_officer(
    service: AdminService, signed_in: Callable[..., Run]
) -> None:
    service.service.operate("administrator.create", email="a@sandes.example.in", name="Farah", unit="Onboarding")
    tree = service.service.organisations.tree(PLATFORM)
    assert tree is not None
    (unit,) = tree.children(tree.organisation.root)
    places = (Place.root(PLATFORM), Place(PLATFORM, unit.id))
    farah, girish = [
        signed_in(service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM), home=home))
        for home in places
    ]
    officer = ("--officer-email", "latha@fisheries.example.in", "--officer-name", "Latha Menon")
    done = approved(farah, girish, "organisation", "create", "--name", "Fisheries", "--kind", "department", *officer)
    assert (done["state"], service.service.pool.invitations[-1]) == ("executed", "latha@fisheries.example.in")
    organisation = done["parameters"]["organisation"]
    assert organisation in farah("organisation", "list").stdout
    assert farah("organisation", "show", organisation).stdout.startswith(f"{organisation} Fisheries, since ")
    north = id_text(service.service.unit(parse_organisation(organisation), "North"))
    further = ("--email", "meena@fisheries.example.in", "--name", "Meena Iyer", "--unit", north)
    assert approved(farah, girish, "officer", "appoint", organisation, *further)["state"] == "executed"
    assert refused(farah("officer", "appoint", organisation, *further)) == "has_officers"


def test_units_are_a_tree_that_is_changed_by_version(officer: Run, ministry: OrganisationId) -> None:
    of = id_text(ministry)
    north = made(officer, "unit", "create", "--name", "North", "--kind", "department")["id"]
    desk = made(officer, "unit", "create", "--name", "Desk", "--kind", "office", "--parent", north)["id"]
    lines = officer("unit", "list").stdout.splitlines()
    assert lines[0] == f"{of} Ministry of Railways (ministry; 0 officials, 0 groups)"
    assert lines.index(f"    {desk} Desk (office; 0 officials, 0 groups)") > lines.index(
        f"  {north} North (department; 0 officials, 0 groups)"
    )
    version = str(made(officer, "unit", "show", desk)["version"])
    assert made(officer, "unit", "change", desk, "--name", "Bureau", "--version", version)["name"] == "Bureau"
    assert refused(officer("unit", "change", desk, "--name", "Old", "--version", version)) == "precondition_failed"
    assert made(officer, "unit", "change", desk, "--parent", of)["parent"] == of
    assert refused(officer("unit", "change", north, "--parent", north)) == "unit_cycle"
    assert officer("unit", "remove", desk, "--yes").stdout == f"Removed unit {desk}.\n"
    assert desk not in officer("unit", "list").stdout
    assert (
        f"{of} Ministry of Rail, since " in officer("organisation", "change", of, "--name", "Ministry of Rail").stdout
    )


def test_mail_domains_are_asked_for_shown_and_taken_away_again(
    officer: Run, second: Run, ministry: OrganisationId
) -> None:
    of = id_text(ministry)
    for none_or_two in ((), ("--name", "Rail", "--any-mail-domain"), ("--mail-domain", "a.in", "--any-mail-domain")):
        result = officer("organisation", "change", of, *none_or_two)
        assert (result.exit_code, "give one of them" in result.stderr) == (2, True)
    change = ("organisation", "change", of, "--mail-domain", "Rail.example", "--mail-domain", "ports.example")
    id = made(officer, *change)["id"]
    shown = second("approval", "show", id).stdout
    assert '  mail_domains = ["ports.example", "rail.example"]' in shown
    assert "@example.gov.in> would be outside these domains; the administrator stays" in shown
    assert "ports.example rail.example" in second("approval", "list").stdout
    assert made(second, "approval", "approve", id, "--yes")["state"] == "executed"
    assert "  addresses at ports.example, rail.example only\n" in officer("organisation", "show").stdout
    assert "(outside the mail domains)" in officer("assignment", "list").stdout
    grant = ("assignment", "grant", "--role", "verifier", "--email", "usha@north.rail.example", "--name", "Usha")
    result = officer(*grant)
    assert refused(result) == "mail_domain_not_allowed"
    assert ": The organisation accepts addresses at these domains only: ports.example, rail.example." in result.stderr
    approved(officer, second, "organisation", "change", of, "--any-mail-domain")
    assert "addresses at" not in officer("organisation", "show").stdout
    assert made(officer, *grant)["state"] == "pending"


def test_units_stand_in_the_order_of_the_tree_beside_one_another_by_name(
    service: AdminService, officer: Run, ministry: OrganisationId
) -> None:
    names = ["Western", "Eastern", "central", "Northern"]
    top = {name: service.service.unit(ministry, name) for name in names}
    for name in names:
        for desk in ("Wagons", "Signals", "Accounts"):
            service.service.unit(ministry, f"{name} {desk}", parent=top[name])
    lines = officer("unit", "list").stdout.splitlines()
    shown = [line.strip().split(maxsplit=1)[1].partition(" (")[0] for line in lines]
    assert shown[1:] == [
        one
        for name in ["central", "Eastern", "Northern", "Western"]
        for one in [name, f"{name} Accounts", f"{name} Signals", f"{name} Wagons"]
    ]
    found = [json.loads(line)["name"] for line in officer("unit", "list", "--json").stdout.splitlines()]
    assert found == ["Ministry of Railways", *shown[1:]]
    below = officer("unit", "list", "--unit", id_text(top["Eastern"])).stdout.splitlines()
    assert [line.strip().split(maxsplit=1)[1].partition(" (")[0] for line in below] == shown[5:9]


def test_ones_own_organisation_is_shown_if_none_is_named(officer: Run, ministry: OrganisationId) -> None:
    assert officer("organisation", "show").stdout == officer("organisation", "show", id_text(ministry)).stdout
    assert officer("organisation", "policy").stdout == officer("organisation", "policy", id_text(ministry)).stdout
    assert officer("organisation", "show").stdout.startswith(id_text(ministry))


def test_a_policy_is_shown_and_set_field_by_field(officer: Run, ministry: OrganisationId) -> None:
    of = id_text(ministry)
    assert "  photo      everyone\n" in officer("organisation", "policy", of).stdout
    shown = officer("organisation", "policy", of, "--show", "photo=officials").stdout
    assert ("  photo      officials\n" in shown, "  post       everyone\n" in shown) == (True, True)


def test_a_role_is_granted_by_two_listed_and_taken_away(
    service: AdminService, officer: Run, second: Run, ministry: OrganisationId
) -> None:
    desk = id_text(service.service.unit(ministry, "Desk"))
    person = ("--email", "Ravi@rail.example.in", "--name", "Ravi Shah", "--until", "2027-03-31")
    approved(officer, second, "assignment", "grant", "--role", "verifier", "--unit", desk, *person)
    (line,) = officer("assignment", "list", "--unit", desk, "--json").stdout.splitlines()
    granted = json.loads(line)
    assert (granted["role"], granted["email"], granted["name"]) == ("verifier", "ravi@rail.example.in", "Ravi Shah")
    assert granted["expires_at"] == "2027-03-31T18:30:00Z"
    assert "Ravi Shah" in officer("assignment", "list").stdout
    assert officer("assignment", "revoke", granted["id"], "--yes").exit_code == 0
    assert "Ravi Shah" not in officer("assignment", "list").stdout


def test_an_auditors_role_is_taken_away_by_two(officer: Run, second: Run) -> None:
    person = ("--email", "meera@rail.example.in", "--name", "Meera Iyer")
    approved(officer, second, "assignment", "grant", "--role", "auditor", *person)
    held = [json.loads(line) for line in officer("assignment", "list", "--json").stdout.splitlines()]
    (granted,) = [one["id"] for one in held if one["role"] == "auditor"]
    approved(officer, second, "assignment", "revoke", granted, "--yes")
    assert "Meera Iyer" not in officer("assignment", "list").stdout


# People


def test_a_person_is_verified_edited_hidden_moved_and_revoked(
    service: AdminService, officer: Run, ministry: OrganisationId
) -> None:
    person, desk = service.service.person(), id_text(service.service.unit(ministry, "Desk"))
    account, terms = account_text(person.account), ("--name", "Asha Rao", "--post", "Director", "--until", "2027-03-31")
    assert refused(officer("person", "show", account)) == "not_found"
    verified = officer("person", "verify", person.phone, *terms, "--email", "asha@rail.example", "--listed").stdout
    assert verified.startswith(f"{account} verified\n  Asha Rao, Director, unit {id_text(ministry)} of ")
    assert "\n  asha@rail.example\n" in verified
    assert officer("person", "show", person.phone).stdout == verified
    assert "Asha Rao" in officer("person", "list").stdout
    edited = made(officer, "person", "change", account, "--post", "Joint Director", "--email", "", "--not-listed")
    assert (edited["post"], edited.get("email"), edited["listed"]) == ("Joint Director", None, False)
    hidden = officer("person", "hide", account, "--field", "post=nobody").stdout
    assert "  post to nobody\n" in hidden
    wished = officer("person", "hide", account, "--field", "number=everyone").stdout
    assert "  number to everyone, within the organisation's policy\n" in wished
    as_before = ("--field", "post=default", "--field", "number=default")
    assert not made(officer, "person", "hide", account, *as_before).get("hidden")
    assert made(officer, "person", "transfer", account, "--unit", desk)["unit"] == desk
    assert refused(officer("person", "suspend", account, "--reason", "under inquiry", "--yes")) == "verified_lately"
    revoke = ("person", "revoke", account, "--reason", "left the service")
    asked = officer(*revoke, input="n\n")
    assert (asked.exit_code, "error: not_confirmed" in asked.stderr) == (1, True)
    assert made(officer, "person", "show", account)["state"] == "verified"
    revoked = officer(*revoke, "--yes").stdout
    assert revoked.startswith(f"{account} revoked: left the service\n")


def test_a_person_is_suspended_resumed_and_their_devices_are_reset(
    service: AdminService, officer: Run, ministry: OrganisationId
) -> None:
    person, now_ms = service.service.person(), service.service.now_ms
    service.service.verify(person, ministry, now_ms=now_ms - 30 * 86_400_000)
    account = account_text(person.account)
    suspend = ("person", "suspend", account, "--reason", "under inquiry")
    asked = officer(*suspend, input="n\n")
    assert (asked.exit_code, "error: not_confirmed" in asked.stderr) == (1, True)
    assert not made(officer, "person", "show", account).get("suspended")
    suspended = officer(*suspend, "--yes").stdout
    assert suspended == f"{account} suspended by unit {id_text(ministry)}: under inquiry\n"
    assert officer("person", "resume", account).stdout == f"{account} not suspended\n"
    assert officer("person", "reset-devices", account, "--yes").stdout == f"{account}: 1 device unlinked.\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("919810000102", "+919810000102"), ("9810000102", "+91 9810000102"), ("442079460000", "+44")]
)
def test_a_number_without_plus_sign_and_country_code_is_told_so(officer: Run, typed: str, meant: str) -> None:
    assert officer("person", "show", typed).stderr.startswith(
        f"error: invalid_phone: write a phone number with plus sign and country code: {meant}"
    )


def test_who_is_not_registered_is_imported(officer: Run) -> None:
    verify = ("person", "verify", new_phone(), "--name", "Asha Rao", "--post", "Director", "--until", "2027-03-31")
    for words in (("person", "show", new_phone()), verify):
        result = officer(*words)
        assert refused(result) == "not_found"
        assert "`sandes-admin import check FILE`). They are verified when they register" in result.stderr


def test_a_day_in_another_form_is_told_the_right_one(officer: Run) -> None:
    verify = ("person", "verify", new_phone(), "--name", "Asha Rao", "--post", "Director", "--until", "31/03/2027")
    result = officer(*verify)
    assert (result.exit_code, "write the day as 2027-03-31" in result.stderr) == (2, True)
    assert "%Y" not in officer("person", "verify", "--help").stdout


def test_who_has_a_role_at_one_unit_imports_verifies_and_makes_groups_without_naming_it(
    importing: AdminService, signed_in: Callable[..., Run], desk: Place, tmp_path: Path
) -> None:
    verifier = signed_in(importing.administration.appoint(Role.VERIFIER, desk))
    file = tmp_path / "officials.csv"
    file.write_text(f"phone,name,post,expires\n{new_phone()},Asha Rao,Director,2027-03-31\n")
    checked = verifier("import", "check", str(file))
    assert (checked.exit_code, ": 1 row, 1 good row, 0 bad ones;" in checked.stdout) == (0, True), checked.stderr
    assert checked.stderr.split()[1] in verifier("import", "list").stdout
    person = importing.service.person()
    named = ("--name", "Meena Iyer", "--post", "Clerk", "--until", "2027-03-31")
    assert made(verifier, "person", "verify", person.phone, *named)["unit"] == id_text(desk.unit)
    manager = signed_in(importing.administration.appoint(Role.GROUP_MANAGER, desk))
    assert made(manager, "group", "create", "--name", "Drivers")["unit"] == id_text(desk.unit)


def test_a_changed_profile_is_said_to_show_within_an_hour(officer: Run, service: AdminService) -> None:
    person = service.service.person()
    named = ("--name", "Asha Rao", "--post", "Clerk", "--until", "2027-03-31")
    made(officer, "person", "verify", person.phone, *named)
    account = account_text(person.account)
    for words in (("hide", account, "--field", "number=nobody"), ("change", account, "--post", "Director")):
        assert officer("person", *words).stdout.endswith("show the change within an hour.\n")
        assert "within an hour" not in officer("person", *words, "--json").stdout


# Complaints, statistics


def test_nobody_complains_yet(officer: Run) -> None:
    assert officer("complaint", "list").stdout == "Nothing to show.\n"
    assert refused(officer("complaint", "show", "A" * 32)) == "not_found"


def test_figures_are_shown(officer: Run, ministry: OrganisationId) -> None:
    shown = officer("stats").stdout
    assert (id_text(ministry) in shown, "0 sent" in shown, "Ministry of Railways" in shown) == (True, True, True)
    assert (
        made(officer, "stats", "--hourly", "--since", "2026-11-01T00:00", "--until", "2026-11-02T00:00")["by"] == "hour"
    )
    assert refused(officer("stats", "--since", "2020-01-01")) == "invalid_request"


def test_bars_are_as_long_as_what_they_count() -> None:
    def figures(direct: int) -> dict[str, Any]:
        return {"at": f"2026-09-21T13:{direct:02}:00Z", "figures": {"active": direct, "messages": {}}}

    table = bars([figures(40), figures(20), figures(1), figures(0)], "active", hourly=True)
    drawn = list(table.columns[2].cells)
    assert [len(str(bar)) for bar in drawn] == [40, 20, 1, 0]


# Imports


@pytest.fixture
def importing(service: AdminService, monkeypatch: pytest.MonkeyPatch) -> AdminService:
    """The file goes where its address leads; while a command waits, the queue is worked off."""

    def upload(_: str, fields: dict[str, str], file: Path) -> None:
        service.put_file(fields["key"], file.read_bytes())

    monkeypatch.setattr(imports, "upload", upload)
    monkeypatch.setattr(imports, "pause", lambda _: service.work_on_imports())
    return service


def test_a_file_is_checked_and_committed_and_its_results_written(
    importing: AdminService, officer: Run, tmp_path: Path
) -> None:
    person, file, results = importing.service.person(), tmp_path / "officials.csv", tmp_path / "results.csv"
    rows = [
        "phone,name,post,expires",
        f"{person.phone},Asha Rao,Director,2027-03-31",
        "98123,Ravi Shah,Clerk,2027-03-31",
    ]
    file.write_text("\n".join([*rows, f"{new_phone()},Meena Iyer,Clerk,2027-03-31", ""]))
    checked = officer("import", "check", str(file), "--client-ref", "staff")
    assert checked.exit_code == 3
    id = checked.stderr.split()[1]
    assert checked.stdout.startswith(
        f"checked {id}: 3 rows, 2 good rows, 1 bad one; a commit means 1 verified, 1 nominated\n"
    )
    assert ("bad_number" in checked.stdout, "Not a phone number" in checked.stdout) == (True, True)
    assert importing.service.account(person.account).standing is None
    asked = officer("import", "commit", id, input="n\n")
    assert (asked.exit_code, "error: not_confirmed" in asked.stderr) == (1, True)
    done = officer("import", "commit", id, "--yes", "--results", str(results))
    assert (done.exit_code, "done 2 of 2: 1 verified, 1 nominated\n" in done.stdout) == (3, True)
    assert importing.service.account(person.account).standing is not None
    with results.open(encoding="utf-8", newline="") as opened:
        found = [(row["row"], row["status"]) for row in csv.DictReader(opened)]
    assert found == [("2", "verified"), ("3", "invalid"), ("4", "nominated")]
    assert "a commit means" not in done.stdout
    assert "staff" in officer("import", "list").stdout
    for words in (("results", id, "--out", str(results)), ("commit", id, "--yes", "--results", str(results))):
        assert officer("import", *words).stderr.startswith(f"error: file_exists: {results} exists already;")
    again = tmp_path / "again.csv"
    assert officer("import", "results", id, "--out", str(again)).stdout == f"3 rows in {again}.\n"
    asked = officer("import", "cancel", id, input="n\n")
    assert "nominations of this import will not lead to verifications (1 row): cancel" in asked.stderr
    assert (asked.exit_code, "error: not_confirmed" in asked.stderr) == (1, True)
    assert officer("import", "cancel", id, "--yes").stdout == f"Cancelled import {id}.\n"
    assert refused(officer("import", "commit", id, "--yes")) == "import_state"
    assert officer("import", "check", str(tmp_path)).exit_code == 2
    assert officer("import", "check", str(results.rename(tmp_path / "results.txt"))).exit_code == 2


@pytest.mark.parametrize(
    ("state", "done", "nominated", "question"),
    [
        ("checked", 0, 0, ""),
        ("committing", 1, 0, "1 good row will be left undone"),
        (
            "committing",
            0,
            1,
            "2 good rows will be left undone, and nominations of this import will not lead to verifications",
        ),
        ("completed", 2, 0, ""),
        ("completed", 2, 2, "nominations of this import will not lead to verifications (2 rows)"),
    ],
)
def test_what_is_lost_with_a_cancelled_import_is_said_before(
    state: str, done: int, nominated: int, question: str
) -> None:
    now = {"state": state, "valid": 2, "done": done, "counts": {"verified": 0, "nominated": nominated}}
    said = imports.lost_with(now)
    assert said.startswith(question)
    assert bool(said) == bool(question)


def test_an_import_that_nothing_was_done_of_is_cancelled_without_a_question(
    importing: AdminService, officer: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "officials.csv"
    file.write_text(f"phone,name,post,expires\n{new_phone()},Asha Rao,Director,2027-03-31\n")
    checked = officer("import", "check", str(file), "--client-ref", "staff of the north")
    assert ": 1 row, 1 good row, 0 bad ones;" in checked.stdout
    id = checked.stderr.split()[1]
    assert officer("import", "cancel", id).stdout == f"Cancelled import {id}.\n"
    narrow(monkeypatch)
    head, _, first, *_ = officer("import", "list").stdout.splitlines()
    assert head.split() == ["import", "state", "rows", "bad", "done", "ref", "at"]
    assert first.split()[:5] == [id, "cancelled", "1", "0", "0"]


def test_of_a_file_that_is_of_no_use_the_reason_is_said_and_nothing_else(
    importing: AdminService, officer: Run, tmp_path: Path
) -> None:
    file = tmp_path / "officials.csv"
    file.write_text("phone,name,shoe size\n+919812345678,Asha Rao,38\n")
    failed = officer("import", "check", str(file))
    id = failed.stderr.split()[1]
    assert failed.exit_code == 3
    (line,) = failed.stdout.splitlines()
    assert line.startswith(f"failed {id}: upload_invalid: header: column 3 ")
    commit = officer("import", "commit", id).stderr
    assert commit.startswith("error: import_failed: the import failed: upload_invalid: header: column 3 ")
    assert commit.endswith("; correct the file and run `sandes-admin import check` again\n")
    assert officer("import", "cancel", id).stderr.startswith("error: import_state: ")


# A lost second factor


@pytest.fixture
def lost(service: AdminService, ministry: OrganisationId) -> str:
    """The id of a verifier who has lost their second factor."""
    return administrator_text(service.administration.appoint(Role.VERIFIER, Place.root(ministry)).id)


RESET = ("--reason", "phone stolen, identity card seen")


def test_a_reset_is_asked_for_by_one_approved_by_another_and_shown(officer: Run, second: Run, lost: str) -> None:
    waiting = made(officer, "access", "reset", lost, *RESET)["id"]
    assert officer("access", "show", lost).stderr == (
        f"error: not_approved: requested, not approved yet: `sandes-admin approval show {waiting}`\n"
    )
    assert refused(officer("approval", "approve", waiting, "--yes")) == "own_request"
    declined = second("approval", "approve", waiting, input="n\n").stderr
    (who,) = (
        one
        for one in map(json.loads, officer("assignment", "list", "--json").stdout.splitlines())
        if one["administrator"] == lost
    )
    assert f"  about {who['name']} <{who['email']}>, who works in Ministry of Railways\n" in declined
    assert f"Approve this? {who['name']} gets an e-mail and can object for 24 hours. Then the" in declined
    assert "immediately" not in declined
    assert made(second, "approval", "approve", waiting, "--yes")["state"] == "executed"
    shown = officer("access", "show", lost)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0] == f"administrator {lost}"
    assert "requested by" in shown.stdout
    assert "approved by" in shown.stdout
    assert made(officer, "access", "show", lost)["state"] == "announcing"


def test_a_reset_is_taken_back_once(officer: Run, second: Run, lost: str) -> None:
    approved(officer, second, "access", "reset", lost, *RESET)
    assert second("access", "withdraw", lost).stdout == "The reset was withdrawn.\n"
    assert refused(officer("access", "show", lost)) == "not_found"
    assert refused(second("access", "withdraw", lost)) == "not_found"


def test_a_person_objects_to_the_reset_of_their_own_access(
    service: AdminService, signed_in: Callable[..., Run], officer: Run, second: Run, ministry: OrganisationId
) -> None:
    caller = service.administration.appoint(Role.VERIFIER, Place.root(ministry))
    id = administrator_text(caller.id)
    approved(officer, second, "access", "reset", id, *RESET)
    assert signed_in(caller)("access", "object").stdout == (
        "Your access is not being reset. If a reset was waiting, it is cancelled.\n"
    )
    assert refused(officer("access", "show", id)) == "not_found"


def test_a_third_person_ends_the_waiting_after_a_question(
    service: AdminService, signed_in: Callable[..., Run], officer: Run, second: Run, lost: str
) -> None:
    platform = signed_in(service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM)))
    approved(officer, second, "access", "reset", lost, *RESET)
    stopped = platform("access", "confirm", lost, input="n\n")
    assert stopped.exit_code == 1
    assert stopped.stderr.endswith("error: not_confirmed: nothing was changed; --yes skips the question\n")
    assert "confirmed_by" not in made(officer, "access", "show", lost)
    assert made(platform, "access", "confirm", lost, "--yes")["confirmed_by"]
    assert refused(platform("access", "confirm", lost, "--yes")) == "access_reset_state"


def test_what_cannot_be_reset_is_refused_with_its_reason(
    service: AdminService, signed_in: Callable[..., Run], officer: Run, second: Run, lost: str
) -> None:
    own = made(officer, "whoami")["administrator"]
    auditor = administrator_text(service.administration.appoint(Role.PLATFORM_ADMIN, Place.root(PLATFORM)).id)
    elsewhere = service.service.organisation("Ministry of Mines")
    other = administrator_text(service.administration.appoint(Role.VERIFIER, Place.root(elsewhere)).id)
    assert refused(officer("access", "reset", own, *RESET)) == "own_access"
    for unreachable in (auditor, other, "11111111-2222-4333-8444-555555555555"):
        assert refused(officer("access", "reset", unreachable, *RESET)) == "not_found"
    approved(officer, second, "access", "reset", lost, *RESET)
    assert refused(officer("access", "reset", lost, *RESET)) == "access_reset_pending"
    assert refused(second("access", "confirm", lost, "--yes")) == "not_found"


def test_asking_for_a_reset_takes_a_fresh_sign_in(
    service: AdminService, signed_in: Callable[..., Run], ministry: OrganisationId, lost: str
) -> None:
    caller = service.administration.appoint(Role.NODAL_OFFICER, Place.root(ministry))
    run = signed_in(caller, signed_in_at=int(time.time()) - 3600)
    result = run("access", "reset", lost, *RESET)
    assert refused(result) == "fresh_sign_in_required"
    assert re.search("`sandes-admin --session [^ ]+ login`, then try again", result.stderr)


def test_a_reset_needs_a_reason(officer: Run, lost: str) -> None:
    assert officer("access", "reset", lost).exit_code == 2
