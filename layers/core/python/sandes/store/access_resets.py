"""Access resets in the directory table, one for each person (schema.AccessResetRow)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from sandes.model.access_reset import AccessReset, AccessResetState
from sandes.model.administrator import Place
from sandes.model.ids import (
    AdministratorId,
    ApprovalId,
    OrganisationId,
    UnitId,
    administrator_text,
    parse_administrator,
)
from sandes.store.dynamo import Client, Item
from sandes.store.queries import Query, query_pages
from sandes.store.schema import ENDING, DirectoryRow
from sandes.store.schema import AccessResetRow as Row
from sandes.store.transaction import Delete, Put, When

_PREFIX = "AR#"
_DUE = {"S": "access"}
"""The partition of access resets in the index, apart from those of endings and approvals."""


def access_reset_key(administrator: AdministratorId) -> dict[str, Any]:
    partition = {"S": f"{_PREFIX}{administrator_text(administrator)}"}
    return {DirectoryRow.PARTITION: partition, DirectoryRow.SORT: {"S": "0"}}


@dataclass(frozen=True, slots=True)
class AccessResetStore:
    client: Client
    table: str

    def read(self, administrator: AdministratorId) -> AccessReset | None:
        """Read a person's reset, consistently."""
        key = access_reset_key(administrator)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return read_access_reset(answer["Item"]) if "Item" in answer else None

    def due(self, *, now_seconds: int) -> Iterator[list[AdministratorId]]:
        """Yield pages of people whose reset has a due step. They come from an index, so read each reset again."""
        values = {":access": _DUE, ":now": {"N": str(now_seconds)}}
        due = Query(self.table, f"{Row.DUE} = :access AND {Row.DUE_AT} <= :now", values, index=ENDING.name)
        for items, _ in query_pages(self.client, due):
            yield [_administrator_of(item) for item in items]

    # Parts of transactions

    def putting(self, new: AccessReset) -> Put:
        """Begin a reset. The condition fails if the person has one already."""
        item = _item(new, due_at=new.approved_at)
        absent = f"attribute_not_exists({DirectoryRow.PARTITION})"
        return Put(self.table, item, condition=absent)

    def moving(self, reset: AccessReset, *, due_at: int, **changed: Any) -> Put:
        """Change a reset. The condition fails if it has changed since it was read."""
        return Put(self.table, _item(replace(reset, **changed), due_at=due_at), **_as_read(reset))

    def ending(self, reset: AccessReset) -> Delete:
        """Remove a reset. The condition fails if it has changed since it was read."""
        return Delete(self.table, access_reset_key(reset.administrator), **_as_read(reset))


def _as_read(reset: AccessReset) -> When:
    """Return the condition that the reset has not changed since it was read."""
    confirmed = f"{Row.CONFIRMED_BY} = :by" if reset.confirmed_by else f"attribute_not_exists({Row.CONFIRMED_BY})"
    values: dict[str, Any] = {":approval": {"B": reset.approval}, ":state": {"S": reset.state}}
    if reset.confirmed_by:
        values[":by"] = {"B": reset.confirmed_by}
    return {
        "condition": f"{Row.APPROVAL} = :approval AND {Row.STATE} = :state AND {confirmed}",
        "values": values,
    }


def _item(reset: AccessReset, *, due_at: int) -> dict[str, Any]:
    item = access_reset_key(reset.administrator) | {
        Row.ORGANISATION: {"B": reset.place.organisation},
        Row.UNIT: {"B": reset.place.unit},
        Row.APPROVAL: {"B": reset.approval},
        Row.REQUESTED_BY: {"B": reset.requested_by},
        Row.APPROVED_BY: {"B": reset.approved_by},
        Row.APPROVED_AT: {"N": str(reset.approved_at)},
        Row.STATE: {"S": reset.state},
        Row.DUE: _DUE,
        Row.DUE_AT: {"N": str(due_at)},
    }
    if reset.effective_at is not None:
        item[Row.EFFECTIVE_AT] = {"N": str(reset.effective_at)}
    return item | ({Row.CONFIRMED_BY: {"B": reset.confirmed_by}} if reset.confirmed_by else {})


def read_access_reset(item: Item) -> AccessReset:
    return AccessReset(
        administrator=_administrator_of(item),
        place=Place(OrganisationId(item[Row.ORGANISATION]["B"]), UnitId(item[Row.UNIT]["B"])),
        approval=ApprovalId(item[Row.APPROVAL]["B"]),
        requested_by=AdministratorId(item[Row.REQUESTED_BY]["B"]),
        approved_by=AdministratorId(item[Row.APPROVED_BY]["B"]),
        approved_at=int(item[Row.APPROVED_AT]["N"]),
        state=cast("AccessResetState", item[Row.STATE]["S"]),
        effective_at=int(item[Row.EFFECTIVE_AT]["N"]) if Row.EFFECTIVE_AT in item else None,
        confirmed_by=AdministratorId(item[Row.CONFIRMED_BY]["B"]) if Row.CONFIRMED_BY in item else None,
    )


def _administrator_of(item: Item) -> AdministratorId:
    return parse_administrator(item[DirectoryRow.PARTITION]["S"].removeprefix(_PREFIX))
