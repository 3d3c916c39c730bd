"""Rows of the directory table that depend on the pepper, for the job that rewrites them (docs/adr/0046)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandes.model.app import App
from sandes.model.complaint import Complaint
from sandes.model.ids import AccountId
from sandes.model.imports import Nomination
from sandes.store.app_rows import app_key
from sandes.store.complaints import complaint_key
from sandes.store.directory import account_key, phone_key
from sandes.store.dynamo import Client, Item, batch_get_many
from sandes.store.nominations import nomination_item, nomination_key
from sandes.store.schema import AppRow, ComplaintRow, DirectoryRow, NominationRow
from sandes.store.schema import RekeyRow as Row
from sandes.store.transaction import Check, Delete, Operation, Put, Update, transact

_KEY: dict[str, Any] = {DirectoryRow.PARTITION: {"S": "RK#pepper"}, DirectoryRow.SORT: {"S": "0"}}
_FREE = f"attribute_not_exists({DirectoryRow.PARTITION})"
_PAGE_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Progress:
    """Holds the progress of a step. `step` names the values of the pepper, the current one first, and the step's time.

    `passes` counts the passes begun. `start` is the key after which the current pass continues. `rows` and `changed`
    count rows of the current pass, `changed_before` those of earlier passes. `unreadable` counts rows of the current
    pass that no value decrypts.
    """

    step: str
    version: int
    passes: int
    rows: int = 0
    changed: int = 0
    changed_before: int = 0
    unreadable: int = 0
    start: tuple[str, str] | None = None
    done_at: int | None = None


@dataclass(frozen=True, slots=True)
class RekeyStore:
    client: Client
    table: str

    def progress(self) -> Progress | None:
        answer = self.client.get_item(TableName=self.table, Key=_KEY, ConsistentRead=True)
        return _read(answer["Item"]) if "Item" in answer else None

    def progressing(self, before: Progress | None, after: Progress) -> Put:
        """Build the part of a transaction that records progress. The condition fails if another call has made
        progress.
        """
        if before is None:
            return Put(self.table, _item(after), condition=_FREE)
        read = {":read": {"N": str(before.version)}}
        return Put(self.table, _item(after), condition=f"{Row.VERSION} = :read", values=read)

    def write(self, operations: Sequence[Operation]) -> None:
        """Write all operations or none. Raises ConditionFailed, StoreUnavailable."""
        transact(self.client, operations)

    def page(self, start: tuple[str, str] | None) -> tuple[list[Item], tuple[str, str] | None]:
        """Return the rows that depend on the pepper among the next thousand of the table, and the key to continue
        after.
        """
        behind: dict[str, Any] = {}
        if start:
            key = {DirectoryRow.PARTITION: {"S": start[0]}, DirectoryRow.SORT: {"S": start[1]}}
            behind = {"ExclusiveStartKey": key}
        answer = self.client.scan(
            TableName=self.table,
            ConsistentRead=True,
            Limit=_PAGE_ROWS,
            FilterExpression=(
                f"begins_with({DirectoryRow.PARTITION}, :numbers)"
                f" OR (begins_with({DirectoryRow.PARTITION}, :apps) AND {DirectoryRow.SORT} = :whole)"
                f" OR (begins_with({DirectoryRow.PARTITION}, :organisations)"
                f" AND begins_with({DirectoryRow.SORT}, :complaints))"
            ),
            ExpressionAttributeValues={
                ":numbers": {"S": "P#"},
                ":apps": {"S": "APP#"},
                ":whole": {"S": "0"},
                ":organisations": {"S": "O#"},
                ":complaints": {"S": "C#"},
            },
            **behind,
        )
        last = answer.get("LastEvaluatedKey")
        return list(answer["Items"]), (
            last[DirectoryRow.PARTITION]["S"],
            last[DirectoryRow.SORT]["S"],
        ) if last else None

    def accounts(self, ids: Iterable[AccountId]) -> dict[AccountId, tuple[str, bytes]]:
        """Return the pseudonym and the encrypted number of each account that exists."""
        keys = {id: account_key(id) for id in ids}
        names = (DirectoryRow.PARTITION, DirectoryRow.PHONE_INDEX, DirectoryRow.PHONE_SEALED)
        found = batch_get_many(self.client, self.table, [*keys.values()], attributes=names)
        rows = {item[DirectoryRow.PARTITION]["S"]: item for item in found}
        return {
            id: (row[DirectoryRow.PHONE_INDEX]["S"], row[DirectoryRow.PHONE_SEALED]["B"])
            for id, key in keys.items()
            if (row := rows.get(key[DirectoryRow.PARTITION]["S"]))
        }

    def rows(self, keys: Iterable[Item]) -> dict[tuple[str, str], Item]:
        """Return those rows that exist, by their keys."""
        unique = {(key[DirectoryRow.PARTITION]["S"], key[DirectoryRow.SORT]["S"]): key for key in keys}
        found = batch_get_many(self.client, self.table, [*unique.values()])
        return {(item[DirectoryRow.PARTITION]["S"], item[DirectoryRow.SORT]["S"]): item for item in found}

    # Transactions. Each fails if a row has changed since it was read.

    def claiming(self, account: AccountId, *, used: str, following: str) -> list[Operation]:
        """Write a number's row under the following value too, while it belongs to the account."""
        return [
            self._claim(following, account),
            self._check(phone_key(used), f"{DirectoryRow.ACCOUNT} = :account", {":account": {"B": account}}),
            self._check(account_key(account), f"{DirectoryRow.PHONE_INDEX} = :used", {":used": {"S": used}}),
        ]

    def moving(
        self, account: AccountId, read: tuple[str, bytes], *, used: str, sealed: bytes, former: str
    ) -> list[Operation]:
        """Write account and number under the current value only."""
        return [
            self._claim(used, account),
            self.dropping(former, account),
            Update(
                self.table,
                account_key(account),
                f"SET {DirectoryRow.PHONE_INDEX} = :used, {DirectoryRow.PHONE_SEALED} = :sealed",
                condition=f"{DirectoryRow.PHONE_INDEX} = :index AND {DirectoryRow.PHONE_SEALED} = :before",
                values={
                    ":used": {"S": used},
                    ":sealed": {"B": sealed},
                    ":index": {"S": read[0]},
                    ":before": {"B": read[1]},
                },
            ),
        ]

    def dropping(self, index: str, account: AccountId) -> Delete:
        """Remove a number's row that is no longer needed, if it exists and belongs to this account."""
        return Delete(
            self.table,
            phone_key(index),
            condition=f"{_FREE} OR {DirectoryRow.ACCOUNT} = :account",
            values={":account": {"B": account}},
        )

    def nominating(self, nomination: Nomination, *, as_of: Nomination) -> list[Operation]:
        """Copy a nomination to another pseudonym, while the original exists."""
        same = {":same": {"S": str(as_of.origin)}}
        return [
            Put(self.table, nomination_item(nomination)),
            self._check(nomination_key(as_of.index), f"{NominationRow.ORIGIN} = :same", same),
        ]

    def renominating(self, nomination: Nomination, sealed: bytes) -> list[Operation]:
        return [
            Update(
                self.table,
                nomination_key(nomination.index),
                f"SET {NominationRow.PHONE_SEALED} = :sealed",
                condition=f"{NominationRow.ORIGIN} = :same",
                values={":sealed": {"B": sealed}, ":same": {"S": str(nomination.origin)}},
            )
        ]

    def denominating(self, nomination: Nomination, *, but_of: str | None = None) -> list[Operation]:
        """Remove a nomination. With `but_of`, only while the number has no equal nomination under that pseudonym."""
        same = {":same": {"S": str(nomination.origin)}}
        condition = f"{_FREE} OR {NominationRow.ORIGIN} = :same"
        delete = Delete(self.table, nomination_key(nomination.index), condition=condition, values=same)
        if but_of is None:
            return [delete]
        return [
            delete,
            self._check(nomination_key(but_of), f"{_FREE} OR {NominationRow.ORIGIN} <> :same", same),
        ]

    def reguesting(self, app: App, guests: frozenset[str], sealed: bytes) -> list[Operation]:
        """Rewrite an app's guests. The version stays, because nothing has changed for the app's administrators."""
        return [
            Update(
                self.table,
                app_key(app.id),
                f"SET {AppRow.GUESTS} = :guests, {AppRow.GUESTS_SEALED} = :sealed",
                condition=f"{AppRow.GUESTS_SEALED} = :before",
                values={
                    ":guests": {"L": [{"S": guest} for guest in sorted(guests)]},
                    ":sealed": {"B": sealed},
                    ":before": {"B": app.guests_sealed},
                },
            )
        ]

    def resealing(self, complaint: Complaint, anew: Complaint) -> list[Operation]:
        values = {
            ComplaintRow.TEXT: {"B": anew.text},
            ComplaintRow.REPORTER: {"B": anew.reporter},
            ComplaintRow.PSEUDONYM: {"S": anew.pseudonym},
            **({ComplaintRow.NOTE: {"B": anew.note}} if anew.note else {}),
        }
        return [
            Update(
                self.table,
                complaint_key(complaint),
                f"SET {', '.join(f'{name} = :{name}' for name in values)}",
                condition=f"{ComplaintRow.VERSION} = :read AND {ComplaintRow.TEXT} = :before",
                values={f":{name}": value for name, value in values.items()}
                | {":read": {"N": str(complaint.version)}, ":before": {"B": complaint.text}},
            )
        ]

    def _claim(self, index: str, account: AccountId) -> Put:
        return Put(
            self.table,
            phone_key(index) | {DirectoryRow.ACCOUNT: {"B": account}},
            condition=f"{_FREE} OR {DirectoryRow.ACCOUNT} = :account",
            values={":account": {"B": account}},
        )

    def _check(self, key: Item, condition: str, values: dict[str, Any]) -> Check:
        return Check(self.table, key, condition=condition, values=values)


