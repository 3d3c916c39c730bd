"""Tests `make smoke` on the deployed system: every probe succeeds, and each can fail."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import boto3
import httpx
import pytest

from sandes.model.administrator import PLATFORM, Place, Role
from sandes_client.admin import AdminSession
from sandes_client.endpoints import Endpoints
from tests.conftest import Deployed
from tests.support import published
from tests.support.administrators import administrator
from tests.support.raw_device import new_phone
from tools import smoke
from tools.engine import REGION, STACK
from tools.smoke import FRESH_SECONDS, PROBES, Result, Stage, run

pytestmark = pytest.mark.engine


def stage_of(deployment: Deployed, phone: str | None = None) -> Stage:
    def clients(service: str, **named: Any) -> Any:
        given = {"endpoint_url": deployment.engine.url, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=REGION, **given | named)  # type: ignore[call-overload]  # a variable

    async def code() -> str:
        assert phone is not None
        return deployment.engine.sms_to(phone)[-1].partition(" ")[0]

    (stack,) = clients("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return Stage(
        endpoints=Endpoints(deployment.stack.http_url, deployment.stack.websocket_url, deployment.stack.audience),
        outputs={one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]},
        clients=clients,
        phone=phone,
        code=code,
    )


def outcomes(results: list[Result]) -> dict[str, tuple[str, str]]:
    return {result.name: (result.outcome, result.says) for result in results}


def session_of(deployment: Deployed) -> AdminSession:
    person = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, Place.root(PLATFORM))])
    return AdminSession(
        email=person.email,
        http_url=deployment.stack.http_url,
        cognito_url=deployment.stack.cognito_url,
        admin_client=deployment.stack.admin_client,
        tokens=person.api.tokens,
    )


DENIED = "a deny by key holds inside transactions"
FEDERATED = "a federated administrator is one user with a verified address"


async def test_every_probe_holds_on_a_deployed_stage(deployment: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's IAM does not know keys of rows (docs/local-engine.md), so here the role may not put any row.

    A probe posts frames of its own to its socket, so only the answers over HTTPS are checked against the
    specifications.
    """
    monkeypatch.setattr(published, "engine_urls", {deployment.stack.http_url})
    monkeypatch.setattr(smoke, "GUARDED_KEYS", {})
    session = session_of(deployment)
    later = time.time() + FRESH_SECONDS + 1
    stage = replace(stage_of(deployment, new_phone()), session=session, now=lambda: later)
    expected = {probe.__name__.replace("_", " "): ("yes", "") for probe in PROBES}
    expected[FEDERATED] = ("skipped", "a stage with a provider (docs/runbook.md, Federation)")
    assert outcomes(await run(stage)) == expected


async def test_a_deny_that_does_not_hold_is_noticed_and_the_probe_leaves_nothing_behind(deployment: Deployed) -> None:
    stage = stage_of(deployment)
    outcome, says = outcomes(await run(stage))[DENIED]
    assert (outcome, "not denied: TransactionCanceledException" in says) == ("no", True)
    assert not [one for one in stage.clients("iam").list_roles()["Roles"] if "smoke" in one["RoleName"]]
    key = {"p": {"S": "AD#smoke"}, "s": {"S": "smoke"}}
    assert "Item" not in stage.clients("dynamodb").get_item(TableName=stage.outputs["DirectoryTable"], Key=key)


async def test_a_federated_user_must_be_linked_and_have_a_verified_address(deployment: Deployed) -> None:
    session = session_of(deployment)
    stage = replace(stage_of(deployment), session=session)
    cognito, pool = stage.clients("cognito-idp"), deployment.stack.admin_pool
    cognito.create_identity_provider(
        UserPoolId=pool, ProviderName="Test", ProviderType="OIDC", ProviderDetails={"client_id": "x"}
    )
    try:
        assert outcomes(await run(stage))[FEDERATED][0] == "skipped"
        for attributes, expected in (
            ({"identities": '[{"providerName": "Test"}]', "email_verified": "true"}, "yes"),
            ({"email_verified": "false"}, "no"),
        ):
            told = [{"Name": name, "Value": value} for name, value in attributes.items()]
            cognito.admin_update_user_attributes(UserPoolId=pool, Username=session.email, UserAttributes=told)
            assert outcomes(await run(stage))[FEDERATED][0] == expected
    finally:
        cognito.delete_identity_provider(UserPoolId=pool, ProviderName="Test")


async def test_what_was_not_given_is_skipped_and_named(deployment: Deployed) -> None:
    results = outcomes(await run(stage_of(deployment)))
    skipped = {name: says for name, (outcome, says) in results.items() if outcome == "skipped"}
    assert len(skipped) == 5
    assert {says.partition("=")[0] for says in skipped.values()} == {"PHONE", "SESSION"}


async def test_a_stage_that_is_not_there_fails_in_words(deployment: Deployed) -> None:
    stage = stage_of(deployment)
    gone = replace(stage, endpoints=Endpoints("http://127.0.0.1:9", "ws://127.0.0.1:9", "sandes:x"))
    results = outcomes(await run(gone))
    assert results["http needs a token"][0] == "no"
    assert results["socket needs a token"][0] == "no"


async def test_a_probe_notices_a_table_that_keeps_its_rows(deployment: Deployed) -> None:
    stage = stage_of(deployment)
    wrong = {**stage.outputs, "InboxTable": stage.outputs["RoutingTable"]}
    results = outcomes(await run(replace(stage, outputs=wrong)))
    outcome, says = results["data is kept and forgotten as promised"]
    assert (outcome, "expire by None" in says) == ("no", True)


def test_the_client_api_answers_as_the_probe_expects(deployment: Deployed) -> None:
    assert httpx.get(f"{deployment.stack.http_url}/v1/me").status_code == 401
