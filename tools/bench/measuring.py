"""Provides what the measurements in process share: repeating calls alone, medians, sizes of rows."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from sandes.edge import clients

_SERVICES = ("dynamodb", "apigatewaymanagementapi", "sqs")


def watched(run: Callable[[], object]) -> list[tuple[Any, dict[str, Any]]]:
    """Return the AWS calls that `run` makes, with their parameters, for repeating them alone."""
    made: list[tuple[Any, dict[str, Any]]] = []
    watchers = []
    for client in (clients.client_of(service) for service in _SERVICES):

        def seen(params: dict[str, Any], model: Any, client: Any = client, **_: object) -> None:
            made.append((getattr(client, _method(client, model.name)), dict(params)))

        client.meta.events.register("provide-client-params", seen)
        watchers.append((client, seen))
    run()
    for client, seen in watchers:
        client.meta.events.unregister("provide-client-params", seen)
    return made


def _method(client: Any, operation: str) -> str:
    return next(str(name) for name, of in client.meta.method_to_api_mapping.items() if of == operation)


def summary(nanoseconds: Sequence[int]) -> dict[str, float]:
    ordered = sorted(value / 1e6 for value in nanoseconds)
    return {"median": round(statistics.median(ordered), 4), "p99": round(ordered[int(len(ordered) * 0.99)], 4)}


def item_bytes(item: dict[str, Any]) -> int:
    """Return the size of an item: names and text in UTF-8, bytes as they are, a number one byte for every two digits
    and one more, lists and maps three bytes and one for each of their entries.
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return len(base64.b64decode(value)) if isinstance(value, str) else len(value)
        case "S":
            return len(value.encode())
        case "N":
            return (len(value.strip("0")) + 1) // 2 + 1
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_bytes(entry) for entry in value)
        case "M":
            return 3 + len(value) + item_bytes(value)
        case _:
            raise ValueError(f"no attribute has the type {kind}")
