"""Tests that no caller can starve another: throttles by family of routes, reserved concurrency, retries, access
logs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.stages import LEAST_CONCURRENCY, RATE_SHARES, RESERVED_SHARES, StageError, StageSettings, check, load
from tests.infra.conftest import Synthesised, synthesise
from tests.infra.test_template import HTTP_ROUTES, routes

STAGES = pytest.mark.parametrize("stage", ["dev", "prod", "local"])
FAMILIES = {
    "Otp": "otps",
    "Apps": "apps",
    "AppGroups": "apps",
    "Admin": "administrators",
    "AdminPeople": "administrators",
    "AdminApps": "administrators",
}
TOKENLESS = {"ANY /v1/registrations", "ANY /v1/registrations/{proxy+}", "POST /v1/devices"}


def stages(stage: Synthesised) -> dict[str, dict[str, Any]]:
    """Return the stages of the two APIs, by protocol."""
    apis = stage.of_type("AWS::ApiGatewayV2::Api")
    return {
        apis[one["Properties"]["ApiId"]["Ref"]]["Properties"]["ProtocolType"]: one
        for one in stage.of_type("AWS::ApiGatewayV2::Stage").values()
    }


def limits(settings: dict[str, Any]) -> tuple[int, int]:
    return settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]


# Throttles


@STAGES
def test_every_route_has_the_throttle_of_its_family(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    http = stages(template)["HTTP"]
    throttles = http["Properties"]["RouteSettings"]
    assert throttles.keys() == HTTP_ROUTES.keys()
    settings = load(stage)
    for key, function in HTTP_ROUTES.items():
        family = "registrations" if key in TOKENLESS else FAMILIES.get(function, "devices")
        rate = settings.rate(family)
        assert limits(throttles[key]) == (rate, rate // 2), key


def test_a_stage_is_made_after_the_routes_that_it_throttles(dev: Synthesised) -> None:
    """Otherwise the first deployment fails, because a stage's settings name routes that do not exist yet."""
    made = {routes(dev)[key]["id"] for key in HTTP_ROUTES}
    assert made <= set(stages(dev)["HTTP"]["DependsOn"])


def test_calls_without_a_token_have_a_small_throttle_of_their_own(dev: Synthesised) -> None:
    throttles = stages(dev)["HTTP"]["Properties"]["RouteSettings"]
    rates = {key: limits(one)[0] for key, one in throttles.items()}
    assert max(rates[key] for key in TOKENLESS) * 3 <= rates["ANY /v1/otps"]


@pytest.mark.parametrize("quota", [2_500, 10_000, 40_000])
def test_all_families_together_stay_within_the_accounts_quota(quota: int) -> None:
    settings = StageSettings(requests_per_second=quota)
    assert sum(settings.rate(family) for family in RATE_SHARES) <= quota


def test_a_region_with_a_small_quota_has_small_throttles_everywhere(tmp_path: Path) -> None:
    """Hyderabad: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html."""
    template = synthesise(tmp_path, StageSettings(requests_per_second=2_500), stage="dev")
    both = stages(template)
    default = [limits(both[protocol]["Properties"]["DefaultRouteSettings"]) for protocol in ("WEBSOCKET", "HTTP")]
    every = default + [limits(one) for one in both["HTTP"]["Properties"]["RouteSettings"].values()]
    assert max(rate for rate, _ in every) < 2_500
    assert max(burst for _, burst in every) <= 1_250
    assert default[0] == (1_000, 500)


def test_a_family_may_have_a_rate_of_its_own_as_long_as_all_fit() -> None:
    settings = check("prod", {"rates": {"otps": 1_900, "apps": 100}})
    assert (settings.rate("otps"), settings.rate("apps"), settings.rate("frames")) == (1_900, 100, 4_000)
    with pytest.raises(StageError, match="more than `requests_per_second`"):
        check("prod", {"rates": {"otps": 2_001}})
    with pytest.raises(StageError, match="more than `requests_per_second`"):
        check("prod", {"requests_per_second": 2_500, "fanout_posts_per_second": 2_000})
    with pytest.raises(StageError, match="did you mean `otps`"):
        check("prod", {"rates": {"otp": 10}})


