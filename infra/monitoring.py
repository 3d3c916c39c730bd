"""Builds a dashboard for operators, and alarms that go to one topic (docs/runbook.md, "Alarms").

Alarms are made for every function, queue and table that the stack has when this is called, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config
from infra.function import SandesFunction
from infra.tables import Tables
from infra.websocket_api import WebSocketApi
from infra.work_queue import WorkQueue
from sandes.edge.telemetry import CHAINS_ENDED, FAILED, NAMESPACE, REFUSED, SMS, SMS_STOPPED
from sandes.store.schema import TABLES, Table

FIVE_MINUTES = Duration.minutes(5)

FEW_ERRORS = 3
MANY_FAILURES = 10
"""Failures in five minutes: exceptions and timeouts, which are bugs, and calls answered `internal` or `unavailable`."""

SLOW_MS = 3_000
"""Time of the slowest hundredth of all frames."""

SLOW_DELIVERY_MS = 10_000
"""Time of the fastest tenth of messages. People are offline for hours, so a median says nothing about the service."""

LEAST_OTPS = 50
LOW_CONVERSION = 0.4
"""Share of the sent codes that are used, in half an hour. It is usually four fifths; below, codes do not arrive."""

MANY_SMS = 0.8
"""Share of the budget of an hour."""

LATE_STREAM_MS = 15 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Holds what alarms and the dashboard are about.

    `counting` counts statistics. `frames` answer frames, `workers` queue their own work again, and `rare` are called
    once an hour or less, for which one error is enough. `dead` has further queues of failed entries, by name. `sms`
    has, by purpose, the function that sends SMS and how many it may send in an hour.
    """

    functions: Sequence[SandesFunction]
    queues: Sequence[WorkQueue]
    dead: Mapping[str, sqs.Queue]
    tables: Tables
    http: apigateway.HttpApi
    websocket: WebSocketApi
    counting: SandesFunction
    frames: Sequence[SandesFunction]
    workers: Sequence[SandesFunction]
    rare: Sequence[SandesFunction]
    sms: Mapping[str, tuple[SandesFunction, int]]


