"""The worker of a queue in this process, in the place of the one that is deployed on an engine."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from sandes import runtime
from sandes.edge import clients
from tools.engine import REGION, STACK, Engine


def take_over(engine: Engine, function: str) -> None:
    """Put the deployed function to rest, of the name given in the stack, and be what its environment says."""
    functions = engine.client("lambda")
    name = next(
        one["FunctionName"]
        for one in functions.list_functions()["Functions"]
        if one["FunctionName"].startswith(f"{STACK}-{function}")
    )
    (source,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    runtime.forget()  # those of another engine
    os.environ |= functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] | {
        "AWS_ENDPOINT_URL": engine.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def counted_calls(objects: Any) -> Counter[str]:
    """The calls of the worker from now on, by operation. `objects`: its bucket, which has a client of its own."""
    calls: Counter[str] = Counter()

    def count(event_name: str, **_: object) -> None:
        calls[event_name.rpartition(".")[2]] += 1

    for client in (clients.client_of("dynamodb"), clients.client_of("sqs"), objects.client):
        client.meta.events.register("before-send", count)
    return calls
