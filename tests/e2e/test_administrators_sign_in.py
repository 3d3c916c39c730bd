"""Tests sign-in to the admin API: passwords, second factors, tokens of all kinds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sandes.model.administrator import PLATFORM, Place, Role
from sandes.model.ids import administrator_text, id_text, parse_organisation, parse_unit
from sandes_client.admin import (
    AdminApiError,
    AskCode,
    AskNewPassword,
    NotSignedIn,
    SetUpAuthenticator,
    SignedIn,
    SignInRefused,
    Tokens,
    begin,
)
from sandes_client.admin.sign_in import revoke
from tests.conftest import Deployed
from tests.support import administrators, totp
from tests.support.administrators import PASSWORD, TestAdministrator, administrator, cognito, token

ROOT = Place.root(PLATFORM)


@pytest.fixture(scope="module")
def asha(deployment: Deployed) -> Iterator[TestAdministrator]:
    made = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, ROOT)])
    yield made
    made.api.close()


def invited(deployment: Deployed, email: str) -> str:
    """Invite an administrator, and return the temporary password."""
    client = deployment.engine.client("cognito-idp")
    client.admin_create_user(
        UserPoolId=deployment.stack.admin_pool, Username=email, UserAttributes=[{"Name": "name", "Value": "Ravi"}]
    )
    (mail,) = deployment.engine.emails_to(email)
    return mail.rpartition(" ")[2]


def refused(step: Any, answer: str) -> str:
    with pytest.raises(SignInRefused) as error:
        step.answer(answer)
    return error.value.code


def asked(deployment: Deployed, authorization: str | None, path: str = "me") -> tuple[int, dict[str, Any]]:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.get(f"{deployment.stack.http_url}/admin/v1/{path}", headers=headers)
    return answer.status_code, answer.json()


def refused_token(deployment: Deployed, token: str) -> tuple[int, str]:
    """Return the service's answer to a token that API Gateway still accepts."""
    status, problem = asked(deployment, f"Bearer {token}")
    return status, str(problem["code"])


def wait_for_the_next_second() -> None:
    """Wait, because a sign-in is recorded by its second, and ending sessions ends those up to this second."""
    now = int(time.time())
    while time.time() < now + 1:
        time.sleep(0.05)


# Signing in


def test_the_first_sign_in_takes_a_password_of_ones_own_and_an_authenticator(deployment: Deployed) -> None:
    email = "ravi@example.gov.in"
    step = begin(cognito(deployment), email, invited(deployment, email))
    assert isinstance(step, AskNewPassword)
    assert refused(step, "short1!A") == "InvalidPassword"
    assert refused(step, "all-lower-case-letters-1") == "InvalidPassword"
    setting_up = step.answer(PASSWORD)
    assert isinstance(setting_up, SetUpAuthenticator)
    assert setting_up.uri.startswith("otpauth://totp/Sandes:ravi%40example.gov.in?secret=")
    assert refused(setting_up, totp.wrong_code(setting_up.secret)) == "EnableSoftwareTokenMFA"
    assert isinstance(setting_up.answer(totp.code(setting_up.secret)), SignedIn)
    later = begin(cognito(deployment), email, PASSWORD)
    assert isinstance(later, AskCode)
    assert refused(later, totp.wrong_code(setting_up.secret)) == "CodeMismatch"
    assert isinstance(later.answer(totp.code(setting_up.secret)), SignedIn)


def test_a_code_is_good_for_one_sign_in(deployment: Deployed) -> None:
    made = administrator(deployment)
    code = totp.code(made.secret)
    first = begin(cognito(deployment), made.email, PASSWORD)
    assert isinstance(first, AskCode)
    assert isinstance(first.answer(code), SignedIn)
    second = begin(cognito(deployment), made.email, PASSWORD)
    assert refused(second, code) == "ExpiredCode"


def test_a_wrong_password_and_an_unknown_person_are_refused_alike(
    deployment: Deployed, asha: TestAdministrator
) -> None:
    for email, password in ((asha.email, "Another-horse-7-battery"), ("nobody@example.gov.in", PASSWORD)):
        with pytest.raises(SignInRefused) as error:
            begin(cognito(deployment), email, password)
        assert (error.value.code, error.value.message) == ("NotAuthorized", "Incorrect username or password.")


