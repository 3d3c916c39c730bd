"""Derives the permissions of each function from its declaration. docs/permissions.md lists the result.

Nothing here imports the CDK. infra/grants.py puts the permissions into the template; tests/infra/test_permissions.py
compares the template with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from infra.function_spec import Actions, FunctionSpec, GuardedRows, QueueSpec
from infra.functions import FUNCTIONS, GUARDED_ROWS, QUEUES, SECRETS
from infra.prefixes import HEADS
from sandes.store import schema

Kind = Literal[
    "table",
    "indexes of table",
    "stream of table",
    "streams of table",
    "queue",
    "dead-letter queue",
    "secret",
    "objects",
    "bucket",
    "sockets",
    "pool",
    "phone numbers",
    "mail domain",
]
SOCKETS = "aws_endpoint_url_apigatewaymanagementapi"
"""Field of a settings class that lets a function post to sockets."""

CHANGES = "Changes"
"""Name of the dead-letter queue for batches of streams that could not be counted."""

_WRITES = frozenset(("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"))
_STREAM_ACTIONS = ("DescribeStream", "GetRecords", "GetShardIterator")
_WORK_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """Names a resource of an action. `name` has no meaning for kinds with one resource only."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """Holds one action on one resource. Without the stage's setting `only_with`, it is not granted."""

    resource: Resource
    action: str
    only_with: str = ""

    def __str__(self) -> str:
        return f"{self.action} {self.resource}"


def permissions(spec: FunctionSpec) -> frozenset[Permission]:
    """Return all permissions of the function."""
    return frozenset(
        Permission(resource, f"{service}:{action}", only_with)
        for grants in (_rows(spec), _secrets(spec), _queues(spec), _objects(spec), _others(spec))
        for service, actions, resource, only_with in grants
        for action in actions
    )


_Grants = Iterator[tuple[str, Actions, Resource, str]]
"""Service, actions, resource, and the setting of the stage that the grant needs."""


def _rows(spec: FunctionSpec) -> _Grants:
    for table, actions in spec.tables.items():
        yield "dynamodb", actions, Resource("table", table.name), ""
    for table in spec.indexes:
        yield "dynamodb", ("Query",), Resource("indexes of table", table.name), ""
    for table in spec.streams:
        yield "dynamodb", _STREAM_ACTIONS, Resource("stream of table", table.name), ""
        yield "dynamodb", ("ListStreams",), Resource("streams of table", table.name), ""
        yield "sqs", ("SendMessage",), Resource("dead-letter queue", CHANGES), ""


def _secrets(spec: FunctionSpec) -> _Grants:
    for secret in SECRETS:
        if secret.field in spec.fields:
            yield "secretsmanager", ("GetSecretValue",), Resource("secret", secret.name), ""


def _queues(spec: FunctionSpec) -> _Grants:
    for queue in QUEUES:
        if queue.field in spec.fields:
            yield "sqs", ("SendMessage",), Resource("queue", queue.name), ""
        if spec.works and spec.works.queue is queue:
            yield "sqs", _WORK_ACTIONS, Resource("queue", queue.name), ""
        if spec.measures_queues:
            yield "sqs", ("GetQueueAttributes",), Resource("queue", queue.name), ""
            yield "sqs", ("GetQueueAttributes",), Resource("dead-letter queue", queue.name), ""


def _objects(spec: FunctionSpec) -> _Grants:
    """Yield the permissions on objects.

    Reading includes listing the bucket: otherwise S3 says `forbidden` for a missing object.
    """
    for bucket, objects in (("uploads", spec.uploads), ("heads", {HEADS: spec.heads} if spec.heads else {})):
        for prefix, actions in objects.items():
            yield "s3", actions, Resource("objects", f"{prefix}*"), ""
            if "GetObject" in actions:
                yield "s3", ("ListBucket",), Resource("bucket", bucket), ""


def _others(spec: FunctionSpec) -> _Grants:
    if SOCKETS in spec.fields:
        yield "execute-api", ("ManageConnections",), Resource("sockets", "POST"), ""
    if spec.closes_sockets:
        yield "execute-api", ("ManageConnections",), Resource("sockets", "DELETE"), ""
    yield "cognito-idp", spec.pool, Resource("pool", "administrators"), ""
    yield "cognito-idp", spec.pool_federated, Resource("pool", "administrators"), "federation"
    if spec.sends_sms:
        yield "sns", ("Publish",), Resource("phone numbers"), ""
    if spec.sends_mail:
        yield "ses", ("SendEmail",), Resource("mail domain"), "mail_from"


def denied(spec: FunctionSpec) -> tuple[GuardedRows, ...]:
    """Return the rows that the function must not write although it may write to the directory."""
    if not _WRITES.intersection(spec.tables.get(schema.DIRECTORY, ())):
        return ()
    return (*(rows for rows in GUARDED_ROWS if rows not in spec.guarded), *spec.denied)


def recursive() -> frozenset[str]:
    """Return the names of the workers whose work may come back to them, directly or by way of other workers."""
    workers = {spec.works.queue: spec for spec in FUNCTIONS if spec.works}
    return frozenset(spec.name for spec in workers.values() if spec in _reached_from(spec, workers))


def _reached_from(spec: FunctionSpec, workers: dict[QueueSpec, FunctionSpec]) -> list[FunctionSpec]:
    """Return the workers that run because of what the function sends."""
    reached: list[FunctionSpec] = []
    left = [spec]
    while left:
        fields = left.pop().fields
        found = [one for queue, one in workers.items() if queue.field in fields and one not in reached]
        reached += found
        left += found
    return reached
