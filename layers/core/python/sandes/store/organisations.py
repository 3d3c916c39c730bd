"""Organisations and their units in the directory table, with one partition for each organisation.

Each change of a tree's shape raises its version, on condition that it is still the one that was read, so that the
change is decided on the tree that it changes. Changes of officials, groups and apps update the counts in their unit's
row. A unit can only be removed while it has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandes.model.administrator import Place
from sandes.model.ids import ACCOUNT_BYTES, OrganisationId, UnitId, id_text, parse_organisation, parse_unit
from sandes.model.organisation import Organisation, Tree, Unit, UnitKind
from sandes.model.profile import Audience, Field
from sandes.store.dynamo import (
    BATCH_KEYS,
    Client,
    Item,
    StoreUnavailable,
    batch_get,
    batch_get_many,
    waits,
)
from sandes.store.queries import Query, beginning, page_by_sort_key, query_page, query_rows
from sandes.store.schema import ENDING, DirectoryRow
from sandes.store.schema import OrganisationRow as Row
from sandes.store.transaction import Add, Check, Delete, Operation, Put, Update, Writer, write_if

_SORT = "0"
_LIST: dict[str, Any] = {DirectoryRow.PARTITION: {"S": "O"}}
_UNIT_PREFIX = "0#"  # sorts after the organisation and before its groups, so that one query reads the tree without them
_MOVES = "1"
MAX_REWRITTEN = 80
"""The most units whose paths one transaction of at most 100 operations rewrites."""

_EXISTS = f"attribute_exists({DirectoryRow.PARTITION})"


def organisation_key(organisation: OrganisationId) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": f"O#{id_text(organisation)}"}, DirectoryRow.SORT: {"S": _SORT}}


def unit_key(organisation: OrganisationId, unit: UnitId) -> dict[str, Any]:
    """Build the key of a unit. That of the root unit is the organisation's own."""
    if unit == UnitId(organisation):
        return organisation_key(organisation)
    return organisation_key(organisation) | {DirectoryRow.SORT: {"S": f"{_UNIT_PREFIX}{id_text(unit)}"}}


