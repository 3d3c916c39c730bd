"""The groups that an app manages: rows of the app in the directory table, beside the rows of the groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandes.model.ids import AppId, GroupId, parse_group
from sandes.store.app_rows import app_key
from sandes.store.dynamo import Client, Item
from sandes.store.groups import group_of_app_key
from sandes.store.queries import query_page
from sandes.store.schema import AppGroupRow as Row
from sandes.store.schema import DirectoryRow

_PREFIX = "G#"


@dataclass(frozen=True, slots=True)
class AppTie:
    """Links an app to a group. If `test` is true, a test key created it, and only test keys see it."""

    group: GroupId
    test: bool
    client_ref: str | None


@dataclass(frozen=True, slots=True)
class AppGroupStore:
    client: Client
    table: str

    def page(self, app: AppId, *, after: GroupId | None, limit: int) -> tuple[list[AppTie], GroupId | None]:
        """Return a page sorted by id, and the id after which the next page begins."""
        sort = group_of_app_key(app, after)[DirectoryRow.SORT]["S"] if after is not None else None
        key = app_key(app)
        items, last = query_page(self.client, self.table, key, _PREFIX, after=sort, limit=limit, consistent=True)
        return [read_app_tie(item) for item in items], parse_group(last.removeprefix(_PREFIX)) if last else None


def is_app_tie(item: Item) -> bool:
    partition, sort = item[DirectoryRow.PARTITION]["S"], item[DirectoryRow.SORT]["S"]
    return bool(partition.startswith("APP#") and sort.startswith(_PREFIX))


def tie_fields(tie: AppTie) -> dict[str, Any]:
    """Return the attributes of the row without its key."""
    given = {Row.CLIENT_REF: {"S": tie.client_ref}} if tie.client_ref is not None else {}
    return {Row.TEST: {"BOOL": tie.test}, **given}


def read_app_tie(item: Item) -> AppTie:
    return AppTie(
        group=parse_group(item[DirectoryRow.SORT]["S"].removeprefix(_PREFIX)),
        test=item[Row.TEST]["BOOL"],
        client_ref=item[Row.CLIENT_REF]["S"] if Row.CLIENT_REF in item else None,
    )
