"""Runs the worker of a queue in this process, instead of the one that is deployed on an engine."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from sandes import runtime
from sandes.edge import clients
from tools.engine import REGION, STACK, Engine


def take_over(engine: Engine, function: str) -> None:
    """Disable the deployed function, given by its name in the stack, and take over its environment."""
    functions = engine.client("lambda")
    name = next(
        one["FunctionName"]
        for one in functions.list_functions()["Functions"]
        if one["FunctionName"].startswith(f"{STACK}-{function}")
    )
    (source,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    runtime.forget()  # clients of another engine
    os.environ |= functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] | {
        "AWS_ENDPOINT_URL": engine.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def counted_calls(objects: Any) -> Counter[str]:
    """Return a counter of the worker's calls by operation, from now on.

    `objects` is its bucket, with its own client.
    """
    calls: Counter[str] = Counter()

    def count(event_name: str, **_: object) -> None:
        calls[event_name.rpartition(".")[2]] += 1

    for client in (clients.client_of("dynamodb"), clients.client_of("sqs"), objects.client):
        client.meta.events.register("before-send", count)
    return calls
