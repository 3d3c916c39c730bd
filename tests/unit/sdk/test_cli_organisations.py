"""`sandes-admin` about organisations, units and officials, against the operator's own use cases."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from sandes.administration import operations
from sandes.model.ids import account_text, parse_organisation
from sandes.protocol.errors import ProtocolError
from sandes_client.cli.admin import admin
from sandes_client.operator import Operator
from tests.support.groups import Groups
from tests.support.service import Service


@pytest.fixture
def backend(dynamodb: Any) -> Service:
    return Service(*dynamodb)


@pytest.fixture
def run(backend: Service, monkeypatch: pytest.MonkeyPatch) -> Any:
    class OperatorsFunction:
        def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803  boto3's names
            assert FunctionName == "the-operator"
            try:
                answer: dict[str, Any] = {
                    "ok": operations.operate(
                        json.loads(Payload), now_seconds=backend.now_ms // 1000, deps=backend.operator_deps
                    )
                }
            except ProtocolError as error:
                answer = {"error": {"code": error.code, "message": error.code.text, **error.details}}
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    monkeypatch.setattr(Operator, "_lambda", lambda _: OperatorsFunction())
    for name in ("ENDPOINTS", "OPERATOR"):
        monkeypatch.delenv(f"SANDES_{name}", raising=False)

    def invoke(*words: str) -> Any:
        return CliRunner().invoke(admin, ["--operator", "the-operator", *words], catch_exceptions=False)

    return invoke


def made(run: Any, *words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.fixture
def organisation(run: Any) -> str:
    return str(made(run, "organisation", "create", "--name", "Ministry of Railways")["organisation"])


def unit(run: Any, organisation: str, name: str, *words: str) -> str:
    named = ["--organisation", organisation, "--name", name, "--kind", "office"]
    return str(made(run, "unit", "create", *named, *words)["unit"])


def test_an_organisation_and_its_units_are_shown_as_a_tree(run: Any, organisation: str) -> None:
    north = unit(run, organisation, "North")
    desk = unit(run, organisation, "Desk", "--parent", north)
    assert run("organisation", "show", organisation).stdout == (
        f"{organisation} Ministry of Railways (ministry; 0 officials, 0 groups)\n"
        f"  {north} North (office; 0 officials, 0 groups)\n"
        f"    {desk} Desk (office; 0 officials, 0 groups)\n"
        "shown: name to everyone, photo to everyone, post to everyone, number to organisation, "
        "email to officials, last_seen to organisation\n"
    )


def test_units_are_renamed_moved_and_removed(run: Any, organisation: str) -> None:
    of = ["--organisation", organisation]
    north, south = unit(run, organisation, "North"), unit(run, organisation, "South")
    assert f"  {south} Deccan (" in run("unit", "rename", south, *of, "--name", "Deccan").stdout
    assert f"    {south} Deccan (" in run("unit", "move", south, *of, "--parent", north).stdout
    refused = run("unit", "remove", north, *of)
    assert (refused.exit_code, refused.stderr) == (
        1,
        "error: unit_not_empty: There are units, officials or groups in this unit.\n",
    )
    assert south not in run("unit", "remove", south, *of).stdout
    assert run("unit", "move", north, *of, "--parent", north).stderr.startswith("error: unit_cycle: ")


def test_an_organisation_is_renamed(run: Any, organisation: str) -> None:
    renamed = run("organisation", "rename", organisation, "--name", "Ministry of Rail")
    assert renamed.stdout.startswith(f"{organisation} Ministry of Rail (ministry; ")
    assert run("organisation", "show", organisation).stdout == renamed.stdout


def test_a_policy_is_set_field_by_field(run: Any, organisation: str) -> None:
    shown = run("organisation", "policy", organisation, "--show", "email=organisation", "--show", "photo=officials")
    assert "photo to officials" in shown.stdout
    assert "email to organisation" in shown.stdout
    assert "post to everyone" in shown.stdout


def test_a_person_is_verified_by_number_shown_and_revoked(run: Any, organisation: str, backend: Service) -> None:
    person = backend.person()
    terms = ["--organisation", organisation, "--name", "Asha Rao", "--post", "Director", "--until", "2027-03-31"]
    verified = run("person", "verify", person.phone, *terms, "--listed", "--email", "asha@rail.example")
    account = account_text(person.account)
    expected = (
        f"  Asha Rao, Director, unit {organisation} of {organisation}\n"
        "  until 2027-03-31 00:00 UTC, listed\n  asha@rail.example\n"
    )
    assert verified.stdout == f"{account} verified\n{expected}"
    assert run("person", "show", account).stdout == verified.stdout
    revoked = run("person", "revoke", account, "--reason", "left")
    assert revoked.stdout == f"{account} revoked: left\n{expected}"
    assert backend.account(person.account).standing is None


def test_renewing_keeps_unit_address_and_listing_unless_they_are_given(
    run: Any, organisation: str, backend: Service
) -> None:
    phone, north = backend.person().phone, unit(run, organisation, "North")
    terms = ["--organisation", organisation, "--name", "Asha Rao", "--post", "Director", "--until", "2027-03-31"]
    run("person", "verify", phone, *terms, "--unit", north, "--listed", "--email", "asha@rail.example")
    renewed = made(run, "person", "verify", phone, *terms)
    assert (renewed["unit"], renewed["listed"], renewed["email"]) == (north, True, "asha@rail.example")
    changed = made(run, "person", "verify", phone, *terms, "--unit", organisation, "--not-listed", "--email", "")
    assert (changed["unit"], changed["listed"], changed["email"]) == (organisation, False, None)


def test_a_number_without_its_plus_sign_is_told_so(run: Any) -> None:
    assert run("person", "show", "919810000102").stderr == (
        "error: invalid_phone: write a phone number with its plus sign: +919810000102\n"
    )


def test_who_was_never_verified_is_said_to_be_so(run: Any, backend: Service) -> None:
    person = backend.person()
    shown = run("person", "show", account_text(person.account))
    assert shown.stdout == f"{account_text(person.account)} has never been verified.\n"
    assert run("person", "show", "+919812345678").stderr.startswith("error: not_found: ")


def test_fields_at_fault_are_named(run: Any, organisation: str, backend: Service) -> None:
    terms = ["--organisation", organisation, "--name", "A", "--post", "B", "--until", "2001-01-01"]
    refused = run("person", "verify", backend.person().phone, *terms)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: invalid_request: /expires_at: ")


@pytest.mark.parametrize(
    "words",
    [
        ["organisation", "create", "--name", "A", "--kind", "club"],
        ["organisation", "policy", "aaaaaaaaaaaaa", "--show", "shoe_size=everyone"],
        ["organisation", "policy", "aaaaaaaaaaaaa", "--show", "name=friends"],
        ["organisation", "policy", "aaaaaaaaaaaaa", "--show", "name"],
        ["unit", "create", "--organisation", "aaaaaaaaaaaaa", "--name", "A", "--kind", "club"],
        ["person", "verify", "+919812345678", "--organisation", "aaaaaaaaaaaaa", "--name", "A", "--post", "B"],
        ["person", "revoke", "+919812345678"],
    ],
)
def test_wrong_usage_is_told_from_refusals(run: Any, words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_a_group_is_made_given_admins_moved_and_dissolved(run: Any, backend: Service, organisation: str) -> None:
    desk = unit(run, organisation, "Desk")
    official = account_text(Groups(backend).official(parse_organisation(organisation)).account)
    named = ["--organisation", organisation, "--unit", desk, "--name", "Drivers"]
    group = str(made(run, "group", "create", *named, "--admin", official)["group"])
    assert run("group", "show", group).stdout == (
        f"{group} Drivers\n"
        f"  of unit {desk}, organisation {organisation}\n"
        "  for officials, closed, posting by all, 1 members\n"
        f"  admin {official}\n"
    )
    assert made(run, "group", "transfer", group, "--unit", organisation)["unit"] == organisation
    assert run("group", "admins", group).exit_code == 2
    assert made(run, "group", "admins", group, "--none")["admins"] == []
    assert run("group", "dissolve", group).exit_code == 1
    assert run("group", "dissolve", group, "--yes").stdout.startswith(f"{group} Drivers, dissolved\n")
    news = ["--organisation", organisation, "--name", "News", "--audience", "citizens", "--open"]
    assert run("group", "create", *news).stdout.startswith("Created group ")


def test_a_group_cannot_be_made_with_words_that_mean_nothing(run: Any, organisation: str) -> None:
    named = ["group", "create", "--organisation", organisation, "--name", "Drivers"]
    assert run(*named, "--audience", "everybody").exit_code == 2
    assert run(*named, "--posting", "nobody").exit_code == 2
    refused = run(*named, "--admin", "aaaaaaaaaaaaa")
    assert (refused.exit_code, "error: invalid_request: /admins/0" in refused.stderr) == (1, True)
