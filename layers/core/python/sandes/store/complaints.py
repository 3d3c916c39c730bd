"""Complaints in the directory table, in the partition of the organisation concerned (schema.ComplaintRow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from sandes.model.complaint import Complaint
from sandes.model.ids import ACCOUNT_BYTES, AdministratorId, ComplaintId, OrganisationId, UnitId, parse_organisation
from sandes.store.dynamo import Client, Item, batch_get
from sandes.store.organisations import organisation_key
from sandes.store.queries import query_page
from sandes.store.schema import ComplaintRow as Row
from sandes.store.schema import DirectoryRow
from sandes.store.transaction import Delete, Operation, Put, When

Listed = Literal["unresolved", "resolved"]
_LISTS: dict[Listed, str] = {"unresolved": "C#o#", "resolved": "C#d#"}


@dataclass(frozen=True, slots=True)
class ComplaintStore:
    client: Client
    table: str

    def read(self, id: ComplaintId, *, now_seconds: int) -> Complaint | None:
        """Return a complaint with one consistent read of the two places where it may be."""
        keys = [_key(id, "unresolved"), _key(id, "resolved")]
        found = batch_get(self.client, {self.table: {"Keys": keys, "ConsistentRead": True}})[self.table]
        live = [one for one in map(read_complaint, found) if one.vanishes_at > now_seconds]
        return live[0] if live else None

    def of_organisation(
        self, organisation: OrganisationId, which: Listed, *, after: str | None, limit: int, now_seconds: int
    ) -> tuple[list[Complaint], str | None]:
        """Return a page, the newest first, and the start of the next page. One query."""
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, _LISTS[which], after=after, limit=limit, descending=True)
        return [one for one in map(read_complaint, items) if one.vanishes_at > now_seconds], last

    def add(self, complaint: Complaint) -> None:
        self.client.put_item(TableName=self.table, Item=_item(complaint))

    # Parts of transactions, for a complaint that was read as `version` - 1

    def changing(self, complaint: Complaint) -> list[Operation]:
        """Change a complaint. The condition fails if it has changed since it was read. A resolved one moves to the
        other list.
        """
        as_read: When = {
            "condition": f"{Row.VERSION} = :read",
            "values": {":read": {"N": str(complaint.version - 1)}},
        }
        if complaint.outcome is None:
            return [Put(self.table, _item(complaint), **as_read)]
        left = Delete(self.table, _key(complaint.id, "unresolved"), **as_read)
        return [left, Put(self.table, _item(complaint))]


def complaint_key(complaint: Complaint) -> dict[str, Any]:
    return _key(complaint.id, "unresolved" if complaint.outcome is None else "resolved")


def _key(id: ComplaintId, which: Listed) -> dict[str, Any]:
    sort = f"{_LISTS[which]}{id[ACCOUNT_BYTES:].hex()}"
    return organisation_key(Complaint.organisation_of(id)) | {DirectoryRow.SORT: {"S": sort}}


def _item(complaint: Complaint) -> dict[str, Any]:
    item: dict[str, Any] = complaint_key(complaint) | {
        Row.UNIT: {"B": complaint.unit},
        Row.KIND: {"S": complaint.kind},
        Row.ABOUT: {"B": complaint.about},
        Row.CATEGORY: {"S": complaint.category},
        Row.TEXT: {"B": complaint.text},
        Row.REPORTER: {"B": complaint.reporter},
        Row.PSEUDONYM: {"S": complaint.pseudonym},
        Row.REPORTED_AT: {"N": str(complaint.reported_at)},
        Row.VERSION: {"N": str(complaint.version)},
        DirectoryRow.VANISHES_AT: {"N": str(complaint.vanishes_at)},
    }
    if complaint.assigned_to is not None:
        item[Row.ASSIGNED_TO] = {"B": complaint.assigned_to}
    if complaint.outcome is not None:
        item[Row.OUTCOME] = {"S": complaint.outcome}
    if complaint.note is not None:
        item[Row.NOTE] = {"B": complaint.note}
    if complaint.resolved_at is not None:
        item[Row.RESOLVED_AT] = {"N": str(complaint.resolved_at)}
    return item


def read_complaint(item: Item) -> Complaint:
    organisation = parse_organisation(item[DirectoryRow.PARTITION]["S"].removeprefix("O#"))
    number = bytes.fromhex(item[DirectoryRow.SORT]["S"].rpartition("#")[2])
    return Complaint(
        id=ComplaintId(organisation + number),
        unit=UnitId(item[Row.UNIT]["B"]),
        kind=cast("Any", item[Row.KIND]["S"]),
        about=item[Row.ABOUT]["B"],
        category=cast("Any", item[Row.CATEGORY]["S"]),
        text=item[Row.TEXT]["B"],
        reporter=item[Row.REPORTER]["B"],
        pseudonym=item[Row.PSEUDONYM]["S"],
        reported_at=int(item[Row.REPORTED_AT]["N"]),
        version=int(item[Row.VERSION]["N"]),
        assigned_to=AdministratorId(item[Row.ASSIGNED_TO]["B"]) if Row.ASSIGNED_TO in item else None,
        outcome=cast("Any", item[Row.OUTCOME]["S"]) if Row.OUTCOME in item else None,
        note=item[Row.NOTE]["B"] if Row.NOTE in item else None,
        resolved_at=int(item[Row.RESOLVED_AT]["N"]) if Row.RESOLVED_AT in item else None,
    )