# Concurrency


def test_codes_frames_and_the_client_api_have_concurrency_that_nobody_else_can_take(prod: Synthesised) -> None:
    reserved = {
        name: function["ReservedConcurrentExecutions"]
        for name, function in prod.functions.items()
        if "ReservedConcurrentExecutions" in function
    }
    assert reserved.keys() == RESERVED_SHARES.keys() == {"authorizer", "send", "deliver", "client", "otp", "otpsms"}
    left = 1_000 - sum(reserved.values())
    workers = sum(
        source["ScalingConfig"]["MaximumConcurrency"]
        for function, source in prod.workers.values()
        if function not in reserved
    )
    assert left >= 100 + workers, "AWS keeps 100 free; workers at their most leave room for apps and administrators"


@pytest.mark.parametrize("concurrency", [LEAST_CONCURRENCY, 1_000, 5_000])
def test_what_is_reserved_leaves_what_aws_asks_for(concurrency: int) -> None:
    settings = StageSettings(lambda_concurrency=concurrency)
    assert concurrency - sum(settings.reserved(name) or 0 for name in RESERVED_SHARES) >= 100


def test_a_small_account_reserves_nothing_and_one_that_is_too_small_to_reserve_is_refused(dev: Synthesised) -> None:
    assert not [name for name, one in dev.functions.items() if "ReservedConcurrentExecutions" in one]
    with pytest.raises(StageError, match="`lambda_concurrency`"):
        check("dev", {"lambda_concurrency": LEAST_CONCURRENCY - 1})


def test_the_source_of_a_queue_takes_no_more_than_is_reserved_for_its_function(prod: Synthesised) -> None:
    for function, source in prod.workers.values():
        reserved = prod.functions[function].get("ReservedConcurrentExecutions")
        assert reserved is None or source["ScalingConfig"]["MaximumConcurrency"] <= reserved, function


# Scheduled calls


@STAGES
def test_a_scheduled_call_that_failed_is_never_worked_off_hours_later(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    retries = {
        one["Properties"]["FunctionName"]["Ref"]: one["Properties"]
        for one in template.of_type("AWS::Lambda::EventInvokeConfig").values()
    }
    called: dict[str, str] = {}
    for rule in template.of_type("AWS::Events::Rule").values():
        for target in rule["Properties"]["Targets"]:
            called[target["Arn"]["Fn::GetAtt"][0]] = rule["Properties"]["ScheduleExpression"]
    assert called
    assert called.keys() == retries.keys()
    for function, schedule in called.items():
        decided = retries[function]["MaximumRetryAttempts"], retries[function]["MaximumEventAgeInSeconds"]
        assert decided == ((0, 60) if "minute" in schedule else (2, 1800)), function


# Access logs


@STAGES
def test_every_stage_logs_who_called_and_nothing_that_names_a_person(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    found = stages(template)
    assert set(found) == {"HTTP", "WEBSOCKET"}
    for one in found.values():
        settings = one["Properties"]["AccessLogSettings"]
        group = template.of_type("AWS::Logs::LogGroup")[settings["DestinationArn"]["Fn::GetAtt"][0]]
        assert group["Properties"]["RetentionInDays"] == 180
        fields = json.loads(settings["Format"])
        assert fields["address"] == "$context.identity.sourceIp"
        assert {"request", "at", "route", "status"} <= fields.keys()
        named = re.findall(r"\$context\.[\w.]+", settings["Format"])
        for word in ("path", "query", "authorizer", "userAgent", "domain", "cognito", "messageId"):
            assert not [one for one in named if word.lower() in one.lower()], word


@STAGES
def test_api_gateway_may_write_the_logs_of_websockets_before_a_stage_asks_it_to(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    ((id, account),) = template.of_type("AWS::ApiGateway::Account").items()
    assert account["DeletionPolicy"] == "Retain", "other stages of the account need it"
    assert id in stages(template)["WEBSOCKET"]["DependsOn"]
