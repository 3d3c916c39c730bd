"""How a function, a queue and a secret are declared. infra/functions.py contains the declarations.

Nothing here imports the CDK, so that tests and `make specs` read the declarations without a synthesis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandes.edge.settings import Settings
from sandes.store.schema import Table

TIMEOUT_SECONDS = 28
"""One less than API Gateway waits for a function
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html).
HTTP APIs wait for 30 seconds (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html),
websockets for 29."""

ONE_PROCESSOR_MB = 1769
"""The memory with which a function gets one whole processor
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""

Actions = tuple[str, ...]
"""Actions of one AWS service, without the name of the service."""


class SpecError(ValueError):
    """A declaration cannot be deployed. The text names the function and says what to add where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """A work queue with its dead-letter queue (infra/work_queue.py).

    `field`: the field of a settings class that holds the queue's URL. A function with this field may send to the queue.
    `work_seconds`: how long an entry usually takes at most. A sixth of the time after which it is tried again.
    `late_after_seconds`: the age of the oldest entry at which an alarm is raised.
    """

    name: str
    field: str
    work_seconds: int
    late_after_seconds: int = 900
    tries: int = 8


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret. A function whose settings have the field may read the secret, and gets its ARN."""

    name: str
    field: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How a function takes entries from a queue.

    `concurrency`: the most execution environments at a time, so that a flood here leaves room for everything else.
    """

    queue: QueueSpec
    batch: int
    concurrency: int
    window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a function is called. `rule` is the id of the rule in the template."""

    rule: str
    every: Literal["minute", "hour"]


@dataclass(frozen=True, slots=True)
class GuardedRows:
    """Partitions of the directory that only functions which name them may write. All others are denied by key.

    `but`: attributes that may be written all the same.
    """

    keys: tuple[str, ...]
    actions: Actions
    but: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """One Lambda function: its code, its environment, what it may do, and what calls it besides the APIs.

    `name`: its id in the template; it logs under the name in lower case. `folder` and `entry`: the function `entry` of
    `functions/<folder>/handler.py`. `settings`: its fields are the environment. A field for a secret lets the function
    read the secret; a field for a queue lets it send to the queue; the address of sockets lets it post to sockets.
    `tables`: the actions on each table. `indexes`: tables whose indexes it may query. `streams`: tables whose changes
    it gets. `uploads`: the actions on objects of the bucket of uploads, by prefix. `heads`: the actions on objects of
    the bucket of heads. `pool`: the actions on the pool of administrators; `pool_federated`: those it needs with
    federation only. `guarded`: the guarded rows of the directory that it may write. `denied`: what of them it must not.
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
        """The name of the function in logs, metrics and the shares of concurrency."""
        return self.name.lower()

    @property
    def fields(self) -> frozenset[str]:
        """The fields of the settings class."""
        return frozenset(self.settings.model_fields)


def joined(*grants: Mapping[Table, Actions]) -> dict[Table, Actions]:
    """Join grants on tables, each action once."""
    result: dict[Table, Actions] = {}
    for grant in grants:
        for table, actions in grant.items():
            result[table] = tuple(dict.fromkeys((*result.get(table, ()), *actions)))
    return result
