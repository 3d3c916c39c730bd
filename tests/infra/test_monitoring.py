"""Tests that every function, queue and table of the template has its alarms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.stages import StageSettings
from sandes.edge.telemetry import CHAINS_ENDED, FAILED, NAMESPACE
from tests.infra.conftest import Synthesised, synthesise

STAGES = pytest.mark.parametrize("stage", ["dev", "local"])


def alarms(stage: Synthesised) -> list[dict[str, Any]]:
    return [alarm["Properties"] for alarm in stage.of_type("AWS::CloudWatch::Alarm").values()]


def watched(stage: Synthesised, namespace: str, metric: str, dimension: str) -> set[str]:
    """Return the logical ids, or names, of the resources with an alarm on this metric."""
    found = set()
    for alarm in alarms(stage):
        if (alarm.get("Namespace"), alarm.get("MetricName")) == (namespace, metric):
            values = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
            value = values[dimension]
            found.add(value if isinstance(value, str) else value.get("Ref") or value["Fn::GetAtt"][0])
    return found


@STAGES
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_is_watched_for_errors_and_throttles(
    stage: str, metric: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    functions = set(template.of_type("AWS::Lambda::Function"))
    assert functions
    assert watched(template, "AWS/Lambda", metric, "FunctionName") == functions


def test_one_failure_of_the_hourly_heads_is_enough(dev: Synthesised) -> None:
    thresholds = {
        alarm["Dimensions"][0]["Value"]["Ref"]: alarm["Threshold"]
        for alarm in alarms(dev)
        if alarm.get("MetricName") == "Errors"
    }
    (heads,) = [id for id in thresholds if id.startswith("AuditHeads")]
    assert thresholds.pop(heads) == 1
    assert set(thresholds.values()) == {3}


def test_every_function_is_watched_for_what_it_tells_callers_of_its_own_faults(dev: Synthesised) -> None:
    assert watched(dev, NAMESPACE, FAILED, "service") == set(dev.functions)
    assert watched(dev, NAMESPACE, FAILED, "stage") == {"dev"}


@STAGES
def test_every_queue_that_is_worked_off_is_watched_for_the_age_of_its_oldest_entry(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    ids = watched(template, "AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName")
    assert {template.queue_name(id) for id in ids} == {name for name in template.queues if not name.endswith(".dead")}


@STAGES
def test_every_queue_of_what_failed_is_watched_for_its_first_entry(stage: str, request: pytest.FixtureRequest) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    ids = watched(template, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName")
    assert {template.queue_name(id) for id in ids} == {name for name in template.queues if name.endswith(".dead")}
    thresholds = [
        alarm["Threshold"]
        for alarm in alarms(template)
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    ]
    assert set(thresholds) == {1}


@pytest.mark.parametrize("metric", ["ReadThrottleEvents", "WriteThrottleEvents"])
def test_every_table_is_watched_for_throttles(dev: Synthesised, metric: str) -> None:
    assert watched(dev, "AWS/DynamoDB", metric, "TableName") == set(dev.of_type("AWS::DynamoDB::GlobalTable"))


@pytest.mark.parametrize("metric", ["ReadThrottleEvents", "WriteThrottleEvents"])
def test_every_index_is_watched_for_throttles(dev: Synthesised, metric: str) -> None:
    """A table's own metric does not include those of its indexes."""
    seen = {
        (dimensions["TableName"]["Ref"], dimensions["GlobalSecondaryIndexName"])
        for alarm in alarms(dev)
        if alarm.get("MetricName") == metric
        for dimensions in [{one["Name"]: one["Value"] for one in alarm["Dimensions"]}]
        if "GlobalSecondaryIndexName" in dimensions
    }
    indexes = {
        (id, index["IndexName"])
        for id, table in dev.of_type("AWS::DynamoDB::GlobalTable").items()
        for index in table["Properties"].get("GlobalSecondaryIndexes", [])
    }
    assert indexes
    assert seen == indexes