@dataclass(frozen=True, slots=True)
class OrganisationStore:
    client: Client
    table: str
    writer: Writer | None = None

    def create(self, organisation: Organisation, kind: UnitKind) -> bool:
        """Store an organisation. Return False if the id is taken."""
        return self._write(*self.creating(organisation, kind))

    def creating(self, organisation: Organisation, kind: UnitKind, *, officers: int = 0) -> list[Operation]:
        """Build the creation, with `officers` nodal officers. The first operation fails if the id is taken."""
        root = Unit(organisation.root, organisation.name, kind, None, organisation.created_at)
        item = _unit_item(organisation.id, root) | {
            Row.TREE_VERSION: {"N": str(organisation.tree_version)},
            Row.AUDIENCES: {"M": {name: {"S": audience} for name, audience in organisation.audiences.items()}},
            **({Row.OFFICERS: {"N": str(officers)}} if officers else {}),
        }
        listed = _LIST | {DirectoryRow.SORT: {"S": id_text(organisation.id)}, Row.CREATED_AT: item[Row.CREATED_AT]}
        return [
            Put(self.table, item, condition=f"attribute_not_exists({DirectoryRow.PARTITION})"),
            Put(self.table, listed),
        ]

    def page(self, *, after: str | None, limit: int) -> tuple[list[Organisation], str | None]:
        """Return organisations by id and the start of the next page. A query and a batch of reads."""
        listed = Query(self.table, f"{DirectoryRow.PARTITION} = :list", {":list": _LIST[DirectoryRow.PARTITION]})
        items, last = page_by_sort_key(self.client, listed, _LIST, after=after, limit=limit)
        return self.some([parse_organisation(item[DirectoryRow.SORT]["S"]) for item in items]), last

    def some(self, ids: Sequence[OrganisationId]) -> list[Organisation]:
        """Return those of these organisations that exist, in their order, by consistent reads."""
        items = batch_get_many(self.client, self.table, [organisation_key(id) for id in ids])
        found = {one.id: one for one in map(read_organisation, items)}
        return [found[id] for id in ids if id in found]

    def glance(self, organisation: OrganisationId) -> Tree | None:
        """Return the tree with one consistent query. If the tree changes meanwhile, each unit is at its old or new
        position.
        """
        items = self._rows(organisation)
        if not items:
            return None
        units = [read_unit(item) for item in items]
        return Tree(read_organisation(items[0]), {unit.id: unit for unit in units})

    def read(self, organisation: OrganisationId) -> Organisation | None:
        """Return the organisation without its units, by a consistent read."""
        key = organisation_key(organisation)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return read_organisation(answer["Item"]) if "Item" in answer else None

    def unit(self, organisation: OrganisationId, unit: UnitId) -> tuple[Organisation, Unit] | None:
        """Return an organisation and a unit with one consistent read, or None if either does not exist."""
        keys = [organisation_key(organisation)]
        keys += [unit_key(organisation, unit)] if unit != UnitId(organisation) else []
        request = {self.table: {"Keys": keys, "ConsistentRead": True}}
        found = {item[DirectoryRow.SORT]["S"]: item for item in batch_get(self.client, request)[self.table]}
        if len(found) < len(keys):
            return None
        root = found[_SORT]
        return read_organisation(root), read_unit(found[keys[-1][DirectoryRow.SORT]["S"]])

    def paths(self, organisation: OrganisationId, units: Iterable[UnitId]) -> Tree | None:
        """Return these units with their paths to the root, or None if the organisation does not exist.

        This takes one call; for a hundred units and more, one and another for each hundred. Reads are consistent. Units
        that do not exist are left out. If the tree changes meanwhile, each unit is at its old or new position.
        """
        root = UnitId(organisation)
        wanted = {*units} - {root}
        keys = [organisation_key(organisation), *(unit_key(organisation, unit) for unit in wanted)]
        moves_key, listed = _moves_key(organisation), dict[str, Any]()
        if len(keys) >= BATCH_KEYS:  # in several calls, a newer list of moves may lack one in between
            listed = self.client.get_item(TableName=self.table, Key=moves_key, ConsistentRead=True).get("Item", {})
        elif wanted:
            keys.append(moves_key)
        items = {item[DirectoryRow.SORT]["S"]: item for item in batch_get_many(self.client, self.table, keys)}
        moves, head = _read_moves(items.pop(_MOVES, listed)), items.get(_SORT)
        if head is None:
            return None
        found = {unit.id: (unit, item) for item in items.values() for unit in [read_unit(item)]}
        return Tree(
            read_organisation(head),
            {id: unit for id, (unit, _) in found.items()},
            {id: _path(id, _read_above(item), moves) if id != root else [root] for id, (_, item) in found.items()},
        )

    def children(
        self, organisation: OrganisationId, parent: UnitId, *, after: UnitId | None, page: int
    ) -> Iterator[Unit]:
        """Yield the units directly in a unit, by id, after `after`. A query reads `page` of them.

        They come from an index: a unit that was just created or moved may be missing, or be at its old position.
        """
        order = str(_order(after)) if after is not None else "-1"
        values = {":in": {"S": _children_of(organisation, parent)}, ":after": {"N": order}}
        condition = f"{Row.PARENT_KEY} = :in AND {Row.ORDER} > :after"
        children = Query(self.table, condition, values, index=ENDING.name)
        yield from map(read_unit, query_rows(self.client, children, limit=page))

    def units(
        self, organisation: OrganisationId, *, after: str | None, limit: int
    ) -> tuple[list[Unit], str | None] | None:
        """Return a page of all units, the root first and then by id, and the start of the next page, with one query.

        Return None if the organisation does not exist.
        """
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, _SORT, after=after, limit=limit, consistent=True)
        if not items and not after:
            return None
        return [read_unit(item) for item in items], last

    def names(self, places: Iterable[Place]) -> dict[Place, str]:
        """Return the names of those places that exist, with one call for every hundred."""
        keys = [unit_key(one.organisation, one.unit) for one in dict.fromkeys(places)]
        found = batch_get_many(self.client, self.table, keys)
        return {Place(_organisation_of(item), read_unit(item).id): item[Row.NAME]["S"] for item in found}

    def tree(self, organisation: OrganisationId) -> Tree | None:
        """Return the tree at one moment. A tree that changes during the read is read again.

        Raises StoreUnavailable if it changed each time.
        """
        for _ in waits():
            items = self._rows(organisation)
            now = self.read(organisation)
            if now is None or not items:
                return None
            if read_organisation(items[0]).tree_version == now.tree_version:
                units = [read_unit(item) for item in items]
                return Tree(now, {unit.id: unit for unit in units})
        raise StoreUnavailable

    def _rows(self, organisation: OrganisationId) -> list[Item]:
        """Read the row of the organisation, then those of its units, consistently; several reads are of different
        moments.
        """
        units = beginning(self.table, organisation_key(organisation), _SORT, consistent=True)
        return [*query_rows(self.client, units)]

    def rename(self, organisation: OrganisationId, unit: UnitId, name: str, *, version: int | None = None) -> bool:
        """Rename a unit. Return False if it does not exist, or does not have this `version`."""
        return self._update(unit_key(organisation, unit), version, f"{Row.NAME} = :name", {":name": {"S": name}})

    def set_audiences(
        self, organisation: OrganisationId, audiences: Mapping[Field, Audience], *, version: int | None = None
    ) -> bool:
        """Set these audiences, at least one, and keep the others.

        Return False if the organisation does not exist, or does not have this `version`.
        """
        fields = list(audiences)
        return self._update(
            organisation_key(organisation),
            version,
            ", ".join(f"{Row.AUDIENCES}.#f{n} = :a{n}" for n in range(len(fields))),
            {f":a{n}": {"S": audiences[name]} for n, name in enumerate(fields)},
            names={f"#f{n}": name for n, name in enumerate(fields)},
        )

    def setting_mail_domains(
        self, organisation: OrganisationId, domains: Sequence[str], *, before: Sequence[str]
    ) -> Update:
        """Build the change of mail domains. The condition fails if the organisation is absent or its domains are not
        `before`.
        """
        values = {":domains": _texts(domains), ":before": _texts(before)}
        absent = "" if before else f"attribute_not_exists({Row.MAIL_DOMAINS}) OR "
        change = self._changing(organisation_key(organisation), None, f"{Row.MAIL_DOMAINS} = :domains", values)
        return change.also(f"({absent}{Row.MAIL_DOMAINS} = :before)")

    def _update(
        self, key: dict[str, Any], version: int | None, change: str, values: dict[str, Any], **names: Any
    ) -> bool:
        return self._write(self._changing(key, version, change, values, **names))

    def _changing(
        self, key: dict[str, Any], version: int | None, change: str, values: dict[str, Any], **names: Any
    ) -> Update:
        """Build the change of an existing row, at this version if it is set, and raise the version."""
        condition, seen = _of_version(version)
        values = values | seen | {":one": {"N": "1"}}
        return Update(
            self.table,
            key,
            f"SET {change}, {Row.VERSION} = if_not_exists({Row.VERSION}, :one) + :one",
            condition=condition,
            values=values,
            **names,
        )

    def _write(self, *operations: Operation) -> bool:
        return write_if(self.client, self.writer, operations)

    # Changes of shape. They return False if the tree has changed since it was read, or the unit's state forbids them.

    def add(self, tree: Tree, unit: Unit) -> bool:
        above = _above(tree, tree.path(unit.parent)) if unit.parent is not None else {}
        put = Put(
            self.table,
            _unit_item(tree.organisation.id, unit) | above,
            condition=f"attribute_not_exists({DirectoryRow.PARTITION})",
        )
        return self._reshape(tree, put, {unit.parent: 1} if unit.parent is not None else {})

    def move(self, tree: Tree, unit: UnitId, parent: UnitId, *, name: str | None = None) -> bool:
        """Move a unit, and rename it if `name` is set."""
        change, values = f"{Row.PARENT} = :parent", cast("dict[str, Any]", {":parent": {"B": parent}})
        if name is not None:
            change, values = f"{change}, {Row.NAME} = :name", values | {":name": {"S": name}}
        old, children, paths = tree.units[unit].parent, dict[UnitId, int](), list[Operation]()
        if old is not None and old != parent:
            children = {old: -1, parent: 1}
            above = tree.path(parent)
            change += f", {Row.PARENT_KEY} = :in, {_SET_ABOVE}"
            values |= {":in": {"S": _children_of(tree.organisation.id, parent)}, **_above_values(tree, above)}
            paths = self._paths_below(tree, unit, above)
        key, version = unit_key(tree.organisation.id, unit), tree.units[unit].version
        return self._reshape(tree, self._changing(key, version, change, values), children, paths)

    def _paths_below(self, tree: Tree, moved: UnitId, above: Sequence[UnitId]) -> list[Operation]:
        """Write the new path of each unit below a moved one or, if they are many, record the move itself.

        The tree's version guards this too. The list of moves is read after the tree, so no move in between is lost.
        """
        of = tree.organisation.id
        below = [one.id for one in tree.below(moved) if one.id != moved]
        if len(below) > MAX_REWRITTEN:
            row = self.client.get_item(TableName=self.table, Key=_moves_key(of), ConsistentRead=True).get("Item", {})
            there = {name: row[name] for name in map(id_text, tree.units) if name in row}
            listed = _moves_key(of) | there | {id_text(moved): {"M": _above(tree, above)}}
            return [Put(self.table, listed)]
        return [
            Update(
                self.table,
                unit_key(of, one),
                f"SET {_SET_ABOVE}",
                condition=_EXISTS,
                values=_above_values(tree, [*path[1 : path.index(moved) + 1], *above]),
            )
            for one in below
            for path in [tree.path(one)]
        ]

    def remove(self, tree: Tree, unit: UnitId) -> bool:
        """Remove a unit. Return False also if it has officials, groups or apps. Units below it are in the tree."""
        condition, seen = _of_version(tree.units[unit].version)
        none = f"{Row.OFFICIALS} = :none AND {Row.GROUPS} = :none"
        no_apps = f"(attribute_not_exists({Row.APPS}) OR {Row.APPS} = :none)"
        delete = Delete(
            self.table,
            unit_key(tree.organisation.id, unit),
            condition=f"{condition} AND {none} AND {no_apps}",
            values=seen | {":none": {"N": "0"}},
        )
        parent = tree.units[unit].parent
        return self._reshape(tree, delete, {parent: -1} if parent is not None else {})

    def _reshape(
        self,
        tree: Tree,
        change: Operation,
        children: Mapping[UnitId, int],
        more_changes: Sequence[Operation] = (),
    ) -> bool:
        """Write the change with the tree's next version. `children` has the changed number of children of each unit."""
        root = tree.organisation.root
        amounts = {Row.TREE_VERSION: 1, Row.UNITS: sum(children.values())}
        if root in children:
            amounts[Row.CHILDREN] = children[root]
        version = Add(
            self.table,
            organisation_key(tree.organisation.id),
            amounts,
            condition=f"{Row.TREE_VERSION} = :read",
            values={":read": {"N": str(tree.organisation.tree_version)}},
        )
        counts = [
            Add(self.table, unit_key(tree.organisation.id, unit), {Row.CHILDREN: count}, condition=_EXISTS)
            for unit, count in children.items()
            if unit != root
        ]
        return self._write(version, change, *counts, *more_changes)

    # Parts of other transactions: changes of a unit's officials, groups and apps update its counts

    def there(self, organisation: OrganisationId, unit: UnitId) -> Check:
        """Check that a unit exists."""
        return Check(self.table, unit_key(organisation, unit), condition=_EXISTS)

    def counting(
        self, organisation: OrganisationId, unit: UnitId, *, officials: int = 0, groups: int = 0, apps: int = 0
    ) -> Add:
        """Change one of the three counts by a number. The condition fails if the unit does not exist."""
        counts = {Row.OFFICIALS: officials, Row.GROUPS: groups, Row.APPS: apps}
        amounts = {name: more for name, more in counts.items() if more}
        return Add(self.table, unit_key(organisation, unit), amounts, condition=_EXISTS)


