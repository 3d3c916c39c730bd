"""Tests that queries return all rows in order, with one call for each page and none before the caller asks for it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sandes.store import schema
from sandes.store.queries import Query, beginning, page_by_sort_key, query_page, query_pages, query_rows, read_page
from sandes.store.schema import ENDING, DirectoryRow, EndingRow, TemplateRow
from tests.support.dynamodb import CountingClient, memory_dynamodb

LAYER = Path(schema.__file__).parents[2]
TABLE = "directory"
KEY = {DirectoryRow.PARTITION: {"S": "A#1"}, DirectoryRow.SORT: {"S": "0"}}
GROUPS = [f"G#{letter}" for letter in "abcde"]


@pytest.fixture
def client() -> Any:
    memory, _, _ = memory_dynamodb()
    for partition, sort in [("A#1", "0"), *(("A#1", group) for group in GROUPS), ("A#1", "H#a"), ("A#2", "G#a")]:
        due = {EndingRow.DUE: {"S": "shard"}, EndingRow.DUE_AT: {"N": str(ord(sort[-1]))}}
        key = {DirectoryRow.PARTITION: {"S": partition}, DirectoryRow.SORT: {"S": sort}}
        memory.put_item(TableName=TABLE, Item=key | due | {TemplateRow.VERSION: {"N": str(ord(sort[-1]) % 2)}})
    return CountingClient(memory)


def sorts(items: Any) -> list[str]:
    return [item[DirectoryRow.SORT]["S"] for item in items]


def test_the_last_sort_key_of_a_page_leads_to_the_next_page_until_none_is_left(client: Any) -> None:
    read, after = [], None
    for _ in range(3):
        items, after = query_page(client, TABLE, KEY, "G#", after=after, limit=2)
        read.append((sorts(items), after))
    assert read == [(GROUPS[:2], "G#b"), (GROUPS[2:4], "G#d"), (GROUPS[4:], None)]
    assert client.calls == [("query", ((TABLE, 1),))] * 3


def test_pages_can_begin_with_the_last_sort_key(client: Any) -> None:
    items, after = query_page(client, TABLE, KEY, "G#", after=None, limit=3, descending=True)
    assert (sorts(items), after) == (GROUPS[:1:-1], "G#c")
    items, after = query_page(client, TABLE, KEY, "G#", after=after, limit=3, descending=True)
    assert (sorts(items), after) == (GROUPS[1::-1], None)


def test_a_page_of_any_condition_continues_after_a_sort_key(client: Any) -> None:
    whole = Query(TABLE, f"{DirectoryRow.PARTITION} = :of", {":of": KEY[DirectoryRow.PARTITION]})
    items, last = page_by_sort_key(client, whole, KEY, after="G#d", limit=3)
    assert (sorts(items), last) == (["G#e", "H#a"], None)


def test_all_rows_come_in_order_with_a_call_for_each_page(client: Any) -> None:
    assert sorts(query_rows(client, beginning(TABLE, KEY, "G#", consistent=True), limit=2)) == GROUPS
    assert len(client.calls) == 3


def test_nothing_is_read_before_the_caller_asks_for_it(client: Any) -> None:
    rows = query_rows(client, beginning(TABLE, KEY, "G#"), limit=2)
    assert client.calls == []
    assert sorts(islice(rows, 2)) == GROUPS[:2]
    assert len(client.calls) == 1


def test_pages_tell_whether_another_page_follows(client: Any) -> None:
    pages = [*query_pages(client, beginning(TABLE, KEY, "G#"), limit=3)]
    assert [(sorts(page.items), page.last is not None) for page in pages] == [(GROUPS[:3], True), (GROUPS[3:], False)]
    (nothing,) = query_pages(client, beginning(TABLE, KEY, "none"))
    assert nothing == ([], None)


def test_a_query_of_an_index_continues_after_the_whole_key(client: Any) -> None:
    due = Query(TABLE, f"{EndingRow.DUE} = :due", {":due": {"S": "shard"}}, index=ENDING.name)
    first = read_page(client, due, limit=3)
    assert first.last is not None
    second = read_page(client, due, start=first.last)
    assert [ord(item[DirectoryRow.SORT]["S"][-1]) for item in [*first.items, *second.items]] == sorted(
        [ord("0"), *map(ord, "aaabcde")]
    )


def test_a_filter_can_empty_a_page_that_others_follow(client: Any) -> None:
    values = {":of": KEY[DirectoryRow.PARTITION], ":even": {"N": "0"}, ":groups": {"S": "G#"}}
    condition = f"{DirectoryRow.PARTITION} = :of AND begins_with({DirectoryRow.SORT}, :groups)"
    even = Query(TABLE, condition, values, filter=f"{TemplateRow.VERSION} = :even")
    assert [sorts(page.items) for page in query_pages(client, even, limit=1)][:3] == [[], ["G#b"], []]


def test_only_the_module_of_queries_begins_a_page_where_another_ended() -> None:
    """The rekeying scans its table, which no query can read."""
    scanned = {"store/queries.py", "store/rekeying.py"}
    counted = {"store/inbox.py"}  # whether more rows than one page follow
    texts = {str(path.relative_to(LAYER)): path.read_text() for path in LAYER.rglob("*.py")}
    assert {path for path, text in texts.items() if "ExclusiveStartKey" in text} == scanned
    assert {path for path, text in texts.items() if "LastEvaluatedKey" in text} == scanned | counted
