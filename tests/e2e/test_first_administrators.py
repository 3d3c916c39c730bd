"""Tests the way from the operator's command to an administrator's first call, and the contract of the pool."""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from sandes.administration.sign_in import AdministratorPool
from sandes.edge.admin.cognito import CognitoPool
from sandes.model.ids import AdministratorId, administrator_text
from sandes_client.admin import AskNewPassword, NotSignedIn, SetUpAuthenticator, SignedIn, SignInRefused, begin
from sandes_client.cli.admin import admin
from tests.conftest import Deployed
from tests.support import totp
from tests.support.administrators import PASSWORD, TestAdministrator, administrator, cognito
from tests.support.pool import MemoryPool

Run = Callable[..., Any]


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "session.json"


@pytest.fixture
def run(deployment: Deployed, tmp_path: Path, session: Path) -> Run:
    endpoints = tmp_path / "endpoints.json"
    deployment.stack.write(endpoints)

    def invoke(*words: str, typed: str = "") -> Any:
        before = ["--endpoints", str(endpoints), "--session", str(session)]
        return CliRunner().invoke(admin, [*before, *words], input=typed, catch_exceptions=False)

    return invoke


@pytest.fixture(scope="module")
def asha(deployment: Deployed) -> Iterator[TestAdministrator]:
    made = administrator(deployment)
    yield made
    made.api.close()


def invitation(deployment: Deployed, email: str) -> str:
    """Return the temporary password in the last e-mail to an address."""
    return deployment.engine.emails_to(email)[-1].rpartition(" ")[2]


# The command line