def _moves_key(organisation: OrganisationId) -> dict[str, Any]:
    return organisation_key(organisation) | {DirectoryRow.SORT: {"S": _MOVES}}


_SET_ABOVE = f"{Row.ABOVE} = :above, {Row.ABOVE_AT} = :at"


def _above_values(tree: Tree, above: Sequence[UnitId]) -> dict[str, Any]:
    """Return the values of `_SET_ABOVE`: the units above a unit in the tree's next version."""
    return {":above": {"B": b"".join(above)}, ":at": {"N": str(tree.organisation.tree_version + 1)}}


def _above(tree: Tree, above: Sequence[UnitId]) -> dict[str, Any]:
    values = _above_values(tree, above)
    return {Row.ABOVE: values[":above"], Row.ABOVE_AT: values[":at"]}


@dataclass(frozen=True, slots=True)
class _Above:
    """Holds the units above a unit, the nearest first, when the tree had the version `at`."""

    units: Sequence[UnitId]
    at: int


def _read_above(item: Item) -> _Above:
    ids = bytes(item[Row.ABOVE]["B"])
    return _Above(
        [UnitId(ids[start : start + ACCOUNT_BYTES]) for start in range(0, len(ids), ACCOUNT_BYTES)],
        int(item[Row.ABOVE_AT]["N"]),
    )


