"""Records of DynamoDB's streams in the form in which Lambda hands them to functions, from moto's tables."""

from __future__ import annotations

import base64
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from sandes.counting.adding_up import AddingDependencies, Owners
from sandes.store import schema
from sandes.store.apps import AppStore
from sandes.store.statistics import StatisticsStore

Record = dict[str, Any]

REGION = "us-east-1"


def stream_records(table: str) -> list[Record]:
    """Everything that the stream of a table in moto holds, the oldest first."""
    shard = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[table].stream_shard
    assert shard is not None
    arn = f"arn:aws:dynamodb:{REGION}:{DEFAULT_ACCOUNT_ID}:table/{table}/stream/2026-11-25T00:00:00.000"
    found = []
    for item in shard.items:
        record = item.to_json()
        at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
        change = record["dynamodb"] | {"ApproximateCreationDateTime": at}
        found.append({**record, "dynamodb": _plain(change), "eventSourceARN": arn})
    return found


def _plain(value: Any) -> Any:
    """Bytes in base64."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def adding_deps(client: Any, tables: dict[str, str]) -> AddingDependencies:
    """A function environment of its own."""
    names = (schema.DIRECTORY, schema.CODES, schema.DELIVERIES, schema.STATISTICS)
    return AddingDependencies(
        tables={tables[table.name]: table.name for table in names},
        store=StatisticsStore(client, tables["statistics"]),
        owners=Owners(AppStore(client, tables["directory"])),
    )
