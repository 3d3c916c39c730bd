"""Rosters in the directory table: the last one of each group, with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, cast

import cbor2

from sandes.model.ids import GroupId
from sandes.model.roster import Counts, Roster, RosterFault, RosterState
from sandes.store.dynamo import Client, Item
from sandes.store.groups import group_key
from sandes.store.schema import DirectoryRow
from sandes.store.schema import RosterRow as Row
from sandes.store.transaction import Put, Update, write_if

_SORT = {"S": "R"}


def roster_key(group: GroupId) -> dict[str, Any]:
    return group_key(group) | {DirectoryRow.SORT: _SORT}


@dataclass(frozen=True, slots=True)
class RosterStore:
    client: Client
    table: str

    def read(self, group: GroupId) -> Roster | None:
        """Return the roster by a consistent read."""
        answer = self.client.get_item(TableName=self.table, Key=roster_key(group), ConsistentRead=True)
        return read_roster(group, answer["Item"]) if "Item" in answer else None

    def putting(self, roster: Roster) -> Put:
        """Build the part of a transaction that replaces the last roster. The condition fails while that is being
        applied.
        """
        return Put(
            self.table,
            _item(roster),
            condition=f"attribute_not_exists({Row.ID}) OR {Row.STATE} <> :applying",
            values={":applying": {"S": "applying"}},
            old=True,
        )

    def making(self, roster: Roster, made: int, *, run: str) -> Update:
        """Build the record that so many changes are made, for the transaction that makes them.

        The condition fails unless the roster is being applied and has not changed since it was read.
        """
        return Update(
            self.table,
            roster_key(roster.group),
            f"SET {Row.MADE} = :new, {Row.RUN} = :run",
            condition=_AS_FAR,
            values=_as_far(roster) | {":new": {"N": str(made)}, ":run": {"S": run}},
        )

    def make(self, making: Update) -> bool:
        """Write the result of `making` alone. Return False if the roster has changed since it was read."""
        return write_if(self.client, None, [making])

    def advance(self, roster: Roster, done: int, *, run: str, now_ms: int) -> bool:
        """Count so many changes as done. If these are all, the roster is done.

        Return False if the roster has changed since it was read. It may be this very call, repeated after a lost
        answer: then the row has `run`.
        """
        changes = {Row.DONE: {"N": str(done)}, Row.RUN: {"S": run}}
        if done == roster.counts.changes:
            changes |= {Row.STATE: {"S": "done"}, Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        return self._change(roster, changes)

    def fail(self, roster: Roster, failure: str, *, now_ms: int) -> bool:
        """Mark the roster as failed. Return False if it has changed since it was read."""
        changes = {Row.STATE: {"S": "failed"}, Row.FAILURE: {"S": failure}, Row.FINISHED_AT_MS: {"N": str(now_ms)}}
        return self._change(roster, changes)

    def _change(self, roster: Roster, changes: dict[str, Any]) -> bool:
        sets = ", ".join(f"{name} = :new{index}" for index, name in enumerate(changes))
        values = {f":new{index}": value for index, value in enumerate(changes.values())}
        update = Update(
            self.table,
            roster_key(roster.group),
            f"SET {sets}",
            condition=_AS_FAR,
            values=_as_far(roster) | values,
        )
        return write_if(self.client, None, [update])


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