def _read_moves(row: Item) -> dict[UnitId, _Above]:
    return {parse_unit(name): _read_above(move["M"]) for name, move in row.items() if "M" in move}


def _path(unit: UnitId, above: _Above, moves: Mapping[UnitId, _Above]) -> list[UnitId]:
    """Return the unit, then the units above it now. After a unit that was moved since, continue with its new
    parents.
    """
    path, rest, at = [unit], list(above.units), above.at
    while rest:
        one = rest.pop(0)
        path.append(one)
        if one in moves and moves[one].at > at:
            rest, at = list(moves[one].units), moves[one].at
    return path


def _children_of(organisation: OrganisationId, parent: UnitId) -> str:
    return f"U#{id_text(organisation)}#{id_text(parent)}"


def _order(unit: UnitId) -> int:
    return int.from_bytes(unit)


def _of_version(version: int | None) -> tuple[str, dict[str, Any]]:
    """Return a condition with its values: the row exists and, if a version is set, has it."""
    if version is None:
        return _EXISTS, {}
    first = f"attribute_not_exists({Row.VERSION}) OR " if version == 1 else ""
    return f"{_EXISTS} AND ({first}{Row.VERSION} = :seen)", {":seen": {"N": str(version)}}


def _texts(values: Iterable[str]) -> dict[str, Any]:
    return {"L": [{"S": value} for value in values]}