@pytest.mark.parametrize("challenge", ["NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "MFA_SETUP"])
def test_no_step_can_be_skipped(deployment: Deployed, asha: TestAdministrator, challenge: str) -> None:
    """Answers without the session of the step before, or with that of another step, give no tokens."""
    step = begin(cognito(deployment), asha.email, PASSWORD)
    assert isinstance(step, AskCode)
    answers = {"USERNAME": asha.email, "NEW_PASSWORD": PASSWORD}
    if challenge == "SOFTWARE_TOKEN_MFA":
        answers |= {"SOFTWARE_TOKEN_MFA_CODE": totp.code(asha.secret)}
    sessions = ["made up"] if challenge == "SOFTWARE_TOKEN_MFA" else ["made up", step._at.session]
    for session in sessions:
        with pytest.raises(SignInRefused) as error:
            cognito(deployment).call(
                "RespondToAuthChallenge",
                ClientId=deployment.stack.admin_client,
                ChallengeName=challenge,
                Session=session,
                ChallengeResponses=answers,
            )
        assert error.value.code == "NotAuthorized"


def test_a_second_factor_cannot_be_set_up_by_somebody_who_has_one(
    deployment: Deployed, asha: TestAdministrator
) -> None:
    """Otherwise the password alone would be enough to add another authenticator."""
    step = begin(cognito(deployment), asha.email, PASSWORD)
    assert isinstance(step, AskCode)
    with pytest.raises(SignInRefused) as error:
        cognito(deployment).call("AssociateSoftwareToken", Session=step._at.session)
    assert error.value.code == "NotAuthorized"


# A lost or replaced authenticator


def test_turning_the_second_factor_off_does_nothing_where_the_pool_requires_it(deployment: Deployed) -> None:
    """AdminSetUserMFAPreference answers that it is done, and the next sign-in asks for the same authenticator."""
    made = administrator(deployment)
    deployment.engine.client("cognito-idp").admin_set_user_mfa_preference(
        UserPoolId=deployment.stack.admin_pool,
        Username=made.email,
        SoftwareTokenMfaSettings={"Enabled": False, "PreferredMfa": False},
    )
    assert isinstance(begin(cognito(deployment), made.email, PASSWORD), AskCode)
    made.sign_in()


def test_after_its_authenticator_was_deleted_the_next_sign_in_sets_up_another(deployment: Deployed) -> None:
    made = administrator(deployment)
    deployment.engine.client("cognito-idp").admin_delete_software_token(
        UserPoolId=deployment.stack.admin_pool, Username=made.email
    )
    step = begin(cognito(deployment), made.email, PASSWORD)
    assert isinstance(step, SetUpAuthenticator)
    assert step.secret != made.secret
    assert isinstance(step.answer(totp.code(step.secret)), SignedIn)
    assert isinstance(begin(cognito(deployment), made.email, PASSWORD), AskCode)


def test_whoever_still_has_the_authenticator_replaces_it_through_the_api(deployment: Deployed) -> None:
    made = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, ROOT)])
    before = made.api.tokens.access
    made.api.delete("me", "authenticator")
    assert refused_token(deployment, before) == (401, "token_invalid")
    with pytest.raises(NotSignedIn):
        made.api.refresh()
    step = begin(cognito(deployment), made.email, PASSWORD)
    assert isinstance(step, SetUpAuthenticator)
    wait_for_the_next_second()
    done = step.answer(totp.code(step.secret))
    assert isinstance(done, SignedIn)
    assert asked(deployment, f"Bearer {done.tokens.access}")[0] == 200
    (mail,) = deployment.engine.emails_to(made.email)
    assert "authenticator" in mail


