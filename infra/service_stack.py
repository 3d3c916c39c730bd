"""Builds the stack, as a table of contents. infra/functions.py declares the functions, queues and secrets."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.change_streams import ChangeStreams
from infra.config import Config
from infra.environment import environment, of_the_stage
from infra.function import SandesFunction
from infra.function_spec import FunctionSpec, SecretSpec
from infra.functions import FUNCTIONS, QUEUES, SECRETS
from infra.grants import GrantedResources, Grants
from infra.heads import Heads
from infra.http_api import HttpApi
from infra.identity import PROVIDER, Identity
from infra.layers import Layers
from infra.monitoring import Monitoring, Watched
from infra.permissions import CHANGES, SOCKETS, recursive
from infra.stages import SETTINGS
from infra.tables import Tables
from infra.uploads import Uploads
from infra.websocket_api import WebSocketApi
from infra.work_queue import WorkQueue
from sandes.store import schema
from sandes.store.changes import FILTERS

TOKENS = "AdministratorTokens"
"""Function that the pool of administrators calls. It is built before the pool, all others after it."""

FRAMES = {"Send": ("send",), "Deliver": ("hello", "ack", "sync", "fetch", "ping", "$default")}
"""Frames of each function that answers frames."""


class ServiceStack(Stack):
    """Holds the whole service. `functions` has every function by its name."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id, description=f"Sandes messaging backend, stage {config.stage}")
        self.template_options.metadata = {SETTINGS: config.settings.model_dump(mode="json")}
        self._config = config
        self._resources()
        self._functions()
        self._queues()
        self._streams()
        self._apis()
        self._monitoring()
        self._outputs()

    def _resources(self) -> None:
        """Create the resources that functions use: tables, secrets, sockets, buckets, queues."""
        self.layers = Layers(self, "Layers", config=self._config)
        self.tables = Tables(self, "Tables", config=self._config)
        self.secrets = {secret.name: self._secret(secret) for secret in SECRETS}
        self.websocket = WebSocketApi(self, "WebSocket", config=self._config)
        self.uploads = Uploads(self, "Uploads", config=self._config)
        self.heads = Heads(self, "Heads", config=self._config)
        self.queues = {queue.name: WorkQueue(self, queue, config=self._config) for queue in QUEUES}
        self.changes = ChangeStreams(self, CHANGES, config=self._config)

    def _secret(self, spec: SecretSpec) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            self,
            spec.name,
            description=spec.description,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=self._config.removal_policy,
        )

    def _functions(self) -> None:
        """Build every function with its environment, and grant it its declared permissions."""
        specs = {spec.name: spec for spec in FUNCTIONS}
        provided = of_the_stage(self._config)
        tokens = self._function(specs.pop(TOKENS), provided)
        self.identity = Identity(self, "Identity", config=self._config, tokens=tokens.function)
        provided |= self._provided()
        built = {TOKENS: tokens} | {name: self._function(spec, provided) for name, spec in specs.items()}
        self.functions = {spec.name: built[spec.name] for spec in FUNCTIONS}
        resources = GrantedResources(
            tables=self.tables,
            secrets=self.secrets,
            queues={name: queue.queue for name, queue in self.queues.items()},
            dead={name: queue.dead for name, queue in self.queues.items()} | {CHANGES: self.changes.dead},
            uploads=self.uploads,
            heads=self.heads,
            websocket=self.websocket,
            identity=self.identity,
        )
        grants = Grants(self, config=self._config, resources=resources)
        for function in self.functions.values():
            grants.grant(function)

    def _function(self, spec: FunctionSpec, provided: dict[str, str]) -> SandesFunction:
        values = environment(spec, provided)
        return SandesFunction(self, spec, config=self._config, layers=self.layers, environment=values)

    def _provided(self) -> dict[str, str]:
        """Return the values from resources of this stack, by the fields of settings classes."""
        addresses = {name.lower(): [queue.url, queue.dead.queue_url] for name, queue in self.queues.items()}
        return (
            {f"{table.name}_table": self.tables[table].table_name for table in schema.TABLES}
            | {secret.field: self.secrets[secret.name].secret_arn for secret in SECRETS}
            | {queue.field: self.queues[queue.name].url for queue in QUEUES}
            | {
                "uploads_bucket": self.uploads.bucket.bucket_name,
                "heads_bucket": self.heads.bucket.bucket_name,
                "administrator_pool": self.identity.pool.user_pool_id,
                "federation_provider": PROVIDER if self._config.settings.federation else "",
                "queues": self.to_json_string(addresses),
                SOCKETS: self.websocket.callback_url,
            }
        )

    def _queues(self) -> None:
        """Pass the entries of queues to functions, and allow recursion for functions whose work may come
        back to them.

        Lambda would otherwise stop a chain of entries after about 16 invocations
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html). Chains have their own limits
        (sandes/edge/queues/chains.py).
        """
        self.workers = [function for function in self.functions.values() if function.spec.works]
        for function in self.workers:
            if work := function.spec.works:
                reserved = self._config.settings.reserved(function.spec.logs_as)
                self.queues[work.queue.name].work_off(function.function, work, reserved=reserved)
            if function.spec.name in recursive():
                function.allow_recursion()

    def _streams(self) -> None:
        for function in self.functions.values():
            for table in function.spec.streams:
                self.changes.hand_over(
                    table.name.capitalize(), self.tables[table], function.function, FILTERS[table.name]
                )

    def _apis(self) -> None:
        self.websocket.add_connection_routes(
            authorizer=self._lambda("Authorizer"), disconnect=self._lambda("Disconnect")
        )
        for name, frames in FRAMES.items():
            self.websocket.add_frame_routes(self._lambda(name), *frames)
        self.http = HttpApi(
            self,
            "Http",
            config=self._config,
            functions=self.functions,
            identity=self.identity,
        )

    def _lambda(self, name: str) -> lambda_.Function:
        return self.functions[name].function

    def _monitoring(self) -> None:
        """Watch every function, queue and table."""
        settings = self._config.settings
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            config=self._config,
            watched=Watched(
                functions=list(self.functions.values()),
                queues=list(self.queues.values()),
                dead={CHANGES: self.changes.dead},
                tables=self.tables,
                http=self.http.api,
                websocket=self.websocket,
                counting=self.functions["Statistics"],
                frames=[self.functions[name] for name in FRAMES],
                workers=self.workers,
                rare=[
                    one for one in self.functions.values() if one.spec.schedule and one.spec.schedule.every == "hour"
                ],
                sms={
                    "Registrations": (self.functions["Client"], settings.sms_registrations_hour),
                    "Otps": (self.functions["OtpSms"], settings.sms_otps_hour),
                },
            ),
        )

    def _outputs(self) -> None:
        CfnOutput(self, "WebSocketUrl", value=self.websocket.url)
        CfnOutput(self, "HttpUrl", value=self.http.url)
        CfnOutput(self, "OperatorFunction", value=self._lambda("Operator").function_name)
        CfnOutput(self, "RekeyFunction", value=self._lambda("Rekey").function_name)
        CfnOutput(self, "AlarmTopic", value=self.monitoring.topic.topic_arn)
        CfnOutput(self, "TokenAudience", value=self._config.token_audience)
        CfnOutput(self, "AdministratorPool", value=self.identity.pool.user_pool_id)
        CfnOutput(self, "AdministratorClient", value=self.identity.client.user_pool_client_id)
        CfnOutput(self, "HeadsBucket", value=self.heads.bucket.bucket_name)
        CfnOutput(self, "AuditHeadsFunction", value=self._lambda("AuditHeads").function_name)
        CfnOutput(self, "CognitoUrl", value=self.identity.url)
        for table in schema.TABLES:
            CfnOutput(self, f"{table.name.capitalize()}Table", value=self.tables[table].table_name)
