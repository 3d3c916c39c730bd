"""Passes the streams of tables to the function that counts, and keeps failed batches in a queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Config
from infra.work_queue import RETENTION

GIVEN_UP_AFTER_SECONDS = 6 * 3600
"""Time for which a batch is retried, so that an outage of hours loses nothing. A stream keeps everything for 24 hours
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
"""

BATCH = 500
WINDOW_SECONDS = 10
"""Time for which changes are collected, so that those of one hour and organisation are one addition."""


class ChangeStreams(Construct):
    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self.dead = sqs.Queue(
            self,
            "Dead",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=RETENTION,
            enforce_ssl=config.local_port is None,
        )

    def hand_over(
        self, id: str, table: dynamodb.TableV2, function: lambda_.Function, filters: Sequence[dict[str, Any]]
    ) -> None:
        """Pass a table's stream to the function.

        A retried batch is recognised by its first and last change, so it is never split (docs/adr/0026).
        """
        lambda_.CfnEventSourceMapping(
            self,
            id,
            function_name=function.function_name,
            event_source_arn=table.table_stream_arn,
            starting_position="TRIM_HORIZON",
            batch_size=BATCH,
            maximum_batching_window_in_seconds=WINDOW_SECONDS,
            bisect_batch_on_function_error=False,
            maximum_record_age_in_seconds=GIVEN_UP_AFTER_SECONDS,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern)) for pattern in filters
                ]
            ),
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=self.dead.queue_arn)
            ),
        )