def _version(item: Item) -> int:
    return int(item[Row.VERSION]["N"]) if Row.VERSION in item else 1


def read_organisation(item: Item) -> Organisation:
    return Organisation(
        id=parse_organisation(item[DirectoryRow.PARTITION]["S"].removeprefix("O#")),
        name=item[Row.NAME]["S"],
        created_at=int(item[Row.CREATED_AT]["N"]),
        tree_version=int(item[Row.TREE_VERSION]["N"]),
        audiences={
            cast("Field", name): cast("Audience", audience["S"]) for name, audience in item[Row.AUDIENCES]["M"].items()
        },
        version=_version(item),
        units=int(item[Row.UNITS]["N"]) if Row.UNITS in item else 0,
        mail_domains=tuple(one["S"] for one in item[Row.MAIL_DOMAINS]["L"]) if Row.MAIL_DOMAINS in item else (),
    )


def _organisation_of(item: Item) -> OrganisationId:
    return parse_organisation(item[DirectoryRow.PARTITION]["S"].removeprefix("O#"))


def read_unit(item: Item) -> Unit:
    """Read a unit from its row, or the root from the organisation's row."""
    id = item[DirectoryRow.SORT]["S"].removeprefix(_UNIT_PREFIX)
    if id == _SORT:
        id = item[DirectoryRow.PARTITION]["S"].removeprefix("O#")
    return Unit(
        id=parse_unit(id),
        name=item[Row.NAME]["S"],
        kind=cast("UnitKind", item[Row.KIND]["S"]),
        parent=UnitId(item[Row.PARENT]["B"]) if Row.PARENT in item else None,
        created_at=int(item[Row.CREATED_AT]["N"]),
        officials=int(item[Row.OFFICIALS]["N"]),
        groups=int(item[Row.GROUPS]["N"]),
        apps=int(item[Row.APPS]["N"]) if Row.APPS in item else 0,
        version=_version(item),
        children=int(item[Row.CHILDREN]["N"]) if Row.CHILDREN in item else 0,
    )


def _unit_item(organisation: OrganisationId, unit: Unit) -> dict[str, Any]:
    item = unit_key(organisation, unit.id) | {
        Row.NAME: {"S": unit.name},
        Row.KIND: {"S": unit.kind},
        Row.CREATED_AT: {"N": str(unit.created_at)},
        Row.OFFICIALS: {"N": str(unit.officials)},
        Row.GROUPS: {"N": str(unit.groups)},
    }
    if unit.parent is None:
        return item
    return item | {
        Row.PARENT: {"B": unit.parent},
        Row.PARENT_KEY: {"S": _children_of(organisation, unit.parent)},
        Row.ORDER: {"N": str(_order(unit.id))},
    }