def test_an_administrator_is_made_signs_in_for_the_first_time_and_is_known(
    deployment: Deployed, run: Run, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = f"{secrets.token_hex(4)}@example.gov.in"
    made = run("administrator", "create", email, "--name", "Asha Rao", "--unit", "Operations", "--json")
    assert made.exit_code == 0, made.output
    temporary, asked = invitation(deployment, email), []

    def prompt(question: str, **_: Any) -> str:
        asked.append(question)
        if question == "Password":
            return temporary
        if question == "New password":
            return PASSWORD
        shown = sys.stderr.buffer.getvalue().decode()  # type: ignore[union-attr]  # as CliRunner keeps it
        return totp.code(shown.partition("secret: ")[2].split()[0])

    with monkeypatch.context() as patched:
        patched.setattr(typer, "prompt", prompt)
        assert run("login", email).exit_code == 0
    assert asked == ["Password", "New password", "Code of the authenticator app"]
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    me = json.loads(run("whoami", "--json").stdout)
    assert me["administrator"] == json.loads(made.stdout)["administrator"]
    assert [one["role"] for one in me["assignments"]] == ["platform_admin"]
    home = {key: json.loads(made.stdout)[key] for key in ("organisation", "unit")}
    assert me["home"] == home | {"organisation_name": "Sandes", "unit_name": "Operations"}
    shown = run("whoami").stdout
    assert f"Asha Rao <{email}>" in shown
    assert f"works in Operations ({home['unit']}) in Sandes ({home['organisation']})" in shown
    token = run("token").stdout.strip()
    api = f"{deployment.stack.http_url}/admin/v1/me"
    assert httpx.get(api, headers={"Authorization": f"Bearer {token}"}).json()["administrator"] == me["administrator"]


def test_signing_in_later_takes_password_and_code_and_signing_out_ends_it(
    asha: TestAdministrator, run: Run, session: Path
) -> None:
    code, wrong = totp.code(asha.secret), totp.wrong_code(asha.secret)
    signed_in = run("login", asha.email.title(), typed=f"{PASSWORD}\n{wrong}\n{code[:3]} {code[3:]}\n")
    assert signed_in.exit_code == 0, signed_in.output
    assert "code_incorrect" in signed_in.stderr
    kept = json.loads(session.read_text())["tokens"]["refresh"]
    assert run("logout").exit_code == 0
    assert not session.exists()
    again = run("whoami")
    advice = f"sign in with `sandes-admin --session {session} login`"
    assert (again.exit_code, again.stderr) == (1, f"error: not_signed_in: {advice}\n")
    with pytest.raises(SignInRefused):
        cognito(asha.deployed).call(
            "InitiateAuth",
            ClientId=asha.deployed.stack.admin_client,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": kept},
        )


def test_a_wrong_password_ends_the_command_and_keeps_nothing(asha: TestAdministrator, run: Run, session: Path) -> None:
    refused = run("login", asha.email.title(), typed="Another-horse-7-battery\n")
    assert refused.exit_code == 1
    assert refused.stderr.endswith("error: sign_in_refused: Incorrect username or password.\n")
    assert not session.exists()


def test_a_kept_sign_in_that_others_may_read_is_not_used(asha: TestAdministrator, run: Run, session: Path) -> None:
    assert run("login", asha.email.title(), typed=f"{PASSWORD}\n{totp.code(asha.secret, steps=1)}\n").exit_code == 0
    session.chmod(0o640)
    refused = run("whoami")
    assert (refused.exit_code, "session_unusable" in refused.stderr) == (1, True)
    session.chmod(0o600)
    assert run("whoami").exit_code == 0
    os.truncate(session, 10)
    assert "session_unusable" in run("whoami").stderr


# What a pool of administrators promises


@pytest.fixture(params=["cognito", "memory"])
def pool(request: pytest.FixtureRequest, deployment: Deployed) -> AdministratorPool:
    if request.param == "memory":
        return MemoryPool()
    return CognitoPool(deployment.engine.client("cognito-idp"), deployment.stack.admin_pool)


def test_whoever_is_invited_again_is_the_same_person(pool: AdministratorPool) -> None:
    ravi, mina = (f"{secrets.token_hex(4)}@example.gov.in" for _ in range(2))
    assert pool.find(ravi) is None
    assert pool.invite(ravi, "Ravi") == pool.invite(ravi, "Ravi Kumar") == pool.find(ravi) != pool.invite(mina, "Mina")


def test_who_was_disabled_or_signed_out_can_be_so_again(pool: AdministratorPool) -> None:
    ravi = pool.invite(f"{secrets.token_hex(4)}@example.gov.in", "Ravi")
    for _ in range(2):
        pool.sign_out(ravi)
        pool.disable(ravi)
    pool.disable(AdministratorId(bytes(16)))


def cognito_pool(deployment: Deployed, provider: str = "") -> CognitoPool:
    return CognitoPool(deployment.engine.client("cognito-idp"), deployment.stack.admin_pool, provider)


def test_who_has_not_signed_in_yet_is_written_to_again_and_nobody_else(
    deployment: Deployed, asha: TestAdministrator
) -> None:
    email, pool = f"{secrets.token_hex(4)}@example.gov.in", cognito_pool(deployment)
    for written in (1, 2):
        pool.invite(email, "Ravi")
        assert len(deployment.engine.emails_to(email)) == written
    assert isinstance(begin(cognito(deployment), email, invitation(deployment, email)), AskNewPassword)
    assert pool.invite(asha.email, "Asha Rao") == asha.id
    assert deployment.engine.emails_to(asha.email) == []


def test_who_is_signed_out_keeps_no_session_and_who_is_disabled_gets_none(deployment: Deployed) -> None:
    made, pool = administrator(deployment), cognito_pool(deployment)
    pool.disable(made.id)
    with pytest.raises(NotSignedIn):
        made.api.refresh()
    with pytest.raises(SignInRefused):
        begin(cognito(deployment), made.email, PASSWORD)


def test_who_has_lost_their_second_factor_sets_up_another_once_operators_have_taken_it_away(
    deployment: Deployed,
) -> None:
    """Make the four calls of docs/runbook.md."""
    made, client = administrator(deployment), deployment.engine.client("cognito-idp")
    who: dict[str, Any] = {"UserPoolId": deployment.stack.admin_pool, "Username": made.email}
    client.admin_user_global_sign_out(**who)
    client.admin_set_user_password(**who, Password="Nobody-knows-this-7", Permanent=True)
    client.admin_delete_software_token(**who)
    client.admin_set_user_password(**who, Password="Temporary-horse-8", Permanent=False)
    with pytest.raises(NotSignedIn):
        made.api.refresh()
    with pytest.raises(SignInRefused):
        begin(cognito(deployment), made.email, PASSWORD)
    step = begin(cognito(deployment), made.email, "Temporary-horse-8")
    assert isinstance(step, AskNewPassword)
    setting_up = step.answer("Another-horse-9-battery")
    assert isinstance(setting_up, SetUpAuthenticator)
    assert setting_up.secret != made.secret
    assert isinstance(setting_up.answer(totp.code(setting_up.secret)), SignedIn)


def test_with_a_provider_its_users_of_the_same_address_are_the_person_invited(deployment: Deployed) -> None:
    client, email = deployment.engine.client("cognito-idp"), f"{secrets.token_hex(4)}@example.gov.in"
    pool = cognito_pool(deployment, "government")
    for _ in range(2):
        made = pool.invite(email, "Ravi")
    found = client.admin_get_user(UserPoolId=pool.pool, Username=administrator_text(made))
    (identities,) = [json.loads(one["Value"]) for one in found["UserAttributes"] if one["Name"] == "identities"]
    assert [(one["providerName"], one["userId"], one["primary"]) for one in identities] == [
        ("government", email, False)
    ]