def _item(progress: Progress) -> dict[str, Any]:
    item = _KEY | {
        Row.STEP: {"S": progress.step},
        Row.VERSION: {"N": str(progress.version)},
        Row.PASSES: {"N": str(progress.passes)},
        Row.ROWS: {"N": str(progress.rows)},
        Row.CHANGED: {"N": str(progress.changed)},
        Row.CHANGED_BEFORE: {"N": str(progress.changed_before)},
        Row.UNREADABLE: {"N": str(progress.unreadable)},
    }
    if progress.start:
        item[Row.START] = {"S": json.dumps(progress.start)}
    if progress.done_at is not None:
        item[Row.DONE_AT] = {"N": str(progress.done_at)}
    return item


def _read(item: Item) -> Progress:
    partition, sort = json.loads(item[Row.START]["S"]) if Row.START in item else ("", "")
    return Progress(
        step=item[Row.STEP]["S"],
        version=int(item[Row.VERSION]["N"]),
        passes=int(item[Row.PASSES]["N"]),
        rows=int(item[Row.ROWS]["N"]),
        changed=int(item[Row.CHANGED]["N"]),
        changed_before=int(item[Row.CHANGED_BEFORE]["N"]),
        unreadable=int(item[Row.UNREADABLE]["N"]),
        start=(partition, sort) if partition else None,
        done_at=int(item[Row.DONE_AT]["N"]) if Row.DONE_AT in item else None,
    )
