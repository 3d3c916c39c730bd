"""Makes records of DynamoDB's streams in the form in which Lambda passes them to functions."""

from __future__ import annotations

import base64
from typing import Any

from sandes.counting.adding_up import AddingDependencies, Owners
from sandes.store import schema
from sandes.store.apps import AppStore
from sandes.store.statistics import StatisticsStore
from tests.support.memory.dynamodb import Change, Dynamo

Record = dict[str, Any]

ARN = "arn:aws:dynamodb:us-east-1:123456789012"


class Streams:
    """Collects the changes that the streams of a database report, from now on."""

    def __init__(self, database: Dynamo) -> None:
        self._changes: list[Change] = []
        database.changed = self._changes.append

    def records(self, table: str) -> list[Record]:
        """Return all records of a table's stream, the oldest first."""
        return [record_of(change) for change in self._changes if change.table == table]


def record_of(change: Change) -> Record:
    """Make the record of a change that Lambda gives to a function, with the parts of rows that the table's stream
    keeps.
    """
    (table,) = (table for table in schema.TABLES if table.name == change.table)
    kind = "REMOVE" if change.new is None else "INSERT" if change.old is None else "MODIFY"
    told: dict[str, Any] = {"ApproximateCreationDateTime": change.at_ms / 1000, "Keys": change.keys}
    if table.stream == "NEW_IMAGE" and change.new is not None:
        told["NewImage"] = change.new
    record = {
        "eventName": kind,
        "dynamodb": _plain(told) | {"SequenceNumber": f"{change.number:021}", "StreamViewType": table.stream},
        "eventSourceARN": f"{ARN}:table/{change.table}/stream/2026-11-25T00:00:00.000",
    }
    by_time = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    return record | ({"userIdentity": by_time} if change.expired else {})


def _plain(value: Any) -> Any:
    """Write bytes in base64."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def adding_deps(client: Any, tables: dict[str, str]) -> AddingDependencies:
    """Return the dependencies of an execution environment of its own."""
    names = (schema.DIRECTORY, schema.CODES, schema.DELIVERIES, schema.STATISTICS)
    return AddingDependencies(
        tables={tables[table.name]: table.name for table in names},
        store=StatisticsStore(client, tables["statistics"]),
        owners=Owners(AppStore(client, tables["directory"])),
    )