@STAGES
def test_every_function_is_watched_for_recursion_and_every_worker_for_chains_that_were_ended(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    functions = set(template.of_type("AWS::Lambda::Function"))
    assert watched(template, "AWS/Lambda", "RecursiveInvocationsDropped", "FunctionName") == functions
    workers = {function for function, _ in template.workers.values()}
    assert workers
    assert watched(template, NAMESPACE, CHAINS_ENDED, "service") == workers


def test_a_late_code_is_told_of_within_minutes_and_a_late_roster_within_an_hour(dev: Synthesised) -> None:
    thresholds = {
        dev.queue_name(alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]): alarm["Threshold"]
        for alarm in alarms(dev)
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }
    assert thresholds["sms"] == 60
    assert thresholds["rosterwork"] == 3600
    assert max(thresholds.values()) <= 3600


def test_delivery_latency_and_the_conversion_of_codes_are_watched(dev: Synthesised, local: Synthesised) -> None:
    assert watched(dev, NAMESPACE, "Delivery", "service") == {"statistics"}
    assert watched(dev, "AWS/Lambda", "IteratorAge", "FunctionName")
    (conversion,) = [alarm for alarm in alarms(dev) if "Metrics" in alarm]
    assert conversion["ComparisonOperator"] == "LessThanThreshold"
    expressions = {one["Id"]: one.get("Expression") for one in conversion["Metrics"]}
    assert set(expressions) == {"expr_1", "sent", "used"}
    assert expressions["expr_1"] == "IF(FILL(sent, 0) >= 50, FILL(used, 0) / sent, 1)"
    names = {
        one["Id"]: one["MetricStat"]["Metric"]["MetricName"] for one in conversion["Metrics"] if "MetricStat" in one
    }
    assert names == {"sent": "Otps", "used": "OtpsUsed"}
    assert not [alarm for alarm in alarms(local) if "Metrics" in alarm], "the engine refuses metric math"
    assert len(alarms(local)) == len(alarms(dev)) - 1


@STAGES
def test_every_alarm_reaches_the_operators_topic_and_says_where_to_read_on(
    stage: str, request: pytest.FixtureRequest
) -> None:
    template: Synthesised = request.getfixturevalue(stage)
    (topic,) = template.of_type("AWS::SNS::Topic")
    for alarm in alarms(template):
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["OKActions"] == [{"Ref": topic}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"].endswith("docs/runbook.md, Alarms")


def test_only_alarms_of_this_account_write_to_the_topic_and_over_tls(dev: Synthesised) -> None:
    ((_, policy),) = dev.of_type("AWS::SNS::TopicPolicy").items()
    deny, allow = sorted(policy["Properties"]["PolicyDocument"]["Statement"], key=lambda one: one["Effect"] == "Allow")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Action"] == "sns:Publish"
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_alarms_go_by_mail_where_an_address_is_given(
    dev: Synthesised, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert dev.of_type("AWS::SNS::Subscription") == {}
    mailed = synthesise(tmp_path_factory.mktemp("mailed"), StageSettings(alarm_email="ops@example.org"), stage="dev")
    ((_, subscription),) = mailed.of_type("AWS::SNS::Subscription").items()
    assert (subscription["Properties"]["Protocol"], subscription["Properties"]["Endpoint"]) == (
        "email",
        "ops@example.org",
    )


def test_the_dashboard_shows_every_function_and_every_queue(dev: Synthesised) -> None:
    ((_, dashboard),) = dev.of_type("AWS::CloudWatch::Dashboard").items()
    body = json.dumps(dashboard["Properties"]["DashboardBody"])
    for id in dev.of_type("AWS::Lambda::Function"):
        assert f'"Ref": "{id}"' in body
    for id in dev.of_type("AWS::SQS::Queue"):
        assert f'["{id}", "QueueName"]' in body
    for title in ("Codes: share that is used", "Throttles", "Delivery of apps' messages, ms"):
        assert title in body


@pytest.mark.parametrize("function", ["client", "otpsms"])
def test_operators_are_woken_before_and_when_the_budget_of_sms_is_used_up(dev: Synthesised, function: str) -> None:
    found = {
        alarm["MetricName"]: (alarm["Threshold"], alarm["Period"])
        for alarm in alarms(dev)
        if {"Name": "service", "Value": function} in alarm.get("Dimensions", [])
        if alarm["MetricName"] in {"Sms", "SmsStopped"}
    }
    budget = {"client": 20_000, "otpsms": 200_000}[function]
    assert found == {"Sms": (0.8 * budget, 3_600), "SmsStopped": (1, 300)}
