"""The one recipe for a Lambda function."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import ROOT, Config
from infra.layers import Layers

TIMEOUT_SECONDS = 28
"""One less than API Gateway waits for a function
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
HTTP APIs wait for 30 seconds (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html),
websockets for 29."""


class SandesFunction(Construct):
    """A function of `functions/<folder>/handler.py` with both layers, its settings and a log group that forgets."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        layers: Layers,
        folder: str,
        entry: str = "handler",
        environment: Mapping[str, str],
        memory_mb: int = 1024,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(scope, id)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=config.runtime,
            architecture=config.architecture,
            handler=f"handler.{entry}",
            code=lambda_.Code.from_asset(str(ROOT / "functions" / folder), exclude=["**/__pycache__", "**/*.pyc"]),
            layers=layers.all,
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_seconds),
            reserved_concurrent_executions=config.settings.reserved(id.lower()),
            environment={
                "STAGE": config.stage,
                "POWERTOOLS_SERVICE_NAME": id.lower(),
                "POWERTOOLS_LOG_LEVEL": "INFO",
                "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looking for plugins costs 15 ms of a cold start
                **environment,
            },
            logging_format=lambda_.LoggingFormat.JSON,  # without START, END and REPORT: metrics have it, logs cost
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            log_group=logs.LogGroup(self, "Logs", retention=config.log_retention, removal_policy=config.removal_policy),
        )

    def allow_recursion(self) -> None:
        """Switch Lambda's detection of recursive loops off for the function."""
        resource = self.function.node.default_child
        if not isinstance(resource, lambda_.CfnFunction):
            raise TypeError(f"{self.node.id} is no function of CloudFormation")
        resource.recursive_loop = "Allow"

    def call_on(self, id: str, schedule: events.Schedule, *, tries_again: int, within: Duration) -> None:
        """Have the function called on a schedule, and decide what happens to a call that fails.

        The target's own retries are only for handing the event to Lambda. Lambda then calls the function up to two
        times more, for up to six hours, unless the function says otherwise
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
        """
        self.function.configure_async_invoke(retry_attempts=tries_again, max_event_age=within)
        target = targets.LambdaFunction(self.function, retry_attempts=tries_again, max_event_age=within)
        events.Rule(Stack.of(self), id, schedule=schedule, targets=[target])

    def call_every_minute(self, id: str) -> None:
        """Have the function called each minute. A call that fails is dropped: the next one does its work."""
        minute = Duration.minutes(1)
        self.call_on(id, events.Schedule.rate(minute), tries_again=0, within=minute)
