"""Builds the rows of the budget table about long lists of administration: the cost of a page over 5,000
units.

The rows of the tree are those that the store writes, kept in process. Each list is read to its end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandes.administration.organisations import places
from sandes.administration.organisations.places import PlaceDependencies
from sandes.administration.people import officials
from sandes.administration.people.officials import PeopleDependencies
from sandes.administration.people.verifications import VerificationDependencies
from sandes.administration.statistics import reports
from sandes.administration.statistics.reports import ReportDependencies
from sandes.crypto.pepper import Pepper
from sandes.model.administrator import Administrator, Assignment, Caller, Place, Role
from sandes.model.ids import (
    AccountId,
    AdministratorId,
    OrganisationId,
    UnitId,
    account_text,
    id_text,
    new_organisation_id,
    new_unit_id,
)
from sandes.model.instant import Instant
from sandes.model.organisation import Organisation, Tree, Unit
from sandes.store.organisations import OrganisationStore
from sandes.store.schema import DirectoryRow, OfficialRow, OrganisationRow
from sandes.store.statistics import StatisticsStore
from sandes.store.transaction import Add, Operation, Put
from sandes.store.verifications import VerificationStore
from tools.bench.reads import MeteredClient
from tools.bench.table import Row

UNITS, FAN, PAGE = 5_000, 5, 50
"""Shape of the tree: an official in each unit, five units in each except the lowest; and the default page size."""

NOW = 1_800_000_000
Item = dict[str, Any]
_UNUSED: Any = None


@dataclass(slots=True)
class Directory:
    """Holds the part of the directory table that these lists read.

    `indexed` has the units in each unit, by index key.
    """

    rows: dict[str, dict[str, Item]] = field(default_factory=dict)
    indexed: dict[str, dict[int, Item]] = field(default_factory=dict)
    _keys: dict[str, list[Any]] = field(default_factory=dict)

    def put(self, item: Item) -> None:
        self.rows.setdefault(item[DirectoryRow.PARTITION]["S"], {})[item[DirectoryRow.SORT]["S"]] = item
        if OrganisationRow.PARENT_KEY in item:
            order = int(item[OrganisationRow.ORDER]["N"])
            self.indexed.setdefault(item[OrganisationRow.PARENT_KEY]["S"], {})[order] = item

    def write(self, operations: Sequence[Operation]) -> None:
        """Put units, and count them."""
        for operation in operations:
            if isinstance(operation, Put):
                self.put(dict(operation.item))
            elif isinstance(operation, Add) and (more := operation.amounts.get(OrganisationRow.CHILDREN)):
                (row,) = self._read(dict(operation.key))
                count = int(row.get(OrganisationRow.CHILDREN, {"N": "0"})["N"]) + more
                row[OrganisationRow.CHILDREN] = {"N": str(count)}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Item:  # noqa: N803  # as botocore has it
        found = {
            table: [row for key in asked["Keys"] for row in self._read(key)] for table, asked in RequestItems.items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _read(self, key: Item) -> list[Item]:
        item = self.rows.get(key[DirectoryRow.PARTITION]["S"], {}).get(key[DirectoryRow.SORT]["S"])
        return [] if item is None else [item]

    def query(self, **asked: Any) -> Item:
        if asked["TableName"] == "statistics":
            return {"Items": []}
        values = asked["ExpressionAttributeValues"]
        if "IndexName" in asked:
            name = values[":in"]["S"]
            rows: Mapping[Any, Item] = self.indexed.get(name, {})
            keys = self._sorted(name, rows)
            after = asked.get("ExclusiveStartKey", {}).get(OrganisationRow.ORDER, values[":after"])
            first, end = bisect_right(keys, int(after["N"])), len(keys)
        else:
            name, rows = values[":of"]["S"], self.rows[values[":of"]["S"]]
            keys, prefix = self._sorted(name, rows), values[":prefix"]["S"]
            first, end = bisect_left(keys, prefix), bisect_left(keys, prefix + "~")
            if "ExclusiveStartKey" in asked:
                first = bisect_right(keys, asked["ExclusiveStartKey"][DirectoryRow.SORT]["S"])
        page = [rows[key] for key in keys[first:end][: asked["Limit"]]]
        return {"Items": page} | ({"LastEvaluatedKey": page[-1]} if page and first + len(page) < end else {})

    def _sorted(self, name: str, rows: Mapping[Any, Item]) -> list[Any]:
        if name not in self._keys:
            self._keys[name] = sorted(rows)
        return self._keys[name]


def grown(count: int) -> tuple[Directory, OrganisationId, UnitId]:
    """Return an organisation with so many units, all of them below the first."""
    directory, made = Directory(), Organisation(new_organisation_id(), "Ministry of Railways", NOW, 1)
    store = OrganisationStore(_UNUSED, "directory", writer=directory.write)
    store.create(made, "ministry")
    units = {made.root: Unit(made.root, made.name, "ministry", None, NOW)}
    ids = [new_unit_id() for _ in range(count)]
    for number, id in enumerate(ids):
        parent = ids[(number - 1) // FAN] if number else made.root
        units[id] = Unit(id, f"Division {number} of the zone", "office", parent, NOW, officials=1)
        store.add(Tree(replace(made, tree_version=1 + number), units), units[id])
        account = account_text(AccountId(number.to_bytes(8, "big")))
        directory.put(
            {
                DirectoryRow.PARTITION: {"S": f"O#{id_text(made.id)}"},
                DirectoryRow.SORT: {"S": f"V#{id_text(id)}#{account}"},
                OfficialRow.NAME: {"S": "Asha Rao"},
                OfficialRow.POST: {"S": "Divisional engineer"},
                OfficialRow.LISTED: {"BOOL": True},
                OfficialRow.EXPIRES_AT: {"N": str(NOW + 1000)},
            }
        )
    return directory, made.id, ids[0]


def list_rows(count: int = UNITS) -> list[Row]:
    directory, organisation, first = grown(count)
    rows = []
    for where, place in (("the whole", Place.root(organisation)), ("a part", Place(organisation, first))):
        id = AdministratorId(bytes(16))
        held = Assignment(id, Role.UNIT_ADMIN, place, "operator", NOW)
        caller = Caller(Administrator(id, "asha@rail.example.in", "Asha Rao", place, NOW), (held,), NOW)
        for what, field_name, page in _lists(caller, place):
            client, entries, pages, cursor = MeteredClient(directory), 0, 0, None
            while cursor is not None or not pages:
                answer = page(client, cursor)
                entries, pages, cursor = entries + len(getattr(answer, field_name)), pages + 1, answer.cursor
            rows.append(
                Row(
                    f"{what} of {where}, {count:,} units: DynamoDB calls a page of {PAGE}",
                    client.calls / pages,
                    note=f"{client.calls:,} for {entries:,} entries on {pages:,} pages",
                )
            )
            rows.append(Row("  read units a page", client.units / pages, note=f"{client.units:,.0f} in all"))
    return rows


def _lists(caller: Caller, place: Place) -> list[tuple[str, str, Callable[[Any, str | None], Any]]]:
    """Return for each list its name, the field of its entries, and a function that reads a page."""
    pepper = Pepper.of(bytes(32))
    over = reports.span("day", None, None, now_seconds=NOW)

    def units(client: Any, cursor: str | None) -> Any:
        deps = PlaceDependencies(
            organisations=OrganisationStore(client, "directory"),
            administrators=_UNUSED,
            recorder=_UNUSED,
            pepper=pepper,
            limits=_UNUSED,
        )
        return places.units(caller, place, after=cursor, limit=PAGE, deps=deps)

    def of_people(client: Any, cursor: str | None) -> Any:
        store = VerificationStore(client, "directory", _UNUSED)
        deps = PeopleDependencies(VerificationDependencies(store, _UNUSED, pepper, _UNUSED), _UNUSED, _UNUSED, _UNUSED)
        return officials.page(caller, place, after=cursor, limit=PAGE, now=Instant(NOW * 1000), deps=deps)

    def statistics(client: Any, cursor: str | None) -> Any:
        stores = StatisticsStore(client, "statistics"), OrganisationStore(client, "directory")
        deps = ReportDependencies(*stores, _UNUSED, pepper)
        return reports.of_organisation(caller, place.organisation, over, after=cursor, limit=PAGE, deps=deps)

    return [("Units", "units", units), ("Officials", "people", of_people), ("Statistics", "units", statistics)]
