"""Reads rows by queries, page by page. A query reads 1 MB at most, or as many rows as it is limited to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, NamedTuple

from sandes.store.dynamo import Client, Item
from sandes.store.schema import DirectoryRow


@dataclass(slots=True, eq=False)
class Query:
    """Holds which rows of a table, or of an index of it, a query reads, and in which order.

    `condition` is DynamoDB's condition of the keys, and `values` are what the query's expressions refer to. `filter`
    leaves out rows after they have been read, so that a page may hold fewer rows than its limit, or none. Rows come in
    the order of their sort keys, or with `descending` the last one first.

    The fields are final for mypy; a frozen dataclass takes three times as long to make (docs/adr/0051).
    """

    table: Final[str]
    condition: Final[str]
    values: Final[Item]
    _: KW_ONLY
    index: Final[str | None] = None
    filter: Final[str | None] = None
    consistent: Final[bool] = False
    descending: Final[bool] = False

    def parameters(self, start: Item | None, limit: int | None) -> dict[str, Any]:
        """Return the arguments of the call that reads up to `limit` rows behind the key `start`."""
        asked: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": self.condition,
            "ExpressionAttributeValues": self.values,
            "ConsistentRead": self.consistent,
            "ScanIndexForward": not self.descending,
        }
        if self.index:
            asked["IndexName"] = self.index
        if self.filter:
            asked["FilterExpression"] = self.filter
        if limit:
            asked["Limit"] = limit
        if start:
            asked["ExclusiveStartKey"] = start
        return asked


class Page(NamedTuple):
    """Holds the rows that one call read, and the key behind which the next page begins.

    `last` is None if this page is the last one. The next page may turn out to be empty.
    """

    items: Sequence[Item]
    last: Item | None


def read_page(client: Client, query: Query, *, start: Item | None = None, limit: int | None = None) -> Page:
    """Read one page by one call: the rows behind the key `start`, up to `limit` and 1 MB of them."""
    answer = client.query(**query.parameters(start, limit))
    return Page(answer["Items"], answer.get("LastEvaluatedKey"))


def query_pages(client: Client, query: Query, *, limit: int | None = None) -> Iterator[Page]:
    """Yield all pages. One call reads each page, of up to `limit` rows and 1 MB, when the caller asks for it."""
    start: Item | None = None
    while True:
        page = read_page(client, query, start=start, limit=limit)
        yield page
        start = page.last
        if start is None:
            return


def query_rows(client: Client, query: Query, *, limit: int | None = None) -> Iterator[Item]:
    """Yield all rows. Each call reads up to `limit` rows, when the caller asks for the first of them."""
    for items, _ in query_pages(client, query, limit=limit):
        yield from items


def query_page(
    client: Client,
    table: str,
    key: Item,
    prefix: str,
    *,
    after: str | None,
    limit: int,
    consistent: bool = False,
    descending: bool = False,
) -> tuple[Sequence[Item], str | None]:
    """Read a page of rows of the directory by one call. Return the rows and the last sort key.

    The rows are in the partition of `key`, and their sort keys begin with `prefix`. The next page begins behind the
    last sort key: pass it as `after`. It is None if this page is the last one.
    """
    query = beginning(table, key, prefix, consistent=consistent, descending=descending)
    return page_by_sort_key(client, query, key, after=after, limit=limit)


def beginning(table: str, key: Item, prefix: str, *, consistent: bool = False, descending: bool = False) -> Query:
    """Return the query of the directory's rows in the partition of `key` whose sort keys begin with `prefix`."""
    return Query(
        table,
        f"{DirectoryRow.PARTITION} = :of AND begins_with({DirectoryRow.SORT}, :prefix)",
        {":of": key[DirectoryRow.PARTITION], ":prefix": {"S": prefix}},
        consistent=consistent,
        descending=descending,
    )


def page_by_sort_key(
    client: Client, query: Query, key: Item, *, after: str | None, limit: int
) -> tuple[Sequence[Item], str | None]:
    """Read a page as `query_page` does, of any query of the directory in the partition of `key`."""
    start = {DirectoryRow.PARTITION: key[DirectoryRow.PARTITION], DirectoryRow.SORT: {"S": after}} if after else None
    items, last = read_page(client, query, start=start, limit=limit)
    return items, last[DirectoryRow.SORT]["S"] if last else None
