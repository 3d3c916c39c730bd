"""Approvals in the directory table, in the partition of their organisation (schema.ApprovalRow)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from sandes.model.administrator import Place
from sandes.model.approval import LAPSES_AFTER_SECONDS, Approval
from sandes.model.ids import (
    ACCOUNT_BYTES,
    AdministratorId,
    ApprovalId,
    OrganisationId,
    UnitId,
    administrator_text,
    parse_organisation,
)
from sandes.store.dynamo import Client, Condition, Item
from sandes.store.organisations import organisation_key
from sandes.store.queries import Query, query_page, read_page
from sandes.store.schema import ENDING, DirectoryRow, PendingRow
from sandes.store.schema import ApprovalRow as Row
from sandes.store.transaction import Delete, Operation, Put, Update

_PREFIX = "P#"
_PENDING_NAME = re.compile(rf"{PendingRow.PREFIX}[0-9a-f]{{48}}")

NOBODY_ASKED = Condition("no pending request asks for the same")
PENDING = Condition("the approval is pending")

_WAITING = {"S": "approvals"}
"""The partition of approvals in the index, apart from the shards of endings."""


def approval_key(approval: ApprovalId) -> dict[str, Any]:
    organisation, number = OrganisationId(approval[:ACCOUNT_BYTES]), approval[ACCOUNT_BYTES:]
    return organisation_key(organisation) | {DirectoryRow.SORT: {"S": f"{_PREFIX}{number.hex()}"}}


def same_as(item: Item) -> ApprovalId:
    """Return the pending approval of the same change."""
    return ApprovalId(item[PendingRow.APPROVAL]["B"])


def _same_key(approval: Approval) -> dict[str, Any]:
    sort = {DirectoryRow.SORT: {"S": f"PD#{approval.same.hex()}"}}
    return organisation_key(approval.place.organisation) | sort


def _pending_key(administrator: AdministratorId) -> dict[str, Any]:
    return {DirectoryRow.PARTITION: {"S": f"PR#{administrator_text(administrator)}"}, DirectoryRow.SORT: {"S": "0"}}


def _pending_name(approval: ApprovalId) -> str:
    return f"{PendingRow.PREFIX}{approval.hex()}"


def _vanishes_at(approval: Approval) -> int:
    """Return the time from which none of the administrator's requests until now can be pending."""
    return approval.expires_at + LAPSES_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Pending:
    """Holds the pending requests of an administrator. `lapsed` names the attributes of lapsed requests."""

    approvals: tuple[ApprovalId, ...]
    lapsed: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class ApprovalStore:
    client: Client
    table: str

    def read(self, approval: ApprovalId, *, now_seconds: int) -> Approval | None:
        """Return an approval by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=approval_key(approval), ConsistentRead=True)
        found = read_approval(answer["Item"]) if "Item" in answer else None
        return found if found and found.vanishes_at > now_seconds else None

    def of_organisation(
        self, organisation: OrganisationId, *, after: str | None, limit: int, now_seconds: int
    ) -> tuple[list[Approval], str | None]:
        """Return a page, the newest first, and the start of the next page. One query."""
        key = organisation_key(organisation)
        items, last = query_page(self.client, self.table, key, _PREFIX, after=after, limit=limit, descending=True)
        return [one for one in map(read_approval, items) if one.vanishes_at > now_seconds], last

    def of_platform(self, *, after: str | None, limit: int, now_seconds: int) -> tuple[list[Approval], str | None]:
        """Return a page of approvals of all organisations that wait for a platform administrator, and the next page's
        start.

        The next to lapse come first. One query of the index, which may still have approvals that were just decided.
        """
        start: Item | None = None
        until, partition, sort = after.split(" ") if after else ("0", "", "")
        if int(until) > now_seconds:  # otherwise all previous pages have lapsed, and this is the first one
            key = {DirectoryRow.PARTITION: {"S": partition}, DirectoryRow.SORT: {"S": sort}}
            start = key | {Row.WAITS: _WAITING, Row.WAITS_UNTIL: {"N": until}}
        waiting = f"{Row.WAITS} = :waiting AND {Row.WAITS_UNTIL} > :now"
        values = {":waiting": _WAITING, ":now": {"N": str(now_seconds)}}
        query = Query(self.table, waiting, values, index=ENDING.name)
        items, last = read_page(self.client, query, start=start, limit=limit)
        names = (DirectoryRow.PARTITION, DirectoryRow.SORT)
        more = " ".join([last[Row.WAITS_UNTIL]["N"], *(last[name]["S"] for name in names)]) if last else None
        return [read_approval(item) for item in items], more

    def pending_of(self, requester: AdministratorId, *, now_seconds: int) -> Pending:
        """Return the pending requests of an administrator by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=_pending_key(requester), ConsistentRead=True)
        item = answer.get("Item", {})
        until = {name: int(value["N"]) for name, value in item.items() if _PENDING_NAME.fullmatch(name)}
        version = int(item[PendingRow.VERSION]["N"]) if PendingRow.VERSION in item else 0
        live = [name for name, at in until.items() if at > now_seconds]
        return Pending(
            approvals=tuple(ApprovalId(bytes.fromhex(name.removeprefix(PendingRow.PREFIX))) for name in live),
            lapsed=tuple(sorted(until.keys() - set(live))),
            version=version,
        )

    # Parts of transactions

    def requesting(
        self, approval: Approval, pending: Pending, *, of_platform: bool, now_seconds: int
    ) -> list[Operation]:
        """Store a request. NOBODY_ASKED fails, and returns the row, if a pending request asks for the same change. The
        condition of the last operation fails if the requester made another request since `pending` was read.

        `of_platform` is set if a platform administrator may decide the request. It is then listed among the requests of
        all organisations too.
        """
        return [
            self._putting(approval, of_platform=of_platform),
            self._alone(approval, now_seconds),
            self._counting(approval, pending),
        ]

    def no_longer_pending(self, approval: Approval) -> list[Operation]:
        """Remove a request from the pending ones. The condition fails if it has lapsed and the same was requested
        again.
        """
        if not approval.same:
            return []
        ours = f"attribute_not_exists({DirectoryRow.PARTITION}) OR {PendingRow.APPROVAL} = :id"
        alone = Delete(self.table, _same_key(approval), condition=ours, values={":id": {"B": approval.id}})
        counted = Update(
            self.table,
            _pending_key(approval.requested_by),
            f"SET {DirectoryRow.VANISHES_AT} = :vanishes REMOVE {_pending_name(approval.id)}",
            values={":vanishes": {"N": str(_vanishes_at(approval))}},
        )
        return [alone, counted]

    def _alone(self, approval: Approval, now_seconds: int) -> Put:
        item = _same_key(approval) | {
            PendingRow.APPROVAL: {"B": approval.id},
            PendingRow.EXPIRES_AT: {"N": str(approval.expires_at)},
            DirectoryRow.VANISHES_AT: {"N": str(approval.expires_at)},
        }
        return Put(
            self.table,
            item,
            condition=f"attribute_not_exists({DirectoryRow.PARTITION}) OR {PendingRow.EXPIRES_AT} <= :now",
            named=NOBODY_ASKED,
            values={":now": {"N": str(now_seconds)}},
            old=True,
        )

    def _counting(self, approval: Approval, pending: Pending) -> Update:
        values = {
            ":until": {"N": str(approval.expires_at)},
            ":vanishes": {"N": str(_vanishes_at(approval))},
            ":next": {"N": str(pending.version + 1)},
        }
        condition = f"attribute_not_exists({PendingRow.VERSION})"
        if pending.version:
            condition, values = f"{PendingRow.VERSION} = :seen", values | {":seen": {"N": str(pending.version)}}
        removed = f" REMOVE {', '.join(pending.lapsed)}" if pending.lapsed else ""
        return Update(
            self.table,
            _pending_key(approval.requested_by),
            f"SET {_pending_name(approval.id)} = :until, {PendingRow.VERSION} = :next, "
            f"{DirectoryRow.VANISHES_AT} = :vanishes{removed}",
            condition=condition,
            values=values,
        )

    def _putting(self, approval: Approval, *, of_platform: bool) -> Put:
        waits = {Row.WAITS: _WAITING, Row.WAITS_UNTIL: {"N": str(approval.expires_at)}} if of_platform else {}
        return Put(self.table, _item(approval) | waits, condition=f"attribute_not_exists({DirectoryRow.PARTITION})")

    def deciding(
        self,
        approval: Approval,
        decision: Literal["executed", "rejected", "cancelled"],
        by: AdministratorId,
        *,
        now_seconds: int,
        reason: str | None = None,
    ) -> Update:
        """Decide a request. The condition fails, and returns the row, unless it is pending and has not lapsed."""
        changes: dict[str, Any] = {
            Row.DECISION: {"S": decision},
            Row.DECIDED_BY: {"B": by},
            Row.DECIDED_AT: {"N": str(now_seconds)},
            **({Row.REASON: {"S": reason}} if reason is not None else {}),
        }
        if decision == "executed":
            changes[DirectoryRow.VANISHES_AT] = {"N": str(replace(approval, decision=decision).vanishes_at)}
        names = list(changes)
        return Update(
            self.table,
            approval_key(approval.id),
            "SET "
            + ", ".join(f"#n{at} = :v{at}" for at in range(len(names)))
            + f" REMOVE {Row.WAITS}, {Row.WAITS_UNTIL}",
            condition=f"#decision = :pending AND {Row.REQUESTED_AT} = :asked",
            named=PENDING,
            names={f"#n{at}": name for at, name in enumerate(names)} | {"#decision": Row.DECISION},
            values={f":v{at}": changes[name] for at, name in enumerate(names)}
            | {":pending": {"S": "pending"}, ":asked": {"N": str(approval.requested_at)}},
            old=True,
        )


