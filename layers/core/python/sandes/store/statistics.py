"""The statistics table: counts by scope and period, added up from the streams of other tables, each batch once.

It needs no Scan: a report is one query of one scope.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandes.model.ids import OrganisationId, id_text
from sandes.model.statistics import KEEP_SECONDS, Batch, Counted, Depth, Step, period
from sandes.store.dynamo import Client, ConditionFailed, StoreUnavailable
from sandes.store.queries import Query, query_rows
from sandes.store.schema import StatisticRow as Row
from sandes.store.transaction import Put, Update, transact, write_if

TALLY_PREFIX = "T#"
TALLY_KEEP_SECONDS = 2 * 86_400
MARK_KEEP_SECONDS = 2 * 86_400
"""How long marks are kept. A stream keeps its records for 24 hours."""

QUEUES = "queues"
QUEUES_KEEP_SECONDS = 3600

ROWS_AT_ONCE = 99
"""The rows of one transaction, which has at most a hundred operations. One of them is the mark."""

_ONLY = "0"
_STEPS: tuple[Step, ...] = ("hour", "day")


def new_tally_name() -> str:
    return secrets.token_hex(8)


def _key(scope: str, period: str) -> dict[str, Any]:
    return {Row.SCOPE: {"S": scope}, Row.PERIOD: {"S": period}}


@dataclass(frozen=True, slots=True)
class StatisticsStore:
    client: Client
    table: str

    def add_once(self, batch: Batch, counts: Mapping[Counted, int], *, now_seconds: int) -> bool:
        """Add counts to hours and days, unless this batch was added before. Return whether it was added now.

        The rows are added in order, 99 in each transaction with a mark of its own, so that an interrupted batch
        continues. Raises StoreUnavailable.
        """
        rows: dict[tuple[str, str], Counter[str]] = {}
        for counted, times in counts.items():
            for step in _STEPS:
                row = rows.setdefault((counted.scope, period(step, counted.hour)), Counter())
                row[counted.counter] += times
        ordered, added = sorted(rows), False
        for part, start in enumerate(range(0, len(ordered), ROWS_AT_ONCE)):
            adding = [self._adding(key, rows[key], now_seconds) for key in ordered[start : start + ROWS_AT_ONCE]]
            try:
                transact(self.client, [self._mark(batch, part, now_seconds), *adding])
            except ConditionFailed:
                continue
            added = True
        return added

    def _adding(self, key: tuple[str, str], counts: Mapping[str, int], now_seconds: int) -> Update:
        names = {f"#n{number}": f"{Row.COUNT}{counter}" for number, counter in enumerate(sorted(counts))}
        return Update(
            self.table,
            _key(*key),
            f"SET {Row.EXPIRES_AT} = :until ADD "
            + ", ".join(f"#n{number} :n{number}" for number in range(len(counts))),
            names=names,
            values={":until": {"N": str(now_seconds + KEEP_SECONDS)}}
            | {f":n{number}": {"N": str(counts[counter])} for number, counter in enumerate(sorted(counts))},
        )

    def _mark(self, batch: Batch, part: int, now_seconds: int) -> Put:
        item = _key(f"M#{batch.table}#{batch.first}", f"{batch.last}#{part}")
        return Put(
            self.table,
            item | {Row.EXPIRES_AT: {"N": str(now_seconds + MARK_KEEP_SECONDS)}},
            condition=f"attribute_not_exists({Row.SCOPE})",
        )

    def read(self, scope: str, first: str, last: str) -> dict[str, dict[str, int]]:
        """Return the counts by period from `first` to `last`, both included. Periods without counts are left out."""
        condition = f"{Row.SCOPE} = :scope AND {Row.PERIOD} BETWEEN :first AND :last"
        query = Query(self.table, condition, {":scope": {"S": scope}, ":first": {"S": first}, ":last": {"S": last}})
        return {
            item[Row.PERIOD]["S"]: {
                name.removeprefix(Row.COUNT): int(value["N"])
                for name, value in item.items()
                if name.startswith(Row.COUNT)
            }
            for item in query_rows(self.client, query)
        }

    # Counts that functions have made themselves, to be added up from the stream

    def put_tally(
        self,
        counts: Mapping[tuple[OrganisationId | None, int, str], int],
        *,
        now_seconds: int,
        name: str | None = None,
    ) -> None:
        """Write counts by organisation, hour since the epoch and counter as one row.

        A repetition after StoreUnavailable uses the same `name`, so that a write that had taken effect counts once.
        """
        entries = [
            [id_text(organisation) if organisation else None, hour, counter, times]
            for (organisation, hour, counter), times in counts.items()
        ]
        item = _key(f"{TALLY_PREFIX}{name or new_tally_name()}", _ONLY) | {
            Row.TALLY: {"S": json.dumps(entries, separators=(",", ":"))},
            Row.EXPIRES_AT: {"N": str(now_seconds + TALLY_KEEP_SECONDS)},
        }
        try:
            absent = f"attribute_not_exists({Row.SCOPE})"  # it fails after an attempt whose answer was lost
            write_if(self.client, None, [Put(self.table, item, condition=absent)])
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable from error

    # Lengths of the queues

    def put_depths(self, depths: Sequence[Depth], *, now_ms: int) -> None:
        """Replace the lengths of the queues."""
        numbers = {
            f"{Row.COUNT}{depth.queue}": {"L": [{"N": str(depth.waiting)}, {"N": str(depth.failed)}]}
            for depth in depths
        }
        self.client.put_item(
            TableName=self.table,
            Item=_key(QUEUES, _ONLY)
            | {
                Row.AT_MS: {"N": str(now_ms)},
                Row.EXPIRES_AT: {"N": str(now_ms // 1000 + QUEUES_KEEP_SECONDS)},
                **numbers,
            },
        )

    def depths(self, *, now_seconds: int) -> tuple[list[Depth], int | None]:
        """Return the lengths by name, and when they were measured, in epoch milliseconds; None after an hour."""
        item = self.client.get_item(TableName=self.table, Key=_key(QUEUES, _ONLY)).get("Item")
        if item is None or int(item[Row.EXPIRES_AT]["N"]) <= now_seconds:
            return [], None
        depths = [
            Depth(name.removeprefix(Row.COUNT), *(int(number["N"]) for number in value["L"]))
            for name, value in item.items()
            if name.startswith(Row.COUNT)
        ]
        return sorted(depths, key=lambda depth: depth.queue), int(item[Row.AT_MS]["N"])
