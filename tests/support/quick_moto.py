"""moto's DynamoDB made quick: what it answers stays the same.

For each query moto sorts all of a table, and for each operation of a transaction it copies all of a table, to have it
back should the transaction fail. Here a query sees the partition that is asked for, and of a table that is kept only
the rows that the transaction names are copied.

moto calls deeply, too, and CPython keeps the frames of calls in pieces of 16 KiB: a loop that calls across the end of
one has a piece mapped and unmapped each time, which was half the time of some tests.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

P = ParamSpec("P")
R = TypeVar("R")
Touched = Mapping[str, Iterable[Mapping[str, Any]]]

_query, _transact = Table.query, DynamoDBBackend.transact_write_items
_touched: ContextVar[Touched] = ContextVar("touched")
"""Rows, or their keys, by table, of the transaction that is under way."""


def _query_of_a_partition(table: Table, hash_key: Any, *arguments: Any, **named: Any) -> Any:
    *_, index, _, _ = arguments
    if index is None:
        whole: dict[Any, Any] = table.items
        table = copy.copy(table)
        table.items = defaultdict(dict, {hash_key: whole[hash_key]} if hash_key in whole else {})
    return _query(table, hash_key, *arguments, **named)


def _transact_on_rows(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    touched = defaultdict(list)
    for operation in transact_items:
        for one in operation.values():
            touched[one["TableName"]].append(one["Item"] if "Item" in one else one["Key"])
    before = _touched.set(touched)
    try:
        _transact(backend, transact_items)
    finally:
        _touched.reset(before)


def _kept(table: Table, _: Any) -> Table:
    """The table as it is now: it may be put in the place of the one that the transaction changes."""
    kept, rows = copy.copy(table), defaultdict(dict, table.items)
    for row in _touched.get()[table.name]:
        hash_key = DynamoType(row[table.hash_key_attr])
        found = rows.get(hash_key)
        if found is None:
            continue
        if table.range_key_attr is None:
            rows[hash_key] = copy.deepcopy(found)
            continue
        range_key = DynamoType(row[table.range_key_attr])
        rows[hash_key] = found | ({range_key: copy.deepcopy(found[range_key])} if range_key in found else {})
    kept.items = rows
    if table.stream_shard:
        kept.stream_shard = copy.copy(table.stream_shard)
        kept.stream_shard.table, kept.stream_shard.items = kept, list(table.stream_shard.items)
    return kept


def with_room(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call with a mebibyte for the frames of what is called: what this frame, of just over one, leaves of two."""
    return call(*arguments, **named)


with_room.__code__ = with_room.__code__.replace(co_stacksize=2**17)


def install() -> None:
    """In this process."""
    for owner, name, quick in (
        (Table, "query", _query_of_a_partition),
        (Table, "__deepcopy__", _kept),
        (DynamoDBBackend, "transact_write_items", _transact_on_rows),
    ):
        setattr(owner, name, quick)
