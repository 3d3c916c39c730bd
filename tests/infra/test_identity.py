"""Tests the pool of administrators, and the provider that a deployment may add to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.config import CLI_CALLBACK
from infra.stages import check
from tests.infra.conftest import Synthesised, synthesise
from tests.infra.test_permissions import granted

FEDERATION = {
    "issuer": "https://login.example.gov.in",
    "client_id": "sandes",
    "secret_name": "sandes/oidc",
    "domain_prefix": "sandes-admin",
    "callbacks": ["https://portal.example.gov.in/signed-in"],
}


@pytest.fixture(scope="module")
def federated(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    return synthesise(tmp_path_factory.mktemp("federated"), check("dev", {"federation": FEDERATION}), stage="dev")


def only(stage: Synthesised, type: str) -> dict[str, Any]:
    (resource,) = stage.of_type(f"AWS::Cognito::{type}").values()
    return resource


def properties(stage: Synthesised, type: str) -> dict[str, Any]:
    return dict(only(stage, type)["Properties"])


every_stage = pytest.mark.parametrize("stage", ["dev", "prod", "local", "federated"])


@every_stage
def test_nobody_signs_in_without_a_second_factor_and_sms_is_none(stage: str, request: pytest.FixtureRequest) -> None:
    pool = properties(request.getfixturevalue(stage), "UserPool")
    assert pool["MfaConfiguration"] == "ON"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    assert "SmsConfiguration" not in pool


@every_stage
def test_nobody_makes_an_account_for_themselves_or_recovers_one(stage: str, request: pytest.FixtureRequest) -> None:
    pool = properties(request.getfixturevalue(stage), "UserPool")
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert pool["AccountRecoverySetting"]["RecoveryMechanisms"] == [{"Name": "admin_only", "Priority": 1}]
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}


@every_stage
def test_passwords_are_long_and_of_all_kinds_and_temporary_ones_end_soon(
    stage: str, request: pytest.FixtureRequest
) -> None:
    assert properties(request.getfixturevalue(stage), "UserPool")["Policies"]["PasswordPolicy"] == {
        "MinimumLength": 12,
        "RequireLowercase": True,
        "RequireUppercase": True,
        "RequireNumbers": True,
        "RequireSymbols": True,
        "TemporaryPasswordValidityDays": 3,
    }


def test_administrators_of_production_outlive_the_stack(prod: Synthesised, dev: Synthesised) -> None:
    pool = only(prod, "UserPool")
    assert (pool["DeletionPolicy"], pool["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"
    assert only(dev, "UserPool")["DeletionPolicy"] == "Delete"


@every_stage
def test_sessions_are_short_and_can_be_revoked(stage: str, request: pytest.FixtureRequest) -> None:
    client = properties(request.getfixturevalue(stage), "UserPoolClient")
    minutes = {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"}
    assert client["TokenValidityUnits"] == minutes
    assert (client["AccessTokenValidity"], client["IdTokenValidity"], client["RefreshTokenValidity"]) == (15, 15, 480)
    assert client["EnableTokenRevocation"] is True
    assert client["GenerateSecret"] is False
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]


@pytest.mark.parametrize("stage", ["dev", "prod", "local"])
def test_an_administrator_may_not_change_the_address_they_are_known_by(
    stage: str, request: pytest.FixtureRequest
) -> None:
    assert properties(request.getfixturevalue(stage), "UserPoolClient")["WriteAttributes"] == ["name"]


@every_stage
def test_the_admin_api_takes_tokens_of_this_pool_and_client_only(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    ((id, found),) = [
        (id, resource["Properties"])
        for id, resource in template.of_type("AWS::ApiGatewayV2::Authorizer").items()
        if resource["Properties"]["AuthorizerType"] == "JWT"
    ]
    (client,) = template.of_type("AWS::Cognito::UserPoolClient")
    (pool,) = template.of_type("AWS::Cognito::UserPool")
    issuer = found["JwtConfiguration"]["Issuer"]["Fn::Join"][1]
    assert found["JwtConfiguration"]["Audience"] == [{"Ref": client}]
    assert issuer == ["https://cognito-idp.", {"Ref": "AWS::Region"}, ".amazonaws.com/", {"Ref": pool}]
    assert found["IdentitySource"] == ["$request.header.Authorization"]
    for route in template.of_type("AWS::ApiGatewayV2::Route").values():
        asked = route["Properties"].get("AuthorizationType", "NONE")
        path = route["Properties"]["RouteKey"].partition(" ")[2]
        if path.startswith("/admin/"):
            assert (asked, route["Properties"]["AuthorizerId"]) == ("JWT", {"Ref": id})
        elif path:
            assert asked == "NONE"


@every_stage
def test_access_tokens_are_narrowed_before_they_are_signed(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    pool = properties(template, "UserPool")
    trigger = pool["LambdaConfig"]["PreTokenGenerationConfig"]
    assert trigger["LambdaVersion"] == "V2_0"
    assert trigger["LambdaArn"]["Fn::GetAtt"][0].startswith("AdministratorTokensFunction")
    assert pool["UserPoolTier"] == "ESSENTIALS"
    assert template.functions["administratortokens"]["Timeout"] <= 5


def test_there_is_one_group_whose_members_may_call(dev: Synthesised) -> None:
    assert properties(dev, "UserPoolGroup")["GroupName"] == "administrators"


@pytest.mark.parametrize("stage", ["dev", "prod", "local"])
def test_without_a_provider_there_is_no_sign_in_page(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    assert template.of_type("AWS::Cognito::UserPoolIdentityProvider") == {}
    assert template.of_type("AWS::Cognito::UserPoolDomain") == {}
    client = properties(template, "UserPoolClient")
    assert client["SupportedIdentityProviders"] == ["COGNITO"]
    assert client["AllowedOAuthFlowsUserPoolClient"] is False


def test_a_provider_is_known_by_its_address_and_a_secret_that_the_template_does_not_hold(
    federated: Synthesised,
) -> None:
    provider = properties(federated, "UserPoolIdentityProvider")
    details = provider["ProviderDetails"]
    assert (provider["ProviderName"], provider["ProviderType"]) == ("government", "OIDC")
    assert (details["oidc_issuer"], details["client_id"]) == ("https://login.example.gov.in", "sandes")
    assert details["client_secret"] == "{{resolve:secretsmanager:sandes/oidc:SecretString:::}}"
    assert details["authorize_scopes"] == "openid email profile"
    assert provider["AttributeMapping"] == {"email": "email", "name": "name"}


def test_a_providers_users_come_back_with_a_code_to_the_command_line_or_the_portal(federated: Synthesised) -> None:
    client = properties(federated, "UserPoolClient")
    (provider,) = federated.of_type("AWS::Cognito::UserPoolIdentityProvider")
    assert client["SupportedIdentityProviders"] == ["COGNITO", "government"]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == [CLI_CALLBACK, "https://portal.example.gov.in/signed-in"]
    assert client["AllowedOAuthScopes"] == ["openid", "email", "profile"]
    assert sorted(client["WriteAttributes"]) == ["email", "name"]
    assert provider in only(federated, "UserPoolClient")["DependsOn"]
    assert properties(federated, "UserPoolDomain")["Domain"] == "sandes-admin"


def test_who_invites_administrators_links_them_to_the_provider_if_there_is_one(
    federated: Synthesised, dev: Synthesised
) -> None:
    link = "cognito-idp:AdminLinkProviderForUser pool administrators"
    for stage, provider in ((federated, "government"), (dev, "")):
        assert stage.functions["operator"]["Environment"]["Variables"]["FEDERATION_PROVIDER"] == provider
        assert (link in granted(stage, "operator")) is bool(provider)


def test_synthesis_does_not_read_the_providers_secret(tmp_path: Path) -> None:
    settings = check("dev", {"federation": FEDERATION | {"secret_name": "not/there"}})
    template = synthesise(tmp_path, settings, stage="dev")
    assert "not/there" in str(template.of_type("AWS::Cognito::UserPoolIdentityProvider"))