class Monitoring(Construct):
    def __init__(self, scope: Construct, id: str, *, config: Config, watched: Watched) -> None:
        super().__init__(scope, id)
        self._config, self._watched = config, watched
        self._http = {"ApiId": watched.http.api_id}
        self._websocket = {"ApiId": watched.websocket.api.api_id, "Stage": watched.websocket.stage.stage_name}
        self._dead = [*((queue.node.id, queue.dead) for queue in watched.queues), *watched.dead.items()]
        self.topic = self._operators()
        self._alarms()
        self._dashboard()

    def _operators(self) -> sns.Topic:
        """Build the topic for alarms, over TLS only.

        Alarm texts contain functions, queues and numbers, nothing else.
        """
        topic = sns.Topic(self, "Alarms", display_name=f"Sandes {self._config.stage}", enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if self._config.settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(self._config.settings.alarm_email))
        return topic

    def _alarms(self) -> None:
        for function in self._watched.functions:
            self._functions_alarms(function)
        for function in self._watched.workers:
            ended = self._ours(CHAINS_ENDED, function)
            self._alarm(f"{function.node.id}ChainsEnded", ended, 1, "work that queues itself again was stopped")
        for queue in self._watched.queues:
            age = queue.queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES)
            self._alarm(f"{queue.node.id}Late", age, queue.spec.late_after_seconds, "entries wait too long")
        for name, dead in self._dead:
            depth = dead.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Maximum")
            self._alarm(f"{name}Dead", depth, 1, "entries have failed permanently")
        for table in TABLES:
            for kind in ("Read", "Write"):
                throttled = self._metric(
                    "AWS/DynamoDB", f"{kind}ThrottleEvents", TableName=self._watched.tables[table].table_name
                )
                self._alarm(f"{table.name.capitalize()}{kind}sThrottled", throttled, 10, "the table is overloaded")
                self._index_alarms(table, kind)
        self._alarm(
            "HttpFailed", self._metric("AWS/ApiGateway", "5xx", **self._http), 10, "calls are answered with 5xx"
        )
        for name in ("IntegrationError", "ExecutionError"):
            failed = self._metric("AWS/ApiGateway", name, **self._websocket)
            self._alarm(f"WebSocket{name}", failed, 10, "frames fail in API Gateway")
        for function in self._watched.frames:
            slow = function.function.metric_duration(period=FIVE_MINUTES, statistic="p99")
            self._alarm(f"{function.node.id}Slow", slow, SLOW_MS, "frames take too long", periods=3)
        behind = self._metric(
            "AWS/Lambda",
            "IteratorAge",
            statistic="Maximum",
            FunctionName=self._watched.counting.function.function_name,
        )
        self._alarm("StatisticsLate", behind, LATE_STREAM_MS, "changes are not counted")
        skipped = self._ours("SkippedChanges", self._watched.counting)
        self._alarm("StatisticsSkipped", skipped, 1, "changes of tables could not be read")
        delivery = self._ours("Delivery", self._watched.counting, statistic="p10")
        self._alarm("DeliverySlow", delivery, SLOW_DELIVERY_MS, "even the fastest messages take too long", periods=3)
        for purpose, (function, per_hour) in self._watched.sms.items():
            stopped = self._ours(SMS_STOPPED, function)
            self._alarm(f"{purpose}SmsStopped", stopped, 1, "SMS are refused: the budget of the hour is used up")
            many = self._ours(SMS, function, period=Duration.hours(1))
            most = max(1, round(per_hour * MANY_SMS))
            self._alarm(f"{purpose}SmsMany", many, most, "most of the hour's budget of SMS is used up")
        if self._config.local_port is None:  # the local engine has no metric math
            self._alarm(
                "OtpConversionLow",
                self._conversion(Duration.minutes(30)),
                LOW_CONVERSION,
                "codes are sent but not used",
                below=True,
                periods=2,
            )

    def _index_alarms(self, table: Table, kind: str) -> None:
        """Watch the table's indexes, whose throttles have their own metrics.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
        """
        for index in table.indexes:
            throttled = self._metric(
                "AWS/DynamoDB",
                f"{kind}ThrottleEvents",
                TableName=self._watched.tables[table].table_name,
                GlobalSecondaryIndexName=index.name,
            )
            name = f"{table.name.capitalize()}{index.name.capitalize()}{kind}sThrottled"
            self._alarm(name, throttled, 10, f"the table's index `{index.name}` is overloaded")

    def _functions_alarms(self, function: SandesFunction) -> None:
        id = function.node.id
        errors = function.function.metric_errors(period=FIVE_MINUTES)
        throttles = function.function.metric_throttles(period=FIVE_MINUTES)
        few = 1 if function in self._watched.rare else FEW_ERRORS
        self._alarm(f"{id}Errors", errors, few, "the function ends with exceptions or by its timeout")
        self._alarm(f"{id}Throttles", throttles, 1, "calls of the function are refused for concurrency", periods=2)
        dropped = self._metric(
            "AWS/Lambda", "RecursiveInvocationsDropped", FunctionName=function.function.function_name
        )
        self._alarm(f"{id}RecursionDropped", dropped, 1, "Lambda has stopped the function as a recursive loop")
        self._alarm(
            f"{id}Failed", self._ours(FAILED, function), MANY_FAILURES, "callers get `internal` or `unavailable`"
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        meaning: str,
        *,
        below: bool = False,
        periods: int = 1,
    ) -> None:
        operator = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            comparison_operator=operator.LESS_THAN_THRESHOLD if below else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{meaning}: docs/runbook.md, Alarms",
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))

    def _metric(
        self,
        namespace: str,
        name: str,
        *,
        statistic: str = "Sum",
        **dimensions: str,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=FIVE_MINUTES,
        )

    def _ours(
        self, name: str, function: SandesFunction, *, statistic: str = "Sum", period: Duration = FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """Return a metric that functions write themselves, in embedded metric format (sandes/edge/telemetry.py)."""
        service = function.node.id.lower()
        metric = self._metric(NAMESPACE, name, statistic=statistic, service=service, stage=self._config.stage)
        return metric.with_(period=period)

    def _conversion(self, period: Duration) -> cloudwatch.MathExpression:
        """Return the share of the sent codes that are used, or 1 if there are too few."""
        return cloudwatch.MathExpression(
            expression=f"IF(FILL(sent, 0) >= {LEAST_OTPS}, FILL(used, 0) / sent, 1)",
            using_metrics={
                "sent": self._ours("Otps", self._watched.counting),
                "used": self._ours("OtpsUsed", self._watched.counting),
            },
            label="used of sent",
            period=period,
        )

    def _dashboard(self) -> None:
        functions = [one.function for one in self._watched.functions]
        working = [(queue.node.id, queue.queue) for queue in self._watched.queues]
        rows = [
            (
                self._graph("Calls", [one.metric_invocations(period=FIVE_MINUTES) for one in functions]),
                self._graph("Failed", [self._ours(FAILED, one) for one in self._watched.functions]),
                self._graph("Refused", [self._ours(REFUSED, one) for one in self._watched.functions]),
            ),
            (
                self._graph("Errors", [one.metric_errors(period=FIVE_MINUTES) for one in functions]),
                self._graph("p99 ms", [one.metric_duration(period=FIVE_MINUTES, statistic="p99") for one in functions]),
                self._graph(
                    "Throttles",
                    [
                        *(one.metric_throttles(period=FIVE_MINUTES) for one in functions),
                        *(
                            self._metric(
                                "AWS/DynamoDB", f"{kind}ThrottleEvents", TableName=self._watched.tables[one].table_name
                            )
                            for one in TABLES
                            for kind in ("Read", "Write")
                        ),
                    ],
                ),
            ),
            (
                self._graph(
                    "Queues: entries",
                    [one.metric_approximate_number_of_messages_visible(label=name) for name, one in working],
                ),
                self._graph(
                    "Queues: age of the oldest, s",
                    [one.metric_approximate_age_of_oldest_message(label=name) for name, one in working],
                ),
                self._graph(
                    "Queues: failed permanently",
                    [one.metric_approximate_number_of_messages_visible(label=name) for name, one in self._dead],
                ),
            ),
            (
                self._graph("Codes", [self._ours(name, self._watched.counting) for name in ("Otps", "OtpsUsed")]),
                self._graph(
                    "SMS",
                    [self._ours(name, one) for one, _ in self._watched.sms.values() for name in (SMS, SMS_STOPPED)],
                ),
                self._graph("Codes: share that is used", [self._conversion(Duration.minutes(30))]),
                self._graph(
                    "Messages of apps",
                    [
                        self._ours(name, self._watched.counting)
                        for name in ("Messages", "MessagesFailed", "MessagesExpired")
                    ],
                ),
            ),
            (
                self._graph(
                    "Delivery of apps' messages, ms",
                    [self._ours("Delivery", self._watched.counting, statistic=p) for p in ("p10", "p50", "p95")],
                ),
                self._graph(
                    "Gateways",
                    [
                        self._metric("AWS/ApiGateway", "Count", **self._http),
                        self._metric("AWS/ApiGateway", "5xx", **self._http),
                        self._metric("AWS/ApiGateway", "MessageCount", **self._websocket),
                        self._metric("AWS/ApiGateway", "ConnectCount", **self._websocket),
                        self._metric("AWS/ApiGateway", "IntegrationError", **self._websocket),
                    ],
                ),
                self._graph(
                    "Statistics: behind by ms",
                    [
                        self._metric(
                            "AWS/Lambda",
                            "IteratorAge",
                            statistic="Maximum",
                            FunctionName=self._watched.counting.function.function_name,
                        )
                    ],
                ),
            ),
        ]
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"Sandes-{self._config.stage}")
        for row in rows:
            dashboard.add_widgets(*row)

    def _graph(self, title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)
