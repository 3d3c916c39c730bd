"""Builds Lambda functions, all in the same way."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import ROOT, Config
from infra.function_spec import FunctionSpec, Schedule
from infra.layers import Layers


class SandesFunction(Construct):
    """Builds a function of `functions/<folder>/handler.py` with both layers, its environment and an
    expiring log group.
    """

    def __init__(
        self, scope: Construct, spec: FunctionSpec, *, config: Config, layers: Layers, environment: Mapping[str, str]
    ) -> None:
        super().__init__(scope, spec.name)
        self.spec = spec
        code = lambda_.Code.from_asset(str(ROOT / "functions" / spec.folder), exclude=["**/__pycache__", "**/*.pyc"])
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=config.runtime,
            architecture=config.architecture,
            handler=f"handler.{spec.entry}",
            code=code,
            layers=layers.all,
            memory_size=spec.memory_mb,
            timeout=Duration.seconds(spec.timeout_seconds),
            reserved_concurrent_executions=config.settings.reserved(spec.logs_as),
            environment={
                "POWERTOOLS_SERVICE_NAME": spec.logs_as,
                "POWERTOOLS_LOG_LEVEL": "INFO",
                "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looking for plugins takes 15 ms of a cold start
                **environment,
            },
            logging_format=lambda_.LoggingFormat.JSON,  # omits START, END and REPORT lines, which metrics have
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            log_group=logs.LogGroup(self, "Logs", retention=config.log_retention, removal_policy=config.removal_policy),
        )
        if spec.schedule:
            self._call_on(spec.schedule)

    def allow_recursion(self) -> None:
        """Switch off Lambda's detection of recursive loops for the function."""
        resource = self.function.node.default_child
        if not isinstance(resource, lambda_.CfnFunction):
            raise TypeError(f"{self.node.id} is not a function of CloudFormation")
        resource.recursive_loop = "Allow"

    def _call_on(self, schedule: Schedule) -> None:
        """Call the function on a schedule, and decide what happens to a call that fails.

        The target's own retries are only for handing the event to Lambda. Lambda then calls the function up to two
        times more, for up to six hours, unless the function says otherwise
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html). A call that is made each
        minute is dropped if it fails, because the next one does its work. A call that is made each hour is repeated for
        half an hour, so repeating it must be harmless.
        """
        if schedule.every == "minute":
            within, retries, when = Duration.minutes(1), 0, events.Schedule.rate(Duration.minutes(1))
        else:
            within, retries, when = Duration.minutes(30), 2, events.Schedule.cron(minute="0")
        self.function.configure_async_invoke(retry_attempts=retries, max_event_age=within)
        target = targets.LambdaFunction(self.function, retry_attempts=retries, max_event_age=within)
        events.Rule(Stack.of(self), schedule.rule, schedule=when, targets=[target])
