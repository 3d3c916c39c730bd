"""Rosters in the directory table: of each group the last one, with how much of it has been done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, cast

import cbor2
from botocore.exceptions import ClientError

from sandes.model.ids import GroupId
from sandes.model.roster import Counts, Roster, RosterFault, RosterState
from sandes.store.dynamo import Client, Item, failed_condition
from sandes.store.groups import group_key
from sandes.store.schema import DirectoryRow
from sandes.store.schema import RosterRow as Row

_SORT = {"S": "R"}


def roster_key(group: GroupId) -> dict[str, Any]:
    return group_key(group) | {DirectoryRow.SORT: _SORT}


@dataclass(frozen=True, slots=True)
class RosterStore:
    client: Client
    table: str

    def read(self, group: GroupId) -> Roster | None:
        """Consistent."""
        answer = self.client.get_item(TableName=self.table, Key=roster_key(group), ConsistentRead=True)
        return read_roster(group, answer["Item"]) if "Item" in answer else None

    def putting(self, roster: Roster) -> dict[str, Any]:
        """Part of a transaction: takes the place of the last one, unless that is still being applied."""
        return {
            "Put": {
                "TableName": self.table,
                "Item": _item(roster),
                "ConditionExpression": f"attribute_not_exists({Row.ID}) OR {Row.STATE} <> :applying",
                "ExpressionAttributeValues": {":applying": {"S": "applying"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def making(self, roster: Roster, made: int, *, run: str) -> dict[str, Any]:
        """Build the note that so many changes are made, for the transaction that makes them.

        The condition fails unless the roster is being applied and is as far as when it was read.
        """
        return {
            "Update": {
                "TableName": self.table,
                "Key": roster_key(roster.group),
                "UpdateExpression": f"SET {Row.MADE} = :new, {Row.RUN} = :run",
                "ConditionExpression": _AS_FAR,
                "ExpressionAttributeValues": _as_far(roster) | {":new": {"N": str(made)}, ":run": {"S": run}},
            }
        }

    def make(self, making: dict[str, Any]) -> bool:
        """Write what `making` has built, by itself. Returns False if the roster is not as it was read any more."""
        try:
            self.client.update_item(**making["Update"])
        except ClientError as error:
            if failed_condition(error):
                return False
            raise
        return True

    def advance(self, roster: Roster, done: int, *, run: str, now_ms: int) -> bool:
        """Count so many changes as done; if these are all, the roster is done.

        Returns False if the roster is not as it was read any more. That may be by this very call, repeated after a
        lost answer: then `run` stands in the row.
        """
        changes = {Row.DONE: {"N": str(done)}, Row.RUN: {"S": run}}
        if done == roster.counts.changes:
            changes |= {Row.STATE: {"S": "done"}, Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        return self._change(roster, changes)

    def fail(self, roster: Roster, failure: str, *, now_ms: int) -> bool:
        """No more of it is applied. False if it is not as it was read any more."""
        changes = {Row.STATE: {"S": "failed"}, Row.FAILURE: {"S": failure}, Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        return self._change(roster, changes)

    def _change(self, roster: Roster, changes: dict[str, Any]) -> bool:
        sets = ", ".join(f"{name} = :new{index}" for index, name in enumerate(changes))
        values = {f":new{index}": value for index, value in enumerate(changes.values())}
        try:
            self.client.update_item(
                TableName=self.table,
                Key=roster_key(roster.group),
                UpdateExpression=f"SET {sets}",
                ConditionExpression=_AS_FAR,
                ExpressionAttributeValues=_as_far(roster) | values,
            )
        except ClientError as error:
            if failed_condition(error):
                return False
            raise
        return True


_AS_FAR = f"{Row.ID} = :id AND {Row.STATE} = :applying AND {Row.DONE} = :done AND {Row.MADE} = :made"


def _as_far(roster: Roster) -> dict[str, Any]:
    return {
        ":id": {"S": roster.id},
        ":applying": {"S": "applying"},
        ":done": {"N": str(roster.done)},
        ":made": {"N": str(roster.made)},
    }


def _item(roster: Roster) -> dict[str, Any]:
    item = roster_key(roster.group) | {
        Row.ID: {"S": roster.id},
        Row.GROUP_VERSION: {"N": str(roster.version)},
        Row.FINGERPRINT: {"B": roster.fingerprint},
        Row.STATE: {"S": roster.state},
        Row.COUNTS: {"L": [{"N": str(count)} for count in astuple(roster.counts)]},
        Row.FAULTS: {"B": _encode(roster.faults)},
        Row.DONE: {"N": str(roster.done)},
        Row.MADE: {"N": str(roster.made)},
        Row.STARTED_AT_MS: {"N": str(roster.started_at_ms)},
    }
    if roster.finished_at_ms is not None:
        item[Row.FINISHED_AT_MS] = {"N": str(roster.finished_at_ms)}
    return item


def read_roster(group: GroupId, item: Item) -> Roster:
    return Roster(
        group=group,
        id=item[Row.ID]["S"],
        version=int(item[Row.GROUP_VERSION]["N"]),
        fingerprint=item[Row.FINGERPRINT]["B"],
        state=cast("RosterState", item[Row.STATE]["S"]),
        counts=Counts(*(int(count["N"]) for count in item[Row.COUNTS]["L"])),
        faults=[RosterFault(*fault) for fault in cbor2.loads(item[Row.FAULTS]["B"])],
        done=int(item[Row.DONE]["N"]),
        made=int(item[Row.MADE]["N"]),
        started_at_ms=int(item[Row.STARTED_AT_MS]["N"]),
        finished_at_ms=int(item[Row.FINISHED_AT_MS]["N"]) if Row.FINISHED_AT_MS in item else None,
        failure=item[Row.FAILURE]["S"] if Row.FAILURE in item else None,
        run=item[Row.RUN]["S"] if Row.RUN in item else None,
    )


def _encode(faults: Sequence[RosterFault]) -> bytes:
    return cbor2.dumps([[fault.row, fault.code] for fault in faults])
