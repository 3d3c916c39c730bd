"""Puts the permissions of infra/permissions.py into the template: exactly the named actions, on exactly one
resource.

Only this module knows the ARNs of all resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs

from infra.config import Config
from infra.function import SandesFunction
from infra.function_spec import GuardedRows
from infra.heads import Heads
from infra.identity import Identity
from infra.permissions import Resource, denied, permissions
from infra.prefixes import HEADS
from infra.tables import Tables
from infra.uploads import Uploads
from infra.websocket_api import WebSocketApi
from sandes.store import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedResources:
    """Holds the resources that functions may use. `queues` and `dead` are by the names of queues."""

    tables: Tables
    secrets: Mapping[str, secretsmanager.Secret]
    queues: Mapping[str, sqs.Queue]
    dead: Mapping[str, sqs.Queue]
    uploads: Uploads
    heads: Heads
    websocket: WebSocketApi
    identity: Identity


class Grants:
    """Grants functions their declared permissions."""

    def __init__(self, stack: Stack, *, config: Config, resources: GrantedResources) -> None:
        self._stack, self._config, self._resources = stack, config, resources
        self._tables = {table.name: resources.tables[table] for table in schema.TABLES}

    def grant(self, function: SandesFunction) -> None:
        """Grant the function its permissions, and deny it all other guarded rows."""
        granted: dict[Resource, list[str]] = {}
        for permission in sorted(permissions(function.spec)):
            if not permission.only_with or getattr(self._config.settings, permission.only_with):
                granted.setdefault(permission.resource, []).append(permission.action)
        for resource, actions in granted.items():
            if self._config.local_port and resource.kind == "queue" and "sqs:SendMessage" in actions:
                actions.append("sqs:SendMessageBatch")  # the engine has a separate action for it
            self._allow(function, actions, resource)
        for rows in denied(function.spec):
            self._deny(function, rows)

    def _allow(self, function: SandesFunction, actions: list[str], resource: Resource) -> None:
        if resource.kind == "phone numbers":  # phone numbers are no resources, so this allows publishing to no topic
            statement = iam.PolicyStatement(actions=actions, not_resources=["arn:aws:sns:*:*:*"])
        else:
            statement = iam.PolicyStatement(actions=actions, resources=[self._arn(resource)])
        function.function.add_to_role_policy(statement)

    def _deny(self, function: SandesFunction, rows: GuardedRows) -> None:
        """Deny every write to a partition of these patterns, also in transactions."""
        conditions = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": list(rows.keys)}}
        if rows.but:
            conditions["ForAnyValue:StringNotEquals"] = {"dynamodb:Attributes": list(rows.but)}
        function.function.add_to_role_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=[f"dynamodb:{action}" for action in rows.actions],
                resources=[self._tables[schema.DIRECTORY.name].table_arn],
                conditions=conditions,
            )
        )

    def _arn(self, resource: Resource) -> str:  # noqa: PLR0912  # one line for each kind of resource
        name = resource.name
        match resource.kind:
            case "table":
                return self._tables[name].table_arn
            case "indexes of table":
                return f"{self._tables[name].table_arn}/index/*"
            case "streams of table":
                return f"{self._tables[name].table_arn}/stream/*"
            case "stream of table":
                return self._stream(name)
            case "secret":
                return self._secret(name)
            case "queue":
                return self._resources.queues[name].queue_arn
            case "dead-letter queue":
                return self._resources.dead[name].queue_arn
            case "objects":
                bucket = self._resources.heads.bucket if name.startswith(HEADS) else self._resources.uploads.bucket
                return bucket.arn_for_objects(name)
            case "bucket":
                return {"heads": self._resources.heads.bucket, "uploads": self._resources.uploads.bucket}[
                    name
                ].bucket_arn
            case "sockets":
                return self._resources.websocket.connections_arn(name)
            case "pool":
                return self._resources.identity.pool.user_pool_arn
            case "mail domain":
                return self._mail_domain()
            case _:
                raise ValueError(f"{resource} has no ARN")

    def _stream(self, table: str) -> str:
        arn = self._tables[table].table_stream_arn
        if arn is None:
            raise ValueError(f"the table {table} has no stream")
        return arn

    def _secret(self, name: str) -> str:
        arn = self._resources.secrets[name].secret_arn
        if self._config.local_port is None:
            return arn
        return self._stack.format_arn(  # on the engine, a template's reference to a secret is its name
            service="secretsmanager",
            resource="secret",
            resource_name=f"{arn}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _mail_domain(self) -> str:
        """Return the identity that SES has verified for the sender's domain (docs/runbook.md, "Administrators")."""
        if self._config.local_port:  # the engine checks no identity for SendEmail
            return "*"
        domain = str(self._config.settings.mail_from).rpartition("@")[2]
        return self._stack.format_arn(service="ses", resource="identity", resource_name=domain)
