"""`make smoke` on the deployed system: every probe holds, and each can fail."""

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
from tests.support.administrators import administrator
from tests.support.raw_device import new_phone
from tools.engine import REGION, STACK
from tools.smoke import FRESH_SECONDS, PROBES, Result, Stage, run

pytestmark = pytest.mark.engine


def stage_of(deployment: Deployed, phone: str | None = None) -> Stage:
    def clients(service: str, **named: Any) -> Any:
        given = {"endpoint_url": deployment.engine.url} | named
        return boto3.client(  # type: ignore[call-overload]  # the name is a variable here
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test", **given
        )

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


async def test_every_probe_holds_on_a_deployed_stage(deployment: Deployed) -> None:
    person = administrator(deployment, roles=[(Role.PLATFORM_ADMIN, Place.root(PLATFORM))])
    session = AdminSession(
        email=person.email,
        http_url=deployment.stack.http_url,
        cognito_url=deployment.stack.cognito_url,
        admin_client=deployment.stack.admin_client,
        tokens=person.api.tokens,
    )
    later = time.time() + FRESH_SECONDS + 1
    results = await run(replace(stage_of(deployment, new_phone()), session=session, now=lambda: later))
    assert outcomes(results) == {probe.__name__.replace("_", " "): ("yes", "") for probe in PROBES}


async def test_what_was_not_given_is_skipped_and_named(deployment: Deployed) -> None:
    results = outcomes(await run(stage_of(deployment)))
    skipped = {name: says for name, (outcome, says) in results.items() if outcome == "skipped"}
    assert len(skipped) == 4
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