def test_a_lost_authenticator_is_replaced_without_the_consoles_of_aws(deployment: Deployed) -> None:
    """Two officers agree, a third person ends the waiting, and the person signs in as at the very first sign-in."""
    backstage = deployment.backstage
    of = parse_organisation(backstage.operate("organisation.create", name="Ministry of Ports")["organisation"])
    units = [
        parse_unit(backstage.operate("unit.create", organisation=id_text(of), name=name, kind="office")["unit"])
        for name in ("West", "East")
    ]
    west, east = (
        administrator(deployment, home=Place(of, unit), roles=[(Role.NODAL_OFFICER, Place.root(of))]) for unit in units
    )
    third = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, ROOT)])
    lost = administrator(deployment, home=Place(of, units[0]), roles=[(Role.VERIFIER, Place(of, units[0]))])
    path = ("people", administrator_text(lost.id), "access-reset")
    asked_for = west.api.post(*path, body={"reason": "phone stolen"})
    east.api.post("approvals", asked_for["id"], "approve")
    third.api.post(*path, "confirm")
    before = lost.api.tokens.access
    assert asked(deployment, f"Bearer {before}")[0] == 200
    functions = deployment.engine.client("lambda")
    names = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    functions.invoke(FunctionName=next(name for name in names if "AccessResets" in name))
    announced, invitation = deployment.engine.emails_to(lost.email)
    assert "sandes-admin access object" in announced
    with pytest.raises(AdminApiError) as error:
        west.api.get(*path)
    assert error.value.code == "not_found"
    assert refused_token(deployment, before) == (401, "token_invalid")
    with pytest.raises(NotSignedIn):
        lost.api.refresh()
    with pytest.raises(SignInRefused):
        begin(cognito(deployment), lost.email, PASSWORD)
    step = begin(cognito(deployment), lost.email, invitation.rpartition(" ")[2])
    assert isinstance(step, AskNewPassword)
    setting_up = step.answer("Another-horse-7-battery")
    assert isinstance(setting_up, SetUpAuthenticator)
    wait_for_the_next_second()
    done = setting_up.answer(totp.code(setting_up.secret))
    assert isinstance(done, SignedIn)
    with administrators.client(deployment, done.tokens) as client:
        me = client.me()
    assert (me["administrator"], [one["role"] for one in me["assignments"]]) == (
        administrator_text(lost.id),
        ["verifier"],
    )


# Tokens


def test_who_has_signed_in_is_told_who_they_are_and_what_they_may_do(
    deployment: Deployed, asha: TestAdministrator
) -> None:
    me = asha.api.me()
    assert me["administrator"] == administrator_text(asha.id)
    assert (me["email"], me["name"]) == (asha.email, "Asha Rao")
    assert me["home"] | {"organisation": id_text(PLATFORM), "unit": id_text(PLATFORM)} == me["home"]
    assert abs(datetime.fromisoformat(me["signed_in_at"]).timestamp() - time.time()) < 300
    (assignment,) = me["assignments"]
    assert assignment["role"] == "platform_admin"
    assert assignment["may"] | {"units": "read", "organisations": "second"} == assignment["may"]
    assert "people" not in assignment["may"]


@pytest.mark.parametrize("path", ["me", "organisations", "people", "imports/x", "apps", "groups/x", "nothing/at/all"])
def test_without_a_token_nothing_is_answered_on_any_path(
    deployment: Deployed, asha: TestAdministrator, path: str
) -> None:
    for authorization in (None, "Bearer", "Bearer x", "Bearer a.b.c", f"Basic {asha.api.tokens.access}x"):
        assert asked(deployment, authorization, path)[0] == 401


def test_the_tokens_that_tests_make_are_as_good_as_the_pools_own(deployment: Deployed, asha: TestAdministrator) -> None:
    """Otherwise the invalid ones would be refused for the wrong reason."""
    assert asked(deployment, f"Bearer {token(deployment, asha.id)}")[0] == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1_700_000_000},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Another00"},
        {"client_id": "another"},
        {"client_id": None},
        {"token_use": "id"},
        {"token_use": None},
        {"cognito:groups": None},
        {"cognito:groups": ["auditors"]},
        {"sub": None},
        {"auth_time": None},
    ],
    ids=str,
)
def test_a_token_that_is_not_an_administrators_access_token_of_this_pool_is_refused(
    deployment: Deployed, asha: TestAdministrator, changed: dict[str, Any]
) -> None:
    assert asked(deployment, f"Bearer {token(deployment, asha.id, **changed)}")[0] == 401


def test_a_token_signed_by_somebody_else_is_refused(deployment: Deployed, asha: TestAdministrator) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert asked(deployment, f"Bearer {token(deployment, asha.id, key=key)}")[0] == 401


def test_an_altered_token_is_refused(deployment: Deployed, asha: TestAdministrator) -> None:
    head, body, signature = asha.api.tokens.access.split(".")
    _, other, _ = token(deployment, asha.id, auth_time=int(time.time()) + 1).split(".")
    assert asked(deployment, f"Bearer {head}.{body}.{signature}")[0] == 200
    assert asked(deployment, f"Bearer {head}.{other}.{signature}")[0] == 401
    assert asked(deployment, f"Bearer {head}.{body}.")[0] == 401


