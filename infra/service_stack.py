"""The service, as a table of contents: tables, layers, secrets, functions, what each may do, APIs."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.config import Config
from infra.function import SandesFunction
from infra.http_api import HttpApi
from infra.layers import Layers
from infra.tables import Tables
from infra.websocket_api import WebSocketApi
from sandes.store import schema


class ServiceStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id, description=f"Sandes messaging backend, stage {config.stage}")
        self._config = config
        self._layers = Layers(self, "Layers", config=config)
        self.tables = Tables(self, "Tables", config=config)
        self.sender_secret = self._secret("SenderSecret", "Hides senders in envelope ids")
        self.pepper = self._secret("Pepper", "Keys of phone numbers and codes")
        self.websocket = WebSocketApi(self, "WebSocket", config=config)

        frames = {
            "INBOX_TABLE": self.tables[schema.INBOX].table_name,
            "ROUTING_TABLE": self.tables[schema.ROUTING].table_name,
            "DIRECTORY_TABLE": self.tables[schema.DIRECTORY].table_name,
            "LIMITS_TABLE": self.tables[schema.LIMITS].table_name,
            "SENDER_SECRET": self.sender_secret.secret_arn,
            "MAX_EXPIRY_SECONDS": str(config.max_expiry_seconds),
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
        }
        connections = {
            "ROUTING_TABLE": self.tables[schema.ROUTING].table_name,
            "DIRECTORY_TABLE": self.tables[schema.DIRECTORY].table_name,
            "TOKEN_AUDIENCE": config.token_audience,
        }
        self.authorizer = self._function("Authorizer", "connect", connections, entry="authorizer", memory_mb=512)
        self.disconnect = self._function("Disconnect", "connect", connections, entry="disconnect", memory_mb=512)
        self.send = self._function("Send", "send", frames)
        self.deliver = self._function("Deliver", "deliver", frames)
        self.client = self._function(
            "Client",
            "client",
            {
                "ROUTING_TABLE": self.tables[schema.ROUTING].table_name,
                "DIRECTORY_TABLE": self.tables[schema.DIRECTORY].table_name,
                "CODES_TABLE": self.tables[schema.CODES].table_name,
                "LIMITS_TABLE": self.tables[schema.LIMITS].table_name,
                "PEPPER_SECRET": self.pepper.secret_arn,
                "TOKEN_AUDIENCE": config.token_audience,
                "SMS_SENDER_ID": config.sms_sender_id,
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": self.websocket.callback_url,
            },
        )

        self._grant_tables(self.authorizer, {schema.DIRECTORY: ("Query",)})
        self._grant_tables(self.disconnect, {schema.ROUTING: ("UpdateItem",)})
        self._grant_tables(
            self.send,
            {
                schema.INBOX: ("PutItem",),
                schema.ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
                schema.DIRECTORY: ("BatchGetItem",),
                schema.LIMITS: ("BatchGetItem", "UpdateItem"),
            },
        )
        self._grant_tables(
            self.deliver,
            {
                schema.INBOX: ("Query", "PutItem", "DeleteItem", "BatchWriteItem"),
                schema.ROUTING: ("BatchGetItem", "GetItem", "UpdateItem"),
                schema.DIRECTORY: ("BatchGetItem",),
                schema.LIMITS: ("BatchGetItem", "UpdateItem"),
            },
        )
        self._grant_tables(
            self.client,
            {
                schema.DIRECTORY: ("Query", "GetItem", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
                schema.ROUTING: ("GetItem", "PutItem", "UpdateItem"),
                schema.CODES: ("GetItem", "PutItem", "UpdateItem"),
                schema.LIMITS: ("UpdateItem",),
            },
        )
        self._grant_connections(self.send, "POST")
        self._grant_connections(self.deliver, "POST", "DELETE")
        self._grant_connections(self.client, "POST", "DELETE")
        self._grant_secret(self.send, self.sender_secret)
        self._grant_secret(self.deliver, self.sender_secret)
        self._grant_secret(self.client, self.pepper)
        self.client.function.add_to_role_policy(  # SMS to phone numbers, which are no resources; no topic
            iam.PolicyStatement(actions=["sns:Publish"], not_resources=["arn:aws:sns:*:*:*"])
        )

        self.websocket.add_connection_routes(authorizer=self.authorizer.function, disconnect=self.disconnect.function)
        self.websocket.add_frame_routes(self.send.function, "send")
        self.websocket.add_frame_routes(self.deliver.function, "hello", "ack", "sync", "ping", "$default")
        self.http = HttpApi(self, "Http", config=config, client=self.client.function)

        CfnOutput(self, "WebSocketUrl", value=self.websocket.url)
        CfnOutput(self, "HttpUrl", value=self.http.url)
        CfnOutput(self, "TokenAudience", value=config.token_audience)
        for table in schema.TABLES:
            CfnOutput(self, f"{table.name.capitalize()}Table", value=self.tables[table].table_name)

    def _function(
        self, id: str, folder: str, environment: Mapping[str, str], *, entry: str = "handler", memory_mb: int = 1024
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

    def _grant(self, function: SandesFunction, actions: tuple[str, ...], resource: str) -> None:
        function.function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=[resource]))
