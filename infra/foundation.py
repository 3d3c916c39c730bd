"""What every part of the service is built on: tables, secrets, the websocket, shared queues; functions and grants."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import Config
from infra.function import TIMEOUT_SECONDS, SandesFunction
from infra.layers import Layers
from infra.stages import FANOUT_WORK_SECONDS
from infra.tables import Tables
from infra.uploads import Uploads
from infra.websocket_api import WebSocketApi
from infra.work_queue import WorkQueue
from sandes.store import schema

GROUP_WORK_SECONDS = 40
"""What a batch of the groups' queue takes at most: ten events, or a part of a large group's rows."""

ROSTER_WORK_SECONDS = 20
"""What a run of a large roster takes at most: reading its changes, eight seconds, and the chunk it is at by then."""


IMPORT_WORK_SECONDS = 30
"""How long a chunk of an import takes at most. A check of 100,000 rows may take as long as the entry is hidden."""


_WRITES = frozenset(("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"))


class Foundation(Stack):
    """`_grant_…` methods give a function exactly the actions they name, on exactly one resource."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id, description=f"Sandes messaging backend, stage {config.stage}")
        self._config = config
        self._layers = Layers(self, "Layers", config=config)
        self._directory_writers: set[SandesFunction] = set()
        self._senders: dict[WorkQueue, set[SandesFunction]] = {}
        self._workers: dict[WorkQueue, SandesFunction] = {}
        self.tables = Tables(self, "Tables", config=config)
        self.sender_secret = self._secret("SenderSecret", "Hides senders in envelope ids")
        self.seal_secret = self._secret("SealSecret", "The service's keys that envelopes are sealed with")
        self.pepper = self._secret("Pepper", "Keys of phone numbers and codes")
        self.webhook_secret = self._secret("WebhookSecret", "Keys that webhooks are signed with")
        self.attestation_secret = self._secret("AttestationSecret", "The key that attestations are signed with")
        self.audit_secret = self._secret("AuditSecret", "The key that audit chains are signed with")
        self.websocket = WebSocketApi(self, "WebSocket", config=config)
        self.uploads = Uploads(self, "Uploads", config=config)

        self.webhook_queue = WorkQueue(
            self, "Webhooks", config=config, tries=8, work_seconds=TIMEOUT_SECONDS, late_after_seconds=3600
        )
        self.fanout_queue = WorkQueue(self, "Fanout", config=config, tries=8, work_seconds=FANOUT_WORK_SECONDS)
        self.group_queue = WorkQueue(self, "GroupWork", config=config, tries=8, work_seconds=GROUP_WORK_SECONDS)
        self.roster_queue = WorkQueue(
            self, "RosterWork", config=config, tries=8, work_seconds=ROSTER_WORK_SECONDS, late_after_seconds=3600
        )
        self.import_queue = WorkQueue(
            self, "Imports", config=config, tries=8, work_seconds=IMPORT_WORK_SECONDS, late_after_seconds=3600
        )

    def _fanout_settings(self) -> dict[str, str]:
        """What a function is told that posts to groups."""
        return (
            self._tables(schema.INBOX, schema.ROUTING, schema.DIRECTORY, schema.DELIVERIES)
            | self._secrets(sender=self.sender_secret, seal=self.seal_secret)
            | {
                "FANOUT_QUEUE": self.fanout_queue.url,
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
            }
        )

    def _grant_fanout(self, function: SandesFunction) -> None:
        """What posting to a group takes: members, their devices, envelopes and bodies, the post's record, sockets."""
        self._grant_tables(
            function,
            {
                schema.DIRECTORY: ("Query",),
                schema.ROUTING: ("BatchGetItem", "UpdateItem"),
                schema.INBOX: ("PutItem", "BatchWriteItem"),
                schema.DELIVERIES: ("PutItem", "UpdateItem"),
            },
        )
        self._grant_sealing(function)
        self._grant_connections(function, "POST")
        self._grant_queue(function, self.fanout_queue)

    def _grant_sealing(self, function: SandesFunction) -> None:
        """Lets a function make envelopes: hide their senders, and seal them by the keys that devices know."""
        for secret in (self.sender_secret, self.seal_secret):
            self._grant_secret(function, secret)

    def _audit_settings(self) -> dict[str, str]:
        """What a function is told whose acts leave entries in the audit chains."""
        former = {"AUDIT_FORMER_KEYS": self._config.audit_former_keys}
        return self._tables(schema.AUDIT) | self._secrets(audit=self.audit_secret) | former

    def _grant_audit(self, function: SandesFunction) -> None:
        """Appending to audit chains, and reading where they end. Nobody may change or delete an entry."""
        self._grant_tables(function, {schema.AUDIT: ("PutItem", "Query")})
        self._grant_secret(function, self.audit_secret)

    def _webhook_settings(self) -> dict[str, str]:
        return self._secrets(webhook=self.webhook_secret) | {"WEBHOOK_NETWORKS": self._config.webhook_networks}

    def _tables(self, *tables: schema.Table) -> dict[str, str]:
        """The variables by which a function knows its tables."""
        return {f"{table.name.upper()}_TABLE": self.tables[table].table_name for table in tables}

    def _secrets(self, **secrets: secretsmanager.Secret) -> dict[str, str]:
        return {f"{name.upper()}_SECRET": secret.secret_arn for name, secret in secrets.items()}

    def _function(
        self,
        id: str,
        folder: str,
        environment: Mapping[str, str],
        *,
        entry: str = "handler",
        memory_mb: int = 1024,
        timeout_seconds: int = TIMEOUT_SECONDS,
    ) -> SandesFunction:
        return SandesFunction(
            self,
            id,
            config=self._config,
            layers=self._layers,
            folder=folder,
            entry=entry,
            environment=environment,
            memory_mb=memory_mb,
            timeout_seconds=timeout_seconds,
        )

    def _secret(self, id: str, description: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            id,
            description=description,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=self._config.removal_policy,
        )

    def _grant_tables(self, function: SandesFunction, grants: Mapping[schema.Table, tuple[str, ...]]) -> None:
        for table, actions in grants.items():
            self._grant(function, tuple(f"dynamodb:{action}" for action in actions), self.tables[table].table_arn)
            if table is schema.DIRECTORY and _WRITES.intersection(actions):
                self._directory_writers.add(function)

    def _writes(self, function: SandesFunction) -> bool:
        """Whether it may write to the directory."""
        return function in self._directory_writers

    def _deny_keys(
        self,
        function: SandesFunction,
        table: schema.Table,
        actions: tuple[str, ...],
        keys: tuple[str, ...],
        *,
        but: tuple[str, ...] = (),
    ) -> None:
        """Whatever else it is granted: nothing that touches a partition of these patterns, in transactions neither.

        `but`: attributes that it may touch there all the same.
        """
        conditions = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": list(keys)}}
        if but:
            conditions["ForAnyValue:StringNotEquals"] = {"dynamodb:Attributes": list(but)}
        function.function.add_to_role_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=[f"dynamodb:{action}" for action in actions],
                resources=[self.tables[table].table_arn],
                conditions=conditions,
            )
        )

    def _grant_connections(self, function: SandesFunction, *methods: str) -> None:
        for method in methods:
            self._grant(function, ("execute-api:ManageConnections",), self.websocket.connections_arn(method))

    def _grant_secret(self, function: SandesFunction, secret: secretsmanager.Secret) -> None:
        arn = secret.secret_arn
        if self._config.local_port:  # there, a template's reference to a secret is its name
            arn = self.format_arn(
                service="secretsmanager",
                resource="secret",
                resource_name=f"{secret.secret_arn}-*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
        self._grant(function, ("secretsmanager:GetSecretValue",), arn)

    def _grant_queue(self, function: SandesFunction, queue: WorkQueue) -> None:
        local = ("sqs:SendMessageBatch",) if self._config.local_port else ()  # an action of its own on the engine only
        self._grant(function, ("sqs:SendMessage", *local), queue.queue.queue_arn)
        self._senders.setdefault(queue, set()).add(function)

    def _grant_work(self, function: SandesFunction, queue: WorkQueue) -> None:
        """What Lambda does with the queue in the function's name."""
        self._grant(
            function,
            ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
            queue.queue.queue_arn,
        )
        self._workers[queue] = function

    def _allow_recursion(self) -> None:
        """Let every worker run whose work may come back to it, directly or by way of another worker.

        Lambda would otherwise stop a chain of entries after about 16 invocations
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html). Chains have limits of their own
        (sandes/edge/queues/chains.py).
        """
        for function in self._workers.values():
            if function in self._reached_from(function):
                function.allow_recursion()

    def _reached_from(self, function: SandesFunction) -> set[SandesFunction]:
        """Return the workers that run because of what the function sends."""
        reached: set[SandesFunction] = set()
        left = [function]
        while left:
            sender = left.pop()
            found = {self._workers[queue] for queue, senders in self._senders.items() if sender in senders} - reached
            reached |= found
            left += found
        return reached

    def _grant_stream(self, function: SandesFunction, table: schema.Table) -> None:
        """What Lambda does with the table's stream in the function's name."""
        arn = self.tables[table].table_stream_arn
        if arn is None:
            raise ValueError(f"{table.name} has no stream")
        for action in ("DescribeStream", "GetRecords", "GetShardIterator"):
            self._grant(function, (f"dynamodb:{action}",), arn)
        self._grant(function, ("dynamodb:ListStreams",), f"{self.tables[table].table_arn}/stream/*")

    def _grant_sms(self, function: SandesFunction) -> None:
        """SMS to phone numbers, which are no resources; to no topic."""
        function.function.add_to_role_policy(
            iam.PolicyStatement(actions=["sns:Publish"], not_resources=["arn:aws:sns:*:*:*"])
        )

    def _grant(self, function: SandesFunction, actions: tuple[str, ...], resource: str) -> None:
        function.function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=[resource]))
