"""Emulates DynamoDB in memory: rows, conditions, transactions, pages, stale reads, time to live and
streams.

The contract suites of the stores (tests/integration/test_store_contract_*.py) hold this database to the same rules as
moto and the local engine. Limits and errors are those of the AWS documentation (Amazon DynamoDB Developer Guide,
"Quotas").
"""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from sandes.store import schema
from tests.support.memory.expressions import (
    Bound,
    Evaluate,
    Invalid,
    condition,
    copied,
    key_of,
    number,
    projected,
    updated,
)

Arguments = Mapping[str, Any]
Item = dict[str, Any]
RowKey = tuple[Any, Any]

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
TRANSACTION_OPERATIONS = 100
BATCH_GET_KEYS = 100
BATCH_WRITE_REQUESTS = 25
HISTORY_MS = 10_000
"""The time for which a read that is not consistent may return an outdated version of a row."""
TOKEN_MS = 600_000
"""The time for which a transaction with the same token is not carried out again."""


class Refused(Exception):
    """Reports an error of DynamoDB: its code, its message, and the other fields of the answer."""

    def __init__(self, code: str, message: str = "", **beside: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.beside = code, message, beside


@dataclass(slots=True)
class Row:
    """Holds the versions of one row, the newest last. None stands for a missing row."""

    versions: list[tuple[int, Item | None]] = field(default_factory=list)

    @property
    def item(self) -> Item | None:
        return self.versions[-1][1]

    def as_of(self, at_ms: int | None) -> Item | None:
        """Return the row as it was at a time, or as it is for None."""
        if at_ms is None:
            return self.item
        for since_ms, item in reversed(self.versions):
            if since_ms <= at_ms:
                return item
        return None

    def put(self, item: Item | None, now_ms: int) -> None:
        first = max((n for n, (since_ms, _) in enumerate(self.versions) if since_ms <= now_ms - HISTORY_MS), default=0)
        self.versions = [*self.versions[first:], (now_ms, item)]

    def is_gone(self, now_ms: int) -> bool:
        """Return whether the row was deleted so long ago that no read can find it."""
        since_ms, item = self.versions[-1]
        return item is None and since_ms <= now_ms - HISTORY_MS


@dataclass(frozen=True, slots=True)
class Change:
    """Holds one change of a row, as a stream reports it."""

    table: str
    keys: Item
    old: Item | None
    new: Item | None
    at_ms: int
    number: int
    expired: bool = False


class TableRows:
    """Holds the rows of one table, in partitions ordered by sort key."""

    def __init__(self, table: schema.Table) -> None:
        self.schema = table
        self.partitions: dict[Any, dict[Any, Row]] = {}
        self._order: dict[Any, list[Any]] = {}
        self._indexed: dict[str, dict[Any, set[RowKey]]] = {index.name: {} for index in table.indexes}
        self.indexes = {index.name: index for index in table.indexes}

    def key(self, item: Mapping[str, Any]) -> RowKey:
        """Read the key of an item. Raise Refused if a part is missing, empty or of the wrong type."""
        parts = [self.schema.partition, *([self.schema.sort] if self.schema.sort else [])]
        found = []
        for part in parts:
            value = item.get(part.name)
            if value is None or part.type not in value:
                raise Refused("ValidationException", f"{self.schema.name}: the key attribute {part.name} is missing")
            held = key_of(value)
            if held == b"":
                raise Refused("ValidationException", f"the key attribute {part.name} is empty")
            found.append(held)
        return found[0], found[1] if len(found) > 1 else None

    def key_names(self) -> list[str]:
        return [self.schema.partition.name, *([self.schema.sort.name] if self.schema.sort else [])]

    def row(self, key: RowKey) -> Row | None:
        return self.partitions.get(key[0], {}).get(key[1])

    def current(self, key: RowKey) -> Item | None:
        row = self.row(key)
        return row.item if row else None

    def write(self, key: RowKey, item: Item | None, now_ms: int) -> None:
        partition = self.partitions.setdefault(key[0], {})
        row = partition.get(key[1])
        if row is None:
            if item is None:
                return
            row = partition[key[1]] = Row()
            bisect.insort(self._order.setdefault(key[0], []), _Ordered(key[1]))
        row.put(item, now_ms)
        if item is not None:
            for name, index in self.indexes.items():
                if index.partition.name in item and index.sort.name in item:
                    self._indexed[name].setdefault(key_of(item[index.partition.name]), set()).add(key)

    def sorts(self, partition: Any, now_ms: int, low: Any = None, high: Any = None) -> list[Any]:
        """List the sort keys of a partition in order, and forget the rows that are gone.

        `low` and `high` are keys before and after which no row is asked for.
        """
        held, ordered = self.partitions.get(partition, {}), self._order.get(partition, [])
        first = 0 if low is None else bisect.bisect_left(ordered, _Ordered(low))
        last = len(ordered) if high is None else bisect.bisect_right(ordered, _Ordered(high))
        found = [one.key for one in ordered[first:last]]
        if gone := {sort for sort in found if held[sort].is_gone(now_ms)}:
            for sort in gone:
                del held[sort]
            ordered[first:last] = [one for one in ordered[first:last] if one.key not in gone]
            return [sort for sort in found if sort not in gone]
        return found

    def of_index(self, name: str, partition: Any, at_ms: int | None) -> list[tuple[Any, RowKey, Item]]:
        """List the rows of one partition of an index, as they were at a time, with their sort keys and keys."""
        index, found = self.indexes[name], []
        candidates = self._indexed[name].get(partition, set())
        for key in list(candidates):
            row = self.row(key)
            item = row.as_of(at_ms) if row else None
            if _is_in(item, index, partition):
                assert item is not None
                found.append((key_of(item[index.sort.name]), key, item))
            elif row is None or not any(_is_in(version, index, partition) for _, version in row.versions):
                candidates.discard(key)
        return sorted(found, key=lambda one: (one[0], _Ordered(one[1][0]), _Ordered(one[1][1])))

    def all_keys(self) -> list[RowKey]:
        return [(partition, one.key) for partition, ordered in self._order.items() for one in ordered]

    def items(self) -> list[Item]:
        """List every row that is there."""
        return [item for key in self.all_keys() if (item := self.current(key)) is not None]


@dataclass(frozen=True, slots=True, order=False)
class _Ordered:
    key: Any

    def __lt__(self, other: _Ordered) -> bool:
        return bool(self.key is not None and self.key < other.key)


def _is_in(item: Item | None, index: schema.Index, partition: Any) -> bool:
    return (
        item is not None
        and index.partition.name in item
        and index.sort.name in item
        and key_of(item[index.partition.name]) == partition
    )


class Dynamo:
    """Carries out calls, each at one moment. `now_ms` is the database's own clock.

    `changed` is called with each change, for streams.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        tables: Iterable[schema.Table] = schema.TABLES,
        changed: Callable[[Change], None] = lambda _: None,
    ) -> None:
        self.tables = {table.name: TableRows(table) for table in tables}
        self._now_ms = now_ms
        self.changed = changed
        self._changes = 0
        self._tokens: dict[str, int] = {}
        self._one_call = threading.Lock()

    def perform(self, operation: str, arguments: Arguments, *, stale_ms: int = 0, most: int | None = None) -> Item:
        """Carry out a call and return its answer. Raise Refused.

        Reads that do not ask for consistency are `stale_ms` behind. Only the first `most` keys or requests of a batch
        are processed, and the others are left over.
        """
        with self._one_call:
            try:
                return self._perform(operation, arguments, stale_ms, most)
            except Invalid as error:
                raise Refused("ValidationException", str(error)) from error

    def _perform(self, operation: str, arguments: Arguments, stale_ms: int, most: int | None) -> Item:
        match operation:
            case "GetItem":
                return self._get(arguments, stale_ms)
            case "Query":
                return self._query(arguments, stale_ms)
            case "Scan":
                return self._scan(arguments, stale_ms)
            case "BatchGetItem":
                return self._batch_get(arguments, stale_ms, most)
            case "BatchWriteItem":
                return self._batch_write(arguments, most)
            case "TransactWriteItems":
                return self._transact(arguments)
            case "PutItem" | "UpdateItem" | "DeleteItem":
                return self._write_one(operation.removesuffix("Item"), arguments)
        raise Refused("UnknownOperationException", operation)

    def partition(self, table: str, value: Mapping[str, Any]) -> dict[Any, Item]:
        """Return the rows of a partition by sort key. `value` is the attribute value of the partition key."""
        rows = self.tables[table].partitions.get(key_of(value), {})
        return {sort: row.item for sort, row in rows.items() if row.item is not None}

    def put_back(self, table: str, value: Mapping[str, Any], rows: Mapping[Any, Item]) -> None:
        """Make a partition what `partition` returned earlier."""
        held, partition = self.tables[table], key_of(value)
        for sort in self.partition(table, value).keys() - rows.keys():
            held.write((partition, sort), None, self._now_ms())
        for sort, item in rows.items():
            held.write((partition, sort), item, self._now_ms())

    def reap(self, table: str, key: RowKey) -> None:
        """Delete a row by time to live."""
        self._apply(self.tables[table], key, None, expired=True)

    def expired(self, now_seconds: int) -> list[tuple[str, RowKey]]:
        """List the rows that time to live may delete."""
        found = []
        for name, rows in self.tables.items():
            ttl = rows.schema.ttl
            if ttl is None:
                continue
            for key in rows.all_keys():
                item = rows.current(key)
                if item is not None and ttl in item and number(item[ttl].get("N", "0")) <= now_seconds:
                    found.append((name, key))
        return found

    def _table(self, arguments: Arguments) -> TableRows:
        try:
            return self.tables[arguments["TableName"]]
        except KeyError:
            raise Refused("ResourceNotFoundException", "Requested resource not found") from None

    # Reads

    def _as_of(self, arguments: Arguments, stale_ms: int) -> int | None:
        return None if arguments.get("ConsistentRead") or not stale_ms else self._now_ms() - stale_ms

    def _get(self, arguments: Arguments, stale_ms: int) -> Item:
        rows = self._table(arguments)
        row = rows.row(rows.key(arguments["Key"]))
        item = row and row.as_of(self._as_of(arguments, stale_ms))
        return {"Item": _shown(item, arguments)} if item else {}

    def _query(self, arguments: Arguments, stale_ms: int) -> Item:
        rows, bound = self._table(arguments), _bound(arguments)
        at_ms = self._as_of(arguments, stale_ms)
        index = rows.indexes[arguments["IndexName"]] if "IndexName" in arguments else None
        if index is not None and arguments.get("ConsistentRead"):
            raise Refused("ValidationException", "Consistent reads are not supported on global secondary indexes")
        asked = _key_condition(arguments, (index or rows.schema).partition)
        partition = asked.partition
        found: list[tuple[Any, RowKey, Item]] = []
        if index is not None:
            found = rows.of_index(index.name, partition, at_ms)
        else:
            held = rows.partitions.get(partition, {})
            for sort in rows.sorts(partition, self._now_ms(), asked.low, asked.high):
                item = held[sort].as_of(at_ms)
                if item is not None:
                    found.append((sort, (partition, sort), item))
        if asked.rest is not None:
            found = [one for one in found if asked.rest(one[2], bound)]
        if not arguments.get("ScanIndexForward", True):
            found.reverse()
        if start := arguments.get("ExclusiveStartKey"):
            found = _after(found, start, rows, index, forward=arguments.get("ScanIndexForward", True))
        return _page([item for _, _, item in found], arguments, bound, rows, index)

    def _scan(self, arguments: Arguments, stale_ms: int) -> Item:
        rows, bound = self._table(arguments), _bound(arguments)
        at_ms = self._as_of(arguments, stale_ms)
        keys = rows.all_keys()
        if start := arguments.get("ExclusiveStartKey"):
            last = rows.key(start)
            keys = keys[keys.index(last) + 1 :] if last in keys else keys
        if total := arguments.get("TotalSegments"):
            keys = [key for key in keys if crc32(key[0]) % total == arguments["Segment"]]
        items = [item for key in keys if (row := rows.row(key)) and (item := row.as_of(at_ms)) is not None]
        return _page(items, arguments, bound, rows, None)

    def _batch_get(self, arguments: Arguments, stale_ms: int, most: int | None) -> Item:
        asked = arguments["RequestItems"]
        total = sum(len(one["Keys"]) for one in asked.values())
        if not 0 < total <= BATCH_GET_KEYS:
            raise Refused("ValidationException", f"a batch has 1 to {BATCH_GET_KEYS} keys, not {total}")
        left = total if most is None else most
        responses: dict[str, list[Item]] = {}
        unprocessed: dict[str, Any] = {}
        for name, one in asked.items():
            rows = self._table({"TableName": name})
            keys = [rows.key(key) for key in one["Keys"]]
            if len(set(keys)) < len(keys):
                raise Refused("ValidationException", "Provided list of item keys contains duplicates")
            at_ms, responses[name] = self._as_of(one, stale_ms), []
            for key in keys[:left]:
                row = rows.row(key)
                if item := row and row.as_of(at_ms):
                    responses[name].append(_shown(item, one))
            if len(keys) > left:
                unprocessed[name] = {**one, "Keys": copied(one["Keys"][left:])}
            left -= min(left, len(keys))
        return {"Responses": responses, "UnprocessedKeys": unprocessed}

    # Writes

    def _batch_write(self, arguments: Arguments, most: int | None) -> Item:
        requests = [(name, one) for name, some in arguments["RequestItems"].items() for one in some]
        if not 0 < len(requests) <= BATCH_WRITE_REQUESTS:
            raise Refused("ValidationException", f"a batch has 1 to {BATCH_WRITE_REQUESTS} requests")
        writes = []
        for name, one in requests:
            rows = self._table({"TableName": name})
            item = copied(one["PutRequest"]["Item"]) if "PutRequest" in one else None
            key = rows.key(item if item is not None else one["DeleteRequest"]["Key"])
            _check_size(item)
            writes.append((rows, key, item))
        if len({(rows.schema.name, key) for rows, key, _ in writes}) < len(writes):
            raise Refused("ValidationException", "Provided list of item keys contains duplicates")
        done = len(writes) if most is None else most
        for rows, key, item in writes[:done]:
            self._apply(rows, key, item)
        left: dict[str, list[Any]] = {}
        for name, one in requests[done:]:
            left.setdefault(name, []).append(copied(one))
        return {"UnprocessedItems": left}

    def _write_one(self, kind: str, arguments: Arguments) -> Item:
        rows, key, before, after, holds = self._planned(kind, arguments)
        if not holds:
            beside = {}
            if arguments.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
                beside["Item"] = copied(before)
            raise Refused("ConditionalCheckFailedException", "The conditional request failed", **beside)
        if not (kind == "Delete" and before is None):
            self._apply(rows, key, after)
        return _returned(arguments, before, after)

    def _transact(self, arguments: Arguments) -> Item:
        operations = arguments["TransactItems"]
        token = arguments.get("ClientRequestToken")
        if token is not None and self._tokens.get(token, -TOKEN_MS) > self._now_ms() - TOKEN_MS:
            return {}
        if not 0 < len(operations) <= TRANSACTION_OPERATIONS:
            raise Refused("ValidationException", f"a transaction has 1 to {TRANSACTION_OPERATIONS} operations")
        planned, reasons = [], []
        for operation in operations:
            ((kind, one),) = operation.items()
            rows, key, before, after, holds = self._planned(kind, one)
            planned.append((kind, rows, key, before, after))
            reason: dict[str, Any] = {"Code": "None"}
            if not holds:
                reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
                if one.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
                    reason["Item"] = copied(before)
            reasons.append(reason)
        if len({(rows.schema.name, key) for _, rows, key, _, _ in planned}) < len(planned):
            raise Refused("ValidationException", "Transaction request cannot include multiple operations on one item")
        if any(reason["Code"] != "None" for reason in reasons):
            raise Refused("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)
        for kind, rows, key, before, after in planned:
            if kind != "ConditionCheck" and not (kind == "Delete" and before is None):
                self._apply(rows, key, after)
        if token is not None:
            self._tokens[token] = self._now_ms()
        return {}

    def _planned(self, kind: str, arguments: Arguments) -> tuple[TableRows, RowKey, Item | None, Item | None, bool]:
        """Plan a write without carrying it out: table, key, the item before and after, whether it is allowed."""
        rows, bound = self._table(arguments), _bound(arguments)
        key = rows.key(arguments["Item"] if kind == "Put" else arguments["Key"])
        before = rows.current(key)
        holds = True
        if text := arguments.get("ConditionExpression"):
            holds = bool(condition(text)(before or {}, bound))
        after: Item | None = before
        if kind == "Put":
            after = copied(arguments["Item"])
        elif kind == "Delete":
            after = None
        elif kind == "Update" and holds:
            text = arguments.get("UpdateExpression")
            base = before if before is not None else copied(arguments["Key"])
            after = updated(base, text, bound) if text else base
            if rows.key(after) != key:
                raise Refused("ValidationException", "Cannot update an attribute of the key")
        _check_size(after)
        self._check_indexed(rows, after)
        return rows, key, before, after, holds

    def _check_indexed(self, rows: TableRows, item: Item | None) -> None:
        for index in rows.indexes.values():
            for part in (index.partition, index.sort):
                if item is not None and part.name in item and part.type not in item[part.name]:
                    raise Refused("ValidationException", f"{part.name} is of the wrong type for an index")

    def _apply(self, rows: TableRows, key: RowKey, item: Item | None, *, expired: bool = False) -> None:
        before, now_ms = rows.current(key), self._now_ms()
        rows.write(key, item, now_ms)
        if before != item:
            held = item if item is not None else before
            assert held is not None
            keys = {name: held[name] for name in rows.key_names()}
            self._changes += 1
            self.changed(Change(rows.schema.name, keys, before, item, now_ms, self._changes, expired))


def _bound(arguments: Arguments) -> Bound:
    return Bound(arguments.get("ExpressionAttributeNames", {}), arguments.get("ExpressionAttributeValues", {}))


def _shown(item: Item, arguments: Arguments) -> Item:
    shown: Item = copied(item)
    text = arguments.get("ProjectionExpression")
    return projected(shown, text, _bound(arguments)) if text else shown


@dataclass(frozen=True, slots=True)
class _KeyCondition:
    """Holds the key condition of a query: a partition, a further condition, and the bounds of the sort key in it."""

    partition: Any
    rest: Evaluate | None
    low: Any = None
    high: Any = None


_PREFIX = re.compile(r"begins_with\(\s*\S+?\s*,\s*(:\w+)\s*\)")
_BETWEEN = re.compile(r"\S+ BETWEEN (:\w+) AND (:\w+)")


def _key_condition(arguments: Arguments, key: schema.Key) -> _KeyCondition:
    bound = _bound(arguments)
    parts = arguments["KeyConditionExpression"].split(" AND ")
    for place_of, part in enumerate(parts):
        name, _, place = (side.strip() for side in part.partition("="))
        if bound.names.get(name, name) != key.name or place not in bound.values:
            continue
        partition, rest = key_of(bound.values[place]), " AND ".join(parts[:place_of] + parts[place_of + 1 :]).strip()
        if not rest:
            return _KeyCondition(partition, None)
        low = high = None
        if (prefix := _PREFIX.fullmatch(rest)) and prefix[1] in bound.values:
            low = key_of(bound.values[prefix[1]])
            high = low + b"\xff" * 8  # UTF-8 has no such byte, and no key of bytes goes on with so many
        elif (between := _BETWEEN.fullmatch(rest)) and {between[1], between[2]} <= bound.values.keys():
            low, high = key_of(bound.values[between[1]]), key_of(bound.values[between[2]])
        return _KeyCondition(partition, condition(rest), low, high)
    raise Refused("ValidationException", f"Query condition missed key schema element: {key.name}")


def _after(
    found: list[tuple[Any, RowKey, Item]],
    start: Item,
    rows: TableRows,
    index: schema.Index | None,
    *,
    forward: bool,
) -> list[tuple[Any, RowKey, Item]]:
    """Leave out the rows up to and including the one at which a page ended, whether or not it is still there."""
    key = rows.key(start)
    position = (key_of(start[index.sort.name]) if index else key[1], _Ordered(key[0]), _Ordered(key[1]))

    def later(one: tuple[Any, RowKey, Item]) -> bool:
        here = (one[0], _Ordered(one[1][0]), _Ordered(one[1][1]))
        return _before(position, here) if forward else _before(here, position)

    return [one for one in found if later(one)]


def _before(a: tuple[Any, _Ordered, _Ordered], b: tuple[Any, _Ordered, _Ordered]) -> bool:
    if a[0] != b[0]:
        return bool(a[0] is not None and a[0] < b[0])
    if a[1] != b[1]:
        return a[1] < b[1]
    return a[2] != b[2] and a[2] < b[2]


def _page(items: list[Item], arguments: Arguments, bound: Bound, rows: TableRows, index: schema.Index | None) -> Item:
    limit, size, read = arguments.get("Limit"), 0, 0
    keep = condition(arguments["FilterExpression"]) if "FilterExpression" in arguments else None
    kept: list[Item] = []
    more = False
    for item in items:
        read += 1
        size += _size(item) if len(items) > 2 else 0
        if keep is None or keep(item, bound):
            kept.append(item)
        if read == limit or size >= PAGE_BYTES:
            more = True
            break
    answer: Item = {"Count": len(kept), "ScannedCount": read}
    if arguments.get("Select") != "COUNT":
        answer["Items"] = [_shown(item, arguments) for item in kept]
    if more:
        names = [*rows.key_names(), *((index.partition.name, index.sort.name) if index else ())]
        answer["LastEvaluatedKey"] = {name: copied(items[read - 1][name]) for name in names}
    return answer


def _returned(arguments: Arguments, before: Item | None, after: Item | None) -> Item:
    match arguments.get("ReturnValues", "NONE"):
        case "ALL_OLD" if before is not None:
            return {"Attributes": copied(before)}
        case "ALL_NEW" if after is not None:
            return {"Attributes": copied(after)}
        case "UPDATED_NEW" if after is not None:
            changed = {name: value for name, value in after.items() if (before or {}).get(name) != value}
            return {"Attributes": copied(changed)}
    return {}


def _check_size(item: Item | None) -> None:
    if item is not None and _size(item) > ITEM_BYTES:
        raise Refused("ValidationException", "Item size has exceeded the maximum allowed size")


def _size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    if kind in {"S", "B"}:
        return len(held)
    if kind == "N":
        return len(held) // 2 + 2
    if kind == "M":
        return 3 + _size(held)
    if kind == "L":
        return 3 + sum(1 + _value_size(one) for one in held)
    if kind in {"SS", "BS", "NS"}:
        return sum(len(one) for one in held)
    return 1
