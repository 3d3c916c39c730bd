"""Defines how functions, queues and secrets are declared. infra/functions.py contains the declarations.

Nothing here imports the CDK, so that tests and `make specs` read the declarations without a synthesis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandes.edge.settings import Settings
from sandes.store.schema import Table

TIMEOUT_SECONDS = 28
"""Timeout of a function, one second less than API Gateway waits
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
HTTP APIs wait for 30 seconds (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html),
websockets for 29.
"""

ONE_PROCESSOR_MB = 1769
"""Memory with which a function gets one whole processor
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""

Actions = tuple[str, ...]
"""Actions of one AWS service, without the name of the service."""


class SpecError(ValueError):
    """Reports a declaration that cannot be deployed. The text names the function and says what to add where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """Declares a work queue with its dead-letter queue (infra/work_queue.py).

    A function whose settings have the field `field`, which holds the queue's URL, may send to the queue. `work_seconds`
    is how long the work on an entry usually takes at most: a sixth of the time after which it is retried. If the oldest
    entry is older than `late_after_seconds`, an alarm is raised.
    """

    name: str
    field: str
    work_seconds: int
    late_after_seconds: int = 900
    tries: int = 8


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """Declares a secret. A function whose settings have the field may read the secret, and gets its ARN."""

    name: str
    field: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Declares how a function takes entries from a queue.

    `concurrency` is the largest number of parallel execution environments, so that a flood here leaves room for other
    work.
    """

    queue: QueueSpec
    batch: int
    concurrency: int
    window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Declares when a function is called. `rule` is the id of the rule in the template."""

    rule: str
    every: Literal["minute", "hour"]


@dataclass(frozen=True, slots=True)
class GuardedRows:
    """Declares partitions of the directory that only functions which name them may write.

    All others are denied by key.

    `but` lists attributes that may be written nevertheless.
    """

    keys: tuple[str, ...]
    actions: Actions
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """Declares a Lambda function: its code, its environment, its permissions, and its callers besides the
    APIs.

    - `name` is its id in the template. It logs under the name in lower case.
    - `folder` and `entry` name the function `entry` of `functions/<folder>/handler.py`.
    - `settings` is a class whose fields are the environment. A field for a secret lets the function read the secret,
      and a
      field for a queue lets it send to the queue. The address of sockets lets it post to sockets.
    - `tables` are the actions on each table, and `indexes` the tables whose indexes it may query.
    - `streams` are the tables whose changes it gets.
    - `uploads` are the actions on objects of the bucket of uploads, by prefix, and `heads` those on the bucket of
      heads.
    - `pool` are the actions on the pool of administrators, and `pool_federated` those that it needs with federation
      only.
    - `guarded` are the guarded rows of the directory that it may write, and `denied` those of them that it must not.
    """

    name: str
    folder: str
    entry: str = "handler"
    settings: type[Settings]
    memory_mb: int = 1024
    timeout_seconds: int = TIMEOUT_SECONDS
    tables: Mapping[Table, Actions] = field(default_factory=dict)
    indexes: tuple[Table, ...] = ()
    streams: tuple[Table, ...] = ()
    uploads: Mapping[str, Actions] = field(default_factory=dict)
    heads: Actions = ()
    pool: Actions = ()
    pool_federated: Actions = ()
    closes_sockets: bool = False
    sends_sms: bool = False
    sends_mail: bool = False
    measures_queues: bool = False
    guarded: tuple[GuardedRows, ...] = ()
    denied: tuple[GuardedRows, ...] = ()
    works: Work | None = None
    schedule: Schedule | None = None

    @property
    def logs_as(self) -> str:
        """Return the name of the function in logs, metrics and the shares of concurrency."""
        return self.name.lower()

    @property
    def fields(self) -> frozenset[str]:
        """Return the fields of the settings class."""
        return frozenset(self.settings.model_fields)


def joined(*grants: Mapping[Table, Actions]) -> dict[Table, Actions]:
    """Join grants on tables, each action once."""
    result: dict[Table, Actions] = {}
    for grant in grants:
        for table, actions in grant.items():
            result[table] = tuple(dict.fromkeys((*result.get(table, ()), *actions)))
    return result
