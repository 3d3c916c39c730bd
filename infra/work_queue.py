"""Builds a queue with the function that processes it, and a dead-letter queue."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config
from infra.function_spec import QueueSpec, Work

RETENTION = Duration.days(14)
"""Longest retention of SQS
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html), to leave time for
examining failed entries.
"""


class WorkQueue(Construct):
    """Is an encrypted queue with delivery at least once.

    Entries that fail too often go to `dead`, which operators watch (docs/runbook.md).

    An entry is hidden for six times the usual time of its work, and longer than its function may run (tests/infra), so
    that no two workers have it. That is less than the six times the function's *timeout* that AWS recommends
    (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html): a failed entry comes again sooner, in
    time for a code that lives for minutes. Throttled invocations may use up tries earlier. The concurrency of each
    source is limited so that there are usually none, and permanently failed entries can be redriven.
    """

    def __init__(self, scope: Construct, spec: QueueSpec, *, config: Config) -> None:
        super().__init__(scope, spec.name)
        self.spec = spec
        only_tls = config.local_port is None  # the local engine has no TLS, on loopback
        self.dead = sqs.Queue(
            self, "Dead", encryption=sqs.QueueEncryption.SQS_MANAGED, retention_period=RETENTION, enforce_ssl=only_tls
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=only_tls,
            retention_period=RETENTION,
            visibility_timeout=Duration.seconds(6 * spec.work_seconds),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead, max_receive_count=spec.tries),
        )

    @property
    def url(self) -> str:
        return self.queue.queue_url

    def work_off(self, function: lambda_.Function, work: Work, *, reserved: int | None) -> None:
        """Pass the entries to the function, to no more environments at a time than are reserved for it, if any are."""
        lambda_.CfnEventSourceMapping(
            self,
            "Source",
            function_name=function.function_name,
            event_source_arn=self.queue.queue_arn,
            batch_size=work.batch,
            maximum_batching_window_in_seconds=work.window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=min(work.concurrency, reserved or work.concurrency)
            ),
        )
