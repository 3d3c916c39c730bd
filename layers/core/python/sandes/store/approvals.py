"""Approvals in the directory table, with their organisation (schema.ApprovalRow)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from sandes.model.administrator import Place
from sandes.model.approval import Approval
from sandes.model.ids import ACCOUNT_BYTES, AdministratorId, ApprovalId, OrganisationId, UnitId, parse_organisation
from sandes.store.dynamo import Client, Item
from sandes.store.organisations import organisation_key
from sandes.store.schema import DIRECTORY, DirectoryRow
from sandes.store.schema import ApprovalRow as Row

_PREFIX = "P#"
_WAITING = {"S": "approvals"}
"""A partition of the index of its own, beside the shards of endings."""


def approval_key(approval: ApprovalId) -> dict[str, Any]:
    organisation, number = OrganisationId(approval[:ACCOUNT_BYTES]), approval[ACCOUNT_BYTES:]
    return organisation_key(organisation) | {DirectoryRow.SORT: {"S": f"{_PREFIX}{number.hex()}"}}


@dataclass(frozen=True, slots=True)
class ApprovalStore:
    client: Client
    table: str

    def read(self, approval: ApprovalId, *, now_seconds: int) -> Approval | None:
        """By a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=approval_key(approval), ConsistentRead=True)
        found = read_approval(answer["Item"]) if "Item" in answer else None
        return found if found and found.vanishes_at > now_seconds else None

    def of_organisation(
        self, organisation: OrganisationId, *, after: str | None, limit: int, now_seconds: int
    ) -> tuple[list[Approval], str | None]:
        """A page, the newest first, and where the next one begins. One query."""
        partition = organisation_key(organisation)[DirectoryRow.PARTITION]
        start: dict[str, Any] = {}
        if after:
            start = {"ExclusiveStartKey": {DirectoryRow.PARTITION: partition, DirectoryRow.SORT: {"S": after}}}
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression=f"{DirectoryRow.PARTITION} = :of AND begins_with({DirectoryRow.SORT}, :prefix)",
            ExpressionAttributeValues={":of": partition, ":prefix": {"S": _PREFIX}},
            ScanIndexForward=False,
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        found = [one for one in map(read_approval, answer["Items"]) if one.vanishes_at > now_seconds]
        return found, last[DirectoryRow.SORT]["S"] if last else None

    def of_platform(self, *, after: str | None, limit: int, now_seconds: int) -> tuple[list[Approval], str | None]:
        """A page of what waits for a platform administrator in all organisations, what lapses first in front, and where
        the next one begins. One query of the index: what has just been decided may be among it.
        """
        start: dict[str, Any] = {}
        until, partition, sort = after.split(" ") if after else ("0", "", "")
        if int(until) > now_seconds:  # else all that the pages before had has lapsed, and this is the first one
            key = {DirectoryRow.PARTITION: {"S": partition}, DirectoryRow.SORT: {"S": sort}}
            start = {"ExclusiveStartKey": key | {Row.WAITS: _WAITING, Row.WAITS_UNTIL: {"N": until}}}
        answer = self.client.query(
            TableName=self.table,
            IndexName=DIRECTORY.index.name if DIRECTORY.index else "",
            KeyConditionExpression=f"{Row.WAITS} = :waiting AND {Row.WAITS_UNTIL} > :now",
            ExpressionAttributeValues={":waiting": _WAITING, ":now": {"N": str(now_seconds)}},
            Limit=limit,
            **start,
        )
        last = answer.get("LastEvaluatedKey")
        names = (DirectoryRow.PARTITION, DirectoryRow.SORT)
        more = " ".join([last[Row.WAITS_UNTIL]["N"], *(last[name]["S"] for name in names)]) if last else None
        return [read_approval(item) for item in answer["Items"]], more

    # Parts of transactions.

    def requesting(self, approval: Approval, *, of_platform: bool) -> dict[str, Any]:
        """`of_platform`: a platform administrator may decide it, and finds it among those of all organisations."""
        waits = {Row.WAITS: _WAITING, Row.WAITS_UNTIL: {"N": str(approval.expires_at)}} if of_platform else {}
        return {
            "Put": {
                "TableName": self.table,
                "Item": _item(approval) | waits,
                "ConditionExpression": f"attribute_not_exists({DirectoryRow.PARTITION})",
            }
        }

    def deciding(
        self,
        approval: Approval,
        decision: Literal["executed", "rejected", "cancelled"],
        by: AdministratorId,
        *,
        now_seconds: int,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Fails, and asks for the row as it stands, unless it is still pending and has not lapsed."""
        changes: dict[str, Any] = {
            Row.DECISION: {"S": decision},
            Row.DECIDED_BY: {"B": by},
            Row.DECIDED_AT: {"N": str(now_seconds)},
            **({Row.REASON: {"S": reason}} if reason is not None else {}),
        }
        if decision == "executed":
            changes[DirectoryRow.VANISHES_AT] = {"N": str(replace(approval, decision=decision).vanishes_at)}
        names = list(changes)
        return {
            "Update": {
                "TableName": self.table,
                "Key": approval_key(approval.id),
                "UpdateExpression": "SET "
                + ", ".join(f"#n{at} = :v{at}" for at in range(len(names)))
                + f" REMOVE {Row.WAITS}, {Row.WAITS_UNTIL}",
                "ConditionExpression": f"#decision = :pending AND {Row.REQUESTED_AT} = :asked",
                "ExpressionAttributeNames": {f"#n{at}": name for at, name in enumerate(names)}
                | {"#decision": Row.DECISION},
                "ExpressionAttributeValues": {f":v{at}": changes[name] for at, name in enumerate(names)}
                | {":pending": {"S": "pending"}, ":asked": {"N": str(approval.requested_at)}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }


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
    )
