"""Tests the promises of the template: expiry and backup of data, retention of logs, routes, sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.config import HTTP_LOCAL_ID, WEBSOCKET_LOCAL_ID
from infra.functions import FUNCTIONS, QUEUES, SECRETS
from infra.http_api import ADMIN_APP_PATHS, ADMIN_PEOPLE_PATHS, APP_GROUP_PATHS, APP_PATHS, OTP_PATHS
from sandes.apps.roster_work import RUN_SECONDS
from sandes.edge import settings
from sandes.groups.group_events import NET_SECONDS
from sandes.store.changes import FILTERS
from sandes.store.schema import TABLES, Table
from tests.infra.conftest import JSII, ROOT, Synthesised

SPECS = {spec.logs_as: spec for spec in FUNCTIONS}

HTTP_ROUTES = {
    "ANY /v1/{proxy+}": "Client",
    "ANY /admin/v1/{proxy+}": "Admin",
    "ANY /admin/v1/people/{id}/access-reset": "Admin",
    "ANY /admin/v1/people/{id}/access-reset/{proxy+}": "Admin",
    "ANY /v1/registrations": "Client",
    "ANY /v1/registrations/{proxy+}": "Client",
    "POST /v1/devices": "Client",
} | {
    f"ANY {base}/{path}{rest}": function
    for function, base, paths in (
        ("Otp", "/v1", OTP_PATHS),
        ("Apps", "/v1", APP_PATHS),
        ("AppGroups", "/v1", APP_GROUP_PATHS),
        ("AdminPeople", "/admin/v1", ADMIN_PEOPLE_PATHS),
        ("AdminApps", "/admin/v1", ADMIN_APP_PATHS),
    )
    for path in paths
    for rest in ("", "/{proxy+}")
}
FRAME_ROUTES = {
    "send": "Send",
    "hello": "Deliver",
    "ack": "Deliver",
    "sync": "Deliver",
    "fetch": "Deliver",
    "ping": "Deliver",
    "$default": "Deliver",
}
MAX_UNZIPPED_BYTES = 45 * 1024 * 1024
by_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


# Tables


@by_table
def test_a_table_has_the_keys_and_expiry_of_the_schema_and_no_other(dev: Synthesised, table: Table) -> None:
    properties = dev.tables[table.name]["Properties"]
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in properties["AttributeDefinitions"]}
    keys = {entry["KeyType"]: entry["AttributeName"] for entry in properties["KeySchema"]}
    indexed = [key for index in table.indexes for key in (index.partition, index.sort)]
    assert types == {key.name: key.type for key in (table.partition, table.sort, *indexed) if key}
    assert keys == {"HASH": table.partition.name} | ({"RANGE": table.sort.name} if table.sort else {})
    expected = {"AttributeName": table.ttl, "Enabled": True} if table.ttl else None
    assert properties.get("TimeToLiveSpecification") == expected
    indexes = [one["IndexName"] for one in properties.get("GlobalSecondaryIndexes", [])]
    assert indexes == [index.name for index in table.indexes]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"] is True


def test_every_table_of_the_schema_is_there_and_none_else(dev: Synthesised) -> None:
    assert sorted(dev.tables) == sorted(table.name for table in TABLES)
    assert len(dev.of_type("AWS::DynamoDB::GlobalTable")) == len(TABLES)
    assert dev.of_type("AWS::DynamoDB::Table") == {}


@pytest.mark.parametrize("stage", ["dev", "local"])
@by_table
def test_a_table_has_the_stream_of_the_schema_and_what_it_says_is_counted_in_whole_batches(
    stage: str, table: Table, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    stream = template.tables[table.name]["Properties"].get("StreamSpecification")
    if table.stream is None:
        assert stream is None
        assert table.name not in template.streams
        return
    assert stream == {"StreamViewType": table.stream}
    source = template.streams[table.name]
    assert (
        template.template["Resources"][source["FunctionName"]["Ref"]]["Properties"] is template.functions["statistics"]
    )
    assert [json.loads(one["Pattern"]) for one in source["FilterCriteria"]["Filters"]] == FILTERS[table.name]
    assert source["BisectBatchOnFunctionError"] is False
    assert "FunctionResponseTypes" not in source
    assert source["StartingPosition"] == "TRIM_HORIZON"
    failed = source["DestinationConfig"]["OnFailure"]["Destination"]
    assert template.named_queue(failed) == "changes.dead"
    assert source["MaximumRecordAgeInSeconds"] < 24 * 3600, "a stream keeps nothing longer"


def test_no_stream_holds_envelopes_or_rows_as_they_were() -> None:
    assert {table.name: table.stream for table in TABLES if table.stream} == {
        "directory": "KEYS_ONLY",
        "codes": "NEW_IMAGE",
        "deliveries": "NEW_IMAGE",
        "statistics": "NEW_IMAGE",
    }


def replica(stage: Synthesised, name: str) -> dict[str, Any]:
    (only,) = stage.tables[name]["Properties"]["Replicas"]
    return dict(only)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_nothing_else_can_make_again_is_backed_up(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    backed_up = [
        name
        for name in template.tables
        if replica(template, name)["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    ]
    assert backed_up == ["routing", "directory", "audit"], "without routing every device is unlinked"


def test_in_production_what_is_backed_up_cannot_be_deleted_and_data_outlives_the_stack(prod: Synthesised) -> None:
    protected = [name for name in prod.tables if replica(prod, name)["DeletionProtectionEnabled"]]
    assert protected == ["routing", "directory", "audit"]
    kept = [*prod.tables.values(), *prod.of_type("AWS::SecretsManager::Secret").values()]
    assert {resource["DeletionPolicy"] for resource in kept} == {"Retain"}
    assert {resource["UpdateReplacePolicy"] for resource in kept} == {"Retain"}


def test_a_development_stack_leaves_nothing_behind(dev: Synthesised) -> None:
    assert [name for name in dev.tables if replica(dev, name)["DeletionProtectionEnabled"]] == []
    assert {resource["DeletionPolicy"] for resource in dev.tables.values()} == {"Delete"}


# Functions


def test_the_functions_are_those_that_are_declared(dev: Synthesised) -> None:
    handlers = {name: f"handler.{spec.entry}" for name, spec in SPECS.items()}
    assert {name: properties["Handler"] for name, properties in dev.functions.items()} == handlers
    assert len(dev.of_type("AWS::Lambda::Function")) == len(FUNCTIONS)


def answering(stage: Synthesised) -> set[str]:
    """Return the functions that API Gateway waits for, 29 s at most."""
    called = [
        *(one["Properties"].get("IntegrationUri") for one in stage.of_type("AWS::ApiGatewayV2::Integration").values()),
        *(one["Properties"].get("AuthorizerUri") for one in stage.of_type("AWS::ApiGatewayV2::Authorizer").values()),
    ]
    return {
        properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for id, properties in ((id, one["Properties"]) for id, one in stage.of_type("AWS::Lambda::Function").items())
        if f"'{id}'" in str(called)
    }


def test_the_gateways_wait_for_the_apis_and_for_no_worker(dev: Synthesised) -> None:
    assert {"authorizer", "send", "deliver", "client", "otp", "apps", "admin"} <= answering(dev)
    assert not {spec.logs_as for spec in FUNCTIONS if spec.works or spec.schedule} & answering(dev)


@pytest.mark.parametrize("name", SPECS)
def test_a_function_runs_on_arm_with_both_layers_and_answers_before_the_gateway_gives_up(
    dev: Synthesised, name: str
) -> None:
    properties = dev.functions[name]
    assert properties["Architectures"] == ["arm64"]
    assert properties["Runtime"] == "python3.13"
    assert len(properties["Layers"]) == 2
    assert properties["Timeout"] < 29 or name not in answering(dev)


@pytest.mark.parametrize("name", SPECS)
def test_a_functions_log_holds_its_own_lines_only_and_is_kept_for_a_month(dev: Synthesised, name: str) -> None:
    logging = dev.functions[name]["LoggingConfig"]
    assert (logging["LogFormat"], logging["SystemLogLevel"], logging["ApplicationLogLevel"]) == ("JSON", "WARN", "INFO")
    group = logging["LogGroup"]["Ref"]
    assert dev.of_type("AWS::Logs::LogGroup")[group]["Properties"]["RetentionInDays"] == 30


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("stage", ["dev", "local"])
def test_a_function_is_told_exactly_its_settings(stage: str, name: str, request: pytest.FixtureRequest) -> None:
    variables = set(request.getfixturevalue(stage).functions[name]["Environment"]["Variables"])
    ours = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL", "PYDANTIC_DISABLE_PLUGINS"}
    assert set(variables) == ours | set(SPECS[name].settings.variables())


@pytest.mark.parametrize("name", SPECS)
def test_a_functions_plain_values_fit_its_settings(dev: Synthesised, name: str) -> None:
    variables = dev.functions[name]["Environment"]["Variables"]
    texts = {key: value if isinstance(value, str) else "arn" for key, value in variables.items()}
    loaded = SPECS[name].settings.load(texts)
    assert loaded.stage == "dev"
    if isinstance(loaded, settings.ConnectSettings | settings.ClientSettings | settings.AppSettings):
        assert loaded.token_audience == "sandes:dev"
    if isinstance(loaded, settings.GroupFanoutSettings):
        assert loaded.fanout_posts_per_second * dev.workers["fanout"][1]["ScalingConfig"]["MaximumConcurrency"] == 2_000
    if isinstance(loaded, settings.FrameSettings | settings.AppsSettings):
        assert loaded.max_expiry_seconds == 30 * 86_400
    if isinstance(loaded, settings.ClientSettings | settings.OtpSmsSettings):
        assert loaded.sms_sender_id == "SANDES"
    if isinstance(loaded, settings.OtpSettings):
        assert loaded.sms_after_seconds == 8


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("stage", ["dev", "local"])
def test_a_variable_names_the_table_queue_or_secret_it_is_called_after(
    stage: str, name: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    secrets = {secret.field.upper(): secret.name for secret in SECRETS}
    queues = {queue.field.upper(): queue.name.lower() for queue in QUEUES}
    for variable, value in template.functions[name]["Environment"]["Variables"].items():
        if variable.endswith("_TABLE"):
            table = template.tables[variable.removesuffix("_TABLE").lower()]
            assert template.template["Resources"][value["Ref"]] is table
        if variable.endswith("_QUEUE"):
            assert template.queue_name(value["Ref"]) == queues[variable]
        if variable.endswith("_SECRET"):
            assert value["Ref"][:-8] == secrets[variable]


@pytest.mark.parametrize("name", SPECS)
def test_a_function_with_its_layers_is_at_most_45_mb_unzipped(dev: Synthesised, name: str) -> None:
    layers = dev.of_type("AWS::Lambda::LayerVersion")
    keys = [dev.functions[name]["Code"]["S3Key"]]
    keys += [layers[layer["Ref"]]["Properties"]["Content"]["S3Key"] for layer in dev.functions[name]["Layers"]]
    folders = [dev.folder / f"asset.{key.removesuffix('.zip')}" for key in keys]
    sizes = [sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in folders]
    assert all(sizes)
    assert sum(sizes) <= MAX_UNZIPPED_BYTES


# Queues


def test_every_queue_is_encrypted_and_keeps_what_failed_for_fourteen_days(dev: Synthesised) -> None:
    assert dev.queues
    for queue in dev.queues.values():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 86_400


def test_every_queue_has_one_behind_it_for_what_cannot_be_done(dev: Synthesised) -> None:
    working = {name: queue for name, queue in dev.queues.items() if not name.endswith(".dead")}
    of_streams = {"changes.dead"}
    assert {f"{name}.dead" for name in working} | of_streams == dev.queues.keys() - working.keys()
    for name, queue in working.items():
        policy = queue["Properties"]["RedrivePolicy"]
        assert dev.named_queue(policy["deadLetterTargetArn"]) == f"{name}.dead"
        assert 3 <= policy["maxReceiveCount"] <= 10


def test_queues_are_spoken_to_over_tls_only_on_aws(dev: Synthesised, local: Synthesised) -> None:
    refusing = set()
    for policy in dev.of_type("AWS::SQS::QueuePolicy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            assert (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
            assert statement["Principal"] == {"AWS": "*"}
            refusing.add(dev.named_queue(statement["Resource"]))
            assert [dev.queue_name(queue["Ref"]) for queue in policy["Properties"]["Queues"]] == [
                dev.named_queue(statement["Resource"])
            ]
    assert refusing == dev.queues.keys()
    assert local.of_type("AWS::SQS::QueuePolicy") == {}
    assert local.queues.keys() == dev.queues.keys()


WORKERS = {spec.works.queue.name.lower(): spec.logs_as for spec in FUNCTIONS if spec.works}
"""The function that processes each queue."""


def test_every_queue_is_worked_off_by_the_function_that_declares_it(dev: Synthesised) -> None:
    assert {queue: function for queue, (function, _) in dev.workers.items()} == WORKERS
    assert WORKERS.keys() == {queue.name.lower() for queue in QUEUES}


@pytest.mark.parametrize("queue", WORKERS)
@pytest.mark.parametrize("stage", ["dev", "local"])
def test_a_worker_reports_what_failed_leaves_room_for_others_and_ends_before_its_records_come_again(
    stage: str, queue: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    function, source = template.workers[queue]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert 2 <= source["ScalingConfig"]["MaximumConcurrency"] <= 100
    assert 1 <= source["BatchSize"] <= 10
    waits = source["MaximumBatchingWindowInSeconds"]
    hidden = template.queues[queue]["Properties"]["VisibilityTimeout"]
    assert template.functions[function]["Timeout"] + waits < hidden


def test_an_sms_that_failed_is_tried_again_well_within_the_life_of_a_code(dev: Synthesised) -> None:
    assert dev.queues["sms"]["Properties"]["VisibilityTimeout"] <= 30
    assert dev.workers["sms"][1]["MaximumBatchingWindowInSeconds"] <= 1


def test_an_event_is_looked_for_again_only_when_every_function_that_changes_groups_has_ended(dev: Synthesised) -> None:
    changing = [
        name for name, function in dev.functions.items() if "GROUP_QUEUE" in function["Environment"]["Variables"]
    ]
    assert {"client", "groupupkeep"} <= set(changing)
    assert max(dev.functions[name]["Timeout"] for name in changing) < NET_SECONDS


def test_large_rosters_hold_up_no_event_and_leave_room_for_each_other(dev: Synthesised) -> None:
    """Each run takes seconds. A function that does nothing else processes rosters one at a time."""
    function, source = dev.workers["rosterwork"]
    assert [queue for queue, (worker, _) in dev.workers.items() if worker == function] == ["rosterwork"]
    assert (source["BatchSize"], source["ScalingConfig"]["MaximumConcurrency"]) == (1, 3)
    assert dev.functions[function]["Timeout"] >= 2 * RUN_SECONDS


def test_posts_to_groups_leave_most_of_the_accounts_sockets_to_codes_and_chats(
    dev: Synthesised, local: Synthesised
) -> None:
    """A function of their own processes them, from a queue of their own, at a fifth of the rate."""
    for stage in (dev, local):
        function, source = stage.workers["fanout"]
        assert [queue for queue, (worker, _) in stage.workers.items() if worker == function] == ["fanout"]
        environment = stage.functions[function]["Environment"]["Variables"]
        rate = int(environment["FANOUT_POSTS_PER_SECOND"]) * source["ScalingConfig"]["MaximumConcurrency"]
        assert rate <= 10_000 / 5
        for codes in ("otp", "otpsms"):
            assert "FANOUT_QUEUE" not in stage.functions[codes]["Environment"]["Variables"]


# Routes


def routes(stage: Synthesised) -> dict[str, dict[str, Any]]:
    return {
        resource["Properties"]["RouteKey"]: resource["Properties"] | {"id": id}
        for id, resource in stage.of_type("AWS::ApiGatewayV2::Route").items()
    }


def integration(stage: Synthesised, route: dict[str, Any]) -> dict[str, Any]:
    reference = route["Target"]["Fn::Join"][1][1]["Ref"]
    properties: dict[str, Any] = stage.template["Resources"][reference]["Properties"]
    return properties


EVERY_ROUTE = {"$connect", "$disconnect", *FRAME_ROUTES, *HTTP_ROUTES}


def test_there_is_a_route_for_each_frame_and_each_group_of_https_paths(dev: Synthesised) -> None:
    assert set(routes(dev)) == EVERY_ROUTE
    assert {"Disconnect"} | set(FRAME_ROUTES.values()) == {"Disconnect", "Send", "Deliver"}


@pytest.mark.parametrize(("key", "function"), HTTP_ROUTES.items())
def test_a_path_goes_to_its_function(dev: Synthesised, key: str, function: str) -> None:
    target = integration(dev, routes(dev)[key])
    assert (target["IntegrationType"], target["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert target["IntegrationUri"]["Fn::GetAtt"][0].startswith(f"{function}Function")


@pytest.mark.parametrize(("key", "function"), {**FRAME_ROUTES, "$disconnect": "Disconnect"}.items())
def test_a_frame_goes_to_its_function(dev: Synthesised, key: str, function: str) -> None:
    target = integration(dev, routes(dev)[key])
    assert target["IntegrationType"] == "AWS_PROXY"
    assert f"{function}Function" in str(target["IntegrationUri"])


def test_every_frame_has_an_answer_and_connect_and_disconnect_have_none(dev: Synthesised) -> None:
    answered = {
        resource["Properties"]["RouteId"]["Ref"]: resource["Properties"]["RouteResponseKey"]
        for resource in dev.of_type("AWS::ApiGatewayV2::RouteResponse").values()
    }
    assert answered == {routes(dev)[key]["id"]: "$default" for key in FRAME_ROUTES}
    assert {key for key, route in routes(dev).items() if "RouteResponseSelectionExpression" in route} == set(
        FRAME_ROUTES
    )


def test_frames_are_routed_by_their_type(dev: Synthesised) -> None:
    expressions = [
        resource["Properties"].get("RouteSelectionExpression")
        for resource in dev.of_type("AWS::ApiGatewayV2::Api").values()
    ]
    assert sorted(filter(None, expressions)) == ["$request.body.type"]


def test_a_socket_opens_only_with_a_token_in_the_authorization_header(dev: Synthesised) -> None:
    connect = routes(dev)["$connect"]
    ((id, authorizer),) = [
        found
        for found in dev.of_type("AWS::ApiGatewayV2::Authorizer").items()
        if found[1]["Properties"]["AuthorizerType"] != "JWT"
    ]
    assert connect["AuthorizationType"] == "CUSTOM"
    assert connect["AuthorizerId"] == {"Ref": id}
    assert authorizer["Properties"]["AuthorizerType"] == "REQUEST"
    assert authorizer["Properties"]["IdentitySource"] == ["route.request.header.Authorization"]
    assert "AuthorizerFunction" in str(authorizer["Properties"]["AuthorizerUri"])
    assert integration(dev, connect)["IntegrationType"] == "MOCK"


# The local engine


def test_the_local_template_has_fixed_addresses_and_nothing_the_engine_does_not_know(local: Synthesised) -> None:
    assert local.of_type("AWS::ApiGatewayV2::RouteResponse") == {}
    assert set(routes(local)) == EVERY_ROUTE
    tags = {
        resource["Properties"]["ProtocolType"]: resource["Properties"]["Tags"].get("ms-custom-id")
        for resource in local.of_type("AWS::ApiGatewayV2::Api").values()
    }
    assert tags == {"WEBSOCKET": WEBSOCKET_LOCAL_ID, "HTTP": HTTP_LOCAL_ID}
    outputs = {name: output["Value"] for name, output in local.template["Outputs"].items()}
    assert outputs["WebSocketUrl"].startswith("ws://127.0.0.1:4566/")
    assert outputs["HttpUrl"].startswith("http://127.0.0.1:4566/")


def test_the_tags_of_the_local_engine_are_not_on_aws(dev: Synthesised) -> None:
    assert "ms-custom-id" not in str(dev.template)
    assert "127.0.0.1" not in str(dev.template)


def test_webhooks_go_to_no_private_network_but_to_loopback_on_the_local_engine(
    dev: Synthesised, prod: Synthesised, local: Synthesised
) -> None:
    for stage, networks in ((dev, ""), (prod, ""), (local, "127.0.0.0/8")):
        for name in ("apps", "appwebhooks"):
            assert stage.functions[name]["Environment"]["Variables"]["WEBHOOK_NETWORKS"] == networks


# Synthesis


def test_synthesis_needs_no_credentials_and_no_account(tmp_path: Path) -> None:
    scrubbed = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    scrubbed |= {**JSII, "CDK_OUTDIR": str(tmp_path / "out")}
    subprocess.run([sys.executable, "-m", "infra.app"], cwd=ROOT, env=scrubbed, check=True, capture_output=True)
    assert (tmp_path / "out" / "Sandes-dev.template.json").exists()