def test_a_token_of_another_pool_is_refused(deployment: Deployed, asha: TestAdministrator) -> None:
    client = deployment.engine.client("cognito-idp")
    pool = client.create_user_pool(PoolName="another")["UserPool"]["Id"]
    client.create_group(UserPoolId=pool, GroupName="administrators")
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    made = client.create_user_pool_client(UserPoolId=pool, ClientName="another", ExplicitAuthFlows=flows)
    client.admin_create_user(UserPoolId=pool, Username="asha", MessageAction="SUPPRESS")
    client.admin_set_user_password(UserPoolId=pool, Username="asha", Password=PASSWORD, Permanent=True)
    client.admin_add_user_to_group(UserPoolId=pool, Username="asha", GroupName="administrators")
    answer = client.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=made["UserPoolClient"]["ClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "asha", "PASSWORD": PASSWORD},
    )
    assert asked(deployment, f"Bearer {answer['AuthenticationResult']['AccessToken']}")[0] == 401
    forged = token(deployment, asha.id, key=administrators.signing_key(deployment, pool))
    assert asked(deployment, f"Bearer {forged}")[0] == 401


def test_an_id_token_is_no_access_token(deployment: Deployed, asha: TestAdministrator) -> None:
    tokens = cognito(deployment).call(
        "InitiateAuth",
        ClientId=deployment.stack.admin_client,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": asha.api.tokens.refresh},
    )["AuthenticationResult"]
    status, problem = asked(deployment, f"Bearer {tokens['IdToken']}")
    assert (status, problem["code"]) == (401, "token_invalid")
    assert asked(deployment, f"Bearer {tokens['AccessToken']}")[0] == 200


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("AssociateSoftwareToken", {}),
        ("SetUserMFAPreference", {"SoftwareTokenMfaSettings": {"Enabled": False}}),
        ("ChangePassword", {"PreviousPassword": PASSWORD, "ProposedPassword": "Another-horse-7-battery"}),
        ("GetUser", {}),
    ],
)
def test_an_access_token_is_good_for_the_admin_api_only(
    deployment: Deployed, asha: TestAdministrator, action: str, more: dict[str, Any]
) -> None:
    """Otherwise anybody with a token could replace the second factor by their own."""
    asha.api.refresh()
    with pytest.raises(SignInRefused) as error:
        cognito(deployment).call(action, AccessToken=asha.api.tokens.access, **more)
    assert error.value.code == "NotAuthorized"
    assert asked(deployment, f"Bearer {asha.api.tokens.access}")[0] == 200


def test_who_is_not_in_the_group_is_refused_with_all_they_have(deployment: Deployed) -> None:
    outsider = administrator(deployment, group=False)
    status, problem = asked(deployment, f"Bearer {outsider.api.tokens.access}")
    assert (status, problem["code"]) == (401, "token_invalid")


def test_who_was_never_given_a_role_finds_nothing(deployment: Deployed) -> None:
    newcomer = administrator(deployment, known=False)
    with pytest.raises(AdminApiError) as error:
        newcomer.api.me()
    assert error.value.code == "not_found"


# Sessions


def test_refreshed_tokens_keep_the_time_of_the_sign_in(deployment: Deployed, asha: TestAdministrator) -> None:
    """Otherwise a session would count as a fresh sign-in for as long as it lasts."""
    before, tokens = asha.api.me()["signed_in_at"], asha.api.tokens
    while time.time() < datetime.fromisoformat(before).timestamp() + 1:
        time.sleep(0.05)
    asha.api.refresh()
    assert asha.api.tokens.access != tokens.access
    assert asha.api.me()["signed_in_at"] == before


def test_a_client_whose_token_has_ended_gets_another_by_itself(deployment: Deployed, asha: TestAdministrator) -> None:
    ended = token(deployment, asha.id, exp=int(time.time()) - 1)
    kept: list[Tokens] = []
    with administrators.client(deployment, Tokens(ended, asha.api.tokens.refresh, 2**40)) as client:
        client._on_refresh = kept.append
        assert client.me()["email"] == asha.email
    assert [tokens.access for tokens in kept] == [client.tokens.access]


def test_after_signing_out_nothing_can_be_refreshed(deployment: Deployed) -> None:
    made = administrator(deployment)
    revoke(cognito(deployment), made.api.tokens)
    with pytest.raises(NotSignedIn):
        made.api.refresh()