def _item(approval: Approval) -> dict[str, Any]:
    return approval_key(approval.id) | {
        Row.OPERATION: {"S": approval.operation},
        Row.PARAMETERS: {"S": json.dumps(approval.parameters)},
        Row.UNIT: {"B": approval.place.unit},
        Row.REQUESTED_BY: {"B": approval.requested_by},
        Row.REQUESTER_NAME: {"S": approval.requester_name},
        Row.HOME_ORGANISATION: {"B": approval.requester_home.organisation},
        Row.HOME_UNIT: {"B": approval.requester_home.unit},
        Row.REQUESTED_AT: {"N": str(approval.requested_at)},
        Row.DECISION: {"S": approval.decision},
        Row.SAME: {"B": approval.same},
        DirectoryRow.VANISHES_AT: {"N": str(approval.vanishes_at)},
    }


def read_approval(item: Item) -> Approval:
    partition, sort = item[DirectoryRow.PARTITION]["S"], item[DirectoryRow.SORT]["S"]
    organisation = parse_organisation(partition.removeprefix("O#"))
    return Approval(
        id=ApprovalId(organisation + bytes.fromhex(sort.removeprefix(_PREFIX))),
        operation=item[Row.OPERATION]["S"],
        parameters=json.loads(item[Row.PARAMETERS]["S"]),
        place=Place(organisation, UnitId(item[Row.UNIT]["B"])),
        requested_by=AdministratorId(item[Row.REQUESTED_BY]["B"]),
        requester_name=item[Row.REQUESTER_NAME]["S"],
        requester_home=Place(OrganisationId(item[Row.HOME_ORGANISATION]["B"]), UnitId(item[Row.HOME_UNIT]["B"])),
        requested_at=int(item[Row.REQUESTED_AT]["N"]),
        decision=cast("Any", item[Row.DECISION]["S"]),
        decided_by=AdministratorId(item[Row.DECIDED_BY]["B"]) if Row.DECIDED_BY in item else None,
        decided_at=int(item[Row.DECIDED_AT]["N"]) if Row.DECIDED_AT in item else None,
        reason=item[Row.REASON]["S"] if Row.REASON in item else None,
        same=bytes(item[Row.SAME]["B"]) if Row.SAME in item else b"",
    )
